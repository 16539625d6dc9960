"""Sweeps: trials that see no test title, that go on after a break, and what is told of them."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from tests.conftest import FEW_BUCKETS, SMALL, command, one_line, rows, write_csv
from tests.test_train import same, weights
from titleclf import train as module
from titleclf.runtime.errors import InputError
from titleclf.train import scored, train
from titleclf.training import sweep as trials
from titleclf.training.sweep_report import importances
from titleclf.training.validation import score

RATES = ("optim.lr=2e-3", "optim.lr=2e-2")


@pytest.fixture
def trial(small):
    """Compose a trial on the fifty titles."""
    return lambda *overrides: small("trial=true", "training.epochs=1", *overrides)


def test_a_trial_ends_before_the_test_titles_are_seen(trial):
    folder = train(trial())
    names = {"config.yaml", "validation.json", "checkpoint.pt", "best.safetensors"}
    assert {path.name for path in folder.iterdir()} == names
    assert not (folder.parent / "latest").exists()


def test_what_is_returned_is_the_score_of_the_epoch_that_is_kept(trial, monkeypatch):
    row = {"validation_loss": 1.0, "accuracy": 0.2, "macro_f1": 0.4, "known_accuracy": 0.6, "known_macro_f1": 0.8}
    shares = iter([1.0, 0.5])
    monkeypatch.setattr(module, "validate", lambda *_: {**row, "accuracy": next(shares)})
    assert scored(trial("training.epochs=2")) == pytest.approx((1.0 + 0.4 + 0.6 + 0.8) / 4)


def test_plain_runs_return_their_score_too(small):
    assert 0 < scored(small("training.epochs=1")) <= 1


def test_a_trial_is_made_once_and_one_that_never_ended_is_made_again(trial, capsys):
    folder = train(trial())
    capsys.readouterr()
    assert train(trial()) == folder
    assert "epoch" not in capsys.readouterr().out
    (folder / "validation.json").unlink()
    assert train(trial()) != folder


def test_only_the_best_trial_keeps_its_weights_and_becomes_the_model_of_a_plain_run(trial, small):
    made = [train(trial(rate, "training.epochs=4")) for rate in RATES]
    first, second = trials.trials_in(made[0].parent)
    assert score(first.kept) > score(second.kept)
    assert {first.folder, second.folder} == set(made)
    assert (first.folder / "checkpoint.pt").exists()
    assert {path.name for path in second.folder.iterdir()} == {"config.yaml", "validation.json"}
    model = train(small(f"resume={first.folder}"))
    assert model == first.folder
    assert (model / "metrics.json").exists()
    assert same(weights(model), weights(train(replace(first.config, trial=False))))
    with pytest.raises(InputError) as caught:
        train(small(f"resume={second.folder}"))
    assert str(caught.value) == (
        f"resume must be a run with its weights, or the best of its trials. Got {second.folder}. Train with its values."
    )


def test_trials_on_other_titles_or_another_split_need_another_folder(trial, tmp_path, titles_csv):
    folder = train(trial()).parent
    sentence = f"{folder} must have trials on the same titles, split alike. Got others there. Give another output_dir."
    other = write_csv(tmp_path / "titles.csv", rows()[1:])
    for override in (f"data.path={other}", "data.validation_fraction=0.2"):
        with pytest.raises(InputError) as caught:
            train(trial(override))
        assert str(caught.value) == sentence
    content = titles_csv.read_bytes()
    (tmp_path / "same.csv").write_bytes(content)
    config = trial(f"data.path={tmp_path / 'same.csv'}", f"output_dir={tmp_path / 'others'}")
    train(config)
    write_csv(tmp_path / "same.csv", rows()[1:])
    with pytest.raises(InputError, match="must have trials on the same titles"):
        train(config)


def test_an_interrupted_trial_leaves_nothing_and_says_how_to_go_on(trial, monkeypatch):
    folder = train(trial()).parent
    before = sorted(folder.iterdir())

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "validate", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"The same command goes on behind the last trial that ended\."):
        train(trial("seed=2"))
    assert sorted(folder.iterdir()) == before


def test_table_report_and_picture_tell_of_all_trials(trial, capsys):
    first = train(trial(RATES[0], "noise=none"))
    folder = first.parent
    assert not (folder / "trials.png").exists()  # there is nothing to compare
    second = train(trial(RATES[1], "memory=none"))
    made = trials.trials_in(folder)
    table = pd.read_csv(folder / "trials.csv", keep_default_na=False)
    assert list(table["run"]) == [one.folder.name for one in made]
    assert list(table["score"]) == [score(one.kept) for one in made] == sorted(table["score"], reverse=True)
    assert set(table.columns) >= {"optim.lr", "noise.misspelt", "noise.formats", "memory", "accuracy", "known_macro_f1"}
    assert not {"seed", "output_dir", "data.path"} & set(table.columns)
    report = (folder / "trials.md").read_text()
    assert report.startswith("# 2 trials, the best first\n")
    assert f"    python -m titleclf.train resume={made[0].folder}\n" in report
    assert "Of fewer than 20 trials it says little." in report
    assert "test" not in " ".join(table.columns)
    assert imread(folder / "trials.png").ndim == 3
    place = [one.folder for one in made].index(second) + 1
    assert (
        f"place {place} of 2; the best has {score(made[0].kept):.1%}. Table: {folder}/trials.md"
        in capsys.readouterr().out
    )


def test_what_mattered_is_what_explains_the_scores():
    generator = np.random.default_rng(1)
    table = pd.DataFrame(generator.random((60, 3)), columns=["a", "b", "c"]).assign(d=["x", "y", "z"] * 20)
    scores = table["b"] ** 2 + 0.5 * (table["d"] == "y")
    shares = importances(table, scores)
    assert list(shares.index[:2]) == ["d", "b"] or list(shares.index[:2]) == ["b", "d"]
    assert shares.iloc[:2].sum() > 0.8
    assert shares.sum() == pytest.approx(1)
    assert importances(table[[]], scores).empty


def sweep(monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["train", *arguments])
    module.main()


def test_a_grid_tries_all_combinations_and_goes_on_after_a_break(monkeypatch, titles_csv, tmp_path):
    monkeypatch.chdir(tmp_path)
    arguments = [*SMALL, FEW_BUCKETS, f"data.path={titles_csv}", "training.epochs=1", "model=ngram", "sweep=grid"]
    sweep(monkeypatch, *arguments, "optim.lr=1e-3,1e-2", "seed=1,2")
    found = {(one.config.optim.lr, one.config.seed) for one in trials.trials_in(tmp_path / "outputs" / "grid")}
    assert found == {(1e-3, 1), (1e-3, 2), (1e-2, 1), (1e-2, 2)}
    shutil.rmtree(trials.trials_in(tmp_path / "outputs" / "grid")[2].folder)
    sweep(monkeypatch, *arguments, "optim.lr=1e-3,1e-2", "seed=1,2")
    again = trials.trials_in(tmp_path / "outputs" / "grid")
    assert {(one.config.optim.lr, one.config.seed) for one in again} == found
    assert len(again) == 4


def test_several_plain_runs_have_folders_of_their_own_and_latest_is_the_last(monkeypatch, titles_csv, tmp_path):
    monkeypatch.chdir(tmp_path)
    sweep(monkeypatch, "-m", *SMALL, FEW_BUCKETS, f"data.path={titles_csv}", "model=ngram", "seed=1,2")
    made = sorted(path.parent for path in (tmp_path / "outputs").glob("2*/bundle"))
    assert len(made) == 2
    assert (tmp_path / "outputs" / "latest").resolve() == made[-1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-m", "optim.lr=0,1"], "optim.lr must be above 0. Got 0.0."),
        (
            ["sweep=grid", "data.path=none.csv,other.csv"],
            "none.csv: no such file. Check",
        ),
        (["sweep=grit"], "sweep must be one of grid, search, search_ngram. Got grit. Did you mean grid?"),
        (["sweep=search", "hydra.sweeper.n_trials=x"], "hydra.sweeper.n_trials must have the right type. Got x: "),
    ],
)
def test_mistakes_in_a_sweep_are_one_line(monkeypatch, capsys, tmp_path, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        sweep(monkeypatch, *arguments)
    assert caught.value.code == 2
    assert one_line(capsys.readouterr().err).startswith(sentence)


def python(program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    start = "import sys; sys.argv[0] = 'train'\n"
    return subprocess.run(
        [sys.executable, "-c", start + program, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_a_search_without_its_package_is_one_line(tmp_path):
    program = "sys.modules['hydra_plugins'] = None\nfrom titleclf.train import main; main()"
    done = python(program, "sweep=search", cwd=tmp_path)
    assert done.returncode == 2
    line = "A search must have hydra-optuna-sweeper. Got no such package. Install it: pip install 'titleclf[sweep]'."
    assert one_line(done.stderr) == line


BREAKS = """
from titleclf import train
from titleclf.training import sweep as trials
write = trials.write_result
def broken(folder, *rest):
    if len(trials.trials_in(folder.parent)) == 1:
        raise KeyboardInterrupt
    write(folder, *rest)
trials.write_result = broken
train.main()
"""


def test_a_search_that_is_broken_off_goes_on_to_the_trials_of_an_unbroken_one(titles_csv, tmp_path):
    space = ["model.dim=choice(5,9)", FEW_BUCKETS, "training.batch_size=7", "training.epochs=int(interval(1,2))"]
    sizes = ["hydra.sweeper.n_trials=3", "hydra.sweeper.sampler.n_startup_trials=2", "device=cpu"]
    arguments = ["sweep=search_ngram", f"data.path={titles_csv}", *space, *sizes]
    folder = tmp_path / "outputs" / "search_ngram"
    broken = python(BREAKS, *arguments, cwd=tmp_path)
    assert broken.returncode == 130
    assert one_line(broken.stderr) == "Interrupted. The same command goes on behind the last trial that ended."
    assert len(trials.trials_in(folder)) == 1
    assert len(json.loads(next(folder.glob("*/validation.json")).read_text())["kept"]) > 1
    resumed = command("train", *arguments, cwd=tmp_path)
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert resumed.stdout.count("Score") == 2
    (tmp_path / "unbroken").mkdir()
    unbroken = command("train", *arguments, cwd=tmp_path / "unbroken")
    assert unbroken.stdout.count("Score") == 3
    tables = [pd.read_csv(one / "trials.csv") for one in (folder, tmp_path / "unbroken" / "outputs" / "search_ngram")]
    assert tables[0].drop(columns="run").equals(tables[1].drop(columns="run"))
    assert len(tables[0]) == 3
    assert {"optim.lr", "optim.table_decay", "noise.misspelt", "training.label_smoothing"} <= set(tables[0].columns)
    assert "optim.loaded_lr" not in tables[0]
