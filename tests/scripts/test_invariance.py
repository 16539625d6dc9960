import sys

from scripts import invariance
from tests.helpers.networks import MODEL
from tests.helpers.titles import rows, write_csv
from titleclf.runtime.classifier import Classifier


def test_plain_titles_are_the_same_in_all_clothes():
    titles = [title for title, _, _ in rows()][:300]
    table = invariance.measure(Classifier.load(MODEL), titles)
    assert list(table.index) == list(invariance.DRESSINGS)
    percents = {column: [float(str(cell).rstrip("%")) for cell in table[column]] for column in table}
    assert min(percents["plain"]) >= 98
    assert percents["as given"][0] < 90


def test_the_report_names_no_path(tmp_path, monkeypatch, capsys):
    table = write_csv(tmp_path / "titles.csv", [("Heat",), ("Tagesschau",)], ("title",))
    monkeypatch.setattr(sys, "argv", ["invariance", str(table), "--output", str(tmp_path / "report.md")])
    invariance.main()
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "`python -m scripts.invariance TITLES " in report
    assert str(tmp_path) not in report
    assert "Wrote" in capsys.readouterr().out
