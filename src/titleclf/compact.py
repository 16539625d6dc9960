"""Small tables: integers with a scale a column, for networks that already compute with exactly these values."""

from collections.abc import Mapping

import torch
from torch import Tensor

from titleclf.errors import InputError
from titleclf.model import Network, Ngram

TABLE, SCALE = "encoder.ngrams.weight", "encoder.ngrams.scale"
_BYTE, _NIBBLE = 127, 7  # the largest integers: of int8, and of four bits, two of which make a uint8
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
    if to_nibbles and _exact(table, largest, _NIBBLE) is None:  # what is rounded already must not be cut off again
        largest = torch.minimum(largest, _NIBBLE_STDS * table.square().mean(dim=0).sqrt())
    table.copy_(_floats(*_rounded(table, largest, _NIBBLE if to_nibbles else _BYTE)))


def packed(table: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return a rounded table as int8 (rows, dim) or uint8 (rows, half of dim) and scale (dim,).

    None if these would not be the same to the bit.
    """
    for most in (_NIBBLE, _BYTE):
        if (found := _exact(table, table.abs().amax(dim=0), most)) is not None:
            return (_pair(found[0]) if most == _NIBBLE else found[0]), found[1]
    return None


def unpacked(integers: Tensor, scale: Tensor) -> Tensor:
    """Return the table (rows, dim) that `packed` took."""
    return _floats(_part(integers, len(scale)) if integers.dtype == torch.uint8 else integers, scale)


def pack(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with a rounded table as integers and scale (dim,); any other stays as it is."""
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
    if scale is None or not fits(table, scale):
        raise InputError(
            f"{where} must hold the tensors that its configuration describes. Got {SCALE} of shape "
            f"{None if scale is None else tuple(scale.shape)} for {tuple(table.shape)}. Train or copy it again."
        )
    if (fault := damage(TABLE, table, SCALE, scale)) is not None:
        raise InputError(
            f"{where} must hold a table of int8 or uint8 and scales above 0. Got {fault}. Train or copy it again."
        )
    return {name: tensor for name, tensor in tensors.items() if name != SCALE} | {TABLE: unpacked(table, scale)}


def fits(integers: Tensor, scale: Tensor) -> bool:
    """Tell whether `unpacked` can take them."""
    if scale.ndim != 1 or integers.ndim != 2:
        return False
    columns = (len(scale) + 1) // 2 if integers.dtype == torch.uint8 else len(scale)
    return integers.shape[1] == columns


def damage(name: str, integers: Tensor, scale_name: str, scale: Tensor) -> str | None:
    """Return what no `packed` has made, for an error; None if all is well."""
    wrong = scale[~(scale.isfinite() & (scale > 0))]
    if len(wrong):
        return f"{scale_name} {wrong[0]:g}"
    return None if integers.dtype in (torch.int8, torch.uint8) else f"{name} of {integers.dtype}"


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
    raised = torch.nn.functional.pad(integers + _NIBBLE, (0, integers.shape[1] % 2)).to(torch.uint8)
    return raised[:, 0::2] * 16 + raised[:, 1::2]


def _part(pairs: Tensor, columns: int) -> Tensor:
    both = torch.stack([pairs // 16, pairs % 16], dim=2)  # (rows, half of dim, 2)
    return both.flatten(start_dim=1)[:, :columns].to(torch.int8) - _NIBBLE
