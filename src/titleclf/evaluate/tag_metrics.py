"""Scores of models that predict several tags per title: F1, average precision, subset accuracy and calibration."""

from dataclasses import asdict

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, f1_score, precision_recall_fscore_support

from titleclf.evaluate.metrics import calibration_bins, each_language, mean_gap
from titleclf.runtime.arrays import Bools, Floats
from titleclf.runtime.bundle.contents import BundleContents, Metrics
from titleclf.runtime.calibration import NO_TAG_TEMPERATURE, TagTemperature


def negative_log_likelihood(logits: Floats, tags: Bools, temperature: TagTemperature = NO_TAG_TEMPERATURE) -> float:
    """Return the mean of -log p(tags) for logits and tags (titles, categories), in nats per title."""
    signed = np.where(tags, 1, -1) * temperature.tempered(logits)
    return float(np.logaddexp(0, -signed).sum(axis=1).mean())


def expected_calibration_error(probabilities: Floats, tags: Bools, bins: int) -> float:
    """Return the mean gap between probability and frequency over all title-tag pairs, in bins of equal width."""
    return mean_gap(calibration(probabilities, tags, bins), "share", "pairs")


def calibration(probabilities: Floats, tags: Bools, bins: int) -> list[dict[str, float]]:
    """Return mean probability, frequency and number of title-tag pairs of each non-empty bin of equal width."""
    return calibration_bins(probabilities, tags, bins, "share", "pairs")


def summary(predicted: Bools, tags: Bools) -> Metrics:
    """Return micro-F1, macro-F1 over the tags that occur, and subset accuracy for tags (titles, categories)."""
    occur = tags.any(axis=0)
    return {
        "titles": len(tags),
        "micro_f1": float(f1_score(tags, predicted, average="micro", zero_division=0)),
        "macro_f1": float(f1_score(tags[:, occur], predicted[:, occur], average="macro", zero_division=0)),
        "subset_accuracy": float((predicted == tags).all(axis=1).mean()),
    }


def loss(clean: Bools, noisy: Bools, tags: Bools) -> float:
    """Return the micro-F1 lost to noise, from the predicted tags of clean and noisy titles."""
    return float(summary(clean, tags)["micro_f1"] - summary(noisy, tags)["micro_f1"])


def average_precisions(probabilities: Floats, tags: Bools) -> list[float | None]:
    """Return the average precision of each tag (Manning et al. 2008, section 8.4), None if no title has it."""
    return [
        float(average_precision_score(true, column)) if true.any() else None
        for column, true in zip(probabilities.T, tags.T, strict=True)
    ]


def measure(
    logits: Floats, tags: Bools, languages: npt.NDArray[np.str_], contents: BundleContents, bins: int
) -> Metrics:
    """Return the scores for a report, except coverage and robustness; logits and tags are (titles, categories)."""
    temperature = contents.temperature
    if not isinstance(temperature, TagTemperature):
        raise TypeError(f"several tags per title need a TagTemperature, not {type(temperature).__name__}")
    probabilities, uncalibrated = temperature.probabilities(logits), NO_TAG_TEMPERATURE.probabilities(logits)
    thresholds = contents.thresholds.default()
    predicted = probabilities >= thresholds
    precision, recall, _, _ = precision_recall_fscore_support(tags, predicted, average="micro", zero_division=0)
    averages = average_precisions(probabilities, tags)
    scores = [column.tolist() for column in precision_recall_fscore_support(tags, predicted, zero_division=0)]
    names = ("precision", "recall", "f1", "support", "average_precision", "threshold")
    columns = zip(*scores, averages, thresholds.tolist(), strict=True)
    rows = zip(contents.categories, columns, strict=True)
    return {
        **summary(predicted, tags),
        "micro_precision": float(precision),
        "micro_recall": float(recall),
        "mean_average_precision": float(np.mean([average for average in averages if average is not None])),
        "tags_a_title": float(tags.sum(axis=1).mean()),
        "expected_calibration_error": expected_calibration_error(probabilities, tags, bins),
        "uncalibrated_error": expected_calibration_error(uncalibrated, tags, bins),
        "negative_log_likelihood": negative_log_likelihood(logits, tags, temperature),
        "temperature": asdict(temperature),
        "calibration": calibration(probabilities, tags, bins),
        "categories": {tag: dict(zip(names, row, strict=True)) for tag, row in rows},
        "languages": each_language(summary, predicted, tags, languages),
    }
