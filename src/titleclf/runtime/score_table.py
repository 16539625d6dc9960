"""A folded table of scores in eight bits, decoded to integers as far as it is used."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from titleclf.runtime import speedups
from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.bundle.familiarity import Familiarity, factors, shares_of
from titleclf.runtime.bundle.folding import COARSE, LEVELS, SCALES, SCORES, USED, bits, has_row
from titleclf.runtime.bundle.packing import Array
from titleclf.runtime.text.characters import Ids

_LANES = 8  # columns that a processor adds at once
_LARGEST = 2**15 - 64  # of int16, with room for rounding
_FEW_ROWS = 100_000  # decoding the whole table costs as much as decoding so many rows one by one
_LINE = 32  # numbers of two bytes: a line of the processor's cache
_DECODED_ROWS = 65_536  # at once: more take more memory, and no less time

Integers = npt.NDArray[np.int16]


@dataclass
class ScoreTable:
    """Scores of hashed features; they become multiples of `unit`, so small that int16 holds the sum of `most` scores.

    Sums of integers are the same to the bit, whatever the order and the size of batches. Of a text's table, the last
    column counts familiar n-grams: adding one more column takes no time.
    """

    scores: npt.NDArray[np.int8]  # (rows, columns)
    rows: npt.NDArray[np.int32]  # (buckets + 1,): the row of each bucket; a bucket without one has the row count
    steps: Floats  # (2, columns): the units of a level, in fine and in coarse rows
    coarse: Bools  # (rows,)
    unit: float
    most: int
    familiarity: Familiarity | None
    _served: int = field(default=0, init=False)  # rows so far

    @classmethod
    def of(
        cls,
        weights: Mapping[str, Array],
        prefix: str,
        buckets: int,
        most: int,
        largest: float = 0.0,
        familiarity: Familiarity | None = None,
    ) -> Self:
        """Take the tensors under `prefix`; `largest` is the largest score that is added to those of the table."""
        scores, scales, coarse = (weights[f"{prefix}{name}"] for name in (SCORES, SCALES, COARSE))
        rows = np.full(buckets + 1, len(scores), dtype=np.int32)
        rows[:-1][has_row(weights.get(f"{prefix}{USED}"), buckets)] = np.arange(len(scores))
        unit = max(float(LEVELS.max() * scales.max(initial=0)), largest) * most / _LARGEST or 1.0
        return cls(scores, rows, scales / np.float32(unit), bits(coarse, len(scores)), unit, most, familiarity)

    @property
    def width(self) -> int:
        """The columns of decoded scores: a multiple of what a processor adds at once."""
        columns = int(self.scores.shape[1]) + (self.familiarity is not None)
        return max(-(-columns // _LANES), 1) * _LANES

    @property
    def least(self) -> float:
        """The share of familiar n-grams at which a text counts in full; 0 if all do."""
        return 0.0 if self.familiarity is None else self.familiarity.least

    def factors(self, sums: npt.NDArray[np.int32], counts: Labels) -> Floats:
        """Return what turns sums (texts, width) of so many n-grams (texts,) into logits, but for their number."""
        if self.familiarity is None:
            return np.full(len(sums), self.unit)
        return self.unit * factors(shares_of(sums[:, -1].astype(np.int64), counts), self.least)

    @property
    def is_warm(self) -> bool:
        """Whether enough rows were looked up for the whole table to be worth decoding."""
        return self._served >= _FEW_ROWS

    def look_up(self, buckets: Ids, out: Integers | None = None) -> Integers:
        """Return scores (buckets, width), in `out` if that is given: reusing memory is faster than allocating it."""
        self._served += len(buckets)
        if not self.is_warm:  # decoding the whole table would take many times as long as scoring a few titles
            return self._decoded(buckets)
        return self.table.take(buckets, axis=0, out=out, mode="clip")

    def sums(self, buckets: Ids, counts: Ids) -> npt.NDArray[np.int32]:
        """Return the sums (bags, width) of the scores of bags that stand one after the other, `counts` (bags,) each."""
        if speedups.compiled is not None and (self.is_warm or "table" in vars(self)):
            summed: npt.NDArray[np.int32] = speedups.compiled.row_sums(self.table, buckets, counts, self.most)
            return summed
        sums = np.zeros((len(counts), self.width), dtype=np.int32)
        filled = np.flatnonzero(counts)
        if len(filled):
            starts = counts.cumsum() - counts
            sums[filled] = np.add.reduceat(self.look_up(buckets), starts[filled], axis=0, dtype=np.int32)
        return sums

    @cached_property
    def table(self) -> Integers:
        """The scores of all buckets (buckets + 1, width); the last row, of no bucket, is zero."""
        table = aligned(np.empty, len(self.rows), self.width)
        if speedups.compiled is not None:
            units = np.rint(LEVELS[:, None] * self.steps[:, None]).astype(np.int16)
            speedups.compiled.decode(self.scores.view(np.uint8), self.rows, self.coarse.view(np.uint8), units, table)
            if self.familiarity is not None:
                table[:-1, -1] = self.familiarity.is_familiar
            return table
        for start in range(0, len(self.rows), _DECODED_ROWS):
            buckets = np.arange(start, min(start + _DECODED_ROWS, len(self.rows)))
            table[start : start + _DECODED_ROWS] = self._decoded(buckets)
        return table

    def _decoded(self, buckets: Ids) -> Integers:
        rows = self.rows.take(buckets)
        decoded = np.zeros((len(rows), self.width), dtype=np.int16)
        (present,) = np.nonzero(rows < len(self.scores))
        rows = rows[present]
        steps = self.steps[self.coarse.take(rows).view(np.int8)]
        decoded[present, : self.scores.shape[1]] = np.rint(
            LEVELS.take(self.scores.take(rows, axis=0).view(np.uint8)) * steps
        )
        if self.familiarity is not None:
            is_familiar = self.familiarity.is_familiar
            decoded[:, -1] = is_familiar.take(buckets, mode="clip") & (buckets < len(is_familiar))
        return decoded


def aligned(make: Callable[..., Integers], rows: int, width: int) -> Integers:
    """Return an array (rows, width) from `make` whose first row begins on a line of the processor's cache.

    A row across two lines takes twice as long to fetch.
    """
    room = make(rows * width + _LINE, dtype=np.int16)
    first = -room.ctypes.data % (_LINE * room.itemsize) // room.itemsize
    return room[first : first + rows * width].reshape(rows, width)
