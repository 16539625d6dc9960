from dataclasses import replace

import pandas as pd
import pytest

from scripts import fill_accuracy
from tests.helpers.guides import guide, model_of
from titleclf.epg.evidence import Evidence
from titleclf.epg.genres import Genre, GenreTable
from titleclf.runtime.thresholds import Thresholds


def programme(channel: int, title: str, category: str) -> str:
    return f'<programme channel="{channel}"><title>{title}</title><category>{category}</category></programme>'


def test_half_of_the_channels_lose_their_categories(tmp_path):
    source, path = tmp_path / "guide.xml", tmp_path / "stripped.xml"
    source.write_text(guide(*(programme(channel, f"Heat {channel}", "Movie") for channel in range(6))))
    stripped = fill_accuracy.strip_categories(source, path, GenreTable.shipped(), seed=1)
    assert path.read_text().count("<category>Movie</category>") == 3
    assert stripped.genres == [Genre.movie] * 3
    assert len(stripped.kept_titles) == 3
    assert len(stripped.programmes) == 3
    titles = [programme.title for programme in stripped.programmes]
    assert all(f"<title>{title}</title></programme>" in path.read_text() for title in titles)


def test_changes_from_one_day_to_the_next_are_counted(tmp_path):
    times = 'start="2026010{0}120000" stop="2026010{0}130000"'
    line = f'<programme {times} channel="one"><title>{{1}}</title></programme>'
    listed = [line.format(day, title) for day in (1, 2, 3) for title in ("Heat", "Match", "Match", "Else")]
    (tmp_path / "guide.xml").write_text(guide(*listed, line.format(3, "New")))
    days = iter([{"Heat": Genre.movie, "Match": Genre.sports}, {"Heat": Genre.news}, {"Heat": Genre.news}])
    model = model_of({}, fields=["channel"])
    even = Thresholds(precisions=[0.9], least={str(genre): [0.5] for genre in sorted(Genre)}, wishes={})
    model.contents = replace(model.contents, thresholds=even)
    add = Evidence.add

    def of_the_next_day(evidence, programmes, showings):
        model.network.genre_by_title = next(days)
        add(evidence, programmes, showings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Evidence, "add", of_the_next_day)
        changes = fill_accuracy.daily_changes(model, tmp_path / "guide.xml")
    assert changes == {"pairs": 6, "another genre": 1 / 6, "filled on one day only": 1 / 6}


@pytest.fixture
def programmes():
    """Two films and a match, evaluated by each model: one right, one wrong and unfilled, one filled in wrongly."""
    rows = pd.DataFrame(
        {
            "guide": "XY",
            "genre": [Genre.movie, Genre.movie, Genre.sports],
            "top1": [Genre.movie, Genre.news, Genre.movie],
            "filled": [True, False, True],
            "on_other_channels": [True, False, False],
            "known": [False, False, True],
        }
    ).assign(right=[True, False, False])
    return pd.concat([rows.assign(model=model) for model in fill_accuracy.MODELS])


def test_each_table_has_the_scores_of_its_programmes(programmes):
    every, unseen, genres = fill_accuracy.tables(programmes)
    for model in fill_accuracy.MODELS:
        assert f"| XY | {model} | 3 | 33.3% | 66.7% | 50.0% |" in every
        assert f"| XY | {model} | 1 | 0.0% | 0.0% | - |" in unseen
        assert f"| {Genre.movie} | {model} | 2 | 50.0% | 50.0% | 50.0% |" in genres
        assert f"| {Genre.sports} | {model} | 1 | 0.0% | 100.0% | - |" in genres


def test_guides_without_unseen_titles_have_a_row_of_dashes(programmes):
    _, unseen, _ = fill_accuracy.tables(programmes.assign(known=True))
    assert f"| XY | {fill_accuracy.BOTH} | 0 | - | - | - |" in unseen
