"""Scores of models that predict one category per title: accuracy, F1 and calibration."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.bundle.contents import BundleContents, Metrics
from titleclf.runtime.calibration import NO_TEMPERATURE, Temperature

SCORES = {"accuracy": "accuracy", "micro_f1": "micro-F1"}
_COLUMNS = {**SCORES, "macro_f1": "macro-F1", "subset_accuracy": "exactly right"}


def negative_log_likelihood(logits: Floats, labels: Labels, temperature: Temperature = NO_TEMPERATURE) -> float:
    """Return the mean of -log p(label), in nats per title."""
    return float(-temperature.log_probabilities(logits)[np.arange(len(labels)), labels].mean())


def expected_calibration_error(probabilities: Floats, labels: Labels, bins: int) -> float:
    """Return the mean gap between confidence and accuracy over bins of equal width (Guo et al. 2017, equation 3)."""
    return mean_gap(calibration(probabilities, labels, bins), "accuracy", "titles")


def calibration(probabilities: Floats, labels: Labels, bins: int) -> list[dict[str, float]]:
    """Return mean confidence, accuracy and number of titles of each non-empty bin of equal width."""
    is_right = probabilities.argmax(axis=1) == labels
    return calibration_bins(probabilities.max(axis=1), is_right, bins, "accuracy", "titles")


def calibration_bins(
    probabilities: Floats, is_true: Bools, bins: int, frequency: str, count: str
) -> list[dict[str, float]]:
    """Return mean probability, frequency of truth and count of each non-empty bin of equal width.

    Probabilities and `is_true` have the same shape. `frequency` and `count` are the keys in a report.
    """
    numbers = np.minimum((probabilities * bins).astype(int), bins - 1)
    return [
        {
            "confidence": float(probabilities[numbers == number].mean()),
            frequency: float(is_true[numbers == number].mean()),
            count: int((numbers == number).sum()),
        }
        for number in np.unique(numbers)
    ]


def mean_gap(rows: list[dict[str, float]], frequency: str, count: str) -> float:
    """Return the mean gap between probability and frequency over bins, weighted by their counts."""
    gaps = [row[count] * abs(row[frequency] - row["confidence"]) for row in rows]
    return float(sum(gaps) / sum(row[count] for row in rows))


def loss(clean: Labels, noisy: Labels, labels: Labels) -> float:
    """Return the accuracy lost to noise, from the predictions for clean and noisy titles; all (titles,)."""
    return float(((clean == labels).astype(int) - (noisy == labels)).mean())


def main_score(scores: Metrics) -> str:
    """Return the name of the main score: accuracy, or for tags micro-F1."""
    return next(name for name in SCORES if name in scores)


def summary(predicted: Labels, labels: Labels) -> Metrics:
    """Return the number of titles, accuracy, and macro-F1 over the categories that occur in `labels`."""
    return {
        "titles": len(labels),
        "accuracy": float((predicted == labels).mean()),
        "macro_f1": float(f1_score(labels, predicted, labels=np.unique(labels), average="macro", zero_division=0)),
    }


def measure(
    logits: Floats, labels: Labels, languages: npt.NDArray[np.str_], contents: BundleContents, bins: int
) -> Metrics:
    """Return the scores for a report, except coverage and robustness; logits are (titles, categories)."""
    temperature = contents.temperature
    if not isinstance(temperature, Temperature):
        raise TypeError(f"one category per title needs a Temperature, not {type(temperature).__name__}")
    predicted = logits.argmax(axis=1)
    numbers = np.arange(len(contents.categories))
    scores = precision_recall_fscore_support(labels, predicted, labels=numbers, zero_division=0)
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
        "languages": each_language(summary, predicted, labels, languages),
        "confusion": confusion_matrix(labels, predicted, labels=numbers).tolist(),
    }


def each_language(
    summary: Callable[[Any, Any], Metrics],
    predicted: Labels | Bools,
    targets: Labels | Bools,
    languages: npt.NDArray[np.str_],
) -> Metrics:
    """Return the summary for each language; the first axis of all arrays is titles."""
    return {
        str(language): summary(predicted[languages == language], targets[languages == language])
        for language in np.unique(languages)
    }


def by_language(metrics: Metrics) -> str:
    """Return the scores of each language as a Markdown table, most titles first."""
    names = [name for name in _COLUMNS if name in metrics]
    lines = [
        f"| language | {' | '.join(_COLUMNS[name] for name in names)} | titles |",
        f"| --- |{' ---: |' * (len(names) + 1)}",
    ]
    for language, row in sorted(metrics["languages"].items(), key=lambda item: -item[1]["titles"]):
        lines.append(f"| {language} | {' | '.join(f'{row[name]:.1%}' for name in names)} | {row['titles']:,} |")
    return "\n".join(lines) + "\n"
