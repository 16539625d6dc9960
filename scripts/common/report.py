"""What a person reads of a benchmark: the command, what was compared with what, tables, and a picture."""

import os
import platform
import shlex
from collections.abc import Collection, Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from scripts.common.peers import FASTTEXT, Settings, for_peers
from titleclf.config.schemas import TrainConfig
from titleclf.data.dataset import Data
from titleclf.runtime.files import SHIPPED
from titleclf.runtime.text.title_keys import base_title

UNSEEN, KNOWN = "unseen", "known"
CLEAN = "clean"
CONDITIONS = (CLEAN, "one misspelling", "two misspellings", "a channel's format")
PRECISION = 0.9  # that coverage is measured at
_COLOURS = ("#1f6fb4", "#e08a1e", "#8a8a8a")
_COMMAND = ("python", "-m", "scripts.accuracy")


def as_markdown(scores: pd.DataFrame, costs: pd.DataFrame) -> str:
    """Return the tables: unseen and known titles by condition, then confidence and costs."""
    known, unseen = (scores[scores["kind"] == kind] for kind in (KNOWN, UNSEEN))
    accuracy = _by_condition(known, "accuracy")
    kept = accuracy.div(accuracy[CLEAN], axis=0)
    cells = accuracy.map("{:.1%}".format) + kept.map(" ({:.0%})".format)
    parts = {
        "Unseen titles: accuracy": _by_condition(unseen, "accuracy").map("{:.1%}".format),
        "Unseen titles: macro-F1": _by_condition(unseen, "macro_f1").map("{:.1%}".format),
        "Known titles: accuracy (and its share of the same model's on clean titles)": cells,
        "Confidence on clean unseen titles, and costs": _cost_cells(costs),
    }
    return "\n".join(f"## {heading}\n\n{as_table(cells)}" for heading, cells in parts.items())


def introduce(config: TrainConfig, data: Data, known: int, settings: Settings, name: str | None) -> str:
    """Return what was compared with what, in words."""
    training, validation, unseen = map(len, data.sides)
    bases = set(for_peers(data)["title"].map(base_title))
    met = int(data.sides.test["title"].map(base_title).isin(bases).sum())
    how = ", ".join(f"{key} {value}" for key, value in settings.items())
    return f"""\
- Titles: {name or files_of(config)}. titleclf trains on {training:,} and keeps {validation:,} to choose its epoch and
  to calibrate; the peers need none of that, and train on all {training + validation:,}.
- Unseen: {unseen:,} test titles, {met:,} of them of a programme that is among the training titles too. Known:
  {known:,} titles that all models have trained on. All are given the same misspelt and reformatted titles.
- fastText: {how}; titles casefolded, model not quantised.
  With more than one thread it differs from run to run.
- Calibration error: expected, over {config.evaluate.calibration_bins} bins; the SVC has no probabilities. Coverage:
  how many titles, the surest first, can be answered until fewer than {PRECISION:.0%} are right.
- Training seconds are without reading files and judging; titles a second are the best of three batches.
"""


def picture(scores: pd.DataFrame) -> Figure:
    """Draw accuracy by condition, unseen and known titles side by side, a colour a model."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    both = figure.subplots(1, 2, sharey=True)
    for axes, kind in zip(both, (UNSEEN, KNOWN), strict=True):
        table = 100 * _by_condition(scores[scores["kind"] == kind], "accuracy")
        for place, (name, row) in enumerate(table.iterrows()):
            middles = np.arange(len(row)) + 0.27 * (place - 1)
            bars = axes.bar(middles, row, 0.25, color=_COLOURS[place], label=name)
            axes.bar_label(bars, fmt="%.0f", fontsize=8, padding=1)
        axes.set(title=f"{kind.capitalize()} titles", ylim=(0, 105))
        axes.set_xticks(range(len(table.columns)), [fill(name, 12) for name in table.columns])
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
        axes.set_axisbelow(True)
    both[0].set_ylabel("accuracy, %")
    figure.legend(*both[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(_COLOURS), frameon=False)
    return figure


def scaling_table(found: pd.DataFrame) -> str:
    """Return the seconds of `scale` as a table, also relative to the smallest size."""
    relative = found["per_thousand"] / found["per_thousand"].iloc[0]
    cells = pd.DataFrame(
        {
            "rows": found["rows"].map("{:,}".format),
            "trained on": found["trained"].map("{:,}".format),
            "seconds": found["seconds"].map("{:,.1f}".format),
            "seconds per 1,000 titles and epoch": found["per_thousand"].map("{:.3f}".format),
            "/ the smallest's": relative.map("{:.2f} x".format),
        }
    )
    return as_table(cells.set_index("rows"))


def machine() -> str:
    """Return what it is measured on, and how busy that is: beside other work seconds say little."""
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    return f"{os.cpu_count()} cores ({platform.machine()}, load {os.getloadavg()[0]:.1f} before), {versions}"


def shown(arguments: Sequence[str], hidden: Collection[str] = (), command: Sequence[str] = _COMMAND) -> str:
    """Return the command; each of the files `hidden` has a placeholder in it: a/train_en.csv is TRAIN_EN."""

    def placeholder(argument: str) -> str:
        key, sign, value = ("", "", argument) if argument in hidden else argument.rpartition("=")
        return key + sign + (_stem(value) if value in hidden or Path(value).is_absolute() else value)

    return shlex.join([*command, *(map(placeholder, arguments) if hidden else arguments)])


def _stem(path: str) -> str:
    return Path(path).name.partition(".")[0].upper()


def _by_condition(scores: pd.DataFrame, score: str) -> pd.DataFrame:
    table = scores.pivot_table(index="model", columns="condition", values=score, sort=False)
    return table[list(CONDITIONS)]


def _cost_cells(costs: pd.DataFrame) -> pd.DataFrame:
    relative = costs["training_seconds"] / costs.loc[FASTTEXT, "training_seconds"]
    return pd.DataFrame(
        {
            "calibration error": costs["calibration_error"].map(
                lambda error: "-" if np.isnan(error) else f"{error:.3f}"
            ),
            f"coverage at {PRECISION:.0%} right": costs["coverage"].map("{:.1%}".format),
            "training seconds": costs["training_seconds"].map("{:,.1f}".format),
            "/ fastText's": relative.map("{:.2f} x".format),
            "titles a second": costs["titles_per_second"].map("{:,.0f}".format),
            "MB": costs["megabytes"].map("{:,.1f}".format),
        }
    )


def as_table(cells: pd.DataFrame, words: int = 1) -> str:
    """Return the cells as a Markdown table, whose first columns, so many, are words."""
    names = [cells.index.name, *cells.columns]
    lines = [" | ".join(names), " | ".join([*["---"] * words, *["---:"] * (len(names) - words)])]
    lines += [" | ".join(row) for row in cells.itertuples()]
    return "".join(f"| {line} |\n" for line in lines)


def files_of(config: TrainConfig) -> str:
    """Return the files that titles are read from, in words."""
    files = [config.data.path, *filter(None, [config.data.test_path])]
    return " and ".join("data/titles.csv" if file == SHIPPED else file for file in files)
