import sys

import pandas as pd

from scripts import channel_matches
from tests.helpers.titles import write_csv
from titleclf.runtime.text.channels import ChannelList

ROWS = [
    ("a", "Sky Sports HD", "Sports"),
    ("a", "Sky Sports", "Movie / Drama"),
    ("a", "Nobody", "Sports"),
    ("b", "Show", "Show / Game show"),
]


def test_fractions_by_source_and_of_all():
    programmes = pd.DataFrame(ROWS, columns=["source", "channel", "category"])
    known = ChannelList({"skysports": ("sky sports", "general;sports"), "show": ("show", "general")})
    table = channel_matches.measure(programmes, known)
    assert table.to_dict("index") == {
        "a": {"programmes": "3", "matched": "66.7%", "with a genre": "66.7%", "of these, right": "50.0%"},
        "b": {"programmes": "1", "matched": "100.0%", "with a genre": "0.0%", "of these, right": "-"},
        "all": {"programmes": "4", "matched": "75.0%", "with a genre": "50.0%", "of these, right": "50.0%"},
    }


def test_the_report_names_no_path(tmp_path, monkeypatch, capsys):
    table = write_csv(tmp_path / "programmes.csv", ROWS, ("source", "channel", "category"))
    monkeypatch.setattr(sys, "argv", ["channel_matches", str(table), "--output", str(tmp_path / "report.md")])
    channel_matches.main()
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "`python -m scripts.channel_matches PROGRAMMES " in report
    assert str(tmp_path) not in report
    assert "Wrote" in capsys.readouterr().out
