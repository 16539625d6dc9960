"""What is known of a title beside its characters: the channel that shows it and how long it lasts, as small numbers."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from titleclf.runtime.architecture import from_mapping
from titleclf.runtime.arrays import Bools, Labels
from titleclf.runtime.errors import InputError
from titleclf.runtime.tables import read_records, text_problem

# Minutes: a bucket begins at each edge and ends before the next. What lasts longer than four hours is seldom one
# programme: some guides let one last until the next day where they don't know what follows.
EDGES = (0, 5, 10, 20, 35, 50, 75, 100, 150, 240)


class Context(NamedTuple):
    """The channel of a title and its duration; None where that is not known."""

    channel: str | None
    minutes: float | None


UNKNOWN = Context(None, None)


@dataclass(frozen=True)
class Contexts:
    """A vocabulary: which channels and which durations a model tells apart; none, where it doesn't look at them.

    Channels are sorted, edges rise. The first channel and the first bucket have the id 1; 0 is whatever is not known,
    and adds nothing to a title.
    """

    channels: list[str]
    edges: list[float]

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], where: str) -> "Contexts":
        """Build the vocabulary that was saved; `where` names its origin in errors.

        Raises
        ------
        InputError
            If it is none.
        """
        found: Contexts = from_mapping(cls, values, where)
        rises = {"channels": _rises(found.channels), "edges": _rises(found.edges)}
        for name in (name for name, holds in rises.items() if not holds):
            got = ", ".join(map(str, getattr(found, name)))[:200]
            raise InputError(f"{where}.{name} must rise. Got {got}. Train or copy it again.")
        return found

    @property
    def sizes(self) -> tuple[int, int]:
        """How many ids channels have, and durations."""
        return len(self.channels) + 1, len(self.edges) + 1

    def ids(self, contexts: Sequence[Context]) -> Labels:
        """Return the ids of channels and durations (titles, 2)."""
        minutes = np.array([context.minutes for context in contexts], dtype=np.float64)  # None is no number
        buckets = np.where(np.isnan(minutes), 0, np.searchsorted(self.edges, minutes, side="right"))
        channels = [self._numbers.get(context.channel, 0) for context in contexts]
        return np.stack([np.array(channels, dtype=np.int64), buckets.astype(np.int64)], axis=1)

    def lacks(self, ids: Labels) -> Bools:
        """Tell of which titles (titles,) with such ids (titles, 2) something is not known that a model looks at."""
        is_looked_at = np.array(self.sizes) > 1
        lacks: Bools = ((ids == 0) & is_looked_at).any(axis=1)
        return lacks

    def drawn(self, titles: int, generator: "np.random.Generator") -> Labels:
        """Return ids (titles, 2) drawn from all that there are."""
        return generator.integers(0, self.sizes, size=(titles, 2))

    @cached_property
    def _numbers(self) -> dict[str | None, int]:
        return {channel: number for number, channel in enumerate(self.channels, start=1)}


def contexts_of(
    titles: int, channels: Sequence[str | None] | None, durations: Sequence[float | None] | None
) -> list[Context] | None:
    """Return the contexts of so many titles from lists of channels and of minutes; None where there is neither.

    Raises
    ------
    InputError
        If there are not as many as titles, or one is not what it should be.
    """
    if channels is None and durations is None:
        return None
    for name, given in (("channels", channels), ("durations", durations)):
        if given is not None and len(given) != titles:
            raise InputError(
                f"{name} must be as many as titles. Got {len(given)} for {titles}. Pass None where one is not known."
            )
    unknown = [None] * titles
    pairs = zip(unknown if channels is None else channels, unknown if durations is None else durations, strict=True)
    contexts = [Context(*pair) for pair in pairs]
    for context in contexts:
        _check(context)
    return contexts


def is_duration(value: Any) -> bool:
    """Tell whether a value is a number of minutes."""
    return isinstance(value, Real) and not isinstance(value, bool) and 0 <= float(value) < math.inf


def without(ids: Labels, share: float, generator: "np.random.Generator") -> Labels:
    """Return ids (titles, 2) of which a share of the channels and, independently, of the durations are unknown.

    A model that is trained so knows what a title alone says, too.
    """
    return np.where(generator.random(ids.shape) < share, 0, ids)


def _rises(known: Sequence[Any]) -> bool:
    return all(one < other for one, other in pairwise(known))


def _check(context: Context) -> None:
    channel, minutes = context
    if not isinstance(channel, str | None):
        raise InputError(f"channels must be text. Got {channel!r}. Pass None where one is not known.")
    if minutes is not None and not is_duration(minutes):
        raise InputError(f"durations must be minutes, 0 or more. Got {minutes!r}. Pass None where one is not known.")


class ContextColumns(NamedTuple):
    """The names of the columns; None where one is not looked at."""

    channel: str | None
    duration: str | None

    @property
    def named(self) -> list[str]:
        """Return the names that there are."""
        return [name for name in self if name is not None]

    def problem(self, cells: Mapping[str, Any]) -> str | None:
        """Return what is wrong with the cells of a row; empty ones, and those that are not there, are right."""
        if self.channel is not None and (problem := text_problem(cells, self.channel)):
            return problem
        try:
            self.context(cells)
        except ValueError:
            got = cells[self.duration or ""]
            return f"{self.duration} must be minutes, 0 or more, or empty. Got {got!r}. Write how long it lasts."
        return None

    def context(self, cells: Mapping[str, Any]) -> Context:
        """Return what the cells say; a `ValueError` if the duration is none."""
        channel = (self.channel and cells.get(self.channel)) or ""
        return Context(channel.strip() or None, _minutes(self.duration and cells.get(self.duration)))


def columns_asked(contexts: Contexts) -> ContextColumns:
    """Return the columns that a model is asked by: `channel` and `duration`, if it looks at them."""
    return ContextColumns("channel" if contexts.channels else None, "duration" if contexts.edges else None)


def titles_with_contexts(path: Path, contexts: Contexts) -> Iterator[tuple[str, Context]]:
    """Yield the titles of a table with what its columns `channel` and `duration`, if it has them, say to a model.

    Raises
    ------
    InputError
        If the file can't be read or a row is bad; it is named with its line.
    """
    columns = columns_asked(contexts)
    for record in read_records(path, ["title"]):
        problem = record.problem or text_problem(record.cells, "title") or columns.problem(record.cells)
        if problem:
            raise InputError(f"{path}:{record.line}: {problem}")
        yield record.cells["title"] or "", columns.context(record.cells)


def _minutes(cell: Any) -> float | None:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    minutes = float(cell) if isinstance(cell, str) else cell
    if not is_duration(minutes):
        raise ValueError(cell)
    return float(minutes)
