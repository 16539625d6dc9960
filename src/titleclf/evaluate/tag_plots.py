"""Plots of an evaluation of tags, as PNG files."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve

from titleclf.evaluate.plots import (
    MIN_PREDICTIONS,
    calibration_figure,
    percent,
    save,
    scatter_precisions,
    without_formulas,
)
from titleclf.runtime.arrays import Bools, Floats
from titleclf.runtime.bundle.contents import Metrics

_COLUMNS = 4
_TITLE_LENGTH = 38  # characters


def draw_tags(path: Path, metrics: Metrics, probabilities: Floats, tags: Bools) -> None:
    """Draw precision over recall, one panel per tag, most frequent first, with a point at its threshold."""
    support = tags.sum(axis=0)
    order = [number for number in np.argsort(-support, kind="stable") if support[number]]
    rows = math.ceil(len(order) / _COLUMNS)
    figure = Figure(figsize=(2.75 * _COLUMNS, 1 + 1.9 * rows), layout="constrained")
    grid = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False).flatten()
    names = list(metrics["categories"])
    for axes, number in zip(grid, order, strict=False):
        _draw_tag(axes, names[number], metrics["categories"][names[number]], probabilities[:, number], tags[:, number])
    for axes in grid[max(0, len(order) - _COLUMNS) : len(order)]:
        axes.tick_params(labelbottom=True)  # the lowest panel of its column
    for axes in grid[len(order) :]:
        axes.set_axis_off()
    figure.supxlabel("recall", fontsize=10)
    figure.supylabel("precision", fontsize=10)
    figure.suptitle(
        "Precision over recall by tag, AP: average precision\n"
        "point: at the tag's threshold, dotted line: fraction of titles with the tag",
        fontsize=11,
    )
    save(path, figure)


def _draw_tag(axes: Axes, name: str, scores: Metrics, probabilities: Floats, has_tag: Bools) -> None:
    precision, recall, _ = precision_recall_curve(has_tag, probabilities)
    axes.plot(recall[:-1], precision[:-1], drawstyle="steps-post", linewidth=1.2)
    axes.axhline(has_tag.mean(), color="grey", linestyle=":", linewidth=1)
    axes.scatter([scores["recall"]], [scores["precision"]], color="tab:orange", zorder=3, clip_on=False)
    label = name if len(name) <= _TITLE_LENGTH else f"{name[: _TITLE_LENGTH - 1]}…"
    summary = f"AP {scores['average_precision']:.0%}, {scores['support']:,} titles"
    axes.set_title(f"{without_formulas(label)}\n{summary}", fontsize=8)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    percent(axes)
    axes.tick_params(labelsize=7)


def draw_coverage(path: Path, metrics: Metrics, probabilities: Floats, tags: Bools) -> None:
    """Draw micro precision over micro recall, from probabilities and tags (titles, categories)."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    precision, recall, _ = precision_recall_curve(tags.ravel(), probabilities.ravel())
    predictions = recall * tags.sum() / np.maximum(precision, 1e-9)
    enough = predictions >= min(MIN_PREDICTIONS, tags.sum())
    axes.plot(recall[enough], precision[enough], label="one threshold for all, chosen on these titles")
    points = {requested: (row["recall"], row["precision"]) for requested, row in metrics["coverage"].items()}
    scatter_precisions(axes, points, "one per tag, fitted to this precision")
    default = metrics["unasked"]
    if default["precision"] is not None:
        point = [default["recall"]], [default["precision"]]
        axes.scatter(*point, color="tab:green", marker="D", zorder=3, label="one per tag, fitted to the best F1")
    axes.axhline(metrics["target_precision"], color="grey", linestyle=":", label="target")
    axes.set(xlabel="recall", ylabel="precision", title="Precision over recall", xlim=(0, 1.02), ylim=(0, 1.05))
    percent(axes)
    axes.legend(loc="lower left")
    save(path, figure)


def draw_calibration(path: Path, metrics: Metrics) -> None:
    """Draw the frequency of tags over their probability, and the number of title-tag pairs in each bin."""
    bins = pd.DataFrame(metrics["calibration"]).rename(columns={"share": "frequency", "pairs": "count"})
    figure, above, below = calibration_figure(bins, metrics["expected_calibration_error"])
    above.set(ylabel="frequency")
    below.set(xlabel="probability of a tag", ylabel="title-tag pairs", xlim=(-0.04, 1.02))
    below.set_yscale("log")  # most tags are improbable for most titles
    below.margins(y=0.3)
    save(path, figure)
