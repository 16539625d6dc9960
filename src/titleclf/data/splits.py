"""Training, validation and test: titles split so that no programme is on two sides, and each category on all."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from titleclf.config.schemas import DataConfig
from titleclf.data.titles import LEAST_PROGRAMMES, read_all_titles, titles_path
from titleclf.runtime.choices import Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.tags import tags_in
from titleclf.runtime.text.title_keys import base_title

Sizes = Callable[[int], dict[str, int]]  # how many of so many programmes go to each side


class Split(NamedTuple):
    """Frames of `title, category, lang`; no base title is in two of them."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame


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
    enough = counts.index[counts >= LEAST_PROGRAMMES]
    return titles[titles["category"].isin(enough)].reset_index(drop=True)


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
        programmes.setdefault(base, set()).update(tags_in(cell))
    _check_categories(pd.Series([tag for tags in programmes.values() for tag in sorted(tags)]).value_counts(), path)
    sides = sides_of(programmes, sizes, generator)
    wanted = {side for side, size in sizes(LEAST_PROGRAMMES).items() if size}
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
    few = [f"{name!r} ({count})" for name, count in counts.items() if count < LEAST_PROGRAMMES]
    if few:
        raise InputError(
            f"{path} must have at least {LEAST_PROGRAMMES} programmes a category, for training, validation and test. "
            f"Got {', '.join(few)}. Add titles, or remove these categories."
        )


Programmes = Mapping[str, set[str]]  # and their tags


def sides_of(programmes: Programmes, sizes: Sizes, generator: np.random.Generator) -> dict[str, str]:
    """Return the side of each programme, so that each tag is on every side if there is a way.

    Tags come rarest first, and those of their programmes that have no side yet go where the tag lacks most, in random
    order: iterative stratification (Sechidis et al. 2011), but for the order of tags, which is fixed beforehand. What
    is common may then be missing on a small side, and gets there a programme that can be spared elsewhere.
    """
    of_tag: defaultdict[str, list[str]] = defaultdict(list)
    for programme, tags in programmes.items():
        for tag in tags:
            of_tag[tag].append(programme)
    sides: dict[str, str] = {}
    rarest_first = sorted(of_tag, key=lambda tag: (len(of_tag[tag]), tag))
    for tag in rarest_first:
        _place(of_tag[tag], sides, sizes(len(of_tag[tag])), generator)
    counts = Counter((tag, sides[programme]) for programme, tags in programmes.items() for tag in tags)
    for tag in rarest_first:
        for side, size in sizes(len(of_tag[tag])).items():
            if size and not counts[tag, side]:
                _fetch(of_tag[tag], side, programmes, sides, counts)
    return sides


def tags_by_side(programmes: Programmes, sides: Mapping[str, str]) -> dict[str, set[str]]:
    """Return the sides that each tag is on."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for programme, tags in programmes.items():
        for tag in tags:
            found[tag].add(sides[programme])
    return dict(found)


def _place(group: list[str], sides: dict[str, str], sizes: dict[str, int], generator: np.random.Generator) -> None:
    placed = Counter(sides[programme] for programme in group if programme in sides)
    left = [programme for programme in group if programme not in sides]
    for place in generator.permutation(len(left)):
        side = max(sizes, key=lambda side: (sizes[side] > 0 and not placed[side], sizes[side] - placed[side]))
        sides[left[place]] = side
        placed[side] += 1


def _fetch(
    group: list[str], side: str, programmes: Programmes, sides: dict[str, str], counts: Counter[tuple[str, str]]
) -> None:
    for programme in group:
        tags, before = programmes[programme], sides[programme]
        if all(counts[tag, before] > 1 for tag in tags):
            counts.subtract((tag, before) for tag in tags)
            counts.update((tag, side) for tag in tags)
            sides[programme] = side
            return
