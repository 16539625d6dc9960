"""How channel and duration stand in the cells of a table, beside a title."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from titleclf.context import Context, Contexts, is_duration
from titleclf.errors import InputError
from titleclf.tables import read_records, text_problem


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
