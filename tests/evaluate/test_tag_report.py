import json

import numpy as np
import pytest
from matplotlib.image import imread

from tests.helpers.evaluation import contents_of, robustness_of, titles_with
from titleclf.data.targets import targets_of
from titleclf.evaluate.coverage import tag_coverage
from titleclf.evaluate.tag_metrics import measure
from titleclf.evaluate.tag_report import table, write_report
from titleclf.runtime.calibration import TagTemperature
from titleclf.runtime.choices import Task
from titleclf.runtime.thresholds import TagThresholds

TEMPERATURE = TagTemperature(1.5, -0.1)
LOGITS = np.array([[3.0, 1, -9], [0, 2.0, -9], [-2, 0.1, -9], [2.0, -1, -9]])
PROBABILITIES = TEMPERATURE.probabilities(LOGITS)
NAMES = ["$x", "y", "z"]
NEVER: dict[str, list[float | None]] = {name: [None, None] for name in NAMES}
TAGS = targets_of(["$x|y", "y", "$x", "y"], NAMES, Task.multilabel).astype(np.bool_)
TITLES = titles_with(["A | B", "C", "D", "E"], TAGS, ["de", "en", "en", "de"])


@pytest.fixture
def metrics():
    thresholds = TagThresholds([0.5, 0.99], {**NEVER, "$x": [0.8, None]}, {"y": 0.6}, dict.fromkeys(NAMES, 0.5))
    return {
        **measure(LOGITS, TAGS, TITLES.languages, contents_of(NAMES, TEMPERATURE, thresholds), bins=5),
        **tag_coverage(PROBABILITIES, TAGS, thresholds, 0.88),
        "cut": 7,
        "note": None,
        "fields": {},
        "robustness": {},
    }


def test_a_report_has_scores_text_and_plots(tmp_path, metrics):
    write_report(tmp_path, metrics, TITLES, PROBABILITIES)
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics
    text = (tmp_path / "report.md").read_text()
    assert "# Evaluation on 4 titles with 1.25 tags each" in text
    assert "7 titles were longer" in text
    assert "| the best F1 | " in text
    assert "| y | 88.0% | none | none | 0.0% | 0 |" in text
    assert "| de | " in text
    for name in ("tags", "coverage", "calibration"):
        rows, columns, _ = imread(tmp_path / f"{name}.png").shape
        assert min(rows, columns) > 300


@pytest.mark.usefixtures("no_plots")
def test_mistakes_are_listed_with_the_most_confident_first_and_bars_do_not_break_the_table(tmp_path, metrics):
    write_report(tmp_path, metrics, TITLES, PROBABILITIES)
    lines = (tmp_path / "report.md").read_text().split("## Most confident mistakes")[1].splitlines()[4:]
    assert lines[0].startswith("| E | y | $x | ")
    assert any(line.startswith(r"| A \| B | $x; y | z | ") for line in lines)


def test_robustness_is_reported_in_micro_f1(tmp_path, metrics):
    groups = {"unseen": robustness_of(0.5, "micro_f1"), "known": robustness_of(0.75, "micro_f1")}
    write_report(tmp_path, {**metrics, "robustness": groups}, TITLES, PROBABILITIES)
    text = (tmp_path / "report.md").read_text()
    assert "unseen: micro-F1 | macro-F1 | lost |" in text
    assert "`lost` is the loss on the changed ones alone, in points of micro-F1." in text
    assert imread(tmp_path / "robustness.png").ndim == 3
    write_report(tmp_path, metrics, TITLES, PROBABILITIES)
    assert not (tmp_path / "robustness.png").exists()  # it would be from an earlier report


@pytest.mark.usefixtures("no_plots")
def test_a_model_with_fields_is_reported_with_some_of_them(tmp_path, metrics):
    fields = {name: {"titles": 4, "micro_f1": 0.5, "macro_f1": 0.25} for name in ("title", "title + year")}
    write_report(tmp_path, {**metrics, "fields": fields}, TITLES, PROBABILITIES)
    section = (tmp_path / "report.md").read_text().split("\n## Fields\n")[1].split("\n## ")[0]
    assert "| known | micro-F1 | macro-F1 |\n" in section
    assert "| title | 50.0% | 25.0% |\n| title + year | 50.0% | 25.0% |\n" in section


def test_the_lines_of_the_table_have_the_same_width_and_a_tag_without_titles_has_no_scores(metrics):
    lines = table(metrics).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert [cell.strip() for cell in lines[4].split("|")[1:-1]] == ["z", "-", "-", "-", "-", "50%", "0"]


def test_a_model_that_predicts_nothing_has_a_report(tmp_path, metrics):
    never = TagThresholds([0.5, 0.99], NEVER, {}, dict.fromkeys(NAMES, 1.0))
    metrics |= tag_coverage(PROBABILITIES, TAGS, never, 0.88)
    write_report(tmp_path, metrics, TITLES, PROBABILITIES)
    assert "| the best F1 | none | 0.0% |" in (tmp_path / "report.md").read_text()
