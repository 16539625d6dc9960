"""A network in an ONNX file computes what torch computes, alone and in batches; other files are refused."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import titleclf
from tests.helpers.commands import one_line
from tests.helpers.networks import FIELDS, SIZES, TITLES, table_of, with_network, written
from titleclf import export as module
from titleclf.config.schemas import ExportConfig
from titleclf.export import export
from titleclf.runtime.bundle.contents import Bundle
from titleclf.runtime.bundle.packing import TABLE
from titleclf.runtime.choices import Combine, ExportFormat, Positions
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import EXTRAS, InputError
from titleclf.runtime.files import CHECKOUT
from titleclf.runtime.network import logits_of
from titleclf.runtime.onnx_network import METADATA, OnnxNetwork, parse_onnx
from titleclf.runtime.text.characters import BOUNDARY, PAD
from titleclf.runtime.text.programmes import Programmes
from titleclf.training.onnx_graph import onnx_model
from titleclf.training.quantization import quantize_weights
from titleclf.training.trained_model import TrainedModel, bundle_of, load_trained

LACK = "titleclf needs the extra onnx. Got no module named {}. Install it in the checkout: pip install '.[onnx]'."


def checked(bundle: Bundle) -> onnx.ModelProto:
    model = onnx_model(bundle)
    onnx.checker.check_model(model, full_check=True)
    return model


def assert_same(model: TrainedModel) -> OnnxNetwork:
    """Assert equal logits of titles in a batch and alone, and return the network that ONNX Runtime computes."""
    content = checked(bundle_of(model)).SerializeToString()
    contents, network = parse_onnx(content, "model.onnx")
    assert contents.characters == network.characters == model.contents.characters
    assert contents.characters.count_truncated(TITLES) > 0
    programmes = Programmes(TITLES)
    expected, logits = logits_of(model.network, programmes), logits_of(network, programmes)
    assert logits.shape == (len(TITLES), len(model.categories))
    assert np.abs(logits - expected).max() < 1e-4
    alone = np.concatenate([network.logits(Programmes([title])) for title in TITLES])
    assert np.abs(alone - expected).max() < 1e-4
    return network


@pytest.mark.parametrize(("hidden", "boundary"), [(0, True), (13, False)])
@pytest.mark.parametrize("combine", list(Combine))
@pytest.mark.parametrize("positions", list(Positions))
@pytest.mark.parametrize("kind", list(SIZES))
def test_every_network_is_computed_as_in_torch(run, kind, positions, combine, hidden, boundary):
    overrides = [f"model.positions={positions}", f"model.combine={combine}", f"model.hidden={hidden}"]
    assert_same(with_network(run, kind, *overrides, boundary=boundary))


@pytest.mark.parametrize("kind", list(SIZES))
def test_networks_of_several_tags_are_computed_as_in_torch(tags_run, kind):
    assert_same(with_network(tags_run, kind))


@pytest.mark.parametrize(
    "overrides", [["model.across_words=true"], ["model.across_words=false", "model.orders=[3,1]"], ["model.orders=[7]"]]
)
def test_ngrams_within_and_across_words_and_none_at_all_are_computed_as_in_torch(run, overrides):
    assert_same(with_network(run, "ngram", *overrides, boundary=False))


@pytest.mark.parametrize("widths", ["[1]", "[2,3,4,5]", "[6,31]"])
def test_convolutions_of_all_widths_are_computed_as_in_torch(run, widths):
    assert_same(with_network(run, "conv", f"model.widths={widths}"))


@pytest.mark.parametrize("dim", [5, 6])
@pytest.mark.parametrize(
    ("to_nibbles", "kind"), [(None, TensorProto.FLOAT), (False, TensorProto.INT8), (True, TensorProto.INT8)]
)
def test_a_table_of_integers_stays_one(run, dim, to_nibbles, kind):
    model = with_network(run, "ngram", f"model.dim={dim}")
    if to_nibbles is not None:
        quantize_weights(table_of(model), to_nibbles=to_nibbles)
    assert_same(model)
    (table,) = (tensor for tensor in onnx_model(bundle_of(model)).graph.initializer if tensor.name == TABLE)
    assert (table.data_type, list(table.dims)) == (kind, [998, dim])  # a row more than buckets


@pytest.mark.parametrize("kind", list(SIZES))
@pytest.mark.parametrize("fields", [(), ("channel",), FIELDS])
def test_its_inputs_are_ids_in_batches_of_any_size(run, kind, fields):
    graph = checked(bundle_of(with_network(run, kind, fields=fields))).graph
    sizes = {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in [*graph.input, *graph.output]
    }
    ngrams = {"ngrams": ["batch", "most"]} if kind == "ngram" else {}
    of_fields = {str(name): ["batch", f"most of {name}"] for name in fields}
    assert sizes == {"ids": ["batch", "length"], **ngrams, **of_fields, "logits": ["batch", 3]}


def test_the_network_can_be_run_on_ids_without_titleclf(run):
    model = with_network(run, "ngram")
    session = assert_same(model).session
    wide = [[BOUNDARY, 5, 6, BOUNDARY, PAD, PAD], [PAD] * 6]
    ids, ngrams = np.array(wide), np.array([[3, 996, 997], [997, 997, 997]])
    (logits,) = session.run(None, {"ids": ids, "ngrams": ngrams})
    (narrow,) = session.run(None, {"ids": ids[:1, :4], "ngrams": ngrams[:1, :2]})
    assert np.abs(narrow - logits[:1]).max() < 1e-6
    assert np.abs(logits[1] - model.network.get_parameter("head.bias").detach().numpy()).max() < 1e-6


def test_the_metadata_hold_all_that_prediction_needs(run, tmp_path):
    model = load_trained(run)
    file = checked(bundle_of(model))
    folder = written(model, tmp_path)
    assert (file.producer_name, file.producer_version) == ("titleclf", titleclf.__version__)
    (metadata,) = (json.loads(entry.value) for entry in file.metadata_props if entry.key == METADATA)
    config = json.loads((folder / "config.json").read_text())
    shared = ("version", "task", "categories", "temperature", "thresholds", "facts", "model")
    assert {name: metadata[name] for name in shared} == {name: config[name] for name in shared}
    assert metadata["characters"] == json.loads((folder / "characters.json").read_text())
    assert {"orders", "buckets", "across_words"} < set(metadata["model"])
    assert set(metadata) == {*shared, "characters", "alone", "kinds", "kind_temperature"}
    assert (metadata["alone"], metadata["kinds"]) == (None, [])


def test_the_metadata_of_a_network_with_fields_hold_these_too(fields_run, tmp_path):
    model = load_trained(fields_run)
    (metadata,) = (json.loads(entry.value) for entry in checked(bundle_of(model)).metadata_props)
    config = json.loads((written(model, tmp_path) / "config.json").read_text())
    assert metadata["alone"] == config["alone"] is not None
    assert metadata["model"]["fields"] == config["model"]["fields"]
    assert metadata["model"]["fields"]["use"] == list(FIELDS)
    contents, _ = parse_onnx(onnx_model(bundle_of(model)).SerializeToString(), "model.onnx")
    assert contents == replace(model.contents, memory=None)


@pytest.mark.parametrize("task", ["run", "tags_run"])
def test_a_file_predicts_as_its_bundle_without_the_memory(request, titles_csv, tmp_path, capsys, task):
    folder = request.getfixturevalue(task)
    path = export(export_to(folder, tmp_path / "new" / "model.onnx", titles_csv))
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("On 50 titles: 100.00% the same prediction, probabilities within ")
    assert second.startswith("The network alone")
    assert third == f"Wrote {path}"
    model = load_trained(folder)
    model.contents.memory = None
    classifier = Classifier.load_onnx(str(path))
    programmes = Programmes(TITLES)
    assert np.abs(classifier.probabilities(programmes) - model.probabilities(programmes)).max() < 1e-5
    for min_probability in (None, model.thresholds.at(0.8)):
        expected, predictions = (
            [prediction.named for prediction in predictor.predict(TITLES, min_probability=min_probability)]
            for predictor in (model, classifier)
        )
        assert predictions == expected
    assert classifier.predict([]) == []


def export_to(run: Path, path: Path, titles: Path) -> ExportConfig:
    return ExportConfig(str(run), ExportFormat.onnx, str(path), True, str(titles))


def test_a_network_that_predicts_differently_is_not_written(run, titles_csv, tmp_path, monkeypatch):
    bundle = bundle_of(load_trained(run))
    wrong = {**bundle.weights, "head.bias": bundle.weights["head.bias"] + np.array([0, 0.2, 0], dtype=np.float32)}
    monkeypatch.setattr(module, "bundle_of", lambda _: replace(bundle, weights=wrong))
    with pytest.raises(InputError, match=r"^the export must predict 99.5% of titles as its model does, with"):
        export(export_to(run, tmp_path / "new" / "model.onnx", titles_csv))
    assert list(tmp_path.iterdir()) == []


def foreign() -> bytes:
    """Return an ONNX file of something else."""
    value, negative = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("value", "negative"))
    graph = helper.make_graph([helper.make_node("Neg", ["value"], ["negative"])], "foreign", [value], [negative])
    opset = helper.make_opsetid("", 18)
    content: bytes = helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()
    return content


def with_metadata(text: str) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        model = onnx.load_from_string(content)
        helper.set_model_props(model, {METADATA: text})
        changed: bytes = model.SerializeToString()
        return changed

    return change


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda _: b"nonsense", " must be a whole ONNX file. Got: [ONNXRuntimeError] : 7 : INVALID_PROTOBUF"),
        (lambda _: b"", " must be a whole ONNX file. Got: [ONNXRuntimeError] : 2 : INVALID_ARGUMENT : No graph was"),
        (lambda _: b"title\nHeat\n", " must be a whole ONNX file. Got: [ONNXRuntimeError] : 7 : INVALID_PROTOBUF"),
        (lambda content: content[:-900], " must be a whole ONNX file. Got: [ONNXRuntimeError] : "),
        (lambda content: content.replace(b"ReduceSum", b"ReduceTum"), " must be a whole ONNX file. Got: [ONNXRuntime"),
        (lambda _: foreign(), " must be a network of titleclf. Got another one. Export one with format=onnx."),
        (with_metadata("{"), " must be a whole ONNX file. Got: Expecting property name"),
        (with_metadata("[]"), ": metadata must be a mapping. Got []."),
        (
            with_metadata("{}"),
            ": metadata must have the keys alone, categories, characters, facts, kind_temperature, kinds, model, task,",
        ),
    ],
)
def test_other_and_damaged_files_are_refused(run, tmp_path, damage, sentence):
    path = tmp_path / "model.onnx"
    path.write_bytes(damage(onnx_model(bundle_of(load_trained(run))).SerializeToString()))
    with pytest.raises(InputError) as caught:
        Classifier.load_onnx(path)
    assert one_line(str(caught.value)).startswith(f"{path}{sentence}")


@pytest.mark.parametrize("name", ["none.onnx", ""])
def test_a_missing_file_is_refused(tmp_path, name):
    with pytest.raises(InputError) as caught:
        Classifier.load_onnx(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name} must be an ONNX file. Got no file there. Check the path."


def test_the_error_without_onnx_names_the_extra(run, tmp_path):
    hide = "import sys; sys.modules.update(onnx=None, onnxruntime=None); from titleclf.__main__ import main; main()"
    arguments = ["export", f"run={run}", "format=onnx", "output=model.onnx"]
    done = subprocess.run([sys.executable, "-c", hide, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert one_line(done.stderr) == LACK.format("onnx")
    assert list(tmp_path.iterdir()) == []


def test_the_error_without_its_runtime_names_the_extra_but_a_broken_runtime_keeps_its_traceback(monkeypatch, tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"")
    with monkeypatch.context() as hidden:
        hidden.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(InputError) as caught:
            Classifier.load_onnx(tmp_path / "model.onnx")
    assert str(caught.value) == LACK.format("onnxruntime")
    monkeypatch.setitem(sys.modules, "onnxruntime.capi", None)
    with pytest.raises(ModuleNotFoundError, match=r"onnxruntime\.capi"):
        Classifier.load_onnx(tmp_path / "model.onnx")


def test_the_extra_installs_the_packages_that_onnx_needs():
    extras = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {re.split(r"[^\w-]", requirement)[0] for requirement in extras["onnx"]} == set(EXTRAS["onnx"])
