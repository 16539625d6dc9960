"""The evidence of all showings of a title on a channel, pooled, so that they get the same genre."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from titleclf.epg.xmltv import Showing
from titleclf.runtime.arrays import Bools, Floats, Labels


class Pooled(NamedTuple):
    """The mean logits (showings, outputs), and which showings (showings,) had any field."""

    logits: Floats
    has_fields: Bools


@dataclass
class Pool:
    """Sums of a model's logits by title and channel; a mean of logits is a geometric mean of probabilities."""

    outputs: int
    _rows: dict[Showing, int] = field(default_factory=dict)
    _sums: Floats = field(init=False)
    _counts: Labels = field(init=False)
    _has_fields: Bools = field(init=False)

    def __post_init__(self) -> None:
        """Begin with room for a few."""
        self._sums = np.zeros((1024, self.outputs), dtype=np.float32)
        self._counts = np.zeros(1024, dtype=np.int64)
        self._has_fields = np.zeros(1024, dtype=np.bool_)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Showing]:
        return iter(self._rows)

    def __contains__(self, showing: Showing) -> bool:
        return showing in self._rows

    def add(self, showings: Sequence[Showing], logits: Floats, has_fields: Bools) -> None:
        """Add the logits (showings, outputs) of programmes."""
        rows = np.array([self._rows.setdefault(showing, len(self._rows)) for showing in showings], dtype=np.int64)
        if (missing := len(self._rows) - len(self._counts)) > 0:
            self._grow(max(missing, len(self._counts)))
        np.add.at(self._sums, rows, logits)
        np.add.at(self._counts, rows, 1)
        np.logical_or.at(self._has_fields, rows, has_fields)

    def means(self, showings: Sequence[Showing]) -> Pooled:
        """Return what was pooled for showings that were added."""
        rows = np.array([self._rows[showing] for showing in showings], dtype=np.int64)
        means: Floats = np.divide(self._sums[rows], self._counts[rows, None], dtype=np.float32)
        return Pooled(means, self._has_fields[rows])

    def _grow(self, rows: int) -> None:
        self._sums = np.concatenate([self._sums, np.zeros((rows, self.outputs), dtype=np.float32)])
        self._counts, self._has_fields = np.pad(self._counts, (0, rows)), np.pad(self._has_fields, (0, rows))
