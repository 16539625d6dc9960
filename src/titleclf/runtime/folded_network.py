"""A folded model in numpy: all that a title's features say is looked up and added, in integers."""

import sys
from collections.abc import Callable, Iterator
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
    CONTEXTS,
    HEAD,
    LEVELS,
    SCALES,
    SCORES,
    USED,
    bits,
    has_row,
    says_something,
)
from titleclf.runtime.bundle.packing import Array
from titleclf.runtime.choices import Combine
from titleclf.runtime.network import Features, codes_of
from titleclf.runtime.text.characters import Characters, Ids, Line
from titleclf.runtime.text.ngrams import along

_LANES = 8  # a processor adds so many columns at once
_LARGEST = 2**15 - 64  # of int16, with room for rounding
_FEW = 20_000  # places: as long as it takes to decode the whole table
_LINE = 32  # numbers of two bytes: what a processor fetches at once
_DECODED, _SPELT = 65_536, 256  # rows and characters at once: more take more memory, and no less time

Integers = npt.NDArray[np.int16]


@dataclass
class Folded:
    """Scores of n-grams as they lie in a bundle, and of characters at each place as they are needed.

    Scores become multiples of one unit, so small that a place of a title can't have more of them than int16 holds:
    whatever the order and the size of batches, sums are the same to the bit.
    """

    model: NgramConfig
    scores: npt.NDArray[np.int8]  # (rows, columns)
    rows: npt.NDArray[np.int32]  # (buckets + 1,): the row of each bucket, and of none, that beyond the last
    steps: Floats  # (2, columns): how many units a level is, in fine and in coarse rows
    coarse: Bools  # (rows,)
    characters: Floats  # (characters, dim)
    codes: Floats | None  # (length, dim)
    length: int
    head: Floats  # (columns, dim)
    columns: Labels  # (columns,): the category of each
    bias: Floats  # (categories,)
    unit: float
    contexts: list[Floats]  # of channels and of durations (ids, categories), or none
    asked: int = field(default=0, init=False)  # places so far
    spelt: Integers = field(init=False)  # (characters * length, width): scores of those that are needed
    is_spelt: Bools = field(init=False)  # (characters,)

    def __post_init__(self) -> None:
        """Make room for what characters say: zeros take no memory before something else is written there."""
        self.spelt = _aligned(np.zeros, len(self.characters) * self.length, self._width)
        self.is_spelt = np.zeros(len(self.characters), dtype=np.bool_)

    @classmethod
    def of(cls, model: NgramConfig, weights: dict[str, Array], length: int) -> Self:
        """Take the weights of a folded bundle for titles of at most `length` characters."""
        learned = weights.get("encoder.embedding.positions.table")
        codes = codes_of(model.positions, length, model.dim) if learned is None else learned
        characters = weights[CHARACTERS].astype(np.float32)
        head = weights[HEAD][says_something(weights[HEAD])]
        rows = np.full(model.buckets + 1, len(weights[SCORES]), dtype=np.int32)
        rows[:-1][has_row(weights.get(USED), model.buckets)] = np.arange(len(weights[SCORES]))
        largest = max(float(LEVELS.max() * weights[SCALES].max(initial=0)), _most(model, characters, codes, head))
        unit = largest * (len(model.orders) + 1) / _LARGEST or 1.0
        return cls(
            model,
            weights[SCORES],
            rows,
            weights[SCALES] / np.float32(unit),
            bits(weights[COARSE], len(weights[SCORES])),
            characters,
            codes,
            length,
            head,
            np.flatnonzero(says_something(weights[HEAD])),
            weights[BIAS],
            unit,
            [weights[name] for name in CONTEXTS.values() if name in weights],
        )

    def logits(self, line: Line, context_ids: Labels | None = None) -> Floats:
        """Return logits (titles, categories)."""
        return self.with_contexts(self._of_titles(line), context_ids)

    def with_contexts(self, logits: Floats, context_ids: Labels | None) -> Floats:
        """Return logits (titles, categories), in place, with what contexts add."""
        if context_ids is not None:
            for added in self.of_contexts(context_ids):
                logits += added
        return logits

    def scorer(self, characters: Characters) -> Any:
        """Return what is compiled to tell what `logits` does, of titles without contexts; None if nothing is."""
        if speedups.compiled is None:
            return None
        return speedups.compiled.Scorer(
            ids=np.zeros(sys.maxunicode + 1, dtype=np.int32),
            table=self._table,
            buckets=self.model.buckets,
            spelt=self.spelt,
            is_spelt=self.is_spelt.view(np.uint8),
            columns=self.columns,
            bias=self.bias.astype(np.float32),
            orders=[order for order in self.model.orders if 0 < order <= self.length],
            alone=characters.alone,
            line=characters.line,
            spell=self._spell,
            unit=self.unit,
            length=self.length,
            most=len(self.model.orders) + 1,
            boundary=characters.boundary,
            across_words=self.model.across_words,
        )

    def of_contexts(self, context_ids: Labels) -> list[Floats]:
        """Return what channels and what durations (titles, categories) add."""
        return [scores.take(ids, axis=0) for scores, ids in zip(self.contexts, context_ids.T, strict=True)]

    def _of_titles(self, line: Line) -> Floats:
        filled = line.counts > 0
        sums = np.zeros((len(line.counts), self._width), dtype=np.int32)
        features = line.counts.copy()
        if filled.any():
            added = self._of_characters(line)  # (places, width)
            spare = np.empty_like(added)
            for found, numbers in self._ngrams(line):
                added[: len(found)] += self._of_ngrams(found, spare[: len(found)])
                features += numbers
            starts = line.counts[filled].cumsum() - line.counts[filled]
            sums[filled] = np.add.reduceat(added, starts, axis=0, dtype=np.int32)
        return self._as_logits(sums, features) + self.bias

    @property
    def is_warm(self) -> bool:
        """Whether so much was asked that what takes long to be made ready is worth it."""
        return self.asked >= _FEW

    def features(self, line: Line) -> Features:
        """Return what the features of a line of one title add."""
        integers, starts, orders = [self._of_characters(line)], [np.arange(len(line.ids))], [np.ones_like(line.ids)]
        for order, (found, _) in zip(sorted(self.model.orders), self._ngrams(line), strict=False):
            (places,) = np.nonzero(found < self.model.buckets)
            integers.append(self._of_ngrams(found[places], np.empty((len(places), self._width), dtype=np.int16)))
            starts.append(places)
            orders.append(np.full_like(places, order))
        every = np.concatenate(integers)
        return Features(
            self._as_logits(every, np.full(len(every), len(every))),
            np.concatenate(starts),
            np.concatenate(orders),
            np.arange(len(every)) >= len(line.ids),
        )

    def _ngrams(self, line: Line) -> Iterator[tuple[Ids, Ids]]:
        self.asked += len(line.ids)
        model = self.model
        return along(line.ids, line.counts, model.orders, model.buckets, across_words=model.across_words)

    def _as_logits(self, sums: Array, features: Labels) -> Floats:
        """Return what sums (titles, width) of so many features (titles,) add to logits (titles, categories)."""
        logits = np.zeros((len(sums), len(self.bias)), dtype=np.float32)
        shares = self.unit / np.sqrt(np.maximum(features, 1))
        logits[:, self.columns] = sums[:, : len(self.columns)] * shares[:, None].astype(np.float32)
        return logits

    def _of_ngrams(self, buckets: Ids, out: Integers) -> Integers:
        """Return the scores of n-grams (ngrams, width), in `out`: memory that is at hand is faster than new memory."""
        if not self.is_warm:  # for a few titles, decoding the table would take many times as long as they do
            return self._decoded(self.rows.take(buckets))
        return self._table.take(buckets, axis=0, out=out, mode="clip")

    @cached_property
    def _table(self) -> Integers:
        """The scores of all buckets (buckets + 1, width), those of none being zero."""
        table = _aligned(np.empty, len(self.rows), self._width)
        if speedups.compiled is not None:
            units = np.rint(LEVELS[:, None] * self.steps[:, None]).astype(np.int16)
            speedups.compiled.decode(self.scores.view(np.uint8), self.rows, self.coarse.view(np.uint8), units, table)
            return table
        for start in range(0, len(self.rows), _DECODED):
            table[start : start + _DECODED] = self._decoded(self.rows[start : start + _DECODED])
        return table

    def _decoded(self, rows: Array) -> Integers:
        decoded = np.zeros((len(rows), self._width), dtype=np.int16)
        (known,) = np.nonzero(rows < len(self.scores))
        rows = rows[known]
        steps = self.steps[self.coarse.take(rows).view(np.int8)]
        decoded[known, : len(self.columns)] = np.rint(
            LEVELS.take(self.scores.take(rows, axis=0).view(np.uint8)) * steps
        )
        return decoded

    def _of_characters(self, line: Line) -> Integers:
        """Return the scores of each character at its place (places, width)."""
        starts = line.counts.cumsum() - line.counts
        places = np.arange(len(line.ids)) - np.repeat(starts, line.counts)
        is_new = ~self.is_spelt.take(line.ids)
        if is_new.any():
            self._spell(np.flatnonzero(np.bincount(line.ids[is_new])))  # numpy's unique imports too much
        found: Integers = self.spelt.take(line.ids * self.length + places, axis=0, mode="clip")
        return found

    def _spell(self, ids: Ids) -> None:
        """Multiply characters with the codes of all places and the head, once and for all."""
        for start in range(0, len(ids), _SPELT):
            some = ids[start : start + _SPELT]
            scores = _placed(self.model, self.characters[some][:, None], self.codes) @ self.head.T  # (some, length, .)
            table = self.spelt.reshape(-1, self.length, self._width)
            table[some, :, : len(self.columns)] = np.rint(scores / self.unit)
            self.is_spelt[some] = True  # only now: other threads may ask meanwhile

    @property
    def _width(self) -> int:
        return max(-(-len(self.columns) // _LANES), 1) * _LANES


def _aligned(make: Callable[..., Integers], rows: int, width: int) -> Integers:
    """Return an array (rows, width) as `make` does, the first row beginning where a processor's line of memory does.

    What lies on two lines takes twice the time to be fetched.
    """
    room = make(rows * width + _LINE, dtype=np.int16)
    first = -room.ctypes.data % (_LINE * room.itemsize) // room.itemsize
    return room[first : first + rows * width].reshape(rows, width)


def _placed(model: NgramConfig, characters: Floats, codes: Floats | None) -> Floats:
    if codes is None:
        return characters
    return characters * codes if model.combine is Combine.multiply else characters + codes


def _most(model: NgramConfig, characters: Floats, codes: Floats | None, head: Floats) -> float:
    """Return what no character says more than, at any place."""
    most = np.abs(characters).max(axis=0, initial=0)
    if codes is not None:
        most = _placed(model, most, np.abs(codes).max(axis=0, initial=0))
    return float((np.abs(head) @ most).max(initial=0))
