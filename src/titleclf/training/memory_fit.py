"""Fitting the weights of a memory, to titles that it doesn't hold and to noisy copies of those that it does."""

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
    weight: float  # of these titles' mean loss, relative to the other samples


class _Pooled(NamedTuple):
    """All samples as one: places and similarity of neighbours, logits, targets, and each title's weight in the loss."""

    places: Labels
    similarity: Floats
    logits: Floats
    targets: Labels | Bools
    title_weights: Floats


def fit_memory(memory: Memory, samples: Sequence[Sample]) -> None:
    """Set the weights that maximize the likelihood of the samples' targets.

    The temperature (and shift) fitted along with them is then discarded.
    """
    pooled = _pool(memory, samples)
    memory.weights = _fit_labels(memory, pooled) if memory.targets.ndim == 1 else _fit_tags(memory, pooled)


def _fit_labels(memory: Memory, pooled: _Pooled) -> Floats:
    places, similarity, logits, labels, title_weights = pooled
    titles, rows = np.arange(len(labels)), np.flatnonzero(places >= 0)
    columns, features = memory.targets[places[rows]], _features(similarity[rows])
    size = WEIGHTS[Task.single]

    def loss(values: Floats) -> tuple[float, Floats]:
        weights, temperature = values[:size], np.exp(values[size])
        raised = logits.copy()
        raised[rows, columns] += evidence_weight(similarity[rows], weights)
        raised /= temperature
        value = -log_softmax(raised, axis=1)[titles, labels] @ title_weights
        by_logits = softmax(raised, axis=1)  # (titles, categories): derivatives of the loss by the raised logits
        by_logits[titles, labels] -= 1
        by_logits *= title_weights[:, None]
        by_weights = (by_logits[rows, columns] * expit(features @ weights)) @ features / temperature
        gradient = np.append(by_weights + 2 * _RIDGE * weights, -(by_logits * raised).sum())
        return value + _RIDGE * weights @ weights, gradient

    bounds = [*_WEIGHT_BOUNDS, LOG_TEMPERATURES]
    weights: Floats = minimize(loss, np.zeros(size + 1), method="L-BFGS-B", jac=True, bounds=bounds).x[:size]
    return weights


def _fit_tags(memory: Memory, pooled: _Pooled) -> Floats:
    places, similarity, logits, tags, title_weights = pooled
    rows = np.flatnonzero(places >= 0)
    neighbours, similarities = memory.targets[places[rows]].astype(np.bool_), similarity[rows]
    features = _features(similarities)
    size = WEIGHTS[Task.multilabel]

    def loss(values: Floats) -> tuple[float, Floats]:
        weights, temperature, shift = values[:size], np.exp(values[size]), values[size + 1]
        raised = logits.copy()
        raised[rows] += tag_evidence(neighbours, similarities, weights)
        tempered = raised / temperature + shift
        value = title_weights @ np.logaddexp(0, np.where(tags, -tempered, tempered)).sum(axis=1)
        by_logits = (expit(tempered) - tags) * title_weights[:, None]  # (titles, categories): derivatives of the loss
        raising = (by_logits[rows] * neighbours).sum(axis=1) * expit(features @ weights[:2])
        lowering = -(by_logits[rows] * ~neighbours).sum(axis=1) * expit(features @ weights[2:])
        by_weights = np.concatenate([raising @ features, lowering @ features]) / temperature
        by_temperature = -(by_logits * raised).sum() / temperature
        gradient = np.array([*(by_weights + 2 * _RIDGE * weights), by_temperature, by_logits.sum()])
        return value + _RIDGE * weights @ weights, gradient

    bounds = [*_WEIGHT_BOUNDS * 2, LOG_TEMPERATURES, (-5, 5)]
    weights: Floats = minimize(loss, np.zeros(size + 2), method="L-BFGS-B", jac=True, bounds=bounds).x[:size]
    return weights


def _pool(memory: Memory, samples: Sequence[Sample]) -> _Pooled:
    neighbours = [memory.known.nearest(sample.titles) for sample in samples]
    sizes = [len(sample.titles) for sample in samples]
    title_weights = [sample.weight / max(1, size) for sample, size in zip(samples, sizes, strict=True)]
    return _Pooled(
        places=np.concatenate([nearest.places for nearest in neighbours]),
        similarity=np.concatenate([nearest.similarity for nearest in neighbours]),
        logits=np.concatenate([sample.logits for sample in samples]).astype(np.float64),
        targets=np.concatenate([sample.targets for sample in samples]),
        title_weights=np.repeat(title_weights, sizes),
    )


def _features(similarity: Floats) -> Floats:
    """Return the features of a neighbour's weight (titles, 2): a constant, and its similarity (titles,)."""
    return np.stack([np.ones_like(similarity), similarity], axis=1)
