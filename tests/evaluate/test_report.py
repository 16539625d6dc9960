import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from titleclf.evaluate.coverage import abstention
from titleclf.evaluate.metrics import measure
from titleclf.evaluate.report import table, write_report
from titleclf.runtime.calibration import Temperature, probabilities
from titleclf.runtime.thresholds import Thresholds
from titleclf.training.plots import draw_training

WARM = Temperature(1.5, 0.1)
LOGITS = np.array([[3.0, 0, 0], [0, 2.0, 0], [0, 0.1, 0], [2.0, 0, 0]])
TITLES = pd.DataFrame(
    {"title": ["A | B", "C", "D", "E"], "category": ["$x", "y", "z", "y"], "lang": ["de", "en", "en", "de"]}
)


@pytest.fixture
def metrics():
    labels = np.array([0, 1, 2, 1])
    found = measure(LOGITS, labels, TITLES["lang"].to_numpy(dtype=str), ["$x", "y", "z"], WARM, bins=5)
    thresholds = Thresholds([0.5, 0.99], {"$x": [0.8, None], "y": [None, None], "z": [0.5, 0.5]}, {"y": 0.6})
    shares = probabilities(LOGITS, WARM)
    return {**found, **abstention(shares, labels, thresholds, target=0.88), "cut": 7, "robustness": {}}


def test_a_report_is_numbers_text_and_a_picture(tmp_path, metrics):
    write_report(tmp_path, metrics, TITLES, probabilities(LOGITS, WARM))
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics
    text = (tmp_path / "report.md").read_text()
    assert "# Evaluation on 4 titles" in text
    assert "Accuracy 50.0%, macro-F1" in text
    assert "7 titles were longer" in text
    assert "| de | 50.0% |" in text
    for name in ("confusion", "coverage", "calibration"):
        rows, columns, _ = imread(tmp_path / f"{name}.png").shape
        assert min(rows, columns) > 300


def test_precision_is_told_beside_coverage_and_by_category(tmp_path, metrics):
    metrics["coverage"]["0.88"] = {"coverage": 0.25, "precision": 1.0}
    metrics["thresholds"]["$x"] = {
        "wanted": 0.88,
        "threshold": 0.8,
        "taken": 2,
        "answered": 1,
        "coverage": 0.5,
        "precision": 1.0,
    }
    write_report(tmp_path, metrics, TITLES, probabilities(LOGITS, WARM))
    text = (tmp_path / "report.md").read_text()
    assert "| 88.0% (the target) | 100.0% | 25.0% | 25.0% |" in text
    assert "| 80.0% | none | 0.0% | 25.0% |" in text
    assert "| $x | 88.0% | 80.0% | 100.0% | 50.0% | 1 of 2 |" in text
    assert "| y | 88.0% | none | none | 0.0% | 0 of 2 |" in text


def spoilt(accuracy, changed=1.0, loss=0.125):
    return {"titles": 8, "accuracy": accuracy, "macro_f1": accuracy / 2, "changed": changed, "loss": loss}


def group(clean):
    conditions = {
        "misspellings": {"1": spoilt(clean - 0.1), "2": spoilt(clean - 0.2), "3": spoilt(clean - 0.3)},
        "kinds": {"insert": spoilt(clean - 0.1), "diacritics": spoilt(clean, changed=0.0, loss=None)},
        "formats": {"mark_before": spoilt(clean + 0.1, loss=-0.1), "any": spoilt(clean)},
    }
    return {"clean": {"titles": 8, "accuracy": clean, "macro_f1": clean}, **conditions}


@pytest.mark.parametrize("names", [["unseen", "known"], ["judged"]])
def test_what_noise_costs_is_told_by_condition_and_group(tmp_path, metrics, names):
    metrics["robustness"] = {name: group(0.5 + 0.25 * number) for number, name in enumerate(names)}
    write_report(tmp_path, metrics, TITLES, probabilities(LOGITS, WARM))
    section = (tmp_path / "report.md").read_text().split("## Misspelt and reformatted titles")[1].split("\n## ")[0]
    assert "8 unseen (not in training) and 8 known" in section or "8 judged (from the judged file)." in section
    lines = [line for line in section.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    assert "| clean | | 50.0% | 50.0% | |" in section
    assert "| 1 misspelling | 100% | 40.0% | 20.0% | 12.5 |" in section
    assert "| diacritics | 0% | 50.0% | 25.0% | none |" in section
    assert "| mark before | 100% | 60.0% | 30.0% | -10.0 |" in section
    rows, columns, _ = imread(tmp_path / "robustness.png").shape
    assert min(rows, columns) > 300


def test_a_report_without_noise_says_nothing_of_it(tmp_path, metrics):
    metrics["robustness"] = {"judged": group(0.5)}
    write_report(tmp_path, metrics, TITLES, probabilities(LOGITS, WARM))
    write_report(tmp_path, {**metrics, "robustness": {}}, TITLES, probabilities(LOGITS, WARM))
    assert "Misspelt" not in (tmp_path / "report.md").read_text()
    assert not (tmp_path / "robustness.png").exists()  # an older one would tell of another report


def test_mistakes_come_surest_first(tmp_path, metrics):
    write_report(tmp_path, metrics, TITLES, probabilities(LOGITS, WARM))
    mistakes = (tmp_path / "report.md").read_text().split("## Surest mistakes")[1]
    assert mistakes.index("| E | y | $x |") < mistakes.index("| D | z | y |")
    assert "| C |" not in mistakes


def test_bars_in_titles_do_not_break_the_table(tmp_path, metrics):
    wrong = TITLES.assign(category=["y", "y", "z", "y"])
    write_report(tmp_path, metrics, wrong, probabilities(LOGITS, WARM))
    assert r"| A \| B | y | $x |" in (tmp_path / "report.md").read_text()


def test_the_table_lines_up(metrics):
    lines = table(metrics).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[-1].split("|")[1].strip() == "accuracy / macro-F1"


def test_the_training_curve_is_drawn(tmp_path):
    history = [
        {
            "epoch": n,
            "training_loss": 1 / n,
            "validation_loss": 2 / n,
            **dict.fromkeys(("accuracy", "macro_f1", "known_accuracy", "known_macro_f1"), n / 9),
        }
        for n in range(1, 6)
    ]
    draw_training(tmp_path / "training.png", history, kept=3)
    rows, columns, _ = imread(tmp_path / "training.png").shape
    assert columns > rows > 300
