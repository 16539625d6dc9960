"""When to say "don't know": how probable each category must be for its answers to be right as often as is wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from titleclf.runtime.architecture import from_mapping
from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.errors import InputError

PRECISIONS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.97, 0.98, 0.99)
_BORROWED = 20  # answers: see `least_probabilities`


@dataclass
class Thresholds:
    """For each category the least probability at each of `precisions`; None where validation never reached it.

    `wishes` are categories that must be right more often than the others, whatever is asked for.
    """

    precisions: list[float]
    least: dict[str, list[float | None]]
    wishes: dict[str, float]

    @classmethod
    def fit(
        cls,
        probabilities: Floats,
        labels: Labels,
        categories: list[str],
        wishes: dict[str, float],
        more: Sequence[float] = (),
    ) -> "Thresholds":
        """Fit probabilities (titles, categories) of titles that were not trained on, at `PRECISIONS` and `more`."""
        precisions = sorted({*PRECISIONS, *wishes.values(), *more})
        confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
        found = least_probabilities(confidence, predicted, labels == predicted, len(categories), precisions)
        return cls(precisions, dict(zip(categories, found, strict=True)), wishes)

    @classmethod
    def from_mapping(cls, values: Any, categories: list[str], where: str) -> Self:
        """Read what `asdict` made of thresholds for `categories`.

        Raises
        ------
        InputError
            If it is damaged, or is for other categories.
        """
        found: Self = from_mapping(cls, values, where)
        shares = [*found.precisions, *found.wishes.values()]
        shares += [least for row in found.least.values() for least in row if least is not None]
        fits = (
            list(found.least) == categories
            and set(found.wishes) <= set(categories)
            and all(len(row) == len(found.precisions) for row in found.least.values())
            and all(low < high for low, high in zip(found.precisions, found.precisions[1:], strict=False))
            and all(0 <= share <= 1 for share in shares)
        )
        if not fits:
            raise InputError(f"{where} must be rising precisions and a probability for each, by category. Train again.")
        return found

    def unasked(self) -> Floats:
        """Return the least probability (categories,) of answers if no precision is wanted: any is enough."""
        return np.zeros(len(self.least))

    def at(self, precision: float) -> Floats:
        """Return the least probability (categories,) at which each is right that often, inf where none is.

        Raises
        ------
        InputError
            If `precision`, or a wish that is above it, is more than was fitted.
        """
        found = [self._least(category, wanted) for category, wanted in self.wanted(precision).items()]
        return np.array([np.inf if least is None else least for least in found])

    def wanted(self, precision: float) -> dict[str, float]:
        """Return for each category how often it must be right, if the others must be so at `precision`."""
        return {category: max(precision, self.wishes.get(category, 0.0)) for category in self.least}

    def _least(self, category: str, precision: float) -> float | None:
        place = int(np.searchsorted(self.precisions, precision))  # between two, the higher one
        if place == len(self.precisions):
            highest = max(self.precisions, default=0.0)
            raise InputError(
                f"a wanted precision must be at most {highest:g}, the highest that the model was fitted to. "
                f"Got {precision:g}. Ask for less, or train with evaluate.target_precision={precision:g}."
            )
        return self.least[category][place]


def least_probabilities(
    confidence: Floats, named: Labels, right: Bools, categories: int, precisions: Sequence[float]
) -> list[list[float | None]]:
    """Return from which confidence on answers are right that often, by category and precision; None where from none.

    Answers (answers,) have a confidence, the number of the category that they name, and may be right. A few lucky ones
    must set no threshold, and a category that has few must not be silent for that: how often it is right from a
    confidence on is estimated as if it had _BORROWED answers more, as often right as those of all categories are from
    there on (the m-estimate of Cestnik 1990); and those of all, as if they had as many more that are as often right as
    they are sure.
    """
    candidates = -np.unique(-confidence)
    answers, hits = (_sums_from(candidates, confidence, values) for values in (np.ones_like(confidence), right))
    expected = _sums_from(candidates, confidence, confidence) / answers
    of_all = (hits + _BORROWED * expected) / (answers + _BORROWED)
    found = []
    for number in range(categories):
        own = named == number
        answers, hits = (_sums_from(candidates, confidence[own], values) for values in (np.ones(own.sum()), right[own]))
        shares = (hits + _BORROWED * of_all) / (answers + _BORROWED)
        found.append([_last(candidates[shares >= precision]) for precision in precisions])
    return found


def _sums_from(candidates: Floats, confidence: Floats, values: Floats | Bools) -> Floats:
    # Of the answers at least as sure as each of the candidates, which fall.
    order = np.argsort(-confidence, kind="stable")
    counts = np.searchsorted(-confidence[order], -candidates, side="right")
    sums: Floats = np.concatenate([[0.0], values[order].cumsum(dtype=np.float64)])[counts]
    return sums


def _last(values: Floats) -> float | None:
    return float(values[-1]) if len(values) else None
