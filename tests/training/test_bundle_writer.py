"""A bundle is written completely or not at all, and only if its model predicts wherever it is read."""

from dataclasses import replace

import pytest

from tests.helpers.networks import UnknownConfig, UnknownNgramConfig, folded, unknown_model, with_network
from titleclf.runtime import classifier, network
from titleclf.runtime.bundle.contents import Bundle
from titleclf.runtime.errors import InputError
from titleclf.training.bundle_writer import write_bundle
from titleclf.training.trained_model import bundle_of


@pytest.fixture(params=["in floats", "folded"])
def bundle(run, request) -> Bundle:
    model = with_network(run, "ngram")
    return bundle_of(model) if request.param == "in floats" else folded(model)


@pytest.mark.parametrize("config", [UnknownConfig, UnknownNgramConfig])
def test_a_model_of_an_unknown_kind_is_refused(bundle, tmp_path, config):
    with pytest.raises(InputError) as caught:
        write_bundle(replace(bundle, model=unknown_model(config)), tmp_path / "new")
    assert str(caught.value) == (
        f"model.kind must be one of bag, ngram, conv. Got {config.__name__}. Add it to each implementation of the "
        "network."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_known_kind_that_the_numpy_network_lacks_is_refused(run, tmp_path, monkeypatch):
    for module in (classifier, network):
        monkeypatch.setattr(module, "known_model", lambda model: model)  # as if the new kind were in `AnyModel`
    bundle = bundle_of(with_network(run, "ngram"))
    with pytest.raises(InputError) as caught:
        write_bundle(replace(bundle, model=unknown_model(UnknownConfig)), tmp_path / "new")
    assert str(caught.value) == (
        "model.kind must be one that every implementation of the network computes. Got bag, which "
        "runtime/network.py does not. Add it there."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_known_kind_is_written(bundle, tmp_path):
    write_bundle(bundle, tmp_path / "deep" / "new")
    assert {path.name for path in (tmp_path / "deep" / "new").iterdir()} == {
        "README.md",
        "SHA256SUMS",
        "characters.json",
        "config.json",
        "memory.jsonl.gz",
        "weights.safetensors",
    }
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["new"]


@pytest.mark.parametrize(("is_folder", "what"), [(True, "a folder"), (False, "a file")])
def test_nothing_is_overwritten(bundle, tmp_path, is_folder, what):
    place = tmp_path / "old"
    place.mkdir() if is_folder else place.touch()
    with pytest.raises(InputError) as caught:
        write_bundle(bundle, place)
    assert str(caught.value) == f"{place} must not exist yet. Got {what}. Name another one or remove it."


def test_a_failure_leaves_nothing(bundle, tmp_path, monkeypatch):
    def fail(_: Bundle) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("titleclf.training.bundle_writer._card", fail)
    with pytest.raises(OSError, match="No space"):
        write_bundle(bundle, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
