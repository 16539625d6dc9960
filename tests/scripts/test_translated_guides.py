"""Programmes that a player understands before and after a fill."""

import sys

import numpy as np
import pytest

from scripts import translated_guides
from tests.helpers.guides import KNOWN, guide, model_of, programme
from titleclf.epg.decisions import Basis
from titleclf.epg.genres import Genre, GenreTable
from titleclf.epg.parser import airings
from titleclf.epg.profiles import PROFILES

PROGRAMMES = [
    programme("<category>Fußball</category>", title="<title>Bundesliga</title>"),
    programme("<category>Sports</category>"),
    programme(title="<title>Heat</title>"),
    programme("<category>Gobbledygook</category>", title="<title>Never heard of</title>"),
]


@pytest.fixture
def model(monkeypatch):
    model = model_of(KNOWN)
    monkeypatch.setattr(type(model), "thresholds_at", lambda *_: np.full(len(Genre), 0.9))
    return model


def test_programmes_are_counted_before_and_after(tmp_path, model):
    (tmp_path / "de.xml").write_text(guide(*PROGRAMMES), encoding="utf-8")
    found = translated_guides.measure(tmp_path / "de.xml", "tvheadend", model, GenreTable.shipped())
    assert (found.programmes, found.understood_before, found.understood) == (4, 0.25, 0.75)
    assert (found.contradicted, found.bases) == (0.0, {Basis.own: 1, Basis.model: 1})


@pytest.mark.parametrize(("added", "contradicted"), [("", False), ("Sports", False), ("Movie / Drama", True)])
def test_a_text_of_another_genre_contradicts(tmp_path, added, contradicted):
    (tmp_path / "old.xml").write_text(guide(PROGRAMMES[0]), encoding="utf-8")
    more = f"</category><category>{added}</category>" if added else "</category>"
    (tmp_path / "new.xml").write_text(guide(PROGRAMMES[0].replace("</category>", more)), encoding="utf-8")
    [old], [new] = (list(airings(str(tmp_path / name))) for name in ("old.xml", "new.xml"))
    table = GenreTable.shipped()
    assert translated_guides.contradicts(old, new, PROFILES["tvheadend"], table) == contradicted


def test_the_report_has_a_row_for_each_guide_and_player(tmp_path, model, monkeypatch, capsys):
    (tmp_path / "de.xml").write_text(guide(*PROGRAMMES), encoding="utf-8")
    monkeypatch.setattr("scripts.translated_guides.Classifier.load", lambda: model)
    options = ["--guides", str(tmp_path / "de.xml"), "--output", str(tmp_path / "r.md"), "--name", "Some guides"]
    monkeypatch.setattr(sys, "argv", ["translated_guides", *options])
    translated_guides.main()
    text = (tmp_path / "r.md").read_text(encoding="utf-8")
    assert "| DE | tvheadend | 4 | 25.0% | 75.0% | 0.0% | 1 | 0 | 1 |" in text
    assert [text.count(f"| DE | {player} |") for player in translated_guides.PLAYERS] == [1, 1, 1]
    assert str(tmp_path) not in text
    assert "Wrote" in capsys.readouterr().out
