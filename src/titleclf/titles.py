"""Labelled titles: checked row by row, and split so that no programme is on two sides."""

import glob
import hashlib
import json
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from titleclf.config import ColumnsConfig, DataConfig
from titleclf.errors import InputError
from titleclf.files import SHIPPED, shipped
from titleclf.metrics import Labels
from titleclf.tables import Record, is_utf8, read_records

_SHIPPED_COLUMNS = ColumnsConfig("title", "category", "lang", "und")
_NAMED_ROWS = 10
_MINIMUM_TITLES = 3  # one for each side of the split


class Split(NamedTuple):
    """Frames of `title, category, lang`; no base title is in two of them."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame


def titles_path(path: str) -> Path:
    """Return the file or the pattern that `data.path` means: `shipped` is the file that comes with the package."""
    return shipped("data/titles.csv") if path == SHIPPED else Path(path)


def read_all_titles(path: str, columns: ColumnsConfig) -> pd.DataFrame:
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
    titles = pd.concat([read_titles(file, columns).assign(file=number) for number, file in enumerate(files)])
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


def read_titles(path: Path, columns: ColumnsConfig) -> pd.DataFrame:
    """Read labelled titles into a frame of `title, category, lang`.

    Raises
    ------
    InputError
        If the file can't be read, lacks a column, or has bad rows; up to ten of them are named with their lines.
    """
    kept: list[tuple[str, str, str]] = []
    bad: list[str] = []
    for record in read_records(path, [columns.title, columns.category]):
        problem = record.problem or _problem(record, columns)
        if problem:
            bad.append(f"{path}:{record.line}: {problem}")
        else:
            row = record.cells
            lang = row.get(columns.lang) or columns.unnamed_lang
            kept.append((row[columns.title].strip(), row[columns.category].strip(), lang.strip()))
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


def split(titles: pd.DataFrame, config: DataConfig, seed: int) -> Split:
    """Split by base title, each category in the same proportions, seeded.

    With `config.test_path` the test side is what that means, and titles are split into two only.

    Raises
    ------
    InputError
        If there are fewer than two categories, or one with fewer than three programmes.
    """
    own_test = None
    if config.test_path is not None:
        own_test = read_all_titles(config.test_path, config.columns)
    return split_beside(titles, own_test, config, seed)


def split_beside(titles: pd.DataFrame, own_test: pd.DataFrame | None, config: DataConfig, seed: int) -> Split:
    """Split as `split` does, with test titles that are read already, or None."""
    bases = titles["title"].map(base_title)
    programmes = _programmes(titles, bases)
    _check_categories(programmes["category"].value_counts(), config)
    sides: dict[str, str] = {}
    generator = np.random.default_rng(seed)
    for _, group in programmes.groupby("category", sort=True):
        order = generator.permutation(len(group))
        shuffled = group["base"].to_numpy()[order]
        # At least one programme of each category on every side, however small it or the fraction is.
        tests = 0 if own_test is not None else min(max(1, round(config.test_fraction * len(group))), len(group) - 2)
        validations = min(max(1, round(config.validation_fraction * len(group))), len(group) - tests - 1)
        sides.update(dict.fromkeys(shuffled[:tests], "test"))
        sides.update(dict.fromkeys(shuffled[tests : tests + validations], "validation"))
    side = bases.map(sides).fillna("train")
    train, validation, test = (titles[side == name].reset_index(drop=True) for name in ("train", "validation", "test"))
    return Split(train, validation, test if own_test is None else own_test)


def learnable(titles: pd.DataFrame) -> pd.DataFrame:
    """Return the titles whose categories have enough programmes to be split."""
    counts = _programmes(titles, titles["title"].map(base_title))["category"].value_counts()
    enough = counts.index[counts >= _MINIMUM_TITLES]
    return titles[titles["category"].isin(enough)].reset_index(drop=True)


def labels_of(titles: pd.DataFrame, categories: list[str]) -> Labels:
    """Return the category numbers (titles,) of a frame.

    Raises
    ------
    InputError
        If a title has a category that the model doesn't know.
    """
    unknown = sorted(set(titles["category"]) - set(categories))
    if unknown:
        raise InputError(
            f"the category of a judged title must be one of {'; '.join(categories)}. Got {'; '.join(unknown)[:200]}. "
            "Rename it, or leave these titles out."
        )
    numbers = {category: number for number, category in enumerate(categories)}
    return np.array([numbers[category] for category in titles["category"]], dtype=np.int64)


def fingerprint(titles: pd.DataFrame) -> str:
    """Return the SHA-256 of all rows in their order: two runs on the same data have the same."""
    digest = hashlib.sha256()
    for row in titles.itertuples(index=False):
        digest.update(json.dumps(list(row), ensure_ascii=False).encode())
    return digest.hexdigest()


def _programmes(titles: pd.DataFrame, bases: "pd.Series[str]") -> pd.DataFrame:
    # A programme filed under two categories goes where its first row says, as a whole.
    return pd.DataFrame({"base": bases, "category": titles["category"]}).drop_duplicates("base")


def _check_categories(counts: "pd.Series[int]", config: DataConfig) -> None:
    path = titles_path(config.path)
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


def _problem(record: Record, columns: ColumnsConfig) -> str | None:
    for column in (columns.title, columns.category, columns.lang):
        value = record.cells.get(column) or ""
        if not isinstance(value, str):
            return f"{column} must be text. Got {value!r}. Put it in quotes."
        if not value.strip() and column != columns.lang:
            return f"{column} is empty. Remove the row or fill it."
        if not is_utf8(value):
            return f"{column} must be UTF-8. Got other bytes. Save the file as UTF-8."
    return None


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
