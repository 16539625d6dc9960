"""The titles of a run: read, split, and which of them its memory may keep."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from titleclf.config.schemas import TrainConfig
from titleclf.data.corrections import correct, relabelled
from titleclf.data.splits import Split, split
from titleclf.data.targets import categories_in, categories_of, named_wishes, targets_of
from titleclf.data.titles import fingerprint, read_all_titles
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.title_keys import key_of


@dataclass
class Data:
    """The titles of a run, split, with their categories and the fingerprint of them all; and those to remember."""

    sides: Split
    categories: list[str]
    fingerprint: str
    remembered: pd.DataFrame


def read_sides(config: TrainConfig) -> tuple[Split, str]:
    """Read, split and correct the titles, and return them with the fingerprint of all that was read."""
    titles = read_all_titles(config.data.path, config.data.columns, config.task)
    sides = split(titles, config.data, config.seed, config.task)
    seen, corrections = fingerprint(titles), config.data.corrections
    if corrections is None:
        return sides, seen
    sides = correct(sides, corrections, config.data.columns.unnamed_lang)
    return sides, hashlib.sha256(seen.encode() + Path(corrections).read_bytes()).hexdigest()


def read_data(config: TrainConfig) -> Data:
    """Read and split the titles; a test file of one's own may only have categories that are trained."""
    sides, seen = read_sides(config)
    categories = categories_of(sides.train, config.task)
    targets_of(sides.test, categories, config.task)  # refuse other categories now, not after an hour
    named_wishes(config.evaluate.category_precision, categories)
    return Data(sides, categories, seen, titles_to_remember(config, sides, categories))


def titles_to_remember(config: TrainConfig, sides: Split, categories: list[str]) -> pd.DataFrame:
    """Return the training titles or those of `memory_path`: of trained categories, and none that is judged."""
    if config.memory_path is None:
        return sides.train
    titles = read_all_titles(config.memory_path, config.data.columns, config.task)
    if config.data.corrections is not None:
        titles = relabelled(titles, config.data.corrections, categories)
    judged = {key_of(title) for side in (sides.validation, sides.test) for title in side["title"]}
    known = set(categories)
    trained = titles["category"].map(lambda cell: known.issuperset(categories_in(cell, config.task)))
    kept = trained & ~titles["title"].map(key_of).isin(judged)
    if not kept.any():
        raise InputError(
            f"memory_path must have titles of {'; '.join(categories)[:200]} that are not for validation or test. "
            f"Got none in {config.memory_path}. Name other titles, or leave it out."
        )
    return titles[kept].reset_index(drop=True)
