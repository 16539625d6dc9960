"""Search for the known title with the most similar trigrams."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from titleclf.runtime.arrays import Floats
from titleclf.runtime.text.characters import Characters, chunked
from titleclf.runtime.text.ngrams import ngrams

_COMMON_FRACTION, _COMMON_KEYS = 0.02, 200  # a trigram in more keys than the larger of both is common
_HASHES = 2**32  # the range of the trigrams' hashes
_HALF = np.uint64(32)  # bits
_QUERY_CHUNK, _KEY_CHUNK = 128, 1024  # titles
_CHUNK_COSINES = 2**20  # at a time: their array fits in the CPU cache
_EXTRA_LENGTH = 1000  # characters

Integers = npt.NDArray[np.int64]


class Neighbours(NamedTuple):
    """The most similar known title of each title: its place among the keys, -1 if there is none, and its similarity.

    Similarity is the Dice coefficient (Dice 1945) of the trigrams, 2 shared / (trigrams of both), in [0, 1].
    """

    places: Integers  # (titles,)
    similarity: Floats  # (titles,)


@dataclass(frozen=True)
class Index:
    """An inverted index from trigrams to the keys that have them.

    The nearest key has the highest cosine, with trigrams weighted by inverse document frequency (Manning et al. 2008,
    section 6.3). Common trigrams count towards the length of a key but are not searched for: they take most of the time
    and discriminate least.
    """

    characters: Characters
    trigrams: Integers  # (trigrams,): sorted hashes
    rows: "RaggedArray"  # (keys, ...): the trigrams of each key
    postings: "RaggedArray"  # (trigrams, ...): the keys with each trigram, none for a common one
    gains: Floats  # (postings,): what the trigram adds to the cosine of its key

    @classmethod
    def of(cls, keys: list[str]) -> "Index":
        """Index the keys; there must be at least one."""
        characters = Characters.from_titles(keys, casefold=False, min_count=1, boundary=True)
        # Without the extra length, a longer title that starts with the longest key would be truncated to that key.
        characters = replace(characters, length=characters.length + _EXTRA_LENGTH)
        chunks = [_trigrams(characters, chunk) for chunk in chunked(keys, _KEY_CHUNK)]
        rows = np.concatenate([rows + number * _KEY_CHUNK for number, (rows, _) in enumerate(chunks)])
        hashes, rows = _sorted_pairs(np.concatenate([hashes for _, hashes in chunks]), rows)
        firsts = np.flatnonzero(np.diff(hashes, prepend=-1))
        counts = np.diff(firsts, append=len(hashes))
        columns = np.repeat(np.arange(len(counts)), counts)
        idf = np.log1p(len(keys) / counts).astype(np.float32)  # above 0 even for a trigram in all keys
        lengths = np.sqrt(np.bincount(rows, idf[columns] ** 2, minlength=len(keys))).astype(np.float32)
        is_searched = (counts <= max(_COMMON_KEYS, _COMMON_FRACTION * len(keys)))[columns]
        postings = RaggedArray.of(columns[is_searched], rows[is_searched], len(counts))
        gains = idf[columns[is_searched]] ** 2 / lengths[postings.values]
        by_key = RaggedArray.of(*_sorted_pairs(rows, columns), len(keys))
        return cls(characters, hashes[firsts], by_key, postings, gains)

    def nearest(self, queries: list[str]) -> Neighbours:
        """Return the neighbour of each query, the first of the keys on ties."""
        chunks = [self._nearest(chunk) for chunk in chunked(queries, _QUERY_CHUNK)]
        if not chunks:
            return Neighbours(np.zeros(0, dtype=np.int64), np.zeros(0))
        return Neighbours(*(np.concatenate(column) for column in zip(*chunks, strict=True)))

    def _nearest(self, queries: list[str]) -> Neighbours:
        rows, hashes = _trigrams(self.characters, queries)
        sizes = np.bincount(rows, minlength=len(queries))
        columns = np.minimum(np.searchsorted(self.trigrams, hashes), len(self.trigrams) - 1)
        is_known = self.trigrams[columns] == hashes
        rows, columns = rows[is_known], columns[is_known]
        step = max(1, min(len(queries), _CHUNK_COSINES // len(self.rows)))
        ends = np.searchsorted(rows, np.arange(0, len(queries) + step, step))  # after every `step` queries
        places = np.concatenate(
            [self._most_similar(rows[start:end] % step, columns[start:end], step) for start, end in pairwise(ends)]
        )[: len(queries)]
        similarity = np.zeros(len(queries))
        has_neighbour = np.flatnonzero(places >= 0)
        shared = self._shared(rows, columns, places)[has_neighbour]
        similarity[has_neighbour] = 2 * shared / (sizes + self.rows.lengths(places))[has_neighbour]
        return Neighbours(places, similarity)

    def _most_similar(self, rows: Integers, columns: Integers, titles: int) -> Integers:
        """Return the place of each title's most similar key (titles,), from pairs of title rows and trigram columns."""
        counts = self.postings.lengths(columns)
        positions = self.postings.positions(columns)
        cosines = np.zeros((titles, len(self.rows)), dtype=np.float32)  # not divided by the title's length
        cells = self.postings.values.take(positions) + np.repeat(rows * len(self.rows), counts)
        np.add.at(cosines.reshape(-1), cells, self.gains.take(positions))
        best = cosines.argmax(axis=1)
        return np.where(cosines[np.arange(titles), best] > 0, best, -1)

    def _shared(self, rows: Integers, columns: Integers, places: Integers) -> Integers:
        """Return the number of trigrams that each title shares with the key at its place (titles,)."""
        key_pairs = np.repeat(np.arange(len(places)), self.rows.lengths(places)) * len(self.trigrams)
        key_pairs += self.rows.values[self.rows.positions(places)]
        title_pairs = np.append(rows * len(self.trigrams) + columns, -1)  # sorted, then a sentinel that no key has
        shared = key_pairs[title_pairs[np.searchsorted(title_pairs[:-1], key_pairs)] == key_pairs]
        return np.bincount(shared // len(self.trigrams), minlength=len(places))


@dataclass(frozen=True)
class RaggedArray:
    """Lists of integers, concatenated."""

    starts: Integers  # (lists + 1,)
    values: npt.NDArray[np.int32]

    @classmethod
    def of(cls, lists: Integers, values: Integers, count: int) -> "RaggedArray":
        """Build it from values that are sorted by `lists`, the number of the list that each belongs to."""
        starts = np.searchsorted(lists, np.arange(count + 1))
        return cls(starts, values.astype(np.int32))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def lengths(self, lists: Integers) -> Integers:
        """Return the length of each of these lists (lists,); list -1 is empty."""
        lengths: Integers = self.starts[lists + 1] - self.starts[lists]
        return np.maximum(lengths, 0)

    def positions(self, lists: Integers) -> Integers:
        """Return the positions in `values` of the members of these lists, list by list."""
        lengths = self.lengths(lists)
        ends = lengths.cumsum()
        positions = np.arange(lengths.sum())
        positions += np.repeat(self.starts[lists] - (ends - lengths), lengths)
        return positions


def _trigrams(characters: Characters, keys: list[str]) -> tuple[Integers, Integers]:
    """Return the distinct trigrams of each key as pairs of row and hash, sorted: two arrays (pairs,)."""
    batch = characters.batch(keys)
    hashes, counts = ngrams(batch.ids, batch.mask, [3], _HASHES, across_words=True)
    rows, hashes = _sorted_pairs(np.repeat(np.arange(len(keys)), counts), hashes)
    is_first = (np.diff(rows, prepend=-1) != 0) | (np.diff(hashes, prepend=-1) != 0)
    return rows[is_first], hashes[is_first]


def _sorted_pairs(firsts: Integers, seconds: Integers) -> tuple[Integers, Integers]:
    """Sort pairs of integers below 2^32, each packed into one integer: many times as fast as np.lexsort."""
    pairs = firsts.view(np.uint64) << _HALF
    pairs |= seconds.view(np.uint64)
    pairs.sort()
    firsts = (pairs >> _HALF).view(np.int64)
    pairs &= np.uint64(_HASHES - 1)
    return firsts, pairs.view(np.int64)
