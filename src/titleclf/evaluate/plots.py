"""Plots of an evaluation, as PNG files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import PercentFormatter

from titleclf.evaluate.coverage import coverage_curve
from titleclf.evaluate.metrics import SCORES, main_score
from titleclf.evaluate.robustness import PARTS, Row, rows
from titleclf.runtime.arrays import Bools, Floats
from titleclf.runtime.bundle.contents import Metrics
from titleclf.runtime.files import replacing

MIN_PREDICTIONS = 20  # with fewer, precision is noise
_NEARLY_ALL = 0.95


def draw_confusion(path: Path, confusion: list[list[int]], categories: list[str]) -> None:
    """Draw how many titles of each labelled category (rows) are predicted as each category (columns)."""
    counts = np.array(confusion)
    size = 3 + 0.55 * len(categories)
    figure = Figure(figsize=(size + 2, size), layout="constrained")
    axes = figure.add_subplot()
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(counts):
        colour = "white" if fractions[row, column] > 0.5 else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=8)
    names = [without_formulas(category) for category in categories]
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="labelled", title="Titles by labelled and predicted category")
    figure.colorbar(image, label="fraction of the labelled category", shrink=0.8)
    save(path, figure)


def draw_coverage(path: Path, metrics: Metrics, confidence: Floats, is_right: Bools) -> None:
    """Draw precision over coverage, from confidence and correctness (titles,)."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    coverages, precisions = coverage_curve(confidence, is_right)
    enough = coverages * len(confidence) >= min(MIN_PREDICTIONS, len(confidence))
    axes.plot(coverages[enough], precisions[enough], label="one threshold for all, chosen on these titles")
    points = {requested: (row["coverage"], row["precision"]) for requested, row in metrics["coverage"].items()}
    scatter_precisions(axes, points, "one per category, fitted to this precision")
    axes.axhline(metrics["target_precision"], color="grey", linestyle=":", label="target")
    axes.set(xlabel="coverage", ylabel="precision", title="Precision over coverage")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(top=1.05)
    percent(axes)
    axes.legend(loc="lower left")
    save(path, figure)


def draw_calibration(path: Path, metrics: Metrics) -> None:
    """Draw accuracy over confidence, and the number of titles in each bin."""
    bins = pd.DataFrame(metrics["calibration"]).rename(columns={"accuracy": "frequency", "titles": "count"})
    figure, above, below = calibration_figure(bins, metrics["expected_calibration_error"])
    above.set(ylabel="accuracy")
    below.set(xlabel="confidence", ylabel="titles", xlim=(0, 1.02))
    below.margins(y=0.2)
    save(path, figure)


def calibration_figure(bins: pd.DataFrame, error: float) -> tuple[Figure, Axes, Axes]:
    """Draw bins of `confidence, frequency, count`: frequency over confidence above, counts below."""
    figure = Figure(figsize=(6, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    above.plot([0, 1], [0, 1], color="grey", linestyle=":", label="perfectly calibrated")
    above.plot(bins["confidence"], bins["frequency"], marker="o", label="these titles")
    above.set(title=f"Calibration (expected calibration error {error:.3f})", ylim=(0, 1.03))
    percent(above)
    above.legend(loc="upper left")
    below.bar(bins["confidence"], bins["count"], width=min(0.04, 0.6 / len(bins)), color="tab:blue")
    for confidence, count in zip(bins["confidence"], bins["count"], strict=True):
        below.annotate(f"{count:,}", (confidence, count), ha="center", va="bottom", fontsize=8)
    return figure, above, below


def draw_robustness(path: Path, groups: Metrics) -> None:
    """Draw the main score in each condition and on clean titles, one column per group of titles.

    Without groups there is no plot; one of an earlier report is removed.
    """
    if not groups:
        path.unlink(missing_ok=True)
        return
    parts = {part: rows(groups, part) for part in PARTS}
    first = next(iter(groups))
    score = main_score(groups[first]["clean"])
    for part in ("kinds", "formats"):
        parts[part].sort(key=lambda row: -row.scores[first][score])
    row_heights = [len(conditions) + 1 for conditions in parts.values()]
    figure = Figure(figsize=(4 + 3 * len(groups), 1 + 0.28 * sum(row_heights)), layout="constrained")
    grid = figure.subplots(
        len(parts), len(groups), sharex="col", sharey="row", height_ratios=row_heights, squeeze=False
    )
    for number, (column, (name, group)) in enumerate(zip(grid.T, groups.items(), strict=True)):
        colour, clean = f"C{number}", group["clean"][score]
        for axes, (part, conditions) in zip(column, parts.items(), strict=True):
            heights = np.arange(len(conditions))
            values = [row.scores[name][score] for row in conditions]
            axes.axvline(clean, color="grey", linestyle=":", linewidth=1)
            axes.hlines(heights, values, clean, color=colour, alpha=0.4)
            axes.scatter(values, heights, color=colour, zorder=3)
            axes.set_yticks(heights, [_row_label(row) for row in conditions])
            axes.set_ylim(len(conditions) - 0.4, -0.6)  # the first on top
            axes.grid(axis="x", alpha=0.3)
            if number == 0:
                axes.set_title(PARTS[part], loc="left", fontsize=10)
        column[0].set_title(f"{name} titles, {clean:.1%} clean", loc="right", fontsize=10, color=colour)
        column[-1].set_xlabel(SCORES[score])
        column[-1].xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    _align([column[-1] for column in grid.T])
    save(path, figure)


def _align(columns: Sequence[Axes]) -> None:
    """Give all columns axes of the same width, so that losses can be compared by eye."""
    widest = max(0.05, *(high - low for low, high in (axes.get_xlim() for axes in columns)))
    for axes in columns:
        axes.set_xlim(left=axes.get_xlim()[1] - widest)


def _row_label(row: Row) -> str:
    # Noise that changes few titles costs little for this reason alone.
    return row.label if row.changed > _NEARLY_ALL else f"{row.label} ({row.changed:.0%} of titles)"


def scatter_precisions(axes: Axes, points: Mapping[str, tuple[float, float | None]], label: str) -> None:
    """Draw points with their requested precision beside them, except those whose precision is None."""
    reached = {requested: (x, precision) for requested, (x, precision) in points.items() if precision is not None}
    axes.scatter(
        [x for x, _ in reached.values()],
        [precision for _, precision in reached.values()],
        color="tab:orange",
        zorder=3,
        label=label,
    )
    for requested, point in reached.items():
        axes.annotate(
            f"{float(requested):.0%}",
            point,
            xytext=(4, 3),
            textcoords="offset points",
            path_effects=[withStroke(linewidth=3, foreground="white")],  # legible on the curve
        )


def without_formulas(text: str) -> str:
    """Return text for matplotlib, with escaped dollar signs: they would start formulas."""
    return text.replace("$", r"\$")


def percent(axes: Axes) -> None:
    """Label both axes in percent and draw a grid."""
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(alpha=0.3)


def save(path: Path, figure: Figure) -> None:
    """Write the figure as a PNG file, atomically."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
