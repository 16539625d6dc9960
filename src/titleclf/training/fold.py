"""Folding a linear n-gram model: table and head become one table of scores in eight bits."""

from collections.abc import Mapping

import numpy as np

from titleclf.runtime.architecture import ModelConfig, NgramConfig
from titleclf.runtime.arrays import Floats
from titleclf.runtime.bundle.folding import (
    BYTE,
    CHARACTERS,
    COARSE,
    HEAD,
    LEVELS,
    NGRAMS,
    SCALES,
    SCORES,
    USED,
    field_prefix,
    field_table,
    is_nonzero,
)
from titleclf.runtime.bundle.packing import TABLE, Array, unpack
from titleclf.runtime.choices import Field, Task

# The largest scores are several times those of most rows: a scale of their own halves the rounding error of the rest.
_FINE = 0.95
_MIDDLES = (LEVELS[:BYTE] + LEVELS[1 : BYTE + 1]) / 2  # between the levels that are not negative: the nearer is taken


def why_not(model: ModelConfig) -> str | None:
    """Return why a model can't be folded, None if it can."""
    if not isinstance(model, NgramConfig):
        return f"{model.kind} has no n-grams"
    return "its head has a hidden layer" if model.hidden else None


def fold(weights: Mapping[str, Array], task: Task, kinds: int) -> dict[str, Array]:
    """Return the weights of a model folded; `why_not` must be None for it. Its last outputs are kinds."""
    weights = unpack(weights)
    head = weights[HEAD].copy()
    of_categories, of_kinds = np.split(head, [len(head) - kinds])  # views
    if task is Task.single:
        of_categories -= of_categories[_reference(weights[TABLE] @ of_categories.T)]
    if kinds:
        of_kinds -= of_kinds[_reference(weights[TABLE] @ of_kinds.T)]
    columns = head[is_nonzero(head)]
    tables = {TABLE: NGRAMS, **{field_table(name): field_prefix(name) for name in Field}}
    folded = {
        f"{prefix}{part}": array
        for name, prefix in tables.items()
        if name in weights
        for part, array in _quantized(weights.pop(name) @ columns.T).items()
    }
    # Half precision keeps three digits; a score has two.
    return {**weights, CHARACTERS: weights[CHARACTERS].astype(np.float16), HEAD: head, **folded}


def _reference(scores: Floats) -> int:
    # The category that varies least around the mean of all gives the smallest differences.
    return int((scores - scores.mean(axis=1, keepdims=True)).std(axis=0).argmin())


def _quantized(scores: Floats) -> dict[str, Array]:
    """Return the parts of a folded table for scores (buckets, columns); rows of zeros are left out."""
    used = scores.any(axis=1)
    scores = scores[used]
    sizes = np.abs(scores).max(axis=1, initial=0)
    coarse = sizes > (np.quantile(sizes, _FINE) if len(sizes) else 0)
    scales = np.stack([np.abs(scores[rows]).max(axis=0, initial=0) for rows in (~coarse, coarse)]) / LEVELS[BYTE]
    scales[scales == 0] = scales.max(initial=0) or 1  # not above the others: the largest sets the unit of all
    levels = scores / scales[coarse.astype(np.int64)]
    codes = np.copysign(np.searchsorted(_MIDDLES, np.abs(levels)), levels).astype(np.int8)
    parts = {SCORES: codes, SCALES: scales.astype(np.float32), COARSE: np.packbits(coarse)}
    return parts if used.all() else {**parts, USED: np.packbits(used)}
