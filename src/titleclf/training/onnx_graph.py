"""The network of a bundle as an ONNX model, node by node, with its metadata."""

import json
from dataclasses import asdict
from typing import Any, assert_never

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from titleclf import __version__
from titleclf.runtime.architecture import BagConfig, ConvConfig, NgramConfig, known_model
from titleclf.runtime.bundle.contents import Bundle
from titleclf.runtime.bundle.familiarity import FAMILIAR
from titleclf.runtime.bundle.folding import NGRAMS, field_prefix, field_table
from titleclf.runtime.bundle.packing import SCALE, TABLE, Array, is_packed, signed
from titleclf.runtime.choices import Combine, Field
from titleclf.runtime.errors import InputError
from titleclf.runtime.network import NumpyNetwork
from titleclf.runtime.onnx_network import METADATA, Metadata
from titleclf.runtime.text.characters import PAD
from titleclf.runtime.text.fields import FieldEncoder

# Both of 2022, so that runtimes of the years since can read the file; nothing newer is needed.
_OPERATORS, _FORMAT = 18, 8
_FIRST, _FEATURES, _LAST = np.array([0]), np.array([1]), np.array([2])  # axes; a title's features are its characters


def onnx_model(bundle: Bundle) -> ModelProto:
    """Return the network and its metadata.

    `ids` (batch, length) are PAD after the end of a title; `ngrams` (batch, most), for models with n-grams alone, hold
    the bucket of each n-gram and then the number of buckets; so does an input (batch, most of NAME) for each field that
    the model uses, with the buckets of its features. The output is `logits` (batch, outputs).
    """
    contents = bundle.contents
    axes = {"ids": ["batch", "length"]}
    if isinstance(bundle.model, NgramConfig):
        axes["ngrams"] = ["batch", "most"]
    axes |= {name: ["batch", f"most of {name}"] for name in bundle.model.fields.use}
    encoder = FieldEncoder(bundle.model.fields)
    graph = _Graph(NumpyNetwork.of(bundle.model, bundle.weights, contents.characters, encoder))
    try:
        graph.logits()
    except AssertionError as error:
        raise InputError(
            f"format=onnx must be used with a model that has an ONNX graph. Got model.kind {bundle.model.kind}. "
            "Add it to training/onnx_graph.py, or export format=bundle."
        ) from error
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "titleclf",
            [helper.make_tensor_value_info(name, TensorProto.INT64, sizes) for name, sizes in axes.items()],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", contents.outputs])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", _OPERATORS)],
        ir_version=_FORMAT,
        producer_name="titleclf",
        producer_version=__version__,
    )
    helper.set_model_props(model, {METADATA: json.dumps(asdict(_metadata(bundle)), ensure_ascii=False)})
    return model


def _metadata(bundle: Bundle) -> Metadata:
    contents = bundle.contents
    return Metadata(
        __version__,
        contents.task,
        contents.categories,
        asdict(contents.temperature),
        asdict(contents.thresholds),
        contents.characters.to_mapping(),
        contents.info,
        bundle.model,
        None if contents.title_thresholds is None else asdict(contents.title_thresholds),
        contents.kinds,
        asdict(contents.kind_temperature),
    )


class _Graph:
    """Nodes that compute what the numpy network computes: each method adds those of its namesake there."""

    def __init__(self, network: NumpyNetwork) -> None:
        self.network, self.model = network, network.model
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def logits(self) -> str:
        vectors = self._encoded()
        for name, buckets in self.network.encoder.sizes().items():
            vectors = self._add("Add", vectors, self._field(name, buckets))
        if not self.model.hidden:
            return self._linear("head", vectors, output="logits")
        return self._linear("head.2", self._add("Relu", self._linear("head.0", vectors)), output="logits")

    def _encoded(self) -> str:
        inside = self._is_not("ids", PAD)  # (batch, length)
        vectors = self._characters(inside)
        model = known_model(self.model)
        match model:
            case BagConfig():
                return self._sums(vectors)
            case NgramConfig():
                return self._ngrams(model, vectors, inside)
            case ConvConfig():
                return self._strongest(model, vectors, inside)
            case _:
                assert_never(model)

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
        counts = [self._add("ReduceSum", mask, _FEATURES) for mask in (inside, is_ngram)]  # each (batch, 1)
        vectors = self._over_root(summed, self._add("Add", *counts))
        return self._damped(vectors, NGRAMS, "ngrams", counts[1])

    def _field(self, name: Field, buckets: int) -> str:
        table = self.network.weights[field_table(name)].astype(np.float32)
        summed = self._sums(self._rows(table, field_table(name), str(name)))  # (batch, dim)
        count = self._add("ReduceSum", self._is_not(str(name), buckets), _FEATURES)
        return self._damped(self._over_root(summed, count), field_prefix(name), str(name), count)

    def _damped(self, vectors: str, prefix: str, buckets: str, count: str) -> str:
        """Multiply vectors (batch, dim) by the factors of texts that have so many n-grams (batch, 1) in buckets."""
        familiarity = self.network.familiarities.get(prefix)
        if familiarity is None or familiarity.least == 0:
            return vectors
        is_familiar = familiarity.is_familiar.astype(np.float32)[:, None]  # of the text without n-grams, all are
        found = self._sums(self._rows(is_familiar, f"{prefix}{FAMILIAR}", buckets))  # (batch, 1)
        found = self._add("Add", found, self._add("Relu", self._add("Sub", np.array([1], dtype=np.float32), count)))
        share = self._add("Div", found, self._add("Max", count, np.array([1], dtype=np.float32)))
        ratio = self._add("Div", share, np.array([familiarity.least], dtype=np.float32))
        ratio = self._add("Min", ratio, np.array([1], dtype=np.float32))
        return self._add("Mul", vectors, self._add("Mul", ratio, ratio))

    def _over_root(self, summed: str, features: str) -> str:
        at_least_one = self._add("Max", features, np.array([1], dtype=np.float32))
        return self._add("Div", summed, self._add("Sqrt", at_least_one))

    def _table_sums(self) -> str:
        # Integers stay integers, for a quarter of the file size. Two in a byte are split, since few runtimes read them.
        table, weights = self.network.weights[TABLE], self.network.weights
        if not is_packed(weights):
            return self._sums(self._rows(table.astype(np.float32), TABLE, "ngrams"))
        scale = weights[SCALE].astype(np.float32)
        rows = self._add("Cast", self._rows(signed(table, len(scale)), TABLE, "ngrams"), to=TensorProto.FLOAT)
        return self._add("Mul", self._sums(rows), scale)

    def _rows(self, table: Array, name: str, buckets: str) -> str:
        # The row after the last bucket stands for the places after a title's last feature: zeros.
        return self._add("Gather", self._constant(np.pad(table, ((0, 1), (0, 0))), name), buckets)

    def _strongest(self, model: ConvConfig, vectors: str, inside: str) -> str:
        turned = self._add("Transpose", vectors, perm=[0, 2, 1])  # (batch, dim, length)
        places = self._add("Unsqueeze", inside, _FEATURES)  # (batch, 1, length)
        pooled = []
        for number, width in enumerate(model.widths):
            convolved = self._add("Mul", self._convolved(turned, number, width), places)
            pooled.append(self._add("ReduceMax", convolved, _LAST, keepdims=0))
        return self._add("Concat", *pooled, axis=1)

    def _convolved(self, turned: str, number: int, width: int) -> str:
        name = f"encoder.convolutions.{number}"
        weight, bias = self._weight(f"{name}.weight"), self._weight(f"{name}.bias")
        convolved = self._add("Conv", turned, weight, bias, pads=[width // 2, width // 2])
        # An even width gives one place too many.
        return self._add(
            "Relu", self._add("Slice", convolved, _FIRST, self._length(), _LAST)
        )  # (batch, channels, length)

    def _linear(self, name: str, vectors: str, output: str | None = None) -> str:
        weight, bias = self._weight(f"{name}.weight"), self._weight(f"{name}.bias")
        return self._add("Gemm", vectors, weight, bias, output=output, transB=1)

    def _sums(self, vectors: str) -> str:
        return self._add("ReduceSum", vectors, _FEATURES, keepdims=0)

    def _is_not(self, name: str, value: int) -> str:
        # 1.0 where the value differs, else 0.0: to multiply with and to count.
        return self._add("Cast", self._add("Not", self._add("Equal", name, np.array(value))), to=TensorProto.FLOAT)

    def _length(self) -> str:
        return self._add("Shape", "ids", start=1, end=2)

    def _weight(self, name: str) -> str:
        return self._constant(self.network.weights[name].astype(np.float32), name)

    def _constant(self, values: Array, name: str) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _add(self, operator: str, *inputs: str | Array, output: str | None = None, **attributes: Any) -> str:
        """Add a node whose inputs are names or constants, and return the name of its output."""
        number = len(self.nodes)
        names = [
            value if isinstance(value, str) else self._constant(value, f"{operator}_{number}.{place}")
            for place, value in enumerate(inputs)
        ]
        output = output or f"{operator}_{number}"
        self.nodes.append(helper.make_node(operator, names, [output], **attributes))
        return output
