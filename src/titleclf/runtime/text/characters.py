"""Titles as character ids: normalised, looked up in an alphabet, and batched the same way everywhere."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from titleclf.runtime.errors import InputError

PAD, UNK, BOUNDARY, SPACE = 0, 1, 2, 3  # in every alphabet
FIRST_CHARACTER = 4
_COMPOSING = range(0x1100, 0x1200), range(0x16D63, 0x16D6B)  # Hangul Jamo and, from Unicode 16 on, Kirat Rai
_GROWTH = 3  # the most characters that one becomes when it is case-folded and brought to NFC
_CHUNK = 128  # titles: larger chunks are no faster, and files may be larger than memory

Ids = npt.NDArray[np.int64]
Item = TypeVar("Item")


class Line(NamedTuple):
    """Concatenated titles: `ids` (positions,), and the number of ids of each title, `counts` (titles,)."""

    ids: Ids
    counts: Ids


class Batch(NamedTuple):
    """Padded titles: `ids` and `mask` are (batch, length); ids are PAD and mask is false after the end of a title."""

    ids: Ids
    mask: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Characters:
    """The characters that have an id, and how titles become ids.

    `known` is the alphabet, sorted by code point; its first character has the id FIRST_CHARACTER. `length` is the
    largest number of ids of a title, including boundary tokens.
    """

    known: str
    casefold: bool
    boundary: bool
    length: int

    @classmethod
    def from_titles(
        cls, titles: Iterable[str], *, casefold: bool, min_count: int, boundary: bool, longest: int | None = None
    ) -> "Characters":
        """Learn the characters that occur at least `min_count` times, and the largest length, at most `longest`."""
        counts: Counter[str] = Counter()
        length = 1
        for chunk in chunked(titles, _CHUNK):
            normalised = [normalise(title, casefold=casefold) for title in chunk]
            counts.update("".join(normalised))
            length = max(length, *map(len, normalised))
        counts.pop(" ", None)  # always has an id
        known = "".join(sorted(character for character, count in counts.items() if count >= min_count))
        return cls(known, casefold, boundary, min(length, longest or length) + 2 * boundary)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], where: str) -> "Characters":
        """Build the characters from the values of `to_mapping`; `where` names their origin in errors."""
        types = {"known": str, "casefold": bool, "boundary": bool, "length": int}
        wrong = [name for name, kind in types.items() if type(values.get(name)) is not kind]
        if wrong or set(values) != set(types):
            names = ", ".join(types)
            raise InputError(
                f"{where} must have the keys {names}, each of the right type. Got {', '.join(values)}. Train again."
            )
        if (shortest := 1 + 2 * values["boundary"]) > values["length"]:
            raise InputError(f"{where} must have a length of at least {shortest}. Got {values['length']}. Train again.")
        return cls(**values)

    def to_mapping(self) -> dict[str, Any]:
        """Return the fields as plain values for JSON."""
        return {"known": self.known, "casefold": self.casefold, "boundary": self.boundary, "length": self.length}

    def __len__(self) -> int:
        return FIRST_CHARACTER + len(self.known)

    def line(self, titles: Sequence[str]) -> Line:
        """Return the concatenated ids of titles."""
        room = self.length - 2 * self.boundary
        texts = [normalise(title, casefold=self.casefold) for title in titles]
        lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
        for row in np.flatnonzero(lengths > room).tolist():
            texts[row] = texts[row][:room]
        counts = np.minimum(lengths, room) + 2 * self.boundary
        return Line(self._bounded(self._look_up("".join(texts)), counts), counts)

    def batch(self, titles: Sequence[str]) -> Batch:
        """Return titles padded to the length of the longest; each row has at least one position."""
        ids, counts = self.line(titles)
        shortest = 1 + 2 * self.boundary  # at least one PAD: no model takes an empty row
        mask = np.arange(counts.max(initial=shortest)) < counts[:, None]
        padded = np.full(mask.shape, PAD, dtype=np.int64)
        padded[mask] = ids
        return Batch(padded, mask)

    def count_truncated(self, titles: Iterable[str]) -> int:
        """Return how many titles are truncated because they are longer than `length`."""
        room = self.length - 2 * self.boundary
        # Normalised titles are at most _GROWTH times as long: most need not be normalised to be counted.
        long = (title for title in titles if len(title) * _GROWTH > room)
        return sum(len(normalise(title, casefold=self.casefold)) > room for title in long)

    def alone(self, character: str) -> int:
        """Return the id that a character has in any context, SPACE for spaces, or -1 if its neighbours matter."""
        normalised = normalise(character, casefold=self.casefold) or " "
        if len(normalised) > 1 or may_compose(character) or may_compose(normalised):
            return -1
        return int(self._look_up(normalised)[0])

    def _bounded(self, ids: Ids, counts: Ids) -> Ids:
        """Insert boundary tokens, if used, around each title; `counts` (titles,) includes them."""
        if not self.boundary:
            return ids
        ends = counts.cumsum()
        is_inside = np.ones(counts.sum(), dtype=np.bool_)
        is_inside[ends - 1] = is_inside[ends - counts] = False
        bounded = np.full(len(is_inside), BOUNDARY, dtype=np.int64)
        bounded[is_inside] = ids
        return bounded

    def _look_up(self, text: str) -> Ids:
        return self._by_code.take(code_points(text), mode="clip").astype(np.int64)

    @cached_property
    def _by_code(self) -> npt.NDArray[np.int32]:
        """Ids by code point, up to the last one in the alphabet; the last element is the id of all others."""
        alphabet = code_points(self.known)
        ids = np.full(max(ord(" "), int(alphabet.max(initial=0))) + 2, UNK, dtype=np.int32)
        ids[ord(" ")] = SPACE
        ids[alphabet] = np.arange(len(alphabet)) + FIRST_CHARACTER
        return ids


def normalise(title: str, *, casefold: bool) -> str:
    """Return the title in NFC, stripped, with single spaces and optionally case-folded."""
    if title.isascii():  # in NFC already
        return " ".join((title.casefold() if casefold else title).split())
    # Case folding may decompose a character, so NFC is applied again.
    folded = unicodedata.normalize("NFC", title).casefold() if casefold else title
    return " ".join(unicodedata.normalize("NFC", folded).split())


def may_compose(character: str) -> bool:
    """Return whether NFC may compose this character with those before it."""
    return unicodedata.category(character).startswith("M") or any(ord(character) in letters for letters in _COMPOSING)


def printable(title: str) -> str:
    """Return the title with escapes in place of control characters, so that it can't control the terminal."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in title)


def chunked(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield the items of a stream in lists of `size`; the last may be shorter."""
    chunk: list[Item] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """Return the code points of a text (characters,)."""
    # surrogatepass: bytes that were not UTF-8 arrive as lone surrogates, and are UNK like any unknown character.
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
