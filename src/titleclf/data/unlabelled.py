"""Titles without labels, streamed from text files and tables of any size."""

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
from titleclf.runtime.text.plain_titles import plain_title

_MIN_LENGTH = 2  # characters: a single one has no context to learn from
_MAX_LENGTH = 200  # characters: a stray page of text must not set the length of all titles
_SAMPLE = 10_000  # titles
_SEED = int.from_bytes(b"real titles")  # longer than any training seed, like that of `robustness`
_NO_TITLES = "{} must have titles of two characters or more. Got none. Name another file."


class Survey(NamedTuple):
    """The result of one pass over all titles: their alphabet, number, and SHA-256."""

    characters: Characters
    titles: int
    fingerprint: str


@dataclass(frozen=True)
class Unlabelled:
    """The titles of a file, or of all files that match a pattern (`shipped`: those of the package).

    Each iteration reads them again, one at a time: files may be larger than memory. Titles shorter than two characters
    are left out.
    """

    path: str
    column: str

    def __iter__(self) -> Iterator[str]:
        column = "title" if self.path == SHIPPED else self.column
        for file in files_of(titles_path(self.path)):
            for title in map(plain_title, titles_in(file, column)):
                if is_long_enough(title):
                    yield title

    def parts(self, size: int) -> Iterator[list[str]]:
        """Yield the titles in lists of `size`; the last one may be shorter."""
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

        def counted() -> Iterator[str]:
            nonlocal count
            for title in tqdm(self, "reading", unit=" titles", leave=False, disable=None):
                digest.update(title.encode() + b"\n")
                count += 1
                yield title

        characters = Characters.from_titles(
            counted(), casefold=config.casefold, min_count=config.min_count, boundary=boundary, longest=_MAX_LENGTH
        )
        if not count:
            raise InputError(_NO_TITLES.format(self.path))
        return Survey(characters, count, digest.hexdigest())


def sample_titles(path: str) -> list[str]:
    """Return a fixed sample of at most 10,000 titles, noisy as in guides, for comparing models.

    A quarter of them have one misspelling, another quarter the format of a channel. `path` is a file or a pattern
    (`shipped`: the titles of the package); tables must have a column `title`.

    Raises
    ------
    InputError
        If a file can't be read, a row is bad, or there is no title.
    """
    generator = np.random.default_rng(_SEED)
    sample = heapq.nsmallest(_SAMPLE, Unlabelled(path, "title"), key=lambda _: generator.random())  # shuffled, too
    if not sample:
        raise InputError(_NO_TITLES.format(path))
    quarter = len(sample) // 4
    misspelt = misspell(sample[:quarter], list(Misspelling), 1, generator)
    reformatted = reformat(sample[quarter : 2 * quarter], list(Format), generator)
    return [*misspelt, *reformatted, *sample[2 * quarter :]]


def is_long_enough(title: str) -> bool:
    """Return whether a model can learn from a title without a label."""
    return len(title.strip()) >= _MIN_LENGTH
