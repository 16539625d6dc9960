"""What numpy reads of safetensors files is what their own package reads, and what it refuses is refused."""

import json

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import load, save

from titleclf.runtime.bundle.reader import read_weights
from titleclf.runtime.bundle.tensors import DamagedError, read_tensors
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import CHECKOUT

TYPES = [np.float16, np.float32, np.float64, np.int8, np.int16, np.int32, np.int64, np.uint8]
ONE = {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}


def assert_same(content: bytes) -> None:
    found, known = read_tensors(content), load(content)
    assert found.keys() == known.keys()
    for name, array in known.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()
        assert found[name].flags.writeable


@pytest.mark.parametrize("path", ["data/model/weights.safetensors", "data/embeddings.safetensors"])
def test_shipped_files_are_read_alike(path):
    assert_same((CHECKOUT / path).read_bytes())


@pytest.mark.parametrize("seed", range(20))
def test_files_of_all_types_and_shapes_are_read_alike(seed):
    generator = np.random.default_rng(seed)
    tensors = {}
    for number in range(seed % 6):
        shape = generator.integers(0, 5, size=generator.integers(0, 4))
        dtype = TYPES[generator.integers(len(TYPES))]
        tensors[f"é.{number}"] = generator.integers(0, 99, size=shape).astype(dtype)
    assert_same(save(tensors, {"about": "é"} if seed % 2 else None))


def test_no_shorter_or_longer_file_is_whole():
    content = save({"a": np.arange(3), "b": np.ones((2, 2), dtype=np.float32)})
    for wrong in [*(content[:length] for length in range(len(content))), content + b"\0", b"\0" + content]:
        for read, error in ((read_tensors, DamagedError), (load, SafetensorError)):
            with pytest.raises(error):
                read(wrong)


@pytest.mark.parametrize("seed", range(5))
def test_a_file_with_wrong_bytes_is_refused_or_read_and_breaks_nothing(seed):
    generator = np.random.default_rng(seed)
    content = np.frombuffer(save({"a": np.arange(3), "b": np.ones((2, 2), dtype=np.float32)}), np.uint8)
    for _ in range(200):
        wrong = content.copy()
        wrong[generator.integers(len(wrong), size=2)] = generator.integers(256, size=2)
        try:
            read_tensors(wrong.tobytes())
        except DamagedError:
            continue
        assert_same(wrong.tobytes())


def file_of(header: object, body: bytes = b"ab") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def with_one(**changes: object) -> bytes:
    return file_of({"a": ONE | changes})


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "0 bytes, which a header does not fit into"),
        ((2**63).to_bytes(8, "little") + b"{}", "10 bytes, which a header does not fit into"),
        (file_of(b"{"), "a header that is no JSON: Expecting property name"),
        (file_of(b"\xff"), "a header that is no JSON: 'utf-8' codec can't decode"),
        (file_of(b"[" * 100_000), "a header that is no JSON: maximum recursion depth"),
        (file_of([]), "a header that is no JSON object"),
        (file_of(b'{"a": 1, "a": 1}'), "a header that says something twice"),
        (file_of({"a": ONE, "__metadata__": {"b": 1}}), "metadata that are no strings"),
        (file_of({"a": 3}), "'a' without dtype, shape and data_offsets"),
        (with_one(more=1), "'a' without dtype, shape and data_offsets"),
        (with_one(dtype="F8_E4M3"), "'F8_E4M3'"),
        (with_one(dtype=["U8"]), "['U8']"),
        (with_one(shape=2), "'a' of shape 2 at [0, 2]"),
        (with_one(shape=[-2]), "'a' of shape [-2] at [0, 2]"),
        (with_one(shape=[2.0]), "'a' of shape [2.0] at [0, 2]"),
        (with_one(data_offsets=[0, 1, 2]), "'a' of shape [2] at [0, 1, 2]"),
        (with_one(data_offsets=[2, 0]), "'a' of shape [2] and U8 at [2, 0]"),
        (with_one(shape=[3]), "'a' of shape [3] and U8 at [0, 2]"),
        (with_one(dtype="F32"), "'a' of shape [2] and F32 at [0, 2]"),
        (with_one(shape=[1], data_offsets=[0, 1]), "tensors of bytes 0 to 1 among 2"),
        (with_one(shape=[1], data_offsets=[1, 2]), "tensors of bytes 1 to 2 among 2"),
        (with_one(data_offsets=[8, 10]), "tensors of bytes 8 to 10 among 2"),
        (file_of({"a": ONE, "b": ONE}), "tensors that overlap, or leave holes"),
        (file_of({"a": ONE, "b": ONE | {"data_offsets": [3, 5]}}, b"abcde"), "tensors that overlap, or leave holes"),
        (file_of({}), "tensors of bytes 0 to 0 among 2"),
        (file_of({"a": ONE | {"shape": [0, 2**62, 2**62], "data_offsets": [0, 0]}}, b""), "'a' of shape [0, 46116860"),
    ],
)
def test_damaged_files_are_refused(tmp_path, content, why):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_weights(path, {})
    assert str(caught.value).startswith(f"{path} must be a whole safetensors file. Got: {why}")
    assert str(caught.value).endswith(". Train or copy it again.")
