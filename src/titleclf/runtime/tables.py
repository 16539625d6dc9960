"""Tables of titles in CSV, TSV, JSON Lines or Parquet, read row by row."""

import csv
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from titleclf.runtime.errors import InputError

_FORMATS = ".csv, .tsv, .jsonl, .parquet (the first three also with .gz)"
_LISTED_ROWS = 10


class Record(NamedTuple):
    """One row and the line it starts on; an unreadable row has a problem instead of cells."""

    line: int
    cells: dict[str, Any]
    problem: str | None = None


def read_records(path: Path, required: list[str]) -> Iterator[Record]:
    """Yield the rows of a table one by one; bytes that are not UTF-8 become lone surrogates.

    Raises
    ------
    InputError
        If the file is missing or damaged, its format is unknown, or it lacks a `required` column.
    """
    suffix = "".join(path.suffixes[-2:]).lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    match suffix.removesuffix(".gz"):
        case ".csv":
            yield from _delimited(path, ",", required)
        case ".tsv":
            yield from _delimited(path, "\t", required)
        case ".jsonl" | ".ndjson":
            yield from _json_lines(path, required)
        case ".parquet" if suffix == ".parquet":
            yield from _parquet(path, required)
        case _:
            raise InputError(
                f"{path} must be one of {_FORMATS}. Got {path.suffix or 'no extension'}. Convert or rename it."
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


@contextmanager
def open_text(path: Path) -> Iterator[IO[str]]:
    """Open a plain or gzipped UTF-8 file; undecodable bytes become lone surrogates, newlines are kept."""
    opener: Any = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
            yield text
    except FileNotFoundError as error:
        raise _no_such_file(path) from error
    except IsADirectoryError as error:
        raise InputError(f"{path} must be a file. Got a folder. Name a file in it.") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path} must be a complete gzip file. Got {error}. Download or compress it again.") from error


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
    for record in read_records(path, [column]):
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


def is_utf8(text: str) -> bool:
    """Return whether `text` was valid UTF-8 before it was decoded with surrogateescape."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _delimited(path: Path, delimiter: str, required: list[str]) -> Iterator[Record]:
    with open_text(path) as text:
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        line = 1
        try:
            header = next(reader, [])
            if "\0" in "".join(header) or not is_utf8("".join(header)):
                raise InputError(f"{path} must be UTF-8. Got other bytes in its first line. Save the file as UTF-8.")
            _require(path, required, header)
            line = reader.line_num + 1
            for cells in reader:
                if len(cells) == len(header):
                    yield Record(line, dict(zip(header, cells, strict=True)))
                elif cells:  # empty lines are skipped
                    problem = (
                        f"must have {len(header)} columns. Got {len(cells)}. Quote cells that contain the delimiter."
                    )
                    yield Record(line, {}, problem)
                line = reader.line_num + 1
        except csv.Error as error:
            raise InputError(f"{path}:{line}: must be well-formed CSV. Got: {error}. Check the quotes.") from error


def _json_lines(path: Path, required: list[str]) -> Iterator[Record]:
    with open_text(path) as text:
        for line, content in enumerate(text, start=1):
            if content.strip():
                yield _json_record(line, content, required)


def _json_record(line: int, content: str, required: list[str]) -> Record:
    try:
        row = json.loads(content)
    except (json.JSONDecodeError, RecursionError) as error:
        return Record(line, {}, f"must be one JSON object. Got: {error}. Fix the line.")
    if not isinstance(row, dict) or any(name not in row for name in required):
        got = content.strip()[:60]
        return Record(
            line, {}, f"must be one JSON object with the keys {', '.join(required)}. Got {got}. Fix the line."
        )
    return Record(line, row)


def _parquet(path: Path, required: list[str]) -> Iterator[Record]:
    if not path.is_file():
        raise _no_such_file(path)
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise InputError(
            f"{path} needs the extra parquet. Got no module named pyarrow. Install it: pip install 'titleclf[parquet]'."
        ) from error
    try:
        with parquet.ParquetFile(path) as file:
            _require(path, required, file.schema_arrow.names)
            line = 0
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    line += 1
                    yield Record(line, row)
    except ArrowException as error:
        raise InputError(f"{path} must be a Parquet file. Got: {str(error).splitlines()[0]} Write it again.") from error


def _no_such_file(path: Path) -> InputError:
    return InputError(f"{path}: no such file. Check the path.")


def _require(path: Path, required: list[str], present: list[str]) -> None:
    missing = [name for name in required if name not in present]
    if missing:
        raise InputError(
            f"{path} must have the columns {', '.join(required)}. Got {', '.join(present)[:200] or 'none'}. "
            "Rename them, or name the columns to read."
        )
