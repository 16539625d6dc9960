"""What is fitted once the network stands, to titles that it was not trained on: memory, temperature and thresholds."""

import numpy as np
from scipy.optimize import minimize

from titleclf.config.schemas import TrainConfig
from titleclf.data.dataset import Data
from titleclf.data.targets import context_ids_of, labels_of, named_wishes, tags_of, targets_of
from titleclf.evaluate import tag_metrics
from titleclf.evaluate.metrics import negative_log_likelihood
from titleclf.runtime import tag_calibration as tag_temperature
from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.calibration import NO_TEMPERATURE, Temperature
from titleclf.runtime.choices import MemoryKind, Task
from titleclf.runtime.memory.known_titles import Sample
from titleclf.runtime.memory.memory import Memory
from titleclf.runtime.memory.tag_memory import TagMemory
from titleclf.runtime.tag_calibration import TagTemperature
from titleclf.runtime.tag_thresholds import TagThresholds
from titleclf.runtime.thresholds import Thresholds
from titleclf.training.trained_model import Bundle
from titleclf.training.validation import network_logits, noisy_copies

_MEMORY_TITLES = 4000  # of each kind are enough to fit a few numbers


def uncalibrated(task: Task) -> tuple[Temperature | TagTemperature, Thresholds]:
    """Return the temperature and the thresholds of a bundle that has yet to be trained."""
    if task is Task.single:
        return NO_TEMPERATURE, Thresholds(precisions=[], least={}, wishes={})
    return tag_temperature.NO_TEMPERATURE, TagThresholds(precisions=[], least={}, wishes={}, named={})


def calibrate(config: TrainConfig, data: Data, bundle: Bundle) -> None:
    """Remember titles, and fit memory, temperature and thresholds, one on top of the other."""
    bundle.memory = remember(config, data, bundle)
    validation, categories = data.sides.validation, data.categories
    logits = bundle.logits(list(validation["title"]), context_ids_of(validation, bundle.contexts))[0]
    if config.task is Task.single:
        bundle.temperature = fit_temperature(logits, labels_of(validation, categories))
    else:
        bundle.temperature = fit_tag_temperature(logits, tags_of(validation, categories))
    bundle.thresholds = _thresholds(config, data, bundle.calibrated(logits))
    if bundle.contexts is not None:
        bundle.alone = _thresholds(config, data, bundle.probabilities(list(validation["title"]))[0])


def _thresholds(config: TrainConfig, data: Data, shares: Floats) -> Thresholds:
    """Fit thresholds to probabilities (titles, categories) of the validation titles."""
    validation, categories = data.sides.validation, data.categories
    wishes = named_wishes(config.evaluate.category_precision, categories)
    more = [config.evaluate.target_precision]
    if config.task is Task.single:
        return Thresholds.fit(shares, labels_of(validation, categories), categories, wishes, more=more)
    return TagThresholds.of_tags(shares, tags_of(validation, categories), categories, wishes, more)


def remember(config: TrainConfig, data: Data, bundle: Bundle) -> Memory | TagMemory | None:
    """Return a memory of the titles to remember, fitted to unseen titles and to noisy copies of known ones."""
    if config.memory is MemoryKind.none:
        return None
    validation, known = data.sides.validation, data.remembered
    memory = _memory_of(config, data)
    generator = np.random.default_rng([config.seed, 0])
    unseen = validation.iloc[generator.permutation(len(validation))[:_MEMORY_TITLES]]
    sides = [
        (unseen, 1.0),
        (noisy_copies(unseen, _MEMORY_TITLES, generator), 0.5),
        (noisy_copies(known, _MEMORY_TITLES, generator), 0.3),  # less: the network knows these by heart already
    ]
    memory.fit(
        [
            Sample(
                list(side["title"]),
                network_logits(bundle, side),
                targets_of(side, data.categories, config.task),
                weight,
            )
            for side, weight in sides
        ]
    )
    return memory


def _memory_of(config: TrainConfig, data: Data) -> Memory | TagMemory:
    titles = list(data.remembered["title"])
    if config.task is Task.single:
        return Memory.from_titles(config.memory, titles, labels_of(data.remembered, data.categories))
    return TagMemory.from_titles(config.memory, titles, tags_of(data.remembered, data.categories))


def fit_temperature(logits: Floats, labels: Labels) -> Temperature:
    """Return the temperature, of value in [0.05, 20] and slope in [0, 2], that makes `labels` likeliest."""

    def loss(values: Floats) -> float:
        return negative_log_likelihood(logits, labels, Temperature(float(np.exp(values[0])), float(values[1])))

    bounds = [(np.log(0.05), np.log(20)), (0.0, 2.0)]
    value, slope = minimize(loss, (0.0, 0.1), method="L-BFGS-B", bounds=bounds).x
    return Temperature(float(np.exp(value)), float(slope))


def fit_tag_temperature(logits: Floats, tags: Bools) -> TagTemperature:
    """Return the temperature, of value in [0.05, 20] and shift in [-5, 5], that makes `tags` likeliest."""

    def loss(values: Floats) -> float:
        return tag_metrics.negative_log_likelihood(
            logits, tags, TagTemperature(float(np.exp(values[0])), float(values[1]))
        )

    bounds = [(np.log(0.05), np.log(20)), (-5.0, 5.0)]
    value, shift = minimize(loss, (0.0, 0.0), method="L-BFGS-B", bounds=bounds).x
    return TagTemperature(float(np.exp(value)), float(shift))
