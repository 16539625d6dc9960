"""Categories that a user gives to titles: they win over any model."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from titleclf.epg.decorations import unmarked
from titleclf.runtime.choices import MemoryKind
from titleclf.runtime.memory.known_titles import KnownTitles
from titleclf.runtime.tables import Record, is_utf8, read_records, refuse
from titleclf.runtime.text.title_keys import key_of

# Likeness from which on a title is a copy of one that a row names. results/near_copies.md: 86 % of misspelt copies and
# 85 % of reformatted ones are so alike, and 2 % of other programmes, where every fifth is corrected.
NEAR = 0.7


class Override(NamedTuple):
    """A row: its line in the file, and the category of its titles; an empty one says to leave them alone."""

    line: int
    category: str
    text: str  # the title or pattern, as it stands there


@dataclass
class Overrides:
    """What the rows say: of titles, however they are spelt in capitals, accents and episodes, and of patterns."""

    titles: dict[str, Override]  # by `key_of`
    patterns: list[tuple[re.Pattern[str], Override]]
    used: set[int] = field(default_factory=set)  # lines

    @classmethod
    def read(cls, path: Path, categories: Sequence[str]) -> "Overrides":
        """Read a table of `title` or `pattern` (or both columns, one of them filled) and `category`.

        Raises
        ------
        InputError
            If it can't be read, or has bad rows; up to ten of them are named with their lines.
        """
        found = cls({}, [])
        bad = []
        for record in read_records(path, ["category"]):
            problem = record.problem or _problem(record, categories) or found._add(record)
            if problem:
                bad.append((record.line, problem))
        refuse(path, bad)
        return found

    def find(self, titles: Iterable[str]) -> dict[str, Override]:
        """Return the rows that speak of titles, by title.

        That is the row that names a title, else the first whose pattern it matches, else the one whose title it is a
        near copy of: misspelt, or dressed up by a channel.
        """
        found = {title: self._named(title) for title in titles}
        found |= self._near([title for title, row in found.items() if row is None])
        rows = {title: row for title, row in found.items() if row is not None}
        self.used.update(row.line for row in rows.values())
        return rows

    def unused(self) -> list[int]:
        """Return the lines that no title has asked for yet."""
        rows = [*self.titles.values(), *(row for _, row in self.patterns)]
        return sorted({row.line for row in rows} - self.used)

    def _named(self, title: str) -> Override | None:
        found = self.titles.get(key_of(title))
        return found or next((row for pattern, row in self.patterns if pattern.fullmatch(title)), None)

    def _near(self, titles: Sequence[str]) -> dict[str, Override]:
        if not self.titles or not titles:
            return {}
        places, likeness = self._known.nearest([unmarked(title) for title in titles])
        near = zip(titles, places.tolist(), (likeness >= NEAR).tolist(), strict=True)
        return {title: self._by_key[self._known.keys[place]] for title, place, is_near in near if is_near}

    @cached_property
    def _by_key(self) -> dict[str, Override]:
        return {key_of(unmarked(row.text)): row for row in self.titles.values()}

    @cached_property
    def _known(self) -> KnownTitles:
        return KnownTitles(MemoryKind.fuzzy, sorted(self._by_key))

    def _add(self, record: Record) -> str | None:
        category = (record.cells["category"] or "").strip()
        if pattern := (record.cells.get("pattern") or "").strip():
            self.patterns.append((_compiled(pattern), Override(record.line, category, pattern)))
            return None
        title = record.cells["title"].strip()
        row = Override(record.line, category, title)
        before = self.titles.setdefault(key_of(title), row)
        if before.category != row.category:
            return f"title must have one category. Got {title!r} again, as in line {before.line}. Remove one of them."
        return None


def _problem(record: Record, categories: Sequence[str]) -> str | None:
    cells = {name: record.cells.get(name) or "" for name in ("title", "pattern", "category")}
    for name, value in cells.items():
        if not isinstance(value, str) or not is_utf8(value):
            return f"{name} must be text in UTF-8. Got {value!r}. Save the file as UTF-8."
    if bool(cells["title"].strip()) == bool(cells["pattern"].strip()):
        got = "both" if cells["title"].strip() else "neither"
        return f"a row must have a title or a pattern. Got {got}. Fill one of them."
    category = cells["category"].strip()
    if category and category not in categories:
        return f"category must be empty or one of {'; '.join(categories)}. Got {category}. Write it as it stands there."
    return None


def _compiled(pattern: str) -> re.Pattern[str]:
    # * for any characters and ? for one; brackets are frequent in titles, and mean themselves.
    wild = {"*": ".*", "?": "."}
    return re.compile("".join(wild.get(mark) or re.escape(mark) for mark in pattern), re.IGNORECASE | re.DOTALL)
