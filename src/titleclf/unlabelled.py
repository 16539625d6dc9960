"""Titles without labels: text and tables of any size, read a title at a time or a shuffled part at a time."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tqdm import tqdm

from titleclf.characters import Characters, chunked
from titleclf.config import CharactersConfig
from titleclf.errors import InputError
from titleclf.files import SHIPPED
from titleclf.tables import titles_in
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
