import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.bundles import reseal
from titleclf.runtime.bundle.checksums import SUMS
from titleclf.runtime.errors import InputError
from titleclf.runtime.network import logits_of
from titleclf.runtime.text.programmes import Programmes
from titleclf.training.bundle_writer import write_bundle
from titleclf.training.trained_model import bundle_of, load_trained

TITLES = ["Match of the Day", "Tagesschau", "", "日本沈没", "x" * 10_000]
PROGRAMMES = Programmes(TITLES)


@pytest.fixture
def folder(run, tmp_path) -> Path:
    """Return a bundle that a test may damage, without the run around it."""
    return Path(shutil.copytree(run / "bundle", tmp_path / "bundle"))


def test_a_saved_bundle_predicts_as_before(run, tmp_path):
    model = load_trained(run)
    write_bundle(bundle_of(model), tmp_path / "copy")
    copy = load_trained(tmp_path / "copy")
    assert np.abs(copy.probabilities(PROGRAMMES) - model.probabilities(PROGRAMMES)).max() < 1e-5
    assert (copy.categories, copy.contents.temperature) == (model.categories, model.contents.temperature)
    assert (copy.thresholds, copy.contents.info) == (model.thresholds, model.contents.info)


def test_a_bundle_has_six_files_and_no_pickle(folder):
    assert {path.name for path in folder.iterdir()} == {
        "weights.safetensors",
        "characters.json",
        "config.json",
        "memory.jsonl.gz",
        "README.md",
        "SHA256SUMS",
    }
    text = (folder / "config.json").read_text() + (folder / "README.md").read_text()
    assert str(Path.home()) not in text
    assert "outputs" not in text


def test_the_model_card_names_training_titles_scores_and_categories(folder):
    card = (folder / "README.md").read_text()
    assert "titles (de, en), seed 1" in card
    assert "held-out titles: accuracy" in card
    assert "With `--precision 0.9` it answers" in card
    assert "Categories: Music; News; Sports." in card


def test_no_titles_have_no_probabilities(run):
    model = load_trained(run)
    assert model.probabilities(Programmes([])).shape == (0, len(model.categories))


def test_probabilities_are_the_same_however_titles_are_batched(run):
    model, programmes = load_trained(run), Programmes([f"title {number}" for number in range(600)])
    together = model.probabilities(programmes)
    assert np.allclose(together[500:], model.probabilities(programmes[500:]), atol=1e-6)
    assert np.allclose(together.sum(axis=1), 1)


def test_an_existing_folder_is_not_overwritten(run, folder):
    before = (folder / "config.json").read_text()
    with pytest.raises(InputError, match=r"bundle must not exist yet. Got a folder. Name another one or remove it."):
        write_bundle(bundle_of(load_trained(run)), folder)
    assert (folder / "config.json").read_text() == before


def test_a_failed_write_leaves_nothing(run, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    bundle = bundle_of(load_trained(run))
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        write_bundle(bundle, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["weights.safetensors", "characters.json", "config.json", "memory.jsonl.gz", "SHA256SUMS"]
)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(
        InputError, match=f"bundle must be a folder with a model. Got no {name} there. Name another folder, or shipped"
    ):
        load_trained(folder)


@pytest.mark.parametrize("name", ["weights.safetensors", "characters.json", "config.json", "memory.jsonl.gz", SUMS])
@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: content[:-9] + b"?" + content[-8:]])
def test_changed_files_are_refused(folder, name, damage):
    (folder / name).write_bytes(damage((folder / name).read_bytes()))
    with pytest.raises(InputError) as caught:
        load_trained(folder)
    by_sum = r"/[a-zS].* must be as it was written. Got other bytes than SHA256SUMS lists. Copy it again."
    no_json = "/config.json must be JSON. Got: .*"
    assert re.fullmatch(re.escape(str(folder)) + (no_json if name == "config.json" else by_sum), str(caught.value))


def test_sha256sum_can_check_a_bundle(folder):
    subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=folder, check=True, capture_output=True)


def test_the_model_card_may_be_edited(run, folder):
    (folder / "README.md").write_text("mine")
    assert load_trained(folder).categories == load_trained(run).categories


def test_the_error_for_a_missing_folder_names_the_model_that_comes_with_the_package(tmp_path):
    with pytest.raises(InputError) as caught:
        load_trained(tmp_path / "none")
    assert str(caught.value) == (
        f"{tmp_path / 'none'} must be a folder with a model. Got nothing there. Name another folder, or shipped for "
        "the model that comes with titleclf."
    )


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("config.json", b"{", "config.json must be JSON. Got: "),
        ("config.json", b"\xff", "config.json must be JSON. Got: "),
        ("config.json", b"[]", "config.json must be a JSON object. Got list. Train or copy it again."),
        ("config.json", b"{}", "config.json must be of format 3 or 7. Got None. Install the titleclf that wrote it"),
        (
            "characters.json",
            b"{}",
            "characters.json must have the keys known, casefold, boundary, length, each",
        ),
        ("memory.jsonl.gz", b"short", "memory.jsonl.gz must be whole gzipped JSON lines. Got: "),
        ("weights.safetensors", b"short", "weights.safetensors must be a whole safetensors file. Got: "),
    ],
)
def test_damaged_files_are_refused(folder, name, content, sentence):
    (folder / name).write_bytes(content)
    reseal(folder)
    with pytest.raises(InputError) as caught:
        load_trained(folder)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": 1}, "must be of format 3 or 7. Got 1. Install the titleclf that wrote it, or train again."),
        ({"format": 6}, "must be of format 3 or 7. Got 6. Install the titleclf that wrote it, or train again."),
        ({"format": 8}, "must be of format 3 or 7. Got 8. Install the titleclf that wrote it, or train again."),
        ({"task": None}, "config.json: task must be one of single, multilabel. Got None. Train or copy it again."),
        ({"categories": ["one"]}, "must have categories and a temperature above 0. Train again."),
        ({"temperature": {"value": 0.0, "slope": 0.0}}, "must have categories and a temperature above 0. Train again."),
        ({"thresholds": None}, "config.json: thresholds must be a mapping. Got None."),
        (
            {"thresholds": {"precisions": [0.5], "least": {"Music": [0.1]}, "wishes": {}}},
            "config.json: thresholds must be rising precisions and a probability for each, by category. Train again.",
        ),
        (
            {"facts": {}},
            "config.json: facts must have the keys about, fingerprint, is_refitted, languages, metrics, remembers",
        ),
        (
            {"memory": {"kind": "fuzzy", "weights": []}},
            "config.json: memory.weights must be 2 finite numbers. Got []. Train or copy it again.",
        ),
        ({"model": {"kind": "nonsense"}}, "config.json: model.kind must be of type ModelKind. Got 'nonsense'."),
        ({"model": {"kind": "bag"}}, "config.json: model must have the keys boundary, combine, dim"),
        ({"categories": ["a", "b", "c", "d"]}, "must name the categories a; b; c; d. Got Music; News; Sports."),
        (
            {
                "categories": ["a", "b", "c", "d"],
                "thresholds": {"precisions": [], "least": {"a": [], "b": [], "c": [], "d": []}, "wishes": {}},
                "memory": None,
            },
            "must hold the tensors that its configuration describes. Got head.bias",
        ),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(folder, change, sentence):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    reseal(folder)
    with pytest.raises(InputError) as caught:
        load_trained(folder)
    assert sentence in str(caught.value)


def test_truncated_titles_are_counted(run):
    model = load_trained(run)
    logits = model.logits(PROGRAMMES)
    assert logits.shape == (len(TITLES), 3)
    assert model.contents.characters.count_truncated(TITLES) == 1
    assert torch.tensor(logits).isfinite().all()


def test_a_bundle_without_a_memory_predicts_by_its_network_alone(run, tmp_path):
    model = load_trained(run)
    by_network = logits_of(model.network, PROGRAMMES)
    assert not np.array_equal(model.logits(PROGRAMMES), by_network)
    model.contents.memory = None
    write_bundle(bundle_of(model), tmp_path / "forgetful")
    copy = load_trained(tmp_path / "forgetful")
    assert copy.contents.memory is None
    assert not (tmp_path / "forgetful" / "memory.jsonl.gz").exists()
    assert "Memory: none." in (tmp_path / "forgetful" / "README.md").read_text()
    assert np.array_equal(copy.logits(PROGRAMMES), by_network)


def test_the_memory_raises_the_categories_of_known_titles(run):
    model = load_trained(run)
    memory = model.contents.memory
    assert memory is not None
    programmes = Programmes(memory.known.keys)
    raised = model.logits(programmes) - logits_of(model.network, programmes)
    assert (raised.argmax(axis=1) == memory.targets).all()
    assert raised.max() < 20
    assert (model.probabilities(programmes) < 0.9999).all()


def test_the_model_card_warns_that_the_bundle_holds_titles(folder):
    card = " ".join((folder / "README.md").read_text().split())
    assert (
        "known titles, without case, accents and episodes, are in `memory.jsonl.gz` with their categories: anyone"
        in card
    )
    assert "A model trained with `memory=none` holds none." in card


def test_a_bundle_written_twice_has_the_same_bytes(run, tmp_path):
    for name in ("first", "second"):
        write_bundle(bundle_of(load_trained(run)), tmp_path / name)
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()
