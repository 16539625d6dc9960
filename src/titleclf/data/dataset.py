"""The titles of a run as arrays, made once: train, validation, test, and those that its memory may keep."""

import hashlib
from collections.abc import Collection, Sequence
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
from titleclf.data.titles import (
    KIND,
    SOURCE,
    WEIGHT,
    TitlesInMemory,
    check_fields,
    fingerprint,
    read_all_titles,
    titles_in_memory,
)
from titleclf.runtime.arrays import Floats, Labels
from titleclf.runtime.choices import ProgrammeKind, Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.programmes import COLUMNS, Programmes
from titleclf.runtime.text.title_keys import key_of


@dataclass(frozen=True)
class LabelledTitles:
    """Programmes with what a model must predict for them, and their languages (titles,).

    Kinds (titles,) are numbers of `ProgrammeKind`, in its order, or -1 where unknown. Weights (titles,) are how much
    each counts in the loss, and nowhere else: 1 but for titles in memory that were given others.
    """

    programmes: Programmes
    targets: Targets
    languages: npt.NDArray[np.str_]
    kinds: Labels
    weights: Floats

    @classmethod
    def from_frame(cls, titles: pd.DataFrame, categories: list[str], task: Task) -> "LabelledTitles":
        """Turn a frame of `title, category, lang` and perhaps other columns of programmes into arrays.

        Raises
        ------
        InputError
            If a title has a category that is not among `categories`.
        """
        columns = {name: _column(titles[name]) for name in COLUMNS if name in titles}
        programmes = Programmes(list(titles["title"]), columns)
        targets = targets_of(list(titles["category"]), categories, task)
        numbers: dict[str | None, int] = {kind.value: number for number, kind in enumerate(ProgrammeKind)}
        cells = titles[KIND] if KIND in titles else [None] * len(titles)
        kinds = np.array([numbers.get(cell, -1) for cell in cells], dtype=np.int64)
        # Rows that corrections have added have no weight of their own.
        weights = titles[WEIGHT].fillna(1) if WEIGHT in titles else np.ones(len(titles))
        languages = titles["lang"].to_numpy(dtype=str)
        return cls(programmes, targets, languages, kinds, np.asarray(weights, dtype=np.float32))

    @classmethod
    def concatenated(cls, parts: Sequence["LabelledTitles"]) -> "LabelledTitles":
        """Return the titles of all parts, one after the other."""
        return cls(
            Programmes.of(programme for part in parts for programme in part.programmes),
            np.concatenate([part.targets for part in parts]),
            np.concatenate([part.languages for part in parts]),
            np.concatenate([part.kinds for part in parts]),
            np.concatenate([part.weights for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.programmes)

    @property
    def titles(self) -> Sequence[str]:
        """The titles of the programmes."""
        return self.programmes.titles

    def take(self, rows: Labels) -> "LabelledTitles":
        """Return the titles of these rows (rows,), in their order."""
        return LabelledTitles(
            self.programmes.take(rows), self.targets[rows], self.languages[rows], self.kinds[rows], self.weights[rows]
        )

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
    held_out_memory: LabelledTitles | None = None  # of `memory_path`, those that are in validation or test
    drew_test: bool = True  # from the same files as the others

    def whole(self) -> "Dataset":
        """Return the data with all titles to train on, and to remember; test titles of a file of their own stay out."""
        parts = [self.train, self.validation, *([self.test] if self.drew_test else [])]
        train = LabelledTitles.concatenated(parts)
        if self.held_out_memory is None:
            return replace(self, train=train, remembered=train)
        return replace(
            self, train=train, remembered=LabelledTitles.concatenated([self.remembered, self.held_out_memory])
        )

    @property
    def languages(self) -> list[str]:
        """The languages of the training titles."""
        return sorted(set(self.train.languages.tolist()))


def read_dataset(config: TrainConfig, given: TitlesInMemory | None = None) -> Dataset:
    """Read and split the titles of a run: those of its files, or `given` ones instead of `data.path`.

    Raises
    ------
    InputError
        If a file can't be read or has bad rows, or if test titles have categories that are not trained.
    """
    frames, digest = read_splits(config, given)
    categories = categories_of(list(frames.train["category"]), config.task)
    precision_by_category(config.evaluate.category_precision, categories)  # refused now, not after an hour
    train, validation, test = (LabelledTitles.from_frame(frame, categories, config.task) for frame in frames)
    remembered, held_out = train, None
    if config.memory_path is not None:
        remembered, held_out = (
            LabelledTitles.from_frame(frame, categories, config.task)
            for frame in _memory_titles(config, frames, categories)
        )
    drew_test = config.data.test_path is None
    return Dataset(train, validation, test, remembered, categories, digest, held_out, drew_test)


def read_splits(config: TrainConfig, given: TitlesInMemory | None = None) -> tuple[Split, str]:
    """Read, split and correct the titles, and return them with the fingerprint of everything that was read.

    `given` titles take the place of those of `data.path`.
    """
    fields = config.model.fields.columns | ({KIND} if config.loss.kind else set())
    columns = fields | ({SOURCE} if config.data.left_out else set())
    if given is None:
        titles = read_all_titles(config.data.path, config.data.columns, config.task, columns)
    else:
        titles = titles_in_memory(given, config.data.columns.unnamed_lang, config.task, columns)
    check_fields(titles, config.data.path, config.data.columns, fields)
    frames = split(titles, config.data, config.seed, config.task, columns)
    digest, corrections = fingerprint(titles), config.data.corrections
    if corrections is None:
        return frames, digest
    frames = correct(frames, corrections, config.data.columns.unnamed_lang)
    return frames, hashlib.sha256(digest.encode() + Path(corrections).read_bytes()).hexdigest()


def read_labelled(
    path: str, columns: ColumnsConfig, categories: list[str], task: Task, fields: Collection[str] = ()
) -> LabelledTitles:
    """Read all titles that a path or pattern means, with these fields; they may have no other than these categories."""
    return LabelledTitles.from_frame(read_all_titles(path, columns, task, fields), categories, task)


def _memory_titles(config: TrainConfig, frames: Split, categories: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the titles of `memory_path` that have trained categories: those of training or neither, and the others."""
    titles = read_all_titles(str(config.memory_path), config.data.columns, config.task)
    if config.data.corrections is not None:
        titles = relabelled(titles, config.data.corrections, categories)
    held_out = {key_of(title) for frame in (frames.validation, frames.test) for title in frame["title"]}
    trained = titles["category"].map(lambda cell: set(categories).issuperset(categories_in(cell, config.task)))
    is_held_out = titles["title"].map(key_of).isin(held_out)
    if not (trained & ~is_held_out).any():
        raise InputError(
            f"memory_path must have titles of {'; '.join(categories)[:200]} that are not for validation or test. "
            f"Got none in {config.memory_path}. Name other titles, or leave it out."
        )
    return titles[trained & ~is_held_out], titles[trained & is_held_out]


def _column(values: "pd.Series[Any]") -> list[Any]:
    return [None if pd.isna(value) else value for value in values]
