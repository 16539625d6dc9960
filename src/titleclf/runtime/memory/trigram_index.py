"""Which known title a title resembles most, told by the trigrams that they share."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from titleclf.runtime.arrays import Floats
from titleclf.runtime.text.characters import Characters, chunked
from titleclf.runtime.text.ngrams import ngrams

_COMMON, _COMMON_KEYS = 0.02, 200  # trigrams of more keys than this share, and than this number, are not searched for
_HASHES = 2**32  # all that `ngrams` can tell apart
_HALF = np.uint64(32)  # bits
_SEARCHED, _INDEXED = 128, 1024  # titles at once
_CELLS = 2**20  # cosines at once: what a processor keeps near
_ROOM = 1000  # characters

Places = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]


class Neighbours(NamedTuple):
    """The known title that each title resembles most: its place among the keys, -1 where there is none, and similarity.

    Similarity is the share of trigrams that both have (Dice 1945), 2 shared / (all of one + all of the other), in [0, 1].
    """

    places: Places  # (titles,)
    similarity: Floats  # (titles,)


@dataclass(frozen=True)
class Index:
    """Keys by their trigrams, for the search of the most similar one.

    That is the one with the highest cosine, each trigram weighed by its inverse document frequency (Manning et al.
    2008, section 6.3). The commonest trigrams count for the length of a key, but are not searched for: they take most
    of the time and tell the least.
    """

    characters: Characters
    known: Places  # (trigrams,): their hashes, sorted
    rows: "Lists"  # of each key, its trigrams
    postings: "Lists"  # of each trigram that is searched for, its keys
    gains: Floats  # (postings,): what its trigram adds to a key's cosine

    @classmethod
    def of(cls, keys: list[str]) -> "Index":
        """Index one key at least."""
        characters = Characters.from_titles(keys, casefold=False, min_count=1, boundary=True)
        # Cut to the longest key, a title that begins like that one would look the same.
        characters = replace(characters, length=characters.length + _ROOM)
        pairs = [_trigrams(characters, some) for some in chunked(keys, _INDEXED)]
        rows = np.concatenate([rows + number * _INDEXED for number, (rows, _) in enumerate(pairs)])
        trigrams, rows = _sorted(np.concatenate([trigrams for _, trigrams in pairs]), rows)
        firsts = np.flatnonzero(np.diff(trigrams, prepend=-1))
        counts = np.diff(firsts, append=len(trigrams))
        columns = np.repeat(np.arange(len(counts)), counts)
        rarity = np.log1p(len(keys) / counts).astype(np.float32)  # above 0 even if a trigram is in all keys
        lengths = np.sqrt(np.bincount(rows, rarity[columns] ** 2, minlength=len(keys))).astype(np.float32)
        searched = (counts <= max(_COMMON_KEYS, _COMMON * len(keys)))[columns]
        postings = Lists.of(columns[searched], rows[searched], len(counts))
        gains = rarity[columns[searched]] ** 2 / lengths[postings.members]
        return cls(characters, trigrams[firsts], Lists.of(*_sorted(rows, columns), len(keys)), postings, gains)

    def nearest(self, keys: list[str]) -> Neighbours:
        """Return the neighbour of each of other keys; of equally similar ones the first."""
        found = [self._nearest(some) for some in chunked(keys, _SEARCHED)]
        places = np.concatenate([one.places for one in found]) if found else np.zeros(0, dtype=np.int64)
        return Neighbours(places, np.concatenate([one.similarity for one in found]) if found else np.zeros(0))

    def _nearest(self, keys: list[str]) -> Neighbours:
        rows, trigrams = _trigrams(self.characters, keys)
        columns = np.minimum(np.searchsorted(self.known, trigrams), len(self.known) - 1)
        is_known = self.known[columns] == trigrams
        sizes = np.bincount(rows, minlength=len(keys))
        rows, columns = rows[is_known], columns[is_known]
        step = max(1, _CELLS // self.rows.count)
        ends = np.searchsorted(rows, np.arange(0, len(keys) + step, step))  # of each `step` titles
        parts = [(rows[start:end] % step, columns[start:end]) for start, end in pairwise(ends)]
        places = np.concatenate([self._most_similar(*part, step) for part in parts])[: len(keys)]
        similarity = np.zeros(len(keys))
        found = np.flatnonzero(places >= 0)
        shared = self._shared(rows, columns, places)[found]
        similarity[found] = 2 * shared / (sizes + self.rows.lengths(places))[found]
        return Neighbours(places, similarity)

    def _most_similar(self, rows: Places, columns: Places, titles: int) -> Places:
        """Return the places of the most similar keys (titles,) of titles that have the trigrams `columns`."""
        counts = self.postings.lengths(columns)
        among = self.postings.ranges(columns)
        cosines = np.zeros((titles, self.rows.count), dtype=np.float32)  # but for the length of the title
        cells = self.postings.members.take(among) + np.repeat(rows * self.rows.count, counts)
        np.add.at(cosines.reshape(-1), cells, self.gains.take(among))
        best = cosines.argmax(axis=1)
        return np.where(cosines[np.arange(titles), best] > 0, best, -1)

    def _shared(self, rows: Places, columns: Places, places: Places) -> Places:
        """Return how many trigrams each title (titles,) has that the key at its place has, too."""
        theirs = np.repeat(np.arange(len(places)), self.rows.lengths(places)) * len(self.known)
        theirs += self.rows.members[self.rows.ranges(places)]
        ours = np.append(rows * len(self.known) + columns, -1)  # sorted but for the last, which is none of theirs
        both = theirs[ours[np.searchsorted(ours[:-1], theirs)] == theirs]
        return np.bincount(both // len(self.known), minlength=len(places))


@dataclass(frozen=True)
class Lists:
    """Lists of numbers, one after the other."""

    starts: Places  # (lists + 1,)
    members: Numbers

    @classmethod
    def of(cls, lists: Places, members: Places, count: int) -> "Lists":
        """Take members in the order of the lists that they belong to."""
        starts = np.searchsorted(lists, np.arange(count + 1))
        return cls(starts, members.astype(np.int32))

    @property
    def count(self) -> int:
        """How many lists there are."""
        return len(self.starts) - 1

    def lengths(self, numbers: Places) -> Places:
        """Return the lengths of the lists of these numbers (numbers,); that of -1 is 0."""
        lengths: Places = self.starts[numbers + 1] - self.starts[numbers]
        return np.maximum(lengths, 0)

    def ranges(self, numbers: Places) -> Places:
        """Return where the members of the lists of these numbers are, one list after the other."""
        lengths = self.lengths(numbers)
        ends = lengths.cumsum()
        places = np.arange(lengths.sum())
        places += np.repeat(self.starts[numbers] - (ends - lengths), lengths)
        return places


def _trigrams(characters: Characters, keys: list[str]) -> tuple[Places, Places]:
    """Return the trigrams of all keys, each once a key: the keys' rows, rising, and the trigrams' hashes, rising."""
    batch = characters.batch(keys)
    hashes, counts = ngrams(batch.ids, batch.mask, [3], _HASHES, across_words=True)
    rows, hashes = _sorted(np.repeat(np.arange(len(keys)), counts), hashes)
    is_new = (np.diff(rows, prepend=-1) != 0) | (np.diff(hashes, prepend=-1) != 0)
    return rows[is_new], hashes[is_new]


def _sorted(first: Places, second: Places) -> tuple[Places, Places]:
    """Sort pairs of numbers below 2^32: as one number each, which numpy sorts many times faster than by two."""
    pairs = first.view(np.uint64) << _HALF
    pairs |= second.view(np.uint64)
    pairs.sort()
    first = (pairs >> _HALF).view(np.int64)
    pairs &= np.uint64(_HASHES - 1)
    return first, pairs.view(np.int64)
