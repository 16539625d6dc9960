"""Labelled titles, checked row by row, and what a model shall answer to them."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from titleclf.runtime.arrays import Bools, Labels
from titleclf.runtime.choices import Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.text import tags as cells
from titleclf.runtime.text.programmes import EDGES, Context, Contexts

if TYPE_CHECKING:  # who only predicts would wait for all schemas of training
    from titleclf.config.schemas import CategoryPrecision


def contexts_known(titles: pd.DataFrame, min_titles: int) -> Contexts | None:
    """Return the vocabulary of a frame: channels of so many titles, and edges of durations; None if it has neither."""
    if not {"channel", "minutes"} & set(titles.columns):
        return None
    channels: list[str] = []
    if "channel" in titles:
        counts = titles.groupby("channel")["title"].nunique()
        channels = sorted(counts.index[counts >= min_titles])
    return Contexts(channels, list(map(float, EDGES)) if "minutes" in titles else [])


def context_ids_of(titles: pd.DataFrame, contexts: Contexts | None) -> Labels | None:
    """Return the ids of channels and durations (titles, 2) of a frame; None for a model that looks at neither."""
    if contexts is None:
        return None
    pairs = titles.reindex(columns=["channel", "minutes"]).itertuples(index=False)
    return contexts.ids([Context(*pair) for pair in pairs])


def targets_of(titles: pd.DataFrame, categories: list[str], task: Task) -> Labels | Bools:
    """Return what a model shall answer: `labels_of` (titles,), or with several tags `tags_of` (titles, categories)."""
    return labels_of(titles, categories) if task is Task.single else tags_of(titles, categories)


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


def tags_of(titles: pd.DataFrame, categories: list[str]) -> Bools:
    """Return which tags the titles of a frame have (titles, categories).

    Raises
    ------
    InputError
        If a title has a tag that the model doesn't know.
    """
    cells.check_known({tag for cell in titles["category"].unique() for tag in cells.tags_in(cell)}, categories)
    numbers = {category: number for number, category in enumerate(categories)}
    found = np.zeros((len(titles), len(categories)), dtype=np.bool_)
    for row, cell in enumerate(titles["category"]):
        found[row, [numbers[tag] for tag in cells.tags_in(cell)]] = True
    return found


def named_wishes(wishes: "list[CategoryPrecision]", categories: list[str]) -> dict[str, float]:
    """Return the wanted precision by category, of which each must be one of `categories`."""
    unknown = sorted({wish.category for wish in wishes} - set(categories))
    if unknown:
        raise InputError(
            f"evaluate.category_precision must name some of {'; '.join(categories)}. Got {'; '.join(unknown)[:200]}. "
            "Write it as it stands there, or leave it out."
        )
    return {wish.category: wish.precision for wish in wishes}
