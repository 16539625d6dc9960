"""The parts of every report: the command and the machine that produced it, and tables in Markdown."""

import math
import os
import platform
import shlex
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd
import torch

from titleclf.config.schemas import TrainConfig
from titleclf.runtime.files import SHIPPED, write_text


def made_by(script: str, hidden: Collection[str] = ()) -> str:
    """Return the running command and the machine; call it before measuring, as it includes the load."""
    return f"`{command_line(script, sys.argv[1:], hidden)}`, {machine()}"


def command_line(script: str, arguments: Sequence[str], hidden: Collection[str] = ()) -> str:
    """Return the command of a script; with `hidden` files, placeholders replace them and all absolute paths.

    The placeholder of a/train_en.csv is TRAIN_EN.
    """

    def placeholder(argument: str) -> str:
        key, sign, value = ("", "", argument) if argument in hidden else argument.rpartition("=")
        return key + sign + (stem(value) if value in hidden or Path(value).is_absolute() else value)

    shown = map(placeholder, arguments) if hidden else arguments
    return shlex.join(["python", "-m", f"scripts.{script}", *shown])


def machine() -> str:
    """Return the cores, the load and the versions behind a measurement; a busy machine makes seconds unreliable."""
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    return f"{os.cpu_count()} cores ({platform.machine()}, load {os.getloadavg()[0]:.1f} before), {versions}"


def stem(path: str | Path) -> str:
    """Return the name of a file in a report: a/guide_uk.xml.gz is GUIDE_UK."""
    return Path(path).name.partition(".")[0].upper()


def as_percent(fraction: float) -> str:
    """Return a fraction in percent, or a dash if it is NaN."""
    return "-" if math.isnan(fraction) else f"{fraction:.1%}"


def as_table(cells: pd.DataFrame, text_columns: int = 1) -> str:
    """Return the cells as a Markdown table; the first `text_columns`, the index included, are left-aligned."""
    names = [str(name) for name in (cells.index.name, *cells.columns)]
    lines = [" | ".join(names), " | ".join([*["---"] * text_columns, *["---:"] * (len(names) - text_columns)])]
    lines += [" | ".join(map(str, row)) for row in cells.itertuples()]
    return "".join(f"| {line} |\n" for line in lines)


def data_files(config: TrainConfig) -> str:
    """Return the files of the training and test titles."""
    files = [config.data.path, *filter(None, [config.data.test_path])]
    return " and ".join("data/titles.csv" if file == SHIPPED else file for file in files)


def write_report(path: Path, text: str) -> None:
    """Print a report, and write it."""
    write_text(path, text)
    print(f"{text}\nWrote {path}")
