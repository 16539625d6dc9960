"""How good predictions are: accuracy, F1, calibration, and the temperature that fits them best."""

from dataclasses import asdict

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

from titleclf.runtime.arrays import Floats, Labels
from titleclf.runtime.bundle.contents import Metrics
from titleclf.runtime.calibration import NO_TEMPERATURE, Temperature, log_probabilities, probabilities

SCORES = {"accuracy": "accuracy", "micro_f1": "micro-F1"}


def negative_log_likelihood(logits: Floats, labels: Labels, temperature: Temperature = NO_TEMPERATURE) -> float:
    """Return the mean of -log p(label), in nats a title."""
    return float(-log_probabilities(logits, temperature)[np.arange(len(labels)), labels].mean())


def expected_calibration_error(probabilities: Floats, labels: Labels, bins: int) -> float:
    """Return the mean distance of confidence and accuracy over bins of equal width (Guo et al. 2017, equation 3)."""
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
            "confidence": float(confidence[which == one].mean()),
            "accuracy": float(right[which == one].mean()),
            "titles": int((which == one).sum()),
        }
        for one in np.unique(which)
    ]


def lost(clean: Labels, spoilt: Labels, labels: Labels) -> float:
    """Return how much less of what was predicted of spoilt titles is right than of clean ones, all (titles,)."""
    return float(((clean == labels).astype(int) - (spoilt == labels)).mean())


def main_score(scores: Metrics) -> str:
    """Return which of the scores comes first: accuracy, or of titles with several tags micro-F1."""
    return next(name for name in SCORES if name in scores)


def summary(predicted: Labels, labels: Labels) -> Metrics:
    """Return accuracy and macro-F1 (over the categories that occur among `labels`), and the number of titles."""
    return {
        "titles": len(labels),
        "accuracy": float((predicted == labels).mean()),
        "macro_f1": float(f1_score(labels, predicted, labels=np.unique(labels), average="macro", zero_division=0)),
    }


def measure(
    logits: Floats,
    labels: Labels,
    languages: npt.NDArray[np.str_],
    categories: list[str],
    temperature: Temperature,
    bins: int,
) -> Metrics:
    """Return everything that a report tells, as plain values; logits are (titles, categories)."""
    predicted = logits.argmax(axis=1)
    every = np.arange(len(categories))
    scores = precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0)
    names = ("precision", "recall", "f1", "support")
    return {
        **summary(predicted, labels),
        "expected_calibration_error": expected_calibration_error(probabilities(logits, temperature), labels, bins),
        "uncalibrated_error": expected_calibration_error(probabilities(logits, NO_TEMPERATURE), labels, bins),
        "negative_log_likelihood": negative_log_likelihood(logits, labels, temperature),
        "temperature": asdict(temperature),
        "calibration": calibration(probabilities(logits, temperature), labels, bins),
        "categories": {
            category: {name: column[row].item() for name, column in zip(names, scores, strict=True)}
            for row, category in enumerate(categories)
        },
        "languages": {
            str(language): summary(predicted[languages == language], labels[languages == language])
            for language in np.unique(languages)
        },
        "confusion": confusion_matrix(labels, predicted, labels=every).tolist(),
    }


def by_language(metrics: Metrics) -> str:
    """Return accuracy and macro-F1 of each language as a Markdown table, the one with most titles first."""
    lines = ["| language | accuracy | macro-F1 | titles |", "| --- | ---: | ---: | ---: |"]
    for language, row in sorted(metrics["languages"].items(), key=lambda item: -item[1]["titles"]):
        lines.append(f"| {language} | {row['accuracy']:.1%} | {row['macro_f1']:.1%} | {row['titles']:,} |")
    return "\n".join(lines) + "\n"
