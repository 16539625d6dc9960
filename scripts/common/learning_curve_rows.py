"""The rows that a learning curve has measured so far, one for each model and draw, in a CSV file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from titleclf.runtime.errors import InputError
from titleclf.runtime.files import write_text

COLUMNS = {
    "size": int,  # labels
    "seed": int,
    "model": str,
    "settings": str,  # a fingerprint of everything else that the row depends on
    "used": int,  # labels for training and validation
    "accuracy": float,
    "macro_f1": float,
    "misspelt": float,  # accuracy
    "calibration_error": float,
    "seconds": float,
}

Row = dict[str, Any]


class Task(NamedTuple):
    """A model to train on the draw of `size` labels with this seed."""

    size: int
    seed: int
    model: str


def read_rows(path: Path) -> dict[Task, Row]:
    """Return the rows of a file; none if it doesn't exist.

    Raises
    ------
    InputError
        If the file has other contents.
    """
    if not path.exists():
        return {}
    try:
        frame = pd.read_csv(path, dtype=COLUMNS, usecols=list(COLUMNS))
    except ValueError as error:
        problem = " ".join(str(error).split())
        raise InputError(
            f"{path} must have rows of this script. Got: {problem}. Remove the file, or choose another --output."
        ) from error
    rows = [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
    return {Task(*(row.pop(name) for name in Task._fields)): row for row in rows}


def check_settings(rows: Mapping[Task, Row], settings: Mapping[tuple[str, int], str], path: Path) -> None:
    """Check that all rows were measured with the settings of their model and size.

    Raises
    ------
    InputError
        If a row was measured with other settings.
    """
    for task, row in rows.items():
        if row["settings"] != settings.get((task.model, task.size), row["settings"]):
            raise InputError(
                f"{path} must have rows of the same settings and titles. Got {task.model} with {task.size:,} labels, "
                "measured with others. Remove these rows, or choose another --output."
            )


def write_rows(path: Path, rows: Mapping[Task, Row]) -> None:
    """Write all rows, replacing the file atomically."""
    write_text(path, as_frame(rows).to_csv(index=False))


def as_frame(rows: Mapping[Task, Row]) -> pd.DataFrame:
    """Return the rows with their tasks as a frame of `COLUMNS`."""
    return pd.DataFrame([{**task._asdict(), **row} for task, row in rows.items()], columns=list(COLUMNS))
