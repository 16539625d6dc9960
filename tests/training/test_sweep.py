"""Sweeps: reproducible trials, scored on validation titles, that resume after an interruption; and their report."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.image import imread

from tests.helpers.commands import one_line, training_command
from tests.helpers.titles import rows, write_csv
from tests.helpers.training import same, weights
from titleclf import sweep as module
from titleclf import train as training
from titleclf.config.hydra import compose
from titleclf.config.saved import load_config
from titleclf.config.schemas import TrainConfig
from titleclf.runtime.architecture import NgramConfig
from titleclf.runtime.arguments import program
from titleclf.runtime.errors import InputError
from titleclf.sweep import sweep
from titleclf.train import train
from titleclf.training import sweep as noun
from titleclf.training.validation import read_scores, validate

SMALL = (
    "sweep=search_ngram",
    "sweep.startup_trials=2",
    "sweep.space.model=null",
    "sweep.space.noise=null",
    "sweep.space.training=null",
    "device=cpu",
    "model.dim=5",
    "model.buckets=997",
    "training.epochs=2",
    "training.batch_size=16",
)
SEARCHED = {"optim.lr", "optim.weight_decay", "optim.table_lr", "optim.table_decay"}


@pytest.fixture
def overrides(titles_csv, tmp_path):
    """Return the overrides of a sweep on the fifty titles whose trials take a fraction of a second."""
    return [*SMALL, f"data.path={titles_csv}", f"output_dir={tmp_path / 'search'}"]


@pytest.fixture
def search(overrides, monkeypatch):
    """Compose such a sweep, without the seconds that plots take."""
    monkeypatch.setattr(noun, "_draw", lambda *_: None)
    return lambda *more: compose("sweep", [*overrides, *more])


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False)


def table(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "trials.csv", keep_default_na=False)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_trials_never_see_the_test_titles_and_only_the_best_keeps_its_weights(search, monkeypatch, capsys):
    monkeypatch.setattr(
        training, "evaluate_classifier", lambda *_: pytest.fail("a trial was evaluated on the test titles")
    )
    best = sweep(search("sweep.trials=3"))
    folder = best.parent
    assert names(folder) == {"study.db", "trials.csv", "trials.md", "trial-000", "trial-001", "trial-002"}
    scores = {path: read_scores(path)["score"] for path in folder.glob("trial-*")}
    assert best == max(sorted(scores), key=lambda path: scores[path])
    for path in scores:
        kept = {"checkpoint.pt", "best.safetensors"} if path == best else set()
        assert names(path) == {"config.yaml", "validation.json"} | kept
    assert capsys.readouterr().out.endswith(
        f"Best: {best}. Report: {folder}/trials.md\n"
        f"Make it a model, measured on the test titles: {program('train')} resume={best}\n"
    )


def test_the_best_trial_becomes_the_model_that_its_values_train(search, small, tmp_path):
    best = sweep(search("sweep.trials=2"))
    model = train(small(f"resume={best}"))
    assert model == best
    assert (model / "metrics.json").exists()
    config = load_config(best, TrainConfig)
    assert same(weights(model), weights(train(replace(config, output_dir=str(tmp_path / "plain")))))


def test_a_run_is_scored_by_the_mean_of_accuracy_and_macro_f1_on_unseen_and_known_titles(search, monkeypatch):
    row = {"validation_loss": 1.0, "accuracy": 0.2, "macro_f1": 0.4, "known_accuracy": 0.6, "known_macro_f1": 0.8}
    accuracies = iter([1.0, 0.5])
    monkeypatch.setattr(training, "validate", lambda *_: {**row, "accuracy": next(accuracies)})
    best = sweep(search("sweep.trials=1"))
    assert read_scores(best) == {
        "score": pytest.approx((1.0 + 0.4 + 0.6 + 0.8) / 4),
        "accuracy": 1.0,
        "macro_f1": 0.4,
        "known_accuracy": 0.6,
        "known_macro_f1": 0.8,
        "epoch": 1,
    }


@pytest.mark.parametrize("validations", [2, 3, 5])
def test_a_sweep_that_is_interrupted_resumes_to_the_trials_of_an_uninterrupted_one(
    search, tmp_path, monkeypatch, validations
):
    uninterrupted = sweep(search("sweep.trials=4", f"output_dir={tmp_path / 'uninterrupted'}"))
    done: list[None] = []

    def interrupted(*arguments):
        if len(done) == validations:
            raise KeyboardInterrupt
        done.append(None)
        return validate(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(training, "validate", interrupted)
        with pytest.raises(KeyboardInterrupt, match=r"^The same command resumes the sweep\.$"):
            sweep(search("sweep.trials=4"))
    finished = validations // 2  # trials of two epochs each
    assert len(table(tmp_path / "search")) == finished
    assert (tmp_path / "search" / f"trial-{finished:03}" / "checkpoint.pt").exists() == (validations % 2 == 1)
    assert sweep(search("sweep.trials=4")).name == uninterrupted.name
    tables = [table(tmp_path / name).drop(columns="run") for name in ("search", "uninterrupted")]
    assert len(tables[0]) == 4
    assert tables[0].equals(tables[1])


def test_more_trials_continue_the_same_study_and_other_seeds_draw_other_values(search, tmp_path, capsys):
    sweep(search("sweep.trials=2"))
    sweep(search("sweep.trials=3"))
    capsys.readouterr()
    best = sweep(search("sweep.trials=3"))
    assert "epoch" not in capsys.readouterr().out
    sweep(search("sweep.trials=3", f"output_dir={tmp_path / 'direct'}"))
    going, direct = (table(folder).drop(columns="run") for folder in (best.parent, tmp_path / "direct"))
    assert going.equals(direct)
    sweep(search("sweep.trials=1", "sweep.seed=2", f"output_dir={tmp_path / 'seed'}"))
    assert not set(table(tmp_path / "seed")["optim.lr"]) & set(going["optim.lr"])


def test_all_trials_of_a_study_have_the_same_titles_and_values(search, tmp_path):
    own = write_csv(tmp_path / "titles.csv", rows())
    folder = sweep(search("sweep.trials=1", f"data.path={own}")).parent

    def refused(*more: str) -> str:
        with pytest.raises(InputError) as caught:
            sweep(search("sweep.trials=2", f"data.path={own}", *more))
        start, _, rest = str(caught.value).partition(" Got other ")
        assert start == f"{folder} must resume with the titles and values of its trials."
        differing, advice = rest.split(". ", 1)
        assert advice == "Give another output_dir."
        return differing

    assert refused("data.validation_fraction=0.2") == "data.validation_fraction"
    assert refused("optim.clip_norm=2", "sweep.seed=3") == "optim.clip_norm, sweep.seed"
    assert refused("sweep.space.optim.lr.high=0.1") == "sweep.space.optim.lr.high"
    assert refused("+sweep.space.model.hidden.choices=[0,4]") == "sweep.space.model.hidden.choices"
    write_csv(own, rows()[1:])
    assert refused() == "titles"
    write_csv(own, rows())
    assert len(table(sweep(search("sweep.trials=2", f"data.path={own}")).parent)) == 2


def test_a_file_that_is_not_a_study_is_refused_in_one_line(search, tmp_path):
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "study.db").write_text("not a database, but longer than its header of a hundred bytes" * 9)
    with pytest.raises(
        InputError, match=r"study\.db must be a study that Optuna 5\.\S+ can use\. Got: .+ Move it away"
    ):
        sweep(search())


def test_a_trial_that_fails_is_not_repeated(search, monkeypatch):
    def fails(*_):
        raise InputError("no such combination")

    with monkeypatch.context() as patched:
        patched.setattr(module, "fit", fails)
        with pytest.raises(InputError, match="no such combination"):
            sweep(search("sweep.trials=1"))
    best = sweep(search("sweep.trials=1"))
    assert best.name == "trial-001"
    lrs = {load_config(path, TrainConfig).optim.lr for path in best.parent.glob("trial-*")}
    assert len(lrs) == 2


def test_lists_and_null_are_choices_too(search):
    orders = "+sweep.space.model.orders.choices=[[2],[2,3],[3,4]]"
    tables = "+sweep.space.model.embeddings.tables.choices=[null,[ngrams]]"
    best = sweep(search("sweep.trials=4", "sweep.space.optim=null", "sweep.space.model={}", orders, tables))
    shown = table(best.parent)
    for row, run in zip(shown.to_dict("records"), shown["run"], strict=True):
        model = load_config(Path(run), TrainConfig).model
        assert isinstance(model, NgramConfig)
        assert row["model.orders"] == json.dumps(model.orders)
        assert row["model.embeddings.tables"] == json.dumps(model.embeddings.tables)
    assert len(set(shown["model.orders"])) > 1
    assert set(shown["model.embeddings.tables"]) == {"null", '["ngrams"]'}


def test_table_report_and_plots_show_all_trials(overrides):
    best = sweep(compose("sweep", [*overrides, "sweep.trials=3"]))
    shown = table(best.parent)
    assert set(shown.columns) == SEARCHED | {
        "score",
        "accuracy",
        "macro_f1",
        "known_accuracy",
        "known_macro_f1",
        "epoch",
        "run",
    }
    assert list(shown["score"]) == [read_scores(Path(run))["score"] for run in shown["run"]]
    assert list(shown["score"]) == sorted(shown["score"], reverse=True)
    configs = [load_config(Path(run), TrainConfig) for run in shown["run"]]
    assert list(shown["optim.lr"]) == [config.optim.lr for config in configs]
    report = (best.parent / "trials.md").read_text()
    assert report.startswith("# 3 trials, best first\n")
    assert f"\n    {program('train')} resume={best}\n" in report
    assert "With fewer than 20 trials they are unreliable." in report
    importances = report.partition("## Importances")[2]
    assert all(f" {key} |" in importances for key in SEARCHED)
    assert "over seeds" not in report
    for name in ("history.png", "slices.png", "importances.png"):
        assert imread(best.parent / name).ndim == 3


def test_trials_that_differ_only_in_their_seed_are_summarized(search):
    best = sweep(search("sweep.trials=4", "sweep.space.optim=null", "+sweep.space.seed.choices=[1,2]"))
    shown = table(best.parent)
    assert set(shown["seed"]) == {1, 2}
    section = (best.parent / "trials.md").read_text().partition("## Mean and standard deviation over seeds\n")[2]
    assert f" {shown['score'].mean():.4f} ± {shown['score'].std():.4f} |" in section
    splits = {json.loads((Path(run) / "validation.json").read_text())["titles"] for run in shown["run"]}
    assert len(splits) == 1  # the same titles, although each seed splits them differently


def test_a_sweep_runs_in_one_process(search, monkeypatch):
    monkeypatch.setattr(module, "processes", lambda: 2)
    with pytest.raises(InputError) as caught:
        sweep(search())
    assert str(caught.value) == "sweep must run in one process. Got 2. Start it without torchrun."


def test_the_command_takes_overrides_and_leaves_with_130_on_ctrl_c(overrides, tmp_path):
    done = training_command("sweep", *overrides, "sweep.trials=1", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Best: " in done.stdout
    program = (
        "from titleclf import train, sweep\ndef validate(*_): raise KeyboardInterrupt\ntrain.validate = validate\n"
    )
    interrupted = python("-c", f"{program}sweep.main()", *overrides, "sweep.trials=2", cwd=tmp_path)
    assert interrupted.returncode == 130
    assert one_line(interrupted.stderr) == "Interrupted. The same command resumes the sweep."


@pytest.mark.parametrize("module", [["titleclf.sweep"], ["titleclf", "sweep"]])
def test_without_optuna_the_error_names_the_extra(tmp_path, module):
    (tmp_path / "optuna.py").write_text("raise ModuleNotFoundError('No module named optuna', name='optuna')\n")
    done = python("-m", *module, cwd=tmp_path)
    assert done.returncode == 2
    line = "titleclf sweep needs the extra sweep. Got no module named optuna. "
    assert one_line(done.stderr) == f"{line}Install it in the checkout: pip install '.[sweep]'."
