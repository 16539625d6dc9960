"""Plots of an evaluation of tags, as PNG files."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve

from titleclf.evaluate.plots import calibration_figure, percent, save
from titleclf.runtime.arrays import Bools, Floats
from titleclf.runtime.bundle.contents import Metrics

_COLUMNS = 5
_FEW = 20  # tags: the precision of fewer is noise


def draw_tags(path: Path, metrics: Metrics, probabilities: Floats, tags: Bools) -> None:
    """Draw precision over recall, one panel per tag, commonest first, with a point at its threshold."""
    support = tags.sum(axis=0)
    order = [number for number in np.argsort(-support, kind="stable") if support[number]]
    rows = math.ceil(len(order) / _COLUMNS)
    figure = Figure(figsize=(2.2 * _COLUMNS, 0.8 + 1.9 * rows), layout="constrained")
    grid = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False).flatten()
    names = list(metrics["categories"])
    for axes, number in zip(grid, order, strict=False):
        _draw_tag(axes, names[number], metrics["categories"][names[number]], probabilities[:, number], tags[:, number])
    for axes in grid[len(order) :]:
        axes.set_axis_off()
    figure.supxlabel("recall", fontsize=10)
    figure.supylabel("precision", fontsize=10)
    figure.suptitle("Precision over recall by tag; the point is its threshold, AP the average precision")
    save(path, figure)


def _draw_tag(axes: Axes, name: str, scores: Metrics, probabilities: Floats, true: Bools) -> None:
    precision, recall, _ = precision_recall_curve(true, probabilities)
    axes.plot(recall[:-1], precision[:-1], drawstyle="steps-post", linewidth=1.2)
    axes.axhline(true.mean(), color="grey", linestyle=":", linewidth=1)
    axes.scatter([scores["recall"]], [scores["precision"]], color="tab:orange", zorder=3, clip_on=False)
    # A dollar sign would start a formula.
    label = name.replace("$", r"\$")
    about = f"AP {scores['average_precision']:.0%}, {scores['support']:,} titles"
    axes.set_title(f"{label if len(label) <= 26 else label[:25] + '…'}\n{about}", fontsize=8)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    percent(axes)
    axes.tick_params(labelsize=7)


def draw_coverage(path: Path, metrics: Metrics, probabilities: Floats, tags: Bools) -> None:
    """Draw micro precision over micro recall, of probabilities and tags (titles, categories)."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    precision, recall, _ = precision_recall_curve(tags.ravel(), probabilities.ravel())
    named = recall * tags.sum() / np.maximum(precision, 1e-9)
    enough = named >= min(_FEW, tags.sum())
    axes.plot(recall[enough], precision[enough], label="one threshold for all tags, chosen on these titles")
    reached = {wanted: row for wanted, row in metrics["coverage"].items() if row["precision"] is not None}
    axes.scatter(
        [row["recall"] for row in reached.values()],
        [row["precision"] for row in reached.values()],
        color="tab:orange",
        zorder=3,
        label="thresholds by tag, at this wanted precision",
    )
    for wanted, row in reached.items():
        place = (row["recall"], row["precision"])
        axes.annotate(f"{float(wanted):.0%}", place, xytext=(0, -6), textcoords="offset points", ha="center", va="top")
    if metrics["unasked"]["precision"] is not None:
        unasked = [metrics["unasked"]["recall"]], [metrics["unasked"]["precision"]]
        axes.scatter(*unasked, color="tab:green", marker="D", zorder=3, label="thresholds by tag, with the best F1")
    axes.axhline(metrics["target_precision"], color="grey", linestyle=":", label="target")
    axes.set(xlabel="recall", ylabel="precision")
    axes.set_title("Precision over recall")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    percent(axes)
    axes.legend(loc="lower left")
    save(path, figure)


def draw_calibration(path: Path, metrics: Metrics) -> None:
    """Draw the true fraction of pairs of a title and a tag over their probability, and the number of pairs per bin."""
    bins = pd.DataFrame(metrics["calibration"]).rename(columns={"share": "true", "pairs": "count"})
    figure, above, below = calibration_figure(bins, metrics["expected_calibration_error"])
    above.set(ylabel="true fraction")
    below.set(xlabel="probability of a tag", ylabel="titles x tags", xlim=(-0.04, 1.02))
    below.set_yscale("log")  # most tags are improbable for any title
    below.margins(y=0.3)
    save(path, figure)
