"""The titles of a run as arrays, made once: train, validation, test, and those that its memory may keep."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from titleclf.config.schemas import ColumnsConfig, TrainConfig
from titleclf.data.corrections import correct, relabelled
from titleclf.data.splits import Split, split
from titleclf.data.targets import Targets, categories_in, categories_of, precision_by_category, targets_of
from titleclf.data.titles import fingerprint, read_all_titles
from titleclf.runtime.arrays import Labels
from titleclf.runtime.choices import Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.programmes import Programmes
from titleclf.runtime.text.title_keys import key_of


@dataclass(frozen=True)
class LabelledTitles:
    """Programmes with what a model must predict for them, and their languages (titles,)."""

    programmes: Programmes
    targets: Targets
    languages: npt.NDArray[np.str_]

    @classmethod
    def from_frame(cls, titles: pd.DataFrame, categories: list[str], task: Task) -> "LabelledTitles":
        """Turn a frame of `title, category, lang` and perhaps `channel` and `minutes` into arrays.

        Raises
        ------
        InputError
            If a title has a category that is not among `categories`.
        """
        programmes = Programmes(list(titles["title"]), _column(titles, "channel"), _column(titles, "minutes"))
        targets = targets_of(list(titles["category"]), categories, task)
        return cls(programmes, targets, titles["lang"].to_numpy(dtype=str))

    def __len__(self) -> int:
        return len(self.programmes)

    @property
    def titles(self) -> Sequence[str]:
        """The titles of the programmes."""
        return self.programmes.titles

    def take(self, rows: Labels) -> "LabelledTitles":
        """Return the titles of these rows (rows,), in their order."""
        return LabelledTitles(self.programmes.take(rows), self.targets[rows], self.languages[rows])

    def with_titles(self, titles: Sequence[str]) -> "LabelledTitles":
        """Return the same programmes under other titles, such as misspelt ones."""
        return replace(self, programmes=self.programmes.with_titles(titles))


@dataclass(frozen=True)
class Dataset:
    """The titles of a run, split; `remembered` are those that its memory may keep."""

    train: LabelledTitles
    validation: LabelledTitles
    test: LabelledTitles
    remembered: LabelledTitles
    categories: list[str]
    fingerprint: str  # of all titles, before they were split

    @property
    def languages(self) -> list[str]:
        """The languages of the training titles."""
        return sorted(set(self.train.languages.tolist()))


def read_dataset(config: TrainConfig) -> Dataset:
    """Read and split the titles of a run.

    Raises
    ------
    InputError
        If a file can't be read or has bad rows, or if test titles have categories that are not trained.
    """
    frames, digest = read_splits(config)
    categories = categories_of(list(frames.train["category"]), config.task)
    precision_by_category(config.evaluate.category_precision, categories)  # refused now, not after an hour
    memory_frame = frames.train if config.memory_path is None else _memory_titles(config, frames, categories)
    train, validation, test, remembered = (
        LabelledTitles.from_frame(frame, categories, config.task) for frame in (*frames, memory_frame)
    )
    return Dataset(train, validation, test, remembered, categories, digest)


def read_splits(config: TrainConfig) -> tuple[Split, str]:
    """Read, split and correct the titles, and return them with the fingerprint of everything that was read."""
    titles = read_all_titles(config.data.path, config.data.columns, config.task)
    frames = split(titles, config.data, config.seed, config.task)
    digest, corrections = fingerprint(titles), config.data.corrections
    if corrections is None:
        return frames, digest
    frames = correct(frames, corrections, config.data.columns.unnamed_lang)
    return frames, hashlib.sha256(digest.encode() + Path(corrections).read_bytes()).hexdigest()


def read_labelled(path: str, columns: ColumnsConfig, categories: list[str], task: Task) -> LabelledTitles:
    """Read all titles that a path or pattern means; they may have no other than these categories."""
    return LabelledTitles.from_frame(read_all_titles(path, columns, task), categories, task)


def _memory_titles(config: TrainConfig, frames: Split, categories: list[str]) -> pd.DataFrame:
    """Return the titles of `memory_path`: of trained categories, and none of validation or test."""
    titles = read_all_titles(str(config.memory_path), config.data.columns, config.task)
    if config.data.corrections is not None:
        titles = relabelled(titles, config.data.corrections, categories)
    held_out = {key_of(title) for frame in (frames.validation, frames.test) for title in frame["title"]}
    trained = titles["category"].map(lambda cell: set(categories).issuperset(categories_in(cell, config.task)))
    is_kept = trained & ~titles["title"].map(key_of).isin(held_out)
    if not is_kept.any():
        raise InputError(
            f"memory_path must have titles of {'; '.join(categories)[:200]} that are not for validation or test. "
            f"Got none in {config.memory_path}. Name other titles, or leave it out."
        )
    return titles[is_kept].reset_index(drop=True)


def _column(titles: pd.DataFrame, name: str) -> list[Any] | None:
    if name not in titles:
        return None
    return [None if pd.isna(value) else value for value in titles[name]]
