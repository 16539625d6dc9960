"""Weights of a bundle: intact files keep their dtypes and shapes, damaged or hostile ones give one-line errors."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from titleclf.runtime.bundle.packing import Array
from titleclf.runtime.bundle.reader import read_weights
from titleclf.runtime.errors import InputError

TENSORS: dict[str, Array] = {"a": np.arange(3), "b": np.ones((2, 5), dtype=np.float32)}
SHAPES = {name: array.shape for name, array in TENSORS.items()}
ENTRY = {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "w.safetensors"


def refusal(path: Path, content: bytes, shapes: dict[str, tuple[int, ...]]) -> str:
    """Return the one line that refuses the content, or "" if it is read with these shapes."""
    path.write_bytes(content)
    try:
        weights = read_weights(path, shapes)
    except InputError as error:
        sentence = str(error)
        assert sentence.startswith(f"{path} must ")
        assert ". Got" in sentence
        assert sentence.endswith(". Train or copy it again.")
        assert sentence.isprintable()
        assert len(sentence) < 500
        return sentence
    assert {name: array.shape for name, array in weights.items()} == shapes
    return ""


@pytest.mark.parametrize(
    "dtype", [np.float16, np.float32, np.float64, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16]
)
@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (3,), (2, 3, 5)])
def test_weights_keep_their_dtype_shape_and_bytes_and_can_be_written_to(path, dtype, shape):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    path.write_bytes(save({"é": array}, {"about": "é"}))
    (weights,) = read_weights(path, {"é": shape}).values()
    assert (weights.dtype, weights.shape, weights.tobytes()) == (array.dtype, shape, array.tobytes())
    assert weights.flags.writeable  # as torch requires
    assert weights.flags.c_contiguous


def test_shorter_and_longer_files_are_refused(path):
    content = save(TENSORS)
    for wrong in [*(content[:length] for length in range(len(content))), content + b"\0", b"\0" + content]:
        assert "a whole safetensors file" in refusal(path, wrong, SHAPES)


@pytest.mark.parametrize("seed", range(5))
def test_a_file_with_wrong_bytes_is_refused_in_one_line_or_read_with_the_right_shapes(path, seed):
    generator = np.random.default_rng(seed)
    content = np.frombuffer(save(TENSORS), np.uint8)
    refusals = 0
    for _ in range(200):
        wrong = content.copy()
        wrong[generator.integers(len(wrong), size=2)] = generator.integers(256, size=2)
        refusals += refusal(path, wrong.tobytes(), SHAPES) != ""
    assert 0 < refusals < 200


def file_of(header: object, body: bytes = b"ab") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def entry(**changes: object) -> bytes:
    return file_of({"a": ENTRY | changes})


def empty(*shape: int) -> bytes:
    return file_of({"a": ENTRY | {"shape": shape, "data_offsets": [0, 0]}}, b"")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        (2**63).to_bytes(8, "little") + b"{}",
        (2**64 - 1).to_bytes(8, "little") + b"{}",
        file_of(b"{"),
        file_of(b"\xff"),
        file_of(b"[" * 100_000),
        file_of(b'{"a":' * 100_000),
        file_of([]),
        file_of(b'{"a": 1, "a": 1}'),
        file_of({"a": ENTRY, "__metadata__": {"b": 1}}),
        file_of({"a": 3}),
        entry(dtype=["U8"]),
        entry(shape=2),
        entry(shape=[-2]),
        entry(shape=[2.0]),
        entry(data_offsets=[0, 1, 2]),
        entry(data_offsets=[2, 0]),
        entry(data_offsets=[-2, 0]),
        entry(shape=[3]),
        entry(dtype="F32"),
        entry(shape=[1], data_offsets=[0, 1]),
        entry(shape=[1], data_offsets=[1, 2]),
        entry(data_offsets=[8, 10]),
        file_of({"a": ENTRY, "b": ENTRY}),
        file_of({"a": ENTRY, "b": ENTRY | {"data_offsets": [3, 5]}}, b"abcde"),
        file_of({"a\n\x1b[2J": ENTRY, "b": ENTRY}),
        file_of({}),
        entry(shape=[1] * 100 + [2]),
        empty(0, 2**62, 2**62),
        empty(2**63, 0),
        empty(2**32, 2**32),
        # Dtypes of the format that numpy lacks, or that weights never have.
        entry(dtype="BF16", shape=[1]),
        entry(dtype="F8_E4M3"),
        entry(dtype="F4", shape=[4]),
        entry(dtype="F6_E2M3"),
        entry(dtype="BOOL"),
        file_of({"a": {"dtype": "C64", "shape": [1], "data_offsets": [0, 8]}}, bytes(8)),
    ],
)
def test_damaged_and_hostile_files_are_refused_in_one_line(path, content):
    assert "a whole safetensors file" in refusal(path, content, {"a": (2,)})


@pytest.mark.parametrize(
    "content", [file_of({}, b""), file_of({"__metadata__": {"a": "b"}}, b""), file_of({"\n\x1b[2J": ENTRY})]
)
def test_a_file_with_other_tensors_than_the_configuration_describes_is_refused_in_one_line(path, content):
    assert "the tensors that its configuration describes" in refusal(path, content, {"a": (2,)})


def test_an_unsupported_dtype_is_named(path):
    assert refusal(path, entry(dtype="BF16", shape=[1]), {"a": (1,)}) == (
        f"{path} must be a whole safetensors file. Got: dtype 'BF16'. Train or copy it again."
    )
    assert "Got: a of bool." in refusal(path, entry(dtype="BOOL"), {"a": (2,)})
