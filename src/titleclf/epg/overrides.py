"""Overrides: categories that a user gives to titles and channels, which take precedence over any model."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
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
COLUMNS = ("title", "pattern", "channel", "category")
_CACHE_SIZE = 4096  # channels, more than most guides have

Cells = tuple[str, str, str, str]
Names = tuple[str, ...]  # of a channel: its display name, its id
OnChannel = tuple[str, Names]  # a title and the names of its channel


class Override(NamedTuple):
    """A row of the file: its line, the category of its programmes ("": leave them unchanged), and its title or pattern.

    A row that has neither has the pattern of its channels.
    """

    line: int
    category: str
    text: str


@dataclass
class Rows:
    """Rows by title, whatever its case, accents, decorations and episodes, by pattern, and one for all the others.

    They are for the channels that have a name like the pattern `channel`, or for all if it is empty.
    """

    titles: dict[str, Override]  # by `key_of`
    patterns: list[tuple[re.Pattern[str], Override]]
    others: Override | None = None
    channel: str = ""

    def cells(self) -> Iterator[tuple[Override, Cells]]:
        """Yield the rows with their cells in `COLUMNS`."""
        for row in self.titles.values():
            yield row, (row.text, "", self.channel, row.category)
        for _, row in self.patterns:
            yield row, ("", row.text, self.channel, row.category)
        if self.others is not None:
            yield self.others, ("", "", self.channel, self.others.category)

    @cached_property
    def _channel_pattern(self) -> re.Pattern[str]:
        return _compiled(self.channel)

    @cached_property
    def _undecorated(self) -> dict[str, Override]:
        """The rows by title, by the keys of the titles without decorations."""
        return {key_of(_bare(row.text)): row for row in self.titles.values()}

    def _add(self, record: Record) -> str | None:
        """Add a row, or return why it can't be added."""
        cells = {name: (record.cells.get(name) or "").strip() for name in COLUMNS}
        if cells["pattern"]:
            row = Override(record.line, cells["category"], cells["pattern"])
            self.patterns.append((_compiled(cells["pattern"]), row))
            return None
        name = "title" if cells["title"] else "channel"
        row = Override(record.line, cells["category"], cells[name])
        if name == "title":
            earlier = self.titles.setdefault(key_of(row.text), row)
        else:
            earlier = self.others = self.others or row
        if earlier.category != row.category:
            return (
                f"{name} must have one category. Got {row.text!r} again, as in line {earlier.line}. Remove one of them."
            )
        return None


@dataclass
class Overrides(Rows):
    """The rows for programmes on every channel, and those for some channels only."""

    channels: dict[str, Rows] = field(default_factory=dict)  # by the pattern of their channels, in lower case
    used: set[int] = field(default_factory=set)  # lines

    @classmethod
    def read(cls, path: Path, categories: Sequence[str]) -> "Overrides":
        """Read a table of `title` or `pattern` (or both columns, at most one of them filled), `channel` and `category`.

        Raises
        ------
        InputError
            If it can't be read, or has bad rows; up to ten of them are named with their lines.
        """
        overrides = cls({}, [])
        bad = []
        for record in read_records(path, ["category"]):
            problem = record.problem or _problem(record, categories)
            problem = problem or overrides._rows_of((record.cells.get("channel") or "").strip())._add(record)
            if problem:
                bad.append((record.line, problem))
        refuse(path, bad)
        return overrides

    def table(self) -> list[Cells]:
        """Return the cells of all rows in `COLUMNS`, in the order of their lines."""
        return [cells for _, cells in self._all_cells()]

    def find(self, titles: Iterable[str]) -> dict[str, Override]:
        """Return the rows that apply to titles on no particular channel, by title, as `find_on` does."""
        return {title: row for (title, _), row in self.find_on((title, ()) for title in titles).items()}

    def find_on(self, programmes: Iterable[OnChannel]) -> dict[OnChannel, Override]:
        """Return the rows that apply to titles on channels, by both.

        A title's own row takes precedence, then the first matching pattern, each on the channel before those on every
        channel; then the row of the title that it is a near copy of, misspelt or with decorations; then the row for all
        other programmes of the channel.
        """
        open_programmes = list(dict.fromkeys(programmes))
        found: dict[OnChannel, Override] = {}
        for step in (self._named, self._near_copies, self._others):
            found |= step(open_programmes)
            open_programmes = [programme for programme in open_programmes if programme not in found]
        self.used.update(row.line for row in found.values())
        return found

    def covers(self, names: Names) -> bool:
        """Return whether a row applies to all programmes of a channel."""
        return any(rows.others is not None for rows in self._rows_on(names))

    def unused(self) -> list[int]:
        """Return the lines of the rows that have not applied to any programme yet."""
        return sorted({row.line for row, _ in self._all_cells()} - self.used)

    def _all_cells(self) -> list[tuple[Override, Cells]]:
        every = [pair for rows in (self, *self.channels.values()) for pair in rows.cells()]
        return sorted(every, key=lambda pair: pair[0].line)

    def _named(self, programmes: Iterable[OnChannel]) -> dict[OnChannel, Override]:
        return {(title, names): row for title, names in programmes if (row := self._exact_or_pattern(title, names))}

    def _exact_or_pattern(self, title: str, names: Names) -> Override | None:
        spellings = dict.fromkeys((title, plain_title(title)))  # patterns may ask for decorations
        keys = dict.fromkeys(map(key_of, spellings))
        for group in (self._rows_on(names), (self,)):
            exact = (row for key in keys for rows in group if (row := rows.titles.get(key)))
            patterns = (pair for rows in group for pair in rows.patterns)
            matching = (row for pattern, row in patterns if any(map(pattern.fullmatch, spellings)))
            if row := next(exact, None) or next(matching, None):
                return row
        return None

    def _near_copies(self, programmes: Sequence[OnChannel]) -> dict[OnChannel, Override]:
        titles = list(dict.fromkeys(title for title, _ in programmes))
        if not titles or not self._known.keys:
            return {}
        places, similarities = self._known.nearest([_bare(title) for title in titles])
        nearest = zip(titles, places.tolist(), (similarities >= MIN_SIMILARITY).tolist(), strict=True)
        originals = {title: self._known.keys[place] for title, place, is_near in nearest if is_near}
        return {
            (title, names): row
            for title, names in programmes
            if (key := originals.get(title)) is not None and (row := self._row_of_original(key, names))
        }

    def _row_of_original(self, key: str, names: Names) -> Override | None:
        every = (*self._rows_on(names), self)
        return next((rows._undecorated[key] for rows in every if key in rows._undecorated), None)

    @cached_property
    def _known(self) -> KnownTitles:
        """The titles of all rows: with those of a channel alone, the weights of trigrams would say little."""
        keys = {key for rows in (self, *self.channels.values()) for key in rows._undecorated}
        return KnownTitles(MemoryKind.fuzzy, sorted(keys))

    def _others(self, programmes: Iterable[OnChannel]) -> dict[OnChannel, Override]:
        rules = {names: [rows.others for rows in self._rows_on(names) if rows.others] for _, names in programmes}
        return {(title, names): rules[names][0] for title, names in programmes if rules[names]}

    def _rows_of(self, channel: str) -> Rows:
        """Return where the rows of a channel's pattern belong."""
        if not channel:
            return self
        return self.channels.setdefault(channel.casefold(), Rows({}, [], channel=channel))

    def _rows_on(self, names: Names) -> Sequence[Rows]:
        return self._cached_rows_on(names) if self.channels and names else ()

    @cached_property
    def _cached_rows_on(self) -> Callable[[Names], Sequence[Rows]]:
        """Return a function that returns the rows whose pattern matches a channel, in the order of the file."""
        return lru_cache(maxsize=_CACHE_SIZE)(
            lambda names: [rows for rows in self.channels.values() if any(map(rows._channel_pattern.fullmatch, names))]
        )


def names_of(*names: str | None) -> Names:
    """Return the names of a channel without those that are missing."""
    return tuple(filter(None, names))


def _bare(title: str) -> str:
    return undecorated(plain_title(title))


def _problem(record: Record, categories: Sequence[str]) -> str | None:
    cells = {name: record.cells.get(name) or "" for name in COLUMNS}
    for name, value in cells.items():
        if not isinstance(value, str) or not is_utf8(value):
            return f"{name} must be text in UTF-8. Got {value!r}. Save the file as UTF-8."
    cells = {name: value.strip() for name, value in cells.items()}
    if cells["title"] and cells["pattern"]:
        return "a row must have a title or a pattern. Got both. Fill one of them."
    if not (cells["title"] or cells["pattern"] or cells["channel"]):
        return "a row must have a title, a pattern or a channel. Got none of them. Fill one, or remove the row."
    category = cells["category"]
    if category and category not in categories:
        return f"category must be empty or one of {'; '.join(categories)}. Got {category}. Copy its name from there."
    return None


def _compiled(pattern: str) -> re.Pattern[str]:
    # Without the character classes of fnmatch: brackets are frequent in titles.
    wild = {"*": ".*", "?": "."}
    return re.compile("".join(wild.get(char) or re.escape(char) for char in pattern), re.IGNORECASE | re.DOTALL)
