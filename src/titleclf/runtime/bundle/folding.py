"""A linear n-gram model folded: the logits of each n-gram in eight bits instead of its vector and a head.

Logits of such a model are sums over the features of a title, so the table can be multiplied by the head beforehand.
Where a title has one category, only differences of logits matter: they are stored relative to a reference category,
which then needs no column. Folding rounds; `export` measures what that costs.
"""

from collections.abc import Mapping

import numpy as np

from titleclf.runtime.arrays import Bools, Floats
from titleclf.runtime.bundle.packing import TABLE, Array
from titleclf.runtime.errors import InputError

# `LEVELS` of codes times scales are scores: `SCORES` (rows, columns) in int8, `SCALES` (2, columns) of fine and of
# coarse rows.
# Bit sets, the highest bit of a byte first: which rows are coarse, and which buckets have a row if not all have one.
FOLDED = "ngrams."
SCORES, SCALES, COARSE, USED = (f"{FOLDED}{name}" for name in ("scores", "scales", "coarse", "used"))
CHARACTERS, POSITIONS = "encoder.embedding.characters.weight", "encoder.embedding.positions.table"
HEAD, BIAS = "head.weight", "head.bias"
# What channels and durations add to a title's vector, and folded (under its own name) to its logits.
FIELDS = {f"context.{name}.weight": f"context.{name}.scores" for name in ("channels", "durations")}
BYTE = 127
# Most scores are small, and many are added: where levels lie closer to each other near zero, sums lose half as much.
POWER = 1.5
_MAGNITUDES = np.arange(BYTE + 2, dtype=np.float32) ** POWER
LEVELS = np.concatenate([_MAGNITUDES[:-1], -_MAGNITUDES[:0:-1]])  # by code as an unsigned byte: 0 to 127, -128 to -1


def is_folded(weights: Mapping[str, Array]) -> bool:
    """Return whether these are the weights of a folded model."""
    return SCORES in weights


def folded_shapes(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Return the folded shapes of a model's weights, without the table, which `check_folding` checks."""
    categories = shapes[BIAS]
    return {
        FIELDS.get(name, name): (shape[0], *categories) if name in FIELDS else shape
        for name, shape in shapes.items()
        if name != TABLE
    }


def is_nonzero(head: Floats) -> Bools:
    """Return which rows of a head (categories, dim) are not zero, and so have a column in the folded table."""
    nonzero: Bools = np.asarray(head.any(axis=1))
    return nonzero


def check_folding(weights: Mapping[str, Array], buckets: int, where: str) -> None:
    """Refuse scores that do not fit the rest; `where` names their origin.

    Raises
    ------
    InputError
        If `fold` can't have made them.
    """
    scores, scales, coarse, used = (weights.get(name) for name in (SCORES, SCALES, COARSE, USED))
    columns = np.count_nonzero(is_nonzero(weights[HEAD]))
    if scores is None or scales is None or coarse is None:
        fault = "only some of them"
    elif buckets < 1:
        fault = "no buckets"
    elif scores.dtype != np.int8 or any(one.dtype != np.uint8 for one in (coarse, used) if one is not None):
        dtypes = ", ".join(str(one.dtype) for one in (coarse, used) if one is not None)
        fault = f"scores of {scores.dtype}, and bits of {dtypes}"
    elif (used is not None and len(used) != -(-buckets // 8)) or len(coarse) != -(-len(scores) // 8):
        fault = "another number of bits"
    elif scores.shape != (has_row(used, buckets).sum(), columns) or scales.shape != (2, columns):
        fault = f"scores of shape {scores.shape} and scales of shape {scales.shape}"
    elif not (np.isfinite(scales) & (scales > 0)).all():
        fault = "a scale that is not above 0"
    else:
        return
    raise InputError(
        f"{where} must hold int8 scores of {columns} columns with their scales, for {buckets} buckets. Got {fault}. "
        "Export or copy it again."
    )


def has_row(used: Array | None, buckets: int) -> Bools:
    """Return which buckets have a row of scores (buckets,)."""
    return np.ones(buckets, dtype=np.bool_) if used is None else bits(used, buckets)


def bits(packed: Array, count: int) -> Bools:
    """Return so many bits."""
    return np.unpackbits(packed, count=count).astype(np.bool_)
