"""Titles without labels: text and tables of any size, read a title at a time or a shuffled part at a time."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from titleclf.characters import Characters, chunked
from titleclf.config import CharactersConfig
from titleclf.errors import InputError
from titleclf.files import SHIPPED
from titleclf.tables import is_utf8, open_text, read_records
from titleclf.titles import files_of, titles_path

_SHORTEST = 2  # characters: one alone has nothing beside it to learn from
_LONGEST = 200  # characters: a file's stray page of text must not set the length of all titles


class Survey(NamedTuple):
    """What one look at all titles tells: their vocabulary, number, and SHA-256."""

    characters: Characters
    titles: int
    fingerprint: str


@dataclass(frozen=True)
class Unlabelled:
    """The titles of a file or a pattern (`shipped`: those of the package), read anew by each loop over them.

    Empty titles and those of one character are left out. A file larger than memory is no matter.
    """

    path: str
    column: str

    def __iter__(self) -> Iterator[str]:
        column = "title" if self.path == SHIPPED else self.column
        for file in files_of(titles_path(self.path)):
            for title in titles_in(file, column):
                if is_long_enough(title):
                    yield title

    def parts(self, size: int) -> Iterator[list[str]]:
        """Yield `size` titles after the other; the last part has what is left."""
        return chunked(self, size)

    def survey(self, config: CharactersConfig, *, boundary: bool) -> Survey:
        """Read all titles once.

        Raises
        ------
        InputError
            If a file can't be read, a row is bad, or there is no title.
        """
        digest = hashlib.sha256()
        count = 0

        def seen() -> Iterator[str]:
            nonlocal count
            for title in tqdm(self, "reading", unit=" titles", leave=False, disable=None):
                digest.update(title.encode() + b"\n")
                count += 1
                yield title

        characters = Characters.from_titles(
            seen(), casefold=config.casefold, min_count=config.min_count, boundary=boundary, longest=_LONGEST
        )
        if not count:
            raise InputError(f"{self.path} must have titles of two characters or more. Got none. Name another file.")
        return Survey(characters, count, digest.hexdigest())


def is_long_enough(title: str) -> bool:
    """Tell whether there is something to learn from a title alone."""
    return len(title.strip()) >= _SHORTEST


def titles_in(path: Path, column: str = "title") -> Iterator[str]:
    """Yield the titles of a .txt with one a line, or of a table with that column; empty ones are "".

    Raises
    ------
    InputError
        If the file can't be read or a row is bad; it is named with its line.
    """
    if path.name.lower().removesuffix(".gz").endswith(".txt"):
        with open_text(path) as text:
            for line in checked_lines(text, str(path)):
                yield line.rstrip("\r\n")
        return
    for record in read_records(path, [column]):
        title = record.cells.get(column) or ""
        problem = record.problem
        if not isinstance(title, str):
            problem = f"{column} must be text. Got {title!r}. Put it in quotes."
        elif not is_utf8(title):
            problem = f"{column} must be UTF-8. Got other bytes. Save the file as UTF-8."
        if problem:
            raise InputError(f"{path}:{record.line}: {problem}")
        yield title


def checked_lines(lines: Iterable[str], where: str) -> Iterator[str]:
    """Yield the lines, and refuse the first that was not UTF-8."""
    for number, line in enumerate(lines, start=1):
        if not is_utf8(line):
            raise InputError(f"{where}:{number}: must be UTF-8. Got other bytes. Convert it, for example with iconv.")
        yield line
