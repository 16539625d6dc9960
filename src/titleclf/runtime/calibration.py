"""Calibrated probabilities: a softmax at a fitted temperature for one category, sigmoids for several tags."""

from dataclasses import dataclass

import numpy as np

from titleclf.runtime import speedups
from titleclf.runtime.arrays import Floats


@dataclass(frozen=True)
class Temperature:
    """A temperature that falls where the model is unsure.

    Log-probabilities are multiplied by (1 + slope * uncertainty) / value, where uncertainty is the negative of a
    title's largest log-probability: a single temperature that calibrates uncertain titles leaves confident ones
    overconfident. After Balanya et al. 2022 (Adaptive temperature scaling), who use the entropy. `value` is above 0 and
    `slope` at least 0, so the order of categories does not change.
    """

    value: float
    slope: float

    @property
    def keeps_order(self) -> bool:
        """Whether a higher logit always gives a higher probability."""
        return self.value > 0 and self.slope >= 0

    def probabilities(self, logits: Floats) -> Floats:
        """Return probabilities that add up to 1 for logits (titles, categories)."""
        if speedups.compiled is not None:
            compiled: Floats = speedups.compiled.probabilities(logits, self.value, self.slope)
            return compiled
        tempered = self._tempered(logits)
        odds = np.exp(tempered - tempered.max(axis=1, keepdims=True))
        probabilities: Floats = odds / odds.sum(axis=1, keepdims=True)
        return probabilities

    def log_probabilities(self, logits: Floats) -> Floats:
        """Return the logarithms of `probabilities` (titles, categories), finite even where these are zero."""
        return _log_softmax(self._tempered(logits))

    def _tempered(self, logits: Floats) -> Floats:
        log_probabilities = _log_softmax(logits.astype(np.float64))
        uncertainty = -log_probabilities.max(axis=1, keepdims=True)  # (titles, 1), in nats
        tempered: Floats = log_probabilities * (1 + self.slope * uncertainty) / self.value
        return tempered


@dataclass(frozen=True)
class TagTemperature:
    """The temperature and shift of tags, the same for all: probabilities are sigmoids of logits / value + shift.

    Label smoothing shifts all logits alike; `shift` undoes that. After Platt 1999.
    """

    value: float
    shift: float

    @property
    def keeps_order(self) -> bool:
        """Whether a higher logit always gives a higher probability."""
        return self.value > 0

    def probabilities(self, logits: Floats) -> Floats:
        """Return the probability of each tag for logits (titles, categories)."""
        with np.errstate(over="ignore"):  # the exponential of a very negative logit is infinite, its sigmoid 0
            probabilities: Floats = 1 / (1 + np.exp(-self.tempered(logits)))
        return probabilities

    def tempered(self, logits: Floats) -> Floats:
        """Return the logits (titles, categories) whose sigmoids are the probabilities."""
        tempered: Floats = logits.astype(np.float64) / self.value + self.shift
        return tempered


NO_TEMPERATURE = Temperature(value=1.0, slope=0.0)
NO_TAG_TEMPERATURE = TagTemperature(value=1.0, shift=0.0)


def _log_softmax(logits: Floats) -> Floats:
    # scipy's would take longer to import than a prediction takes.
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probabilities: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return log_probabilities
