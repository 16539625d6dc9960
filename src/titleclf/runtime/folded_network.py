"""A folded model in numpy: the scores of a title's features are looked up and added, in integers."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from titleclf.runtime import speedups
from titleclf.runtime.architecture import NgramConfig
from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.bundle.folding import (
    BIAS,
    CHARACTERS,
    COARSE,
    FIELDS,
    HEAD,
    LEVELS,
    SCALES,
    SCORES,
    USED,
    bits,
    has_row,
    is_nonzero,
)
from titleclf.runtime.bundle.packing import Array
from titleclf.runtime.choices import Combine
from titleclf.runtime.network import Features, position_codes
from titleclf.runtime.text.characters import Characters, Ids, Line
from titleclf.runtime.text.ngrams import along
from titleclf.runtime.text.programmes import FieldVocabulary, Programmes

_LANES = 8  # columns that a processor adds at once
_LARGEST = 2**15 - 64  # of int16, with room for rounding
_FEW_TITLES = 100  # building the compiled scorer costs more than scoring so few
_FEW_PLACES = 20_000  # decoding the whole table costs as much as decoding the rows of so many places
_LINE = 32  # numbers of two bytes: a line of the processor's cache
_DECODED_ROWS, _SPELLED_CHARACTERS = 65_536, 256  # at once: more take more memory, and no less time

Integers = npt.NDArray[np.int16]


@dataclass
class FoldedNetwork:
    """Scores of n-grams as they lie in a bundle, and of characters at each place as they are needed.

    Scores become multiples of one unit, so small that int16 holds the sum of all scores of one place. Sums of integers
    are the same to the bit, whatever the order and the size of batches.
    """

    model: NgramConfig
    vocabulary: Characters
    fields: FieldVocabulary | None
    scores: npt.NDArray[np.int8]  # (rows, columns)
    rows: npt.NDArray[np.int32]  # (buckets + 1,): the row of each bucket; a bucket without one has the row count
    steps: Floats  # (2, columns): the units of a level, in fine and in coarse rows
    coarse: Bools  # (rows,)
    characters: Floats  # (characters, dim)
    codes: Floats | None  # (length, dim)
    head: Floats  # (columns, dim)
    columns: Labels  # (columns,): the category of each
    bias: Floats  # (categories,)
    unit: float
    field_scores: list[Floats]  # of channels and of durations (ids, categories), or none
    _places: int = field(default=0, init=False)  # scored so far
    spelled: Integers = field(init=False)  # (characters * length, width): scores of those that were needed
    is_spelled: Bools = field(init=False)  # (characters,)

    def __post_init__(self) -> None:
        """Make room for the scores of characters: zeros take no memory before something is written there."""
        self.spelled = _aligned(np.zeros, len(self.characters) * self.vocabulary.length, self._width)
        self.is_spelled = np.zeros(len(self.characters), dtype=np.bool_)

    @classmethod
    def of(
        cls, model: NgramConfig, weights: dict[str, Array], vocabulary: Characters, fields: FieldVocabulary | None
    ) -> Self:
        """Take the weights of a folded bundle."""
        codes = position_codes(model, weights, vocabulary.length)
        characters = weights[CHARACTERS].astype(np.float32)
        head = weights[HEAD][is_nonzero(weights[HEAD])]
        rows = np.full(model.buckets + 1, len(weights[SCORES]), dtype=np.int32)
        rows[:-1][has_row(weights.get(USED), model.buckets)] = np.arange(len(weights[SCORES]))
        largest = max(
            float(LEVELS.max() * weights[SCALES].max(initial=0)), _largest_score(model, characters, codes, head)
        )
        unit = largest * (len(model.orders) + 1) / _LARGEST or 1.0
        return cls(
            model,
            vocabulary,
            fields,
            weights[SCORES],
            rows,
            weights[SCALES] / np.float32(unit),
            bits(weights[COARSE], len(weights[SCORES])),
            characters,
            codes,
            head,
            np.flatnonzero(is_nonzero(weights[HEAD])),
            weights[BIAS],
            unit,
            [weights[name] for name in FIELDS.values() if name in weights],
        )

    @property
    def batch_size(self) -> int:
        """The number of programmes that are fastest together."""
        return 2048

    def logits(self, programmes: Programmes) -> Floats:
        """Return logits (programmes, categories)."""
        logits = self._title_logits(programmes.titles)
        if self.fields is not None:
            for scores in self.field_logits(programmes):
                logits += scores
        return logits

    def field_logits(self, programmes: Programmes) -> list[Floats]:
        """Return what channels and what durations add, each (programmes, categories)."""
        ids = None if self.fields is None else self.fields.ids(programmes)
        if ids is None:
            return []
        return [scores.take(column, axis=0) for scores, column in zip(self.field_scores, ids.T, strict=True)]

    def features(self, title: str) -> Features:
        """Return what the features of a title add to its logits."""
        line = self.vocabulary.line([title])
        integers, starts = [self._character_scores(line)], [np.arange(len(line.ids))]
        orders = [np.ones_like(line.ids)]
        for order, (buckets, _) in zip(sorted(self.model.orders), self._ngrams(line), strict=False):
            (places,) = np.nonzero(buckets < self.model.buckets)
            integers.append(self._ngram_scores(buckets[places], np.empty((len(places), self._width), dtype=np.int16)))
            starts.append(places)
            orders.append(np.full_like(places, order))
        scores = np.concatenate(integers)
        return Features(
            self._as_logits(scores, np.full(len(scores), len(scores))),
            np.concatenate(starts),
            np.concatenate(orders),
            np.arange(len(scores)) >= len(line.ids),
        )

    def _title_logits(self, titles: Sequence[str]) -> Floats:
        is_ready = "_scorer" in vars(self) or len(titles) > _FEW_TITLES or self._is_warm
        if is_ready and self._scorer is not None:
            logits: Floats = self._scorer.logits(titles)
            return logits
        line = self.vocabulary.line(titles)
        has_places = line.counts > 0
        sums = np.zeros((len(line.counts), self._width), dtype=np.int32)
        features = line.counts.copy()
        if has_places.any():
            added = self._character_scores(line)  # (places, width)
            spare = np.empty_like(added)
            for buckets, counts in self._ngrams(line):
                added[: len(buckets)] += self._ngram_scores(buckets, spare[: len(buckets)])
                features += counts
            starts = line.counts[has_places].cumsum() - line.counts[has_places]
            sums[has_places] = np.add.reduceat(added, starts, axis=0, dtype=np.int32)
        return self._as_logits(sums, features) + self.bias

    @cached_property
    def _scorer(self) -> Any:
        """The compiled twin of `_title_logits`; None if nothing is compiled."""
        if speedups.compiled is None:
            return None
        return speedups.compiled.Scorer(
            ids=np.zeros(sys.maxunicode + 1, dtype=np.int32),
            table=self._table,
            buckets=self.model.buckets,
            spelt=self.spelled,
            is_spelt=self.is_spelled.view(np.uint8),
            columns=self.columns,
            bias=self.bias.astype(np.float32),
            orders=[order for order in self.model.orders if 0 < order <= self.vocabulary.length],
            alone=self.vocabulary.alone,
            line=self.vocabulary.line,
            spell=self._spell,
            unit=self.unit,
            length=self.vocabulary.length,
            most=len(self.model.orders) + 1,
            boundary=self.vocabulary.boundary,
            across_words=self.model.across_words,
        )

    @property
    def _is_warm(self) -> bool:
        """Whether enough places were scored for the whole table to be worth decoding."""
        return self._places >= _FEW_PLACES

    def _ngrams(self, line: Line) -> Iterator[tuple[Ids, Ids]]:
        self._places += len(line.ids)
        model = self.model
        return along(line.ids, line.counts, model.orders, model.buckets, across_words=model.across_words)

    def _as_logits(self, sums: Array, features: Labels) -> Floats:
        """Return what sums (titles, width) of so many features (titles,) add to logits (titles, categories)."""
        logits = np.zeros((len(sums), len(self.bias)), dtype=np.float32)
        factors = self.unit / np.sqrt(np.maximum(features, 1))
        logits[:, self.columns] = sums[:, : len(self.columns)] * factors[:, None].astype(np.float32)
        return logits

    def _ngram_scores(self, buckets: Ids, out: Integers) -> Integers:
        """Return the scores of n-grams (ngrams, width), in `out`: reusing memory is faster than allocating it."""
        if not self._is_warm:  # decoding the whole table would take many times as long as scoring a few titles
            return self._decoded(self.rows.take(buckets))
        return self._table.take(buckets, axis=0, out=out, mode="clip")

    @cached_property
    def _table(self) -> Integers:
        """The scores of all buckets (buckets + 1, width); the last row, of no bucket, is zero."""
        table = _aligned(np.empty, len(self.rows), self._width)
        if speedups.compiled is not None:
            units = np.rint(LEVELS[:, None] * self.steps[:, None]).astype(np.int16)
            speedups.compiled.decode(self.scores.view(np.uint8), self.rows, self.coarse.view(np.uint8), units, table)
            return table
        for start in range(0, len(self.rows), _DECODED_ROWS):
            table[start : start + _DECODED_ROWS] = self._decoded(self.rows[start : start + _DECODED_ROWS])
        return table

    def _decoded(self, rows: Array) -> Integers:
        decoded = np.zeros((len(rows), self._width), dtype=np.int16)
        (present,) = np.nonzero(rows < len(self.scores))
        rows = rows[present]
        steps = self.steps[self.coarse.take(rows).view(np.int8)]
        decoded[present, : len(self.columns)] = np.rint(
            LEVELS.take(self.scores.take(rows, axis=0).view(np.uint8)) * steps
        )
        return decoded

    def _character_scores(self, line: Line) -> Integers:
        """Return the scores of each character at its place (places, width)."""
        starts = line.counts.cumsum() - line.counts
        places = np.arange(len(line.ids)) - np.repeat(starts, line.counts)
        is_new = ~self.is_spelled.take(line.ids)
        if is_new.any():
            self._spell(np.flatnonzero(np.bincount(line.ids[is_new])))  # numpy's unique imports too much
        scores: Integers = self.spelled.take(line.ids * self.vocabulary.length + places, axis=0, mode="clip")
        return scores

    def _spell(self, ids: Ids) -> None:
        """Multiply characters with the codes of all places and the head, once and for all."""
        table = self.spelled.reshape(-1, self.vocabulary.length, self._width)
        for start in range(0, len(ids), _SPELLED_CHARACTERS):
            rows = ids[start : start + _SPELLED_CHARACTERS]
            scores = _placed(self.model, self.characters[rows][:, None], self.codes) @ self.head.T
            table[rows, :, : len(self.columns)] = np.rint(scores / self.unit)  # (characters, length, columns)
            self.is_spelled[rows] = True  # only now: other threads may read meanwhile

    @property
    def _width(self) -> int:
        return max(-(-len(self.columns) // _LANES), 1) * _LANES


def _aligned(make: Callable[..., Integers], rows: int, width: int) -> Integers:
    """Return an array (rows, width) from `make` whose first row begins on a line of the processor's cache.

    A row across two lines takes twice as long to fetch.
    """
    room = make(rows * width + _LINE, dtype=np.int16)
    first = -room.ctypes.data % (_LINE * room.itemsize) // room.itemsize
    return room[first : first + rows * width].reshape(rows, width)


def _placed(model: NgramConfig, characters: Floats, codes: Floats | None) -> Floats:
    if codes is None:
        return characters
    return characters * codes if model.combine is Combine.multiply else characters + codes


def _largest_score(model: NgramConfig, characters: Floats, codes: Floats | None, head: Floats) -> float:
    """Return a bound on the score of any character at any place."""
    most = np.abs(characters).max(axis=0, initial=0)
    if codes is not None:
        most = _placed(model, most, np.abs(codes).max(axis=0, initial=0))
    return float((np.abs(head) @ most).max(initial=0))
