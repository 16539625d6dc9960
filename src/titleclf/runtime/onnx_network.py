"""A network in an ONNX file, computed by ONNX Runtime; the file's metadata describes inputs and outputs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from titleclf.runtime.architecture import ModelConfig, NgramConfig, from_mapping
from titleclf.runtime.arrays import Floats
from titleclf.runtime.bundle.contents import BundleContents, ModelInfo
from titleclf.runtime.bundle.familiarity import Familiarity
from titleclf.runtime.calibration import Temperature
from titleclf.runtime.choices import Task
from titleclf.runtime.errors import InputError, require_extra
from titleclf.runtime.tasks import TASKS
from titleclf.runtime.text.characters import Batch, Characters, Ids
from titleclf.runtime.text.fields import Bags, FieldEncoder
from titleclf.runtime.text.ngrams import ngrams
from titleclf.runtime.text.programmes import Programmes

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

METADATA = "titleclf"  # the key of `Metadata` as JSON among the file's metadata_props


@dataclass
class Metadata:
    """How titles become the network's inputs, and its logits (batch, categories) predictions."""

    version: str
    task: Task
    categories: list[str]
    temperature: dict[str, Any]
    thresholds: dict[str, Any]
    characters: dict[str, Any]
    facts: ModelInfo
    model: ModelConfig
    alone: dict[str, Any] | None
    kinds: list[str]
    kind_temperature: dict[str, Any]


@dataclass(frozen=True)
class OnnxNetwork:
    """A network that can predict, but neither be explained nor trained."""

    model: ModelConfig
    session: "InferenceSession"
    characters: Characters
    encoder: FieldEncoder

    @property
    def batch_size(self) -> int:
        """The number of programmes that are fastest together."""
        return 256

    @property
    def familiarities(self) -> Mapping[str, Familiarity]:
        """None that could be asked: they are in the graph."""
        return {}

    def logits(self, programmes: Programmes) -> Floats:
        """Return logits (programmes, categories)."""
        inputs = self._inputs(self.characters.batch(programmes.titles))
        bags, none = self.encoder.encode(programmes), Bags(np.zeros(0, np.int64), np.zeros(len(programmes), np.int64))
        for name, buckets in self.encoder.sizes().items():
            inputs[str(name)] = _padded(*bags.get(name, none), buckets)
        logits: Floats = self.session.run(["logits"], inputs)[0]
        return logits

    def _inputs(self, batch: Batch) -> dict[str, Ids]:
        if not isinstance(self.model, NgramConfig):
            return {"ids": batch.ids}
        orders, buckets, across_words = self.model.orders, self.model.buckets, self.model.across_words
        grams, counts = ngrams(batch.ids, batch.mask, orders, buckets, across_words=across_words)
        return {"ids": batch.ids, "ngrams": _padded(grams, counts, buckets)}


def _padded(features: Ids, counts: Ids, padding: int) -> Ids:
    """Return the features of each programme (batch, most), `counts` (batch,) each and then padding."""
    mask = np.arange(counts.max(initial=1)) < counts[:, None]  # (batch, most)
    padded = np.full(mask.shape, padding, dtype=np.int64)
    padded[mask] = features
    return padded


def read_onnx(path: Path) -> tuple[BundleContents, OnnxNetwork]:
    """Read an exported network and what belongs to it.

    Raises
    ------
    InputError
        If there is no such file, it is another kind of file, or ONNX Runtime is not installed.
    """
    if not path.is_file():
        raise InputError(f"{path} must be an ONNX file. Got no file there. Check the path.")
    return parse_onnx(path.read_bytes(), str(path))


def parse_onnx(content: bytes, where: str) -> tuple[BundleContents, OnnxNetwork]:
    """Do what `read_onnx` does, with a file's content; `where` names its origin in errors."""
    session, values = _opened(content, where)
    if values is None:
        raise InputError(f"{where} must be a network of titleclf. Got another one. Export one with format=onnx.")
    where = f"{where}: metadata"
    metadata: Metadata = from_mapping(Metadata, values, where)
    types = TASKS[metadata.task]
    characters = Characters.from_mapping(metadata.characters, where)

    def thresholds(name: str) -> Any:
        return types.thresholds.from_mapping(getattr(metadata, name), metadata.categories, f"{where}.{name}")

    contents = BundleContents(
        task=metadata.task,
        characters=characters,
        categories=metadata.categories,
        temperature=from_mapping(types.temperature, metadata.temperature, f"{where}.temperature"),
        thresholds=thresholds("thresholds"),
        memory=None,
        info=metadata.facts,
        kinds=metadata.kinds,
        kind_temperature=from_mapping(Temperature, metadata.kind_temperature, f"{where}.kind_temperature"),
        title_thresholds=None if metadata.alone is None else thresholds("alone"),
    )
    return contents, OnnxNetwork(metadata.model, session, characters, FieldEncoder(metadata.model.fields))


def _opened(content: bytes, where: str) -> tuple["InferenceSession", Any]:
    """Return the network, and the JSON under METADATA in the file, None if there is none."""
    with require_extra("onnx"):
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

    damages = (errors.Fail, errors.InvalidArgument, errors.InvalidGraph, errors.InvalidProtobuf)
    try:
        # No fallback: there is no other provider, and its failure would be printed.
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"], enable_fallback=0)
        return session, json.loads(session.get_modelmeta().custom_metadata_map.get(METADATA, "null"))
    except (*damages, ValueError) as error:  # not JSON, or not UTF-8
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise InputError(f"{where} must be a whole ONNX file. Got: {reason}. Export or copy it again.") from error
