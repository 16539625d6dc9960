"""Honest probabilities: of logits, at a temperature that falls where the model is unsure."""

from dataclasses import dataclass

import numpy as np

from titleclf.runtime import speedups
from titleclf.runtime.arrays import Floats


@dataclass(frozen=True)
class Temperature:
    """What makes probabilities honest: a temperature that falls where the model is unsure.

    Log-probabilities are multiplied by (1 + slope * doubt) / value, doubt being minus the largest of a title's: one
    temperature for all leaves the sure titles too sure where the unsure ones are right. After Balanya et al. 2022
    (Adaptive temperature scaling), who take the entropy. Above 0 and 0 or more: the order of categories stays.
    """

    value: float
    slope: float


NO_TEMPERATURE = Temperature(value=1.0, slope=0.0)


def probabilities(logits: Floats, temperature: Temperature) -> Floats:
    """Return the probabilities of logits (titles, categories)."""
    if speedups.compiled is not None:
        found: Floats = speedups.compiled.probabilities(logits, temperature.value, temperature.slope)
        return found
    tempered = _tempered(logits, temperature)
    odds = np.exp(tempered - tempered.max(axis=1, keepdims=True))
    shares: Floats = odds / odds.sum(axis=1, keepdims=True)
    return shares


def log_probabilities(logits: Floats, temperature: Temperature) -> Floats:
    """Return the logarithms of `probabilities` (titles, categories), finite even where these are zero."""
    return _log_softmax(_tempered(logits, temperature))


def _tempered(logits: Floats, temperature: Temperature) -> Floats:
    shares = _log_softmax(logits.astype(np.float64))
    doubt = -shares.max(axis=1, keepdims=True)  # (titles, 1), in nats
    tempered: Floats = shares * (1 + temperature.slope * doubt) / temperature.value
    return tempered


def _log_softmax(logits: Floats) -> Floats:
    # Not scipy's: to import it would take a prediction longer than to predict.
    below = logits - logits.max(axis=1, keepdims=True)
    shares: Floats = below - np.log(np.exp(below).sum(axis=1, keepdims=True))
    return shares
