"""Training, validation and test titles, split so that no programme is in two parts and each category is in all."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from titleclf.config.schemas import DataConfig
from titleclf.data.targets import categories_in
from titleclf.data.titles import MIN_PROGRAMMES, SOURCE, read_all_titles, titles_path
from titleclf.runtime.choices import Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.title_keys import base_title

CategoriesByProgramme = Mapping[str, set[str]]
Parts = dict[str, str]  # by programme
Sizes = Callable[[int], dict[str, int]]  # maps a number of programmes to the size of each part


class Split(NamedTuple):
    """The three parts, as frames of `title, category, lang`; no base title is in two of them."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame


def split(
    titles: pd.DataFrame, config: DataConfig, seed: int, task: Task = Task.single, fields: Collection[str] = ()
) -> Split:
    """Split by base title, seeded and stratified by category.

    With `config.test_path`, the test titles are read from there, with these fields, and `titles` are split into the
    other two parts. With `config.left_out`, validation titles are those of these sources. The rows that other sources
    have of their titles are for the test, or for nothing if it has titles of its own.

    Raises
    ------
    InputError
        If there are fewer than two categories, or one has too few programmes to be in every part; or if there are no
        titles of a source that is left out.
    """
    test = None if config.test_path is None else read_all_titles(config.test_path, config.columns, task, fields)
    return split_with_test(titles, test, config, seed, task)


def split_with_test(
    titles: pd.DataFrame, test: pd.DataFrame | None, config: DataConfig, seed: int, task: Task = Task.single
) -> Split:
    """Split as `split` does, with the test titles in a frame; for None, they are drawn from `titles`."""
    bases = titles["title"].map(base_title)
    left_out = _left_out(titles, config)
    is_shared = bases.isin(set(bases[left_out]))
    programmes = _programmes(bases[~is_shared], titles.loc[~is_shared, "category"], task)
    _check_categories(programmes, config.path)
    sizes = partial(_sizes, config=config, draws_test=test is None)
    assign = assign_by_category if task is Task.single else assign_by_tags
    parts = assign(programmes, sizes, np.random.default_rng(seed))
    _check_parts(programmes, parts, sizes, config.path)
    part_of_title = bases.map(parts).mask(is_shared, "test").mask(left_out, "validation")
    train, validation, drawn_test = (titles[part_of_title == part].reset_index(drop=True) for part in Split._fields)
    return Split(train, validation, drawn_test if test is None else test)


def _left_out(titles: pd.DataFrame, config: DataConfig) -> "pd.Series[bool]":
    """Return which rows (titles,) are of sources that are left out."""
    if not config.left_out:
        return pd.Series(data=False, index=titles.index)
    missing = sorted(set(config.left_out) - set(titles[SOURCE]))
    if missing:
        raise InputError(
            f"data.left_out must name sources in {config.columns.source} of {titles_path(config.path)}. "
            f"Got {', '.join(missing)}. Name others."
        )
    return titles[SOURCE].isin(config.left_out)


def learnable(titles: pd.DataFrame) -> pd.DataFrame:
    """Return the titles whose categories have enough programmes to be split."""
    counts = _counts(_programmes(titles["title"].map(base_title), titles["category"], Task.single))
    enough = [category for category, count in counts.items() if count >= MIN_PROGRAMMES]
    return titles[titles["category"].isin(enough)].reset_index(drop=True)


def assign_by_category(programmes: CategoriesByProgramme, sizes: Sizes, generator: np.random.Generator) -> Parts:
    """Return the part of each programme, for programmes with one category each."""
    parts: Parts = {}
    for _, group in sorted(_by_category(programmes).items()):
        order = generator.permutation(len(group))
        names = [part for part, size in sizes(len(group)).items() for _ in range(size)]
        parts.update(zip([group[index] for index in order], names, strict=True))
    return parts


def assign_by_tags(programmes: CategoriesByProgramme, sizes: Sizes, generator: np.random.Generator) -> Parts:
    """Return the part of each programme, for programmes with several; each category is in every part if possible.

    Iterative stratification (Sechidis et al. 2011) with a fixed order of tags: rarest first, a tag's unassigned
    programmes go to the part that lacks most of it, in random order. A common tag may then be missing from a small
    part, and a programme that another part can spare moves there.
    """
    by_tag = _by_category(programmes)
    rarest_first = sorted(by_tag, key=lambda tag: (len(by_tag[tag]), tag))
    parts: Parts = {}
    for tag in rarest_first:
        _assign(by_tag[tag], parts, sizes(len(by_tag[tag])), generator)
    counts = Counter((tag, parts[programme]) for programme, tags in programmes.items() for tag in tags)
    for tag in rarest_first:
        for part, size in sizes(len(by_tag[tag])).items():
            if size and not counts[tag, part]:
                _move_spare(by_tag[tag], part, programmes, parts, counts)
    return parts


def _assign(group: list[str], parts: Parts, sizes: dict[str, int], generator: np.random.Generator) -> None:
    """Assign the programmes of a tag that have no part yet."""
    filled = Counter(parts[programme] for programme in group if programme in parts)
    unassigned = [programme for programme in group if programme not in parts]
    for index in generator.permutation(len(unassigned)):
        part = max(sizes, key=lambda part: (sizes[part] > 0 and not filled[part], sizes[part] - filled[part]))
        parts[unassigned[index]] = part
        filled[part] += 1


def _move_spare(
    group: list[str], part: str, programmes: CategoriesByProgramme, parts: Parts, counts: Counter[tuple[str, str]]
) -> None:
    """Move one programme of a tag to `part`: the first whose tags all remain in the part that it leaves."""
    for programme in group:
        tags, source = programmes[programme], parts[programme]
        if all(counts[tag, source] > 1 for tag in tags):
            counts.subtract((tag, source) for tag in tags)
            counts.update((tag, part) for tag in tags)
            parts[programme] = part
            return


def _programmes(bases: Iterable[str], cells: Iterable[str], task: Task) -> dict[str, set[str]]:
    """Return the categories of each programme: the one of its first row, or the tags of all its rows."""
    programmes: dict[str, set[str]] = {}
    for base, cell in zip(bases, cells, strict=True):
        if task is Task.multilabel or base not in programmes:
            programmes.setdefault(base, set()).update(categories_in(cell, task))
    return programmes


def _by_category(programmes: CategoriesByProgramme) -> dict[str, list[str]]:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for programme, categories in programmes.items():
        for category in categories:
            groups[category].append(programme)
    return groups


def _counts(programmes: CategoriesByProgramme) -> Counter[str]:
    return Counter(category for categories in programmes.values() for category in sorted(categories))


def _sizes(programmes: int, config: DataConfig, *, draws_test: bool) -> dict[str, int]:
    # Each part gets at least one programme, however few there are and however small its fraction is.
    test = min(max(1, round(config.test_fraction * programmes)), programmes - 2) if draws_test else 0
    validation = 0
    if not config.left_out:
        validation = min(max(1, round(config.validation_fraction * programmes)), programmes - test - 1)
    return {"test": test, "validation": validation, "train": programmes - test - validation}


def _check_categories(programmes: CategoriesByProgramme, path: str) -> None:
    counts = _counts(programmes)
    if len(counts) < 2:
        raise InputError(
            f"{titles_path(path)} must have at least two categories. Got only {next(iter(counts))!r}. "
            "Add titles of another one."
        )
    rare = [f"{category!r} ({count})" for category, count in counts.most_common() if count < MIN_PROGRAMMES]
    if rare:
        raise InputError(
            f"{titles_path(path)} must have at least {MIN_PROGRAMMES} programmes in each category, for training, "
            f"validation and test. Got {', '.join(rare)}. Add titles, or remove these categories."
        )


def _check_parts(programmes: CategoriesByProgramme, parts: Parts, sizes: Sizes, path: str) -> None:
    required = {part for part, size in sizes(MIN_PROGRAMMES).items() if size}
    for category, group in sorted(_by_category(programmes).items()):
        missing = required.difference(parts[programme] for programme in group)
        if missing:
            raise InputError(
                f"{titles_path(path)} must have programmes of each category for every part of the split. "
                f"Got none of {category!r} left for {' and '.join(sorted(missing))}. Add titles of it, or remove it."
            )
