"""Titles as characters: normalised, numbered by a vocabulary, and batched the same way wherever they are needed."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from titleclf.runtime.errors import InputError

PAD, UNK, BOUNDARY, SPACE = 0, 1, 2, 3  # what every vocabulary has
FIRST_CHARACTER = 4
_COMPOSING = range(0x1100, 0x1200), range(0x16D63, 0x16D6B)  # Hangul Jamo and, from Unicode 16 on, Kirat Rai
_GROWTH = 3  # characters at most that one becomes when its case is folded and it is brought to NFC
_COUNTED = 128  # titles at once: more are no faster, and files may be larger than memory

Ids = npt.NDArray[np.int64]
Item = TypeVar("Item")


class Line(NamedTuple):
    """Titles one after the other: `ids` (places,), of which each title has `counts` (titles,)."""

    ids: Ids
    counts: Ids


class Batch(NamedTuple):
    """Titles as arrays: `ids` and `mask` are (batch, length), PAD where a title has ended; mask is true inside it."""

    ids: Ids
    mask: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Characters:
    """A vocabulary: which characters have an id, and how a title is brought to ids.

    `known` is sorted by code point; its first character has the id FIRST_CHARACTER. `length` counts the ids that a
    title may have, boundary marks among them.
    """

    known: str
    casefold: bool
    boundary: bool
    length: int

    @classmethod
    def from_titles(
        cls, titles: Iterable[str], *, casefold: bool, min_count: int, boundary: bool, longest: int | None = None
    ) -> "Characters":
        """Learn from titles which characters occur `min_count` times, and how long a title is, `longest` at most."""
        counts: Counter[str] = Counter()
        length = 1
        for some in chunked(titles, _COUNTED):
            normalised = [normalise(title, casefold=casefold) for title in some]
            counts.update("".join(normalised))
            length = max(length, *map(len, normalised))
        counts.pop(" ", None)  # has an id in any case
        known = "".join(sorted(character for character, count in counts.items() if count >= min_count))
        return cls(known, casefold, boundary, min(length, longest or length) + 2 * boundary)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], where: str) -> "Characters":
        """Build the vocabulary that `to_mapping` described; `where` names its origin in errors."""
        types = {"known": str, "casefold": bool, "boundary": bool, "length": int}
        wrong = [name for name, kind in types.items() if type(values.get(name)) is not kind]
        if wrong or set(values) != set(types):
            names = ", ".join(types)
            raise InputError(f"{where} must describe a vocabulary with {names}. Got {', '.join(values)}. Train again.")
        if (least := 1 + 2 * values["boundary"]) > values["length"]:
            raise InputError(f"{where} must have a length of at least {least}. Got {values['length']}. Train again.")
        return cls(**values)

    def to_mapping(self) -> dict[str, Any]:
        """Return the vocabulary as plain values for JSON."""
        return {"known": self.known, "casefold": self.casefold, "boundary": self.boundary, "length": self.length}

    def __len__(self) -> int:
        return FIRST_CHARACTER + len(self.known)

    def line(self, titles: Sequence[str]) -> Line:
        """Turn titles into one line of ids."""
        room = self.length - 2 * self.boundary
        kept = [normalise(title, casefold=self.casefold) for title in titles]
        lengths = np.fromiter(map(len, kept), dtype=np.int64, count=len(kept))
        for number in np.flatnonzero(lengths > room).tolist():
            kept[number] = kept[number][:room]
        counts = np.minimum(lengths, room) + 2 * self.boundary
        return Line(self._bounded(self._look_up("".join(kept)), counts), counts)

    def batch(self, titles: Sequence[str]) -> Batch:
        """Turn titles into one batch, as long as its longest title; no title is an empty row."""
        ids, counts = self.line(titles)
        least = 1 + 2 * self.boundary  # one PAD at least: no model takes nothing
        mask = np.arange(counts.max(initial=least)) < counts[:, None]
        padded = np.full(mask.shape, PAD, dtype=np.int64)
        padded[mask] = ids
        return Batch(padded, mask)

    def count_truncated(self, titles: Iterable[str]) -> int:
        """Return how many titles are longer than `length` and lose their ends."""
        room = self.length - 2 * self.boundary
        # Normalising makes no title longer than _GROWTH times its length: most need not be normalised to be counted.
        long = (title for title in titles if len(title) * _GROWTH > room)
        return sum(len(normalise(title, casefold=self.casefold)) > room for title in long)

    def alone(self, character: str) -> int:
        """Return the id that a character has whatever stands beside it, or -1 if that matters; of white space SPACE."""
        normalised = normalise(character, casefold=self.casefold) or " "
        if len(normalised) > 1 or may_compose(character) or may_compose(normalised):
            return -1
        return int(self._look_up(normalised)[0])

    def _bounded(self, ids: Ids, counts: Ids) -> Ids:
        """Set the marks of beginnings and ends, if they are wanted, between the ids of titles with so many places."""
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
        """The ids of all characters up to the last known one by code point, and last that of all others."""
        known = code_points(self.known)
        ids = np.full(max(ord(" "), int(known.max(initial=0))) + 2, UNK, dtype=np.int32)
        ids[ord(" ")] = SPACE
        ids[known] = np.arange(len(known)) + FIRST_CHARACTER
        return ids


def normalise(title: str, *, casefold: bool) -> str:
    """Return the title in NFC, runs of white space as one blank, none at the ends; optionally with its case folded."""
    if title.isascii():  # is in NFC, whatever its case
        return " ".join((title.casefold() if casefold else title).split())
    # Folding may take a composed character apart, so it comes before the last NFC.
    folded = unicodedata.normalize("NFC", title).casefold() if casefold else title
    return " ".join(unicodedata.normalize("NFC", folded).split())


def may_compose(character: str) -> bool:
    """Tell whether NFC may make one character of this one and others before it."""
    return unicodedata.category(character).startswith("M") or any(ord(character) in letters for letters in _COMPOSING)


def printable(title: str) -> str:
    """Return a title that can't steer the terminal."""
    return "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in title)


def chunked(titles: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of at most `size` titles, or what else there is, from a stream."""
    chunk: list[Item] = []
    for title in titles:
        chunk.append(title)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """Return the numbers of a text's characters."""
    # surrogatepass: bytes that were not UTF-8 arrive as lone surrogates, and get UNK like any unknown character.
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
