"""How probable a tag must be to be named: for the best F1, and for answers that are right as often as is wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.errors import InputError
from titleclf.runtime.thresholds import PRECISIONS, Thresholds, least_probabilities

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
