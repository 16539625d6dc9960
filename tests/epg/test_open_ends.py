"""Airings without an end: `<length>`, the next start on the channel, or unknown, in every reading of a guide."""

import random

import pytest

from tests.helpers.guides import filler_of
from titleclf.epg import open_ends
from titleclf.epg.fill import Filler, Settled, fill
from titleclf.epg.genres import GenreTable
from titleclf.epg.harvest import harvest
from titleclf.epg.parser import airings
from titleclf.epg.report import report


def programme(channel: str, start: str, more: str = "", title: str = "") -> str:
    return f'<programme channel="{channel}" start="{start}"{more}><title>{title or f"{channel} {start}"}</title>'


def guide(*programmes: str) -> str:
    return f"<tv>{''.join(f'{element}</programme>' for element in programmes)}</tv>"


Minutes = dict[str, float | None]
GUIDE = guide(
    programme("a", "20260101200000 +0100"),
    programme("b", "20260101200000 +0100", ' stop="20260101201000 +0100"'),
    programme("b", "20260101201000 +0100") + '<length units="seconds">900</length>',
    programme("b", "20260101210000 +0100", ' stop="20260101210000 +0100"'),  # no programme ends as it starts
    programme("a", "20260101203000 +0100", ' stop="20280101203000 +0100"'),  # nor two years later
    programme("a", "20260101203000 +0100", title="the same, translated"),
    programme("b", "20260101214500 +0100"),
    programme("b", "20260101214000 +0100"),  # out of order
    programme("a", "20260101194000 +0000"),
    programme("b", "20260103000000 +0100"),  # after a gap
    programme("c", "soon"),
    programme("c", "20260101200000 +0100"),
    programme("", ""),
)
MINUTES: Minutes = {
    "a 20260101200000 +0100": 30,
    "b 20260101200000 +0100": 10,
    "b 20260101201000 +0100": 15,
    "b 20260101210000 +0100": 45,
    "a 20260101203000 +0100": 10,
    "the same, translated": 10,
    "b 20260101214500 +0100": None,
    "b 20260101214000 +0100": None,
    "a 20260101194000 +0000": None,
    "b 20260103000000 +0100": None,
    "c soon": None,
    "c 20260101200000 +0100": None,
    "": None,
}


@pytest.fixture(params=[1, 50, 1000])
def path(request, tmp_path, monkeypatch):
    monkeypatch.setattr("titleclf.epg.streams._CHUNK", request.param)
    (tmp_path / "g.xml").write_text(GUIDE)
    return str(tmp_path / "g.xml")


def minutes_in_both_readings(path: str, monkeypatch) -> tuple[Minutes, Minutes]:
    first: Minutes = {}
    second: Minutes = {}

    def survey(_filler, airings):
        first.update({airing.title: airing.minutes for airing in airings})

    def add(settled: Settled) -> None:
        second[settled.airing.title] = settled.airing.minutes

    monkeypatch.setattr(Filler, "survey", survey)
    fill(path, f"{path}.out", filler_of(), add)
    return first, second


def test_a_fill_sees_the_same_minutes_in_both_readings(path, monkeypatch):
    assert minutes_in_both_readings(path, monkeypatch) == (MINUTES, MINUTES)


def test_other_readers_see_them_too(path):
    assert {airing.title: airing.minutes for airing in airings(path)} == MINUTES


def test_a_report_adds_the_airtime_of_unsure_titles(path):
    minutes = {title.title: title.minutes for title in report(path, filler_of({})).worst_titles()}
    assert minutes == {title: minutes or 0.0 for title, minutes in MINUTES.items() if title}


def test_harvested_minutes(tmp_path):
    category = "<category>News</category>"
    ends = [programme("a", "202601012000", title="Up"), programme("a", "202601012015", title="Down")]
    (tmp_path / "g.xml").write_text(guide(*(element + category for element in ends)))
    rows = harvest([str(tmp_path / "g.xml")], GenreTable.shipped(), ["minutes"]).rows()
    assert {row.programme.title: row.programme.minutes for row in rows} == {"Up": 15, "Down": None}


@pytest.mark.parametrize("seed", range(20))
def test_random_guides_look_the_same_in_pieces_of_any_size(tmp_path, monkeypatch, seed):
    dice = random.Random(seed)
    starts = [f"202601012{dice.randrange(4)}{dice.randrange(6)}0 +0100" for _ in range(60)]
    ends = ["", ' stop=""', ' stop="202601012350 +0100"']
    programmes = [programme(dice.choice("abc"), start, dice.choice(ends), f"{n}") for n, start in enumerate(starts)]
    (tmp_path / "g.xml").write_text(guide(*programmes))
    monkeypatch.setattr(open_ends, "_MAX_HELD", dice.choice([1, 2, 1000]))
    readings: list[Minutes] = []
    for size in (1, 100, 1 << 20):
        monkeypatch.setattr("titleclf.epg.streams._CHUNK", size)
        readings += minutes_in_both_readings(str(tmp_path / "g.xml"), monkeypatch)
    assert all(reading == readings[0] for reading in readings)
    assert len(readings[0]) == len(starts)


def test_what_is_held_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(open_ends, "_MAX_HELD", 2)
    path = tmp_path / "g.xml"
    path.write_text(guide(*(programme(channel, "202601012000") for channel in "abc"), programme("c", "202601012030")))
    found = [(airing.channel, airing.minutes) for airing in airings(str(path))]
    assert found == [("a", None), ("c", 30.0), ("b", None), ("c", None)]
