"""How good tags are: F1, average precision, exact sets, and probabilities that mean what they say."""

from dataclasses import asdict

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, f1_score, precision_recall_fscore_support

from titleclf.runtime.arrays import Bools, Floats
from titleclf.runtime.bundle.contents import Metrics
from titleclf.runtime.tag_calibration import NO_TEMPERATURE, TagTemperature, probabilities, tempered


def negative_log_likelihood(logits: Floats, tags: Bools, temperature: TagTemperature = NO_TEMPERATURE) -> float:
    """Return the mean over titles of -log p(tags), summed over tags (titles, categories), in nats a title."""
    signed = np.where(tags, 1, -1) * tempered(logits, temperature)
    return float(np.logaddexp(0, -signed).sum(axis=1).mean())


def expected_calibration_error(probabilities: Floats, tags: Bools, bins: int) -> float:
    """Return the mean distance of probability and truth, over all pairs of a title and a tag in bins of equal width."""
    rows = calibration(probabilities, tags, bins)
    return float(sum(row["pairs"] * abs(row["share"] - row["confidence"]) for row in rows) / tags.size)


def calibration(probabilities: Floats, tags: Bools, bins: int) -> list[dict[str, float]]:
    """Return of each bin that has any the mean probability of its pairs, the share that is true, and their number.

    A pair is a title and a tag (titles, categories): most are improbable, and so are most bins' pairs.
    """
    which = np.minimum((probabilities * bins).astype(int), bins - 1)
    return [
        {
            "confidence": float(probabilities[which == one].mean()),
            "share": float(tags[which == one].mean()),
            "pairs": int((which == one).sum()),
        }
        for one in np.unique(which)
    ]


def summary(named: Bools, tags: Bools) -> Metrics:
    """Return micro-F1, macro-F1 (over the tags that occur) and how many titles got exactly their tags.

    Both are (titles, categories): the tags that were named, and those that are true.
    """
    occur = tags.any(axis=0)
    return {
        "titles": len(tags),
        "micro_f1": float(f1_score(tags, named, average="micro", zero_division=0)),
        "macro_f1": float(f1_score(tags[:, occur], named[:, occur], average="macro", zero_division=0)),
        "subset_accuracy": float((named == tags).all(axis=1).mean()),
    }


def lost(clean: Bools, spoilt: Bools, tags: Bools) -> float:
    """Return how much micro-F1 the tags that were named of spoilt titles have lost to those of clean ones."""
    return float(summary(clean, tags)["micro_f1"] - summary(spoilt, tags)["micro_f1"])


def average_precisions(probabilities: Floats, tags: Bools) -> list[float | None]:
    """Return the average precision of each tag (Manning et al. 2008, section 8.4), None where no title has it."""
    return [
        float(average_precision_score(true, column)) if true.any() else None
        for column, true in zip(probabilities.T, tags.T, strict=True)
    ]


def measure(
    logits: Floats,
    tags: Bools,
    languages: npt.NDArray[np.str_],
    least: dict[str, float],
    temperature: TagTemperature,
    bins: int,
) -> Metrics:
    """Return everything that a report tells, as plain values, for tags (titles, categories).

    `least` is how probable each tag must be to be named.
    """
    shares = probabilities(logits, temperature)
    named = shares >= np.array(list(least.values()))
    precision, recall, _, _ = precision_recall_fscore_support(tags, named, average="micro", zero_division=0)
    averages = average_precisions(shares, tags)
    scores = [column.tolist() for column in precision_recall_fscore_support(tags, named, zero_division=0)]
    names = ("precision", "recall", "f1", "support", "average_precision", "threshold")
    columns = zip(*scores, averages, least.values(), strict=True)
    return {
        **summary(named, tags),
        "micro_precision": float(precision),
        "micro_recall": float(recall),
        "mean_average_precision": float(np.mean([one for one in averages if one is not None])),
        "tags_a_title": float(tags.sum(axis=1).mean()),
        "expected_calibration_error": expected_calibration_error(shares, tags, bins),
        "uncalibrated_error": expected_calibration_error(probabilities(logits, NO_TEMPERATURE), tags, bins),
        "negative_log_likelihood": negative_log_likelihood(logits, tags, temperature),
        "temperature": asdict(temperature),
        "calibration": calibration(shares, tags, bins),
        "categories": {tag: dict(zip(names, row, strict=True)) for tag, row in zip(least, columns, strict=True)},
        "languages": {
            str(language): summary(named[languages == language], tags[languages == language])
            for language in np.unique(languages)
        },
    }


def by_language(metrics: Metrics) -> str:
    """Return the scores of each language as a Markdown table, the one with most titles first."""
    lines = ["| language | micro-F1 | macro-F1 | exactly right | titles |", "| --- | ---: | ---: | ---: | ---: |"]
    for language, row in sorted(metrics["languages"].items(), key=lambda item: -item[1]["titles"]):
        scores = f"{row['micro_f1']:.1%} | {row['macro_f1']:.1%} | {row['subset_accuracy']:.1%}"
        lines.append(f"| {language} | {scores} | {row['titles']:,} |")
    return "\n".join(lines) + "\n"
