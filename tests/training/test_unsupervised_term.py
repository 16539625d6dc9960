from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from titleclf import train as module
from titleclf.data.dataset import read_data
from titleclf.runtime.errors import InputError
from titleclf.train import build, train
from titleclf.training import run as runs
from titleclf.training.distributed import seeded
from titleclf.training.losses import Regulariser, regulariser_of
from titleclf.training.network import to_inputs
from titleclf.training.trained_model import load_bundle

CPU = torch.device("cpu")
ON = "loss.unsupervised=0.1"


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "bundle" / "weights.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def made(config, titles=("Newsnight", "x", " ", "ab", "Tagesschau")) -> Regulariser | None:
    bundle = build(config, read_data(config), CPU)
    return regulariser_of(config, bundle.network, bundle.characters, titles)


def test_there_is_none_at_weight_zero(small):
    assert made(small("loss.unsupervised=0")) is None


def test_its_titles_are_those_of_training_or_of_a_file_without_short_ones(small, tmp_path):
    (tmp_path / "own.csv").write_text("Name\nSky\nx\n\nHeute\n")
    assert made(small(ON)).titles == ["Newsnight", "ab", "Tagesschau"]
    own = ["loss.column=Name", f"loss.titles={tmp_path / 'own.csv'}"]
    assert made(small(ON, *own)).titles == ["Sky", "Heute"]


def test_as_many_different_titles_are_drawn_as_asked_for_or_else_all(small):
    drawn = []

    class Heard(nn.Module):
        def forward(self, _, titles, __):
            drawn.append(titles)
            return torch.zeros(())

    regulariser, generator = Regulariser(Heard(), made(small(ON)).titles), seeded(1)
    for count in (1, 2, 3, 7, 64):
        regulariser(None, count, generator)
    assert [len(titles) for titles in drawn] == [1, 2, 3, 3, 3]
    assert all(len(set(titles)) == len(titles) for titles in drawn)
    drawn.clear()
    for _ in range(99):
        regulariser(None, 1, generator)
    assert {title for (title,) in drawn} == set(regulariser.titles)


def test_a_pool_smaller_than_a_batch_is_trained_with(small, tmp_path):
    (tmp_path / "own.txt").write_text("oooo tttt\naaaa nnnn\n")
    folder = train(small(ON, f"loss.titles={tmp_path / 'own.txt'}", "training.batch_size=64", "training.epochs=1"))
    assert runs.load_checkpoint(folder)["history"][0]["training_loss"] > 0


@pytest.mark.parametrize(("content", "where"), [("x\n\n", "own.txt"), (None, "training")])
def test_without_a_title_that_is_long_enough_it_is_refused(small, tmp_path, content, where):
    overrides = []
    if content is not None:
        (tmp_path / "own.txt").write_text(content)
        overrides = [f"loss.titles={tmp_path / 'own.txt'}"]
        where = tmp_path / where
    with pytest.raises(InputError) as caught:
        made(small(ON, *overrides), ["x", ""])
    assert str(caught.value) == (
        f"loss.titles must have titles of two characters or more. Got none in {where}. Name another file."
    )


def test_a_missing_file_is_named(small):
    with pytest.raises(InputError, match=r"none.txt: no such file. Check the path."):
        train(small(ON, "loss.titles=none.txt"))


@pytest.mark.parametrize("kind", ["views", "skipgram", "cbow"])
def test_the_term_changes_what_is_learnt(small, kind):
    plain = weights(train(small("training.epochs=1")))
    with_term = weights(train(small("training.epochs=1", ON, f"objective={kind}")))
    assert plain.keys() == with_term.keys()  # what the objective has of its own is not in the bundle
    assert not torch.equal(
        plain["encoder.embedding.characters.weight"], with_term["encoder.embedding.characters.weight"]
    )


@pytest.mark.parametrize("kind", ["views", "skipgram"])
def test_the_file_of_its_titles_is_learnt_from(small, tmp_path, kind):
    (tmp_path / "own.txt").write_text("oooo tttt\naaaa nnnn\n")
    overrides = [
        "noise=none",
        "training.epochs=2",
        "model.buckets=99991",
        f"objective={kind}",
        "characters.min_count=1",
    ]
    own = load_bundle(train(small(ON, f"loss.titles={tmp_path / 'own.txt'}", *overrides)))
    plain = load_bundle(train(small(ON, *overrides)))
    grams = to_inputs(own.characters.batch(["oooo tttt"]), own.network.config, CPU).grams
    known, unknown = (one.network.encoder.ngrams.weight[grams].any(dim=1).float().mean() for one in (own, plain))
    assert known > unknown + 0.2


def test_masked_characters_go_with_convolutions(small):
    folder = train(small("model=conv", "objective=masked", ON, "training.epochs=1"))
    assert load_bundle(folder).probabilities(["Newsnight"])[0].sum() == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["views", "skipgram"])
def test_a_run_killed_with_it_and_resumed_gives_the_weights_of_an_unbroken_one(small, monkeypatch, kind):
    config = small(
        ON, f"objective={kind}", "training.epochs=4", "training.patience_epochs=4", "model.ngram_dropout=0.2"
    )
    unbroken = train(config)
    save = runs.save_checkpoint

    def die_after_second(folder: Path, state: runs.State) -> None:
        save(folder, state)
        if len(state["history"]) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs, "save_checkpoint", die_after_second)
        with pytest.raises(KeyboardInterrupt, match=r"Go on with: python -m titleclf.train resume="):
            train(config)
    broken = next(folder for folder in unbroken.parent.iterdir() if folder.name not in ("latest", unbroken.name))
    assert train(replace(config, resume=str(broken))) == broken
    assert same(weights(broken), weights(unbroken))
    assert (broken / "metrics.json").read_text() == (unbroken / "metrics.json").read_text()


def test_the_loss_of_a_run_counts_the_term(small, monkeypatch):
    heard = []

    class Loud(Regulariser):
        def forward(self, encoder, count, generator):
            heard.append(count)
            return super().forward(encoder, count, generator) * 0 + 1000.0

    def loud(*given):
        plain = regulariser_of(*given)
        return None if plain is None else Loud(plain.objective, plain.titles)

    monkeypatch.setattr(module, "regulariser_of", loud)
    config = small(ON, "training.epochs=1")
    folder = train(config)
    assert 100 < runs.load_checkpoint(folder)["history"][0]["training_loss"] < 105
    assert sum(heard) == len(read_data(config).sides.train)  # as many titles as each batch has
