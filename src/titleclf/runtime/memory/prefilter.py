"""Which titles can't be known ones, by array operations: for most titles, all that a memory has to find out.

A title and its key (`programmes.key_of`) have the same skeleton: one number of all words that no mark of a season, an
episode or a year can have. Only titles that have the skeleton of a known one need a key of their own.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from titleclf.runtime import speedups
from titleclf.runtime.arrays import Bools, Labels
from titleclf.runtime.text.characters import chunked, code_points, may_compose
from titleclf.runtime.text.title_keys import key_of, marker_words

_UNSEEN, _GAP, _DIGIT, _UNSURE = range(4)  # what a character may be that is no letter
WIDE = 0x100  # no mark has a letter from here on
_UNICODE = 0x110000
_TITLES = 2048  # at once: what a processor keeps near
_FACTOR = 0x9E3779B97F4A7C15  # odd, so it can be divided by
_FACTOR_INVERSE = pow(_FACTOR, -1, 2**64)
_HALF = np.uint64(32)

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Skeletons:
    """The skeletons of known titles, sorted."""

    known: Hashes

    @classmethod
    def of(cls, keys: Sequence[str]) -> Self:
        """Take the keys of known titles."""
        if (compiled := cls(np.zeros(0, dtype=np.uint64))._compiled) is not None:
            return cls(np.sort(compiled.of(keys)))
        return cls(np.sort(np.concatenate([_skeletons(some)[0] for some in chunked(keys, _TITLES)])))

    def promising(self, titles: Sequence[str]) -> list[int]:
        """Return the places, rising, of all titles that may be known."""
        if self._compiled is not None:
            found: list[int] = self._compiled.promising(titles)
            return found
        starts = range(0, len(titles), _TITLES)
        return [start + place for start in starts for place in self._promising(titles[start : start + _TITLES])]

    def _promising(self, titles: Sequence[str]) -> list[int]:
        skeletons, is_unsure = _skeletons(titles)
        places: list[int] = np.flatnonzero(_is_among(self.known, skeletons) | is_unsure).tolist()
        return places

    @cached_property
    def _compiled(self) -> Any:
        """What is compiled to do what is done here; None if nothing is."""
        if speedups.compiled is None:
            return None
        return speedups.compiled.Skeletons(_table(), _kind, _mark_words(), self.known)


class _Words(NamedTuple):
    """The words of a text, in their order, each array (words,)."""

    starts: Labels
    hashes: Hashes
    may_be_marks: Bools  # by their characters


def _skeletons(titles: Sequence[str]) -> tuple[Hashes, Bools]:
    """Return the skeleton of each title (titles,), and which may be another one (titles,)."""
    kinds = _kinds("\n".join([*titles, ""]))
    ends = np.fromiter(map(len, titles), dtype=np.int64, count=len(titles)).cumsum() + np.arange(1, len(titles) + 1)
    words = _words(kinds)
    is_kept = ~(words.may_be_marks | _is_among(_mark_words(), words.hashes))
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), (words.hashes * is_kept).cumsum(dtype=np.uint64)])
    lasts = np.searchsorted(words.starts, ends)
    firsts = np.concatenate([[0], lasts[:-1]])
    is_unsure = lasts == firsts  # without a word, it is its own key, whatever it has
    is_unsure[np.searchsorted(ends, np.flatnonzero(kinds == _UNSURE), side="right")] = True
    return sums[lasts] - sums[firsts], is_unsure


def _words(kinds: npt.NDArray[np.uint32]) -> _Words:
    is_word = np.concatenate([[False], kinds != _GAP, [False]])
    edges = np.flatnonzero(is_word[1:] != is_word[:-1])  # where a word begins, and where it has ended, in turns
    if not len(edges):
        return _Words(edges, np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.bool_))
    # A polynomial of the word's letters: taken of the text, and divided by the power at which the word begins.
    powers, inverses = (_powers(factor, len(kinds) + 1) for factor in (_FACTOR, _FACTOR_INVERSE))
    ended = np.append(kinds, np.uint32(_GAP))  # for a word that ends with the text
    hashes = np.add.reduceat(ended * powers, edges)[::2] * inverses[edges[::2]]
    hashes ^= hashes >> _HALF
    hashes *= np.uint64(_FACTOR)
    have_digits, are_wide = (np.logical_or.reduceat(which, edges)[::2] for which in (ended == _DIGIT, ended >= WIDE))
    return _Words(edges[::2], hashes, have_digits & ~are_wide)


def _powers(factor: int, count: int) -> Hashes:
    return np.full(count, factor, dtype=np.uint64).cumprod(dtype=np.uint64)  # wraps around at 2^64, as intended


def _is_among(some: Hashes, hashes: Hashes) -> Bools:
    """Return which hashes are in `some`, which is sorted and not empty."""
    found: Bools = some.take(np.searchsorted(some, hashes), mode="clip") == hashes
    return found


def _kinds(text: str) -> npt.NDArray[np.uint32]:
    codes, table = code_points(text), _table()
    kinds = table.take(codes)
    unseen = codes[kinds == _UNSEEN]
    if len(unseen):
        for code in set(unseen.tolist()):
            table[code] = _kind(chr(code))
        kinds = table.take(codes)
    return kinds


@cache
def _table() -> npt.NDArray[np.uint32]:
    return np.zeros(_UNICODE, dtype=np.uint32)  # takes no memory before something else is written there


@cache
def _mark_words() -> Hashes:
    return np.sort(_words(_kinds("\n".join(map(key_of, marker_words())))).hashes)


def _kind(character: str) -> int:
    """Return the number of the letter that a character is in keys, or what else it is."""
    composed = unicodedata.normalize("NFC", character)
    folded = composed.casefold()
    if may_compose(character) or len(composed) > 1 or len(folded) > 1:
        return _UNSURE
    if not folded.isalnum():
        return _GAP
    if folded.isdecimal():
        return _DIGIT
    key = key_of(f"a{folded}a")[1:-1]  # a letter that stands alone, and would become nothing, is kept
    if len(key) != 1:
        return _UNSURE
    return ord(key) if key == character else _kind(key)
