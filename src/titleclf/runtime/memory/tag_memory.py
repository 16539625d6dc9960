"""A memory of known titles with tags: a title that resembles one leans towards its tags, and away from others."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from titleclf.runtime.arrays import Bools, Floats
from titleclf.runtime.choices import MemoryKind
from titleclf.runtime.errors import InputError
from titleclf.runtime.memory.known_titles import (
    Known,
    MemorySettings,
    Sample,
    are_sorted,
    check_categories,
    features_of,
    from_lines,
    settings_from,
    strength,
    to_lines,
)
from titleclf.runtime.text.title_keys import key_of

WEIGHTS = 4  # of what a neighbour says for its tags, and against others: a constant, and its likeness, for each
_RIDGE = 1e-3


@dataclass
class TagMemory(Known):
    """Known titles with their tags.

    The logits of the tags of a title's neighbour are raised by softplus(weights[:2] . (1, likeness)), those of all
    others are lowered by softplus(weights[2:] . (1, likeness)).
    """

    tags: Bools  # (keys, categories)
    weights: Floats  # (WEIGHTS,)

    @classmethod
    def from_titles(cls, kind: MemoryKind, titles: Sequence[str], tags: Bools) -> "TagMemory":
        """Remember each title with the commonest of its sets of tags (titles, categories), of equals the first."""
        counts: defaultdict[str, Counter[tuple[bool, ...]]] = defaultdict(Counter)
        for title, row in zip(titles, tags.tolist(), strict=True):
            counts[key_of(title)][tuple(row)] += 1
        keys = sorted(counts)
        commonest = [counts[key].most_common(1)[0][0] for key in keys]
        return cls(kind, keys, np.array(commonest, dtype=np.bool_), np.zeros(WEIGHTS))

    def evidence(self, titles: Sequence[str], categories: int) -> Floats:
        """Return what the memory adds to logits (titles, categories): nothing where a title has no neighbour."""
        return self.lean(np.zeros((len(titles), categories), dtype=np.float32), titles)

    def lean(self, logits: Floats, titles: Sequence[str]) -> Floats:
        """Return logits (titles, categories), in place, with the evidence."""
        near = self.near(titles)
        if len(near.rows):
            logits[near.rows] += _leaning(self.tags[near.places], near.likeness, self.weights).astype(np.float32)
        return logits

    def fit(self, samples: Sequence[Sample]) -> None:
        """Set the weights to those that make the samples' tags likeliest, at a temperature that is then forgotten.

        A ridge keeps them finite where all neighbours are right, and a bound lets likeness never count against one.
        """
        # Imported here: they take 30 MB, and who predicts fits nothing.
        from scipy.optimize import minimize
        from scipy.special import expit

        places, likeness, logits, tags, shares = self.gather(samples)
        rows = np.flatnonzero(places >= 0)
        theirs, near = self.tags[places[rows]], likeness[rows]
        features = features_of(near)

        def loss(values: Floats) -> tuple[float, Floats]:
            weights, temperature, shift = values[:WEIGHTS], np.exp(values[WEIGHTS]), values[WEIGHTS + 1]
            leaning = logits.copy()
            leaning[rows] += _leaning(theirs, near, weights)
            tempered = leaning / temperature + shift
            lost = shares @ np.logaddexp(0, np.where(tags, -tempered, tempered)).sum(axis=1)
            slopes = (expit(tempered) - tags) * shares[:, None]  # (titles, categories): of the loss
            towards = (slopes[rows] * theirs).sum(axis=1) * expit(features @ weights[:2])
            away = -(slopes[rows] * ~theirs).sum(axis=1) * expit(features @ weights[2:])
            by_weights = np.concatenate([towards @ features, away @ features]) / temperature
            by_temperature = -(slopes * leaning).sum() / temperature
            gradient = np.array([*(by_weights + 2 * _RIDGE * weights), by_temperature, slopes.sum()])
            return lost + _RIDGE * weights @ weights, gradient

        bounds = [(None, None), (0, None), (None, None), (0, None), (np.log(0.05), np.log(20)), (-5, 5)]
        self.weights = minimize(loss, np.zeros(len(bounds)), method="L-BFGS-B", jac=True, bounds=bounds).x[:WEIGHTS]

    def settings(self) -> MemorySettings:
        """Return what belongs into a bundle's configuration; the rest is `to_bytes`."""
        return MemorySettings(self.kind, self.weights.tolist())

    def to_bytes(self, categories: list[str]) -> bytes:
        """Return the titles and the names of their tags as gzipped JSON lines, the same bytes each time."""
        known = zip(self.keys, self.tags, strict=True)
        return to_lines({"title": key, "categories": np.array(categories)[tags].tolist()} for key, tags in known)

    @classmethod
    def from_bytes(cls, content: bytes, settings: Any, categories: list[str], file: str, config: str) -> "TagMemory":
        """Read what `to_bytes` and `settings` wrote; `file` and `config` name their origins in errors.

        Raises
        ------
        InputError
            If they are damaged, or don't belong to a model of `categories`.
        """
        found = settings_from(settings, WEIGHTS, config)
        rows = from_lines(content, file)
        keys = [row["title"] for row in rows] if all(map(_is_known, rows)) else []
        if not are_sorted(keys):
            raise InputError(f"{file} must hold sorted titles with lists of their categories. Train or copy it again.")
        check_categories({name for row in rows for name in row["categories"]}, categories, file)
        tags = np.array([[category in row["categories"] for category in categories] for row in rows], dtype=np.bool_)
        return cls(found.kind, keys, tags, np.array(found.weights))


def _leaning(tags: Bools, likeness: Floats, weights: Floats) -> Floats:
    towards, away = strength(likeness, weights[:2]), strength(likeness, weights[2:])
    return np.where(tags, towards[:, None], -away[:, None])


def _is_known(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and set(row) == {"title", "categories"}
        and isinstance(row["title"], str)
        and isinstance(row["categories"], list)
        and all(isinstance(name, str) for name in row["categories"])
    )
