"""Labelled titles, read from tables and guides and checked row by row."""

import glob
import hashlib
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from titleclf.config.schemas import SHIPPED_COLUMNS, ColumnsConfig
from titleclf.epg.genres import GenreTable
from titleclf.epg.harvest import harvest
from titleclf.epg.packings import is_guide
from titleclf.runtime.arrays import Floats
from titleclf.runtime.choices import ProgrammeKind, Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import SHIPPED, shipped
from titleclf.runtime.tables import read_records, refuse, text_problem
from titleclf.runtime.text import tags
from titleclf.runtime.text.plain_titles import plain_title
from titleclf.runtime.text.programmes import COLUMNS, Programme, Programmes, programme_of

UNDETERMINED = "und"  # the language of titles whose language is unknown (ISO 639-2)
KIND, SOURCE = "kind", "source"  # columns beside those of programmes: what one is, and the guide that it is from
WEIGHT = "weight"  # how much a title counts in the loss; 1 without it
IN_MEMORY = "X"  # the path of titles that are in no file, as scikit-learn calls them
MIN_PROGRAMMES = 3  # in a category: one for each part of the split


class TitlesInMemory(NamedTuple):
    """Labelled programmes that are in no file, and how much each counts in the loss (programmes,); None: all alike.

    The category of a programme is a cell as in a table: with several tags they are joined.
    """

    programmes: Programmes
    categories: Sequence[str]
    weights: Floats | None = None


def titles_path(path: str) -> Path:
    """Return `data.path` as a file or a pattern; `shipped` stands for the file that comes with the package."""
    return shipped("data/titles.csv") if path == SHIPPED else Path(path)


def read_all_titles(
    path: str, columns: ColumnsConfig, task: Task = Task.single, fields: Collection[str] = ()
) -> pd.DataFrame:
    """Read the titles in the file of `data.path`, or in all files that match the pattern, in sorted order.

    A title that an earlier file has with the same category and fields is left out. Guides are harvested together, as if
    they were the last file.

    Raises
    ------
    InputError
        If no file matches the pattern, or `read_titles` refuses one of them.
    """
    if path == SHIPPED:
        columns = SHIPPED_COLUMNS
    files = files_of(titles_path(path))
    guides = [file for file in files if is_guide(file.name)]
    frames = [read_titles(file, columns, task, fields) for file in files if file not in guides]
    if guides:
        frames.append(_read_guides(guides, columns, fields))
    titles = pd.concat([frame.assign(file=number) for number, frame in enumerate(frames)])
    key_columns = list(titles.columns.difference(["lang", "file", SOURCE]))
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


def read_titles(
    path: Path, columns: ColumnsConfig, task: Task = Task.single, fields: Collection[str] = ()
) -> pd.DataFrame:
    """Read labelled titles into a frame of `title, category, lang` and of `fields`, some of a programme's columns.

    Several tags are joined into one sorted category.

    Raises
    ------
    InputError
        If the file can't be read, lacks a column, or has bad rows; up to ten of them are named with their lines.
    """
    rows: list[tuple[Any, ...]] = []
    problems: list[tuple[int, str]] = []
    advice = "Rename yours, or name them with (data.)columns."
    for record in read_records(path, [columns.title, columns.category], ".xml, ", advice):
        if record.problem:
            problems.append((record.line, record.problem))
            continue
        try:
            rows.append(_row(record.cells, columns, task, fields))
        except ValueError as error:
            problems.append((record.line, str(error)))
    refuse(path, problems)
    if not rows:
        raise InputError(f"{path} must have at least one title. Got none. Add rows below the header.")
    return _frame(rows, fields)


def titles_in_memory(
    given: TitlesInMemory, unnamed_lang: str, task: Task = Task.single, fields: Collection[str] = ()
) -> pd.DataFrame:
    """Return the frame that `read_titles` returns of a file, with a `weight` if the titles have weights.

    Raises
    ------
    InputError
        If there are bad rows; up to ten of them are named, counted from 0.
    """
    columns = replace(SHIPPED_COLUMNS, unnamed_lang=unnamed_lang)
    rows: list[tuple[Any, ...]] = []
    problems: list[tuple[int, str]] = []
    for number, (programme, category) in enumerate(zip(given.programmes, given.categories, strict=True)):
        cells = {**programme._asdict(), columns.category: category, columns.lang: programme.language}
        try:
            rows.append(_row(cells, columns, task, fields))
        except ValueError as error:
            problems.append((number, str(error)))
    refuse(Path(IN_MEMORY), problems)
    titles = _frame(rows, fields)
    return titles if given.weights is None else titles.assign(**{WEIGHT: given.weights})


def _read_guides(guides: list[Path], columns: ColumnsConfig, fields: Collection[str]) -> pd.DataFrame:
    harvested = harvest(map(str, guides), GenreTable.shipped(), fields=fields)
    rows = [
        (
            row.programme.title,
            row.genre.value,
            row.lang or columns.unnamed_lang,
            *_values(row.programme, {KIND: row.kind, SOURCE: None}, columns, fields),
        )
        for row in harvested.rows()
    ]
    titles = _frame(rows, fields)
    is_frequent = titles.groupby("category")["title"].transform("nunique") >= MIN_PROGRAMMES
    rare = f"; {(~is_frequent).sum():,} more, of genres with fewer than {MIN_PROGRAMMES}"
    print(f"{harvested}{'' if is_frequent.all() else rare}", file=sys.stderr)
    if not is_frequent.any():
        names = ", ".join(map(str, guides))
        raise InputError(f"{names} must have programmes with categories. Got too few. Name a guide that has them.")
    return titles[is_frequent]


def _sources(columns: ColumnsConfig, fields: Collection[str]) -> dict[str, str]:
    """Return the column of a table for each field that is read."""
    names = _ordered(fields)
    return {name: columns.lang if name == "language" else getattr(columns, name) for name in names}


def _ordered(fields: Collection[str]) -> list[str]:
    return [name for name in (*COLUMNS, KIND, SOURCE) if name in fields]


def _values(
    programme: Programme, others: dict[str, str | None], columns: ColumnsConfig, fields: Collection[str]
) -> list[Any]:
    known = {**programme._asdict(), **others}
    language = programme.language or columns.unnamed_lang
    known["language"] = None if language == UNDETERMINED else language
    return [known[name] for name in _ordered(fields)]


def _row(cells: Mapping[str, Any], columns: ColumnsConfig, task: Task, fields: Collection[str]) -> tuple[Any, ...]:
    """Return the row of a frame that cells make.

    Raises
    ------
    ValueError
        If one of them is not valid; its text is the problem in three parts.
    """
    if problem := _problem(cells, columns, task) or _kind_problem(cells, columns, fields):
        raise ValueError(problem)
    known = {name: cells[column] for name, column in _sources(columns, fields).items() if column in cells}
    programme = programme_of(plain_title(cells[columns.title].strip()), known)
    category = cells[columns.category].strip()
    if task is Task.multilabel:
        category = tags.joined(tags.tags_in(category))
    lang = cells.get(columns.lang) or columns.unnamed_lang
    others = {KIND: cells.get(columns.kind) or None, SOURCE: cells.get(columns.source) or None}
    return programme.title, category, lang.strip(), *_values(programme, others, columns, fields)


def _kind_problem(cells: Mapping[str, Any], columns: ColumnsConfig, fields: Collection[str]) -> str | None:
    kind = cells.get(columns.kind)
    if KIND not in fields or not kind or kind in list(ProgrammeKind):
        return None
    return f"{columns.kind} must be one of {', '.join(ProgrammeKind)}, or empty. Got {kind!r}. Rename it."


def _frame(rows: list[tuple[Any, ...]], fields: Collection[str]) -> pd.DataFrame:
    """Return rows of `title, category, lang` and of fields, in their order, as a frame."""
    return pd.DataFrame(rows, columns=["title", "category", "lang", *_ordered(fields)])


def check_fields(titles: pd.DataFrame, path: str, columns: ColumnsConfig, fields: Collection[str]) -> None:
    """Refuse to train on titles of which none has a field that the model uses.

    Raises
    ------
    InputError
        If there is such a field.
    """
    unknown = [name for name in _ordered(fields) if titles[name].isna().all()]
    if unknown:
        sources = _sources(columns, unknown)
        raise InputError(
            f"{titles_path(path)} must have the columns of the fields that the model uses. Got nothing in "
            f"{', '.join(sources.values())}. Name others with data.columns, or leave them out of model.fields.use "
            "(kind: set loss.kind=0)."
        )


def fingerprint(titles: pd.DataFrame) -> str:
    """Return the SHA-256 of all rows in their order, the same for two runs on the same data."""
    digest = hashlib.sha256()
    for row in titles.itertuples(index=False):
        digest.update(json.dumps(list(row), ensure_ascii=False).encode())
    return digest.hexdigest()


def _problem(cells: Mapping[str, Any], columns: ColumnsConfig, task: Task) -> str | None:
    for column in (columns.title, columns.category, columns.lang):
        if problem := text_problem(cells, column):
            return problem
        if column != columns.lang and not (cells.get(column) or "").strip():
            return f"{column} is empty. Remove the row or fill it."
    return tags.problem(columns.category, cells[columns.category]) if task is Task.multilabel else None
