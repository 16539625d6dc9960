"""Which known title a title resembles most, told by the trigrams that they share."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from titleclf.arrays import Floats
from titleclf.characters import Characters, chunked
from titleclf.ngrams import ngrams

_COMMON, _COMMON_KEYS = 0.02, 200  # trigrams of more keys than this share, and than this number, are not searched for
_HASHES = 2**32  # all that `ngrams` can tell apart
_SEARCHED, _INDEXED = 128, 1024  # titles at once
_ROOM = 1000  # characters

Places = npt.NDArray[np.int64]


class Neighbours(NamedTuple):
    """The known title that each title resembles most: its place among the keys, -1 where there is none, and likeness.

    Likeness is the share of trigrams that both have (Dice 1945), 2 shared / (all of one + all of the other), in [0, 1].
    """

    places: Places  # (titles,)
    likeness: Floats  # (titles,)


@dataclass(frozen=True)
class Index:
    """Keys by their trigrams, for the search of the most similar one.

    That is the one with the highest cosine, each trigram weighed by its inverse document frequency (Manning et al.
    2008, section 6.3). The commonest trigrams count for the length of a key, but are not searched for: they take most
    of the time and tell the least.
    """

    characters: Characters
    known: Places  # (trigrams,): their hashes, sorted
    rows: Any  # sparse (keys, trigrams) of ones
    postings: Any  # sparse (trigrams, keys): what a trigram adds to a key's cosine

    @classmethod
    def of(cls, keys: list[str]) -> "Index":
        """Index one key at least."""
        characters = Characters.from_titles(keys, casefold=False, min_count=1, boundary=True)
        # Cut to the longest key, a title that begins like that one would look the same.
        characters = replace(characters, length=characters.length + _ROOM)
        pairs = [_trigrams(characters, some) for some in chunked(keys, _INDEXED)]
        rows = np.concatenate([rows + number * _INDEXED for number, (rows, _) in enumerate(pairs)])
        known, columns = np.unique(np.concatenate([trigrams for _, trigrams in pairs]), return_inverse=True)
        ones = _matrix(rows, columns, (len(keys), len(known)))
        counts = np.bincount(columns, minlength=len(known))
        rarity = np.log1p(len(keys) / counts).astype(np.float32)  # above 0 even if a trigram is in all keys
        lengths = np.sqrt(np.bincount(rows, rarity[columns] ** 2, minlength=len(keys))).astype(np.float32)
        searched = counts[columns] <= max(_COMMON_KEYS, _COMMON * len(keys))
        rows, columns = rows[searched], columns[searched]
        postings = _matrix(rows, columns, ones.shape, rarity[columns] ** 2 / lengths[rows]).T.tocsr()
        return cls(characters, known, ones, postings)

    def nearest(self, keys: list[str]) -> Neighbours:
        """Return the neighbour of each of other keys; of equally similar ones the first."""
        found = [self._nearest(some) for some in chunked(keys, _SEARCHED)]
        places = np.concatenate([one.places for one in found]) if found else np.zeros(0, dtype=np.int64)
        return Neighbours(places, np.concatenate([one.likeness for one in found]) if found else np.zeros(0))

    def _nearest(self, keys: list[str]) -> Neighbours:
        rows, trigrams = _trigrams(self.characters, keys)
        columns = np.minimum(np.searchsorted(self.known, trigrams), len(self.known) - 1)
        is_known = self.known[columns] == trigrams
        queries = _matrix(rows[is_known], columns[is_known], (len(keys), len(self.known)))
        similar = queries @ self.postings  # (titles, keys)
        places, likeness = np.full(len(keys), -1, dtype=np.int64), np.zeros(len(keys))
        filled = np.flatnonzero(np.diff(similar.indptr))
        if len(filled):
            starts = similar.indptr[filled]
            best = np.repeat(np.maximum.reduceat(similar.data, starts), np.diff(similar.indptr)[filled])
            candidates = np.where(similar.data == best, similar.indices, similar.shape[1])
            places[filled] = np.minimum.reduceat(candidates, starts)
            neighbours = self.rows[places[filled]]
            shared = queries[filled].multiply(neighbours).sum(axis=1).A1
            sizes = np.bincount(rows, minlength=len(keys))[filled] + np.diff(neighbours.indptr)
            likeness[filled] = 2 * shared / sizes
        return Neighbours(places, likeness)


def _trigrams(characters: Characters, keys: list[str]) -> tuple[Places, Places]:
    batch = characters.batch(keys)
    hashes, counts = ngrams(batch.ids, batch.mask, [3], _HASHES, across_words=True)
    pairs = np.unique(np.repeat(np.arange(len(keys)), counts) * _HASHES + hashes)
    return pairs // _HASHES, pairs % _HASHES


def _matrix(rows: Places, columns: Places, shape: tuple[int, int], values: Floats | None = None) -> Any:
    # `rows` rise, so that nothing needs sorting.
    values = np.ones(len(rows), dtype=np.float32) if values is None else values
    starts = np.searchsorted(rows, np.arange(shape[0] + 1)).astype(np.int32)
    return csr_matrix((values, columns.astype(np.int32), starts), shape=shape)
