"""What predict says of titles with several tags; `test_predict` holds what it says of one category."""

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from titleclf.runtime.tag_thresholds import TagThresholds

from tests.helpers.titles import COLUMNS
from titleclf.data.titles import read_titles
from titleclf.predict import __main__ as module
from titleclf.predict.output import UNSURE
from titleclf.runtime.choices import Task
from titleclf.training.trained_model import load_bundle

TITLES = ["Match of the Day", "Tagesschau", "Opera Gala"]


def printed(monkeypatch, capsys, model: Path, *arguments: str) -> str:
    monkeypatch.setattr(sys, "argv", ["predict", "--model", str(model), *arguments])
    module.main()
    return capsys.readouterr().out


def with_thresholds(run: Path, tmp_path: Path, named: float, least: list[float | None]) -> Path:
    """Copy the bundle, with the same thresholds for all tags."""
    bundle = load_bundle(run)
    least_of_all = dict.fromkeys(bundle.categories, least)
    bundle.thresholds = TagThresholds([0.5, 0.9], least_of_all, {}, dict.fromkeys(bundle.categories, named))
    bundle.save(tmp_path / f"changed {named}")
    return tmp_path / f"changed {named}"


def test_all_tags_above_their_thresholds_are_named_likeliest_first(tags_run):
    bundle = load_bundle(tags_run)
    shares, _ = bundle.probabilities(TITLES)
    least = np.median(shares, axis=0)
    found = bundle.predict(TITLES, 1, least)
    for prediction, row in zip(found, shares, strict=True):
        order = np.argsort(-row, kind="stable")
        assert prediction.named == tuple(bundle.categories[place] for place in order if row[place] >= least[place])
        assert set(prediction.named) <= {name for name, _ in prediction.candidates}
        assert prediction.probability == row.max()


def test_json_lines_have_a_list_of_categories_and_candidates_in_order(monkeypatch, capsys, tags_run, tmp_path):
    model = with_thresholds(tags_run, tmp_path, 0.0, [0.0, 0.0])
    out = printed(monkeypatch, capsys, model, "--format", "jsonl", *TITLES, "")
    *answers, empty = [json.loads(line) for line in out.splitlines()]
    for answer, title in zip(answers, TITLES, strict=True):
        assert list(answer) == ["title", "categories", "probability", "top"]
        assert answer["title"] == title
        assert answer["categories"] == [one["category"] for one in answer["top"]]
        assert sorted(answer["categories"]) == load_bundle(model).categories
        assert answer["probability"] == answer["top"][0]["probability"]
    assert empty == {"title": "", "categories": [], "probability": None, "top": []}


def test_csv_joins_tags_as_training_data_has_them(monkeypatch, capsys, tags_run, tmp_path):
    model = with_thresholds(tags_run, tmp_path, 0.0, [0.0, 0.0])
    out = printed(monkeypatch, capsys, model, "--format", "csv", "--top", "2", *TITLES)
    header, *answers = csv.reader(io.StringIO(out))
    assert header == ["title", "category", "candidate", "probability", "candidate_2", "probability_2"]
    assert {len(answer) for answer in answers} == {6}
    (tmp_path / "back.csv").write_text(out)
    back = read_titles(tmp_path / "back.csv", COLUMNS, Task.multilabel)
    assert back["category"].to_list() == ["Live|Long|Music|News|Sports"] * 3


def test_text_joins_tags_with_the_probability_of_the_likeliest(monkeypatch, capsys, tags_run, tmp_path):
    model = with_thresholds(tags_run, tmp_path, 0.0, [0.0, 0.0])
    (line,) = printed(monkeypatch, capsys, model, "Tagesschau").splitlines()
    (best,) = load_bundle(model).predict(["Tagesschau"])
    assert line == f"{best.probability:4.0%}  {' | '.join(best.named):<40}  Tagesschau"
    lines = printed(monkeypatch, capsys, model, "--top", "2", "Tagesschau", " ").splitlines()
    assert [one[6:].strip() for one in lines[1:-1]] == [name for name, _ in best.candidates]
    assert "(no title)" in lines[-1]


@pytest.mark.parametrize("arguments", [(), ("--min-confidence", "1"), ("--precision", "0.9")])
def test_where_no_tag_is_probable_enough_the_model_does_not_know(monkeypatch, capsys, tags_run, tmp_path, arguments):
    named = 0.0 if arguments else 1.0
    model = with_thresholds(tags_run, tmp_path, named, [0.0, None])
    unsure, guess = printed(monkeypatch, capsys, model, *arguments, "Tagesschau").splitlines()
    assert unsure.startswith(f"   ?  {UNSURE}")
    assert unsure.endswith("  Tagesschau")
    assert guess[6:] in load_bundle(model).categories
    (answer,) = printed(monkeypatch, capsys, model, *arguments, "--format", "jsonl", "Tagesschau").splitlines()
    assert json.loads(answer)["categories"] == []
    assert len(json.loads(answer)["top"]) == 1
    _, row = printed(monkeypatch, capsys, model, *arguments, "--format", "csv", "Tagesschau").splitlines()
    assert row.startswith("Tagesschau,,")


def test_asking_for_precision_or_confidence_only_takes_tags_away(monkeypatch, capsys, tags_run):
    def named(*arguments: str) -> list[set[str]]:
        out = printed(monkeypatch, capsys, tags_run, "--format", "jsonl", *arguments, *TITLES)
        return [set(json.loads(line)["categories"]) for line in out.splitlines()]

    usual = named()
    for arguments in (("--precision", "0.5"), ("--precision", "0.9"), ("--min-confidence", "0.5")):
        for fewer, more in zip(named(*arguments), usual, strict=True):
            assert fewer <= more
