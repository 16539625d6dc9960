import json
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread

from tests.helpers.evaluation import contents_of, robustness_of, titles_with
from titleclf.evaluate.coverage import coverage
from titleclf.evaluate.metrics import measure
from titleclf.evaluate.report import table, write_report
from titleclf.runtime.calibration import Temperature
from titleclf.runtime.thresholds import Thresholds

TEMPERATURE = Temperature(1.5, 0.1)
LOGITS = np.array([[3.0, 0, 0], [0, 2.0, 0], [0, 0.1, 0], [2.0, 0, 0]])
PROBABILITIES = TEMPERATURE.probabilities(LOGITS)
LABELS = np.array([0, 1, 2, 1])
TITLES = titles_with(["A | B", "C", "D", "E"], LABELS, ["de", "en", "en", "de"])


@pytest.fixture
def metrics():
    thresholds = Thresholds([0.5, 0.99], {"$x": [0.8, None], "y": [None, None], "z": [0.5, 0.5]}, {"y": 0.6})
    contents = contents_of(["$x", "y", "z"], TEMPERATURE, thresholds)
    return {
        **measure(LOGITS, LABELS, TITLES.languages, contents, bins=5),
        **coverage(PROBABILITIES, LABELS, thresholds, target=0.88),
        "cut": 7,
        "note": None,
        "fields": {},
        "robustness": {},
    }


def test_a_report_has_scores_text_and_plots(tmp_path, metrics):
    write_report(tmp_path, metrics, TITLES, PROBABILITIES)
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics
    text = (tmp_path / "report.md").read_text()
    assert "# Evaluation on 4 titles" in text
    assert "Accuracy 50.0%, macro-F1" in text
    assert "7 titles were longer" in text
    assert "| de | 50.0% |" in text
    for name in ("confusion", "coverage", "calibration"):
        rows, columns, _ = imread(tmp_path / f"{name}.png").shape
        assert min(rows, columns) > 300


@pytest.mark.usefixtures("no_plots")
def test_precision_and_coverage_are_reported_overall_and_by_category(tmp_path, metrics):
    metrics["coverage"]["0.88"] = {"coverage": 0.25, "precision": 1.0}
    metrics["thresholds"]["$x"] = {
        "wanted": 0.88,
        "threshold": 0.8,
        "taken": 2,
        "answered": 1,
        "coverage": 0.5,
        "precision": 1.0,
    }
    write_report(tmp_path, metrics, TITLES, PROBABILITIES)
    text = (tmp_path / "report.md").read_text()
    assert "| 88.0% (the target) | 100.0% | 25.0% | 25.0% |" in text
    assert "| 80.0% | none | 0.0% | 25.0% |" in text
    assert "| $x | 88.0% | 80.0% | 100.0% | 50.0% | 1 of 2 |" in text
    assert "| y | 88.0% | none | none | 0.0% | 0 of 2 |" in text


@pytest.mark.parametrize("names", [["unseen", "known"], ["all"]])
def test_robustness_is_reported_by_condition_and_group(tmp_path, metrics, names):
    metrics["robustness"] = {name: robustness_of(0.5 + 0.25 * number) for number, name in enumerate(names)}
    write_report(tmp_path, metrics, TITLES, PROBABILITIES)
    section = (tmp_path / "report.md").read_text().split("## Misspelt and reformatted titles")[1].split("\n## ")[0]
    described = {
        "unseen": "8 titles not in training and 8 titles from training.",
        "all": "8 titles of the evaluated file.",
    }
    assert f"The same titles, clean and noisy: {described[names[0]]}\n" in section
    lines = [line for line in section.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    assert "| clean | | 50.0% | 50.0% | |" in section
    assert "| 1 misspelling | 100% | 40.0% | 20.0% | 12.5 |" in section
    assert "| diacritics | 0% | 50.0% | 25.0% | none |" in section
    assert "| mark before | 100% | 60.0% | 30.0% | -10.0 |" in section
    rows, columns, _ = imread(tmp_path / "robustness.png").shape
    assert min(rows, columns) > 300


@pytest.mark.usefixtures("no_plots")
def test_a_report_without_robustness_has_neither_its_section_nor_its_plot(tmp_path, metrics):
    write_report(tmp_path, {**metrics, "robustness": {"all": robustness_of(0.5)}}, TITLES, PROBABILITIES)
    assert (tmp_path / "robustness.png").exists()
    write_report(tmp_path, metrics, TITLES, PROBABILITIES)
    assert "Misspelt" not in (tmp_path / "report.md").read_text()
    assert not (tmp_path / "robustness.png").exists()  # it would be from an earlier report


@pytest.mark.usefixtures("no_plots")
def test_a_model_with_fields_is_reported_with_some_of_them(tmp_path, metrics):
    fields = {"title": {"titles": 4, "accuracy": 0.5, "macro_f1": 0.25}}
    fields["title + channel"] = {"titles": 4, "accuracy": 0.75, "macro_f1": 0.625}
    write_report(tmp_path, {**metrics, "fields": fields}, TITLES, PROBABILITIES)
    section = (tmp_path / "report.md").read_text().split("\n## Fields\n")[1].split("\n## ")[0]
    assert [line for line in section.splitlines() if line.startswith("|")] == [
        "| known | accuracy | macro-F1 |",
        "| --- | ---: | ---: |",
        "| title | 50.0% | 25.0% |",
        "| title + channel | 75.0% | 62.5% |",
    ]
    write_report(tmp_path, metrics, TITLES, PROBABILITIES)
    assert "## Fields" not in (tmp_path / "report.md").read_text()


@pytest.mark.usefixtures("no_plots")
def test_a_report_has_the_note_on_its_model(tmp_path, metrics):
    write_report(tmp_path, {**metrics, "note": "An earlier model."}, TITLES, PROBABILITIES)
    overview = (tmp_path / "report.md").read_text().split("\n## ")[0]
    assert overview.endswith("were truncated.\n- An earlier model.\n")
    write_report(tmp_path, metrics, TITLES, PROBABILITIES)
    assert (tmp_path / "report.md").read_text().split("\n## ")[0].endswith("were truncated.\n")


@pytest.mark.usefixtures("no_plots")
def test_mistakes_are_listed_with_the_most_confident_first(tmp_path, metrics):
    write_report(tmp_path, metrics, TITLES, PROBABILITIES)
    mistakes = (tmp_path / "report.md").read_text().split("## Most confident mistakes")[1]
    assert mistakes.index("| E | y | $x |") < mistakes.index("| D | z | y |")
    assert "| C |" not in mistakes


@pytest.mark.usefixtures("no_plots")
def test_bars_in_titles_do_not_break_the_table(tmp_path, metrics):
    wrong = replace(TITLES, targets=np.array([1, 1, 2, 1]))
    write_report(tmp_path, metrics, wrong, PROBABILITIES)
    assert r"| A \| B | y | $x |" in (tmp_path / "report.md").read_text()


def test_the_lines_of_the_table_have_the_same_width(metrics):
    lines = table(metrics).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[-1].split("|")[1].strip() == "accuracy / macro-F1"


def test_a_category_without_titles_has_no_scores(metrics):
    name, row = next(iter(metrics["categories"].items()))
    metrics["categories"][name] = {**row, "support": 0}
    lines = table(metrics).splitlines()
    assert [cell.strip() for cell in lines[2].split("|")[2:-1]] == ["-", "-", "-", "0"]
    assert len({len(line) for line in lines}) == 1
