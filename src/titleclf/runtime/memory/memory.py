"""A memory of known titles beside the network: a title that resembles one gets evidence for its categories."""

import gzip
import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from titleclf.runtime.architecture import from_mapping
from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.choices import MemoryKind, Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.memory.known_titles import KnownTitles
from titleclf.runtime.text.title_keys import key_of

WEIGHTS = {Task.single: 2, Task.multilabel: 4}  # constant and slope in similarity; of tags, to raise and to lower


@dataclass
class MemorySettings:
    """The memory's section of a bundle's configuration."""

    kind: MemoryKind
    weights: list[float]


@dataclass
class Memory:
    """Known titles with their targets: category numbers (keys,), or tags (keys, categories).

    A title's neighbour raises the logit of its category by softplus(weights . (1, similarity)). With tags it raises
    the logits of its tags by softplus(weights[:2] . (1, similarity)), and lowers all others by
    softplus(weights[2:] . (1, similarity)).
    """

    known: KnownTitles
    targets: Labels | Bools
    weights: Floats

    @classmethod
    def from_titles(cls, kind: MemoryKind, titles: Sequence[str], targets: Labels | Bools) -> "Memory":
        """Remember each title with its most common target, the first on ties; the weights are not fitted yet."""
        task = Task.single if targets.ndim == 1 else Task.multilabel
        counts: defaultdict[str, Counter[Any]] = defaultdict(Counter)
        rows = targets.tolist() if task is Task.single else map(tuple, targets.tolist())
        for title, row in zip(titles, rows, strict=True):
            counts[key_of(title)][row] += 1
        keys = sorted(counts)
        most_common: Any = np.array([counts[key].most_common(1)[0][0] for key in keys], dtype=targets.dtype)
        return cls(KnownTitles(kind, keys), most_common, np.zeros(WEIGHTS[task]))

    def evidence(self, titles: Sequence[str], categories: int) -> Floats:
        """Return what the memory adds to logits (titles, categories): zeros for a title without a neighbour."""
        return self.add_evidence(np.zeros((len(titles), categories), dtype=np.float32), titles)

    def add_evidence(self, logits: Floats, titles: Sequence[str]) -> Floats:
        """Add the evidence in place to logits (titles, outputs), categories first, and return them."""
        matches = self.known.matches(titles)
        if len(matches.rows):
            targets: Any = self.targets[matches.places]
            if targets.ndim == 1:
                weight = evidence_weight(matches.similarity, self.weights)
                logits[matches.rows, targets] += weight.astype(np.float32)
            else:
                evidence = tag_evidence(targets, matches.similarity, self.weights).astype(np.float32)
                logits[matches.rows, : evidence.shape[1]] += evidence
        return logits

    def categories_of(self, place: int, categories: list[str]) -> list[str]:
        """Return the names of the categories of a known title."""
        numbers = [self.targets[place]] if self.targets.ndim == 1 else np.flatnonzero(self.targets[place])
        return [categories[number] for number in numbers]

    def settings(self) -> MemorySettings:
        """Return the part for a bundle's configuration; `to_bytes` returns the rest."""
        return MemorySettings(self.known.kind, self.weights.tolist())

    def to_bytes(self, categories: list[str]) -> bytes:
        """Return the keys and the names of their categories as gzipped JSON lines, always the same bytes."""
        if self.targets.ndim == 1:
            names: list[Any] = [categories[number] for number in self.targets.tolist()]
            rows = [{"title": key, "category": name} for key, name in zip(self.known.keys, names, strict=True)]
        else:
            names = [np.array(categories)[tags].tolist() for tags in self.targets]
            rows = [{"title": key, "categories": tags} for key, tags in zip(self.known.keys, names, strict=True)]
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return gzip.compress(text.encode(), mtime=0)

    @classmethod
    def from_bytes(
        cls, content: bytes, settings: Any, task: Task, categories: list[str], file: str, config: str
    ) -> "Memory":
        """Read what `to_bytes` and `settings` wrote; `file` and `config` name their origins in errors.

        Raises
        ------
        InputError
            If they are damaged, or belong to a model of another task or other categories.
        """
        checked = _checked_settings(settings, WEIGHTS[task], config)
        rows = _json_lines(content, file)
        is_valid, what = (_has_category, "category") if task is Task.single else (_has_categories, "list of categories")
        keys = [row["title"] for row in rows] if all(map(is_valid, rows)) else []
        if not keys or not all(low < high for low, high in pairwise(keys)):
            raise InputError(f"{file} must hold sorted titles, each with its {what}. Train or copy it again.")
        numbers = {category: number for number, category in enumerate(categories)}
        if task is Task.single:
            names = [row["category"] for row in rows]
            _check_categories(set(names), categories, file)
            targets: Labels | Bools = np.array([numbers[name] for name in names], dtype=np.int64)
        else:
            _check_categories({name for row in rows for name in row["categories"]}, categories, file)
            targets = np.zeros((len(rows), len(categories)), dtype=np.bool_)
            for place, row in enumerate(rows):
                targets[place, [numbers[name] for name in row["categories"]]] = True
        return cls(KnownTitles(checked.kind, keys), targets, np.array(checked.weights))


def evidence_weight(similarity: Floats, weights: Floats) -> Floats:
    """Return what a neighbour adds to a logit, softplus(weights . (1, similarity)) (titles,)."""
    weight: Floats = np.logaddexp(0, weights[0] + weights[1] * similarity)
    return weight


def tag_evidence(tags: Bools, similarity: Floats, weights: Floats) -> Floats:
    """Return what neighbours with these tags (titles, categories) add to logits (titles, categories)."""
    raising, lowering = evidence_weight(similarity, weights[:2]), evidence_weight(similarity, weights[2:])
    return np.where(tags, raising[:, None], -lowering[:, None])


def _checked_settings(values: Any, weights: int, where: str) -> MemorySettings:
    settings: MemorySettings = from_mapping(MemorySettings, values, where)
    if settings.kind is MemoryKind.none:
        raise InputError(f"{where}.kind must be exact or fuzzy. Got none. Train or copy it again.")
    if len(settings.weights) != weights or not np.isfinite(settings.weights).all():
        raise InputError(
            f"{where}.weights must be {weights} finite numbers. Got {settings.weights}. Train or copy it again."
        )
    return settings


def _json_lines(content: bytes, file: str) -> list[Any]:
    try:
        return _parsed([line for line in gzip.decompress(content).decode().split("\n") if line])
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise InputError(
            f"{file} must be whole gzipped JSON lines. Got: {str(error).partition(' (')[0]}. Train or copy it again."
        ) from error


def _parsed(lines: list[str]) -> list[Any]:
    rows: list[Any] = json.loads(f"[{','.join(lines)}]")  # parsing all lines at once is five times as fast
    if len(rows) != len(lines):
        raise ValueError(f"{len(rows)} values in {len(lines)} lines")
    return rows


def _check_categories(names: set[str], categories: list[str], file: str) -> None:
    unknown = sorted(names - set(categories))
    if unknown:
        raise InputError(
            f"{file} must name the categories {'; '.join(categories)}. Got {'; '.join(unknown)[:200]}. "
            "Train or copy it again."
        )


def _has_category(row: Mapping[str, Any]) -> bool:
    return type(row) is dict and len(row) == 2 and type(row.get("title")) is type(row.get("category")) is str


def _has_categories(row: Mapping[str, Any]) -> bool:
    return (
        type(row) is dict
        and set(row) == {"title", "categories"}
        and isinstance(row["title"], str)
        and isinstance(row["categories"], list)
        and all(isinstance(name, str) for name in row["categories"])
    )
