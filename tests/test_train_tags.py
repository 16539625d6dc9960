"""Several tags a title from end to end: train, bundle, evaluate, report."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from titleclf.runtime.memory.tag_memory import TagMemory
from titleclf.runtime.tag_thresholds import TagThresholds

from tests.evaluate.test_evaluation import config as evaluation
from tests.helpers.bundles import reseal
from tests.helpers.titles import tag_rows, write_csv
from tests.test_train import KilledError, same, weights
from titleclf.config import saved
from titleclf.config.schemas import CategoryPrecision, TrainConfig
from titleclf.data.dataset import read_data
from titleclf.data.targets import tags_of
from titleclf.evaluate.evaluation import evaluate
from titleclf.evaluate.tag_metrics import summary
from titleclf.runtime.choices import Task
from titleclf.runtime.errors import InputError
from titleclf.train import build, fit, train
from titleclf.training import run as runs
from titleclf.training.calibration import calibrate
from titleclf.training.trained_model import load_bundle
from titleclf.training.validation import best_epoch

CPU = torch.device("cpu")
TITLES = ["Match of the Day", "Tagesschau", "", "日本沈没", "x" * 10_000]
CATEGORIES = ["Live", "Long", "Music", "News", "Sports"]


def test_a_run_leaves_all_that_shaped_it_and_all_that_came_out(tags_run):
    assert {path.name for path in tags_run.iterdir()} == {
        "config.yaml",
        "checkpoint.pt",
        "best.safetensors",
        "metrics.json",
        "report.md",
        "tags.png",
        "coverage.png",
        "calibration.png",
        "robustness.png",
        "training.png",
        "validation.json",
        "bundle",
    }
    assert saved.load_config(tags_run, TrainConfig).task is Task.multilabel
    for name in ("tags", "coverage", "calibration", "robustness", "training"):
        assert min(imread(tags_run / f"{name}.png").shape[:2]) > 300


@pytest.mark.parametrize("model", ["bag", "ngram", "conv"])
def test_forty_titles_are_learnt_by_heart(several, model, tmp_path):
    overrides = [f"model={model}", "model.dim=64", "model.dropout=0", "optim.lr=0.02", "training.epochs=80"]
    config = several(*overrides, "training.patience_epochs=80", "training.label_smoothing=0")
    data = read_data(config)
    bundle = build(config, data, CPU)
    fit(config, data, bundle, tmp_path)
    bundle.network.load_state_dict(runs.load_checkpoint(tmp_path)["modules"])
    titles = data.sides.train
    logits, _ = bundle.logits(list(titles["title"]))
    assert len(titles) >= 30
    assert summary(logits > 0, tags_of(titles, data.categories))["subset_accuracy"] == 1.0


def test_the_network_begins_with_how_often_each_tag_is_true(several):
    config = several("model.hidden=7")
    data = read_data(config)
    bundle = build(config, data, CPU)
    *_, bias = bundle.network.head.parameters()
    tags = tags_of(data.sides.train, data.categories)
    assert torch.sigmoid(bias).tolist() == pytest.approx((tags.sum(axis=0) + 1) / (len(tags) + 2))


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(several):
    first, second, other = train(several()), train(several()), train(several("seed=2"))
    assert same(weights(first), weights(second))
    assert (first / "metrics.json").read_text() == (second / "metrics.json").read_text()
    assert not same(weights(first), weights(other))


@pytest.mark.parametrize("choice", ["training.class_balance=1", "training.label_smoothing=0"])
def test_balance_and_smoothing_change_what_is_learnt(several, choice):
    assert not same(weights(train(several())), weights(train(several(choice))))


def test_a_run_killed_after_an_epoch_and_resumed_gives_the_weights_of_an_unbroken_one(several, monkeypatch):
    config = several("training.epochs=4")
    unbroken = train(config)
    save = runs.save_checkpoint

    def die_after_second(folder, state):
        save(folder, state)
        if len(state["history"]) == 2:
            raise KilledError

    monkeypatch.setattr(runs, "save_checkpoint", die_after_second)
    with pytest.raises(KilledError):
        train(config)
    monkeypatch.undo()
    broken = next(folder for folder in unbroken.parent.iterdir() if folder.name not in ("latest", unbroken.name))
    assert train(replace(config, resume=str(broken))) == broken
    assert same(weights(broken), weights(unbroken))
    assert (broken / "metrics.json").read_text() == (unbroken / "metrics.json").read_text()


def test_the_best_epoch_is_the_one_of_both_f1_in_both_halves():
    names = ("micro_f1", "macro_f1", "known_micro_f1", "known_macro_f1")
    history = [{"epoch": n, **dict.fromkeys(names, 0.5), "macro_f1": f} for n, f in enumerate([0.2, 0.5, 0.4], start=1)]
    assert best_epoch(history) == 2


def test_a_saved_bundle_predicts_as_before(tags_run, tmp_path):
    bundle = load_bundle(tags_run)
    bundle.save(tmp_path / "copy")
    copy = load_bundle(tmp_path / "copy")
    assert (copy.task, copy.categories) == (Task.multilabel, CATEGORIES)
    assert np.abs(copy.probabilities(TITLES)[0] - bundle.probabilities(TITLES)[0]).max() < 1e-5
    assert (copy.temperature, copy.thresholds, copy.facts) == (bundle.temperature, bundle.thresholds, bundle.facts)
    assert isinstance(copy.thresholds, TagThresholds)
    assert isinstance(copy.memory, TagMemory)
    for path in (tags_run / "bundle").iterdir():
        assert path.read_bytes() == (tmp_path / "copy" / path.name).read_bytes()


def test_a_titles_probabilities_are_the_same_alone_and_in_any_batch(tags_run):
    bundle = load_bundle(tags_run)
    titles = [title for title, _, _ in tag_rows()]
    together, _ = bundle.probabilities(titles * 6)
    alone = np.concatenate([bundle.probabilities([title])[0] for title in titles])
    assert np.allclose(together[-50:], alone, atol=1e-6)
    assert not np.allclose(together.sum(axis=1), 1)


def test_answers_are_the_tags_above_their_thresholds(tags_run):
    bundle = load_bundle(tags_run)
    expected = bundle.probabilities(TITLES)[0] >= np.array([bundle.thresholds.named[name] for name in CATEGORIES])
    assert (bundle.answers(TITLES) == expected).all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"task": "both"}, "config.json: task must be one of single, multilabel. Got 'both'. Train or copy it again."),
        ({"task": "single"}, "config.json: temperature must have the keys slope, value."),
        ({"temperature": {"value": 0.0, "shift": 0.0}}, "must have categories and a temperature above 0. Train again."),
        ({"thresholds": {}}, "config.json: thresholds must have the keys least, named, precisions, wishes."),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(tags_run, tmp_path, change, sentence):
    folder = shutil.copytree(tags_run / "bundle", tmp_path / "bundle")
    text = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**text, **change}))
    reseal(folder)
    with pytest.raises(InputError) as caught:
        load_bundle(folder)
    assert sentence in str(caught.value)


def test_the_card_says_what_it_tells_and_how_good_it_is(tags_run):
    card = (tags_run / "bundle" / "README.md").read_text()
    assert "Tells the categories, one or several, of a TV programme from its title." in card
    assert "held-out titles: micro-F1" in card
    assert "mean average precision" in card
    assert "(`--precision 0.9`), it names" in card
    assert "| language | micro-F1 | macro-F1 | exactly right | titles |" in card


@pytest.mark.parametrize("kind", ["none", "exact", "fuzzy"])
def test_memory_is_of_the_training_titles_alone(several, kind):
    bundle = load_bundle(train(several(f"memory={kind}", "training.epochs=1")))
    assert (bundle.memory is None) == (kind == "none")
    if bundle.memory is not None:
        assert bundle.memory.kind == kind
        assert len(bundle.memory.keys) == bundle.facts.training_titles


def test_a_memory_of_other_titles_knows_no_tag_that_is_not_trained(several, tmp_path):
    own = [("Opéra en direct", "Music|Live", "fr"), ("Tatort", "News | Film", "de")]
    config = several(f"memory_path={write_csv(tmp_path / 'memory.csv', own)}")
    assert read_data(config).remembered["category"].to_list() == ["Live|Music"]


def test_calibrating_again_gives_the_same_memory_temperature_and_thresholds(several):
    config = several("training.epochs=1")
    bundle = load_bundle(train(config))
    temperature, thresholds, memory = bundle.temperature, bundle.thresholds, bundle.memory
    calibrate(config, read_data(config), bundle)
    assert (bundle.temperature, bundle.thresholds) == (temperature, thresholds)
    assert bundle.memory.weights == pytest.approx(memory.weights, abs=1e-6)


def test_wishes_for_a_tag_reach_the_bundle_and_its_report(several):
    folder = train(several("evaluate.category_precision=[{category:News,precision:0.96}]", "training.epochs=1"))
    assert load_bundle(folder).thresholds.wishes == {"News": 0.96}
    assert json.loads((folder / "metrics.json").read_text())["thresholds"]["News"]["wanted"] == 0.96


def test_a_runs_own_test_titles_give_the_runs_own_figures(tags_run, tmp_path):
    evaluate(evaluation(tags_run, output_dir=tmp_path / "again", robustness_titles=1000))
    assert (tmp_path / "again" / "metrics.json").read_text() == (tags_run / "metrics.json").read_text()


def test_any_labelled_file_is_judged(tags_run, tmp_path, capsys):
    own = write_csv(tmp_path / "own.csv", tag_rows()[:7])
    wishes = [CategoryPrecision("Music", 0.98)]
    metrics = evaluate(evaluation(tags_run / "bundle", own, tmp_path / "judged", category_precision=wishes))
    assert metrics["titles"] == 7
    assert metrics["thresholds"]["Music"]["wanted"] == 0.98
    assert metrics == json.loads((tmp_path / "judged" / "metrics.json").read_text())
    assert "micro-F1 / macro-F1" in capsys.readouterr().out


def test_unknown_tags_are_named(tags_run, tmp_path):
    own = write_csv(tmp_path / "own.csv", [("Tatort", "News | Film", "de")])
    with pytest.raises(InputError, match=r"must be one of Live; Long; Music; News; Sports. Got Film. Rename it, or"):
        evaluate(evaluation(tags_run, own, tmp_path / "judged"))
    assert not (tmp_path / "judged").exists()


def test_wishes_of_unknown_tags_are_refused_before_training(several, tmp_path):
    with pytest.raises(InputError, match=r"must name some of Live; Long; Music; News; Sports. Got Film"):
        train(several("evaluate.category_precision=[{category:Film,precision:0.9}]"))
    assert not (tmp_path / "outputs").exists()
