"""A network as an ONNX file answers what torch answers, alone and in batches, and is refused where it is none."""

import json
import re
import subprocess
import sys
import tomllib
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from titleclf.runtime.onnx_classifier import METADATA, OnnxClassifier

import titleclf
from tests.helpers.commands import one_line
from tests.runtime.test_classifier import SIZES, TITLES, with_network
from titleclf.config.schemas import ExportConfig
from titleclf.export import export
from titleclf.runtime.bundle.packing import TABLE
from titleclf.runtime.choices import Combine, ExportFormat, Positions
from titleclf.runtime.errors import EXTRAS, InputError
from titleclf.runtime.files import CHECKOUT
from titleclf.runtime.text.characters import BOUNDARY, PAD
from titleclf.training.onnx_graph import onnx_model
from titleclf.training.quantization import round_weights
from titleclf.training.trained_model import Bundle, load_bundle

LACK = "titleclf needs the extra onnx. Got no module named {}. Install it: pip install 'titleclf[onnx]'."


def model_of(bundle: Bundle) -> onnx.ModelProto:
    model = onnx_model(bundle.saved())
    onnx.checker.check_model(model, full_check=True)
    return model


def assert_same(bundle: Bundle) -> OnnxClassifier:
    """Assert equal logits of titles in a batch and alone, and return what ONNX Runtime makes of the network."""
    classifier = OnnxClassifier.from_bytes(model_of(bundle).SerializeToString(), "model.onnx")
    logits, cut = bundle.network_logits(TITLES)
    found, found_cut = classifier.network_logits(TITLES)
    assert found.shape == (len(TITLES), len(bundle.categories))
    assert np.abs(found - logits).max() < 1e-4
    assert found_cut == cut > 0
    alone = np.concatenate([classifier.network_logits([title])[0] for title in TITLES])
    assert np.abs(alone - logits).max() < 1e-4
    return classifier


@pytest.mark.parametrize(("hidden", "boundary"), [(0, True), (13, False)])
@pytest.mark.parametrize("combine", list(Combine))
@pytest.mark.parametrize("positions", list(Positions))
@pytest.mark.parametrize("kind", list(SIZES))
def test_every_network_is_computed_as_in_torch(run, kind, positions, combine, hidden, boundary):
    overrides = [f"model.positions={positions}", f"model.combine={combine}", f"model.hidden={hidden}"]
    assert_same(with_network(run, kind, *overrides, boundary=boundary))


@pytest.mark.parametrize("kind", list(SIZES))
def test_so_is_one_of_several_tags(tags_run, kind):
    assert_same(with_network(tags_run, kind))


@pytest.mark.parametrize(
    "overrides", [["model.across_words=true"], ["model.across_words=false", "model.orders=[3,1]"], ["model.orders=[7]"]]
)
def test_so_are_ngrams_within_and_across_words_and_none_at_all(run, overrides):
    assert_same(with_network(run, "ngram", *overrides, boundary=False))


@pytest.mark.parametrize("widths", ["[1]", "[2,3,4,5]", "[6,31]"])
def test_so_are_convolutions_of_all_widths(run, widths):
    assert_same(with_network(run, "conv", f"model.widths={widths}"))


@pytest.mark.parametrize("dim", [5, 6])
@pytest.mark.parametrize(
    ("to_nibbles", "kind"), [(None, TensorProto.FLOAT), (False, TensorProto.INT8), (True, TensorProto.INT8)]
)
def test_a_table_of_integers_stays_one(run, dim, to_nibbles, kind):
    made = with_network(run, "ngram", f"model.dim={dim}")
    if to_nibbles is not None:
        round_weights(made.network.encoder.ngrams.weight, to_nibbles=to_nibbles)
    assert_same(made)
    (table,) = (one for one in onnx_model(made.saved()).graph.initializer if one.name == TABLE)
    assert (table.data_type, list(table.dims)) == (kind, [998, dim])  # a row more than buckets


@pytest.mark.parametrize("kind", list(SIZES))
def test_its_inputs_are_ids_in_batches_of_any_size(run, kind):
    graph = model_of(with_network(run, kind)).graph
    sizes = {
        one.name: [size.dim_param or size.dim_value for size in one.type.tensor_type.shape.dim]
        for one in [*graph.input, *graph.output]
    }
    ngrams = {"ngrams": ["batch", "most"]} if kind == "ngram" else {}
    assert sizes == {"ids": ["batch", "length"], **ngrams, "logits": ["batch", 3]}


def test_whoever_has_the_ids_needs_nothing_of_ours(run):
    made = with_network(run, "ngram")
    session = assert_same(made).session
    wide = [[BOUNDARY, 5, 6, BOUNDARY, PAD, PAD], [PAD] * 6]
    ids, ngrams = np.array(wide), np.array([[3, 996, 997], [997, 997, 997]])
    (logits,) = session.run(None, {"ids": ids, "ngrams": ngrams})
    (narrow,) = session.run(None, {"ids": ids[:1, :4], "ngrams": ngrams[:1, :2]})
    assert np.abs(narrow - logits[:1]).max() < 1e-6
    assert np.abs(logits[1] - made.network.head.bias.detach().numpy()).max() < 1e-6


def test_the_file_says_all_that_its_network_needs(run, tmp_path):
    bundle = load_bundle(run)
    model = model_of(bundle)
    bundle.save(tmp_path / "saved")
    assert (model.producer_name, model.producer_version) == ("titleclf", titleclf.__version__)
    (found,) = (json.loads(one.value) for one in model.metadata_props if one.key == METADATA)
    config = json.loads((tmp_path / "saved" / "config.json").read_text())
    shared = ("version", "task", "categories", "temperature", "thresholds", "facts", "model")
    assert {name: found[name] for name in shared} == {name: config[name] for name in shared}
    assert found["characters"] == json.loads((tmp_path / "saved" / "characters.json").read_text())
    assert {"orders", "buckets", "across_words"} < set(found["model"])
    assert set(found) == {*shared, "characters"}


@pytest.mark.parametrize("task", ["run", "tags_run"])
def test_a_file_predicts_as_its_bundle_without_the_memory(request, titles_csv, tmp_path, capsys, task):
    folder = request.getfixturevalue(task)
    path = export(
        ExportConfig(str(folder), ExportFormat.onnx, str(tmp_path / "new" / "model.onnx"), True, str(titles_csv))
    )
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("On 50 titles: 100.00% the same answer, probabilities within ")
    assert second.startswith("The network alone")
    assert third == f"Wrote {path}"
    bundle = replace(load_bundle(folder), memory=None)
    classifier = OnnxClassifier.load(str(path))
    assert np.abs(classifier.probabilities(TITLES)[0] - bundle.probabilities(TITLES)[0]).max() < 1e-5
    for least in (None, bundle.thresholds.at(0.8)):
        answers = [[one.named for one in asked.predict(TITLES, least=least)] for asked in (bundle, classifier)]
        assert answers[0] == answers[1]
    assert classifier.predict([]) == []


def test_a_network_that_answers_otherwise_is_not_written(run, titles_csv, tmp_path, monkeypatch):
    saved = load_bundle(run).saved()
    wrong = {**saved.weights, "head.bias": saved.weights["head.bias"] + np.float32([0, 0.2, 0])}
    monkeypatch.setattr(Bundle, "saved", lambda _: replace(saved, weights=wrong))
    with pytest.raises(InputError, match=r"^the export must answer 99.5% of titles as its model does, with"):
        export(ExportConfig(str(run), ExportFormat.onnx, str(tmp_path / "new" / "model.onnx"), True, str(titles_csv)))
    assert list(tmp_path.iterdir()) == []


def foreign() -> bytes:
    """Return an ONNX file of something else."""
    one = helper.make_tensor_value_info("one", TensorProto.FLOAT, [1])
    two = helper.make_tensor_value_info("two", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Neg", ["one"], ["two"])], "foreign", [one], [two])
    opset = helper.make_opsetid("", 18)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


def saying(text: str):
    def change(content: bytes) -> bytes:
        model = onnx.load_from_string(content)
        helper.set_model_props(model, {METADATA: text})
        return model.SerializeToString()

    return change


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda _: b"nonsense", " must be a whole ONNX file. Got: [ONNXRuntimeError] : 7 : INVALID_PROTOBUF"),
        (lambda _: b"", " must be a whole ONNX file. Got: [ONNXRuntimeError] : 2 : INVALID_ARGUMENT : No graph was"),
        (lambda content: content[:-900], " must be a whole ONNX file. Got: [ONNXRuntimeError] : "),
        (lambda content: content.replace(b"ReduceSum", b"ReduceTum"), " must be a whole ONNX file. Got: [ONNXRuntime"),
        (lambda _: foreign(), " must be a network of titleclf. Got another one. Export one with format=onnx."),
        (saying("{"), " must be a whole ONNX file. Got: Expecting property name"),
        (saying("[]"), ": metadata must be a mapping. Got []."),
        (saying("{}"), ": metadata must have the keys alone, categories, characters, contexts, facts, model, task,"),
    ],
)
def test_what_is_no_network_of_ours_is_refused(run, tmp_path, damage, sentence):
    path = tmp_path / "model.onnx"
    path.write_bytes(damage(onnx_model(load_bundle(run).saved()).SerializeToString()))
    with pytest.raises(InputError) as caught:
        OnnxClassifier.load(path)
    assert one_line(str(caught.value)).startswith(f"{path}{sentence}")


@pytest.mark.parametrize("name", ["none.onnx", ""])
def test_a_file_must_be_there(tmp_path, name):
    with pytest.raises(InputError) as caught:
        OnnxClassifier.load(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name} must be an ONNX file. Got no file there. Check the path."


def test_who_lacks_onnx_is_told_how_to_get_it(run, tmp_path):
    hide = "import sys; sys.modules.update(onnx=None, onnxruntime=None); from titleclf.__main__ import main; main()"
    arguments = ["export", f"run={run}", "format=onnx", "output=model.onnx"]
    done = subprocess.run([sys.executable, "-c", hide, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert one_line(done.stderr) == LACK.format("onnx")
    assert list(tmp_path.iterdir()) == []


def test_who_lacks_its_runtime_is_told_so_and_what_is_broken_keeps_its_traceback(monkeypatch, tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"")
    with monkeypatch.context() as hidden:
        hidden.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(InputError) as caught:
            OnnxClassifier.load(tmp_path / "model.onnx")
    assert str(caught.value) == LACK.format("onnxruntime")
    monkeypatch.setitem(sys.modules, "onnxruntime.capi", None)
    with pytest.raises(ModuleNotFoundError, match=r"onnxruntime\.capi"):
        OnnxClassifier.load(tmp_path / "model.onnx")


def test_what_onnx_needs_can_be_installed():
    extras = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {re.match(r"[\w-]+", one)[0] for one in extras["onnx"]} == set(EXTRAS["onnx"])
