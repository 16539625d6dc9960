"""A programme of a guide: its title, and the channel and the duration, each possibly missing."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, overload

import numpy as np

from titleclf.runtime.architecture import from_mapping
from titleclf.runtime.arrays import Bools, Labels
from titleclf.runtime.errors import InputError
from titleclf.runtime.tables import read_records, text_problem

Value = TypeVar("Value")

# Minutes: a bucket begins at each edge and ends before the next. Few programmes last longer than four hours: some
# guides let one last until the next day where they have nothing that follows.
EDGES = (0, 5, 10, 20, 35, 50, 75, 100, 150, 240)


class Programme(NamedTuple):
    """One programme; None stands for what is not known."""

    title: str
    channel: str | None = None
    minutes: float | None = None


@dataclass(slots=True)  # not frozen, which would triple the cost of wrapping a single title
class Programmes(Sequence[Programme]):
    """Many programmes as columns: a list of titles costs nothing to wrap, and a column that nobody has is None."""

    titles: Sequence[str]
    channels: Sequence[str | None] | None = None
    minutes: Sequence[float | None] | None = None

    @classmethod
    def of(cls, programmes: Iterable[Programme]) -> "Programmes":
        """Turn rows into columns."""
        rows = list(programmes)
        channels, minutes = [row.channel for row in rows], [row.minutes for row in rows]
        return cls([row.title for row in rows], _column(channels), _column(minutes))

    @classmethod
    def checked(
        cls,
        titles: Sequence[str],
        channels: Sequence[str | None] | None = None,
        durations: Sequence[float | None] | None = None,
    ) -> "Programmes":
        """Wrap what a caller passes as lists.

        Raises
        ------
        TypeError
            If `titles` is a single title: its characters would be taken for titles.
        InputError
            If a list has another length than `titles`, or one of its values is not a channel or a duration.
        """
        if isinstance(titles, str):
            raise TypeError(f"titles must be a list of titles. Got one title. Pass [{titles!r}].")
        if channels is None and durations is None:
            return cls(titles)
        channels = None if channels is None else list(channels)  # arrays have no truth value
        durations = None if durations is None else list(durations)
        for name, values in (("channels", channels), ("durations", durations)):
            if values is not None and len(values) != len(titles):
                raise InputError(
                    f"{name} must be as many as titles. Got {len(values)} for {len(titles)}. "
                    "Pass None for unknown ones."
                )
        for channel in channels or ():
            if not isinstance(channel, str | None):
                raise InputError(f"channels must be text. Got {channel!r}. Pass None for unknown ones.")
        for duration in durations or ():
            if duration is not None and not is_duration(duration):
                raise InputError(f"durations must be minutes, 0 or more. Got {duration!r}. Pass None for unknown ones.")
        return cls(titles, channels, durations)

    def __len__(self) -> int:
        return len(self.titles)

    def __iter__(self) -> Iterator[Programme]:
        unknown = [None] * len(self)
        return map(Programme, self.titles, self.channels or unknown, self.minutes or unknown)

    @overload
    def __getitem__(self, row: int) -> Programme: ...
    @overload
    def __getitem__(self, row: slice) -> "Programmes": ...
    def __getitem__(self, row: int | slice) -> "Programme | Programmes":
        columns = (None if column is None else column[row] for column in (self.titles, self.channels, self.minutes))
        return Programmes(*columns) if isinstance(row, slice) else Programme(*columns)  # type: ignore[arg-type]

    def take(self, rows: Labels | Sequence[int]) -> "Programmes":
        """Return the programmes of these rows (rows,), in their order."""
        places = rows.tolist() if isinstance(rows, np.ndarray) else rows
        return Programmes(
            _taken(self.titles, places),
            None if self.channels is None else _taken(self.channels, places),
            None if self.minutes is None else _taken(self.minutes, places),
        )

    def with_titles(self, titles: Sequence[str]) -> "Programmes":
        """Return the same programmes under other titles, such as misspelt ones."""
        return replace(self, titles=titles)

    def without_fields(self, fraction: float, generator: "np.random.Generator") -> "Programmes":
        """Return the programmes without this fraction of their channels and, independently, of their durations.

        A model that is trained on them also learns what a title says alone.
        """
        is_dropped = generator.random((len(self), 2)) < fraction
        return replace(
            self,
            channels=None if self.channels is None else _blanked(self.channels, is_dropped[:, 0]),
            minutes=None if self.minutes is None else _blanked(self.minutes, is_dropped[:, 1]),
        )

    def keys(self) -> Sequence[Any]:
        """Return what distinguishes programmes: titles where nothing else is known, which are quicker to compare."""
        return self.titles if self.channels is None and self.minutes is None else list(self)

    def distinct(self) -> "Programmes":
        """Return each different programme once, in order of first occurrence."""
        if len(self.titles) == 1:
            return self
        keys = list(dict.fromkeys(self.keys()))
        if len(keys) == len(self.titles):
            return self
        if self.channels is None and self.minutes is None:
            return Programmes(keys)
        return Programmes(*map(list, zip(*keys, strict=True)))  # also empty columns stay, or keys would be titles

    def titles_only(self) -> "Programmes":
        """Return the programmes without channels and durations."""
        return self if self.channels is None and self.minutes is None else Programmes(self.titles)


@dataclass(frozen=True)
class FieldVocabulary:
    """The channels and the spans of minutes that a model distinguishes; empty for a field that it does not use.

    Channels are sorted, edges rise. Ids of known values begin with 1; 0 stands for unknown and adds nothing.
    """

    channels: list[str]
    edges: list[float]

    @classmethod
    def from_programmes(cls, programmes: Programmes, min_titles: int) -> "FieldVocabulary | None":
        """Keep the channels with at least `min_titles` different titles; None for programmes that are titles alone."""
        if programmes.channels is None and programmes.minutes is None:
            return None
        titles_by_channel: dict[str, set[str]] = {}
        for title, channel in zip(programmes.titles, programmes.channels or (), strict=programmes.channels is not None):
            if channel is not None:
                titles_by_channel.setdefault(channel, set()).add(title)
        channels = sorted(channel for channel, titles in titles_by_channel.items() if len(titles) >= min_titles)
        return cls(channels, [] if programmes.minutes is None else list(map(float, EDGES)))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], where: str) -> "FieldVocabulary":
        """Build the vocabulary that a bundle holds; `where` names its origin in errors.

        Raises
        ------
        InputError
            If it is damaged.
        """
        vocabulary: FieldVocabulary = from_mapping(cls, values, where)
        for name in ("channels", "edges"):
            entries = getattr(vocabulary, name)
            if not all(low < high for low, high in pairwise(entries)):
                shown = ", ".join(map(str, entries))[:200]
                raise InputError(f"{where}.{name} must rise. Got {shown}. Train or copy it again.")
        return vocabulary

    @property
    def sizes(self) -> tuple[int, int]:
        """The numbers of ids of channels and of durations."""
        return len(self.channels) + 1, len(self.edges) + 1

    @property
    def columns(self) -> "FieldColumns":
        """The columns of a table that hold the fields which the model uses."""
        return FieldColumns("channel" if self.channels else None, "duration" if self.edges else None)

    def ids(self, programmes: Programmes) -> Labels | None:
        """Return the ids of channels and durations (programmes, 2), None if no programme has either."""
        if programmes.channels is None and programmes.minutes is None:
            return None
        ids = np.zeros((len(programmes), 2), dtype=np.int64)
        if programmes.channels is not None:
            ids[:, 0] = [self._ids_by_channel.get(channel, 0) for channel in programmes.channels]
        if programmes.minutes is not None:
            minutes = np.array(programmes.minutes, dtype=np.float64)  # None becomes NaN
            ids[:, 1] = np.where(np.isnan(minutes), 0, np.searchsorted(self.edges, minutes, side="right"))
        return ids

    def is_incomplete(self, programmes: Programmes) -> Bools:
        """Return which programmes (programmes,) lack a field that the model uses, or have an unknown value in it."""
        ids = self.ids(programmes)
        if ids is None:
            return np.ones(len(programmes), dtype=np.bool_)
        is_used = np.array(self.sizes) > 1
        incomplete: Bools = ((ids == 0) & is_used).any(axis=1)
        return incomplete

    def as_distinguished(self, programmes: Programmes) -> Programmes:
        """Return programmes with the same ids, and the same fields wherever the model can't tell these apart."""
        ids = self.ids(programmes)
        return Programmes(programmes.titles) if ids is None else self._with_ids(programmes.titles, ids)

    def with_random_fields(self, titles: Sequence[str], generator: "np.random.Generator") -> Programmes:
        """Return programmes with fields drawn from all that the model knows, unknown ones included."""
        return self._with_ids(titles, generator.integers(0, self.sizes, size=(len(titles), 2)))

    def _with_ids(self, titles: Sequence[str], ids: Labels) -> Programmes:
        channels, minutes = [None, *self.channels], [None, *self.edges]
        return Programmes(titles, _taken(channels, ids[:, 0].tolist()), _taken(minutes, ids[:, 1].tolist()))

    @cached_property
    def _ids_by_channel(self) -> dict[str | None, int]:
        return {channel: number for number, channel in enumerate(self.channels, start=1)}


class FieldColumns(NamedTuple):
    """The names of the columns in a table; None for a field that is not read."""

    channel: str | None
    duration: str | None

    @property
    def names(self) -> list[str]:
        """The names of the columns that are read."""
        return [name for name in self if name is not None]

    def problem(self, cells: Mapping[str, Any]) -> str | None:
        """Return what is wrong with the cells of a row; empty and missing ones are fine."""
        if self.channel is not None and (problem := text_problem(cells, self.channel)):
            return problem
        try:
            self.programme("", cells)
        except ValueError:
            got = cells[self.duration or ""]
            return f"{self.duration} must be minutes, 0 or more, or empty. Got {got!r}. Write the duration in minutes."
        return None

    def programme(self, title: str, cells: Mapping[str, Any]) -> Programme:
        """Return the programme of a row with this title; a `ValueError` if its duration is none."""
        channel = (self.channel and cells.get(self.channel)) or ""
        return Programme(title, channel.strip() or None, _minutes(self.duration and cells.get(self.duration)))


def programmes_in(path: Path, vocabulary: FieldVocabulary) -> Iterator[Programme]:
    """Yield the programmes of a table: `title` and, where it has them, the columns that the model uses.

    Raises
    ------
    InputError
        If the file can't be read or a row is bad; the error names its line.
    """
    columns = vocabulary.columns
    for record in read_records(path, ["title"]):
        problem = record.problem or text_problem(record.cells, "title") or columns.problem(record.cells)
        if problem:
            raise InputError(f"{path}:{record.line}: {problem}")
        yield columns.programme(record.cells["title"] or "", record.cells)


def is_duration(value: Any) -> bool:
    """Return whether a value is a number of minutes."""
    return isinstance(value, Real) and not isinstance(value, bool) and 0 <= float(value) < math.inf


def _minutes(cell: Any) -> float | None:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    minutes = float(cell) if isinstance(cell, str) else cell
    if not is_duration(minutes):
        raise ValueError(cell)
    return float(minutes)


def _column(values: list[Value | None]) -> list[Value | None] | None:
    return None if all(value is None for value in values) else values


def _taken(values: Sequence[Value], rows: Sequence[int]) -> list[Value]:
    return [values[row] for row in rows]


def _blanked(values: Sequence[Value | None], is_dropped: Bools) -> list[Value | None]:
    return [None if dropped else value for value, dropped in zip(values, is_dropped.tolist(), strict=True)]
