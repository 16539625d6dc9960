"""A linear n-gram model folded: what each n-gram says of each category in eight bits, in place of vectors and a head.

Logits of such a model are sums of what its features say, so that table and head can be multiplied before any title is
seen. Only differences of logits count where a title has one category: all say how much more they are for one than for
a reference, which takes no column itself. A fold rounds; `export` checks what that costs.
"""

from collections.abc import Mapping

import numpy as np

from titleclf.runtime.architecture import ModelConfig, NgramConfig
from titleclf.runtime.arrays import Floats
from titleclf.runtime.bundle.folding import (
    _BYTE,
    _POWER,
    CHARACTERS,
    COARSE,
    CONTEXTS,
    HEAD,
    LEVELS,
    SCALES,
    SCORES,
    USED,
    says_something,
)
from titleclf.runtime.bundle.packing import TABLE, Array, unpack
from titleclf.runtime.choices import Task

# The largest scores are several times those of most rows: a scale of their own halves what these lose once more.
_FINE = 0.95


def why_not(model: ModelConfig) -> str | None:
    """Return why a model can't be folded, None if it can."""
    if not isinstance(model, NgramConfig):
        return f"{model.kind} has no n-grams"
    return "its head has a hidden layer" if model.hidden else None


def fold(weights: Mapping[str, Array], task: Task) -> dict[str, Array]:
    """Return a model's weights folded; only of one that `why_not` has nothing against."""
    weights = unpack(weights)
    table, head = weights.pop(TABLE), weights[HEAD]
    if task is Task.single:
        head = head - head[_reference(table @ head.T)]
    scores = table @ head[says_something(head)].T  # (buckets, columns)
    used = scores.any(axis=1)
    of_contexts = {name: weights.pop(table) @ head.T for table, name in CONTEXTS.items() if table in weights}
    return {
        **weights,
        **of_contexts,
        # Half as exact as it was: three digits, where a score has two.
        CHARACTERS: weights[CHARACTERS].astype(np.float16),
        HEAD: head,
        **_quantised(scores[used]),
        **({} if used.all() else {USED: np.packbits(used)}),
    }


def _reference(scores: Floats) -> int:
    # The category that varies least about the mean of all makes the smallest differences.
    return int((scores - scores.mean(axis=1, keepdims=True)).std(axis=0).argmin())


def _quantised(scores: Floats) -> dict[str, Array]:
    sizes = np.abs(scores).max(axis=1, initial=0)
    coarse = sizes > (np.quantile(sizes, _FINE) if len(sizes) else 0)
    scales = np.stack([np.abs(scores[rows]).max(axis=0, initial=0) for rows in (~coarse, coarse)]) / LEVELS[_BYTE]
    scales[scales == 0] = 1
    levels = scores / scales[coarse.astype(np.int64)]
    codes = np.copysign(np.rint(np.abs(levels) ** (1 / _POWER)), levels).astype(np.int8)
    return {SCORES: codes, SCALES: scales.astype(np.float32), COARSE: np.packbits(coarse)}
