"""The report of a learning curve: tables, a plot, and how many labels pre-training saves."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from scripts.common.peers import SVC
from scripts.common.report import as_table

REFERENCE_SIZE = 1_000  # labels


def as_markdown(rows: pd.DataFrame) -> str:
    """Return the tables, a row for each model and a column for each size; `rows` are by model and draw."""
    tables = {
        "Accuracy": _cells(rows, "accuracy", "{:.1%}"),
        "Macro-F1": _cells(rows, "macro_f1", "{:.1%}"),
        "Accuracy on the same titles with one misspelling": _cells(rows, "misspelt", "{:.1%}"),
        "Expected calibration error": _cells(rows, "calibration_error", "{:.3f}"),
        "Training seconds": _cells(rows, "seconds", "{:.1f}"),
    }
    return "\n".join(f"## {heading}\n\n{as_table(cells)}" for heading, cells in tables.items())


def plot(rows: pd.DataFrame) -> Figure:
    """Draw accuracy by labels, a line for each model, with a band from the lowest to the highest draw."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for number, (name, group) in enumerate(rows.groupby("model", sort=False)):
        percents = 100 * group.groupby("size")["accuracy"].agg(["mean", "min", "max"])
        axes.plot(percents.index, percents["mean"], color=f"C{number}", marker="o", markersize=4, label=name)
        axes.fill_between(percents.index, percents["min"], percents["max"], color=f"C{number}", alpha=0.15, linewidth=0)
    sizes = sorted(rows["size"].unique())
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(xlabel="labels", ylabel="accuracy, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure


def labels_needed(rows: pd.DataFrame, names: Sequence[str]) -> str:
    """Return a line for each of the models `names`: the labels that the SVC needs to be as accurate.

    The SVC's mean accuracy is interpolated linearly over the logarithm of labels.
    """
    curves = rows.pivot_table(index="size", columns="model", values="accuracy", sort=False).sort_index()
    if SVC not in curves:
        return ""
    size = min(curves.index, key=lambda labels: abs(np.log(labels / REFERENCE_SIZE)))
    accuracies = {name: curves[name].astype(float)[size] for name in names if name in curves}
    lines = [
        f"- With {size:,} labels, {name} has an accuracy of {accuracy:.1%}: {SVC} needs "
        f"{labels_for(accuracy, curves[SVC])} labels for that.\n"
        for name, accuracy in accuracies.items()
    ]
    return "".join(lines)


def labels_for(accuracy: float, curve: "pd.Series[float]") -> str:
    """Return in words how many labels a curve (accuracy by labels) takes to reach an accuracy."""
    sizes, highest = curve.index.to_numpy(), np.maximum.accumulate(curve.to_numpy())
    if accuracy > highest[-1]:
        return f"more than {sizes[-1]:,}"
    if accuracy < highest[0]:
        return f"fewer than {sizes[0]:,}"
    return f"about {float(f'{np.exp(np.interp(accuracy, highest, np.log(sizes))):.2g}'):,.0f}"


def introduction(rows: pd.DataFrame, titles: str, available: int, test_count: int, too_large: Sequence[int]) -> str:
    """Return the data and the protocol in words; there are too few titles for the sizes `too_large`."""
    draws = rows.groupby("size")["seed"].nunique()
    counts = ", ".join(f"{count} of {size:,}" for size, count in draws.items())
    excess = f" {available:,} are too few for {', '.join(f'{size:,}' for size in too_large)}." if too_large else ""
    return f"""\
- Titles: {titles}. Labels are drawn from {available:,} titles; {test_count:,} others are the test titles of all models.
- Draws: {counts}.{excess}
  They are the same for every model, and a larger draw contains the smaller ones of its seed. Cells are means, with the
  lowest and the highest.
- The peers train on all labels. titleclf keeps some of them to choose its epoch and to calibrate, and leaves out
  categories of fewer than three programmes, which are too small to split: at most {_left_out(rows)} labels.
  Every model is evaluated on the test titles of all categories. The SVC has no probabilities.
- Seconds exclude reading and evaluation; those of titleclf include validation, checkpoints and calibration.
"""


def _left_out(rows: pd.DataFrame) -> str:
    largest = (rows["size"] - rows["used"]).groupby(rows["size"]).max()
    return ", ".join(f"{count} of {size:,}" for size, count in largest.items())


def _cells(rows: pd.DataFrame, score: str, number_format: str) -> pd.DataFrame:
    def cell(values: "pd.Series[float]") -> str:
        if values.isna().any():
            return "-"
        lowest, mean, highest = map(number_format.format, (values.min(), values.mean(), values.max()))
        return f"{mean} ({lowest} to {highest})" if len(values) > 1 else mean

    names, sizes = rows["model"].unique(), sorted(rows["size"].unique())
    cells = rows.pivot_table(index="model", columns="size", values=score, aggfunc=cell)
    return cells.loc[names, sizes].rename(columns="{:,}".format)
