"""What a person reads of a learning curve: tables, a picture, and how many labels pre-training is worth."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from scripts.common.peers import SVC
from scripts.common.report import as_table

WORTH_AT = 1_000  # labels


def as_markdown(rows: pd.DataFrame) -> str:
    """Return the tables, a row a model and a column a number of labels; `rows` are a row a model and draw."""
    parts = {
        "Accuracy": _shares(rows, "accuracy"),
        "Macro-F1": _shares(rows, "macro_f1"),
        "Accuracy on the same titles with one misspelling": _shares(rows, "misspelt"),
        "Expected calibration error": _cells(rows, "calibration_error", "{:.3f}"),
        "Seconds of training": _cells(rows, "seconds", "{:.1f}"),
    }
    return "\n".join(f"## {heading}\n\n{as_table(cells)}" for heading, cells in parts.items())


def picture(rows: pd.DataFrame) -> Figure:
    """Draw accuracy by labels, a line a model, with a band from the lowest to the highest of its draws."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for place, (name, group) in enumerate(rows.groupby("model", sort=False)):
        found = 100 * group.groupby("size")["accuracy"].agg(["mean", "min", "max"])
        axes.plot(found.index, found["mean"], color=f"C{place}", marker="o", markersize=4, label=name)
        axes.fill_between(found.index, found["min"], found["max"], color=f"C{place}", alpha=0.15, linewidth=0)
    sizes = sorted(rows["size"].unique())
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(xlabel="labels", ylabel="accuracy, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure


def worth(rows: pd.DataFrame, names: Sequence[str]) -> str:
    """Say of each of the models `names` how many labels the SVC needs to be right as often, a line a model.

    The SVC's labels lie on its mean curve, a straight line between sizes over the logarithm of labels.
    """
    curves = rows.pivot_table(index="size", columns="model", values="accuracy", sort=False).sort_index()
    if SVC not in curves:
        return ""
    size = int(curves.index[np.abs(np.log(curves.index / WORTH_AT)).argmin()])
    lines = [
        f"- With {size:,} labels {name} is right on {curves.loc[size, name]:.1%}: {SVC} needs "
        f"{labels_for(curves.loc[size, name], curves[SVC])} for that.\n"
        for name in names
        if name in curves
    ]
    return "".join(lines)


def labels_for(accuracy: float, curve: "pd.Series[float]") -> str:
    """Return how many labels a curve (accuracy by labels) takes to reach an accuracy, in words."""
    sizes, reached = curve.index.to_numpy(), np.maximum.accumulate(curve.to_numpy())
    if accuracy > reached[-1]:
        return f"more than {sizes[-1]:,}"
    if accuracy < reached[0]:
        return f"fewer than {sizes[0]:,}"
    return f"about {float(f'{np.exp(np.interp(accuracy, reached, np.log(sizes))):.2g}'):,.0f}"


def introduce(rows: pd.DataFrame, titles: str, drawn_from: int, judged: int, missing: Sequence[int]) -> str:
    """Return what was trained on what and judged how, in words; `missing` sizes are above what there is."""
    draws = rows.groupby("size")["seed"].nunique()
    counts = ", ".join(f"{count} of {size:,}" for size, count in draws.items())
    return f"""\
- Titles: {titles}. Labels are drawn from {drawn_from:,} titles; all models are judged on the same {judged:,} others.
- Draws: {counts}.{_too_few(drawn_from, missing)}
  They are the same for every model, and a larger one contains the smaller ones of its seed. Cells are means, with the
  lowest and the highest.
- The peers train on all labels. Ours keeps some of the same labels to choose its epoch and to calibrate, and leaves
  out categories of fewer than three programmes, which can't be split: at most {_left_out(rows)} labels.
  Test titles of every category count for every model. The SVC has no probabilities.
- Seconds are without reading files and judging; ours are with validation, checkpoints and calibration.
"""


def _too_few(drawn_from: int, missing: Sequence[int]) -> str:
    sizes = ", ".join(f"{size:,}" for size in missing)
    return f" {drawn_from:,} are too few for {sizes}." if missing else ""


def _left_out(rows: pd.DataFrame) -> str:
    most = (rows["size"] - rows["used"]).groupby(rows["size"]).max()
    return ", ".join(f"{count} of {size:,}" for size, count in most.items())


def _shares(rows: pd.DataFrame, score: str) -> pd.DataFrame:
    return _cells(rows, score, "{:.1%}")


def _cells(rows: pd.DataFrame, score: str, form: str) -> pd.DataFrame:
    def cell(values: "pd.Series[float]") -> str:
        if values.isna().any():
            return "-"
        spread = f" ({form.format(values.min())} to {form.format(values.max())})" if len(values) > 1 else ""
        return form.format(values.mean()) + spread

    names, sizes = rows["model"].unique(), sorted(rows["size"].unique())
    cells = rows.pivot_table(index="model", columns="size", values=score, aggfunc=cell)
    return cells.loc[names, sizes].rename(columns="{:,}".format)
