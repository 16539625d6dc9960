"""Known titles, and which of them a title is, or resembles most; a memory adds what these are worth."""

import gzip
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from titleclf.runtime import speedups
from titleclf.runtime.architecture import from_mapping
from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.choices import MemoryKind
from titleclf.runtime.errors import InputError
from titleclf.runtime.memory.prefilter import Skeletons
from titleclf.runtime.memory.trigram_index import Index, Neighbours
from titleclf.runtime.text.title_keys import key_of

_MANY = 1000  # titles: for fewer, the skeletons of what is known take longer than keys


@dataclass
class MemorySettings:
    """What a bundle's configuration says of its memory."""

    kind: MemoryKind
    weights: list[float]


class Near(NamedTuple):
    """Titles that have a neighbour: their rows, rising, and its place among the keys, and likeness; each (near,)."""

    rows: Labels
    places: Labels
    likeness: Floats


_NONE_NEAR = Near(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))


class Sample(NamedTuple):
    """Titles to fit a memory to, with the network's logits (titles, categories).

    Targets are labels (titles,), or tags (titles, categories).
    """

    titles: Sequence[str]
    logits: Floats
    targets: Labels | Bools
    weight: float  # of the mean loss of these titles, beside the other samples


class Gathered(NamedTuple):
    """All samples as one: places and likeness of neighbours, logits and targets, and each title's share of the loss."""

    places: Labels
    likeness: Floats
    logits: Floats
    targets: Labels | Bools
    shares: Floats


@dataclass
class Known:
    """Known titles, folded by `key_of`, sorted and each once."""

    kind: MemoryKind
    keys: list[str]
    asked: int = field(default=0, init=False, compare=False)  # titles so far

    def nearest(self, titles: Sequence[str]) -> Neighbours:
        """Return the neighbour of each title; of equally similar ones the first of the keys."""
        near = self.near(titles)
        places, likeness = np.full(len(titles), -1), np.zeros(len(titles))
        places[near.rows], likeness[near.rows] = near.places, near.likeness
        return Neighbours(places, likeness)

    def near(self, titles: Sequence[str]) -> Near:
        """Return what `nearest` does, of those titles that have a neighbour."""
        if self.kind is not MemoryKind.exact:
            places, likeness = self._similar(titles)
            rows = np.flatnonzero(places >= 0)
            return Near(rows, places[rows], likeness[rows])
        if not (promising := self._promising(titles)):  # as nearly always where a title is asked alone
            return _NONE_NEAR
        found = [(row, self._places.get(key_of(titles[row]), -1)) for row in promising]
        rows, places = np.array([one for one in found if one[1] >= 0], dtype=np.int64).reshape(-1, 2).T
        return Near(rows, places, np.ones(len(rows)))

    def _promising(self, titles: Sequence[str]) -> Sequence[int]:
        """Return the places, rising, of all titles that may be known."""
        # Compiled, skeletons take less time than keys once those of what is known are made; else only of many at once.
        self.asked += len(titles)
        if (len(titles) if speedups.compiled is None else self.asked) > _MANY:
            return self._skeletons.promising(titles)
        return range(len(titles))

    def _similar(self, titles: Sequence[str]) -> Neighbours:
        keys = [key_of(title) for title in titles]
        places = np.array([self._places.get(key, -1) for key in keys], dtype=np.int64)
        likeness = (places >= 0).astype(np.float64)
        rest = np.flatnonzero(places < 0)
        if len(rest):
            # Guides repeat their titles.
            numbers = {key: number for number, key in enumerate(dict.fromkeys(keys[row] for row in rest))}
            found = self._index.nearest(list(numbers))
            again = np.array([numbers[keys[row]] for row in rest])
            places[rest], likeness[rest] = found.places[again], found.likeness[again]
        return Neighbours(places, likeness)

    def gather(self, samples: Sequence[Sample]) -> Gathered:
        """Return the samples one after the other, with the neighbours of their titles."""
        found = [self.nearest(sample.titles) for sample in samples]
        sizes = [len(sample.titles) for sample in samples]
        return Gathered(
            places=np.concatenate([one.places for one in found]),
            likeness=np.concatenate([one.likeness for one in found]),
            logits=np.concatenate([sample.logits for sample in samples]).astype(np.float64),
            targets=np.concatenate([sample.targets for sample in samples]),
            shares=np.repeat([one.weight / max(1, size) for one, size in zip(samples, sizes, strict=True)], sizes),
        )

    @cached_property
    def _places(self) -> dict[str, int]:
        return {key: place for place, key in enumerate(self.keys)}

    @cached_property
    def _skeletons(self) -> Skeletons:
        return Skeletons.of(self.keys)

    @cached_property
    def _index(self) -> Index:
        return Index.of(self.keys)


def features_of(likeness: Floats) -> Floats:
    """Return what the worth of a neighbour depends on (titles, 2): a constant, and its likeness (titles,)."""
    return np.stack([np.ones_like(likeness), likeness], axis=1)


def strength(likeness: Floats, weights: Floats) -> Floats:
    """Return softplus(weights . (1, likeness)), what a neighbour adds to a logit (titles,)."""
    added: Floats = np.logaddexp(0, weights[0] + weights[1] * likeness)
    return added


def settings_from(values: Any, weights: int, where: str) -> MemorySettings:
    """Read the settings of a memory with so many weights; `where` names their origin in errors."""
    found: MemorySettings = from_mapping(MemorySettings, values, where)
    if found.kind is MemoryKind.none:
        raise InputError(f"{where}.kind must be exact or fuzzy. Got none. Train or copy it again.")
    if len(found.weights) != weights or not np.isfinite(found.weights).all():
        raise InputError(
            f"{where}.weights must be {weights} finite numbers. Got {found.weights}. Train or copy it again."
        )
    return found


def to_lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return the rows as gzipped JSON lines, the same bytes each time."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return gzip.compress(text.encode(), mtime=0)


def from_lines(content: bytes, file: str) -> list[Any]:
    """Read what `to_lines` wrote; `file` names its origin in errors."""
    try:
        return _parsed([line for line in gzip.decompress(content).decode().split("\n") if line])
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise InputError(f"{file} must be whole gzipped JSON lines. Got: {error}. Train or copy it again.") from error


def _parsed(lines: list[str]) -> list[Any]:
    rows: list[Any] = json.loads(f"[{','.join(lines)}]")  # all at once, in a fifth of the time
    if len(rows) != len(lines):
        raise ValueError(f"{len(rows)} values in {len(lines)} lines")
    return rows


def are_sorted(keys: Sequence[str]) -> bool:
    """Tell whether there are keys, in order and each once."""
    return len(keys) > 0 and all(one < other for one, other in pairwise(keys))


def check_categories(names: set[str], categories: list[str], file: str) -> None:
    """Refuse remembered categories that the model doesn't know."""
    unknown = sorted(names - set(categories))
    if unknown:
        raise InputError(
            f"{file} must name the categories {'; '.join(categories)}. Got {'; '.join(unknown)[:200]}. "
            "Train or copy it again."
        )
