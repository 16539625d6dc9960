"""The user's corrections: a CSV file shared with `epg fill --overrides`, synced to disk before it is confirmed."""

import asyncio
import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from titleclf.epg.overrides import Overrides
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import check_parent, replacing
from titleclf.runtime.tables import open_text
from titleclf.runtime.text.title_keys import key_of
from titleclf.serve.security import Refused

_COLUMNS = ["title", "category"]


class _FileVersion(NamedTuple):
    inode: int
    modified_ns: int
    size: int


class Corrections:
    """The current rows of the CSV file; `revision` grows with each change, by this service or by an editor.

    Patterns, rows for some channels, other columns and the order of rows are preserved.
    """

    def __init__(self, path: Path, categories: Sequence[str]) -> None:
        if path.suffix.lower() != ".csv":
            raise InputError(f"--overrides must be a .csv file. Got {path}. Convert or rename it.")
        check_parent(path)
        self.path, self.categories = path, categories
        self.overrides, self.revision = Overrides({}, []), 0
        self.problem: str | None = None  # why the file can't be read
        self._version: _FileVersion | None = None
        self._lock = asyncio.Lock()
        self.read()
        if self.problem:
            raise InputError(self.problem)

    def __len__(self) -> int:
        return len(self.overrides.table())

    def read(self) -> None:
        """Read the file if it has changed; an unreadable file sets `problem` and keeps the last good rows."""
        version = _version_of(self.path)
        if version == self._version:
            return
        try:
            overrides = Overrides.read(self.path, self.categories) if version else Overrides({}, [])
        except InputError as error:
            self.problem = str(error)
        except OSError as error:
            self.problem = f"{self.path} must be readable. Got: {error.strerror}. Check permissions."
        else:
            self.overrides, self.problem = overrides, None
            self.revision += 1
        self._version = version

    async def correct(self, title: str, category: str) -> str:
        """Set the category of a title, replacing an earlier correction; an empty one leaves its programmes unchanged.

        Return the title as the file has it, which an earlier correction may have spelt differently. The file is on disk
        when this returns.

        Raises
        ------
        Refused
            If the title is blank, the model has no such category, or the file can't be read or written.
        """
        if not title.strip():
            raise Refused(422, f"title must not be blank. Got {title[:100]!r}. Name the title to correct.")
        if category and category not in self.categories:
            listed = "; ".join(self.categories)
            raise Refused(422, f"category must be empty or one of {listed}. Got {category[:100]}. Copy one of these.")
        title = " ".join(title.split())
        await self._change(lambda: _write(self.path, title, category))
        row = self.overrides.titles.get(key_of(title))
        return title if row is None else row.text  # None: an editor has removed it by now

    async def withdraw(self, title: str) -> None:
        """Remove the correction of a title; patterns, rows for some channels and other rows stay.

        Raises
        ------
        Refused
            If the title has no correction, or the file can't be read or written.
        """
        if key_of(title) not in self.overrides.titles:
            raise Refused(404, f"title must have a correction. Got {title[:100]!r}. Reload the page.")
        await self._change(lambda: _write(self.path, title, None))

    async def _change(self, write: Callable[[], None]) -> None:
        async with self._lock:
            await asyncio.to_thread(self._change_now, write)

    def _change_now(self, write: Callable[[], None]) -> None:
        self.read()  # keep changes made in an editor meanwhile
        if self.problem:
            raise Refused(409, self.problem)
        try:
            write()
        except OSError as error:
            sentence = f"{self.path} must be writable. Got: {error.strerror}. Check permissions and free space."
            raise Refused(503, sentence) from error
        self.read()


def _write(path: Path, title: str, category: str | None) -> None:
    """Set or remove (None) the row of a title on every channel, replacing the file atomically."""
    header, rows = _read_rows(path)
    title_column, category_column = header.index("title"), header.index("category")
    channel_column = header.index("channel") if "channel" in header else None
    key, is_written = key_of(title), False
    kept = []
    for row in rows:
        cell = row[title_column].strip()
        if cell and key_of(cell) == key and not (channel_column is not None and row[channel_column].strip()):
            if category is None or is_written:
                continue
            row[category_column], is_written = category, True
        kept.append(row)
    if category is not None and not is_written:
        kept.append([{"title": title, "category": category}.get(name, "") for name in header])
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *kept])
    _sync(path.resolve().parent)


def _read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    if not path.exists():
        return list(_COLUMNS), []
    with open_text(path) as text:
        header, *rows = [row for row in csv.reader(text) if row]
    if "title" not in header:
        header.append("title")
    return header, [row + [""] * (len(header) - len(row)) for row in rows]


def _sync(folder: Path) -> None:
    # A renamed file survives a power cut only if its folder is synced, too.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _version_of(path: Path) -> _FileVersion | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return _FileVersion(stat.st_ino, stat.st_mtime_ns, stat.st_size)
