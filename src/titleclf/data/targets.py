"""The targets of a model: category numbers, or tags, from the cells of a table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from titleclf.runtime.arrays import Bools, Labels
from titleclf.runtime.choices import Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.tags import tags_in

if TYPE_CHECKING:
    from titleclf.config.schemas import CategoryPrecision

Targets = Labels | Bools  # category numbers (titles,), or tags (titles, categories)


def categories_in(cell: str, task: Task) -> list[str]:
    """Return the categories that a cell names."""
    return [cell] if task is Task.single else tags_in(cell)


def categories_of(cells: Sequence[str], task: Task) -> list[str]:
    """Return the categories of all cells in alphabetical order."""
    return sorted({category for cell in set(cells) for category in categories_in(cell, task)})


def targets_of(cells: Sequence[str], categories: list[str], task: Task) -> Targets:
    """Return the category numbers (titles,) that cells name, or with several tags the tags (titles, categories).

    Raises
    ------
    InputError
        If a cell names a category that the model does not have.
    """
    unknown = sorted(set(categories_of(cells, task)) - set(categories))
    if unknown:
        raise InputError(
            f"the category of a test title must be one of {'; '.join(categories)}. Got {'; '.join(unknown)[:200]}. "
            "Rename it, or leave these titles out."
        )
    numbers = {category: number for number, category in enumerate(categories)}
    if task is Task.single:
        return np.array([numbers[cell] for cell in cells], dtype=np.int64)
    tags = np.zeros((len(cells), len(categories)), dtype=np.bool_)
    for row, cell in enumerate(cells):
        tags[row, [numbers[tag] for tag in tags_in(cell)]] = True
    return tags


def precision_by_category(wishes: "list[CategoryPrecision]", categories: list[str]) -> dict[str, float]:
    """Return the wished precision of each category.

    Raises
    ------
    InputError
        If a wish is for none of `categories`.
    """
    unknown = sorted({wish.category for wish in wishes} - set(categories))
    if unknown:
        raise InputError(
            f"evaluate.category_precision must name some of {'; '.join(categories)}. Got {'; '.join(unknown)[:200]}. "
            "Copy its name from there, or leave it out."
        )
    return {wish.category: wish.precision for wish in wishes}
