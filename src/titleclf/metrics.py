"""How good predictions are: accuracy, F1, calibration, and the temperature that makes probabilities honest."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

Floats = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Metrics = dict[str, Any]


def probabilities(logits: Floats, temperature: float) -> Floats:
    """Return softmax(logits / temperature), (titles, categories)."""
    scaled: Floats = softmax(logits.astype(np.float64) / temperature, axis=1)
    return scaled


def negative_log_likelihood(logits: Floats, labels: Labels, temperature: float = 1.0) -> float:
    """Return the mean of -log p(label), in nats a title."""
    log_probabilities = log_softmax(logits.astype(np.float64) / temperature, axis=1)
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())


def fit_temperature(logits: Floats, labels: Labels) -> float:
    """Return the temperature in [0.05, 20] that makes `labels` likeliest (Guo et al. 2017, section 4.2)."""

    def loss(log_temperature: float) -> float:
        return negative_log_likelihood(logits, labels, float(np.exp(log_temperature)))

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded")
    return float(np.exp(found.x))


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


def coverage_curve(confidence: Floats, right: Bools) -> tuple[Floats, Floats]:
    """Return the shares of titles that one threshold can answer, surest first, and how many of these are right."""
    order, ends = surest_first(confidence)
    return (ends + 1) / len(confidence), right[order].cumsum()[ends] / (ends + 1)


def surest_first(confidence: Floats) -> tuple[Labels, Labels]:
    """Return an order of titles, and the places in it where a threshold can end: not among equally sure ones."""
    order = np.argsort(-confidence, kind="stable")
    return order, np.flatnonzero(np.diff(confidence[order], append=-np.inf))


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
    temperature: float,
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
        "uncalibrated_error": expected_calibration_error(probabilities(logits, 1.0), labels, bins),
        "negative_log_likelihood": negative_log_likelihood(logits, labels, temperature),
        "temperature": temperature,
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
