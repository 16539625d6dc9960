"""What is fitted once the network stands, to titles that it was not trained on: memory, temperature and thresholds."""

import numpy as np

from titleclf.bundle import Bundle
from titleclf.config import MemoryKind, TrainConfig
from titleclf.data import Data
from titleclf.memory import Memory, Sample
from titleclf.metrics import fit_temperature, probabilities
from titleclf.thresholds import Thresholds, named_wishes
from titleclf.titles import labels_of
from titleclf.validation import noisy_copies

_MEMORY_TITLES = 4000  # of each kind are enough to fit two numbers


def calibrate(config: TrainConfig, data: Data, bundle: Bundle) -> None:
    """Remember titles, and fit memory, temperature and thresholds, one on top of the other."""
    bundle.memory = remember(config, data, bundle)
    validation = data.sides.validation
    logits, labels = bundle.logits(list(validation["title"]))[0], labels_of(validation, data.categories)
    bundle.temperature = fit_temperature(logits, labels)
    bundle.thresholds = Thresholds.fit(
        probabilities(logits, bundle.temperature),
        labels,
        data.categories,
        named_wishes(config.evaluate.category_precision, data.categories),
        more=[config.evaluate.target_precision],
    )


def remember(config: TrainConfig, data: Data, bundle: Bundle) -> Memory | None:
    """Return a memory of the titles to remember, fitted to unseen titles and to noisy copies of known ones."""
    if config.memory is MemoryKind.none:
        return None
    validation, known = data.sides.validation, data.remembered
    memory = Memory.from_titles(config.memory, list(known["title"]), labels_of(known, data.categories))
    generator = np.random.default_rng([config.seed, 0])
    unseen = validation.iloc[generator.permutation(len(validation))[:_MEMORY_TITLES]]
    sides = [
        (unseen, 1.0),
        (noisy_copies(unseen, _MEMORY_TITLES, generator), 0.5),
        (noisy_copies(known, _MEMORY_TITLES, generator), 0.3),  # less: the network knows these by heart already
    ]
    memory.fit(
        [
            Sample(titles, bundle.network_logits(titles)[0], labels_of(side, data.categories), weight)
            for side, weight in sides
            for titles in [list(side["title"])]
        ]
    )
    return memory
