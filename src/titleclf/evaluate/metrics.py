"""Scores of predictions of one category: accuracy, F1 and calibration."""

from dataclasses import asdict

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

from titleclf.runtime.arrays import Floats, Labels
from titleclf.runtime.bundle.contents import BundleContents, Metrics
from titleclf.runtime.calibration import NO_TEMPERATURE, Temperature

SCORES = {"accuracy": "accuracy", "micro_f1": "micro-F1"}


def negative_log_likelihood(logits: Floats, labels: Labels, temperature: Temperature = NO_TEMPERATURE) -> float:
    """Return the mean of -log p(label), in nats per title."""
    return float(-temperature.log_probabilities(logits)[np.arange(len(labels)), labels].mean())


def expected_calibration_error(probabilities: Floats, labels: Labels, bins: int) -> float:
    """Return the mean gap between confidence and accuracy over bins of equal width (Guo et al. 2017, equation 3)."""
    rows = calibration(probabilities, labels, bins)
    gaps = [row["titles"] * abs(row["accuracy"] - row["confidence"]) for row in rows]
    return float(sum(gaps) / len(labels))


def calibration(probabilities: Floats, labels: Labels, bins: int) -> list[dict[str, float]]:
    """Return mean confidence, accuracy and number of titles of each bin of equal width that has titles."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        {
            "confidence": float(confidence[which == number].mean()),
            "accuracy": float(right[which == number].mean()),
            "titles": int((which == number).sum()),
        }
        for number in np.unique(which)
    ]


def loss(clean: Labels, noisy: Labels, labels: Labels) -> float:
    """Return the accuracy lost from clean to noisy titles, by what was predicted for both; all (titles,)."""
    return float(((clean == labels).astype(int) - (noisy == labels)).mean())


def main_score(scores: Metrics) -> str:
    """Return the name of the main score: accuracy, or micro-F1 of titles with several tags."""
    return next(name for name in SCORES if name in scores)


def summary(predicted: Labels, labels: Labels) -> Metrics:
    """Return accuracy and macro-F1 (over the categories that occur among `labels`), and the number of titles."""
    return {
        "titles": len(labels),
        "accuracy": float((predicted == labels).mean()),
        "macro_f1": float(f1_score(labels, predicted, labels=np.unique(labels), average="macro", zero_division=0)),
    }


def measure(
    logits: Floats, labels: Labels, languages: npt.NDArray[np.str_], contents: BundleContents, bins: int
) -> Metrics:
    """Return everything that a report shows, as plain values; logits are (titles, categories)."""
    temperature = contents.temperature
    if not isinstance(temperature, Temperature):
        raise TypeError(f"one category per title needs a Temperature, not {type(temperature).__name__}")
    predicted = logits.argmax(axis=1)
    every = np.arange(len(contents.categories))
    scores = precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0)
    names = ("precision", "recall", "f1", "support")
    probabilities, uncalibrated = temperature.probabilities(logits), NO_TEMPERATURE.probabilities(logits)
    return {
        **summary(predicted, labels),
        "expected_calibration_error": expected_calibration_error(probabilities, labels, bins),
        "uncalibrated_error": expected_calibration_error(uncalibrated, labels, bins),
        "negative_log_likelihood": negative_log_likelihood(logits, labels, temperature),
        "temperature": asdict(temperature),
        "calibration": calibration(probabilities, labels, bins),
        "categories": {
            category: {name: column[row].item() for name, column in zip(names, scores, strict=True)}
            for row, category in enumerate(contents.categories)
        },
        "languages": {
            str(language): summary(predicted[languages == language], labels[languages == language])
            for language in np.unique(languages)
        },
        "confusion": confusion_matrix(labels, predicted, labels=every).tolist(),
    }


def by_language(metrics: Metrics) -> str:
    """Return accuracy and macro-F1 of each language as a Markdown table, most titles first."""
    lines = ["| language | accuracy | macro-F1 | titles |", "| --- | ---: | ---: | ---: |"]
    for language, row in sorted(metrics["languages"].items(), key=lambda item: -item[1]["titles"]):
        lines.append(f"| {language} | {row['accuracy']:.1%} | {row['macro_f1']:.1%} | {row['titles']:,} |")
    return "\n".join(lines) + "\n"
