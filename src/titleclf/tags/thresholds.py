"""How probable a tag must be to be named: for the best F1, and for answers that are right as often as is wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from titleclf.arrays import Bools, Floats, Labels
from titleclf.errors import InputError
from titleclf.facts import Metrics
from titleclf.thresholds import PRECISIONS, REPORTED, Thresholds, least_probabilities

_CANDIDATES = np.arange(1, 100) / 100
_BORROWED = 100  # titles: see `best_thresholds`


@dataclass
class TagThresholds(Thresholds):
    """For each tag also the least probability to be named at all; a wanted precision can only raise it."""

    named: dict[str, float]

    @classmethod
    def of_tags(
        cls, probabilities: Floats, tags: Bools, categories: list[str], wishes: dict[str, float], more: Sequence[float]
    ) -> "TagThresholds":
        """Fit probabilities (titles, categories) of titles that were not trained on, at `PRECISIONS` and `more`."""
        precisions = sorted({*PRECISIONS, *wishes.values(), *more})
        each = np.tile(np.arange(len(categories)), len(tags))
        found = least_probabilities(probabilities.ravel(), each, tags.ravel(), len(categories), precisions)
        named = best_thresholds(probabilities, tags).tolist()
        least, named_by_tag = (dict(zip(categories, values, strict=True)) for values in (found, named))
        return cls(precisions, least, wishes, named_by_tag)

    @classmethod
    def from_mapping(cls, values: Any, categories: list[str], where: str) -> Self:
        """Read what `asdict` made of thresholds for `categories`.

        Raises
        ------
        InputError
            If it is damaged, or is for other categories.
        """
        found = super().from_mapping(values, categories, where)
        if list(found.named) != categories or not all(0 <= share <= 1 for share in found.named.values()):
            raise InputError(f"{where}.named must be a probability for each category. Train again.")
        return found

    def unasked(self) -> Floats:
        """Return the least probability (categories,) at which each is named, if no precision is wanted."""
        return np.array(list(self.named.values()))

    def at(self, precision: float) -> Floats:
        """Return the same for tags that shall be right that often, inf where none is.

        Raises
        ------
        InputError
            If `precision`, or a wish that is above it, is more than was fitted.
        """
        return np.maximum(self.unasked(), super().at(precision))


def best_for_all(probabilities: Floats, tags: Bools) -> float:
    """Return the one probability from which on naming any tag gives the highest micro-F1."""
    return float(best_thresholds(probabilities.reshape(-1, 1), tags.reshape(-1, 1))[0])


def best_thresholds(probabilities: Floats, tags: Bools) -> Floats:
    """Return the probability (categories,) from which on naming a tag gives it the highest F1.

    A few titles must not set it: each tag's counts are joined by those of _BORROWED titles that have it, taken from
    the average tag. One that no title has, gets what is best for the average tag.
    """
    counts = [_counts(probabilities >= candidate, tags) for candidate in _CANDIDATES]
    right, answers = np.array(counts).swapaxes(0, 1)  # both (candidates, categories)
    true = tags.sum(axis=0)  # (categories,)
    borrowed = _BORROWED / max(1, true.sum())
    right = right + borrowed * right.sum(axis=1, keepdims=True)
    answers = answers + borrowed * answers.sum(axis=1, keepdims=True)
    best: Floats = _CANDIDATES[(2 * right / (answers + true + _BORROWED)).argmax(axis=0)]
    return best


def _counts(named: Bools, tags: Bools) -> tuple[Labels, Labels]:
    return (named & tags).sum(axis=0), named.sum(axis=0)


def precision_and_recall(probabilities: Floats, tags: Bools, least: Floats) -> Metrics:
    """Return how many named tags are right, and how many true ones are named, of all titles together."""
    named = probabilities >= least
    right, answers = int((named & tags).sum()), int(named.sum())
    return {"precision": right / answers if answers else None, "recall": right / max(1, int(tags.sum()))}


def coverage(probabilities: Floats, tags: Bools, thresholds: Thresholds, target: float) -> Metrics:
    """Return what the thresholds do for each wanted precision, and for each tag at the target."""
    at_target = thresholds.at(target)
    named = probabilities >= at_target
    return {
        "target_precision": target,
        "unasked": precision_and_recall(probabilities, tags, thresholds.unasked()),
        "coverage": {
            f"{wanted:g}": precision_and_recall(probabilities, tags, thresholds.at(wanted))
            for wanted in sorted({*REPORTED, target})
        },
        "thresholds": {
            category: {
                "wanted": wanted,
                "threshold": None if np.isinf(at_target[number]) else float(at_target[number]),
                "named": int(named[:, number].sum()),
                **precision_and_recall(probabilities[:, [number]], tags[:, [number]], at_target[[number]]),
            }
            for number, (category, wanted) in enumerate(thresholds.wanted(target).items())
        },
    }


def answered(metrics: Metrics) -> str:
    """Say in a sentence how many true tags are named at the target, and how many of the named ones are right."""
    target = metrics["target_precision"]
    found = metrics["coverage"][f"{target:g}"]
    asked = f"Asked to be right {target:.0%} of the time (`--precision {target:g}`), it names"
    if found["precision"] is None:
        return f"{asked} no tag."
    return f"{asked} {found['recall']:.1%} of their tags, and {found['precision']:.1%} of what it names is right."
