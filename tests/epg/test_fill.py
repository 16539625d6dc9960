"""Which programmes get which category, from whom, and in whose words."""

import numpy as np
import pytest

from tests.helpers.guides import KNOWN, filler_of, guide, model_of, programme
from tests.helpers.xmltv import is_valid, parsed
from titleclf.epg.edits import undo
from titleclf.epg.fill import Decider, Decision, Outcome, When, fill
from titleclf.epg.genres import Genre
from titleclf.epg.overrides import Override, Overrides
from titleclf.epg.profiles import PROFILES

SURE = np.full(10, 0.9)
EPISODE = "<episode-num>1</episode-num>"
HEAT = "<title>Heat</title>"


def filled(tmp_path, *programmes: str, **how) -> list[list[str]]:
    (tmp_path / "in.xml").write_text(guide(*programmes), encoding="utf-8")
    filler = filler_of(**how)
    fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler)
    content = (tmp_path / "out.xml").read_bytes()
    assert is_valid(content)
    return [[one.text for one in each.findall("category")] for each in parsed(content).findall("programme")]


def test_the_first_model_that_is_sure_enough_names_a_title():
    first = model_of({"a": Genre.news, "c": Genre.music}, 0.95)
    second = model_of({"a": Genre.arts, "b": Genre.arts, "c": Genre.arts}, 0.97)
    third = model_of({"b": Genre.movie, "d": Genre.movie}, 0.5)
    decider = Decider([(first, SURE), (second, SURE), (third, SURE)])
    decisions = decider.decide(["a", "b", "c", "d", "a"])
    assert [one.categories for one in decisions] == [(Genre.news,), (Genre.arts,), (Genre.music,), (), (Genre.news,)]
    assert [one.probability for one in decisions] == pytest.approx([0.95, 0.97, 0.95, 0.5, 0.95])
    assert (first.asked, second.asked, third.asked) == (["a", "b", "c", "d"], ["b", "d"], ["d"])
    assert decisions[3].likeliest == Genre.movie  # to the third, who is surest of its own
    unsure = Decider([(model_of({"a": Genre.news}, 0.3), SURE), (model_of({"a": Genre.arts}, 0.6), SURE)])
    assert unsure.decide(["a"]) == [Decision((), Genre.arts, pytest.approx(0.6))]


def test_a_title_is_asked_for_once():
    model = model_of(KNOWN)
    decider = Decider([(model, SURE)])
    for _ in range(3):
        decider.decide(["Heat", "unknown", "Heat"])
    assert model.asked == ["Heat", "unknown"]


def test_the_memory_of_titles_is_bounded_and_answers_stay_the_same(monkeypatch):
    monkeypatch.setattr("titleclf.epg.fill._REMEMBERED", 3)
    decider = Decider([(model_of(KNOWN), SURE)])
    titles = ["Heat", *map(str, range(20)), "Tagesschau"]
    expected = Decider([(model_of(KNOWN), SURE)]).decide(titles)
    assert [decider.decide([title])[0] for title in titles] == expected
    assert len(decider._known) <= 4


def test_overrides_win_and_the_model_is_not_asked():
    model = model_of(KNOWN)
    overrides = Overrides({"heat": Override(2, Genre.sports, "heat"), "tagesschau": Override(3, "", "tagesschau")}, [])
    found = Decider([(model, SURE)], overrides).decide(["Heat", "HEAT (1995)", "Tagesschau", "Match of the Day"])
    said = Decision((Genre.sports,), Genre.sports, 1.0, is_override=True)
    assert found[:2] == [said, said]
    assert found[2] == Decision((), "", 1.0, is_override=True)
    assert found[3].categories == (Genre.sports,)
    assert model.asked == ["Match of the Day"]


def test_a_title_that_is_no_title_to_the_model_is_unsure():
    assert Decider([(model_of(KNOWN), SURE)]).decide(["\ufeff\u00a0"])[0].categories == ()


def test_only_programmes_without_a_category_get_one(tmp_path):
    programmes = [programme("<category>Football</category>"), programme(), programme("<category/>")]
    assert filled(tmp_path, *programmes) == [["Football"], ["Sports"], [None, "Sports"]]


def test_always_means_beside_what_is_there_but_not_twice(tmp_path):
    programmes = [programme("<category>Football</category>"), programme("<category>Sports</category>"), programme()]
    assert filled(tmp_path, *programmes, when=When.always) == [["Football", "Sports"], ["Sports"], ["Sports"]]


def test_unknown_to_profile_means_those_that_the_reader_makes_nothing_of(tmp_path):
    programmes = [
        programme("<category>Football</category>"),
        programme("<category>Sport</category><category>SPORTS</category>"),
        programme(),
    ]
    found = filled(tmp_path, *programmes, when=When.unknown, profile=PROFILES["tvheadend"])
    assert found == [["Football", "Sports"], ["Sport", "SPORTS"], ["Sports"]]


def test_a_reader_of_the_first_category_alone_finds_ours_there(tmp_path):
    one = programme("<category>Fußball</category><category>Sports</category><keyword>k</keyword>")
    how = {"when": When.unknown, "profile": PROFILES["enigma2"]}
    # It understands the second, but never reads it; and what is there need not be said twice.
    assert filled(tmp_path, one, **how) == [["Fußball", "Sports"]]
    one = one.replace("<category>Sports</category>", "")
    for is_marked in (False, True):
        assert filled(tmp_path, one, is_marked=is_marked, **how) == [["Sports", "Fußball"]]
    undo(str(tmp_path / "out.xml"), str(tmp_path / "back.xml"))
    assert (tmp_path / "back.xml").read_text(encoding="utf-8") == guide(one)


def test_a_film_is_called_one_only_where_that_destroys_nothing(tmp_path):
    short = programme(title=HEAT).replace("133000", "123000")
    programmes = [programme(title=HEAT), programme(EPISODE, title=HEAT), short]
    assert filled(tmp_path, *programmes, profile=PROFILES["jellyfin"]) == [["Movie"], ["Drama"], ["Drama"]]
    assert filled(tmp_path, *programmes) == [["Movie / Drama"]] * 3


@pytest.mark.parametrize("name", PROFILES)
def test_each_reader_gets_its_own_words_in_the_dtd_s_place_and_undo_takes_them_out(tmp_path, name):
    programmes = [
        programme("<desc>d</desc><icon src='i'/>", title=f"<title>{title}</title>") for title in ("Heat", "Tagesschau")
    ]
    plain = guide(*programmes)
    found = filled(tmp_path, *programmes, profile=PROFILES[name], is_marked=True)
    assert all(PROFILES[name].places(categories) for categories in found)
    undo(str(tmp_path / "out.xml"), str(tmp_path / "back.xml"))
    assert (tmp_path / "back.xml").read_text(encoding="utf-8") == plain


def test_undo_leaves_what_the_guide_had_and_what_others_changed(tmp_path):
    (tmp_path / "in.xml").write_text(
        guide(
            programme("<category>Sports</category><category>Sports</category><keyword>titleclf: Sports</keyword>"),
            programme("<category>Golf</category><keyword>titleclf: Sports</keyword><keyword>mine</keyword>"),
            programme("<category>Sports</category><keyword>Sports</keyword>"),
        )
    )
    assert undo(str(tmp_path / "in.xml"), str(tmp_path / "out.xml")) == 2
    assert (tmp_path / "out.xml").read_text() == guide(
        programme("<category>Sports</category>"),
        programme("<category>Golf</category><keyword>mine</keyword>"),
        programme("<category>Sports</category><keyword>Sports</keyword>"),
    )


def test_outcomes_are_counted(tmp_path):
    content = guide(
        programme(),
        programme("<category>a</category>"),
        programme(title="<title>unknown</title>"),
        programme(title="<title/>"),
        programme("<category>a</category>", title=""),
    )
    (tmp_path / "in.xml").write_text(content)
    outcomes = fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler_of())
    assert outcomes == {Outcome.filled: 1, Outcome.kept: 1, Outcome.unsure: 1, Outcome.untitled: 2}


def test_what_is_left_alone_by_an_override_counts_as_kept(tmp_path):
    (tmp_path / "in.xml").write_text(guide(programme()))
    filler = filler_of()
    filler.decider.overrides = Overrides({"match of the day": Override(2, "", "match of the day")}, [])
    assert fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler) == {Outcome.kept: 1}
