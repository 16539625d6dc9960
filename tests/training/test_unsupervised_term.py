from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.helpers.training import killed, same, train_without_plots, weights
from titleclf.config.schemas import TrainConfig
from titleclf.data.dataset import read_dataset
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.programmes import Programmes
from titleclf.train import train
from titleclf.training import losses as module
from titleclf.training.distributed import seed_everything
from titleclf.training.losses import UnsupervisedTerm, unsupervised_term
from titleclf.training.network import Ngram
from titleclf.training.run import load_checkpoint
from titleclf.training.trained_model import load_trained, new_model

ON = "loss.unsupervised=0.1"
TITLES = ("Newsnight", "x", " ", "ab", "Tagesschau")


def term_of(config: TrainConfig, titles: tuple[str, ...] = TITLES) -> UnsupervisedTerm | None:
    network = new_model(config, read_dataset(config), torch.device("cpu")).network
    return unsupervised_term(config, network.encoder, network.characters, titles)


def titles_of(config: TrainConfig) -> list[str]:
    term = term_of(config)
    assert term is not None
    return list(term.titles)


def test_weight_zero_gives_no_term(small):
    assert term_of(small("loss.unsupervised=0")) is None


def test_its_titles_come_from_training_or_a_file_without_short_ones(small, tmp_path):
    (tmp_path / "own.csv").write_text("Name\nSky\nx\n\nHeute\n")
    assert titles_of(small(ON)) == ["Newsnight", "ab", "Tagesschau"]
    own = ["loss.column=Name", f"loss.titles={tmp_path / 'own.csv'}"]
    assert titles_of(small(ON, *own)) == ["Sky", "Heute"]


def test_a_batch_draws_distinct_titles_as_many_as_it_has_or_all(small):
    drawn = []

    class Recorder(nn.Module):
        def forward(self, _: object, titles: list[str], __: object) -> torch.Tensor:
            drawn.append(titles)
            return torch.zeros(())

    term, generator = UnsupervisedTerm(Recorder(), titles_of(small(ON))), seed_everything(1)  # type: ignore[arg-type]
    for count in (1, 2, 3, 7, 64):
        term(None, count, generator)
    assert [len(titles) for titles in drawn] == [1, 2, 3, 3, 3]
    assert all(len(set(titles)) == len(titles) for titles in drawn)
    drawn.clear()
    for _ in range(99):
        term(None, 1, generator)
    assert {title for (title,) in drawn} == set(term.titles)


def test_a_pool_smaller_than_a_batch_is_used_for_training(small, tmp_path):
    (tmp_path / "own.txt").write_text("oooo tttt\naaaa nnnn\n")
    overrides = [f"loss.titles={tmp_path / 'own.txt'}", "training.batch_size=64", "training.epochs=1"]
    folder = train_without_plots(small(ON, *overrides))
    assert load_checkpoint(folder)["history"][0]["training_loss"] > 0


@pytest.mark.parametrize(("content", "where"), [("x\n\n", "own.txt"), (None, "training")])
def test_titles_that_are_all_too_short_are_refused(small, tmp_path, content, where):
    overrides = []
    if content is not None:
        (tmp_path / "own.txt").write_text(content)
        overrides = [f"loss.titles={tmp_path / 'own.txt'}"]
        where = tmp_path / where
    with pytest.raises(InputError) as caught:
        term_of(small(ON, *overrides), ("x", ""))
    assert str(caught.value) == (
        f"loss.titles must have titles of two characters or more. Got none in {where}. Name another file."
    )


def test_a_missing_file_is_named(small):
    with pytest.raises(InputError, match=r"none.txt: no such file. Check the path."):
        train(small(ON, "loss.titles=none.txt"))


@pytest.mark.parametrize("kind", ["views", "skipgram", "cbow"])
def test_the_term_changes_the_weights(small, trained, kind):
    plain = weights(trained("training.epochs=1"))
    with_term = weights(train_without_plots(small("training.epochs=1", ON, f"objective={kind}")))
    assert plain.keys() == with_term.keys()  # the bundle does not contain the objective's own weights
    assert not torch.equal(
        plain["encoder.embedding.characters.weight"], with_term["encoder.embedding.characters.weight"]
    )


@pytest.mark.parametrize("kind", ["views", "skipgram"])
def test_the_titles_of_its_file_are_learned(small, tmp_path, kind):
    (tmp_path / "own.txt").write_text("oooo tttt\naaaa nnnn\n")
    overrides = [
        "noise=none",
        "training.epochs=2",
        "model.buckets=99991",
        f"objective={kind}",
        "characters.min_count=1",
    ]
    own = load_trained(train_without_plots(small(ON, f"loss.titles={tmp_path / 'own.txt'}", *overrides))).network
    plain = load_trained(train_without_plots(small(ON, *overrides))).network
    grams = own.inputs(Programmes(["oooo tttt"])).grams
    assert isinstance(own.encoder, Ngram)
    assert isinstance(plain.encoder, Ngram)
    learned, unknown = (
        encoder.ngrams.weight[grams].any(dim=1).float().mean() for encoder in (own.encoder, plain.encoder)
    )
    assert learned > unknown + 0.2


def test_masked_characters_train_with_convolutions(small):
    folder = train_without_plots(small("model=conv", "objective=masked", ON, "training.epochs=1"))
    assert load_trained(folder).probabilities(Programmes(["Newsnight"])).sum() == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["views", "skipgram"])
def test_a_run_killed_with_it_and_resumed_gives_the_weights_of_an_uninterrupted_one(small, kind):
    config = small(
        ON, f"objective={kind}", "training.epochs=4", "training.patience_epochs=4", "model.ngram_dropout=0.2"
    )
    uninterrupted = train_without_plots(config)
    broken = killed(config, 2, KeyboardInterrupt, match=r"Resume with: \S*python\S* -m titleclf.train resume=")
    assert train_without_plots(replace(config, resume=str(broken))) == broken
    assert same(weights(broken), weights(uninterrupted))
    assert (broken / "metrics.json").read_text() == (uninterrupted / "metrics.json").read_text()


def test_the_loss_of_a_run_includes_the_term(small, monkeypatch):
    counts = []

    class Thousand(UnsupervisedTerm):
        def forward(self, encoder, count, generator):
            counts.append(count)
            return super().forward(encoder, count, generator) * 0 + 1000.0

    monkeypatch.setattr(module, "UnsupervisedTerm", Thousand)
    config = small(ON, "training.epochs=1")
    folder = train_without_plots(config)
    assert 100 < load_checkpoint(folder)["history"][0]["training_loss"] < 105
    assert sum(counts) == len(read_dataset(config).train)  # as many titles as each batch has
