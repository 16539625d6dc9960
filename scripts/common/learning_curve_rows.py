"""The file of what a learning curve has measured so far: a row a model and draw, so that it can go on from there."""

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
    "settings": str,  # a fingerprint of all else that the row depends on
    "used": int,  # labels that the model learnt or validated on
    "accuracy": float,
    "macro_f1": float,
    "misspelt": float,  # accuracy
    "calibration_error": float,
    "seconds": float,
}

Row = dict[str, Any]


class Task(NamedTuple):
    """A model to train on the draw of so many labels with this seed."""

    size: int
    seed: int
    model: str


def read_rows(path: Path) -> dict[Task, Row]:
    """Return what is measured already: nothing where there is no file.

    Raises
    ------
    InputError
        If it is another kind of file.
    """
    if not path.exists():
        return {}
    try:
        frame = pd.read_csv(path, dtype=COLUMNS, usecols=list(COLUMNS))
    except ValueError as error:
        problem = " ".join(str(error).split())
        raise InputError(
            f"{path} must be what this script has measured. Got: {problem}. Remove it, or name another --output."
        ) from error
    rows = frame.to_dict("records")
    return {Task(*(row.pop(name) for name in Task._fields)): row for row in rows}


def refuse_others(rows: Mapping[Task, Row], settings: Mapping[tuple[str, int], str], path: Path) -> None:
    """Raise an `InputError` if a row was measured with other settings than those of its model and size."""
    for task, row in rows.items():
        if row["settings"] != settings.get((task.model, task.size), row["settings"]):
            raise InputError(
                f"{path} must be of the same settings and titles. Got {task.model} with {task.size:,} labels "
                "of others. Remove these rows, or name another --output."
            )


def write_rows(path: Path, rows: Mapping[Task, Row]) -> None:
    """Write all rows, whole or not at all."""
    write_text(path, as_frame(rows).to_csv(index=False))


def as_frame(rows: Mapping[Task, Row]) -> pd.DataFrame:
    """Return the rows with their tasks as a frame of `COLUMNS`."""
    return pd.DataFrame([{**task._asdict(), **row} for task, row in rows.items()], columns=list(COLUMNS))
