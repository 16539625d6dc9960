"""How probable a tag must be to be named: for the best F1, and for answers that are right as often as is wanted."""

import numpy as np

from titleclf.evaluate.coverage import REPORTED
from titleclf.runtime.arrays import Bools, Floats
from titleclf.runtime.bundle.contents import Metrics
from titleclf.runtime.thresholds import Thresholds


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
