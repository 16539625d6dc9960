"""Films and episodes that a player takes for films."""

import sys

import numpy as np
import pandas as pd
import pytest

from scripts import film_decisions
from tests.helpers.guides import KNOWN, guide, model_of, programme
from titleclf.epg.genres import Genre, GenreTable
from titleclf.runtime.choices import ProgrammeKind

HEAT, RAN = "<title>Heat</title>", "<title>Ran</title>"
NUMBER = '<episode-num system="onscreen">S1 E2</episode-num>'
PROGRAMMES = [
    programme("<category>Spielfilm</category><category>Thriller</category>", title=HEAT),
    programme("<category>Serie</category><category>Krimi</category>", "<desc>(2/6)</desc>", title=RAN),
    programme("<sub-title>One</sub-title>", "<category>Drama</category>", NUMBER, title="<title>Nobody</title>"),
    programme("<category>News</category>", title="<title>Tagesschau</title>"),
    programme("<category>Movie</category>", title=HEAT).replace("133000", "203000"),
]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "de.xml"
    path.write_text(guide(*PROGRAMMES), encoding="utf-8")
    return path


@pytest.fixture
def model(monkeypatch):
    model = model_of(KNOWN, fields=["description"])
    monkeypatch.setattr(type(model), "thresholds_at", lambda *_: np.full(len(Genre), 0.9))
    return model


def test_what_says_film_or_series_is_hidden(path):
    hidden = film_decisions.read(path)
    film, episode = ProgrammeKind.film, ProgrammeKind.episode
    assert hidden.kinds == [film, episode, episode, ProgrammeKind.other, film]
    assert [[each.text for each in airing.categories] for airing in hidden.airings] == [
        *(["Thriller"], ["Krimi"], ["Drama"], ["News"], []),
    ]
    assert not any(airing.sub_title or airing.episode_numbers for airing in hidden.airings)


def test_the_sample_has_films_and_episodes_of_a_films_length(path):
    hidden = film_decisions.read(path)
    assert film_decisions.sample(hidden, 10, seed=1) == [0, 1, 2]
    drawn = film_decisions.sample(hidden, 2, seed=1)
    assert drawn[0] == 0
    assert len(drawn) == 2


def test_films_are_compared_with_what_the_guide_says(path, model):
    rows = film_decisions.measure(path, model, GenreTable.shipped(), {"heat"}, 10, 1)
    assert rows["title"].tolist() == ["Heat", "Ran", "Nobody"]
    assert rows["called_film"].tolist() == [True, False, True]  # a model without kinds knows only the length
    assert rows["known"].tolist() == [True, False, False]


def test_the_report_has_rows_for_known_and_new_titles(path, model, tmp_path, monkeypatch, capsys):
    pd.DataFrame({"title": ["HEAT (1995)"]}).to_parquet(tmp_path / "known.parquet")
    monkeypatch.setattr("scripts.film_decisions.Classifier.load", lambda: model)
    options = ["--guides", str(path), "--known", str(tmp_path / "known.parquet"), "--output", str(tmp_path / "r.md")]
    monkeypatch.setattr(
        sys, "argv", ["film_decisions", *options, "--name", "Some guides", "--note", "Chosen elsewhere."]
    )
    film_decisions.main()
    text = (tmp_path / "r.md").read_text(encoding="utf-8")
    assert "| DE | all | 1 | 100.0% | 2 | 50.0% |" in text
    assert "| DE | new titles | 0 | - | 2 | 50.0% |" in text
    assert "Chosen elsewhere." in text
    assert str(tmp_path) not in text
    assert "Wrote" in capsys.readouterr().out


def test_a_missing_table_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["x", "--guides", "g.xml", "--known", str(tmp_path / "no.parquet")])
    with pytest.raises(SystemExit) as exited:
        film_decisions.main()
    assert exited.value.code == 2
    assert "no.parquet: no such file. Check the path." in capsys.readouterr().err
