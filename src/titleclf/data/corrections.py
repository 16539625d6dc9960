"""User corrections, which override labels; the titles that they name are never used for evaluation."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from titleclf.data.splits import Split
from titleclf.data.targets import categories_of
from titleclf.epg.overrides import Override, Overrides
from titleclf.runtime.choices import Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.title_keys import key_of

# How often an epoch repeats each named title, each time with different noise, so that more misspelt copies are right
# (results/corrections.md). More repeats would distort the network where rows contradict what other titles taught it.
REPEATS = 4


def correct(parts: Split, path: str, lang: str) -> Split:
    """Apply the corrections in a file, which has the format of `epg fill --overrides`.

    A row that names a title is a fact: all titles that it matches, near copies and other episodes included, move to
    training from any part, and the title itself is added in language `lang` if it is new. A row with
    a pattern is a rule: its titles get the category and stay in their parts. Rows for some channels are ignored.

    Raises
    ------
    InputError
        If the file can't be read, has bad rows, or leaves too few titles to train or to evaluate on.
    """
    titles = pd.concat(parts)
    categories = categories_of(list(titles["category"]), Task.single)
    overrides = Overrides.read(Path(path), categories)
    by_title = _overrides_by_title(titles["title"], overrides)
    facts = {key: override for key, override in overrides.titles.items() if override.category}
    lines = {override.line for override in facts.values()}
    matched = {key_of(title) for title, override in by_title.items() if override.line in lines}
    new = [(override.text, override.category, lang) for key, override in facts.items() if key not in matched]

    is_fact = [part["title"].map(key_of).isin(matched) for part in parts]  # by key: no programme is in two parts
    relabelled_parts = [_relabelled(part, by_title) for part in parts]
    pairs = list(zip(relabelled_parts, is_fact, strict=True))
    moved = pd.concat([part[rows] for part, rows in pairs])
    added = pd.concat([moved, pd.DataFrame(new, columns=["title", "category", "lang"])])  # without a channel
    train, validation, test = (part[~rows] for part, rows in pairs)
    train = pd.concat([train, *[added] * REPEATS])
    corrected = Split(*(part.reset_index(drop=True) for part in (train, validation, test)))
    _check(corrected, categories, path)
    count = titles["title"].isin(by_title).sum()
    print(f"{path}: {count:,} titles corrected, {len(new):,} added.{_unmatched(overrides)}")
    return corrected


def relabelled(titles: pd.DataFrame, path: str, categories: list[str]) -> pd.DataFrame:
    """Return a frame of `title, category, lang`, relabelled by the rows of a file."""
    return _relabelled(titles, _overrides_by_title(titles["title"], Overrides.read(Path(path), categories)))


def _overrides_by_title(titles: Iterable[str], overrides: Overrides) -> dict[str, Override]:
    # A row without a category leaves its titles as they are.
    return {title: override for title, override in overrides.find(titles).items() if override.category}


def _relabelled(titles: pd.DataFrame, by_title: dict[str, Override]) -> pd.DataFrame:
    categories = {title: override.category for title, override in by_title.items()}
    rows = zip(titles["title"], titles["category"], strict=True)
    return titles.assign(category=[categories.get(title, category) for title, category in rows])


def _check(parts: Split, categories: list[str], path: str) -> None:
    untrained = sorted(set(categories) - set(parts.train["category"]))
    problems = [
        *([f"none of {'; '.join(untrained)} to train on"] if untrained else []),
        *([] if len(parts.validation) else ["none to validate on"]),
        *([] if len(parts.test) else ["none to test on"]),
    ]
    if problems:
        raise InputError(
            f"{path} must leave titles of each category to train on, and some to evaluate on. "
            f"Got {', '.join(problems)}. Remove rows, or add titles to data.path."
        )


def _unmatched(overrides: Overrides) -> str:
    lines = sorted({override.line for _, override in overrides.patterns}.intersection(overrides.unused()))
    return f" No title matches line {', '.join(map(str, lines))}." if lines else ""
