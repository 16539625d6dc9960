"""When to say "don't know": how probable each category must be for its answers to be right as often as is wanted."""

import numpy as np

from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.bundle.contents import Metrics
from titleclf.runtime.thresholds import Thresholds

REPORTED = (0.8, 0.85, 0.9, 0.95, 0.98)


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
