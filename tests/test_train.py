import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from tests.helpers.titles import rows, write_csv
from tests.helpers.training import (
    check_calibration_is_repeatable,
    interrupted,
    killed,
    killed_after_one_epoch,
    refusal,
    same,
    train_without_plots,
    weights,
)
from titleclf import train as module
from titleclf.config import saved
from titleclf.config.schemas import CategoryPrecision, TrainConfig
from titleclf.data.dataset import read_dataset
from titleclf.runtime.choices import Device
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.programmes import Programmes
from titleclf.runtime.text.title_keys import key_of
from titleclf.train import fit, train
from titleclf.training.distributed import pick_device
from titleclf.training.embeddings import write_embeddings
from titleclf.training.network import Ngram
from titleclf.training.quantization import quantize_table
from titleclf.training.run import Run, load_checkpoint, resumed
from titleclf.training.trained_model import load_trained, new_model

CPU = torch.device("cpu")


def test_a_run_leaves_its_inputs_and_all_results(run):
    assert {path.name for path in run.iterdir()} == {
        "config.yaml",
        "checkpoint.pt",
        "best.safetensors",
        "metrics.json",
        "report.md",
        "confusion.png",
        "coverage.png",
        "calibration.png",
        "robustness.png",
        "training.png",
        "validation.json",
        "bundle",
    }
    assert (run.parent / "latest").resolve() == run.resolve()
    assert json.loads((run / "metrics.json").read_text())["titles"] >= 8
    assert imread(run / "training.png").ndim == 3
    assert saved.load_config(run, TrainConfig).training.epochs == 8


@pytest.mark.parametrize("model", ["bag", "ngram", "conv"])
def test_forty_titles_are_memorized(small, model):
    sizes = ["model.dim=32"] if model == "ngram" else ["model.dim=64"]
    overrides = [f"model={model}", *sizes, "model.dropout=0", "optim.lr=0.02", "training.epochs=25"]
    config = small(*overrides, "training.patience_epochs=25", "training.label_smoothing=0")
    data = read_dataset(config)
    trained_model, run = new_model(config, data, CPU), Run.start_or_resume(config)
    fit(config, data, trained_model.network, run)
    trained_model.network.load_state_dict(load_checkpoint(run.folder)["modules"])
    logits = trained_model.logits(data.train.programmes)
    assert len(data.train) >= 30
    assert (logits.argmax(axis=1) == data.train.targets).all()


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(small, trained):
    first = trained("model.ngram_dropout=0.2")
    second = train_without_plots(small("model.ngram_dropout=0.2"))
    another = train_without_plots(small("model.ngram_dropout=0.2", "seed=2"))
    assert first != second
    assert same(weights(first), weights(second))
    assert not same(weights(first), weights(another))


@pytest.mark.parametrize("model", [["model.ngram_dropout=0.2"], ["noise=none"], ["model=conv"]])
def test_a_run_killed_after_an_epoch_and_resumed_gives_the_weights_of_an_uninterrupted_one(small, model):
    config = small(*model, "training.epochs=5", "training.patience_epochs=5")
    uninterrupted = train_without_plots(config)
    broken = killed(config, 2)
    assert not (broken / "bundle").exists()
    assert (uninterrupted.parent / "latest").resolve() == uninterrupted.resolve()
    assert train_without_plots(replace(config, resume=str(broken))) == broken
    assert same(weights(broken), weights(uninterrupted))
    assert (broken / "metrics.json").read_text() == (uninterrupted / "metrics.json").read_text()


def test_a_finished_run_is_not_resumed(run, small):
    sentence = f"resume must be a run that has not finished. Got {run}, which has its bundle. Use that."
    assert refusal(small(), run) == sentence


def unfinished(run: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(run, tmp_path / "unfinished"))
    shutil.rmtree(folder / "bundle")
    return folder


def test_a_resumed_run_takes_its_own_configuration(run, small, tmp_path):
    folder = unfinished(run, tmp_path)
    started = replace(saved.load_config(run, TrainConfig), resume=str(folder))
    assert resumed(small("seed=7", f"resume={folder}"), "bundle") == started
    assert resumed(small("seed=7"), "bundle") == small("seed=7")


def test_resume_refuses_other_titles(run, small, tmp_path, titles_csv):
    folder = unfinished(run, tmp_path)
    text = (folder / "config.yaml").read_text()
    table = [(f"{category} {'x' * n}", category, "en") for category in "abc" for n in range(9)]
    changed = write_csv(tmp_path / "changed.csv", table)
    (folder / "config.yaml").write_text(text.replace(str(titles_csv), str(changed)))
    sentence = f"resume must be given the same titles. Got {folder}, started with others. Train again."
    assert refusal(small(), folder) == sentence


def written_embeddings(run: Path, path: Path, added: float = 0.0) -> Path:
    network = load_trained(run).network
    assert isinstance(network.encoder, Ngram)
    with torch.no_grad():
        network.encoder.ngrams.weight[5, 3] += added
    write_embeddings(path, network.encoder, network.model, network.characters)
    return path


@pytest.fixture
def embeddings(run, tmp_path) -> Path:
    return written_embeddings(run, tmp_path / "e.safetensors")


def test_a_checkpoint_has_the_fingerprints_of_all_files_that_shape_the_weights(small, trained, embeddings, tmp_path):
    (tmp_path / "own.txt").write_text("Newsnight\nTagesschau\n")
    own = [f"model.embeddings.path={embeddings}", "loss.unsupervised=0.1", f"loss.titles={tmp_path / 'own.txt'}"]
    titles = read_dataset(small("training.epochs=1")).fingerprint
    assert load_checkpoint(trained("training.epochs=1"))["given"] == {"titles": titles}
    assert load_checkpoint(train_without_plots(small("training.epochs=1", *own)))["given"] == {
        "titles": titles,
        "embeddings": hashlib.sha256(embeddings.read_bytes()).hexdigest(),
        "titles without labels": hashlib.sha256(b"Newsnight\nTagesschau").hexdigest(),
    }


def test_resume_refuses_another_file_of_embeddings(small, embeddings, run):
    config = small("training.epochs=1", f"model.embeddings.path={embeddings}")
    folder = killed_after_one_epoch(config)
    original = embeddings.read_bytes()
    written_embeddings(run, embeddings, added=1.0)
    sentence = f"resume must be given the same embeddings. Got {folder}, started with others. Train again."
    assert refusal(config, folder) == sentence
    embeddings.write_bytes(original)
    assert train_without_plots(replace(config, resume=str(folder))) == folder


@pytest.mark.parametrize("change", ["content", "path", "none"])
def test_resume_refuses_other_titles_without_labels(small, tmp_path, change):
    own, changed = tmp_path / "own.txt", tmp_path / "changed.txt"
    own.write_text("Newsnight\nTagesschau\n")
    changed.write_text("Newsnight\nTatort\n")
    config = small("training.epochs=1", "loss.unsupervised=0.1", f"loss.titles={own}")
    folder = killed_after_one_epoch(config)
    text = (folder / "config.yaml").read_text()
    match change:
        case "content":
            own.write_text(changed.read_text())
        case "path":
            (folder / "config.yaml").write_text(text.replace(str(own), str(changed)))
        case "none":  # the training titles then
            (folder / "config.yaml").write_text(text.replace(str(own), "null"))
    sentence = f"resume must be given the same titles without labels. Got {folder}, started with others. Train again."
    assert refusal(config, folder) == sentence
    own.write_text("Newsnight\nTagesschau\n")
    (folder / "config.yaml").write_text(text)
    assert train_without_plots(replace(config, resume=str(folder))) == folder


def test_all_differences_are_named_at_once(small, run, embeddings, tmp_path):
    own = tmp_path / "own.txt"
    own.write_text("Newsnight\nTagesschau\n")
    overrides = [f"model.embeddings.path={embeddings}", "loss.unsupervised=0.1", f"loss.titles={own}"]
    config = small("training.epochs=1", *overrides)
    folder = killed_after_one_epoch(config)
    own.write_text("Newsnight\n")
    written_embeddings(run, embeddings, added=1.0)
    sentence = "resume must be given the same embeddings and titles without labels. Got "
    assert refusal(config, folder).startswith(sentence)


def test_resume_needs_an_undamaged_checkpoint(run, small, tmp_path):
    folder = unfinished(run, tmp_path)
    (folder / "checkpoint.pt").write_bytes((folder / "checkpoint.pt").read_bytes()[:999])
    with pytest.raises(InputError, match=r"checkpoint.pt must be a whole checkpoint. Got a damaged one. Train again."):
        train(small(f"resume={folder}"))
    (folder / "checkpoint.pt").unlink()
    with pytest.raises(InputError, match=r"has no checkpoint.pt. Its first epoch was not finished: train again."):
        train(small(f"resume={folder}"))


def test_a_damaged_configuration_is_refused(run, small, tmp_path):
    folder = unfinished(run, tmp_path)
    (folder / "config.yaml").write_text("seed: [1")
    with pytest.raises(InputError, match=r"config.yaml must be YAML. Got: .*Repair it or train again."):
        train(small(f"resume={folder}"))
    (folder / "config.yaml").write_text("seed: 1\n")
    with pytest.raises(InputError, match=r"config.yaml must have the keys .*Missing or unknown: characters, data, "):
        train(small(f"resume={folder}"))


def test_a_run_resumed_through_latest_leaves_latest_pointing_to_a_real_folder(small, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    config = replace(small("training.epochs=1"), output_dir="outputs")
    folder = killed_after_one_epoch(config)
    latest = tmp_path / "outputs" / "latest"
    latest.symlink_to(folder.name, target_is_directory=True)
    train_without_plots(replace(config, resume="outputs/latest"))
    assert latest.readlink() == Path(folder.name)
    assert latest.resolve(strict=True) == folder.resolve()
    assert (latest / "bundle").is_dir()
    assert not folder.is_symlink()


def test_ctrl_c_prints_how_to_resume(small, monkeypatch):
    monkeypatch.setattr(module, "calibrate", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"Resume with: \S*python\S* -m titleclf.train resume=.*outputs/"):
        train(small())


def test_ctrl_c_in_the_first_epoch_leaves_nothing(small, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "validate", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"There was no checkpoint yet: the run was removed."):
        train(small())
    assert list((tmp_path / "outputs").iterdir()) == []


def test_ctrl_c_never_removes_a_folder_that_was_there_before(small, run, monkeypatch, tmp_path):
    folder = unfinished(run, tmp_path)
    (folder / "checkpoint.pt").unlink()
    monkeypatch.setattr(module, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"Resume with"):
        train(small(f"resume={folder}"))
    assert (folder / "best.safetensors").exists()


NO_SCORES = {"validation_loss": 1.0, "accuracy": 0.0, "macro_f1": 0.0, "known_accuracy": 0.0, "known_macro_f1": 0.0}


def test_the_best_epoch_is_kept(small, monkeypatch):
    accuracies = iter([0.1, 0.9, 0.3, 0.2, 0.1])
    states = {}
    checkpoint = Run.checkpoint

    def remember(run: Run) -> None:
        assert run.modules is not None
        states[len(run.history)] = {name: tensor.clone() for name, tensor in run.modules.state_dict().items()}
        checkpoint(run)

    monkeypatch.setattr(Run, "checkpoint", remember)
    monkeypatch.setattr(module, "validate", lambda *_: {**NO_SCORES, "accuracy": next(accuracies)})
    config = small("training.epochs=9", "training.patience_epochs=2")
    data = read_dataset(config)
    network, run = new_model(config, data, CPU).network, Run.start_or_resume(config)
    fit(config, data, network, run)
    assert [row["epoch"] for row in run.history] == [1, 2, 3, 4]  # patience ended it two epochs after the best
    assert run.best_epoch == 2
    best = new_model(config, data, CPU).network
    best.load_state_dict(states[2])
    quantize_table(best)
    assert same(network.state_dict(), best.state_dict())
    assert not same(states[2], states[4])


def test_class_balance_changes_the_weights(small, trained):
    assert not same(weights(trained()), weights(train_without_plots(small("training.class_balance=1"))))


def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert pick_device(Device.auto) == pick_device(Device.cpu) == CPU
    for device in (Device.cuda, Device.mps):
        with pytest.raises(
            InputError, match=rf"device must be one that this machine has. Got {device}. Use device=auto"
        ):
            pick_device(device)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert pick_device(Device.auto).type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device(Device.auto).type == "cuda"


def test_a_test_file_with_other_categories_is_refused(small, tmp_path):
    own = write_csv(tmp_path / "own.csv", [("Tatort", "Film", "de")])
    with pytest.raises(InputError, match=r"must be one of Music; News; Sports. Got Film."):
        train(small(f"data.test_path={own}"))
    assert not (tmp_path / "outputs").exists()


WISH = """evaluate.category_precision=[{category:"It's live / Sport (Müsik)",precision:0.96}]"""


def test_wishes_for_a_category_with_an_awkward_name_reach_the_bundle(small, tmp_path):
    awkward = "It's live / Sport (Müsik)"
    table = [(title, awkward if category == "Sports" else category, lang) for title, category, lang in rows()]
    own = write_csv(tmp_path / "own.csv", table)
    overrides = [f"data.path={own}", WISH, "evaluate.target_precision=0.93", "training.epochs=1"]
    folder = train_without_plots(small(*overrides))
    thresholds = load_trained(folder).thresholds
    assert thresholds.wishes == {awkward: 0.96}
    assert {0.93, 0.96} <= set(thresholds.precisions)
    config = saved.load_config(folder, TrainConfig)
    assert config.evaluate.category_precision == [CategoryPrecision(awkward, 0.96)]
    assert json.loads((folder / "metrics.json").read_text())["target_precision"] == 0.93


def test_wishes_for_unknown_categories_are_refused_before_training(small, tmp_path):
    with pytest.raises(
        InputError, match=r"evaluate.category_precision must name some of Music; News; Sports. Got It's"
    ):
        train(small(WISH))
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("choice", ["model.hidden=5", "model.positions=learned", "noise=misspelt", "model=bag"])
def test_every_choice_trains_to_a_bundle_that_predicts(small, choice):
    model = load_trained(train_without_plots(small(choice)))
    assert model.probabilities(Programmes(["Match of the Day"])).sum() == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["none", "exact", "fuzzy"])
def test_the_memory_holds_only_the_training_titles(small, trained, kind):
    train = read_dataset(small()).train
    memory = load_trained(trained(f"memory={kind}", "training.epochs=1")).contents.memory
    if kind == "none":
        assert memory is None
        return
    assert memory is not None
    assert memory.known.kind == kind
    assert set(memory.known.keys) == set(map(key_of, train.titles))
    assert np.isfinite(memory.weights).all()
    misspelt = [title + "x" for title in train.titles]
    assert (memory.evidence(misspelt, 3).max() > 0) == (kind == "fuzzy")


def test_calibrating_again_gives_the_same_memory_temperature_and_thresholds(small, trained):
    check_calibration_is_repeatable(small("training.epochs=1"), load_trained(trained("training.epochs=1")))


def test_a_memory_of_other_titles_holds_none_of_validation_or_test(small, tmp_path):
    own = [("Sportschau am Abend", "Sports", "de"), ("Opéra en direct", "Music", "fr"), ("Tatort", "Film", "de")]
    memory_csv = write_csv(tmp_path / "memory.csv", [*own, *rows()])
    overrides = ("memory=exact", "training.epochs=1")
    data = read_dataset(small(f"memory_path={memory_csv}", *overrides))
    remembered = set(data.remembered.titles)
    assert {"Sportschau am Abend", "Opéra en direct"} | set(data.train.titles) == remembered  # and no Film
    only_own = write_csv(tmp_path / "own.csv", own)
    contents = load_trained(train_without_plots(small(f"memory_path={only_own}", *overrides))).contents
    assert contents.memory is not None
    assert contents.memory.known.keys == ["opera en direct", "sportschau am abend"]
    assert [contents.categories[label] for label in contents.memory.targets] == ["Music", "Sports"]


def test_the_remembered_titles_are_the_trained_ones_by_default(small, titles_csv):
    data = read_dataset(small())
    assert data.remembered.programmes == data.train.programmes
    assert data.remembered.targets.tolist() == data.train.targets.tolist()
    assert data.remembered.languages.tolist() == data.train.languages.tolist()
    same_file = read_dataset(small(f"memory_path={titles_csv}"))
    assert sorted(same_file.remembered.titles) == sorted(data.train.titles)


def test_a_memory_without_any_title_is_refused_before_training(small, tmp_path):
    films = write_csv(tmp_path / "films.csv", [("Tatort", "Film", "de")])
    with pytest.raises(InputError) as caught:
        train(small(f"memory_path={films}"))
    assert str(caught.value) == (
        "memory_path must have titles of Music; News; Sports that are not for validation or test. "
        f"Got none in {films}. Name other titles, or leave it out."
    )
    assert not (tmp_path / "outputs").exists()
