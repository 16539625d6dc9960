"""The weights of a memory, fitted to titles that it does not hold and to noisy copies of those that it does."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax

from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.choices import Task
from titleclf.runtime.memory.memory import WEIGHTS, Memory, evidence_weight, tag_evidence

_RIDGE = 1e-3  # keeps the weights finite where all neighbours are right
LOG_TEMPERATURES = (np.log(0.05), np.log(20))
_WEIGHT_BOUNDS = [(None, None), (0, None)]  # similarity never counts against a neighbour


class Sample(NamedTuple):
    """Titles to fit a memory to, with the network's logits (titles, categories).

    Targets are labels (titles,), or tags (titles, categories).
    """

    titles: Sequence[str]
    logits: Floats
    targets: Labels | Bools
    weight: float  # of these titles' mean loss, beside the other samples


class _Joined(NamedTuple):
    """All samples as one: places and similarity of neighbours, logits, targets, and each title's part of the loss."""

    places: Labels
    similarity: Floats
    logits: Floats
    targets: Labels | Bools
    parts: Floats


def fit_memory(memory: Memory, samples: Sequence[Sample]) -> None:
    """Set the weights to those that make the samples' targets likeliest.

    The temperature (and shift) fitted along with them is then discarded.
    """
    joined = _join(memory, samples)
    memory.weights = _fit_labels(memory, joined) if memory.targets.ndim == 1 else _fit_tags(memory, joined)


def _fit_labels(memory: Memory, joined: _Joined) -> Floats:
    places, similarity, logits, labels, parts = joined
    every, rows = np.arange(len(labels)), np.flatnonzero(places >= 0)
    columns, features = memory.targets[places[rows]], _features(similarity[rows])
    size = WEIGHTS[Task.single]

    def loss(values: Floats) -> tuple[float, Floats]:
        weights, temperature = values[:size], np.exp(values[size])
        raised = logits.copy()
        raised[rows, columns] += evidence_weight(similarity[rows], weights)
        raised /= temperature
        value = -log_softmax(raised, axis=1)[every, labels] @ parts
        slopes = softmax(raised, axis=1)  # (titles, categories): of the loss by the raised logits
        slopes[every, labels] -= 1
        slopes *= parts[:, None]
        by_weights = (slopes[rows, columns] * expit(features @ weights)) @ features / temperature
        gradient = np.append(by_weights + 2 * _RIDGE * weights, -(slopes * raised).sum())
        return value + _RIDGE * weights @ weights, gradient

    bounds = [*_WEIGHT_BOUNDS, LOG_TEMPERATURES]
    weights: Floats = minimize(loss, np.zeros(size + 1), method="L-BFGS-B", jac=True, bounds=bounds).x[:size]
    return weights


def _fit_tags(memory: Memory, joined: _Joined) -> Floats:
    places, similarity, logits, tags, parts = joined
    rows = np.flatnonzero(places >= 0)
    neighbours, similarities = memory.targets[places[rows]].astype(np.bool_), similarity[rows]
    features = _features(similarities)
    size = WEIGHTS[Task.multilabel]

    def loss(values: Floats) -> tuple[float, Floats]:
        weights, temperature, shift = values[:size], np.exp(values[size]), values[size + 1]
        raised = logits.copy()
        raised[rows] += tag_evidence(neighbours, similarities, weights)
        tempered = raised / temperature + shift
        value = parts @ np.logaddexp(0, np.where(tags, -tempered, tempered)).sum(axis=1)
        slopes = (expit(tempered) - tags) * parts[:, None]  # (titles, categories): of the loss
        towards = (slopes[rows] * neighbours).sum(axis=1) * expit(features @ weights[:2])
        away = -(slopes[rows] * ~neighbours).sum(axis=1) * expit(features @ weights[2:])
        by_weights = np.concatenate([towards @ features, away @ features]) / temperature
        by_temperature = -(slopes * raised).sum() / temperature
        gradient = np.array([*(by_weights + 2 * _RIDGE * weights), by_temperature, slopes.sum()])
        return value + _RIDGE * weights @ weights, gradient

    bounds = [*_WEIGHT_BOUNDS * 2, LOG_TEMPERATURES, (-5, 5)]
    weights: Floats = minimize(loss, np.zeros(size + 2), method="L-BFGS-B", jac=True, bounds=bounds).x[:size]
    return weights


def _join(memory: Memory, samples: Sequence[Sample]) -> _Joined:
    neighbours = [memory.known.nearest(sample.titles) for sample in samples]
    sizes = [len(sample.titles) for sample in samples]
    parts = [sample.weight / max(1, size) for sample, size in zip(samples, sizes, strict=True)]
    return _Joined(
        places=np.concatenate([nearest.places for nearest in neighbours]),
        similarity=np.concatenate([nearest.similarity for nearest in neighbours]),
        logits=np.concatenate([sample.logits for sample in samples]).astype(np.float64),
        targets=np.concatenate([sample.targets for sample in samples]),
        parts=np.repeat(parts, sizes),
    )


def _features(similarity: Floats) -> Floats:
    """Return what a neighbour's weight depends on (titles, 2): a constant, and its similarity (titles,)."""
    return np.stack([np.ones_like(similarity), similarity], axis=1)
