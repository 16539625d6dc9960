"""Overrides: categories that a user gives to titles, which take precedence over any model."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from titleclf.epg.decorations import undecorated
from titleclf.runtime.choices import MemoryKind
from titleclf.runtime.memory.known_titles import KnownTitles
from titleclf.runtime.tables import Record, is_utf8, read_records, refuse
from titleclf.runtime.text.plain_titles import plain_title
from titleclf.runtime.text.title_keys import key_of

# Similarity of a near copy: reached by 86 % of misspelt and 85 % of reformatted copies, and by 2 % of other programmes
# if one in five is corrected (results/near_copies.md).
MIN_SIMILARITY = 0.7


class Override(NamedTuple):
    """A row of the file: its line, the category of its titles ("": leave them unchanged), and its title or pattern."""

    line: int
    category: str
    text: str


@dataclass
class Overrides:
    """Rows by title, regardless of case, accents, decorations and episodes, and rows by pattern."""

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
        overrides = cls({}, [])
        bad = []
        for record in read_records(path, ["category"]):
            problem = record.problem or _problem(record, categories) or overrides._add(record)
            if problem:
                bad.append((record.line, problem))
        refuse(path, bad)
        return overrides

    def find(self, titles: Iterable[str]) -> dict[str, Override]:
        """Return the rows that apply to titles, by title.

        A title's own row takes precedence, then the first matching pattern, then the row of the title that it is a near
        copy of: misspelt, or with decorations.
        """
        matches = {title: self._exact_or_pattern(title) for title in titles}
        matches |= self._near_copies([title for title, row in matches.items() if row is None])
        rows = {title: row for title, row in matches.items() if row is not None}
        self.used.update(row.line for row in rows.values())
        return rows

    def unused(self) -> list[int]:
        """Return the lines of the rows that have not applied to any title yet."""
        rows = [*self.titles.values(), *(row for _, row in self.patterns)]
        return sorted({row.line for row in rows} - self.used)

    def _exact_or_pattern(self, title: str) -> Override | None:
        plain = plain_title(title)
        if exact := self.titles.get(key_of(title)) or self.titles.get(key_of(plain)):
            return exact
        spellings = dict.fromkeys((title, plain))  # patterns may ask for decorations
        return next((row for pattern, row in self.patterns if any(map(pattern.fullmatch, spellings))), None)

    def _near_copies(self, titles: Sequence[str]) -> dict[str, Override]:
        if not self.titles or not titles:
            return {}
        places, similarities = self._known.nearest([_bare(title) for title in titles])
        nearest = zip(titles, places.tolist(), (similarities >= MIN_SIMILARITY).tolist(), strict=True)
        return {title: self._by_key[self._known.keys[place]] for title, place, is_near in nearest if is_near}

    @cached_property
    def _by_key(self) -> dict[str, Override]:
        return {key_of(_bare(row.text)): row for row in self.titles.values()}

    @cached_property
    def _known(self) -> KnownTitles:
        return KnownTitles(MemoryKind.fuzzy, sorted(self._by_key))

    def _add(self, record: Record) -> str | None:
        """Add a row, or return why it can't be added."""
        category = (record.cells["category"] or "").strip()
        if pattern := (record.cells.get("pattern") or "").strip():
            self.patterns.append((_compiled(pattern), Override(record.line, category, pattern)))
            return None
        title = record.cells["title"].strip()
        row = Override(record.line, category, title)
        earlier = self.titles.setdefault(key_of(title), row)
        if earlier.category != row.category:
            return f"title must have one category. Got {title!r} again, as in line {earlier.line}. Remove one of them."
        return None


def _bare(title: str) -> str:
    return undecorated(plain_title(title))


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
        return f"category must be empty or one of {'; '.join(categories)}. Got {category}. Copy its name from there."
    return None


def _compiled(pattern: str) -> re.Pattern[str]:
    # Without the character classes of fnmatch: brackets are frequent in titles.
    wild = {"*": ".*", "?": "."}
    return re.compile("".join(wild.get(char) or re.escape(char) for char in pattern), re.IGNORECASE | re.DOTALL)
