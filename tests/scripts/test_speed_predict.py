"""The report of speed and size; its numbers depend on the machine."""

import re
import sys

import pytest
from scripts.common.peers import FASTTEXT_SETTINGS

from scripts import speed_predict
from tests.helpers.guides import guide, programme
from tests.helpers.titles import rows, write_csv
from titleclf.config.schemas import ExportConfig
from titleclf.export import export
from titleclf.runtime.choices import ExportFormat
from titleclf.training.trained_model import load_trained


def titled(title: str) -> str:
    return programme(title=f"<title>{title}</title>")


def test_titles_of_a_guide_are_repeated_in_order(tmp_path):
    (tmp_path / "g.xml").write_text(guide(*map(titled, ["Heat", "Jaws", "Heat"])))
    assert speed_predict.guide_titles(tmp_path / "g.xml", 5) == ["Heat", "Jaws", "Heat", "Heat", "Jaws"]


@pytest.fixture
def report(run, tmp_path, monkeypatch, capsys):
    """Return the report of a small measurement."""
    folded = export(ExportConfig(str(run), ExportFormat.bundle, str(tmp_path / "folded"), True, "shipped"))
    titles = write_csv(tmp_path / "titles.csv", rows())
    (tmp_path / "g.xml").write_text(guide(titled("Heat"), titled("Tagesschau")))
    output = tmp_path / "results" / "speed_predict.md"
    options = ["--titles", titles, "--guide", tmp_path / "g.xml", "--model", folded, "--trained", run, "--test", titles]
    options += ["--count", 20, "--rounds", 1, "--output", output, "--name", "Titles of tests."]
    monkeypatch.setattr(sys, "argv", ["speed_predict", *map(str, options)])
    small = {"epoch": 1, "bucket": 1000}
    monkeypatch.setattr(speed_predict, "FASTTEXT_SETTINGS", FASTTEXT_SETTINGS | small)
    speed_predict.main()
    assert capsys.readouterr().out.endswith(f"{output.read_text()}\nWrote {output}\n")
    return output.read_text()


def test_the_report_has_speed_start_size_and_what_folding_costs(run, report):
    assert report.startswith("# Prediction without torch\n\nTitles of tests.\n\nMade by `python -m scripts.speed_pre")
    assert "--titles TITLES --guide G --model FOLDED" in report
    for titles in ("20 distinct", "20 of a guide, 2 distinct", "20, one at a time"):
        for model in ("fastText", "titleclf", "titleclf, no memory"):
            assert re.search(rf"\| {titles} \| {model} \| [\d,]+ \| [\d.,]+ us \| [\d.]+ x \|", report)
    assert re.search(r"\| fastText \| [\d,]+ \| [\d.,]+ us \| 1.00 x \|", report)
    assert re.search(r'\| python -c "import numpy" \| \d+ \| 1.00 x \| \d+ MB \| 0 MB \|', report)
    assert re.search(r"\| python -m titleclf.predict TITLE \| \d+ \| [\d.]+ x \| \d+ MB \| \d+ MB \|", report)
    assert re.search(r"The bundle is \d+\.\d\d MB\.", report)
    predictions = load_trained(run).predict([title for title, *_ in rows()])
    right = sum(
        prediction.category == category for prediction, (_, category, _) in zip(predictions, rows(), strict=True)
    )
    assert f"| clean | {right / len(rows()):.2%} ".replace("%", " %") in report


def test_a_test_file_needs_the_model_that_was_folded(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["speed_predict", "--titles", "t.csv", "--test", "t.csv"])
    with pytest.raises(SystemExit) as exited:
        speed_predict.main()
    assert exited.value.code == 2
    assert "--trained and --test go together" in capsys.readouterr().err
