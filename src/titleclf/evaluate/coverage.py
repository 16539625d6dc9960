"""Precision and coverage: how much a model answers at its thresholds, and how much of that is right."""

import numpy as np

from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.bundle.contents import Metrics
from titleclf.runtime.thresholds import Thresholds

REPORTED = (0.8, 0.85, 0.9, 0.95, 0.98)


def coverage(probabilities: Floats, labels: Labels, thresholds: Thresholds, target: float) -> Metrics:
    """Return coverage and precision, of probabilities (titles, categories) and labels (titles,).

    `coverage` and `thresholds` use the thresholds as they are. `coverage_at_precision` is the largest fraction of
    titles that one threshold for all categories, chosen on these very titles, could answer: it compares models.
    """
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    right = predicted == labels
    precisions = sorted({*REPORTED, target})
    at_target = thresholds.at(target)
    answered = {precision: confidence >= thresholds.at(precision)[predicted] for precision in precisions}
    fractions, reached = coverage_curve(confidence, right)
    return {
        "target_precision": target,
        "coverage": {f"{precision:g}": _answers(mask, right) for precision, mask in answered.items()},
        "coverage_at_precision": {
            f"{precision:g}": float(fractions[reached >= precision].max(initial=0.0)) for precision in precisions
        },
        "thresholds": {
            category: {
                "wanted": wanted,
                "threshold": _finite(at_target[number]),
                "taken": int((predicted == number).sum()),
                "answered": int((answered[target] & (predicted == number)).sum()),
                **_answers(answered[target][predicted == number], right[predicted == number]),
            }
            for number, (category, wanted) in enumerate(thresholds.wanted(target).items())
        },
    }


def coverage_curve(confidence: Floats, right: Bools) -> tuple[Floats, Floats]:
    """Return the fractions of titles that one threshold can answer, surest first, and their precisions."""
    order = np.argsort(-confidence, kind="stable")
    ends = np.flatnonzero(np.diff(confidence[order], append=-np.inf))  # no threshold separates equal confidences
    return (ends + 1) / len(confidence), right[order].cumsum()[ends] / (ends + 1)


def coverage_sentence(metrics: Metrics) -> str:
    """Return a sentence on coverage and precision at the target."""
    target = metrics["target_precision"]
    row = metrics["coverage"][f"{target:g}"]
    if row["precision"] is None:
        return f"With `--precision {target:g}` it answers none of them."
    return f"With `--precision {target:g}` it answers {row['coverage']:.1%} of them, {row['precision']:.1%} correctly."


def tag_coverage(probabilities: Floats, tags: Bools, thresholds: Thresholds, target: float) -> Metrics:
    """Return precision and recall at each precision, and of each tag at the target; both (titles, categories)."""
    at_target = thresholds.at(target)
    named = probabilities >= at_target
    return {
        "target_precision": target,
        "unasked": precision_and_recall(probabilities, tags, thresholds.default()),
        "coverage": {
            f"{precision:g}": precision_and_recall(probabilities, tags, thresholds.at(precision))
            for precision in sorted({*REPORTED, target})
        },
        "thresholds": {
            category: {
                "wanted": wanted,
                "threshold": _finite(at_target[number]),
                "named": int(named[:, number].sum()),
                **precision_and_recall(probabilities[:, [number]], tags[:, [number]], at_target[[number]]),
            }
            for number, (category, wanted) in enumerate(thresholds.wanted(target).items())
        },
    }


def precision_and_recall(probabilities: Floats, tags: Bools, thresholds: Floats) -> Metrics:
    """Return micro-averaged precision and recall of the tags above their thresholds (categories,)."""
    named = probabilities >= thresholds
    right, count = int((named & tags).sum()), int(named.sum())
    return {"precision": right / count if count else None, "recall": right / max(1, int(tags.sum()))}


def tag_coverage_sentence(metrics: Metrics) -> str:
    """Return a sentence on recall and precision at the target."""
    target = metrics["target_precision"]
    row = metrics["coverage"][f"{target:g}"]
    if row["precision"] is None:
        return f"With `--precision {target:g}` it names no tag."
    return (
        f"With `--precision {target:g}` it names {row['recall']:.1%} of their tags, {row['precision']:.1%} correctly."
    )


def _answers(answered: Bools, right: Bools) -> Metrics:
    count = int(answered.sum())
    return {
        "coverage": count / len(answered) if len(answered) else 0.0,
        "precision": float(right[answered].mean()) if count else None,
    }


def _finite(threshold: float) -> float | None:
    return None if np.isinf(threshold) else float(threshold)
