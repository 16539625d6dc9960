"""A small n-gram table: int8 with a scale a column, and a network that already computes with exactly these values."""

from collections.abc import Mapping

import torch
from torch import Tensor

from titleclf.errors import InputError
from titleclf.model import Network, Ngram

TABLE, SCALE = "encoder.ngrams.weight", "encoder.ngrams.scale"
_LARGEST = 127


def round_table(network: Network) -> None:
    """Round the n-gram table, if there is one and it is not frozen, to values that `pack` keeps to the bit.

    Raises
    ------
    InputError
        If training has left a weight that is not finite.
    """
    if not isinstance(network.encoder, Ngram) or not network.encoder.ngrams.weight.requires_grad:
        return
    round_weights(network.encoder.ngrams.weight)


def round_weights(weights: Tensor) -> None:
    """Round a table (rows, dim) to values that int8 and a scale a column keep to the bit."""
    table = weights.detach()
    if not table.isfinite().all():
        raise InputError("training must leave finite weights. Got others. Train with a smaller optim.lr.")
    table.copy_(floats(*_rounded(table)))


def packed(table: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return a rounded table as int8 (rows, dim) and scale (dim,); None if it would not be the same to the bit."""
    integers, scale = _rounded(table)
    return (integers, scale) if torch.equal(floats(integers, scale), table) else None


def floats(integers: Tensor, scale: Tensor) -> Tensor:
    """Return the table that `packed` took."""
    return integers.float() * scale


def pack(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with a rounded table as int8 (buckets, dim) and scale (dim,); any other stays as it is."""
    if TABLE in tensors and (found := packed(tensors[TABLE])) is not None:
        return {**tensors, TABLE: found[0], SCALE: found[1]}
    return dict(tensors)


def unpack(tensors: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """Return the tensors with the table as floats; the inverse of `pack`.

    Raises
    ------
    InputError
        If the table is packed but its scale does not fit it.
    """
    if TABLE not in tensors or tensors[TABLE].is_floating_point():
        return dict(tensors)
    table, scale = tensors[TABLE], tensors.get(SCALE)
    columns = tuple(table.shape[1:])
    if scale is None or tuple(scale.shape) != columns:
        raise InputError(
            f"{where} must hold the tensors that its configuration describes. Got {SCALE} of shape "
            f"{None if scale is None else tuple(scale.shape)} for {columns}. Train or copy it again."
        )
    wrong = scale[~(scale.isfinite() & (scale > 0))]
    if table.dtype != torch.int8 or len(wrong):
        got = f"{SCALE} {wrong[0]:g}" if len(wrong) else f"{TABLE} of {table.dtype}"
        raise InputError(f"{where} must hold an int8 table and scales above 0. Got {got}. Train or copy it again.")
    return {name: tensor for name, tensor in tensors.items() if name != SCALE} | {TABLE: floats(table, scale)}


def _rounded(table: Tensor) -> tuple[Tensor, Tensor]:
    # bfloat16 leaves a scale 8 significant bits, and an int8 has 7: their products are exact floats. So the largest
    # of a rounded column, divided by 127, is its scale again, and rounding twice changes nothing.
    scale = (table.abs().amax(dim=0) / _LARGEST).bfloat16().float()
    scale = torch.where(scale < torch.finfo(torch.float32).tiny, 1.0, scale)  # a column of zeros
    return (table / scale).round().clamp(-_LARGEST, _LARGEST).to(torch.int8), scale
