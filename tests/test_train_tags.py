"""Several tags per title from end to end: train, bundle, evaluate, report."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from tests.helpers.bundles import reseal
from tests.helpers.titles import tag_rows, write_csv
from tests.helpers.training import check_calibration_is_repeatable, composed, killed, same, train_without_plots, weights
from titleclf.config import saved
from titleclf.config.schemas import TrainConfig
from titleclf.data.dataset import read_dataset
from titleclf.evaluate.evaluation import evaluate
from titleclf.evaluate.tag_metrics import summary
from titleclf.runtime.choices import Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.programmes import Programmes
from titleclf.runtime.thresholds import TagThresholds
from titleclf.train import fit, train
from titleclf.training.bundle_writer import write_bundle
from titleclf.training.run import Run, load_checkpoint
from titleclf.training.trained_model import bundle_of, load_trained, new_model

CPU = torch.device("cpu")
TITLES = ["Match of the Day", "Tagesschau", "", "日本沈没", "x" * 10_000]
CATEGORIES = ["Live", "Long", "Music", "News", "Sports"]


def test_a_run_leaves_its_inputs_and_all_results(tags_run):
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
def test_forty_titles_are_memorized(several, model):
    overrides = [f"model={model}", "model.dim=64", "model.dropout=0", "optim.lr=0.02", "training.epochs=40"]
    config = several(*overrides, "training.patience_epochs=40", "training.label_smoothing=0")
    data = read_dataset(config)
    trained_model, run = new_model(config, data, CPU), Run.start_or_resume(config)
    fit(config, data, trained_model.network, run)
    trained_model.network.load_state_dict(load_checkpoint(run.folder)["modules"])
    logits = trained_model.logits(data.train.programmes)
    assert len(data.train) >= 30
    assert summary(logits > 0, data.train.targets.astype(np.bool_))["subset_accuracy"] == 1.0


def test_the_network_starts_with_the_frequency_of_each_tag(several):
    config = several("model.hidden=7")
    data = read_dataset(config)
    *_, bias = new_model(config, data, CPU).network.head.parameters()
    tags = data.train.targets
    assert torch.sigmoid(bias).tolist() == pytest.approx((tags.sum(axis=0) + 1) / (len(tags) + 2))


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(several, trained_tags):
    first = trained_tags()
    second, another = train_without_plots(several()), train_without_plots(several("seed=2"))
    assert same(weights(first), weights(second))
    assert (first / "metrics.json").read_text() == (second / "metrics.json").read_text()
    assert not same(weights(first), weights(another))


@pytest.mark.parametrize("choice", ["training.class_balance=1", "training.label_smoothing=0"])
def test_balance_and_smoothing_change_the_weights(several, trained_tags, choice):
    assert not same(weights(trained_tags()), weights(train_without_plots(several(choice))))


def test_a_run_killed_after_an_epoch_and_resumed_gives_the_weights_of_an_uninterrupted_one(several):
    config = several("training.epochs=4")
    uninterrupted = train_without_plots(config)
    broken = killed(config, 2)
    assert train_without_plots(replace(config, resume=str(broken))) == broken
    assert same(weights(broken), weights(uninterrupted))
    assert (broken / "metrics.json").read_text() == (uninterrupted / "metrics.json").read_text()


def test_a_saved_bundle_predicts_as_before(tags_run, tmp_path):
    model, programmes = load_trained(tags_run), Programmes(TITLES)
    write_bundle(bundle_of(model), tmp_path / "copy")
    copy = load_trained(tmp_path / "copy")
    assert (copy.task, copy.categories) == (Task.multilabel, CATEGORIES)
    assert np.abs(copy.probabilities(programmes) - model.probabilities(programmes)).max() < 1e-5
    assert copy.contents.temperature == model.contents.temperature
    assert (copy.thresholds, copy.contents.info) == (model.thresholds, model.contents.info)
    assert isinstance(copy.thresholds, TagThresholds)
    assert copy.contents.memory is not None
    assert copy.contents.memory.targets.shape == (len(copy.contents.memory.known.keys), len(CATEGORIES))
    for path in (tags_run / "bundle").iterdir():
        assert path.read_bytes() == (tmp_path / "copy" / path.name).read_bytes()


def test_the_probabilities_of_a_title_are_the_same_alone_and_in_any_batch(tags_run):
    model = load_trained(tags_run)
    titles = [title for title, _, _ in tag_rows()]
    together = model.probabilities(Programmes(titles * 6))
    alone = np.concatenate([model.probabilities(Programmes([title])) for title in titles])
    assert np.allclose(together[-50:], alone, atol=1e-6)
    assert not np.allclose(together.sum(axis=1), 1)


def test_the_predicted_tags_are_those_above_their_thresholds(tags_run):
    model, programmes = load_trained(tags_run), Programmes(TITLES)
    assert isinstance(model.thresholds, TagThresholds)
    thresholds = np.array([model.thresholds.named[name] for name in CATEGORIES])
    assert (model.targets(programmes) == (model.probabilities(programmes) >= thresholds)).all()


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
        load_trained(folder)
    assert sentence in str(caught.value)


def test_the_model_card_describes_the_model_and_its_scores(tags_run):
    card = (tags_run / "bundle" / "README.md").read_text()
    assert "Predicts the categories, one or several, of a TV programme from its title." in card
    assert "held-out titles: micro-F1" in card
    assert "mean average precision" in card
    assert "`--precision 0.9` it names" in card
    assert "| language | micro-F1 | macro-F1 | exactly right | titles |" in card


@pytest.mark.parametrize("kind", ["none", "exact", "fuzzy"])
def test_the_memory_holds_only_the_training_titles(trained_tags, kind):
    contents = load_trained(trained_tags(f"memory={kind}", "training.epochs=1")).contents
    assert (contents.memory is None) == (kind == "none")
    if contents.memory is not None:
        assert contents.memory.known.kind == kind
        assert len(contents.memory.known.keys) == contents.info.training_titles


def test_a_memory_of_other_titles_holds_no_tag_that_is_not_trained(several, tmp_path):
    own = [("Opéra en direct", "Music|Live", "fr"), ("Tatort", "News | Film", "de")]
    data = read_dataset(several(f"memory_path={write_csv(tmp_path / 'memory.csv', own)}"))
    assert [[data.categories[tag] for tag in tags.nonzero()[0]] for tags in data.remembered.targets] == [
        ["Live", "Music"]
    ]


def test_calibrating_again_gives_the_same_memory_temperature_and_thresholds(several, trained_tags):
    check_calibration_is_repeatable(several("training.epochs=1"), load_trained(trained_tags("training.epochs=1")))


def test_wishes_for_a_tag_reach_the_bundle_and_its_report(several):
    wish = "evaluate.category_precision=[{category:News,precision:0.96}]"
    folder = train_without_plots(several(wish, "training.epochs=1"))
    assert load_trained(folder).thresholds.wishes == {"News": 0.96}
    assert json.loads((folder / "metrics.json").read_text())["thresholds"]["News"]["wanted"] == 0.96


def test_evaluating_a_run_again_gives_its_own_metrics(tags_run, tmp_path):
    again = [f"run={tags_run}", f"output_dir={tmp_path / 'again'}", "evaluate.robustness_titles=1000"]
    evaluate(composed("evaluate", *again))
    assert (tmp_path / "again" / "metrics.json").read_text() == (tags_run / "metrics.json").read_text()


def evaluation(tags_run, path, folder, *overrides):
    sources = [f"run={tags_run}", f"path={path}", f"output_dir={folder}"]
    return composed("evaluate", *sources, "evaluate.robustness_titles=0", *overrides)


def test_any_labelled_file_is_evaluated(tags_run, tmp_path, capsys):
    own = write_csv(tmp_path / "own.csv", tag_rows()[:7])
    wish = "evaluate.category_precision=[{category:Music,precision:0.98}]"
    metrics = evaluate(evaluation(tags_run / "bundle", own, tmp_path / "evaluation", wish))
    assert metrics["titles"] == 7
    assert metrics["thresholds"]["Music"]["wanted"] == 0.98
    assert metrics == json.loads((tmp_path / "evaluation" / "metrics.json").read_text())
    assert "micro-F1 / macro-F1" in capsys.readouterr().out


def test_unknown_tags_are_named(tags_run, tmp_path):
    own = write_csv(tmp_path / "own.csv", [("Tatort", "News | Film", "de")])
    with pytest.raises(InputError, match=r"must be one of Live; Long; Music; News; Sports. Got Film. Rename it, or"):
        evaluate(evaluation(tags_run, own, tmp_path / "evaluation"))
    assert not (tmp_path / "evaluation").exists()


def test_wishes_for_unknown_tags_are_refused_before_training(several, tmp_path):
    with pytest.raises(InputError, match=r"must name some of Live; Long; Music; News; Sports. Got Film"):
        train(several("evaluate.category_precision=[{category:Film,precision:0.9}]"))
    assert not (tmp_path / "outputs").exists()
