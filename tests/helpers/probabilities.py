"""Calibrated probabilities, with categories or tags drawn from them."""

import numpy as np

from titleclf.runtime.arrays import Bools, Floats, Labels

CATEGORIES = ["film", "news", "never"]


def calibrated(seed: int, count: int = 3_000) -> tuple[Floats, Labels]:
    """Return probabilities (titles, categories) and labels (titles,); the last category almost never occurs."""
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet([0.6, 0.4, 0.0001], size=count)
    return probabilities, (generator.random((count, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)


def calibrated_tags(seed: int, count: int = 4_000) -> tuple[Floats, Bools]:
    """Return probabilities and tags, both (titles, categories); the last tag is rare."""
    generator = np.random.default_rng(seed)
    probabilities = generator.beta([0.5, 1.0, 0.05], [0.5, 2.0, 9.0], size=(count, 3))
    return probabilities, generator.random((count, 3)) < probabilities


def reached(probabilities: Floats, labels: Labels, thresholds: Floats) -> tuple[dict[int, float], float]:
    """Return the precision of each predicted category, and the fraction of titles with a prediction."""
    predicted = probabilities.argmax(axis=1)
    is_named = probabilities.max(axis=1) >= thresholds[predicted]
    precisions = {
        int(category): float((labels[is_named & (predicted == category)] == category).mean())
        for category in set(predicted[is_named].tolist())
    }
    return precisions, float(is_named.mean())
