"""What is fitted after the network, to titles that it was not trained on: memory, temperature and thresholds."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize

from titleclf.config.schemas import TrainConfig
from titleclf.data.dataset import Dataset
from titleclf.data.targets import Targets, precision_by_category
from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.bundle.contents import BundleContents
from titleclf.runtime.calibration import TagTemperature, Temperature
from titleclf.runtime.choices import MemoryKind, Task
from titleclf.runtime.memory.memory import Memory
from titleclf.runtime.text.plain_titles import plain_titles
from titleclf.runtime.text.programmes import Programmes
from titleclf.training.memory_fit import LOG_TEMPERATURES, Sample, fit_memory
from titleclf.training.threshold_fit import fit_tag_thresholds, fit_thresholds
from titleclf.training.trained_model import TrainedModel
from titleclf.training.validation import noisy_copies

_MEMORY_TITLES = 4000  # of each kind: enough to fit a few numbers


class Fits(NamedTuple):
    """How the temperature and the thresholds of one category and of several tags are fitted."""

    temperature: Callable[[Floats, Any], Temperature | TagTemperature]
    thresholds: Callable[..., Any]


def calibrate(config: TrainConfig, data: Dataset, model: TrainedModel) -> None:
    """Remember titles, and fit memory, temperature and thresholds, one on top of the other."""
    contents, validation, fits = model.contents, data.validation, _FITS[config.task]
    contents.memory = remember(config, data, model)
    programmes = validation.programmes  # as complete as in their guides: training hides more of their fields
    outputs = model.outputs(programmes)
    logits, kind_logits = model.split(outputs)
    contents.temperature = fits.temperature(logits, validation.targets)
    wishes = precision_by_category(config.evaluate.category_precision, data.categories)

    def thresholds(probabilities: Floats, targets: Targets) -> Any:
        return fits.thresholds(probabilities, targets, data.categories, wishes, config.evaluate.target_precision)

    if (is_known := validation.kinds >= 0).any():
        contents.kind_temperature = fit_temperature(kind_logits[is_known], validation.kinds[is_known])
    probabilities = contents.temperature.probabilities(logits)
    if contents.title_thresholds is None:
        contents.thresholds = thresholds(probabilities, validation.targets)
    else:
        has_fields = programmes.has_fields()
        contents.thresholds = thresholds(probabilities[has_fields], validation.targets[has_fields])
        titles = model.probabilities(Programmes(validation.titles))
        contents.title_thresholds = thresholds(titles, validation.targets)


def keep_calibration(data: Dataset, evaluated: BundleContents, refitted: BundleContents) -> None:
    """Give a refitted model what was fitted for the evaluated one, and a memory of all titles.

    There are no titles left that it was not trained on, and it differs by the added titles alone.
    """
    refitted.kind_temperature = evaluated.kind_temperature
    refitted.temperature, refitted.info.metrics = evaluated.temperature, evaluated.info.metrics
    refitted.thresholds, refitted.title_thresholds = evaluated.thresholds, evaluated.title_thresholds
    refitted.info.is_refitted = True
    if evaluated.memory is not None:
        kind, titles = evaluated.memory.known.kind, data.remembered
        memory = Memory.from_titles(kind, titles.titles, titles.targets)
        refitted.memory = replace(memory, weights=evaluated.memory.weights)


def remember(config: TrainConfig, data: Dataset, model: TrainedModel) -> Memory | None:
    """Return a memory of the titles to remember, fitted to unseen titles and to noisy copies of remembered ones."""
    if config.memory is MemoryKind.none:
        return None
    memory = Memory.from_titles(config.memory, data.remembered.titles, data.remembered.targets)
    generator = np.random.default_rng([config.seed, 0])
    unseen = data.validation.take(generator.permutation(len(data.validation))[:_MEMORY_TITLES])
    weighted = [
        (unseen, 1.0),
        (noisy_copies(unseen, _MEMORY_TITLES, generator), 0.5),
        (noisy_copies(data.remembered, _MEMORY_TITLES, generator), 0.3),  # less: the network knows these by heart
    ]
    samples = [
        Sample(plain_titles(titles.titles), model.network_logits(titles.programmes), titles.targets, weight)
        for titles, weight in weighted
    ]
    fit_memory(memory, samples)
    return memory


def fit_temperature(logits: Floats, labels: Labels) -> Temperature:
    """Return the temperature, of value in [0.05, 20] and slope in [0, 2], that makes softened labels likeliest.

    Of n titles, each label has the probability (n + 1) / (n + 2), and the other categories share the rest, so that a
    few titles without an error don't make the model certain of everything (after Platt 1999, section 2.2).
    """
    titles, categories = logits.shape
    rest = 1 / (titles + 2)
    targets = np.full(logits.shape, rest / max(1, categories - 1))
    targets[np.arange(titles), labels] = 1 - rest

    def loss(values: Floats) -> float:
        temperature = Temperature(float(np.exp(values[0])), float(values[1]))
        return float(-(targets * temperature.log_probabilities(logits)).sum() / titles)

    value, slope = minimize(loss, (0.0, 0.1), method="L-BFGS-B", bounds=[LOG_TEMPERATURES, (0.0, 2.0)]).x
    return Temperature(float(np.exp(value)), float(slope))


def fit_tag_temperature(logits: Floats, truth: Bools) -> TagTemperature:
    """Return the temperature, of value in [0.05, 20] and shift in [-5, 5], that makes softened tags likeliest.

    Of all pairs of title and tag, n true ones have the probability (n + 1) / (n + 2), and n false ones 1 / (n + 2), so
    that a few titles without an error don't make the model certain of everything (Platt 1999, section 2.2).
    """
    true = int(truth.sum())
    false = truth.size - true
    targets = np.where(truth, (true + 1) / (true + 2), 1 / (false + 2))

    def loss(values: Floats) -> float:
        tempered = TagTemperature(float(np.exp(values[0])), float(values[1])).tempered(logits)
        return float((np.logaddexp(0, tempered) - targets * tempered).sum() / len(truth))

    value, shift = minimize(loss, (0.0, 0.0), method="L-BFGS-B", bounds=[LOG_TEMPERATURES, (-5.0, 5.0)]).x
    return TagTemperature(float(np.exp(value)), float(shift))


_FITS = {
    Task.single: Fits(fit_temperature, fit_thresholds),
    Task.multilabel: Fits(fit_tag_temperature, fit_tag_thresholds),
}
