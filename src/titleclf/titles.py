"""Labelled titles: checked row by row, and split so that no programme is on two sides."""

import glob
import hashlib
import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from titleclf.config import ColumnsConfig, DataConfig, Task
from titleclf.errors import InputError
from titleclf.files import SHIPPED, shipped
from titleclf.metrics import Bools, Labels
from titleclf.tables import Record, is_utf8, read_records
from titleclf.tags import cells
from titleclf.tags.sides import sides_of, tags_by_side

_SHIPPED_COLUMNS = ColumnsConfig("title", "category", "lang", "und")
_NAMED_ROWS = 10
_MINIMUM_TITLES = 3  # one for each side of the split


Sizes = Callable[[int], dict[str, int]]  # how many of so many programmes go to each side


class Split(NamedTuple):
    """Frames of `title, category, lang`; no base title is in two of them."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame


def titles_path(path: str) -> Path:
    """Return the file or the pattern that `data.path` means: `shipped` is the file that comes with the package."""
    return shipped("data/titles.csv") if path == SHIPPED else Path(path)


def read_all_titles(path: str, columns: ColumnsConfig, task: Task = Task.single) -> pd.DataFrame:
    """Read the titles that `data.path` means, from one file or as one from all that match a pattern, in sorted order.

    What an earlier file has under the same category is left out.

    Raises
    ------
    InputError
        If a file is as `read_titles` refuses it, or none matches the pattern.
    """
    if path == SHIPPED:
        columns = _SHIPPED_COLUMNS
    files = files_of(titles_path(path))
    titles = pd.concat([read_titles(file, columns, task).assign(file=number) for number, file in enumerate(files)])
    first = titles.groupby(["title", "category"])["file"].transform("min")
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
    """Read labelled titles into a frame of `title, category, lang`; several tags are one category, joined in order.

    Raises
    ------
    InputError
        If the file can't be read, lacks a column, or has bad rows; up to ten of them are named with their lines.
    """
    kept: list[tuple[str, str, str]] = []
    bad: list[str] = []
    for record in read_records(path, [columns.title, columns.category]):
        problem = record.problem or _problem(record, columns, task)
        if problem:
            bad.append(f"{path}:{record.line}: {problem}")
        else:
            row = record.cells
            lang = row.get(columns.lang) or columns.unnamed_lang
            category = row[columns.category].strip()
            if task is Task.multilabel:
                category = cells.joined(cells.tags_in(category))
            kept.append((row[columns.title].strip(), category, lang.strip()))
    if bad:
        unnamed = len(bad) - _NAMED_ROWS
        more = [f"{path}: {unnamed} more bad rows."] if unnamed > 0 else []
        raise InputError("\n".join(bad[:_NAMED_ROWS] + more))
    if not kept:
        raise InputError(f"{path} must have at least one titled row. Got none. Add rows below the header.")
    return pd.DataFrame(kept, columns=["title", "category", "lang"])


def base_title(title: str) -> str:
    """Return what stays of a title without season, episode and year, case and punctuation: its programme.

    A title that is nothing but such marks ("24", "1917") is its own base.
    """
    return _fold(_MARKS.sub(" ", title)) or _fold(title) or title


def split(titles: pd.DataFrame, config: DataConfig, seed: int, task: Task = Task.single) -> Split:
    """Split by base title, each category in the same proportions, seeded.

    With `config.test_path` the test side is what that means, and titles are split into two only.

    Raises
    ------
    InputError
        If there are fewer than two categories, or one that has fewer than three programmes or can't be on every side.
    """
    own_test = None
    if config.test_path is not None:
        own_test = read_all_titles(config.test_path, config.columns, task)
    return split_beside(titles, own_test, config, seed, task)


def split_beside(
    titles: pd.DataFrame, own_test: pd.DataFrame | None, config: DataConfig, seed: int, task: Task = Task.single
) -> Split:
    """Split as `split` does, with test titles that are read already, or None."""
    bases = titles["title"].map(base_title)
    sides_of_programmes = _sides_of_one if task is Task.single else _sides_of_several
    sizes = partial(_sizes, config=config, tests=own_test is None)
    generator = np.random.default_rng(seed)
    side = bases.map(sides_of_programmes(bases, titles["category"], config.path, sizes, generator))
    train, validation, test = (titles[side == name].reset_index(drop=True) for name in Split._fields)
    return Split(train, validation, test if own_test is None else own_test)


def learnable(titles: pd.DataFrame) -> pd.DataFrame:
    """Return the titles whose categories have enough programmes to be split."""
    counts = _programmes(titles["title"].map(base_title), titles["category"])["category"].value_counts()
    enough = counts.index[counts >= _MINIMUM_TITLES]
    return titles[titles["category"].isin(enough)].reset_index(drop=True)


def targets_of(titles: pd.DataFrame, categories: list[str], task: Task) -> Labels | Bools:
    """Return what a model shall answer: `labels_of` (titles,), or with several tags `tags_of` (titles, categories)."""
    return labels_of(titles, categories) if task is Task.single else cells.tags_of(titles, categories)


def categories_of(titles: pd.DataFrame, task: Task) -> list[str]:
    """Return the categories of a frame in alphabetical order."""
    return sorted({category for cell in titles["category"].unique() for category in categories_in(cell, task)})


def categories_in(cell: str, task: Task) -> list[str]:
    """Return the categories that a cell names."""
    return [cell] if task is Task.single else cells.tags_in(cell)


def labels_of(titles: pd.DataFrame, categories: list[str]) -> Labels:
    """Return the category numbers (titles,) of a frame.

    Raises
    ------
    InputError
        If a title has a category that the model doesn't know.
    """
    cells.check_known(set(titles["category"]), categories)
    numbers = {category: number for number, category in enumerate(categories)}
    return np.array([numbers[category] for category in titles["category"]], dtype=np.int64)


def fingerprint(titles: pd.DataFrame) -> str:
    """Return the SHA-256 of all rows in their order: two runs on the same data have the same."""
    digest = hashlib.sha256()
    for row in titles.itertuples(index=False):
        digest.update(json.dumps(list(row), ensure_ascii=False).encode())
    return digest.hexdigest()


def _programmes(bases: "pd.Series[str]", category: "pd.Series[str]") -> pd.DataFrame:
    # A programme filed under two categories goes where its first row says, as a whole.
    return pd.DataFrame({"base": bases, "category": category}).drop_duplicates("base")


def _sides_of_one(
    bases: "pd.Series[str]", category: "pd.Series[str]", path: str, sizes: Sizes, generator: np.random.Generator
) -> dict[str, str]:
    programmes = _programmes(bases, category)
    _check_categories(programmes["category"].value_counts(), path)
    sides: dict[str, str] = {}
    for _, group in programmes.groupby("category", sort=True):
        order = generator.permutation(len(group))
        names = [side for side, size in sizes(len(group)).items() for _ in range(size)]
        sides.update(zip(group["base"].to_numpy()[order], names, strict=True))
    return sides


def _sides_of_several(
    bases: "pd.Series[str]", category: "pd.Series[str]", path: str, sizes: Sizes, generator: np.random.Generator
) -> dict[str, str]:
    # A programme whose rows differ has the tags of all of them.
    programmes: dict[str, set[str]] = {}
    for base, cell in zip(bases, category, strict=True):
        programmes.setdefault(base, set()).update(cells.tags_in(cell))
    _check_categories(pd.Series([tag for tags in programmes.values() for tag in sorted(tags)]).value_counts(), path)
    sides = sides_of(programmes, sizes, generator)
    wanted = {side for side, size in sizes(_MINIMUM_TITLES).items() if size}
    for tag, found in sorted(tags_by_side(programmes, sides).items()):
        if wanted - found:
            raise InputError(
                f"{titles_path(path)} must have programmes of each category for every side of the split. "
                f"Got none of {tag!r} left for {' and '.join(sorted(wanted - found))}. Add titles of it, or remove it."
            )
    return sides


def _sizes(programmes: int, config: DataConfig, *, tests: bool) -> dict[str, int]:
    # At least one programme of each category on every side, however small it or the fraction is.
    for_test = min(max(1, round(config.test_fraction * programmes)), programmes - 2) if tests else 0
    validations = min(max(1, round(config.validation_fraction * programmes)), programmes - for_test - 1)
    return {"test": for_test, "validation": validations, "train": programmes - for_test - validations}


def _check_categories(counts: "pd.Series[int]", of: str) -> None:
    path = titles_path(of)
    if len(counts) < 2:
        raise InputError(
            f"{path} must have at least two categories. Got only {counts.index[0]!r}. Add titles of another one."
        )
    few = [f"{name!r} ({count})" for name, count in counts.items() if count < _MINIMUM_TITLES]
    if few:
        raise InputError(
            f"{path} must have at least {_MINIMUM_TITLES} programmes a category, for training, validation and test. "
            f"Got {', '.join(few)}. Add titles, or remove these categories."
        )


def _problem(record: Record, columns: ColumnsConfig, task: Task) -> str | None:
    for column in (columns.title, columns.category, columns.lang):
        value = record.cells.get(column) or ""
        if not isinstance(value, str):
            return f"{column} must be text. Got {value!r}. Put it in quotes."
        if not value.strip() and column != columns.lang:
            return f"{column} is empty. Remove the row or fill it."
        if not is_utf8(value):
            return f"{column} must be UTF-8. Got other bytes. Save the file as UTF-8."
    return cells.problem(columns.category, record.cells[columns.category]) if task is Task.multilabel else None


def _fold(title: str) -> str:
    return " ".join(re.sub(r"[\W_]+", " ", title.casefold()).split())


_SEASON = r"season|series|staffel|saison|temporada|temp|stagione|stag|seizoen|sæson|säsong|sesong|sezon"
_EPISODE = r"episode|episodio|episódio|épisode|eps|ep|folge|teil|part|parte|partie|puntata|aflevering|afl|avsnitt|odc"
_MARKS = re.compile(
    rf"""
      \bs\d+[\s.:]*ep?\d+\b                              # S12E04
    | \b\d{{1,2}}x\d{{1,3}}\b                            # 12x04
    | \b(?:{_SEASON})[\s.:]*\d+\b                        # Season 3, Stag. 2
    | \b(?:{_EPISODE})[\s.:]*\d+(?:\s*/\s*\d+)?\b        # Ep. 14, Teil 2/3
    | \b[ste]\d+\b                                       # S4, T4, E12
    | \(\s*\d+(?:\s*/\s*\d+)?\s*\)                       # (6), (2/3)
    | \b(?:19|20)\d\d(?:\s*[/–-]\s*(?:19|20)?\d\d)?\b    # 2019, 2025/26
    """,
    re.VERBOSE | re.IGNORECASE,
)
