"""The network of a bundle as an ONNX model, node by node, with what tells how to ask it."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from titleclf import __version__
from titleclf.runtime.architecture import ConvConfig, NgramConfig
from titleclf.runtime.bundle.folding import CONTEXTS
from titleclf.runtime.bundle.packing import SCALE, TABLE, Array, is_packed, signed
from titleclf.runtime.bundle.reader import Saved
from titleclf.runtime.choices import Combine
from titleclf.runtime.network import Forward
from titleclf.runtime.onnx_classifier import METADATA, Meaning
from titleclf.runtime.text.characters import PAD

# Both of 2022, so that runtimes of the years since can read the file; nothing newer is needed.
_OPERATORS, _FORMAT = 18, 8
_FIRST, _FEATURES, _LAST = np.array([0]), np.array([1]), np.array([2])  # axes; a title's features are its characters


def onnx_model(saved: Saved) -> ModelProto:
    """Return the network and what it means.

    `ids` (batch, length) are PAD where a title has ended; `ngrams` (batch, most), which only models with n-grams take,
    hold the bucket of each and then the number of buckets; `channels` and `durations` (batch,), which only models with
    contexts take, are 0 where one is not known. The answer is `logits` (batch, categories).
    """
    axes = {"ids": ["batch", "length"]}
    if isinstance(saved.model, NgramConfig):
        axes["ngrams"] = ["batch", "most"]
    if saved.contexts is not None:
        axes |= {"channels": ["batch"], "durations": ["batch"]}
    graph = _Graph(Forward.of(saved.model, saved.weights, saved.characters.length))
    graph.logits()
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "titleclf",
            [helper.make_tensor_value_info(name, TensorProto.INT64, sizes) for name, sizes in axes.items()],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(saved.categories)])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", _OPERATORS)],
        ir_version=_FORMAT,
        producer_name="titleclf",
        producer_version=__version__,
    )
    meaning = asdict(_meaning(saved))
    if saved.contexts is None:
        del meaning["contexts"], meaning["alone"]  # so that also those can read it who know of none
    helper.set_model_props(model, {METADATA: json.dumps(meaning, ensure_ascii=False)})
    return model


def _meaning(saved: Saved) -> Meaning:
    return Meaning(
        __version__,
        saved.task,
        saved.categories,
        asdict(saved.temperature),
        asdict(saved.thresholds),
        saved.characters.to_mapping(),
        saved.facts,
        saved.model,
        saved.contexts,
        None if saved.alone is None else asdict(saved.alone),
    )


class _Graph:
    """Nodes that compute what a network in numpy does: each method adds those of its namesake in `Forward`."""

    def __init__(self, network: Forward) -> None:
        self.network, self.model = network, network.model
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def logits(self) -> str:
        vectors = self._encoded()
        for table, ids in zip(CONTEXTS, ("channels", "durations"), strict=True):
            if table in self.network.weights:
                vectors = self._add("Add", vectors, self._add("Gather", self._weight(table), ids))
        if not self.model.hidden:
            return self._linear("head", vectors, output="logits")
        return self._linear("head.2", self._add("Relu", self._linear("head.0", vectors)), output="logits")

    def _encoded(self) -> str:
        inside = self._is_not("ids", PAD)  # (batch, length)
        vectors = self._characters(inside)
        match self.model:
            case NgramConfig():
                return self._ngrams(self.model, vectors, inside)
            case ConvConfig():
                return self._strongest(self.model, vectors, inside)
        return self._sums(vectors)

    def _characters(self, inside: str) -> str:
        vectors = self._add("Gather", self._weight("encoder.embedding.characters.weight"), "ids")
        if self.network.codes is not None:
            codes = self._constant(self.network.codes.astype(np.float32), "codes")
            placed = self._add("Slice", codes, _FIRST, self._length(), _FIRST)  # (length, dim)
            vectors = self._add("Mul" if self.model.combine is Combine.multiply else "Add", vectors, placed)
        return self._add("Mul", vectors, self._add("Unsqueeze", inside, _LAST))  # (batch, length, dim)

    def _ngrams(self, model: NgramConfig, vectors: str, inside: str) -> str:
        summed = self._add("Add", self._sums(vectors), self._table_sums())  # (batch, dim)
        is_ngram = self._is_not("ngrams", model.buckets)  # (batch, most)
        counts = [self._add("ReduceSum", one, _FEATURES) for one in (inside, is_ngram)]  # each (batch, 1)
        features = self._add("Max", self._add("Add", *counts), np.array([1], dtype=np.float32))
        return self._add("Div", summed, self._add("Sqrt", features))

    def _table_sums(self) -> str:
        # Integers stay integers: the file is a quarter of what it would be. Of two in a byte each gets its own, because
        # few runtimes look them up there.
        table, weights = self.network.weights[TABLE], self.network.weights
        if not is_packed(weights):
            return self._sums(self._rows(table.astype(np.float32)))
        scale = weights[SCALE].astype(np.float32)
        rows = self._add("Cast", self._rows(signed(table, len(scale))), to=TensorProto.FLOAT)
        return self._add("Mul", self._sums(rows), scale)

    def _rows(self, table: Array) -> str:
        # The row behind the last bucket is what stands behind a title's last n-gram: nothing.
        return self._add("Gather", self._constant(np.pad(table, ((0, 1), (0, 0))), TABLE), "ngrams")

    def _strongest(self, model: ConvConfig, vectors: str, inside: str) -> str:
        turned = self._add("Transpose", vectors, perm=[0, 2, 1])  # (batch, dim, length)
        places = self._add("Unsqueeze", inside, _FEATURES)  # (batch, 1, length)
        found = []
        for number, width in enumerate(model.widths):
            one = self._found(turned, number, width)
            found.append(self._add("ReduceMax", self._add("Mul", one, places), _LAST, keepdims=0))
        return self._add("Concat", *found, axis=1)

    def _found(self, turned: str, number: int, width: int) -> str:
        name = f"encoder.convolutions.{number}"
        weight, bias = self._weight(f"{name}.weight"), self._weight(f"{name}.bias")
        found = self._add("Conv", turned, weight, bias, pads=[width // 2, width // 2])
        # An even width finds something at one place too many.
        return self._add("Relu", self._add("Slice", found, _FIRST, self._length(), _LAST))  # (batch, channels, length)

    def _linear(self, name: str, vectors: str, output: str | None = None) -> str:
        weight, bias = self._weight(f"{name}.weight"), self._weight(f"{name}.bias")
        return self._add("Gemm", vectors, weight, bias, output=output, transB=1)

    def _sums(self, vectors: str) -> str:
        return self._add("ReduceSum", vectors, _FEATURES, keepdims=0)

    def _is_not(self, name: str, value: int) -> str:
        # 1 where it is another value, else 0, to multiply with and to count.
        return self._add("Cast", self._add("Not", self._add("Equal", name, np.array(value))), to=TensorProto.FLOAT)

    def _length(self) -> str:
        return self._add("Shape", "ids", start=1, end=2)

    def _weight(self, name: str) -> str:
        return self._constant(self.network.weights[name].astype(np.float32), name)

    def _constant(self, values: Array, name: str) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _add(self, operator: str, *inputs: str | Array, output: str | None = None, **attributes: Any) -> str:
        """Add a node that takes what has these names, or constants, and return the name of what it gives."""
        number = len(self.nodes)
        names = [
            one if isinstance(one, str) else self._constant(one, f"{operator}_{number}.{place}")
            for place, one in enumerate(inputs)
        ]
        output = output or f"{operator}_{number}"
        self.nodes.append(helper.make_node(operator, names, [output], **attributes))
        return output
