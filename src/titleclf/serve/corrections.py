"""The user's corrections: one CSV that `epg fill --overrides` reads, on the disk before anyone hears that it is."""

import asyncio
import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from titleclf.epg.overrides import Overrides
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import replacing
from titleclf.runtime.tables import open_text
from titleclf.runtime.text.title_keys import key_of
from titleclf.serve.security import Refused

_COLUMNS = ["title", "category"]


class _Stamp(NamedTuple):
    """What changes when a file does."""

    inode: int
    nanoseconds: int
    size: int


class Corrections:
    """Rows of a CSV, as they are now: `revision` grows with each change, by this service or in an editor.

    Patterns, further columns and the order of the rows stay as the user has them.
    """

    def __init__(self, path: Path, categories: Sequence[str]) -> None:
        if path.suffix.lower() != ".csv":
            raise InputError(f"--overrides must be a .csv. Got {path}. Convert or rename it.")
        self.path, self.categories = path, categories
        self.overrides, self.revision = Overrides({}, []), 0
        self.problem: str | None = None  # of the file, as long as it can't be read
        self._stamp: _Stamp | None = None
        self._lock = asyncio.Lock()
        self.read()
        if self.problem:
            raise InputError(self.problem)

    def __len__(self) -> int:
        return len(self.overrides.titles) + len(self.overrides.patterns)

    def read(self) -> None:
        """Read the file if it has changed; where it can't be read, keep what was there, and the problem."""
        stamp = _stamp(self.path)
        if stamp == self._stamp:
            return
        try:
            found = Overrides.read(self.path, self.categories) if stamp else Overrides({}, [])
        except InputError as error:
            self.problem = str(error)
        except OSError as error:
            self.problem = f"{self.path} must be readable. Got: {error.strerror}. Check permissions."
        else:
            self.overrides, self.problem = found, None
            self.revision += 1
        self._stamp = stamp

    async def correct(self, title: str, category: str) -> None:
        """Give a title a category (empty: leave it alone), in place of an earlier one; on return it is on the disk.

        Raises
        ------
        Refused
            If the title says nothing, the category is none of the model's, or the file is broken or can't be written.
        """
        if not title.strip():
            raise Refused(422, "title must have characters. Got none. Name the title to correct.")
        self._check(category)
        await self._change(lambda: _write(self.path, " ".join(title.split()), category))

    async def withdraw(self, title: str) -> None:
        """Take back what was said of a title; patterns and rows of other titles stay.

        Raises
        ------
        Refused
            If no row names it, or the file is broken or can't be written.
        """
        if key_of(title) not in self.overrides.titles:
            raise Refused(404, f"title must be one that was corrected. Got {title[:100]!r}. Reload the page.")
        await self._change(lambda: _write(self.path, title, None))

    def _check(self, category: str) -> None:
        if category and category not in self.categories:
            raise Refused(
                422,
                f"category must be empty or one of {'; '.join(self.categories)}. Got {category[:100]}. "
                "Write it as it stands there.",
            )

    async def _change(self, write: Callable[[], None]) -> None:
        async with self._lock:
            await asyncio.to_thread(self._changed, write)

    def _changed(self, write: Callable[[], None]) -> None:
        self.read()  # what an editor has changed meanwhile must stay
        if self.problem:
            raise Refused(409, self.problem)
        try:
            write()
        except OSError as error:
            sentence = f"{self.path} must be writable. Got: {error.strerror}. Check permissions and free space."
            raise Refused(503, sentence) from error
        self.read()


def _write(path: Path, title: str, category: str | None) -> None:
    """Write the table anew with this row, or without the rows of this title, whole or not at all."""
    header, rows = _rows(path)
    place, at = header.index("category"), header.index("title")
    key, is_told = key_of(title), False
    kept = []
    for row in rows:
        if row[at].strip() and key_of(row[at].strip()) == key:
            if category is None or is_told:
                continue
            row[place], is_told = category, True
        kept.append(row)
    if category is not None and not is_told:
        kept.append([{"title": title, "category": category}.get(name, "") for name in header])
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *kept])
    _sync(path.resolve().parent)


def _rows(path: Path) -> tuple[list[str], list[list[str]]]:
    if not path.exists():
        return list(_COLUMNS), []
    with open_text(path) as text:
        header, *rows = [row for row in csv.reader(text) if row]
    if "title" not in header:
        header.append("title")
    return header, [row + [""] * (len(header) - len(row)) for row in rows]


def _sync(folder: Path) -> None:
    # After a power cut, a new name is there only if its folder was written.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return _Stamp(found.st_ino, found.st_mtime_ns, found.st_size)
