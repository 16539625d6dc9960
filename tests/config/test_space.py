"""Search spaces: which values are searched, and the configuration of a trial."""

from dataclasses import replace

import pytest

from tests.helpers.training import compose_train
from titleclf.config.hydra import compose
from titleclf.config.space import decode, encode, ranges, with_values
from titleclf.runtime.architecture import NgramConfig
from titleclf.runtime.choices import Positions


def test_null_and_deletion_take_keys_and_groups_out_of_the_search():
    overrides = [
        "sweep.space.optim=null",
        "sweep.space.model=null",
        "~sweep.space.training",
        "sweep.space.noise.misspelt=null",
    ]
    assert ranges(compose("sweep", overrides).sweep.space) == {"noise.reformatted": {"low": 0.1, "high": 0.7}}


def test_a_value_on_the_command_line_is_not_searched():
    space = ranges(compose("sweep", []).sweep.space)
    config = compose("sweep", ["optim.lr=0.5", "model=ngram", "training.epochs=3", "seed=2"])
    assert (config.optim.lr, config.training.epochs) == (0.5, 3)
    assert set(space) - set(ranges(config.sweep.space)) == {"optim.lr", "training.epochs"}


def test_the_shipped_searches_vary_the_values_that_matter_to_their_model():
    shared = {
        "optim.lr",
        "optim.weight_decay",
        "model.dropout",
        "model.ngram_dropout",
        "noise.misspelt",
        "noise.reformatted",
        "training.epochs",
        "training.batch_size",
        "training.class_balance",
        "training.label_smoothing",
    }
    default, ngram = (compose("sweep", overrides) for overrides in ([], ["sweep=search_ngram"]))
    assert set(ranges(default.sweep.space)) == shared | {"optim.loaded_lr", "optim.loaded_decay"}
    tables = {"optim.table_lr", "optim.table_decay", "model.dim", "model.buckets"}
    assert set(ranges(ngram.sweep.space)) == shared | tables
    assert ngram.model.embeddings.path is None
    assert (default.output_dir, ngram.output_dir) == ("outputs/search", "outputs/search_ngram")
    assert (default.sweep.trials, default.sweep.startup_trials, default.sweep.seed) == (40, 10, 1)


def test_a_trial_trains_with_its_values_and_the_rest_of_the_configuration():
    config = compose("sweep", ["training.patience_epochs=3"])
    trial = with_values(config, {"optim.lr": 1, "model.positions": "none", "seed": 7, "model.orders": [2, 3]})
    plain = compose_train("model=pretrained", "training.patience_epochs=3", "output_dir=outputs/search")
    ngram = plain.model
    assert isinstance(ngram, NgramConfig)
    expected = replace(
        plain,
        optim=replace(plain.optim, lr=1.0),
        model=replace(ngram, positions=Positions.none, orders=[2, 3]),
        seed=7,
    )
    assert trial == expected
    assert isinstance(trial.optim.lr, float)
    assert with_values(config, {}) == plain


@pytest.mark.parametrize("choice", [None, True, 3, 0.5, "exact", [2, 3], []])
def test_choices_survive_storage(choice):
    values = {"choices": [choice, "another"]}
    assert decode(values, encode(choice)) == choice
    assert isinstance(encode(choice), type(None) | bool | int | float | str)


def test_values_between_bounds_are_not_decoded():
    assert decode({"low": 0.1, "high": 1.0}, 0.25) == 0.25
