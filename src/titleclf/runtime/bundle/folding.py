"""A linear n-gram model folded: the logits of each n-gram in eight bits instead of its vector and a head.

Logits of such a model are sums over the features of a title, so the table can be multiplied by the head beforehand.
Where a title has one category, only differences of logits matter: they are stored relative to a reference category,
which then needs no column, and those of kinds relative to a kind. Folding rounds; `export` measures what that costs.
"""

from collections.abc import Mapping

import numpy as np

from titleclf.runtime.arrays import Bools, Floats
from titleclf.runtime.bundle.packing import Array
from titleclf.runtime.choices import Field
from titleclf.runtime.errors import InputError

# `LEVELS` of codes times scales are scores: `SCORES` (rows, columns) in int8, `SCALES` (2, columns) of fine and of
# coarse rows.
# Bit sets, the highest bit of a byte first: which rows are coarse, and which buckets have a row if not all have one.
SCORES, SCALES, COARSE, USED = PARTS = ("scores", "scales", "coarse", "used")
NGRAMS = "ngrams."  # the prefix of the folded n-gram table
CHARACTERS, POSITIONS = "encoder.embedding.characters.weight", "encoder.embedding.positions.table"
HEAD, BIAS = "head.weight", "head.bias"
BYTE = 127
# Most scores are small, and many are added: where levels lie closer to each other near zero, sums lose half as much.
POWER = 1.5
_MAGNITUDES = np.arange(BYTE + 2, dtype=np.float32) ** POWER
LEVELS = np.concatenate([_MAGNITUDES[:-1], -_MAGNITUDES[:0:-1]])  # by code as an unsigned byte: 0 to 127, -128 to -1


def is_folded(weights: Mapping[str, Array]) -> bool:
    """Return whether these are the weights of a folded model."""
    return f"{NGRAMS}{SCORES}" in weights


def field_prefix(name: Field) -> str:
    """Return the prefix of a field's table, folded or not."""
    return f"fields.{name}."


def field_table(name: Field) -> str:
    """Return the name of a field's table as it is trained."""
    return f"{field_prefix(name)}weight"


def folded_tables(fields: Mapping[Field, int], ngram_buckets: int) -> dict[str, int]:
    """Return the prefixes of all folded tables and their numbers of buckets."""
    return {NGRAMS: ngram_buckets, **{field_prefix(name): buckets for name, buckets in fields.items()}}


def is_nonzero(head: Floats) -> Bools:
    """Return which rows of a head (categories, dim) are not zero, and so have a column in the folded table."""
    nonzero: Bools = np.asarray(head.any(axis=1))
    return nonzero


def check_folding(weights: Mapping[str, Array], tables: Mapping[str, int], where: str) -> None:
    """Refuse scores that do not fit the rest; `tables` are the prefixes of tables and their numbers of buckets.

    Raises
    ------
    InputError
        If `fold` can't have made them; `where` names their origin.
    """
    columns = np.count_nonzero(is_nonzero(weights[HEAD]))
    for prefix, buckets in tables.items():
        scores, scales, coarse, used = (weights.get(f"{prefix}{part}") for part in PARTS)
        fault = _fault(scores, scales, coarse, used, buckets, int(columns))
        if fault:
            raise InputError(
                f"{where} must hold int8 scores of {columns} columns with their scales, for {buckets} buckets. "
                f"Got {fault}. Export or copy it again."
            )


def _fault(
    scores: Array | None, scales: Array | None, coarse: Array | None, used: Array | None, buckets: int, columns: int
) -> str | None:
    if scores is None or scales is None or coarse is None:
        return "only some of them"
    if buckets < 1:
        return "no buckets"
    bit_sets = [bit_set for bit_set in (coarse, used) if bit_set is not None]
    if scores.dtype != np.int8 or any(bit_set.dtype != np.uint8 for bit_set in bit_sets):
        return f"scores of {scores.dtype}, and bits of {', '.join(str(bit_set.dtype) for bit_set in bit_sets)}"
    if (used is not None and len(used) != -(-buckets // 8)) or len(coarse) != -(-len(scores) // 8):
        return "another number of bits"
    if scores.shape != (has_row(used, buckets).sum(), columns) or scales.shape != (2, columns):
        return f"scores of shape {scores.shape} and scales of shape {scales.shape}"
    return None if (np.isfinite(scales) & (scales > 0)).all() else "a scale that is not above 0"


def has_row(used: Array | None, buckets: int) -> Bools:
    """Return which buckets have a row of scores (buckets,)."""
    return np.ones(buckets, dtype=np.bool_) if used is None else bits(used, buckets)


def bits(packed: Array, count: int) -> Bools:
    """Return so many bits."""
    return np.unpackbits(packed, count=count).astype(np.bool_)
