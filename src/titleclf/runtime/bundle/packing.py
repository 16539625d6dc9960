"""Packed n-gram tables: integers with one scale per column. `training.quantization` writes them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from titleclf.runtime.arrays import Floats
from titleclf.runtime.errors import InputError

TABLE, SCALE = "encoder.ngrams.weight", "encoder.ngrams.scale"
NIBBLE = 7  # the largest integer in four bits; a uint8 holds two

Array = npt.NDArray[Any]


def unpack(weights: Mapping[str, Array]) -> dict[str, Array]:
    """Return the weights with a packed table as floats; the inverse of `quantization.pack`."""
    if not is_packed(weights):
        return dict(weights)
    others = {name: array for name, array in weights.items() if name != SCALE}
    return others | {TABLE: unpacked(weights[TABLE], weights[SCALE])}


def unpacked(integers: Array, scale: Floats) -> Floats:
    """Return the table (rows, dim) that `quantization.packed` took."""
    table: Floats = signed(integers, len(scale)) * scale
    return table


def signed(integers: Array, columns: int) -> npt.NDArray[np.int8]:
    """Return rows of a packed table as integers (rows, columns) that still lack their scale."""
    if integers.dtype != np.uint8:
        return integers
    both = np.stack([integers >> 4, integers & 15], axis=2)  # (rows, half of columns, 2)
    return both.reshape(len(integers), -1)[:, :columns].astype(np.int8) - np.int8(NIBBLE)


def is_packed(weights: Mapping[str, Array]) -> bool:
    """Return whether the n-gram table is packed."""
    return TABLE in weights and not np.issubdtype(weights[TABLE].dtype, np.floating)


def check_packing(weights: Mapping[str, Array], where: str) -> None:
    """Refuse a packed table whose scale does not fit it; `where` names its origin.

    Raises
    ------
    InputError
        If `unpack` can't read it.
    """
    if not is_packed(weights):
        return
    table, scale = weights[TABLE], weights.get(SCALE)
    if scale is None or not fits(table, scale):
        raise InputError(
            f"{where} must hold the tensors that its configuration describes. Got {SCALE} of shape "
            f"{None if scale is None else scale.shape} for {table.shape}. Train or copy it again."
        )
    if (fault := damage(TABLE, table, SCALE, scale)) is not None:
        raise InputError(
            f"{where} must hold a table of int8 or uint8 and scales above 0. Got {fault}. Train or copy it again."
        )


def fits(integers: Array, scale: Array) -> bool:
    """Return whether `unpacked` can read them."""
    if scale.ndim != 1 or integers.ndim != 2:
        return False
    columns = (len(scale) + 1) // 2 if integers.dtype == np.uint8 else len(scale)
    return integers.shape == (len(integers), columns)


def damage(name: str, integers: Array, scale_name: str, scale: Array) -> str | None:
    """Return what `quantization.packed` can't have written, for an error; None if all is well."""
    wrong = scale[~(np.isfinite(scale) & (scale > 0))]
    if len(wrong):
        return f"{scale_name} {wrong[0]:g}"
    return None if integers.dtype in (np.int8, np.uint8) else f"{name} of {integers.dtype}"
