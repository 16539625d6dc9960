"""The output of predict for titles with several tags; `test_predict` has that for one category."""

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.titles import COLUMNS
from titleclf.data.titles import read_titles
from titleclf.predict import __main__ as module
from titleclf.predict.output import UNSURE
from titleclf.runtime.bundle.reader import read_bundle
from titleclf.runtime.choices import Task
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.text.programmes import Programmes
from titleclf.runtime.thresholds import TagThresholds
from titleclf.training.bundle_writer import write_bundle

TITLES = ["Match of the Day", "Tagesschau", "Opera Gala"]


def printed(monkeypatch, capsys, model: Path, *arguments: str) -> str:
    monkeypatch.setattr(sys, "argv", ["predict", "--model", str(model), *arguments])
    module.main()
    out: str = capsys.readouterr().out
    return out


def with_thresholds(run: Path, tmp_path: Path, named: float, least: list[float | None]) -> Path:
    """Copy the bundle, with the same thresholds for all tags."""
    bundle = read_bundle(run)
    categories = bundle.contents.categories
    bundle.contents.thresholds = TagThresholds(
        [0.5, 0.9], dict.fromkeys(categories, least), {}, dict.fromkeys(categories, named)
    )
    write_bundle(bundle, tmp_path / f"changed {named}")
    return tmp_path / f"changed {named}"


def test_all_tags_above_their_thresholds_are_named_most_probable_first(tags_run):
    classifier = Classifier.load(tags_run)
    probabilities = classifier.probabilities(Programmes(TITLES))
    thresholds = np.median(probabilities, axis=0)
    found = classifier.predict(TITLES, 1, thresholds)
    for prediction, row in zip(found, probabilities, strict=True):
        order = np.argsort(-row, kind="stable")
        expected = tuple(classifier.categories[place] for place in order if row[place] >= thresholds[place])
        assert prediction.named == expected
        assert set(prediction.named) <= {name for name, _ in prediction.candidates}
        assert prediction.probability == row.max()


def test_json_lines_have_a_list_of_categories_and_candidates_in_order(monkeypatch, capsys, tags_run, tmp_path):
    model = with_thresholds(tags_run, tmp_path, 0.0, [0.0, 0.0])
    out = printed(monkeypatch, capsys, model, "--format", "jsonl", *TITLES, "")
    *predictions, empty = [json.loads(line) for line in out.splitlines()]
    categories = Classifier.load(model).categories
    for prediction, title in zip(predictions, TITLES, strict=True):
        assert list(prediction) == ["title", "categories", "probability", "top"]
        assert prediction["title"] == title
        assert prediction["categories"] == [candidate["category"] for candidate in prediction["top"]]
        assert sorted(prediction["categories"]) == categories
        assert prediction["probability"] == prediction["top"][0]["probability"]
    assert empty == {"title": "", "categories": [], "probability": None, "top": []}


def test_csv_joins_tags_as_training_data_has_them(monkeypatch, capsys, tags_run, tmp_path):
    model = with_thresholds(tags_run, tmp_path, 0.0, [0.0, 0.0])
    out = printed(monkeypatch, capsys, model, "--format", "csv", "--top", "2", *TITLES)
    header, *rows = csv.reader(io.StringIO(out))
    assert header == ["title", "category", "candidate", "probability", "candidate_2", "probability_2"]
    assert {len(row) for row in rows} == {6}
    (tmp_path / "back.csv").write_text(out)
    back = read_titles(tmp_path / "back.csv", COLUMNS, Task.multilabel)
    assert back["category"].to_list() == ["Live|Long|Music|News|Sports"] * 3


def test_text_joins_tags_with_the_probability_of_the_best_one(monkeypatch, capsys, tags_run, tmp_path):
    model = with_thresholds(tags_run, tmp_path, 0.0, [0.0, 0.0])
    (line,) = printed(monkeypatch, capsys, model, "Tagesschau").splitlines()
    (prediction,) = Classifier.load(model).predict(["Tagesschau"])
    assert line == f"{prediction.probability:4.0%}  {' | '.join(prediction.named):<40}  Tagesschau"
    lines = printed(monkeypatch, capsys, model, "--top", "2", "Tagesschau", " ").splitlines()
    assert [shown[6:].strip() for shown in lines[1:-1]] == [name for name, _ in prediction.candidates]
    assert "(no title)" in lines[-1]


@pytest.mark.parametrize("arguments", [(), ("--min-confidence", "1"), ("--precision", "0.9")])
def test_the_model_abstains_where_no_tag_is_probable_enough(monkeypatch, capsys, tags_run, tmp_path, arguments):
    named = 0.0 if arguments else 1.0
    model = with_thresholds(tags_run, tmp_path, named, [0.0, None])
    unsure, guess = printed(monkeypatch, capsys, model, *arguments, "Tagesschau").splitlines()
    assert unsure.startswith(f"   ?  {UNSURE}")
    assert unsure.endswith("  Tagesschau")
    assert guess[6:] in Classifier.load(model).categories
    (line,) = printed(monkeypatch, capsys, model, *arguments, "--format", "jsonl", "Tagesschau").splitlines()
    assert json.loads(line)["categories"] == []
    assert len(json.loads(line)["top"]) == 1
    _, row = printed(monkeypatch, capsys, model, *arguments, "--format", "csv", "Tagesschau").splitlines()
    assert row.startswith("Tagesschau,,")


def test_a_precision_or_a_minimum_confidence_names_no_further_tag(monkeypatch, capsys, tags_run):
    def named(*arguments: str) -> list[set[str]]:
        out = printed(monkeypatch, capsys, tags_run, "--format", "jsonl", *arguments, *TITLES)
        return [set(json.loads(line)["categories"]) for line in out.splitlines()]

    usual = named()
    for arguments in (("--precision", "0.5"), ("--precision", "0.9"), ("--min-confidence", "0.5")):
        for fewer, more in zip(named(*arguments), usual, strict=True):
            assert fewer <= more
