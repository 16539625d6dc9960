"""Tables of titles in CSV, TSV, JSON Lines or Parquet, read row by row."""

import csv
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

from titleclf.runtime.errors import InputError

Value = TypeVar("Value")

_FORMATS = ".csv, .tsv, .jsonl (also with .gz), .parquet"
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_SEPARATOR = re.compile(r'"?sep=([,;\t|])"?[\r\n]*')  # a first line that names the delimiter
_LISTED_ROWS = 10


class Record(NamedTuple):
    """One row and the line it starts on; an unreadable row has a problem instead of cells."""

    line: int
    cells: dict[str, Any]
    problem: str | None = None


def read_records(path: Path, required: list[str], others: str = "", advice: str = "Rename yours.") -> Iterator[Record]:
    """Yield the rows of a table one by one; bytes that are not UTF-8 become lone surrogates.

    Errors name the `others` formats that a caller accepts, and its `advice` if a required column is missing.

    Raises
    ------
    InputError
        If the file is missing or damaged, its format is unknown, or it lacks a `required` column.
    """
    _check_file(path)
    suffix = "".join(path.suffixes[-2:]).lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    match suffix.removesuffix(".gz"):
        case ".csv":
            yield from _delimited(path, ",", required, advice)
        case ".tsv":
            yield from _delimited(path, "\t", required, advice)
        case ".jsonl" | ".ndjson":
            yield from _json_lines(path, required)
        case ".parquet" if suffix == ".parquet":
            yield from _parquet(path, required, advice)
        case _:
            raise InputError(
                f"{path} must be one of {others}{_FORMATS}. Got {path.suffix or 'no ending'}. Convert or rename it."
            )


def refuse(path: Path, problems: Sequence[tuple[int, str]]) -> None:
    """Refuse a table with problems (line, problem), and list up to ten of them.

    Raises
    ------
    InputError
        If there is a problem.
    """
    if problems:
        listed = [f"{path}:{line}: {problem}" for line, problem in problems[:_LISTED_ROWS]]
        rest = len(problems) - len(listed)
        raise InputError("\n".join([*listed, *([f"{path}: {rest} more bad rows."] if rest else [])]))


def read_unique(
    path: Path,
    required: list[str],
    problem: Callable[[Record], str | None],
    parse: Callable[[Record], tuple[str, Value]],
    conflict: Callable[[Record, Value, int], str | None],
) -> dict[str, Value]:
    """Return the values of a table by key, as `parse` takes both from a row that has no `problem`.

    A key may be repeated, and then has its last value, unless `conflict` finds a problem with the row, the value before
    it, and the key's first line.

    Raises
    ------
    InputError
        If the file can't be read, lacks a `required` column, or has bad rows; up to ten of them are listed.
    """
    values: dict[str, Value] = {}
    lines: dict[str, int] = {}
    bad: list[tuple[int, str]] = []
    for record in read_records(path, required):
        found = record.problem or problem(record)
        if not found:
            key, value = parse(record)
            first = lines.setdefault(key, record.line)
            found = conflict(record, values[key], first) if key in values else None
        if found:
            bad.append((record.line, found))
        else:
            values[key] = value
    refuse(path, bad)
    return values


@contextmanager
def open_text(path: Path) -> Iterator[IO[str]]:
    """Open a plain or gzipped UTF-8 file; undecodable bytes become lone surrogates, newlines are kept."""
    _check_file(path)
    opener: Any = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
            yield text
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        got = "another kind of file" if isinstance(error, gzip.BadGzipFile) else "a damaged or truncated one"
        raise InputError(f"{path} must be a complete gzip file. Got {got}. Download or compress it again.") from error


def titles_in(path: Path, column: str = "title") -> Iterator[str]:
    """Yield the titles of a .txt file with one title per line, or of a column of a table; empty ones are "".

    Raises
    ------
    InputError
        If the file is unreadable, or at the line of the first bad row.
    """
    if is_plain(path):
        with open_text(path) as text:
            for line in checked_lines(text, str(path)):
                yield line.rstrip("\r\n")
        return
    for record in read_records(path, [column], others=".txt, "):
        if problem := record.problem or text_problem(record.cells, column):
            raise InputError(f"{path}:{record.line}: {problem}")
        yield record.cells[column] or ""


def is_plain(path: Path) -> bool:
    """Return whether a file has one title per line instead of a table."""
    return path.name.lower().removesuffix(".gz").endswith(".txt")


def text_problem(cells: Mapping[str, Any], column: str) -> str | None:
    """Return the problem with a cell that must be text, if any; an empty or missing cell has none."""
    value = cells.get(column) or ""
    if not isinstance(value, str):
        return f"{column} must be text. Got {value!r}. Put it in quotes."
    return None if is_utf8(value) else f"{column} must be UTF-8. Got other bytes. Save the file as UTF-8."


def checked_lines(lines: Iterable[str], where: str) -> Iterator[str]:
    """Yield the lines; the first that is not UTF-8 is an error."""
    for number, line in enumerate(lines, start=1):
        if not is_utf8(line):
            raise InputError(f"{where}:{number}: must be UTF-8. Got other bytes. Convert it, for example with iconv.")
        yield line


def named(noun: str, names: Sequence[str]) -> str:
    """Return names after their noun: the column title, or the columns title, category."""
    return f"the {noun}{'s' * (len(names) > 1)} {', '.join(names)}"


def is_utf8(text: str) -> bool:
    """Return whether `text` was valid UTF-8 before it was decoded with surrogateescape."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _delimited(path: Path, delimiter: str, required: list[str], advice: str) -> Iterator[Record]:
    with open_text(path) as text:
        first = text.readline()
        line = 1
        if separator := _SEPARATOR.fullmatch(first):  # how spreadsheets note it
            delimiter, first, line = separator[1], text.readline(), 2
        reader = csv.reader(chain([first] if first else [], text), delimiter=delimiter, strict=True)
        before = line - 1  # lines that the reader does not count
        try:
            header = next(reader, None)
            if header is None:
                raise InputError(f"{path} is empty. Give it a first line with {named('column', required)}.")
            if "\0" in "".join(header) or not is_utf8("".join(header)):
                raise InputError(f"{path} must be UTF-8. Got other bytes in its first line. Save the file as UTF-8.")
            if len(header) == 1 and header != required:
                _check_delimiter(path, delimiter, header[0])
            _require(path, required, header, advice)
            _check_names(path, header)
            line = before + reader.line_num + 1
            for cells in reader:
                if len(cells) == len(header):
                    yield Record(line, dict(zip(header, cells, strict=True)))
                elif cells:  # empty lines are skipped
                    yield Record(line, {}, _wrong_length(cells, header))
                line = before + reader.line_num + 1
        except csv.Error as error:
            raise InputError(f"{path}:{line}: must be well-formed CSV. Got: {error}. Check the quotes.") from error


def _check_names(path: Path, header: list[str]) -> None:
    for name in header:
        if name and header.count(name) > 1:
            raise InputError(f"{path} must name each column once. Got {name} twice. Rename one of them.")


def _check_delimiter(path: Path, delimiter: str, header: str) -> None:
    for other, name in _DELIMITERS.items():
        if other in header:
            wanted = _DELIMITERS[delimiter]
            raise InputError(f"{path} must have {wanted} between its columns. Got {name}. Save it with {wanted}.")


def _wrong_length(cells: list[str], header: list[str]) -> str:
    advice = "Quote cells that contain the delimiter." if len(cells) > len(header) else "Add the missing cells."
    return f"must have {len(header)} cells, like the first line. Got {len(cells)}. {advice}"


def _json_lines(path: Path, required: list[str]) -> Iterator[Record]:
    with open_text(path) as text:
        for line, content in enumerate(text, start=1):
            if content.strip():
                yield _json_record(line, content, required)


def _json_record(line: int, content: str, required: list[str]) -> Record:
    try:
        row = json.loads(content)
    except (json.JSONDecodeError, RecursionError):
        row = None
    if not isinstance(row, dict) or any(name not in row for name in required):
        got, keys = content.strip()[:60], named("key", required)
        return Record(line, {}, f"must be one JSON object with {keys}. Got {got}. Fix the line.")
    return Record(line, row)


def _parquet(path: Path, required: list[str], advice: str) -> Iterator[Record]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise InputError(
            f"{path} needs the extra parquet. Got no module named pyarrow. Install it in the checkout: "
            "pip install '.[parquet]'."
        ) from error
    try:
        with parquet.ParquetFile(path) as file:
            _require(path, required, file.schema_arrow.names, advice)
            line = 0
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    line += 1
                    yield Record(line, row)
    except ArrowException as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"{path} must be a Parquet file. Got: {reason}. Write it again.") from error


def _check_file(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path}: no such file. Check the path.")
    if path.is_dir():
        raise InputError(f"{path} must be a file. Got a folder. Name a file in it.")


def _require(path: Path, required: list[str], present: list[str], advice: str) -> None:
    if not set(required) <= set(present):
        got = ", ".join(present)[:200] or "none"
        raise InputError(f"{path} must have {named('column', required)}. Got {got}. {advice}")
