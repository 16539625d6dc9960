"""Known titles, and search for the one that a title equals or resembles most."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from titleclf.runtime import speedups
from titleclf.runtime.arrays import Floats, Labels
from titleclf.runtime.choices import MemoryKind
from titleclf.runtime.memory.prefilter import Skeletons
from titleclf.runtime.memory.trigram_index import Index, Neighbours
from titleclf.runtime.text.title_keys import key_of

_MANY = 1000  # titles: for fewer, building the known titles' skeletons takes longer than computing keys


class Matches(NamedTuple):
    """Matching titles: their rows in increasing order, the places of their known titles among the keys, and similarity.

    Each array is (matches,). Similarity is 1 for the known title itself, else the fraction of shared trigrams.
    """

    rows: Labels
    places: Labels
    similarity: Floats


_NO_MATCHES = Matches(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))


@dataclass
class KnownTitles:
    """Known titles as sorted, distinct keys; `kind` is whether only they match, or similar titles too."""

    kind: MemoryKind
    keys: list[str]
    _queries: int = field(default=0, init=False, compare=False)  # titles looked up so far

    def nearest(self, titles: Sequence[str]) -> Neighbours:
        """Return the most similar known title of each title; on ties, the first of the keys."""
        matches = self.matches(titles)
        places, similarity = np.full(len(titles), -1), np.zeros(len(titles))
        places[matches.rows], similarity[matches.rows] = matches.places, matches.similarity
        return Neighbours(places, similarity)

    def matches(self, titles: Sequence[str]) -> Matches:
        """Return the results of `nearest`, only for titles that have one."""
        if self.kind is not MemoryKind.exact:
            places, similarity = self._similar(titles)
            rows = np.flatnonzero(places >= 0)
            return Matches(rows, places[rows], similarity[rows])
        if not (candidates := self._candidates(titles)):  # the usual case for a single title
            return _NO_MATCHES
        pairs = [(row, self._places.get(key_of(titles[row]), -1)) for row in candidates]
        rows, places = np.array([pair for pair in pairs if pair[1] >= 0], dtype=np.int64).reshape(-1, 2).T
        return Matches(rows, places, np.ones(len(rows)))

    def _candidates(self, titles: Sequence[str]) -> Sequence[int]:
        """Return the rows of all titles that may be known, in increasing order."""
        # Compiled skeletons are cheaper than keys once the known titles' are built; in Python, only in large batches.
        self._queries += len(titles)
        if (len(titles) if speedups.compiled is None else self._queries) > _MANY:
            return self._skeletons.promising(titles)
        return range(len(titles))

    def _similar(self, titles: Sequence[str]) -> Neighbours:
        keys = [key_of(title) for title in titles]
        places = np.array([self._places.get(key, -1) for key in keys], dtype=np.int64)
        similarity = (places >= 0).astype(np.float64)
        unknown = np.flatnonzero(places < 0)
        if len(unknown):
            # Guides repeat their titles.
            numbers = {key: number for number, key in enumerate(dict.fromkeys(keys[row] for row in unknown))}
            neighbours = self._index.nearest(list(numbers))
            repeated = np.array([numbers[keys[row]] for row in unknown])
            places[unknown], similarity[unknown] = neighbours.places[repeated], neighbours.similarity[repeated]
        return Neighbours(places, similarity)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {key: place for place, key in enumerate(self.keys)}

    @cached_property
    def _skeletons(self) -> Skeletons:
        return Skeletons.of(self.keys)

    @cached_property
    def _index(self) -> Index:
        return Index.of(self.keys)
