"""When to abstain: how probable a category must be for its predictions to reach a target precision."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from titleclf.runtime.architecture import from_mapping
from titleclf.runtime.arrays import Floats
from titleclf.runtime.errors import InputError


@dataclass
class Thresholds:
    """The lowest probability of each category that reaches each of `precisions`; None where none did on validation.

    `wishes` holds a higher precision for some categories, whatever precision is requested.
    """

    precisions: list[float]
    least: dict[str, list[float | None]]
    wishes: dict[str, float]

    @classmethod
    def from_mapping(cls, values: Any, categories: list[str], where: str) -> Self:
        """Read the `asdict` of thresholds for `categories`.

        Raises
        ------
        InputError
            If they are damaged, or belong to other categories.
        """
        thresholds: Self = from_mapping(cls, values, where)
        fractions = [*thresholds.precisions, *thresholds.wishes.values()]
        fractions += [value for row in thresholds.least.values() for value in row if value is not None]
        is_valid = (
            list(thresholds.least) == categories
            and set(thresholds.wishes) <= set(categories)
            and all(len(row) == len(thresholds.precisions) for row in thresholds.least.values())
            and all(low < high for low, high in zip(thresholds.precisions, thresholds.precisions[1:], strict=False))
            and all(0 <= fraction <= 1 for fraction in fractions)
        )
        if not is_valid:
            raise InputError(f"{where} must be rising precisions and a probability for each, by category. Train again.")
        return thresholds

    def default(self) -> Floats:
        """Return the thresholds (categories,) if no precision is requested: the best category is always named."""
        return np.zeros(len(self.least))

    def at(self, precision: float) -> Floats:
        """Return the thresholds (categories,) for this precision, inf for categories that never reach it.

        Raises
        ------
        InputError
            If `precision`, or a wish above it, exceeds all fitted ones.
        """
        thresholds = [self._threshold(category, wanted) for category, wanted in self.wanted(precision).items()]
        return np.array([np.inf if threshold is None else threshold for threshold in thresholds])

    def wanted(self, precision: float) -> dict[str, float]:
        """Return the precision wanted of each category: its wish, where that is above `precision`."""
        return {category: max(precision, self.wishes.get(category, 0.0)) for category in self.least}

    def _threshold(self, category: str, precision: float) -> float | None:
        place = int(np.searchsorted(self.precisions, precision))  # between two fitted precisions, the higher
        if place == len(self.precisions):
            highest = max(self.precisions, default=0.0)
            raise InputError(
                f"a target precision must be at most {highest:g}, the highest that the model was fitted to. "
                f"Got {precision:g}. Ask for less, or train with evaluate.target_precision={precision:g}."
            )
        return self.least[category][place]


@dataclass
class TagThresholds(Thresholds):
    """Thresholds of tags: `named` holds those with the best F1; a target precision can only raise them."""

    named: dict[str, float]

    @classmethod
    def from_mapping(cls, values: Any, categories: list[str], where: str) -> Self:
        """Read the `asdict` of thresholds for `categories`.

        Raises
        ------
        InputError
            If they are damaged, or belong to other categories.
        """
        thresholds = super().from_mapping(values, categories, where)
        if list(thresholds.named) != categories or not all(0 <= value <= 1 for value in thresholds.named.values()):
            raise InputError(f"{where}.named must be a probability for each category. Train again.")
        return thresholds

    def default(self) -> Floats:
        """Return the thresholds (categories,) if no precision is requested: those with the best F1."""
        return np.array(list(self.named.values()))

    def at(self, precision: float) -> Floats:
        """Return the thresholds (categories,) for this precision, inf for tags that never reach it.

        Raises
        ------
        InputError
            If `precision`, or a wish above it, exceeds all fitted ones.
        """
        return np.maximum(self.default(), super().at(precision))
