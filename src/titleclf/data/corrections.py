"""A user's corrections: they win over the labels, and what is learnt by heart from them is not judged."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from titleclf.data.splits import Split
from titleclf.data.targets import categories_of
from titleclf.epg.overrides import Override, Overrides
from titleclf.runtime.choices import Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.title_keys import key_of

# How often a named title is trained on, each time with other noise, so that misspelt copies are right more often, too:
# results/corrections.md. More often would let the network bend to rows that contradict what it knows of other titles.
TIMES = 4


def correct(sides: Split, path: str, lang: str) -> Split:
    """Return the sides as the rows of a file say, which reads like the one for `epg fill --overrides`.

    A row that names a title is a fact: all titles that it speaks of, near copies and other episodes too, are trained
    on, from whatever side they come, and its own as one of language `lang` if it is new. A row with a pattern is a
    rule: its titles stay on their sides.

    Raises
    ------
    InputError
        If the file can't be read, has bad rows, or leaves too little to train or to judge on.
    """
    titles = pd.concat(sides)
    categories = categories_of(list(titles["category"]), Task.single)
    overrides = Overrides.read(Path(path), categories)
    rows = _rows(titles["title"], overrides)
    facts = {key: row for key, row in overrides.titles.items() if row.category}
    lines = {row.line for row in facts.values()}
    named = {key_of(title) for title, row in rows.items() if row.line in lines}
    own = [(row.text, row.category, lang) for key, row in facts.items() if key not in named]

    is_named = [side["title"].map(key_of).isin(named) for side in sides]  # so no programme gets on two sides
    sides = Split(*(_relabelled(side, rows) for side in sides))
    known = pd.concat([side[taken] for side, taken in zip(sides, is_named, strict=True)])
    taught = pd.concat([known, pd.DataFrame(own, columns=["title", "category", "lang"])])  # of no known channel
    train, validation, test = (side[~taken] for side, taken in zip(sides, is_named, strict=True))
    sides = Split(*(side.reset_index(drop=True) for side in (pd.concat([train, *[taught] * TIMES]), validation, test)))
    _check(sides, categories, path)
    count = titles["title"].isin(rows).sum()
    print(f"{path}: {count:,} titles corrected, {len(own):,} new ones.{_unmatched(overrides)}")
    return sides


def relabelled(titles: pd.DataFrame, path: str, categories: list[str]) -> pd.DataFrame:
    """Return a frame of `title, category, lang` with the categories that the rows of a file give its titles."""
    return _relabelled(titles, _rows(titles["title"], Overrides.read(Path(path), categories)))


def _rows(titles: Iterable[str], overrides: Overrides) -> dict[str, Override]:
    # A row without a category leaves its titles alone.
    return {title: row for title, row in overrides.find(titles).items() if row.category}


def _relabelled(titles: pd.DataFrame, rows: dict[str, Override]) -> pd.DataFrame:
    given = {title: row.category for title, row in rows.items()}
    pairs = zip(titles["title"], titles["category"], strict=True)
    return titles.assign(category=[given.get(title, category) for title, category in pairs])


def _check(sides: Split, categories: list[str], path: str) -> None:
    lost = sorted(set(categories) - set(sides.train["category"]))
    lacking = [
        *([f"none of {'; '.join(lost)} to train on"] if lost else []),
        *([] if len(sides.validation) else ["none to validate on"]),
        *([] if len(sides.test) else ["none to test on"]),
    ]
    if lacking:
        raise InputError(
            f"{path} must leave titles of each category to train on, and some to judge by. Got {', '.join(lacking)}. "
            "Take rows out, or add titles to data.path."
        )


def _unmatched(overrides: Overrides) -> str:
    lines = sorted({row.line for _, row in overrides.patterns}.intersection(overrides.unused()))
    return f" No title matches line {', '.join(map(str, lines))}." if lines else ""
