"""Precision and coverage (for tags, recall) of a model's predictions at its thresholds."""

import numpy as np

from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.bundle.contents import Metrics
from titleclf.runtime.thresholds import Thresholds

REPORTED = (0.8, 0.85, 0.9, 0.95, 0.98)


def coverage(probabilities: Floats, labels: Labels, thresholds: Thresholds, target: float) -> Metrics:
    """Return coverage and precision for probabilities (titles, categories) and labels (titles,).

    `coverage` and `thresholds` are measured at the model's thresholds. `coverage_at_precision` is for comparing models:
    the highest coverage at each precision with one threshold for all categories, chosen on these same titles.
    """
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    is_right = predicted == labels
    precisions = sorted({*REPORTED, target})
    at_target = thresholds.at(target)
    is_answered = {precision: confidence >= thresholds.at(precision)[predicted] for precision in precisions}
    coverages, curve = coverage_curve(confidence, is_right)
    return {
        "target_precision": target,
        "coverage": {f"{precision:g}": _scores(mask, is_right) for precision, mask in is_answered.items()},
        "coverage_at_precision": {
            f"{precision:g}": float(coverages[curve >= precision].max(initial=0.0)) for precision in precisions
        },
        "thresholds": {
            category: {
                "wanted": wanted,
                "threshold": _finite(at_target[number]),
                "taken": int((predicted == number).sum()),
                "answered": int((is_answered[target] & (predicted == number)).sum()),
                **_scores(is_answered[target][predicted == number], is_right[predicted == number]),
            }
            for number, (category, wanted) in enumerate(thresholds.wanted(target).items())
        },
    }


def coverage_curve(confidence: Floats, is_right: Bools) -> tuple[Floats, Floats]:
    """Return coverage and precision (thresholds,) at each threshold that separates titles, in descending order."""
    order = np.argsort(-confidence, kind="stable")
    ends = np.flatnonzero(np.diff(confidence[order], append=-np.inf))  # no threshold separates equal confidences
    return (ends + 1) / len(confidence), is_right[order].cumsum()[ends] / (ends + 1)


def coverage_sentence(metrics: Metrics) -> str:
    """Return a sentence about coverage and precision at the target."""
    target = metrics["target_precision"]
    row = metrics["coverage"][f"{target:g}"]
    if row["precision"] is None:
        return f"With `--precision {target:g}` it answers none of them."
    return f"With `--precision {target:g}` it answers {row['coverage']:.1%} of them, {row['precision']:.1%} correctly."


def tag_coverage(probabilities: Floats, tags: Bools, thresholds: Thresholds, target: float) -> Metrics:
    """Return precision and recall for probabilities and tags (titles, categories), overall and by tag."""
    at_target = thresholds.at(target)
    is_predicted = probabilities >= at_target
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
                "named": int(is_predicted[:, number].sum()),
                **precision_and_recall(probabilities[:, [number]], tags[:, [number]], at_target[[number]]),
            }
            for number, (category, wanted) in enumerate(thresholds.wanted(target).items())
        },
    }


def precision_and_recall(probabilities: Floats, tags: Bools, thresholds: Floats) -> Metrics:
    """Return micro-averaged precision and recall of the tags that reach their thresholds (categories,)."""
    is_predicted = probabilities >= thresholds
    right, count = int((is_predicted & tags).sum()), int(is_predicted.sum())
    return {"precision": right / count if count else None, "recall": right / max(1, int(tags.sum()))}


def tag_coverage_sentence(metrics: Metrics) -> str:
    """Return a sentence about recall and precision at the target."""
    target = metrics["target_precision"]
    row = metrics["coverage"][f"{target:g}"]
    if row["precision"] is None:
        return f"With `--precision {target:g}` it names no tag."
    return (
        f"With `--precision {target:g}` it names {row['recall']:.1%} of their tags, {row['precision']:.1%} correctly."
    )


def _scores(is_answered: Bools, is_right: Bools) -> Metrics:
    count = int(is_answered.sum())
    return {
        "coverage": count / len(is_answered) if len(is_answered) else 0.0,
        "precision": float(is_right[is_answered].mean()) if count else None,
    }


def _finite(threshold: float) -> float | None:
    return None if np.isinf(threshold) else float(threshold)
