"""What a person reads of an evaluation: metrics.json, report.md, and pictures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from titleclf.files import replacing, write_text
from titleclf.metrics import Floats, Metrics

_SUREST_MISTAKES = 15


def write_report(folder: Path, metrics: Metrics, titles: pd.DataFrame, probabilities: Floats) -> None:
    """Write metrics.json, report.md and confusion.png for `titles` with their probabilities (titles, categories)."""
    categories = list(metrics["categories"])
    write_text(folder / "metrics.json", json.dumps(metrics, indent=2, ensure_ascii=False) + "\n")
    text = (
        f"{_overview(metrics)}\n{table(metrics)}\n{_languages(metrics)}\n{_mistakes(titles, probabilities, categories)}"
    )
    write_text(folder / "report.md", text)
    _save(folder / "confusion.png", _confusion_picture(np.array(metrics["confusion"]), categories))


def write_training_curve(folder: Path, history: list[dict[str, float]], kept: int) -> None:
    """Draw training.png: loss and validation scores by epoch, the kept epoch marked."""
    _save(folder / "training.png", _training_picture(pd.DataFrame(history), kept))


def table(metrics: Metrics) -> str:
    """Return precision, recall and F1 of each category as a Markdown table that lines up in a terminal."""
    width = max(len(category) for category in [*metrics["categories"], "accuracy / macro-F1"])
    lines = [
        f"| {'category':<{width}} | precision | recall |   F1 | titles |",
        f"| {'-' * width} | --------: | -----: | ---: | -----: |",
    ]
    for category, row in metrics["categories"].items():
        scores = f"{row['precision']:>9.0%} | {row['recall']:>6.0%} | {row['f1']:>4.0%} | {row['support']:>6}"
        lines.append(f"| {category:<{width}} | {scores} |")
    both = f"{metrics['accuracy']:.1%} / {metrics['macro_f1']:.1%}"
    lines.append(f"| {'accuracy / macro-F1':<{width}} | {both:>25} | {metrics['titles']:>6} |")
    return "\n".join(lines) + "\n"


def _overview(metrics: Metrics) -> str:
    return (
        f"# Evaluation on {metrics['titles']:,} titles\n\n"
        f"- Accuracy {metrics['accuracy']:.1%}, macro-F1 {metrics['macro_f1']:.1%}.\n"
        f"- Expected calibration error {metrics['expected_calibration_error']:.3f} with temperature "
        f"{metrics['temperature']:.2f} (fitted on validation), {metrics['uncalibrated_error']:.3f} without.\n"
        f"- {metrics['cut']:,} titles were longer than the longest training title and were cut.\n\n"
        "## Categories\n"
    )


def _languages(metrics: Metrics) -> str:
    lines = ["## Languages", "", "| language | accuracy | macro-F1 | titles |", "| --- | ---: | ---: | ---: |"]
    by_size = sorted(metrics["languages"].items(), key=lambda item: -item[1]["titles"])
    for language, row in by_size:
        lines.append(f"| {language} | {row['accuracy']:.1%} | {row['macro_f1']:.1%} | {row['titles']} |")
    return "\n".join(lines) + "\n"


def _mistakes(titles: pd.DataFrame, probabilities: Floats, categories: list[str]) -> str:
    lines = ["## Surest mistakes", "", "| title | was | predicted | probability |", "| --- | --- | --- | ---: |"]
    confidence = probabilities.max(axis=1)
    predicted = np.array(categories)[probabilities.argmax(axis=1)]
    wrong = np.flatnonzero(predicted != titles["category"].to_numpy())
    for row in wrong[np.argsort(-confidence[wrong], kind="stable")][:_SUREST_MISTAKES]:
        title = titles["title"].iloc[row].replace("|", "\\|")
        lines.append(f"| {title} | {titles['category'].iloc[row]} | {predicted[row]} | {confidence[row]:.0%} |")
    return "\n".join(lines) + "\n"


def _confusion_picture(confusion: Any, categories: list[str]) -> Figure:
    size = 3 + 0.55 * len(categories)
    figure = Figure(figsize=(size + 2, size), layout="constrained")
    axes = figure.add_subplot()
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(confusion):
        colour = "white" if share[row, column] > 0.5 else "black"
        axes.text(column, row, str(confusion[row, column]), ha="center", va="center", color=colour, fontsize=8)
    # A dollar sign would start a formula.
    names = [category.replace("$", r"\$") for category in categories]
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="labelled", title="Titles by labelled and predicted category")
    figure.colorbar(image, label="share of the labelled category", shrink=0.8)
    return figure


def _training_picture(history: pd.DataFrame, kept: int) -> Figure:
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, names in ((left, ["training_loss", "validation_loss"]), (right, ["accuracy", "macro_f1"])):
        for name in names:
            axes.plot(history["epoch"], history[name], marker=".", label=name.replace("_", " "))
        axes.axvline(kept, color="grey", linestyle=":", label=f"kept: epoch {kept}")
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
    left.set(title="Loss", ylabel="nats a title")
    right.set(title="Validation", ylabel="share")
    return figure


def _save(path: Path, figure: Figure) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
