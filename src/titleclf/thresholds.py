"""When to say "don't know": how probable each category must be for its answers to be right as often as is wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from titleclf.arrays import Bools, Floats, Labels
from titleclf.config import CategoryPrecision
from titleclf.errors import InputError
from titleclf.facts import Metrics
from titleclf.mapping import from_mapping

PRECISIONS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.97, 0.98, 0.99)
REPORTED = (0.8, 0.85, 0.9, 0.95, 0.98)


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
        least = {}
        for number, category in enumerate(categories):
            taken = predicted == number
            right = labels[taken] == number
            least[category] = [least_probability(confidence[taken], right, precision) for precision in precisions]
        return cls(precisions, least, wishes)

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


def named_wishes(wishes: list[CategoryPrecision], categories: list[str]) -> dict[str, float]:
    """Return the wanted precision by category, of which each must be one of `categories`."""
    unknown = sorted({wish.category for wish in wishes} - set(categories))
    if unknown:
        raise InputError(
            f"evaluate.category_precision must name some of {'; '.join(categories)}. Got {'; '.join(unknown)[:200]}. "
            "Write it as it stands there, or leave it out."
        )
    return {wish.category: wish.precision for wish in wishes}


def abstention(probabilities: Floats, labels: Labels, thresholds: Thresholds, target: float) -> Metrics:
    """Return how many titles are answered and how many of these are right, (titles, categories) and (titles,).

    `coverage` and `thresholds` use the thresholds as they are. `coverage_at_precision` is the largest share of titles
    that one threshold for all, chosen on these very titles, could answer: for comparing models, not for promises.
    """
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    right = predicted == labels
    asked = sorted({*REPORTED, target})
    at_target = thresholds.at(target)
    answered = {precision: confidence >= thresholds.at(precision)[predicted] for precision in asked}
    shares, precisions = coverage_curve(confidence, right)
    return {
        "target_precision": target,
        "coverage": {f"{wanted:g}": _answers(named, right) for wanted, named in answered.items()},
        "coverage_at_precision": {
            f"{wanted:g}": float(shares[precisions >= wanted].max(initial=0.0)) for wanted in asked
        },
        "thresholds": {
            category: {
                "wanted": wanted,
                "threshold": None if np.isinf(at_target[number]) else float(at_target[number]),
                "taken": int((predicted == number).sum()),
                "answered": int((answered[target] & (predicted == number)).sum()),
                **_answers(answered[target][predicted == number], right[predicted == number]),
            }
            for number, (category, wanted) in enumerate(thresholds.wanted(target).items())
        },
    }


def answered(metrics: Metrics) -> str:
    """Say in a sentence how many titles are answered at the target, and how many of these answers are right."""
    target = metrics["target_precision"]
    found = metrics["coverage"][f"{target:g}"]
    asked = f"Asked to be right {target:.0%} of the time (`--precision {target:g}`), it answers"
    if found["precision"] is None:
        return f"{asked} none of them."
    return f"{asked} {found['coverage']:.1%} of them, and {found['precision']:.1%} of these answers are right."


def coverage_curve(confidence: Floats, right: Bools) -> tuple[Floats, Floats]:
    """Return the shares of titles that one threshold can answer, surest first, and how many of these are right."""
    order, ends = _surest_first(confidence)
    return (ends + 1) / len(confidence), right[order].cumsum()[ends] / (ends + 1)


def least_probability(confidence: Floats, right: Bools, precision: float) -> float | None:
    """Return from which confidence on answers (titles,) are right that often, None where from none.

    It is the longest run of the surest titles that would be this precise even if the next one were wrong: a few lucky
    titles set no threshold.
    """
    order, ends = _surest_first(confidence)
    enough = ends[right[order].cumsum()[ends] / (ends + 2) >= precision]
    return float(confidence[order[enough[-1]]]) if len(enough) else None


def _surest_first(confidence: Floats) -> tuple[Labels, Labels]:
    """Return an order of titles, and the places in it where a threshold can end: not among equally sure ones."""
    order = np.argsort(-confidence, kind="stable")
    return order, np.flatnonzero(np.diff(confidence[order], append=-np.inf))


def _answers(answered: Bools, right: Bools) -> Metrics:
    count = int(answered.sum())
    return {
        "coverage": count / len(answered) if len(answered) else 0.0,
        "precision": float(right[answered].mean()) if count else None,
    }
