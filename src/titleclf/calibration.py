"""What is fitted once the network stands, to titles that it was not trained on: memory, temperature and thresholds."""

import numpy as np

from titleclf.arrays import Floats
from titleclf.bundle import Bundle
from titleclf.config import TrainConfig
from titleclf.data import Data
from titleclf.kinds import MemoryKind, Task
from titleclf.known import Sample
from titleclf.memory import Memory
from titleclf.metrics import fit_temperature
from titleclf.tags import metrics as tag_metrics
from titleclf.tags import temperature as tag_temperature
from titleclf.tags.memory import TagMemory
from titleclf.tags.temperature import TagTemperature
from titleclf.tags.thresholds import TagThresholds
from titleclf.temperature import NO_TEMPERATURE, Temperature
from titleclf.thresholds import Thresholds, named_wishes
from titleclf.titles import context_ids_of, labels_of, tags_of, targets_of
from titleclf.validation import network_logits, noisy_copies

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
        bundle.temperature = tag_metrics.fit_temperature(logits, tags_of(validation, categories))
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
