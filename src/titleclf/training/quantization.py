"""Weights quantized to small integers with one scale per column; the network then computes with exactly these."""

from collections.abc import Mapping

import torch
from torch import Tensor

from titleclf.runtime.bundle.packing import NIBBLE, SCALE, TABLE
from titleclf.runtime.errors import InputError
from titleclf.training.network import Ngram, TorchNetwork

_BYTE = 127  # the largest integer of int8
_NIBBLE_STDS = 2.5  # clips the largest weights, for which 15 levels are too few


def quantize_table(network: TorchNetwork) -> None:
    """Quantize the n-gram table, if there is one that is not frozen, to values that `pack` preserves bit for bit.

    Raises
    ------
    InputError
        If training left a weight that is not finite.
    """
    if isinstance(network.encoder, Ngram) and network.encoder.ngrams.weight.requires_grad:
        quantize_weights(network.encoder.ngrams.weight)


def quantize_weights(weights: Tensor, *, to_nibbles: bool = False) -> None:
    """Quantize a table (rows, dim) to values that `packed` preserves bit for bit; `to_nibbles` halves their size.

    Raises
    ------
    InputError
        If training left a weight that is not finite.
    """
    table = weights.detach()
    if not table.isfinite().all():
        raise InputError("training must leave finite weights. Got others. Train with a smaller optim.lr.")
    largest = table.abs().amax(dim=0)
    if to_nibbles and _exact(table, largest, NIBBLE) is None:  # quantized weights must not be clipped again
        largest = torch.minimum(largest, _NIBBLE_STDS * table.square().mean(dim=0).sqrt())
    table.copy_(_floats(*_quantized(table, largest, NIBBLE if to_nibbles else _BYTE)))


def packed(table: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return a quantized table as int8 (rows, dim) or uint8 (rows, half of dim) and scale (dim,).

    None if these would not preserve it bit for bit.
    """
    for max_integer in (NIBBLE, _BYTE):
        if (exact := _exact(table, table.abs().amax(dim=0), max_integer)) is not None:
            integers, scale = exact
            return (_paired(integers) if max_integer == NIBBLE else integers), scale
    return None


def pack(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with a quantized table as integers and scale (dim,), and all others unchanged."""
    if TABLE in tensors and (quantized := packed(tensors[TABLE])) is not None:
        return {**tensors, TABLE: quantized[0], SCALE: quantized[1]}
    return dict(tensors)


def _quantized(table: Tensor, largest: Tensor, max_integer: int) -> tuple[Tensor, Tensor]:
    # A bfloat16 scale has 8 significant bits and an integer 7, so their products are exact floats: the largest weight
    # of a quantized column, divided by `max_integer`, is its scale again, and quantizing twice changes nothing.
    scale = (largest / max_integer).bfloat16().float()
    scale = torch.where(scale < torch.finfo(torch.float32).tiny, 1.0, scale)  # a column of zeros
    return (table / scale).round().clamp(-max_integer, max_integer).to(torch.int8), scale


def _exact(table: Tensor, largest: Tensor, max_integer: int) -> tuple[Tensor, Tensor] | None:
    integers, scale = _quantized(table, largest, max_integer)
    return (integers, scale) if torch.equal(_floats(integers, scale), table) else None


def _floats(integers: Tensor, scale: Tensor) -> Tensor:
    return integers.float() * scale


def _paired(integers: Tensor) -> Tensor:
    nibbles = torch.nn.functional.pad(integers + NIBBLE, (0, integers.shape[1] % 2)).to(torch.uint8)
    return nibbles[:, 0::2] * 16 + nibbles[:, 1::2]
