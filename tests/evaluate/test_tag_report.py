import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from titleclf.evaluate.tag_coverage import coverage
from titleclf.runtime.tag_calibration import TagTemperature, probabilities
from titleclf.runtime.tag_thresholds import TagThresholds

from tests.evaluate.test_report import group
from titleclf.data.targets import tags_of
from titleclf.evaluate.tag_metrics import measure
from titleclf.evaluate.tag_report import table, write_report
from titleclf.training.plots import draw_training

WARM = TagTemperature(1.5, -0.1)
LOGITS = np.array([[3.0, 1, -9], [0, 2.0, -9], [-2, 0.1, -9], [2.0, -1, -9]])
CELLS = ["$x|y", "y", "$x", "y"]
TITLES = pd.DataFrame({"title": ["A | B", "C", "D", "E"], "category": CELLS, "lang": ["de", "en", "en", "de"]})
NAMES = ["$x", "y", "z"]
NOTHING = {name: [None, None] for name in NAMES}


@pytest.fixture
def metrics():
    tags = tags_of(TITLES, NAMES)
    thresholds = TagThresholds([0.5, 0.99], {**NOTHING, "$x": [0.8, None]}, {"y": 0.6}, dict.fromkeys(NAMES, 0.5))
    found = measure(LOGITS, tags, TITLES["lang"].to_numpy(dtype=str), thresholds.named, WARM, bins=5)
    return {**found, **coverage(probabilities(LOGITS, WARM), tags, thresholds, 0.88), "cut": 7, "robustness": {}}


def test_a_report_is_numbers_text_and_pictures(tmp_path, metrics):
    write_report(tmp_path, metrics, TITLES, probabilities(LOGITS, WARM))
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


def test_mistakes_come_surest_first_and_bars_do_not_break_the_table(tmp_path, metrics):
    write_report(tmp_path, metrics, TITLES, probabilities(LOGITS, WARM))
    lines = (tmp_path / "report.md").read_text().split("## Surest mistakes")[1].splitlines()[4:]
    assert lines[0].startswith("| E | y | $x | ")
    assert any(line.startswith(r"| A \| B | $x; y | z | ") for line in lines)


def test_what_noise_costs_is_told_in_micro_f1(tmp_path, metrics):
    spoilt = json.loads(json.dumps({"unseen": group(0.5), "known": group(0.75)}).replace('"accuracy"', '"micro_f1"'))
    write_report(tmp_path, {**metrics, "robustness": spoilt}, TITLES, probabilities(LOGITS, WARM))
    text = (tmp_path / "report.md").read_text()
    assert "unseen: micro-F1 | macro-F1 | lost |" in text
    assert "the points of micro-F1 that the noise costs" in text
    assert imread(tmp_path / "robustness.png").ndim == 3
    write_report(tmp_path, metrics, TITLES, probabilities(LOGITS, WARM))
    assert not (tmp_path / "robustness.png").exists()  # an older one would tell of another report


def test_the_table_lines_up_and_a_tag_without_titles_has_no_average_precision(metrics):
    lines = table(metrics).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert [cell.strip() for cell in lines[4].split("|")[1:-1]] == ["z", "0%", "0%", "0%", "-", "50%", "0"]


def test_a_model_that_names_nothing_has_a_report(tmp_path, metrics):
    never = TagThresholds([0.5, 0.99], NOTHING, {}, dict.fromkeys(NAMES, 1.0))
    tags, shares = tags_of(TITLES, NAMES), probabilities(LOGITS, WARM)
    write_report(tmp_path, {**metrics, **coverage(shares, tags, never, 0.88)}, TITLES, shares)
    assert "| the best F1 | none | 0.0% |" in (tmp_path / "report.md").read_text()


def test_the_training_curve_is_drawn(tmp_path):
    names = ("training_loss", "validation_loss", "micro_f1", "macro_f1", "known_micro_f1", "known_macro_f1")
    draw_training(tmp_path / "training.png", [{"epoch": n, **dict.fromkeys(names, n / 9)} for n in range(1, 6)], kept=3)
    rows, columns, _ = imread(tmp_path / "training.png").shape
    assert columns > rows > 300
