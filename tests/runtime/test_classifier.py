"""What is predicted in numpy is what torch computes, from the same files, refused in the same sentences."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tests.conftest import compose_train, reseal
from titleclf.runtime.bundle.packing import SCALE, TABLE
from titleclf.runtime.bundle.reader import shapes_of
from titleclf.runtime.choices import Combine, MemoryKind, Positions
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import CHECKOUT
from titleclf.runtime.network import codes_of
from titleclf.training.network import Network
from titleclf.training.positions import alternating, sinusoidal
from titleclf.training.quantization import round_weights
from titleclf.training.trained_model import Bundle, load_bundle

TITLES = [
    "Match of the Day",
    "",
    " ",
    "a",
    "Tagesschau",
    "Tagesschua",
    "日本沈没",
    "The Boat Race, the Grand National and the Six Nations",
    "🎉",
    "x" * 10_000,
    "Match of the Day",
]
LENGTH = 101  # more places than any title of the runs has
SIZES = {"bag": [], "ngram": ["model.buckets=997"], "conv": ["model.channels=11"]}
MODEL = CHECKOUT / "data" / "model"


def with_network(run: Path, kind: str, *overrides: str, boundary: bool = True) -> Bundle:
    """Return a run's bundle with a network of another architecture and random weights."""
    bundle = load_bundle(run)
    model = compose_train(f"model={kind}", "model.dim=7", *SIZES[kind], *overrides).model
    characters = replace(bundle.characters, length=LENGTH, boundary=boundary)
    network = Network(model, len(characters), LENGTH, len(bundle.categories))
    torch.manual_seed(1)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    return replace(bundle, network=network, characters=characters)


def both(bundle: Bundle, tmp_path: Path) -> tuple[Bundle, Classifier]:
    """Save a bundle, and return what torch and what numpy make of the folder."""
    bundle.save(tmp_path / "saved")
    return load_bundle(tmp_path / "saved"), Classifier.load(tmp_path / "saved")


def assert_same(bundle: Bundle, classifier: Classifier, titles: list[str] = TITLES) -> None:
    """Assert equal answers to titles in a batch and alone."""
    # Probabilities near 0 or 1 would hide mistakes. Sums of hundreds of n-grams are only that exact, in either.
    assert np.abs(classifier.network_logits(titles)[0] - bundle.network_logits(titles)[0]).max() < 1e-4
    shares, cut = bundle.probabilities(titles)
    found, found_cut = classifier.probabilities(titles)
    assert found.shape == (len(titles), len(bundle.categories))
    assert np.abs(found - shares).max() < 1e-5
    assert found_cut == cut
    alone = np.concatenate([classifier.probabilities([title])[0] for title in titles])
    assert np.abs(alone - shares).max() < 1e-5


@pytest.mark.parametrize("combine", list(Combine))
@pytest.mark.parametrize("positions", list(Positions))
@pytest.mark.parametrize("kind", list(SIZES))
def test_every_encoder_and_code_is_computed_as_in_torch(run, tmp_path, kind, positions, combine):
    made = with_network(run, kind, f"model.positions={positions}", f"model.combine={combine}")
    assert_same(*both(made, tmp_path))


@pytest.mark.parametrize("kind", list(SIZES))
def test_so_are_a_hidden_layer_and_titles_without_boundaries(run, tmp_path, kind):
    assert_same(*both(with_network(run, kind, "model.hidden=13", boundary=False), tmp_path))


@pytest.mark.parametrize("overrides", [["model.across_words=true"], ["model.across_words=false", "model.orders=[3,1]"]])
def test_so_are_ngrams_within_and_across_words(run, tmp_path, overrides):
    assert_same(*both(with_network(run, "ngram", *overrides), tmp_path))


@pytest.mark.parametrize("widths", ["[1]", "[2,3,4,5]", "[6,31]"])
def test_so_are_convolutions_of_all_widths(run, tmp_path, widths):
    assert_same(*both(with_network(run, "conv", f"model.widths={widths}"), tmp_path))


@pytest.mark.parametrize("dim", [5, 6])
@pytest.mark.parametrize(("to_nibbles", "dtype"), [(None, np.float32), (False, np.int8), (True, np.uint8)])
def test_a_table_stays_as_small_as_it_is_saved(run, tmp_path, dim, to_nibbles, dtype):
    made = with_network(run, "ngram", f"model.dim={dim}")
    if to_nibbles is not None:
        round_weights(made.network.encoder.ngrams.weight, to_nibbles=to_nibbles)
    bundle, classifier = both(made, tmp_path)
    assert classifier.network.weights[TABLE].dtype == dtype
    assert (SCALE in classifier.network.weights) == (to_nibbles is not None)
    assert_same(bundle, classifier)


@pytest.mark.parametrize("kind", list(MemoryKind))
@pytest.mark.parametrize("task", ["run", "tags_run"])
def test_tasks_and_memories_lean_alike(request, tmp_path, task, kind):
    made = load_bundle(request.getfixturevalue(task))
    assert made.memory is not None
    made.memory = None if kind is MemoryKind.none else replace(made.memory, kind=kind)
    bundle, classifier = both(made, tmp_path)
    assert_same(bundle, classifier)
    known = bundle.predict(TITLES, top=2)
    found = classifier.predict(TITLES, top=2)
    assert [one.named for one in found] == [one.named for one in known]


def test_no_titles_have_no_probabilities(run):
    assert Classifier.load(run).probabilities([])[0].shape == (0, 3)


@pytest.mark.parametrize("positions", list(Positions))
@pytest.mark.parametrize("hidden", [0, 13])
@pytest.mark.parametrize("kind", list(SIZES))
def test_the_expected_shapes_are_those_of_the_network(kind, hidden, positions):
    model = compose_train(
        f"model={kind}", "model.dim=7", *SIZES[kind], f"model.hidden={hidden}", f"model.positions={positions}"
    ).model
    found = {name: tuple(one.shape) for name, one in Network(model, 19, 23, 3).state_dict().items()}
    assert shapes_of(model, characters=19, length=23, categories=3) == found


@pytest.mark.parametrize("dim", [1, 7, 12])
def test_codes_are_those_of_training(dim):
    for kind, code in ((Positions.alternating, alternating), (Positions.sinusoidal, sinusoidal)):
        found = codes_of(kind, LENGTH, dim)
        assert found.dtype == np.float32
        # Angles reach LENGTH radians in single precision, and powers differ in their last bit from machine to machine.
        assert np.abs(found - code(LENGTH, dim).numpy()).max() < LENGTH * np.finfo(np.float32).eps
    assert codes_of(Positions.none, LENGTH, dim) is codes_of(Positions.learned, LENGTH, dim) is None


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
    for load in (load_bundle, Classifier.load):
        with pytest.raises(InputError) as caught:
            load(folder)
        assert str(caught.value).startswith(f"{folder}{sentence}")


LARGE = ("torch", "pandas", "sklearn", "hydra", "omegaconf", "matplotlib", "scipy")
ASKED = f"""
import sys
from pathlib import Path
from titleclf.predict.__main__ import main

sys.argv = ["predict", "--model", sys.argv[1], "Match of the Day", "Match of teh Day"]
main()
print([name for name in {LARGE} if name in sys.modules])
print(Path("/proc/self/status").read_text())
"""


@pytest.mark.parametrize("module", ["titleclf.predict.__main__", "titleclf.epg.__main__", "titleclf.epg.commands"])
def test_neither_prediction_nor_guides_import_a_large_package(tmp_path, module):
    code = f"import sys, {module}; print([name for name in {LARGE} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


SLOW = ("tempfile", "random", "threading", "numpy.ma", "numpy.random", "http", "email")
STARTED = f"""
import sys
import numpy
before = set(sys.modules)
from titleclf.predict.__main__ import main

sys.argv = ["predict", "--model", "shipped", "Match of the Day"]
main()
print([name for name in {SLOW} if name in set(sys.modules) - before])
"""


def test_the_first_answer_waits_for_no_import_that_others_need(tmp_path):
    done = subprocess.run([sys.executable, "-c", STARTED], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1:] == ["[]"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no such file to read its memory from")
@pytest.mark.parametrize("model", ["run", "shipped"])
def test_a_prediction_needs_little_memory_and_no_large_package(run, tmp_path, model):
    command = [sys.executable, "-c", ASKED, str(run) if model == "run" else model]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "Match of teh Day" in done.stdout
    assert "\n[]\n" in done.stdout
    peak_kilobytes = int(re.search(r"VmHWM:\s+(\d+) kB", done.stdout)[1])
    assert peak_kilobytes < 150_000
