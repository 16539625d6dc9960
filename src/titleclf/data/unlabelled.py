"""Titles without labels: text and tables of any size, read a title at a time or a shuffled part at a time."""

import hashlib
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from titleclf.config.schemas import CharactersConfig
from titleclf.data.augmentation.noise import misspell, reformat
from titleclf.data.titles import files_of, titles_path
from titleclf.runtime.choices import Format, Misspelling
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import SHIPPED
from titleclf.runtime.tables import titles_in
from titleclf.runtime.text.characters import Characters, chunked

_SHORTEST = 2  # characters: one alone has nothing beside it to learn from
_LONGEST = 200  # characters: a file's stray page of text must not set the length of all titles
_REAL = 10_000  # titles
_SEED = int.from_bytes(b"real titles")  # longer than any seed of training, as that of `robustness`
_NO_TITLES = "{} must have titles of two characters or more. Got none. Name another file."


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
            raise InputError(_NO_TITLES.format(self.path))
        return Survey(characters, count, digest.hexdigest())


def real_titles(path: str) -> list[str]:
    """Return titles as a classifier meets them, always the same: of many 10,000 drawn, half spoilt as noise does it.

    A quarter has a misspelling, a quarter is in a channel's format. `path` is a file or a pattern (`shipped`: those of
    the package); a table must have a column `title`.

    Raises
    ------
    InputError
        If a file can't be read, a row is bad, or there is no title.
    """
    generator = np.random.default_rng(_SEED)
    drawn = heapq.nsmallest(_REAL, Unlabelled(path, "title"), key=lambda _: generator.random())  # in no order
    if not drawn:
        raise InputError(_NO_TITLES.format(path))
    quarter = len(drawn) // 4
    misspelt = misspell(drawn[:quarter], list(Misspelling), 1, generator)
    reformatted = reformat(drawn[quarter : 2 * quarter], list(Format), generator)
    return [*misspelt, *reformatted, *drawn[2 * quarter :]]


def is_long_enough(title: str) -> bool:
    """Tell whether there is something to learn from a title alone."""
    return len(title.strip()) >= _SHORTEST
