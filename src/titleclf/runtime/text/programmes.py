"""A programme of a guide: its title, and beside it what else the guide says, each possibly missing."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple, Self, overload

import numpy as np

from titleclf.runtime.arrays import Bools, Labels
from titleclf.runtime.errors import InputError
from titleclf.runtime.tables import is_utf8, read_records, text_problem


class Programme(NamedTuple):
    """One programme; None stands for what is not known."""

    title: str
    channel: str | None = None  # its name
    minutes: float | None = None
    description: str | None = None
    sub_title: str | None = None
    year: int | None = None
    language: str | None = None  # of the title, such as en or pt-BR


COLUMNS = Programme._fields[1:]
_NUMBERS = {"minutes": "minutes, 0 or more", "year": "a year, 0 or more"}


@dataclass(slots=True)  # not frozen, which would triple the cost of wrapping a single title
class Programmes(Sequence[Programme]):
    """Many programmes as columns: titles, and those of COLUMNS that any of them has."""

    titles: Sequence[str]
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, programmes: Iterable[Programme]) -> Self:
        """Turn rows into columns."""
        rows = list(programmes)
        titles, *columns = zip(*rows, strict=True) if rows else ((), *((),) * len(COLUMNS))
        return cls(
            list(titles),
            {
                name: list(values)
                for name, values in zip(COLUMNS, columns, strict=True)
                if any(value is not None for value in values)
            },
        )

    @classmethod
    def checked(cls, programmes: Any) -> Self:
        """Wrap what a caller passes: titles, `Programme`s or mappings in any mixture, or a DataFrame.

        Mappings and DataFrames have a `title` and any of COLUMNS; other keys are ignored, and empty text, None and NaN
        stand for what is not known, also for a title.

        Raises
        ------
        TypeError
            If it is nothing to iterate over, or a single title or programme, whose parts would be taken for titles.
        InputError
            If a row has no title, or a value of another type.
        """
        if isinstance(programmes, list) and set(map(type, programmes)) == {str}:  # the usual case, at little cost
            return cls(programmes)
        if isinstance(programmes, cls):
            return programmes
        if isinstance(programmes, str | bytes | bytearray | Programme | Mapping):
            raise TypeError(f"programmes must be a list. Got a single one. Pass [{programmes!r}].")
        if not isinstance(programmes, Iterable):
            raise TypeError(f"programmes must be a list. Got {programmes!r}. Pass titles or programmes.")
        if hasattr(programmes, "to_dict") and hasattr(programmes, "columns"):
            return cls._from_frame(programmes)
        rows = programmes if isinstance(programmes, list) else list(programmes)
        if all(type(row) is str for row in rows):
            return cls(rows)
        return cls.of(_programme(row, f"programmes[{number}]") for number, row in enumerate(rows))

    @classmethod
    def _from_frame(cls, frame: Any) -> Self:
        if "title" not in frame.columns:
            names = ", ".join(map(str, frame.columns))[:200]
            raise InputError(f"the DataFrame must have a column title. Got {names}. Rename the column of titles.")
        present = [name for name in Programme._fields if name in frame.columns]
        return cls.of(_programme(row, f"row {n}") for n, row in enumerate(frame[present].to_dict("records")))

    def __len__(self) -> int:
        return len(self.titles)

    def __iter__(self) -> Iterator[Programme]:
        if not self.columns:
            return map(Programme, self.titles)
        unknown = [None] * len(self)
        return map(Programme, self.titles, *(self.columns.get(name, unknown) for name in COLUMNS))

    @overload
    def __getitem__(self, row: int) -> Programme: ...
    @overload
    def __getitem__(self, row: slice) -> "Programmes": ...
    def __getitem__(self, row: int | slice) -> "Programme | Programmes":
        columns: dict[str, Any] = {name: values[row] for name, values in self.columns.items()}
        if isinstance(row, slice):
            return Programmes(self.titles[row], columns)
        return Programme(self.titles[row], **columns)

    def take(self, rows: Labels | Sequence[int]) -> "Programmes":
        """Return the programmes of these rows (rows,), in their order."""
        places = rows.tolist() if isinstance(rows, np.ndarray) else rows
        return Programmes(
            _taken(self.titles, places), {n: _taken(values, places) for n, values in self.columns.items()}
        )

    def with_titles(self, titles: Sequence[str]) -> "Programmes":
        """Return the same programmes under other titles, such as misspelt ones."""
        return Programmes(titles, self.columns)

    def only(self, columns: Collection[str]) -> "Programmes":
        """Return the programmes with no other columns than these."""
        if not self.columns or self.columns.keys() <= set(columns):
            return self
        return Programmes(self.titles, {n: values for n, values in self.columns.items() if n in columns})

    def without_fields(self, fraction: float, generator: "np.random.Generator") -> "Programmes":
        """Return the programmes, each without a fraction of its fields, drawn independently.

        A model that is trained on them also learns what a title means alone.
        """
        is_dropped = generator.random((len(self.columns), len(self))) < fraction
        columns = zip(self.columns.items(), is_dropped, strict=True)
        return Programmes(self.titles, {name: _blanked(values, dropped) for (name, values), dropped in columns})

    def has_fields(self) -> Bools:
        """Return which programmes (programmes,) have anything beside the title and its language."""
        known = np.zeros(len(self), dtype=np.bool_)
        for name, values in self.columns.items():
            if name == "language":
                continue
            known |= np.fromiter((value is not None for value in values), dtype=np.bool_, count=len(self))
        return known

    def keys(self) -> Sequence[Any]:
        """Return what distinguishes programmes: titles where nothing else is known, which are quicker to compare."""
        return list(zip(self.titles, *self.columns.values(), strict=True)) if self.columns else self.titles

    def distinct(self) -> "Programmes":
        """Return each different programme once, in order of first occurrence."""
        if len(self.titles) == 1:
            return self
        keys = list(dict.fromkeys(self.keys()))
        if len(keys) == len(self.titles):
            return self
        if not self.columns:
            return Programmes(keys)
        titles, *columns = map(list, zip(*keys, strict=True))
        return Programmes(titles, dict(zip(self.columns, columns, strict=True)))


def programme_of(title: str, cells: Mapping[str, Any]) -> Programme:
    """Return the programme of a table's row: its title, and the cells of those of COLUMNS that it has.

    Raises
    ------
    ValueError
        If a cell is not valid; its text is the problem in three parts.
    """
    known = {name: _value(name, cells[name]) for name in COLUMNS if name in cells}
    return Programme(title, **known) if known else Programme(title)


def programmes_in(path: Path, columns: Collection[str], title: str = "title") -> Iterator[Programme]:
    """Yield the programmes of a table: the titles of a column and, as far as it has them, these columns.

    Raises
    ------
    InputError
        If the file can't be read, or at the line of the first bad row.
    """
    for record in read_records(path, [title]):
        if problem := record.problem or text_problem(record.cells, title):
            raise InputError(f"{path}:{record.line}: {problem}")
        cells = {name: cell for name, cell in record.cells.items() if name in columns}
        try:
            yield programme_of(record.cells[title] or "", cells)
        except ValueError as error:
            raise InputError(f"{path}:{record.line}: {error}") from error


def is_duration(value: Any) -> bool:
    """Return whether a value is a number of minutes."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return 0 <= float(value) < math.inf
    except OverflowError:  # an integer of hundreds of digits
        return False


def _programme(row: Any, where: str) -> Programme:
    if isinstance(row, str):
        return Programme(row)
    if isinstance(row, Programme):
        row = row._asdict()
    if not isinstance(row, Mapping):
        row = {"title": row}
    if "title" not in row:
        raise InputError(f"{where} must have a title. Got none. Pass text, or None if there is no title.")
    title = row["title"]
    if _is_missing(title):
        title = ""
    if not isinstance(title, str):
        advice = "Decode it." if isinstance(title, bytes) else "Pass text."
        raise InputError(f"{where} must be a title, or a programme with a title. Got {title!r}. {advice}")
    try:
        return programme_of(title, row)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def _value(name: str, cell: Any) -> Any:
    if _is_missing(cell):
        return None
    if name in _NUMBERS:
        return _number(name, cell)
    if not isinstance(cell, str) or not is_utf8(cell):
        raise ValueError(f"{name} must be UTF-8 text. Got {cell!r}. Put it in quotes, or leave it empty.")
    return cell.strip()


def _is_missing(cell: Any) -> bool:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return True
    try:
        return bool(cell != cell)  # NaN differs from itself
    except TypeError:  # the NA of pandas has no truth value
        return True
    except ValueError:  # an array, which is refused as a value of another type
        return False


def _number(name: str, cell: Any) -> float | int:
    try:
        number: Any = float(cell) if isinstance(cell, str) else cell
    except ValueError:
        number = None
    if not is_duration(number):
        raise ValueError(f"{name} must be {_NUMBERS[name]}, or empty. Got {cell!r}. Write a number.")
    return float(number) if name == "minutes" else int(number)


def _taken(values: Sequence[Any], rows: Sequence[int]) -> list[Any]:
    return [values[row] for row in rows]


def _blanked(values: Sequence[Any], is_dropped: Bools) -> list[Any]:
    return [None if dropped else value for value, dropped in zip(values, is_dropped.tolist(), strict=True)]
