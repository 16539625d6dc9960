"""Labelled titles, read from tables and guides and checked row by row."""

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
from titleclf.runtime.text import tags
from titleclf.runtime.text.programmes import FieldColumns

MIN_PROGRAMMES = 3  # in a category: one for each part of the split
_SHIPPED_COLUMNS = ColumnsConfig("title", "category", "lang", "und", channel=None, duration=None)


def titles_path(path: str) -> Path:
    """Return `data.path` as a file or a pattern; `shipped` stands for the file that comes with the package."""
    return shipped("data/titles.csv") if path == SHIPPED else Path(path)


def read_all_titles(path: str, columns: ColumnsConfig, task: Task = Task.single) -> pd.DataFrame:
    """Read the titles in the file of `data.path`, or in all files that match the pattern, in sorted order.

    A title that an earlier file has with the same category (channel, duration) is left out. Guides are harvested
    together, as if they were the last file.

    Raises
    ------
    InputError
        If no file matches the pattern, or `read_titles` refuses one of them.
    """
    if path == SHIPPED:
        columns = _SHIPPED_COLUMNS
    files = files_of(titles_path(path))
    guides = [file for file in files if is_guide(file)]
    frames = [read_titles(file, columns, task) for file in files if file not in guides]
    if guides:
        frames.append(_read_guides(guides, columns))
    titles = pd.concat([frame.assign(file=number) for number, frame in enumerate(frames)])
    key_columns = list(titles.columns.difference(["lang", "file"]))
    first_file = titles.groupby(key_columns, dropna=False)["file"].transform("min")
    return titles[titles["file"] == first_file].drop(columns="file").reset_index(drop=True)


def files_of(path: Path) -> list[Path]:
    """Return the file, or all files that match the pattern, sorted.

    Raises
    ------
    InputError
        If no file matches the pattern.
    """
    if path.exists() or not glob.has_magic(str(path)):  # a file may be called "[1].csv"
        return [path]
    matches = map(Path, glob.glob(str(path), recursive=True))  # noqa: PTH207 (it takes absolute patterns)
    files = sorted(match for match in matches if match.is_file())
    if not files:
        raise InputError(f"{path} must match one file or more. Got none. Check the pattern.")
    return files


def read_titles(path: Path, columns: ColumnsConfig, task: Task = Task.single) -> pd.DataFrame:
    """Read labelled titles into a frame of `title, category, lang` and, if `columns` names them, `channel, minutes`.

    Several tags are joined into one sorted category.

    Raises
    ------
    InputError
        If the file can't be read, lacks a column, or has bad rows; up to ten of them are named with their lines.
    """
    rows: list[tuple[Any, ...]] = []
    problems: list[tuple[int, str]] = []
    fields = FieldColumns(columns.channel, columns.duration)
    for record in read_records(path, [columns.title, columns.category, *fields.names]):
        problem = record.problem or _problem(record, columns, task) or fields.problem(record.cells)
        if problem:
            problems.append((record.line, problem))
        else:
            cells = record.cells
            lang = cells.get(columns.lang) or columns.unnamed_lang
            category = cells[columns.category].strip()
            if task is Task.multilabel:
                category = tags.joined(tags.tags_in(category))
            programme = fields.programme(cells[columns.title].strip(), cells)
            rows.append((programme.title, category, lang.strip(), programme.channel, programme.minutes))
    refuse(path, problems)
    if not rows:
        raise InputError(f"{path} must have at least one title. Got none. Add rows below the header.")
    return _frame(rows, columns)


def _read_guides(guides: list[Path], columns: ColumnsConfig) -> pd.DataFrame:
    by_channel, with_minutes = columns.channel is not None, columns.duration is not None
    harvested = harvest(map(str, guides), GenreTable.shipped(), by_channel=by_channel, with_minutes=with_minutes)
    rows = [
        (row.programme.title, row.genre.value, row.lang or columns.unnamed_lang, *row.programme[1:])
        for row in harvested.rows()
    ]
    titles = _frame(rows, columns)
    is_frequent = titles.groupby("category")["title"].transform("nunique") >= MIN_PROGRAMMES
    rare = f"; {(~is_frequent).sum():,} more, of genres with fewer than {MIN_PROGRAMMES}"
    print(f"{harvested}{'' if is_frequent.all() else rare}", file=sys.stderr)
    if not is_frequent.any():
        names = ", ".join(map(str, guides))
        raise InputError(f"{names} must have programmes with categories. Got too few. Name a guide that has them.")
    return titles[is_frequent]


def _frame(rows: list[tuple[Any, ...]], columns: ColumnsConfig) -> pd.DataFrame:
    """Return rows of `title, category, lang, channel, minutes` as a frame, the last two if `columns` names them."""
    optional = {"channel": columns.channel, "minutes": columns.duration}
    titles = pd.DataFrame(rows, columns=["title", "category", "lang", *optional])
    return titles.drop(columns=[name for name, column in optional.items() if column is None])


def fingerprint(titles: pd.DataFrame) -> str:
    """Return the SHA-256 of all rows in their order, the same for two runs on the same data."""
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
    return tags.problem(columns.category, record.cells[columns.category]) if task is Task.multilabel else None
