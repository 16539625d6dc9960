"""Array operations that rule out most titles as unknown, so that a memory rarely has to compute their keys.

A title and its key (`title_keys.key_of`) have the same skeleton: the sum of the hashes of all words that can't occur in
a season, episode or year marker. Only titles with the skeleton of a known title need a key of their own.
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

_UNSEEN, _GAP, _DIGIT, _AMBIGUOUS = range(4)  # symbols of characters that are not letters
WIDE = 0x100  # episode markers have only letters below this
_UNICODE = 0x110000
_CHUNK = 2048  # titles: as many as fit in the CPU cache
_FACTOR = 0x9E3779B97F4A7C15  # odd, so it has an inverse modulo 2^64
_FACTOR_INVERSE = pow(_FACTOR, -1, 2**64)
_HALF = np.uint64(32)

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Skeletons:
    """The skeletons of known titles, sorted."""

    known: Hashes

    @classmethod
    def of(cls, keys: Sequence[str]) -> Self:
        """Compute them from the keys of known titles."""
        if (compiled := cls(np.zeros(0, dtype=np.uint64))._compiled) is not None:
            return cls(np.sort(compiled.of(keys)))
        return cls(np.sort(np.concatenate([_skeletons(chunk)[0] for chunk in chunked(keys, _CHUNK)])))

    def promising(self, titles: Sequence[str]) -> list[int]:
        """Return the rows of all titles that may be known, in increasing order."""
        if self._compiled is not None:
            rows: list[int] = self._compiled.promising(titles)
            return rows
        starts = range(0, len(titles), _CHUNK)
        return [start + row for start in starts for row in self._promising(titles[start : start + _CHUNK])]

    def _promising(self, titles: Sequence[str]) -> list[int]:
        skeletons, is_ambiguous = _skeletons(titles)
        rows: list[int] = np.flatnonzero(_is_in(self.known, skeletons) | is_ambiguous).tolist()
        return rows

    @cached_property
    def _compiled(self) -> Any:
        """The compiled twin of this class; None if nothing is compiled."""
        if speedups.compiled is None:
            return None
        return speedups.compiled.Skeletons(_symbol_table(), _symbol, _marker_hashes(), self.known)


class _Words(NamedTuple):
    """The words of a text, in order; each array is (words,)."""

    starts: Labels
    hashes: Hashes
    may_be_markers: Bools  # by their characters


def _skeletons(titles: Sequence[str]) -> tuple[Hashes, Bools]:
    """Return the skeleton of each title (titles,), and whether its key may have another one (titles,)."""
    symbols = _symbols("\n".join([*titles, ""]))
    ends = np.fromiter(map(len, titles), dtype=np.int64, count=len(titles)).cumsum() + np.arange(1, len(titles) + 1)
    words = _words(symbols)
    is_kept = ~(words.may_be_markers | _is_in(_marker_hashes(), words.hashes))
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), (words.hashes * is_kept).cumsum(dtype=np.uint64)])
    word_ends = np.searchsorted(words.starts, ends)
    word_starts = np.concatenate([[0], word_ends[:-1]])
    is_ambiguous = word_ends == word_starts  # a title without words is its own key
    is_ambiguous[np.searchsorted(ends, np.flatnonzero(symbols == _AMBIGUOUS), side="right")] = True
    return sums[word_ends] - sums[word_starts], is_ambiguous


def _words(symbols: npt.NDArray[np.uint32]) -> _Words:
    is_word = np.concatenate([[False], symbols != _GAP, [False]])
    edges = np.flatnonzero(is_word[1:] != is_word[:-1])  # alternately the start and the end of a word
    if not len(edges):
        return _Words(edges, np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.bool_))
    # A polynomial in the word's letters: evaluated over the text, and divided by the power at the start of the word.
    powers, inverses = (_powers(factor, len(symbols) + 1) for factor in (_FACTOR, _FACTOR_INVERSE))
    padded = np.append(symbols, np.uint32(_GAP))  # for a word that ends with the text
    hashes = np.add.reduceat(padded * powers, edges)[::2] * inverses[edges[::2]]
    hashes ^= hashes >> _HALF
    hashes *= np.uint64(_FACTOR)
    has_digit, is_wide = (np.logical_or.reduceat(flags, edges)[::2] for flags in (padded == _DIGIT, padded >= WIDE))
    return _Words(edges[::2], hashes, has_digit & ~is_wide)


def _powers(factor: int, count: int) -> Hashes:
    return np.full(count, factor, dtype=np.uint64).cumprod(dtype=np.uint64)  # wraps around at 2^64, as intended


def _is_in(members: Hashes, hashes: Hashes) -> Bools:
    """Return which hashes are in `members`, which is sorted and not empty."""
    is_member: Bools = members.take(np.searchsorted(members, hashes), mode="clip") == hashes
    return is_member


def _symbols(text: str) -> npt.NDArray[np.uint32]:
    codes, table = code_points(text), _symbol_table()
    symbols = table.take(codes)
    unseen = codes[symbols == _UNSEEN]
    if len(unseen):
        for code in set(unseen.tolist()):
            table[code] = _symbol(chr(code))
        symbols = table.take(codes)
    return symbols


@cache
def _symbol_table() -> npt.NDArray[np.uint32]:
    return np.zeros(_UNICODE, dtype=np.uint32)  # untouched zeros take no memory


@cache
def _marker_hashes() -> Hashes:
    return np.sort(_words(_symbols("\n".join(map(key_of, marker_words())))).hashes)


def _symbol(character: str) -> int:
    """Return the code point of the letter that stands for a character in keys, or its symbol if it is no letter."""
    composed = unicodedata.normalize("NFC", character)
    folded = composed.casefold()
    if may_compose(character) or len(composed) > 1 or len(folded) > 1:
        return _AMBIGUOUS
    if not folded.isalnum():
        return _GAP
    if folded.isdecimal():
        return _DIGIT
    key = key_of(f"a{folded}a")[1:-1]  # between letters, since a title that would become empty is its own key
    if len(key) != 1:
        return _AMBIGUOUS
    return ord(key) if key == character else _symbol(key)
