"""A bundle's folder is read by training and by prediction alike, and refused in the same sentences."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.helpers.bundles import reseal
from tests.helpers.commands import one_line
from tests.helpers.networks import TITLES
from titleclf.runtime.choices import Field
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
        (shutil.rmtree, " must be a folder with a model. Got nothing there. Name another folder, or shipped for"),
        (
            lambda folder: (folder / "weights.safetensors").unlink(),
            " must be a folder with a model. Got no weights.safetensors there. Name",
        ),
        (config_with(format=1), "/config.json must be of format 3 or 7. Got 1. Install the titleclf that wrote it, or"),
        (config_with(facts={}), "/config.json: facts must have the keys about, fingerprint, is_refitted, languages"),
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


@pytest.mark.parametrize("written", [4, 5, 6, 8, "7", None])
def test_other_formats_are_refused(fields_run, tmp_path, written):
    folder = Path(shutil.copytree(fields_run / "bundle", tmp_path / "bundle"))
    config_with(format=written)(folder)
    for load in (load_trained, Classifier.load):
        with pytest.raises(InputError) as caught:
            load(folder)
        assert one_line(str(caught.value)) == (
            f"{folder / 'config.json'} must be of format 3 or 7. Got {written!r}. "
            "Install the titleclf that wrote it, or train again."
        )


def test_a_bundle_without_fields_in_its_configuration_is_read(run, tmp_path):
    folder = Path(shutil.copytree(run / "bundle", tmp_path / "bundle"))
    config = json.loads((folder / "config.json").read_text())
    assert config["format"] == 7
    assert config["alone"] is None
    del config["alone"], config["model"]["fields"]
    (folder / "config.json").write_text(json.dumps({**config, "format": 3}))
    reseal(folder)
    assert Classifier.load(folder).predict(TITLES, 3) == Classifier.load(run).predict(TITLES, 3)
    assert Classifier.load(folder).columns == load_trained(folder).columns == set()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("use", ["channel", "colour"], "model.fields.use must be of type Field. Got 'colour'."),
        ("use", "channel", "model.fields.use must be of type list. Got 'channel'."),
        ("text_buckets", 7, "Got fields.description.weight of shape (4999, 9) for (7, 9). Train or copy it again."),
        ("use", ["channel"], "Got fields.channel_kind.weight of shape (4096, 9) for None. Train or copy it again."),
        ("depth", 1, "Missing or unknown: depth."),
    ],
)
def test_fields_that_do_not_fit_the_weights_are_refused(fields_run, tmp_path, name, value, sentence):
    folder = Path(shutil.copytree(fields_run / "bundle", tmp_path / "bundle"))
    model = json.loads((folder / "config.json").read_text())["model"]
    config_with(model={**model, "fields": {**model["fields"], name: value}})(folder)
    with pytest.raises(InputError) as caught:
        Classifier.load(folder)
    assert one_line(str(caught.value)).endswith(sentence)


def test_bundles_say_which_fields_they_use(run, fields_run):
    plain, with_fields = (json.loads((folder / "bundle" / "config.json").read_text()) for folder in (run, fields_run))
    assert (plain["format"], with_fields["format"]) == (7, 7)
    assert set(with_fields) == set(plain)
    assert (plain["model"]["fields"]["use"], with_fields["model"]["fields"]["use"]) == ([], list(Field))
    assert plain["alone"] is None
    assert set(with_fields["alone"]) == set(with_fields["thresholds"])
    used = "description, sub_title, channel, channel_kind, minutes, language, year"
    assert f"uses {used} beside the title" in (fields_run / "bundle" / "README.md").read_text()
    assert "beside the title" not in (run / "bundle" / "README.md").read_text()
