import sys

import pandas as pd
import pytest

from scripts import programme_kinds
from titleclf.epg.genres import Genre

DRAMA, NEWS, SHOW = Genre.movie.value, Genre.news.value, Genre.show.value
COLUMNS = ["source", "category", "episode", "year", "minutes"]
# Half of the films and dramas of "telling" have an episode number, none of "silent".
TELLING = [
    ("telling", DRAMA, True, "1999", 90.0, "episode"),
    ("telling", DRAMA, False, "1999", 90.0, "film"),
    ("telling", DRAMA, False, "1999", 59.0, ""),
    ("telling", DRAMA, False, "", 90.0, ""),
    ("telling", DRAMA, False, "1999", None, ""),
    ("telling", DRAMA, True, "", None, "episode"),
    ("telling", NEWS, False, "", 15.0, "other"),
    ("telling", NEWS, True, "", 15.0, "episode"),
    ("telling", SHOW, False, "1999", 90.0, ""),
]
SILENT = [
    ("silent", DRAMA, False, "1999", 90.0, ""),
    ("silent", NEWS, False, "", 15.0, ""),
    ("silent", SHOW, True, "", 30.0, "episode"),
    ("no drama", NEWS, False, "", 15.0, ""),
]


@pytest.mark.parametrize("rows", [TELLING, SILENT, TELLING + SILENT])
def test_only_sources_that_tell_episodes_apart_have_films(rows):
    *columns, expected = map(list, zip(*rows, strict=True))
    programmes = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
    assert programme_kinds.kinds_of(programmes).tolist() == expected


def test_the_table_is_written_with_its_kinds(tmp_path, monkeypatch, capsys):
    programmes = pd.DataFrame([row[:-1] for row in TELLING], columns=COLUMNS).assign(title="Heat")
    programmes.to_parquet(tmp_path / "a.parquet")
    output = tmp_path / "b.parquet"
    monkeypatch.setattr(sys, "argv", ["programme_kinds", str(tmp_path / "a.parquet"), "-o", str(output)])
    programme_kinds.main()
    written = pd.read_parquet(output)
    assert written["kind"].tolist() == [row[-1] for row in TELLING]
    pd.testing.assert_frame_equal(written.drop(columns="kind"), programmes)
    assert sorted(capsys.readouterr().out.strip().split(", ")) == ["episode 3", "film 1", "other 1", "unknown 4"]


def test_a_missing_table_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        sys, "argv", ["programme_kinds", str(tmp_path / "no.parquet"), "-o", str(tmp_path / "b.parquet")]
    )
    with pytest.raises(SystemExit) as exited:
        programme_kinds.main()
    assert exited.value.code == 2
    assert capsys.readouterr().err.startswith(f"{tmp_path / 'no.parquet'}: no such file.")
