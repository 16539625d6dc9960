import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from safetensors.torch import load_file

from tests.helpers.titles import rows, write_csv
from titleclf import train as module
from titleclf.config import saved
from titleclf.config.schemas import CategoryPrecision, TrainConfig
from titleclf.data.dataset import read_data
from titleclf.data.targets import labels_of
from titleclf.runtime.choices import Device
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.title_keys import key_of
from titleclf.train import build, fit, train
from titleclf.training import run as runs
from titleclf.training.calibration import calibrate
from titleclf.training.distributed import pick_device
from titleclf.training.embeddings import write_embeddings
from titleclf.training.quantization import round_table
from titleclf.training.trained_model import load_bundle
from titleclf.training.validation import best_epoch

CPU = torch.device("cpu")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "bundle" / "weights.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_leaves_all_that_shaped_it_and_all_that_came_out(run):
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
def test_forty_titles_are_learnt_by_heart(small, model, tmp_path):
    sizes = ["model.dim=32"] if model == "ngram" else ["model.dim=64"]
    overrides = [f"model={model}", *sizes, "model.dropout=0", "optim.lr=0.02", "training.epochs=60"]
    config = small(*overrides, "training.patience_epochs=60", "training.label_smoothing=0")
    data = read_data(config)
    bundle = build(config, data, CPU)
    fit(config, data, bundle, tmp_path)
    bundle.network.load_state_dict(runs.load_checkpoint(tmp_path)["modules"])
    titles = data.sides.train
    logits, _ = bundle.logits(list(titles["title"]))
    assert len(titles) >= 30
    assert (logits.argmax(axis=1) == labels_of(titles, data.categories)).all()


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(small):
    first, second = train(small("model.ngram_dropout=0.2")), train(small("model.ngram_dropout=0.2"))
    other = train(small("model.ngram_dropout=0.2", "seed=2"))
    assert first != second
    assert same(weights(first), weights(second))
    assert not same(weights(first), weights(other))


class KilledError(Exception):
    pass


@pytest.mark.parametrize("model", [["model.ngram_dropout=0.2"], ["noise=none"], ["model=conv"]])
def test_a_run_killed_after_an_epoch_and_resumed_gives_the_weights_of_an_unbroken_one(small, monkeypatch, model):
    config = small(*model, "training.epochs=5", "training.patience_epochs=5")
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
    assert not (broken / "bundle").exists()
    assert (unbroken.parent / "latest").resolve() == unbroken.resolve()
    assert train(replace(config, resume=str(broken))) == broken
    assert same(weights(broken), weights(unbroken))
    assert (broken / "metrics.json").read_text() == (unbroken / "metrics.json").read_text()


def test_a_run_that_has_ended_is_not_resumed(run, small):
    with pytest.raises(InputError, match=r"resume must be a run that has not ended. Got .*, which has its bundle."):
        train(small(f"resume={run}"))


def unfinished(run: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(run, tmp_path / "unfinished"))
    shutil.rmtree(folder / "bundle")
    return folder


def test_resume_refuses_other_titles(run, small, tmp_path, titles_csv):
    folder = unfinished(run, tmp_path)
    text = (folder / "config.yaml").read_text()
    other = write_csv(tmp_path / "other.csv", [(f"{kind} {'x' * n}", kind, "en") for kind in "abc" for n in range(9)])
    (folder / "config.yaml").write_text(text.replace(str(titles_csv), str(other)))
    with pytest.raises(
        InputError, match=r"resume must be given the same titles. Got .*, begun on others. Train again."
    ):
        train(small(f"resume={folder}"))


def written_embeddings(run: Path, path: Path, added: float = 0.0) -> Path:
    source = load_bundle(run)
    with torch.no_grad():
        source.network.encoder.ngrams.weight[5, 3] += added
    write_embeddings(path, source.network.encoder, source.network.config, source.characters)
    return path


@pytest.fixture
def embeddings(run, tmp_path) -> Path:
    return written_embeddings(run, tmp_path / "e.safetensors")


def killed_after_one_epoch(config: TrainConfig) -> Path:
    """Return the folder of a run that was killed, with its checkpoint."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "finish", interrupted)
        with pytest.raises(KeyboardInterrupt, match="Go on with"):
            train(config)
    (folder,) = Path(config.output_dir).iterdir()
    return folder


def refusal(config: TrainConfig, folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        train(replace(config, resume=str(folder)))
    return str(caught.value)


def test_a_checkpoint_knows_all_files_that_shaped_it(small, embeddings, tmp_path):
    (tmp_path / "own.txt").write_text("Newsnight\nTagesschau\n")
    own = [f"model.embeddings.path={embeddings}", "loss.unsupervised=0.1", f"loss.titles={tmp_path / 'own.txt'}"]
    plain = small("training.epochs=1")
    given = runs.load_checkpoint(train(plain))["given"]
    assert given == {"titles": read_data(plain).fingerprint}
    given = runs.load_checkpoint(train(small("training.epochs=1", *own)))["given"]
    assert given == {
        "titles": read_data(plain).fingerprint,
        "embeddings": hashlib.sha256(embeddings.read_bytes()).hexdigest(),
        "titles without labels": hashlib.sha256(b"Newsnight\nTagesschau").hexdigest(),
    }


def test_resume_refuses_another_file_of_embeddings(small, embeddings, run):
    config = small("training.epochs=1", f"model.embeddings.path={embeddings}")
    folder = killed_after_one_epoch(config)
    kept = embeddings.read_bytes()
    written_embeddings(run, embeddings, added=1.0)
    sentence = f"resume must be given the same embeddings. Got {folder}, begun on others. Train again."
    assert refusal(config, folder) == sentence
    embeddings.write_bytes(kept)
    assert train(replace(config, resume=str(folder))) == folder


@pytest.mark.parametrize("how", ["content", "path", "none"])
def test_resume_refuses_other_titles_without_labels(small, tmp_path, how):
    own, other = tmp_path / "own.txt", tmp_path / "other.txt"
    own.write_text("Newsnight\nTagesschau\n")
    other.write_text("Newsnight\nTatort\n")
    config = small("training.epochs=1", "loss.unsupervised=0.1", f"loss.titles={own}")
    folder = killed_after_one_epoch(config)
    text = (folder / "config.yaml").read_text()
    match how:
        case "content":
            own.write_text(other.read_text())
        case "path":
            (folder / "config.yaml").write_text(text.replace(str(own), str(other)))
        case "none":  # those of training then
            (folder / "config.yaml").write_text(text.replace(str(own), "null"))
    sentence = f"resume must be given the same titles without labels. Got {folder}, begun on others. Train again."
    assert refusal(config, folder) == sentence
    own.write_text("Newsnight\nTagesschau\n")
    (folder / "config.yaml").write_text(text)
    assert train(replace(config, resume=str(folder))) == folder


def test_all_that_differs_is_told_at_once(small, run, embeddings, tmp_path):
    own = tmp_path / "own.txt"
    own.write_text("Newsnight\nTagesschau\n")
    overrides = [f"model.embeddings.path={embeddings}", "loss.unsupervised=0.1", f"loss.titles={own}"]
    config = small("training.epochs=1", *overrides)
    folder = killed_after_one_epoch(config)
    own.write_text("Newsnight\n")
    written_embeddings(run, embeddings, added=1.0)
    sentence = "resume must be given the same embeddings and titles without labels. Got "
    assert refusal(config, folder).startswith(sentence)


def test_resume_without_or_with_a_damaged_checkpoint(run, small, tmp_path):
    folder = unfinished(run, tmp_path)
    (folder / "checkpoint.pt").write_bytes((folder / "checkpoint.pt").read_bytes()[:999])
    with pytest.raises(InputError, match=r"checkpoint.pt must be a whole checkpoint. Got a damaged one. Train again."):
        train(small(f"resume={folder}"))
    (folder / "checkpoint.pt").unlink()
    with pytest.raises(InputError, match=r"has no checkpoint.pt. Its first epoch never ended: train again."):
        train(small(f"resume={folder}"))


def test_a_changed_configuration_is_refused(run, small, tmp_path):
    folder = unfinished(run, tmp_path)
    (folder / "config.yaml").write_text("seed: [1")
    with pytest.raises(InputError, match=r"config.yaml must be YAML. Got: .*Repair it or train again."):
        train(small(f"resume={folder}"))
    (folder / "config.yaml").write_text("seed: 1\n")
    with pytest.raises(InputError, match=r"config.yaml must have the keys .*Missing or unknown: characters, context, "):
        train(small(f"resume={folder}"))


def interrupted(*_):
    raise KeyboardInterrupt


def test_ctrl_c_says_how_to_go_on(small, monkeypatch):
    monkeypatch.setattr(module, "finish", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"Go on with: python -m titleclf.train resume=.*outputs/"):
        train(small())


def test_ctrl_c_in_the_first_epoch_leaves_nothing(small, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "validate", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"There was no checkpoint yet: nothing is left of the run."):
        train(small())
    assert list((tmp_path / "outputs").iterdir()) == []


def test_ctrl_c_never_removes_a_folder_that_was_there_before(small, run, monkeypatch, tmp_path):
    folder = unfinished(run, tmp_path)
    (folder / "checkpoint.pt").unlink()
    monkeypatch.setattr(module, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"Go on with"):
        train(small(f"resume={folder}"))
    assert (folder / "best.safetensors").exists()


NO_SCORES = {"validation_loss": 1.0, "accuracy": 0.0, "macro_f1": 0.0, "known_accuracy": 0.0, "known_macro_f1": 0.0}


def test_the_best_epoch_is_kept(small, tmp_path, monkeypatch):
    scores = iter([0.1, 0.9, 0.3, 0.2, 0.1])
    states = {}
    save = runs.save_checkpoint

    def remember(folder, state):
        states[len(state["history"])] = {name: tensor.clone() for name, tensor in state["modules"].items()}
        save(folder, state)

    monkeypatch.setattr(runs, "save_checkpoint", remember)
    monkeypatch.setattr(module, "validate", lambda *_: {**NO_SCORES, "accuracy": next(scores)})
    config = small("training.epochs=9", "training.patience_epochs=2")
    data = read_data(config)
    bundle = build(config, data, CPU)
    history = fit(config, data, bundle, tmp_path)
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]  # patience ended it two epochs after the best
    assert best_epoch(history) == 2
    best = build(config, data, CPU).network
    best.load_state_dict(states[2])
    round_table(best)
    assert same(bundle.network.state_dict(), best.state_dict())
    assert not same(states[2], states[4])


def test_the_best_epoch_is_the_first_of_equals():
    rows = [{**NO_SCORES, "epoch": n, "accuracy": a} for n, a in enumerate([0.2, 0.5, 0.5], start=1)]
    assert best_epoch(rows) == 2
    assert best_epoch([]) == 0


def test_class_balance_changes_what_is_learnt(small):
    assert not same(weights(train(small())), weights(train(small("training.class_balance=1"))))


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
    named = [(title, "It's live / Sport (Müsik)" if kind == "Sports" else kind, lang) for title, kind, lang in rows()]
    own = write_csv(tmp_path / "own.csv", named)
    folder = train(small(f"data.path={own}", WISH, "evaluate.target_precision=0.93", "training.epochs=1"))
    thresholds = load_bundle(folder).thresholds
    assert thresholds.wishes == {"It's live / Sport (Müsik)": 0.96}
    assert {0.93, 0.96} <= set(thresholds.precisions)
    assert saved.load_config(folder, TrainConfig).evaluate.category_precision == [
        CategoryPrecision("It's live / Sport (Müsik)", 0.96)
    ]
    assert json.loads((folder / "metrics.json").read_text())["target_precision"] == 0.93


def test_wishes_for_unknown_categories_are_refused_before_training(small, tmp_path):
    with pytest.raises(
        InputError, match=r"evaluate.category_precision must name some of Music; News; Sports. Got It's"
    ):
        train(small(WISH))
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("choice", ["model.hidden=5", "model.positions=learned", "noise=misspelt", "model=bag"])
def test_every_choice_trains_to_a_bundle_that_predicts(small, choice):
    bundle = load_bundle(train(small(choice)))
    assert bundle.probabilities(["Match of the Day"])[0].sum() == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["none", "exact", "fuzzy"])
def test_memory_is_of_the_training_titles_alone(small, kind):
    config = small(f"memory={kind}", "training.epochs=1")
    data = read_data(config)
    bundle = load_bundle(train(config))
    if kind == "none":
        assert bundle.memory is None
        return
    assert bundle.memory is not None
    assert bundle.memory.kind == kind
    assert set(bundle.memory.keys) == set(map(key_of, data.sides.train["title"]))
    assert np.isfinite(bundle.memory.weights).all()
    misspelt = [title + "x" for title in data.sides.train["title"]]
    assert (bundle.memory.evidence(misspelt, 3).max() > 0) == (kind == "fuzzy")


def test_calibrating_again_gives_the_same_memory_temperature_and_thresholds(small):
    config = small("training.epochs=1")
    bundle = load_bundle(train(config))
    temperature, thresholds, memory = bundle.temperature, bundle.thresholds, bundle.memory
    calibrate(config, read_data(config), bundle)
    assert (bundle.temperature, bundle.thresholds) == (temperature, thresholds)
    assert bundle.memory is not None
    assert memory is not None
    assert bundle.memory.weights == pytest.approx(memory.weights, abs=1e-6)


def test_a_memory_of_other_titles_holds_no_title_of_training_or_judging(small, tmp_path):
    own = [("Sportschau am Abend", "Sports", "de"), ("Opéra en direct", "Music", "fr"), ("Tatort", "Film", "de")]
    memory_csv = write_csv(tmp_path / "memory.csv", [*own, *rows()])
    overrides = ("memory=exact", "training.epochs=1")
    data = read_data(small(f"memory_path={memory_csv}", *overrides))
    remembered = set(data.remembered["title"])
    assert {"Sportschau am Abend", "Opéra en direct"} | set(data.sides.train["title"]) == remembered  # and no Film
    only_own = write_csv(tmp_path / "own.csv", own)
    bundle = load_bundle(train(small(f"memory_path={only_own}", *overrides)))
    assert bundle.memory.keys == ["opera en direct", "sportschau am abend"]
    assert [bundle.categories[label] for label in bundle.memory.labels] == ["Music", "Sports"]


def test_titles_to_remember_are_the_trained_ones_unless_told_otherwise(small, titles_csv):
    data = read_data(small())
    assert data.remembered.equals(data.sides.train)
    same_file = read_data(small(f"memory_path={titles_csv}"))
    assert sorted(same_file.remembered["title"]) == sorted(data.sides.train["title"])


def test_titles_that_can_not_be_remembered_are_refused_before_training(small, tmp_path):
    other = write_csv(tmp_path / "other.csv", [("Tatort", "Film", "de")])
    with pytest.raises(InputError) as caught:
        train(small(f"memory_path={other}"))
    assert str(caught.value) == (
        "memory_path must have titles of Music; News; Sports that are not for validation or test. "
        f"Got none in {other}. Name other titles, or leave it out."
    )
    assert not (tmp_path / "outputs").exists()
