"""Labelled titles, checked row by row, and what a model shall answer to them."""

import glob
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from titleclf.config.schemas import ColumnsConfig
from titleclf.epg.genres import GenreTable
from titleclf.epg.harvest import harvest
from titleclf.epg.streams import is_guide
from titleclf.runtime.choices import Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import SHIPPED, shipped
from titleclf.runtime.tables import Record, read_records, refuse, text_problem
from titleclf.runtime.text import tags as cells
from titleclf.runtime.text.programmes import FieldColumns

LEAST_PROGRAMMES = 3  # of a category, one for each side of the split
_SHIPPED_COLUMNS = ColumnsConfig("title", "category", "lang", "und", channel=None, duration=None)


def titles_path(path: str) -> Path:
    """Return the file or the pattern that `data.path` means: `shipped` is the file that comes with the package."""
    return shipped("data/titles.csv") if path == SHIPPED else Path(path)


def read_all_titles(path: str, columns: ColumnsConfig, task: Task = Task.single) -> pd.DataFrame:
    """Read the titles that `data.path` means, from one file or as one from all that match a pattern, in sorted order.

    What an earlier file has under the same category (channel, duration) is left out. Guides are harvested, all together
    as the last file.

    Raises
    ------
    InputError
        If a file is as `read_titles` refuses it, or none matches the pattern.
    """
    if path == SHIPPED:
        columns = _SHIPPED_COLUMNS
    files = files_of(titles_path(path))
    guides = [file for file in files if is_guide(file)]
    frames = [read_titles(file, columns, task) for file in files if file not in guides]
    if guides:
        frames.append(_harvested(guides, columns))
    titles = pd.concat([frame.assign(file=number) for number, frame in enumerate(frames)])
    same = list(titles.columns.difference(["lang", "file"]))
    first = titles.groupby(same, dropna=False)["file"].transform("min")
    return titles[titles["file"] == first].drop(columns="file").reset_index(drop=True)


def files_of(path: Path) -> list[Path]:
    """Return the file, or all that match the pattern, sorted.

    Raises
    ------
    InputError
        If none matches the pattern.
    """
    if path.exists() or not glob.has_magic(str(path)):  # a file may be called "[1].csv"
        return [path]
    found = sorted(file for file in map(Path, glob.glob(str(path), recursive=True)) if file.is_file())  # noqa: PTH207 (it takes absolute patterns)
    if not found:
        raise InputError(f"{path} must match one file or more. Got none. Check the pattern.")
    return found


def read_titles(path: Path, columns: ColumnsConfig, task: Task = Task.single) -> pd.DataFrame:
    """Read labelled titles into a frame of `title, category, lang`, with `channel` and `minutes` where these are named.

    Several tags are one category, joined in order.

    Raises
    ------
    InputError
        If the file can't be read, lacks a column, or has bad rows; up to ten of them are named with their lines.
    """
    kept: list[tuple[Any, ...]] = []
    bad: list[tuple[int, str]] = []
    fields = FieldColumns(columns.channel, columns.duration)
    for record in read_records(path, [columns.title, columns.category, *fields.names]):
        problem = record.problem or _problem(record, columns, task) or fields.problem(record.cells)
        if problem:
            bad.append((record.line, problem))
        else:
            row = record.cells
            lang = row.get(columns.lang) or columns.unnamed_lang
            category = row[columns.category].strip()
            if task is Task.multilabel:
                category = cells.joined(cells.tags_in(category))
            programme = fields.programme(row[columns.title].strip(), row)
            kept.append((programme.title, category, lang.strip(), programme.channel, programme.minutes))
    refuse(path, bad)
    if not kept:
        raise InputError(f"{path} must have at least one titled row. Got none. Add rows below the header.")
    return _frame(kept, columns)


def _harvested(guides: list[Path], columns: ColumnsConfig) -> pd.DataFrame:
    by_channel, with_minutes = columns.channel is not None, columns.duration is not None
    found = harvest(map(str, guides), GenreTable.shipped(), by_channel=by_channel, with_minutes=with_minutes)
    rows = [
        (row.programme.title, row.genre.value, row.lang or columns.unnamed_lang, *row.programme[1:])
        for row in found.rows()
    ]
    titles = _frame(rows, columns)
    enough = titles.groupby("category")["title"].transform("nunique") >= LEAST_PROGRAMMES
    rare = f"; {(~enough).sum():,} more, of genres with fewer than {LEAST_PROGRAMMES}" if not enough.all() else ""
    print(f"{found}{rare}", file=sys.stderr)
    if not enough.any():
        names = ", ".join(map(str, guides))
        raise InputError(f"{names} must have programmes with categories. Got too few. Name a guide that has them.")
    return titles[enough]


def _frame(rows: list[tuple[Any, ...]], columns: ColumnsConfig) -> pd.DataFrame:
    """Return a frame of rows of `title, category, lang, channel, minutes`, without the last two unless named."""
    unnamed = {"channel": columns.channel, "minutes": columns.duration}
    titles = pd.DataFrame(rows, columns=["title", "category", "lang", *unnamed])
    return titles.drop(columns=[name for name, column in unnamed.items() if column is None])


def fingerprint(titles: pd.DataFrame) -> str:
    """Return the SHA-256 of all rows in their order: two runs on the same data have the same."""
    digest = hashlib.sha256()
    for row in titles.itertuples(index=False):
        digest.update(json.dumps(list(row), ensure_ascii=False).encode())
    return digest.hexdigest()


def _problem(record: Record, columns: ColumnsConfig, task: Task) -> str | None:
    for column in (columns.title, columns.category, columns.lang):
        if problem := text_problem(record.cells, column):
            return problem
        if column != columns.lang and not (record.cells.get(column) or "").strip():
            return f"{column} is empty. Remove the row or fill it."
    return cells.problem(columns.category, record.cells[columns.category]) if task is Task.multilabel else None
