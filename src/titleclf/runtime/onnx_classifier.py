"""A classifier whose network is an ONNX file, computed by ONNX Runtime; titles become numbers as everywhere."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from titleclf.runtime.architecture import ModelConfig, NgramConfig, from_mapping
from titleclf.runtime.arrays import Floats, Labels
from titleclf.runtime.bundle.contents import Facts
from titleclf.runtime.bundle.reader import PARTS
from titleclf.runtime.choices import Task
from titleclf.runtime.classifiers import BaseClassifier
from titleclf.runtime.errors import InputError, require_extra
from titleclf.runtime.text.characters import Batch, Characters, Ids
from titleclf.runtime.text.ngrams import ngrams
from titleclf.runtime.text.programmes import Contexts

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


METADATA = "titleclf"  # the key of a `Meaning` as JSON among the file's metadata_props


@dataclass
class Meaning:
    """What a file says beside its network: how titles become its inputs, and its logits (batch, categories) answers."""

    version: str
    task: Task
    categories: list[str]
    temperature: dict[str, Any]
    thresholds: dict[str, Any]
    characters: dict[str, Any]
    facts: Facts
    model: ModelConfig
    contexts: Contexts | None
    alone: dict[str, Any] | None


@dataclass
class OnnxClassifier(BaseClassifier):
    """A classifier that can be asked, but neither trained nor saved; from a file it has no memory of known titles."""

    model: ModelConfig
    session: "InferenceSession"

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read what `python -m titleclf.export format=onnx` wrote.

        Raises
        ------
        InputError
            If there is no such file, it is another kind of file, or ONNX Runtime is not installed.
        """
        if not Path(path).is_file():
            raise InputError(f"{path} must be an ONNX file. Got no file there. Check the path.")
        return cls.from_bytes(Path(path).read_bytes(), str(path))

    @classmethod
    def from_bytes(cls, content: bytes, where: str) -> Self:
        """Read what `load` does from a file's content; `where` names its origin in errors."""
        session, metadata = _opened(content, where)
        if metadata is None:
            raise InputError(f"{where} must be a network of titleclf. Got another one. Export one with format=onnx.")
        where = f"{where}: metadata"
        if isinstance(metadata, dict):
            metadata = {"contexts": None, "alone": None, **metadata}  # only networks that look at such tell of them
        meaning = from_mapping(Meaning, metadata, where)
        parts = PARTS[meaning.task]
        read = parts.thresholds.from_mapping
        return cls(
            meaning.task,
            Characters.from_mapping(meaning.characters, where),
            meaning.categories,
            from_mapping(parts.temperature, meaning.temperature, f"{where}.temperature"),
            read(meaning.thresholds, meaning.categories, f"{where}.thresholds"),
            memory=None,
            facts=meaning.facts,
            contexts=meaning.contexts,
            alone=None if meaning.alone is None else read(meaning.alone, meaning.categories, f"{where}.alone"),
            model=meaning.model,
            session=session,
        )

    def some_logits(self, titles: Sequence[str], context_ids: Labels | None = None) -> tuple[Floats, int]:
        """Return the network's logits (titles, categories), and how many titles were too long and were cut."""
        batch = self.characters.batch(titles)
        inputs = self._inputs(batch)
        if self.contexts is not None:
            known = np.zeros((len(titles), 2), dtype=np.int64) if context_ids is None else context_ids
            inputs |= {"channels": known[:, 0], "durations": known[:, 1]}
        return self.session.run(["logits"], inputs)[0], batch.truncated

    def _inputs(self, batch: Batch) -> dict[str, Ids]:
        if not isinstance(self.model, NgramConfig):
            return {"ids": batch.ids}
        orders, buckets, across_words = self.model.orders, self.model.buckets, self.model.across_words
        grams, counts = ngrams(batch.ids, batch.mask, orders, buckets, across_words=across_words)
        mask = np.arange(counts.max(initial=1)) < counts[:, None]  # (batch, most)
        padded = np.full(mask.shape, buckets, dtype=np.int64)
        padded[mask] = grams
        return {"ids": batch.ids, "ngrams": padded}


def _opened(content: bytes, where: str) -> tuple["InferenceSession", Any]:
    """Return the network, and what stands in the file under METADATA, None if nothing."""
    with require_extra("onnx"):
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

    damages = (errors.Fail, errors.InvalidArgument, errors.InvalidGraph, errors.InvalidProtobuf)
    try:
        # Without a fallback: there is no other provider, and what fails would be printed.
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"], enable_fallback=0)
        return session, json.loads(session.get_modelmeta().custom_metadata_map.get(METADATA, "null"))
    except (*damages, ValueError) as error:  # not JSON, or not UTF-8
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{where} must be a whole ONNX file. Got: {reason}. Export or copy it again.") from error
