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
from titleclf.training.trained_model import load_bundle

TITLES = ["Match of the Day", "Tagesschau", "", "日本沈没", "x" * 10_000]


@pytest.fixture
def folder(run, tmp_path) -> Path:
    """Return a bundle that a test may damage, without the run around it."""
    return Path(shutil.copytree(run / "bundle", tmp_path / "bundle"))


def test_a_saved_bundle_predicts_as_before(run, tmp_path):
    bundle = load_bundle(run)
    bundle.save(tmp_path / "copy")
    copy = load_bundle(tmp_path / "copy")
    assert np.abs(copy.probabilities(TITLES)[0] - bundle.probabilities(TITLES)[0]).max() < 1e-5
    assert (copy.categories, copy.temperature) == (bundle.categories, bundle.temperature)
    assert (copy.thresholds, copy.facts) == (bundle.thresholds, bundle.facts)


def test_six_files_and_no_pickle(folder):
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


def test_the_card_says_what_it_was_trained_on_and_how_good_it_is(folder):
    card = (folder / "README.md").read_text()
    assert "titles (de, en), seed 1" in card
    assert "held-out titles: accuracy" in card
    assert "Asked to be right 90% of the time (`--precision 0.9`), it answers" in card
    assert "Categories: Music; News; Sports." in card


def test_no_titles_have_no_probabilities(run):
    bundle = load_bundle(run)
    assert bundle.probabilities([])[0].shape == (0, len(bundle.categories))


def test_probabilities_are_the_same_however_titles_are_batched(run):
    bundle = load_bundle(run)
    titles = [f"title {number}" for number in range(600)]
    together, _ = bundle.probabilities(titles)
    assert np.allclose(together[500:], bundle.probabilities(titles[500:])[0], atol=1e-6)
    assert np.allclose(together.sum(axis=1), 1)


def test_an_existing_folder_is_not_overwritten(run, folder):
    before = (folder / "config.json").read_text()
    with pytest.raises(InputError, match=r"bundle must not exist yet. Got a folder. Name another one or remove it."):
        load_bundle(run).save(folder)
    assert (folder / "config.json").read_text() == before


def test_a_failed_save_leaves_nothing(run, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        load_bundle(run).save(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["weights.safetensors", "characters.json", "config.json", "memory.jsonl.gz", "SHA256SUMS"]
)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"bundle has no {name}. Train again or pass --model."):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["weights.safetensors", "characters.json", "config.json", "memory.jsonl.gz", SUMS])
@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: content[:-9] + b"?" + content[-8:]])
def test_files_that_are_not_as_they_were_written_are_refused(folder, name, damage):
    (folder / name).write_bytes(damage((folder / name).read_bytes()))
    with pytest.raises(InputError) as caught:
        load_bundle(folder)
    by_sum = r"/[a-zS].* must be as it was written. Got other bytes than SHA256SUMS tells of. Copy it again."
    no_json = "/config.json must be JSON. Got: .*"
    assert re.fullmatch(re.escape(str(folder)) + (no_json if name == "config.json" else by_sum), str(caught.value))


def test_other_tools_can_check_a_bundle(folder):
    subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=folder, check=True, capture_output=True)


def test_the_card_may_be_written_on(run, folder):
    (folder / "README.md").write_text("mine")
    assert load_bundle(folder).categories == load_bundle(run).categories


def test_a_missing_folder_says_how_to_train(tmp_path):
    with pytest.raises(
        InputError, match=r"none must be a folder with a model. Got nothing there. Train one with: make"
    ):
        load_bundle(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("config.json", b"{", "config.json must be JSON. Got: "),
        ("config.json", b"\xff", "config.json must be JSON. Got: "),
        ("config.json", b"[]", "config.json must be a JSON object. Got list. Train or copy it again."),
        ("config.json", b"{}", "config.json must be of format 3 or 4. Got None. Install the titleclf that wrote it"),
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
        load_bundle(folder)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": 1}, "must be of format 3 or 4. Got 1. Install the titleclf that wrote it, or train again."),
        ({"format": 5}, "must be of format 3 or 4. Got 5. Install the titleclf that wrote it, or train again."),
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
            "config.json: facts must have the keys about, fingerprint, languages, metrics, remembers_training, seed,",
        ),
        (
            {"memory": {"kind": "fuzzy", "weights": []}},
            "config.json: memory.weights must be 2 finite numbers. Got []. Train or copy it again.",
        ),
        ({"model": {"kind": "nonsense"}}, "config.json: model.kind must be of type ModelKind. Got 'nonsense'."),
        ({"model": {"kind": "bag"}}, "config.json: model must have the keys boundary, combine, dim"),
        ({"categories": ["a", "b", "c", "d"]}, "must hold the tensors that its configuration describes. Got head.bias"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(folder, change, sentence):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    reseal(folder)
    with pytest.raises(InputError) as caught:
        load_bundle(folder)
    assert sentence in str(caught.value)


def test_cut_titles_are_counted(run):
    logits, cut = load_bundle(run).logits(TITLES)
    assert logits.shape == (len(TITLES), 3)
    assert cut == 1
    assert torch.tensor(logits).isfinite().all()


def test_a_bundle_without_a_memory_has_no_file_of_it_and_only_the_network_speaks(run, tmp_path):
    bundle = load_bundle(run)
    assert not np.array_equal(bundle.logits(TITLES)[0], bundle.network_logits(TITLES)[0])
    bundle.memory = None
    bundle.save(tmp_path / "forgetful")
    copy = load_bundle(tmp_path / "forgetful")
    assert copy.memory is None
    assert not (tmp_path / "forgetful" / "memory.jsonl.gz").exists()
    assert "Memory: none." in (tmp_path / "forgetful" / "README.md").read_text()
    assert np.array_equal(copy.logits(TITLES)[0], bundle.network_logits(TITLES)[0])


def test_the_memory_raises_what_it_remembers(run):
    bundle = load_bundle(run)
    assert bundle.memory is not None
    titles = bundle.memory.keys
    raised = bundle.logits(titles)[0] - bundle.network_logits(titles)[0]
    assert (raised.argmax(axis=1) == bundle.memory.labels).all()
    assert raised.max() < 20
    assert (bundle.probabilities(titles)[0] < 0.9999).all()


def test_the_card_says_that_titles_lie_in_the_bundle(folder):
    card = " ".join((folder / "README.md").read_text().split())
    assert (
        "known titles, without case, accents and episodes, lie in `memory.jsonl.gz` with their categories, for" in card
    )
    assert "Trained with `memory=none`, it would hold none." in card


def test_the_same_bundle_is_saved_as_the_same_bytes(run, tmp_path):
    for name in ("one", "other"):
        load_bundle(run).save(tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()
