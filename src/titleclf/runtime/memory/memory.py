"""A memory of known titles beside the network: a title that resembles one leans towards its category."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from titleclf.runtime.arrays import Floats, Labels
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

WEIGHTS = 2  # of what a neighbour says: a constant, and its likeness
_RIDGE = 1e-3


@dataclass
class Memory(Known):
    """Known titles with the numbers of their categories.

    The logit of the category of a title's neighbour is raised by softplus(weights . (1, likeness)): never by less than
    nothing, and never by more than an exact hit is worth.
    """

    labels: Labels  # (keys,)
    weights: Floats  # (WEIGHTS,)

    @classmethod
    def from_titles(cls, kind: MemoryKind, titles: Sequence[str], labels: Labels) -> "Memory":
        """Remember each title with the commonest of its labels (titles,), of equally common ones the first."""
        counts: defaultdict[str, Counter[int]] = defaultdict(Counter)
        for title, label in zip(titles, labels.tolist(), strict=True):
            counts[key_of(title)][label] += 1
        keys = sorted(counts)
        commonest = [counts[key].most_common(1)[0][0] for key in keys]
        return cls(kind, keys, np.array(commonest, dtype=np.int64), np.zeros(WEIGHTS))

    def evidence(self, titles: Sequence[str], categories: int) -> Floats:
        """Return what the memory adds to logits (titles, categories): at most one number above 0 a title."""
        return self.lean(np.zeros((len(titles), categories), dtype=np.float32), titles)

    def lean(self, logits: Floats, titles: Sequence[str]) -> Floats:
        """Return logits (titles, categories), in place, with the evidence."""
        near = self.near(titles)
        if len(near.rows):
            logits[near.rows, self.labels[near.places]] += strength(near.likeness, self.weights).astype(np.float32)
        return logits

    def fit(self, samples: Sequence[Sample]) -> None:
        """Set the weights to those that make the samples' labels likeliest, at a temperature that is then forgotten.

        A ridge keeps them finite where all neighbours are right, and a bound lets likeness never count against one.
        """
        # Imported here: they take 30 MB, and who predicts fits nothing.
        from scipy.optimize import minimize
        from scipy.special import expit, log_softmax, softmax

        places, likeness, logits, labels, shares = self.gather(samples)
        every, rows = np.arange(len(labels)), np.flatnonzero(places >= 0)
        columns, features = self.labels[places[rows]], features_of(likeness[rows])

        def loss(values: Floats) -> tuple[float, Floats]:
            weights, temperature = values[:WEIGHTS], np.exp(values[WEIGHTS])
            raised = logits.copy()
            raised[rows, columns] += strength(likeness[rows], weights)
            raised /= temperature
            lost = -log_softmax(raised, axis=1)[every, labels] @ shares
            slopes = softmax(raised, axis=1)  # (titles, categories): of the loss by the raised logits
            slopes[every, labels] -= 1
            slopes *= shares[:, None]
            by_weights = (slopes[rows, columns] * expit(features @ weights)) @ features / temperature
            gradient = np.append(by_weights + 2 * _RIDGE * weights, -(slopes * raised).sum())
            return lost + _RIDGE * weights @ weights, gradient

        bounds = [(None, None), (0, None), (np.log(0.05), np.log(20))]
        self.weights = minimize(loss, np.zeros(WEIGHTS + 1), method="L-BFGS-B", jac=True, bounds=bounds).x[:WEIGHTS]

    def settings(self) -> MemorySettings:
        """Return what belongs into a bundle's configuration; the rest is `to_bytes`."""
        return MemorySettings(self.kind, self.weights.tolist())

    def to_bytes(self, categories: list[str]) -> bytes:
        """Return the titles and the names of their categories as gzipped JSON lines, the same bytes each time."""
        known = zip(self.keys, self.labels.tolist(), strict=True)
        return to_lines({"title": key, "category": categories[label]} for key, label in known)

    @classmethod
    def from_bytes(cls, content: bytes, settings: Any, categories: list[str], file: str, config: str) -> "Memory":
        """Read what `to_bytes` and `settings` wrote; `file` and `config` name their origins in errors.

        Raises
        ------
        InputError
            If they are damaged, or don't belong to a model of `categories`.
        """
        found = settings_from(settings, WEIGHTS, config)
        keys, names = _read(content, file)
        check_categories(set(names), categories, file)
        numbers = {category: number for number, category in enumerate(categories)}
        labels = np.array([numbers[name] for name in names], dtype=np.int64)
        return cls(found.kind, keys, labels, np.array(found.weights))


def _read(content: bytes, file: str) -> tuple[list[str], list[str]]:
    rows = from_lines(content, file)
    keys = [row["title"] for row in rows] if all(map(_is_known, rows)) else []
    if not are_sorted(keys):
        raise InputError(f"{file} must hold sorted titles with their categories. Train or copy it again.")
    return keys, [row["category"] for row in rows]


def _is_known(row: Any) -> bool:
    return type(row) is dict and len(row) == 2 and type(row.get("title")) is type(row.get("category")) is str
