"""Tables rounded to what small integers with a scale a column hold, so that a network computes with exactly these."""

from collections.abc import Mapping

import torch
from torch import Tensor

from titleclf.runtime.bundle.packing import NIBBLE, SCALE, TABLE
from titleclf.runtime.errors import InputError
from titleclf.training.network import Network, Ngram

_BYTE = 127  # the largest integer of int8
_NIBBLE_STDS = 2.5  # from zero; 15 levels are too few for the largest weights of all: what is larger is cut off


def round_table(network: Network) -> None:
    """Round the n-gram table, if there is one and it is not frozen, to values that `pack` keeps to the bit.

    Raises
    ------
    InputError
        If training has left a weight that is not finite.
    """
    if isinstance(network.encoder, Ngram) and network.encoder.ngrams.weight.requires_grad:
        round_weights(network.encoder.ngrams.weight)


def round_weights(weights: Tensor, *, to_nibbles: bool = False) -> None:
    """Round a table (rows, dim) to values that `packed` keeps to the bit; `to_nibbles` halves the room they need.

    Raises
    ------
    InputError
        If training has left a weight that is not finite.
    """
    table = weights.detach()
    if not table.isfinite().all():
        raise InputError("training must leave finite weights. Got others. Train with a smaller optim.lr.")
    largest = table.abs().amax(dim=0)
    if to_nibbles and _exact(table, largest, NIBBLE) is None:  # what is rounded already must not be cut off again
        largest = torch.minimum(largest, _NIBBLE_STDS * table.square().mean(dim=0).sqrt())
    table.copy_(_floats(*_rounded(table, largest, NIBBLE if to_nibbles else _BYTE)))


def packed(table: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return a rounded table as int8 (rows, dim) or uint8 (rows, half of dim) and scale (dim,).

    None if these would not be the same to the bit.
    """
    for most in (NIBBLE, _BYTE):
        if (found := _exact(table, table.abs().amax(dim=0), most)) is not None:
            return (_pair(found[0]) if most == NIBBLE else found[0]), found[1]
    return None


def pack(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with a rounded table as integers and scale (dim,); any other stays as it is."""
    if TABLE in tensors and (found := packed(tensors[TABLE])) is not None:
        return {**tensors, TABLE: found[0], SCALE: found[1]}
    return dict(tensors)


def _rounded(table: Tensor, largest: Tensor, most: int) -> tuple[Tensor, Tensor]:
    # bfloat16 leaves a scale 8 significant bits, and an integer has 7: their products are exact floats. So the largest
    # of a rounded column, divided by `most`, is its scale again, and rounding twice changes nothing.
    scale = (largest / most).bfloat16().float()
    scale = torch.where(scale < torch.finfo(torch.float32).tiny, 1.0, scale)  # a column of zeros
    return (table / scale).round().clamp(-most, most).to(torch.int8), scale


def _exact(table: Tensor, largest: Tensor, most: int) -> tuple[Tensor, Tensor] | None:
    integers, scale = _rounded(table, largest, most)
    return (integers, scale) if torch.equal(_floats(integers, scale), table) else None


def _floats(integers: Tensor, scale: Tensor) -> Tensor:
    return integers.float() * scale


def _pair(integers: Tensor) -> Tensor:
    raised = torch.nn.functional.pad(integers + NIBBLE, (0, integers.shape[1] % 2)).to(torch.uint8)
    return raised[:, 0::2] * 16 + raised[:, 1::2]
