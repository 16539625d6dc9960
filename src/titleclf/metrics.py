"""How good predictions are: accuracy, F1, calibration, and the temperature that makes probabilities honest."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

Floats = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Metrics = dict[str, Any]

SCORES = {"accuracy": "accuracy", "micro_f1": "micro-F1"}


@dataclass(frozen=True)
class Temperature:
    """What makes probabilities honest: a temperature that falls where the model is unsure.

    Log-probabilities are multiplied by (1 + slope * doubt) / value, doubt being minus the largest of a title's: one
    temperature for all leaves the sure titles too sure where the unsure ones are right. After Balanya et al. 2022
    (Adaptive temperature scaling), who take the entropy. Above 0 and 0 or more: the order of categories stays.
    """

    value: float
    slope: float


NO_TEMPERATURE = Temperature(value=1.0, slope=0.0)


def probabilities(logits: Floats, temperature: Temperature) -> Floats:
    """Return the probabilities of logits (titles, categories)."""
    tempered: Floats = softmax(_tempered(logits, temperature), axis=1)
    return tempered


def negative_log_likelihood(logits: Floats, labels: Labels, temperature: Temperature = NO_TEMPERATURE) -> float:
    """Return the mean of -log p(label), in nats a title."""
    log_probabilities = log_softmax(_tempered(logits, temperature), axis=1)
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())


def fit_temperature(logits: Floats, labels: Labels) -> Temperature:
    """Return the temperature, of value in [0.05, 20] and slope in [0, 2], that makes `labels` likeliest."""

    def loss(values: Floats) -> float:
        return negative_log_likelihood(logits, labels, Temperature(float(np.exp(values[0])), float(values[1])))

    bounds = [(np.log(0.05), np.log(20)), (0.0, 2.0)]
    value, slope = minimize(loss, (0.0, 0.1), method="L-BFGS-B", bounds=bounds).x
    return Temperature(float(np.exp(value)), float(slope))


def _tempered(logits: Floats, temperature: Temperature) -> Floats:
    shares: Floats = log_softmax(logits.astype(np.float64), axis=1)
    doubt = -shares.max(axis=1, keepdims=True)  # (titles, 1), in nats
    tempered: Floats = shares * (1 + temperature.slope * doubt) / temperature.value
    return tempered


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
