"""Plots of a training, as PNG files."""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, PercentFormatter, StrMethodFormatter
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from titleclf.evaluate.metrics import main_score
from titleclf.evaluate.plots import save

_LONG = 12  # characters
_WIDE = 10  # times the smallest: such values are drawn by their size


def draw_training(path: Path, history: list[dict[str, float]], kept: int) -> None:
    """Draw loss and validation scores by epoch, with the kept epoch marked."""
    table = pd.DataFrame(history)
    score = main_score(history[0])
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, names in (
        (left, ["training_loss", "validation_loss"]),
        (right, [score, "macro_f1", f"known_{score}", "known_macro_f1"]),
    ):
        for name in names:
            axes.plot(table["epoch"], table[name], marker=".", label=name.replace("_", " "))
        axes.axvline(kept, color="grey", linestyle=":", label=f"kept: epoch {kept}")
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
    left.set(title="Loss", ylabel="nats per title")
    right.set(title="Validation", ylabel="score")
    save(path, figure)


def draw_pretraining(path: Path, history: list[dict[str, float]], objective: str) -> None:
    """Draw the loss of each part of the titles by the number of titles seen so far."""
    table = pd.DataFrame(history)
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(table["titles"], table["loss"], marker=".")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set(xlabel="titles seen", ylabel="nats", title=f"Loss of pre-training ({objective})", xlim=(0, None))
    save(path, figure)


def draw_trials(path: Path, table: pd.DataFrame, shares: "pd.Series[float]") -> None:
    """Draw the score of all trials, the best first, over each of their values, what mattered most first.

    Where trials differ in nothing there is no picture.
    """
    if shares.empty:
        return
    columns = min(4, len(shares))
    lines = -(-len(shares) // columns)
    figure = Figure(figsize=(3 * columns, 0.4 + 2.8 * lines), layout="constrained")
    grid = list(figure.subplots(lines, columns, sharey=True, squeeze=False).flat)
    for axes, (name, share) in zip(grid, shares.items(), strict=False):
        values = table[name]
        if not is_numeric_dtype(values) or is_bool_dtype(values):
            values = _named(values)
            axes.tick_params(axis="x", rotation=20)
        elif values.min() > 0 and values.max() > _WIDE * values.min():
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.scatter(values, table["score"], s=16, alpha=0.7)
        axes.scatter(values[:1], table["score"][:1], s=60, marker="*", color="tab:orange", zorder=3)
        axes.set_title(f"{name} ({share:.0%})", fontsize=10)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.grid(alpha=0.3)
    for axes in grid[len(shares) :]:
        axes.remove()
    figure.supylabel("score on validation")
    figure.suptitle("Trials by their values, and how much of the score each explains")
    save(path, figure)


def _named(values: "pd.Series[Any]") -> "pd.Series[str]":
    """Return values as names that fit under an axis, and that differ where the values do."""
    numbers, texts = pd.factorize(values.map(str))
    names = [text if len(text) <= _LONG else f"{text[:_LONG]}... {number}" for number, text in enumerate(texts, 1)]
    return pd.Series([names[number] for number in numbers])
