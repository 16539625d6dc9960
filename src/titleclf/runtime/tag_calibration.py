"""Honest probabilities of tags: each of its own logit."""

from dataclasses import dataclass

import numpy as np

from titleclf.runtime.arrays import Floats


@dataclass(frozen=True)
class TagTemperature:
    """What makes the probabilities of tags honest: they are sigmoids of logits / value + shift, one of each for all.

    Smoothing lifts or presses all logits alike: the shift takes that back. After Platt 1999.
    """

    value: float
    shift: float


NO_TEMPERATURE = TagTemperature(value=1.0, shift=0.0)


def probabilities(logits: Floats, temperature: TagTemperature) -> Floats:
    """Return the probability of each tag, of logits (titles, categories)."""
    with np.errstate(over="ignore"):  # of what is far below zero, the exponential is infinite and the sigmoid 0
        shares: Floats = 1 / (1 + np.exp(-tempered(logits, temperature)))
    return shares


def tempered(logits: Floats, temperature: TagTemperature) -> Floats:
    """Return the logits (titles, categories) whose sigmoids the probabilities are."""
    found: Floats = logits.astype(np.float64) / temperature.value + temperature.shift
    return found
