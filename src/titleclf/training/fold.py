"""Folding a linear n-gram model: table and head become one table of scores in eight bits."""

from collections.abc import Mapping

import numpy as np

from titleclf.runtime.architecture import ModelConfig, NgramConfig
from titleclf.runtime.arrays import Floats
from titleclf.runtime.bundle.folding import (
    BYTE,
    CHARACTERS,
    COARSE,
    FIELDS,
    HEAD,
    LEVELS,
    POWER,
    SCALES,
    SCORES,
    USED,
    is_nonzero,
)
from titleclf.runtime.bundle.packing import TABLE, Array, unpack
from titleclf.runtime.choices import Task

# The largest scores are several times those of most rows: a scale of their own halves the rounding error of the rest.
_FINE = 0.95


def why_not(model: ModelConfig) -> str | None:
    """Return why a model can't be folded, None if it can."""
    if not isinstance(model, NgramConfig):
        return f"{model.kind} has no n-grams"
    return "its head has a hidden layer" if model.hidden else None


def fold(weights: Mapping[str, Array], task: Task) -> dict[str, Array]:
    """Return the weights of a model folded; `why_not` must be None for it."""
    weights = unpack(weights)
    table, head = weights.pop(TABLE), weights[HEAD]
    if task is Task.single:
        head = head - head[_reference(table @ head.T)]
    scores = table @ head[is_nonzero(head)].T  # (buckets, columns)
    used = scores.any(axis=1)
    field_scores = {name: weights.pop(table) @ head.T for table, name in FIELDS.items() if table in weights}
    return {
        **weights,
        **field_scores,
        # Half precision keeps three digits; a score has two.
        CHARACTERS: weights[CHARACTERS].astype(np.float16),
        HEAD: head,
        **_quantized(scores[used]),
        **({} if used.all() else {USED: np.packbits(used)}),
    }


def _reference(scores: Floats) -> int:
    # The category that varies least around the mean of all gives the smallest differences.
    return int((scores - scores.mean(axis=1, keepdims=True)).std(axis=0).argmin())


def _quantized(scores: Floats) -> dict[str, Array]:
    sizes = np.abs(scores).max(axis=1, initial=0)
    coarse = sizes > (np.quantile(sizes, _FINE) if len(sizes) else 0)
    scales = np.stack([np.abs(scores[rows]).max(axis=0, initial=0) for rows in (~coarse, coarse)]) / LEVELS[BYTE]
    scales[scales == 0] = 1
    levels = scores / scales[coarse.astype(np.int64)]
    codes = np.copysign(np.rint(np.abs(levels) ** (1 / POWER)), levels).astype(np.int8)
    return {SCORES: codes, SCALES: scales.astype(np.float32), COARSE: np.packbits(coarse)}
