"""The table at the end of a multirun: its runs, and their mean and deviation over seeds."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.commands import one_line
from tests.helpers.training import FEW_BUCKETS, SMALL
from titleclf import train as module
from titleclf.training.comparison import Row, compare, markdown, over_seeds, write_runs
from titleclf.training.validation import read_scores


@pytest.fixture
def multirun(monkeypatch, titles_csv, tmp_path, capsys):
    """Run a multirun in `tmp_path`, and return what it prints."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        plain = [*SMALL, FEW_BUCKETS, f"data.path={titles_csv}", "model=ngram", "training.epochs=1"]
        monkeypatch.setattr(sys, "argv", ["train", *arguments, *plain])
        module.main()
        return capsys.readouterr().out

    return run


def row(score: float, **settings: object) -> Row:
    return Row(settings, {"score": score, "accuracy": score / 2, "epoch": 3.0}, Path("outputs", str(score)))


def test_a_multirun_ends_with_one_table_of_its_runs(multirun, tmp_path):
    printed = multirun("-m", "optim.lr=1e-3,1e-2", "memory=exact")
    table = pd.read_csv(tmp_path / "outputs" / "runs.csv")
    runs = [tmp_path / run for run in table["run"]]
    assert sorted(runs) == sorted(path.parent for path in tmp_path.glob("outputs/2*/bundle"))
    scores = ["score", "accuracy", "macro_f1", "known_accuracy", "known_macro_f1", "epoch"]
    assert list(table.columns) == [*scores, "test_accuracy", "optim.lr", "run"]
    assert [dict(zip(scores, values, strict=True)) for values in table[scores].to_numpy()] == [*map(read_scores, runs)]
    metrics = [json.loads((run / "metrics.json").read_text()) for run in runs]
    assert list(table["test_accuracy"]) == [measured["accuracy"] for measured in metrics]
    assert sorted(table["optim.lr"]) == [1e-3, 1e-2]
    assert table["score"].is_monotonic_decreasing
    report = (tmp_path / "outputs" / "runs.md").read_text()
    assert report.startswith("# 2 runs, best first\n")
    assert "over seeds" not in report
    shown = report[report.index("| ") :].strip()
    assert printed.endswith(f"\n\n{shown}\n\nTable: outputs/runs.md\n")


def test_runs_that_differ_only_in_their_seed_are_summarized_by_mean_and_deviation(multirun, tmp_path):
    printed = multirun("sweep=grid", "optim.lr=1e-3,2e-2", "seed=1,2")
    folder = tmp_path / "outputs" / "grid"
    table = pd.read_csv(folder / "runs.csv")
    assert sorted(zip(table["optim.lr"], table["seed"], strict=True)) == [(1e-3, 1), (1e-3, 2), (2e-2, 1), (2e-2, 2)]
    section = (folder / "runs.md").read_text().partition("## Mean and standard deviation over seeds\n\n")[2]
    assert section.strip() in printed
    for _, group in table.groupby("optim.lr"):
        for name in ("score", "known_macro_f1", "test_accuracy"):
            assert f" {np.mean(group[name]):.4f} ± {np.std(group[name], ddof=1):.4f} |" in section
    assert (tmp_path / "outputs" / "grid" / "latest").exists()


def test_an_interrupted_multirun_shows_the_finished_runs(multirun, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        multirun("-m", "optim.lr=1e-3,0")
    assert caught.value.code == 2
    streams = capsys.readouterr()
    assert one_line(streams.err) == "optim.lr must be above 0. Got 0.0."
    assert "\n1 run, best first. " in streams.out
    assert len(pd.read_csv(tmp_path / "outputs" / "runs.csv")) == 1


def test_a_single_run_has_no_table(multirun, tmp_path):
    assert "best first" not in multirun()
    assert not (tmp_path / "outputs" / "runs.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-m", "optim.lr=0,1"], "optim.lr must be above 0. Got 0.0."),
        (["sweep=grid", "data.path=none.csv,no.csv"], "none.csv: no such file. Check the path."),
    ],
)
def test_mistakes_in_a_multirun_are_one_line(monkeypatch, capsys, tmp_path, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train", *arguments])
    with pytest.raises(SystemExit) as caught:
        module.main()
    assert caught.value.code == 2
    assert one_line(capsys.readouterr().err).startswith(sentence)


def test_the_best_run_comes_first_and_settings_that_it_lacks_stay_empty():
    table = compare([row(0.25, dim=8), row(0.75, orders="[2, 3]"), row(0.5, dim=None)])
    assert list(table["score"]) == [0.75, 0.5, 0.25]
    assert markdown(table).splitlines() == [
        "| score | accuracy | epoch |  dim | orders |          run |",
        "| ----: | -------: | ----: | ---: | -----: | -----------: |",
        "|  0.75 |    0.375 |     3 |      | [2, 3] | outputs/0.75 |",
        "|   0.5 |     0.25 |     3 | null |        |  outputs/0.5 |",
        "|  0.25 |    0.125 |     3 |    8 |        | outputs/0.25 |",
    ]


def test_seeds_are_grouped_by_all_other_settings():
    rows = [row(0.2, dim=8, seed=1), row(0.4, dim=8, seed=2), row(0.9, dim=16, seed=1)]
    assert over_seeds(rows).to_dict("records") == [
        {"score": "0.9000", "accuracy": "0.4500", "dim": 16, "runs": 1},
        {"score": "0.3000 ± 0.1414", "accuracy": "0.1500 ± 0.0707", "dim": 8, "runs": 2},
    ]
    assert over_seeds(rows[1:]).empty


def test_runs_in_folders_of_their_own_have_their_table_above_these(tmp_path):
    jobs = []
    for name in "ab":
        folder = tmp_path / name / "run"
        folder.mkdir(parents=True)
        kept = dict.fromkeys(["epoch", "micro_f1", "macro_f1", "known_micro_f1", "known_macro_f1"], 1.0)
        (folder / "validation.json").write_text(json.dumps({"titles": "", "kept": kept}))
        jobs.append(([f"output_dir={name}", "~seed", "data.path=a=b|c"], folder))
    assert write_runs(jobs).endswith(f"Table: {tmp_path}/runs.md")
    table = pd.read_csv(tmp_path / "runs.csv")
    assert list(table["output_dir"]) == ["a", "b"]
    assert "data.path" not in table.columns
