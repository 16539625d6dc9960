"""Labelled titles in several files."""

import gzip
from pathlib import Path

from tests.helpers.titles import write_csv


def write_parts(folder: Path) -> str:
    """Write three files that match the returned pattern, and others that don't."""
    write_csv(folder / "train_02.csv", [("Tatort", "Film", "de"), ("24", "Film", "de"), ("24", "Film", "de")])
    write_csv(folder / "train_01.csv", [("Tatort", "Krimi"), ("Heat", "Film")], header=("title", "category"))
    (folder / "train_03.csv.gz").write_bytes(gzip.compress(b"title,category,lang\nHeat,Film,en\nTatort,Krimi,en\n"))
    write_csv(folder / "other.csv", [("", "", "")])
    (folder / "train_04.csv").mkdir()
    return str(folder / "train_*.csv*")
