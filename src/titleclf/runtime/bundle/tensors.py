"""Safetensors files read in numpy: a header in JSON that says where each tensor lies, and then nothing but numbers.

The format: https://huggingface.co/docs/safetensors, "Format". Nothing in such a file is ever executed.
"""

import json
import math
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from titleclf.runtime.bundle.packing import Array

_LENGTH = 8  # bytes that tell how long the header is
_LONGEST = 100_000_000  # bytes of a header, as in the package
_METADATA = "__metadata__"  # strings, which are for others
_TYPES = {
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
    "I8": "i1",
    "I16": "<i2",
    "I32": "<i4",
    "I64": "<i8",
    "U8": "u1",
}


class DamagedError(ValueError):
    """Bytes that no safetensors file has; says why."""


class _Tensor(NamedTuple):
    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int  # bytes after the header
    end: int


def read_tensors(content: bytes) -> dict[str, Array]:
    """Return the tensors of a safetensors file by their names.

    Raises
    ------
    DamagedError
        If it is not whole: tensors must fill what follows the header, each byte of it once.
    """
    header, body = _split(content)
    tensors = sorted((_tensor(name, values) for name, values in header.items()), key=lambda one: (one.start, one.end))
    if any(one.end != other.start for one, other in pairwise(tensors)):
        raise DamagedError("tensors that overlap, or leave holes")
    first, last = (tensors[0].start, tensors[-1].end) if tensors else (0, 0)
    if first != 0 or last != len(body):
        raise DamagedError(f"tensors of bytes {first} to {last} among {len(body)}")
    return {one.name: _array(one, body) for one in tensors}


def _split(content: bytes) -> tuple[dict[str, Any], memoryview]:
    """Return the header but for its metadata, and the bytes after it."""
    length = int.from_bytes(content[:_LENGTH], "little")
    if len(content) < _LENGTH or length > min(_LONGEST, len(content) - _LENGTH):
        raise DamagedError(f"{len(content)} bytes, which a header does not fit into")
    header = _parsed(content[_LENGTH : _LENGTH + length])
    if not isinstance(header, dict):
        raise DamagedError("a header that is no JSON object")
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise DamagedError("metadata that are no strings")
    return header, memoryview(content)[_LENGTH + length :]


def _parsed(header: bytes) -> Any:
    try:
        return json.loads(header.decode(), object_pairs_hook=_once)
    except DamagedError:
        raise
    except (ValueError, RecursionError) as error:  # not JSON, or not UTF-8; or too deep
        raise DamagedError(f"a header that is no JSON: {error}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise DamagedError("a header that says something twice")
    return values


def _tensor(name: str, values: Any) -> _Tensor:
    if not isinstance(values, dict) or set(values) != {"dtype", "shape", "data_offsets"}:
        raise DamagedError(f"{name!r} without dtype, shape and data_offsets")
    kind, shape, offsets = values["dtype"], values["shape"], values["data_offsets"]
    if not isinstance(kind, str) or kind not in _TYPES:
        raise DamagedError(repr(kind))
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise DamagedError(f"{name!r} of shape {shape} at {offsets}")
    dtype = np.dtype(_TYPES[kind])
    if offsets[1] - offsets[0] != math.prod(shape) * dtype.itemsize:
        raise DamagedError(f"{name!r} of shape {shape} and {kind} at {offsets}")
    return _Tensor(name, dtype, tuple(shape), *offsets)


def _are_sizes(values: Any) -> bool:
    # Booleans are integers, too, but none in JSON. What is larger than an array can be is none either.
    return isinstance(values, list) and all(type(one) is int and 0 <= one < 2**63 for one in values)


def _array(tensor: _Tensor, body: memoryview) -> Array:
    # Copied: bytes can't be written to, which torch asks for, and begin anywhere.
    try:
        array: Array = np.frombuffer(body[tensor.start : tensor.end], tensor.dtype).reshape(tensor.shape).copy()
    except ValueError as error:  # empty, but of sizes or axes that numpy does not take
        raise DamagedError(f"{tensor.name!r} of shape {list(tensor.shape)[:40]}") from error
    return array
