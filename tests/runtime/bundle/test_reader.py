"""A bundle's folder is read by training and by prediction alike, and refused in the same sentences."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.helpers.bundles import reseal
from tests.helpers.commands import one_line
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError
from titleclf.training.trained_model import load_trained


def config_with(**changes: object):
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **changes}))
        reseal(folder)

    return change


def weights_with(**changes: torch.Tensor):
    def change(folder: Path) -> None:
        path = folder / "weights.safetensors"
        tensors = load_file(path)
        path.unlink()  # what was read may still be mapped
        save_file(tensors | {name.replace("__", "."): tensor for name, tensor in changes.items()}, path)
        reseal(folder)

    return change


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (shutil.rmtree, " must be a folder with a model. Got nothing there. Train one with: make train"),
        (lambda folder: (folder / "weights.safetensors").unlink(), " has no weights.safetensors. Train again or pass"),
        (config_with(format=1), "/config.json must be of format 3 or 4. Got 1. Install the titleclf that wrote it, or"),
        (config_with(facts={}), "/config.json: facts must have the keys about, fingerprint, languages"),
        (weights_with(head__bias=torch.ones(4)), "/weights.safetensors must hold the tensors that its configuration"),
        (weights_with(encoder__ngrams__scale=torch.zeros(9)), "/weights.safetensors must hold a table of int8 or"),
        (
            weights_with(head__bias=torch.ones(3, dtype=torch.bfloat16)),
            "/weights.safetensors must be a whole safetensors file. Got: dtype 'BF16'. Train or copy it again.",
        ),
    ],
)
def test_the_same_folders_are_refused_in_the_same_sentences(run, tmp_path, damage, sentence):
    folder = Path(shutil.copytree(run / "bundle", tmp_path / "bundle"))
    damage(folder)
    for load in (load_trained, Classifier.load):
        with pytest.raises(InputError) as caught:
            load(folder)
        assert str(caught.value).startswith(f"{folder}{sentence}")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("channels", ["b", "a"], "contexts.channels must rise. Got b, a. Train or copy it again."),
        ("edges", [0, 5, 5], "contexts.edges must rise. Got 0.0, 5.0, 5.0. Train or copy it again."),
        ("edges", "0", "contexts.edges must be of type list. Got '0'."),
        ("channels", ["a"], "weights.safetensors must hold the tensors that its configuration describes."),
    ],
)
def test_a_damaged_vocabulary_of_fields_is_refused(context_run, tmp_path, name, value, sentence):
    folder = Path(shutil.copytree(context_run / "bundle", tmp_path / "bundle"))
    fields = json.loads((folder / "config.json").read_text())["contexts"]
    config_with(contexts={**fields, name: value})(folder)
    with pytest.raises(InputError) as caught:
        Classifier.load(folder)
    assert sentence in one_line(str(caught.value))


def test_bundles_have_a_new_format_only_if_they_use_fields(run, context_run):
    plain, with_fields = (json.loads((folder / "bundle" / "config.json").read_text()) for folder in (run, context_run))
    assert (plain["format"], with_fields["format"]) == (3, 4)
    assert set(with_fields) - set(plain) == {"contexts", "alone"}
    assert with_fields["contexts"]["channels"] == ["music.tv", "news.24", "sport.one"]
    assert "uses 3 channels and durations" in (context_run / "bundle" / "README.md").read_text()
