"""Fitting thresholds to predictions for titles that the model was not trained on."""

from collections.abc import Sequence

import numpy as np
from scipy.special import betaincinv
from sklearn.isotonic import IsotonicRegression

from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.thresholds import TagThresholds, Thresholds

PRECISIONS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.97, 0.98, 0.99)
_FEWEST_PRIOR, _MOST_PRIOR = 20, 100  # predictions, see `lowest_probabilities`
_RISK = 0.1  # that a category's precision is below its bound
_TINY = 1e-9  # the bound is not defined for no right prediction at all
_FEW = 50  # predictions: too few to tell where a category is right half of the time
_PRIOR_TITLES = 100  # see `best_thresholds`
_CANDIDATES = np.arange(1, 100) / 100


def fit_thresholds(
    probabilities: Floats, labels: Labels, categories: list[str], wishes: dict[str, float], target: float
) -> Thresholds:
    """Fit probabilities (titles, categories) to labels (titles,) at `PRECISIONS`, the wishes and the target.

    None is below `even_odds`: precision is a mean, and must not let sure predictions pay for guesses.
    """
    precisions = sorted({*PRECISIONS, *wishes.values(), target})
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    right = labels == predicted
    lowest = lowest_probabilities(confidence, predicted, right, len(categories), precisions)
    floors = even_odds(confidence, predicted, right, len(categories))
    least = {
        category: [None if value is None else max(value, floor) for value in row]
        for category, row, floor in zip(categories, lowest, floors, strict=True)
    }
    return Thresholds(precisions, least, wishes)


def fit_tag_thresholds(
    probabilities: Floats, tags: Bools, categories: list[str], wishes: dict[str, float], target: float
) -> TagThresholds:
    """Fit probabilities to tags, both (titles, categories), at `PRECISIONS`, the wishes and the target."""
    precisions = sorted({*PRECISIONS, *wishes.values(), target})
    numbers = np.tile(np.arange(len(categories)), len(tags))
    lowest = lowest_probabilities(probabilities.ravel(), numbers, tags.ravel(), len(categories), precisions)
    named = best_thresholds(probabilities, tags).tolist()
    by_category, named_by_category = (dict(zip(categories, values, strict=True)) for values in (lowest, named))
    return TagThresholds(precisions, by_category, wishes, named_by_category)


def lowest_probabilities(
    confidence: Floats, predicted: Labels, right: Bools, categories: int, precisions: Sequence[float]
) -> list[list[float | None]]:
    """Return the lowest confidence that reaches each precision, by category, or None if none does.

    All arrays are (predictions,): confidence, number of the predicted category, and whether it is right. A few lucky
    predictions must not set a threshold, and a category with few predictions must not abstain for that reason. So the
    precision of a category above a confidence is estimated with more predictions, as many as all categories have above
    that confidence, but _FEWEST_PRIOR to _MOST_PRIOR, and right as often as those (the m-estimate of Cestnik 1990). The
    precision of all categories has _FEWEST_PRIOR more, right as often as its predictions are confident. What must reach
    a precision is not that estimate, but the lower confidence bound of Clopper and Pearson (1934) on it, at a risk of
    _RISK.
    """
    candidates = -np.unique(-confidence)
    counts, hits = (_sums_above(candidates, confidence, values) for values in (np.ones_like(confidence), right))
    expected = _sums_above(candidates, confidence, confidence) / counts
    overall = (hits + _FEWEST_PRIOR * expected) / (counts + _FEWEST_PRIOR)
    prior = np.clip(counts, _FEWEST_PRIOR, _MOST_PRIOR)
    lowest = []
    for number in range(categories):
        rows = np.flatnonzero(predicted == number)
        flags = (np.ones(len(rows)), right[rows])
        counts, hits = (_sums_above(candidates, confidence[rows], values) for values in flags)
        hits = hits + prior * overall
        bounds = betaincinv(np.maximum(hits, _TINY), counts + prior - hits + 1, _RISK)
        lowest.append([_last(candidates[bounds >= precision]) for precision in precisions])
    return lowest


def even_odds(confidence: Floats, predicted: Labels, right: Bools, categories: int) -> list[float]:
    """Return the confidence, by category, below which a prediction is wrong more often than right; at least 0.5.

    All arrays are (predictions,). How often predictions of a confidence are right is fitted by isotonic regression, for
    a category with fewer than _FEW predictions to those of all.
    """

    def half_right(rows: Labels) -> float:
        if not len(rows):
            return 0.5
        fitted = IsotonicRegression(y_min=0, y_max=1).fit_transform(confidence[rows], right[rows].astype(np.float64))
        return max(float(confidence[rows][fitted >= 0.5].min(initial=1.0)), 0.5)

    by_category = [np.flatnonzero(predicted == number) for number in range(categories)]
    everything = np.arange(len(confidence))
    return [half_right(rows if len(rows) >= _FEW else everything) for rows in by_category]


def best_threshold_for_all(probabilities: Floats, tags: Bools) -> float:
    """Return the single threshold for all tags with the highest micro-F1."""
    return float(best_thresholds(probabilities.reshape(-1, 1), tags.reshape(-1, 1))[0])


def best_thresholds(probabilities: Floats, tags: Bools) -> Floats:
    """Return each tag's threshold (categories,) with the highest F1.

    A few titles must not set it, so each tag's counts include those of _PRIOR_TITLES more titles with the average tag.
    A tag without titles gets the best threshold of the average tag.
    """
    counts = [_counts(probabilities >= candidate, tags) for candidate in _CANDIDATES]
    right, predicted = np.array(counts).swapaxes(0, 1)  # both (candidates, categories)
    true = tags.sum(axis=0)  # (categories,)
    weight = _PRIOR_TITLES / max(1, true.sum())
    right = right + weight * right.sum(axis=1, keepdims=True)
    predicted = predicted + weight * predicted.sum(axis=1, keepdims=True)
    best: Floats = _CANDIDATES[(2 * right / (predicted + true + _PRIOR_TITLES)).argmax(axis=0)]
    return best


def _counts(named: Bools, tags: Bools) -> tuple[Labels, Labels]:
    return (named & tags).sum(axis=0), named.sum(axis=0)


def _sums_above(candidates: Floats, confidence: Floats, values: Floats | Bools) -> Floats:
    # Candidates are in descending order; each sum is over all predictions that are at least as confident.
    order = np.argsort(-confidence, kind="stable")
    counts = np.searchsorted(-confidence[order], -candidates, side="right")
    sums: Floats = np.concatenate([[0.0], values[order].cumsum(dtype=np.float64)])[counts]
    return sums


def _last(values: Floats) -> float | None:
    return float(values[-1]) if len(values) else None
