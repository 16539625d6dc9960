"""How fast and small prediction is, measured on titles of the tests; no figure is judged, only that it is told."""

import re
import sys

import pytest
from scripts.speed_predict import guide_titles

from scripts import speed_predict as module
from tests.conftest import rows, write_csv
from tests.helpers.guides import guide, programme
from titleclf.config.schemas import ExportConfig
from titleclf.export import export
from titleclf.runtime.choices import ExportFormat
from titleclf.training.trained_model import load_bundle


def titled(title: str) -> str:
    return programme(title=f"<title>{title}</title>")


def test_titles_of_a_guide_are_repeated_in_their_order(tmp_path):
    (tmp_path / "g.xml").write_text(guide(*map(titled, ["Heat", "Jaws", "Heat"])))
    assert guide_titles(tmp_path / "g.xml", 5) == ["Heat", "Jaws", "Heat", "Heat", "Jaws"]


@pytest.fixture
def measured(run, tmp_path, monkeypatch, capsys):
    """Return the tables of a small benchmark."""
    folded = export(ExportConfig(str(run), ExportFormat.bundle, str(tmp_path / "folded"), True, "shipped"))
    titles = write_csv(tmp_path / "titles.csv", rows())
    (tmp_path / "g.xml").write_text(guide(titled("Heat"), titled("Tagesschau")))
    arguments = [
        "--titles",
        titles,
        "--guide",
        tmp_path / "g.xml",
        "--model",
        folded,
        "--trained",
        run,
        "--test",
        titles,
    ]
    arguments += ["--count", 20, "--rounds", 1, "--output", tmp_path / "r" / "runtime.md", "--name", "Titles of tests."]
    monkeypatch.setattr(sys, "argv", ["benchmark_runtime.py", *map(str, arguments)])
    monkeypatch.setattr(module, "FASTTEXT_SETTINGS", module.FASTTEXT_SETTINGS | {"epoch": 1, "bucket": 1000})
    module.main()
    assert (tmp_path / "r" / "runtime.md").read_text() in capsys.readouterr().out
    return (tmp_path / "r" / "runtime.md").read_text()


def test_pace_start_size_and_loss_are_told(run, measured):
    assert measured.startswith("# Prediction without torch\n\nTitles of tests.\n")
    assert "--titles TITLES --guide G --model FOLDED" in measured
    for what in ("20 different ones", "20 of a guide, 2 different", "20, one at a time"):
        for model in ("fastText", "titleclf", "titleclf, no memory"):
            assert re.search(rf"\| {what} \| {model} \| [\d,]+ \| [\d.,]+ us \| [\d.]+ x \|", measured)
    assert re.search(r"\| fastText \| [\d,]+ \| [\d.,]+ us \| 1.00 x \|", measured)
    assert re.search(r'\| python -c "import numpy" \| \d+ \| 1.00 x \| \d+ MB \| 0 MB \|', measured)
    assert re.search(r"\| python -m titleclf.predict TITLE \| \d+ \| [\d.]+ x \| \d+ MB \| \d+ MB \|", measured)
    assert re.search(r"The bundle is \d+\.\d\d MB\.", measured)
    right = sum(
        one.category == category
        for one, (_, category, _) in zip(load_bundle(run).predict([title for title, *_ in rows()]), rows(), strict=True)
    )
    assert f"| clean | {right / len(rows()):.2%} ".replace("%", " %") in measured


def test_a_test_without_the_model_it_was_folded_from_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmark_runtime.py", "--titles", "t.csv", "--test", "t.csv"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 2
    assert "--trained and --test go together" in capsys.readouterr().err
