"""Plots of training, as PNG files."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from titleclf.evaluate.metrics import main_score
from titleclf.evaluate.plots import save


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
    """Draw the loss of each portion of the titles by the number of titles seen so far."""
    table = pd.DataFrame(history)
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(table["titles"], table["loss"], marker=".")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set(xlabel="titles seen", ylabel="nats", title=f"Loss of pre-training ({objective})", xlim=(0, None))
    save(path, figure)
