"""The categories that programmes get: from overrides and models, in the texts of each reader."""

import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.guides import KNOWN, filler_of, guide, model_of, programme
from tests.helpers.xmltv import is_valid, parsed
from titleclf.epg.console import fill_summary
from titleclf.epg.decisions import Basis, Decider, Decision, Query
from titleclf.epg.edits import undo
from titleclf.epg.fill import Filler, Outcome, When, fill
from titleclf.epg.genres import Genre, GenreTable
from titleclf.epg.overrides import Override, Overrides, Rows
from titleclf.epg.parser import airings
from titleclf.epg.profiles import PROFILES
from titleclf.epg.xmltv import Airing, Showing, TextElement
from titleclf.runtime.text.programmes import Programme

SURE = np.full(10, 0.9)
EPISODE = "<episode-num>1</episode-num>"
HEAT = "<title>Heat</title>"


def filled(tmp_path, *programmes: str, **options) -> list[list[str]]:
    (tmp_path / "in.xml").write_text(guide(*programmes), encoding="utf-8")
    filler = filler_of(**options)
    fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler)
    content = (tmp_path / "out.xml").read_bytes()
    assert is_valid(content)
    elements = parsed(content).findall("programme")
    return [[category.text for category in element.findall("category")] for element in elements]


def asked(*programmes: Programme) -> list[Query]:
    return list(map(Query, programmes))


def titled(*titles: str) -> list[Query]:
    return asked(*map(Programme, titles))


def test_the_first_model_that_is_sure_enough_decides_a_title():
    first = model_of({"a": Genre.news, "c": Genre.music}, 0.95)
    second = model_of({"a": Genre.arts, "b": Genre.arts, "c": Genre.arts}, 0.97)
    third = model_of({"b": Genre.movie, "d": Genre.movie}, 0.5)
    decider = Decider([(first, SURE), (second, SURE), (third, SURE)])
    decisions = decider.decide(titled("a", "b", "c", "d", "a"))
    categories = [decision.categories for decision in decisions]
    assert categories == [(Genre.news,), (Genre.arts,), (Genre.music,), (), (Genre.news,)]
    assert [decision.probability for decision in decisions] == pytest.approx([0.95, 0.97, 0.95, 0.5, 0.95])
    assert (first.network.queried, second.network.queried, third.network.queried) == (
        ["a", "b", "c", "d"],
        ["b", "d"],
        ["d"],
    )
    assert decisions[3].top1 == Genre.movie  # from the third model, the most confident
    unsure = Decider([(model_of({"a": Genre.news}, 0.3), SURE), (model_of({"a": Genre.arts}, 0.6), SURE)])
    [decision] = unsure.decide(titled("a"))
    assert decision == Decision((), Genre.arts, decision.probability)
    assert decision.probability == pytest.approx(0.6)


def test_a_title_is_predicted_once():
    model = model_of(KNOWN)
    decider = Decider([(model, SURE)])
    for _ in range(3):
        decider.decide(titled("Heat", "unknown", "Heat"))
    assert model.network.queried == ["Heat", "unknown"]


def test_the_cache_of_decisions_is_bounded_and_does_not_change_them(monkeypatch):
    monkeypatch.setattr("titleclf.epg.decisions._CACHE_SIZE", 3)
    decider = Decider([(model_of(KNOWN), SURE)])
    titles = ["Heat", *map(str, range(20)), "Tagesschau"]
    expected = Decider([(model_of(KNOWN), SURE)]).decide(titled(*titles))
    assert [decider.decide(titled(title))[0] for title in titles] == expected
    assert len(decider._decisions) <= 4


def test_titles_of_overrides_are_not_predicted():
    model = model_of(KNOWN)
    overrides = Overrides({"heat": Override(2, Genre.sports, "heat"), "tagesschau": Override(3, "", "tagesschau")}, [])
    decisions = Decider([(model, SURE)], overrides).decide(
        titled("Heat", "HEAT (1995)", "Tagesschau", "Match of the Day")
    )
    sports = Decision((Genre.sports,), Genre.sports, 1.0, Basis.override)
    assert decisions[:2] == [sports, sports]
    assert decisions[2] == Decision((), "", 1.0, Basis.override)
    assert decisions[3].categories == (Genre.sports,)
    assert model.network.queried == ["Match of the Day"]


def test_a_title_without_characters_is_unsure():
    assert Decider([(model_of(KNOWN), SURE)]).decide(titled("\ufeff\u00a0"))[0].categories == ()


def test_a_title_in_other_clothes_is_decided_as_the_plain_one():
    model = model_of(KNOWN)
    overrides = Overrides({"tagesschau": Override(2, Genre.sports, "tagesschau")}, [])
    decider = Decider([(model, SURE)], overrides)
    filler = missing_filler(decider)
    filler.survey([Airing("one", "", "", "NEW: Show", categories=[TextElement("Show", 0, 0, "Show")])])
    titles = ("Heat", "Ｈｅａｔ", "NEW: Heat (R)", "Tages\u200bschau HD", "Show [HD]")
    settled = filler.settle([Airing("one", "", "", title) for title in titles])
    assert genres(each.decision for each in settled if each.decision is not None) == [
        *[(Genre.movie,)] * 3,
        (Genre.sports,),
        (Genre.show,),
    ]
    assert set(model.network.queried) == {"Heat"}


def test_of_several_titles_the_surest_answer_is_taken():
    model = model_of({"Heat": Genre.movie}, 0.95)
    assert decided_with_titles(Decider([(model, SURE)]), "Never heard of", "Heat").categories == (Genre.movie,)
    assert decided_with_titles(Decider([(model, SURE)]), "Heat", "Never heard of").categories == (Genre.movie,)
    assert decided_with_titles(Decider([(model, SURE)]), "Never", "heard of").categories == ()
    both = Decider([(model, SURE), (model_of({"Hitze": Genre.news}, 0.97), SURE)])
    assert decided_with_titles(both, "Heat", "Hitze").categories == (Genre.news,)


def test_an_override_of_any_title_decides():
    for category, expected in ((Genre.sports, (Genre.sports,)), ("", ())):
        overrides = Overrides({"hitze": Override(2, category, "hitze")}, [])
        decider = Decider([(model_of(KNOWN), SURE)], overrides)
        decision = decided_with_titles(decider, "Heat", "Hitze")
        assert (decision.categories, decision.basis) == (expected, Basis.override)


def missing_filler(decider: Decider) -> Filler:
    return Filler(decider, None, When.missing, with_keywords=False, table=GenreTable.shipped())


def decided_with_titles(decider: Decider, title: str, translation: str) -> Decision:
    [settled] = missing_filler(decider).settle([Airing("one", "", "", title, translations=[(translation, "de")])])
    assert settled.decision is not None
    return settled.decision


@pytest.mark.parametrize("fields", [[], ["description"]])
def test_programmes_are_filled_by_any_of_four_titles(tmp_path, fields):
    names = ["Nobody", "To be announced", "Nobody", "Heat", "Fourth", "Fifth"]
    titles = "".join(f'<title lang="x{number}">{name}</title>' for number, name in enumerate(names))
    path = tmp_path / "in.xml"
    path.write_text(guide(programme(title=titles), programme(title=titles.replace("Heat", "Third"))))
    [airing, _] = airings(str(path))
    assert airing.title == "Nobody"
    assert airing.translations == [("To be announced", "x1"), ("Heat", "x3"), ("Fourth", "x4")]
    model = model_of(KNOWN, fields=fields)
    filler = replace(filler_of(), decider=Decider([(model, SURE)]))
    fill(str(path), str(tmp_path / "out.xml"), filler)
    elements = parsed((tmp_path / "out.xml").read_bytes()).findall("programme")
    assert [[category.text for category in each.findall("category")] for each in elements] == [["Movie / Drama"], []]
    assert elements[0].find("category").get("lang") == "x0"
    assert set(model.network.queried) == {"Nobody", "Heat", "Third", "Fourth"}


def test_only_programmes_without_a_category_get_one(tmp_path):
    programmes = [programme("<category>Football</category>"), programme(), programme("<category/>")]
    assert filled(tmp_path, *programmes) == [["Football"], ["Sports"], [None, "Sports"]]


def test_untranslated_adds_where_the_reader_understands_no_category(tmp_path):
    programmes = [
        programme("<category>Football</category>"),
        programme("<category>Sport</category><category>SPORTS</category>"),
        programme(),
    ]
    categories = filled(tmp_path, *programmes, when=When.untranslated, profile=PROFILES["tvheadend"])
    assert categories == [["Football", "Sports"], ["Sport", "SPORTS"], ["Sports"]]


def test_a_reader_of_only_the_first_category_gets_ours_first(tmp_path):
    element = programme("<category>Fußball</category><category>Sports</category><keyword>k</keyword>")
    options = {"when": When.untranslated, "profile": PROFILES["enigma2"]}
    # The reader understands the second category but never reads it; adding it again would not help.
    assert filled(tmp_path, element, **options) == [["Fußball", "Sports"]]
    element = element.replace("<category>Sports</category>", "")
    for with_keywords in (False, True):
        assert filled(tmp_path, element, with_keywords=with_keywords, **options) == [["Sports", "Fußball"]]
    undo(str(tmp_path / "out.xml"), str(tmp_path / "back.xml"))
    assert (tmp_path / "back.xml").read_text(encoding="utf-8") == guide(element)


def test_a_drama_is_called_a_film_only_if_no_episode_data_can_be_lost(tmp_path):
    short = programme(title=HEAT).replace("133000", "123000")
    programmes = [programme(title=HEAT), programme(EPISODE, title=HEAT), short]
    assert filled(tmp_path, *programmes, profile=PROFILES["jellyfin"]) == [["Movie"], ["Drama"], ["Drama"]]
    assert filled(tmp_path, *programmes) == [["Movie / Drama"]] * 3


@pytest.mark.parametrize("name", PROFILES)
def test_each_reader_gets_texts_that_it_understands_and_undo_removes_them(tmp_path, name):
    programmes = [
        programme("<desc>d</desc><icon src='i'/>", title=f"<title>{title}</title>") for title in ("Heat", "Tagesschau")
    ]
    plain = guide(*programmes)
    texts = filled(tmp_path, *programmes, profile=PROFILES[name], with_keywords=True)
    assert all(PROFILES[name].understands_any(categories) for categories in texts)
    undo(str(tmp_path / "out.xml"), str(tmp_path / "back.xml"))
    assert (tmp_path / "back.xml").read_text(encoding="utf-8") == plain


def test_undo_keeps_own_categories_and_later_changes(tmp_path):
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
        programme(title="<title>Never heard of</title>"),
        programme(title="<title/>"),
        programme("<category>a</category>", title=""),
    )
    (tmp_path / "in.xml").write_text(content)
    tally = fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler_of())
    assert tally.outcomes == {Outcome.filled: 1, Outcome.kept: 1, Outcome.unsure: 1, Outcome.untitled: 2}


def test_a_title_that_an_override_leaves_unchanged_counts_as_kept(tmp_path):
    (tmp_path / "in.xml").write_text(guide(programme()))
    filler = filler_of()
    filler.decider.overrides = Overrides({"match of the day": Override(2, "", "match of the day")}, [])
    assert fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler).outcomes == {Outcome.kept: 1}


CHANNEL_RULES = """title,channel,category
Heat,Channel*,Sports
,channel o*,News / Current affairs
,TWO,
"""


def test_overrides_of_a_channel_apply_to_its_name_or_its_id(tmp_path):
    (tmp_path / "my.csv").write_text(CHANNEL_RULES)
    titles = ("Heat", "Tagesschau", "Never heard of", "To be announced", "Channel One")
    programmes = [programme(title=f"<title>{title}</title>") for title in titles]
    two = [element.replace('"one"', '"two"') for element in programmes]
    three = programmes[0].replace('"one"', '"three"')
    second = '<channel id="three"><display-name>Channel One</display-name></channel>'
    labelled = programme("<category>Music</category>", title="<title>Heat</title>")
    (tmp_path / "in.xml").write_text(guide(second, *programmes, *two, three, labelled))
    filler = filler_of()
    filler.decider.overrides = Overrides.read(tmp_path / "my.csv", list(Genre))
    tally = fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler)
    assert (tally.outcomes, tally.bases) == ({Outcome.filled: 6, Outcome.kept: 6}, {Basis.override: 11})
    text = (tmp_path / "out.xml").read_text()
    assert re.findall("<category>(.*?)<", text) == ["Sports", *["News / Current affairs"] * 4, "Sports", "Music"]
    assert filler.decider.overrides.unused() == []


def test_an_id_tells_channels_of_one_name_apart():
    overrides = Overrides({}, [], channels={"x1": Rows({}, [], Override(2, Genre.news, "x1"), channel="x1")})
    decider = Decider([(model_of(KNOWN), SURE)], overrides)
    queries = [Query(Programme("Heat", "X"), channel_id=channel_id) for channel_id in ("x1", "x2", "x1", None)]
    assert genres(decider.decide(queries)) == [(Genre.news,), (Genre.movie,), (Genre.news,), (Genre.movie,)]


# Models that use fields

CRIME, SHOW = Programme("Live", "one", description="A murder."), Programme("Live", "one", description="Guests.")
DESCRIBED = {"A murder.": Genre.movie, "Guests.": Genre.show, "Goals.": Genre.sports}


def described(probability: float = 0.95):
    return model_of(DESCRIBED, probability, ["description"])


def genres(decisions: Iterable[Decision]) -> list[tuple[str, ...]]:
    return [decision.categories for decision in decisions]


def test_all_showings_of_a_title_on_a_channel_get_the_same_genre():
    unknown = [Programme("Live", "one"), Programme("Live", "one", description="Who knows.")]
    there = CRIME._replace(channel="two")
    decider = Decider([(described(), np.full(10, 0.2))])
    listed = [CRIME, CRIME, CRIME, SHOW, *unknown, there]
    decider.survey(listed[:3])
    decider.survey(listed[3:])
    for listing in listed:  # in any piece of the guide
        assert genres(decider.decide(asked(listing))) == [(Genre.movie,)]
    assert genres(decider.decide(asked(SHOW, Programme("Live", "three")))) == [(Genre.movie,), ()]
    assert len(decider._decisions) == 3


def test_without_a_survey_the_evidence_is_that_of_the_programmes_to_decide():
    decider = Decider([(described(), np.full(10, 0.2))])
    assert genres(decider.decide(asked(SHOW, CRIME, SHOW))) == [(Genre.show,)] * 3
    assert genres(decider.decide(asked(CRIME))) == [(Genre.show,)]  # the same decision in every guide


def test_evidence_is_a_mean_of_logits():
    decider = Decider([(described(), np.full(10, 0.9))])
    [alone] = Decider([(described(), np.full(10, 0.9))]).decide(asked(CRIME))
    decider.survey([CRIME, SHOW])
    [decision] = decider.decide(asked(CRIME))
    assert alone.probability == pytest.approx(0.95)
    assert decision.categories == ()
    assert decision.probability < 0.5
    decider = Decider([(described(), np.full(10, 0.9))])
    decider.survey([CRIME] * 5)
    assert decider.decide(asked(CRIME))[0].probability == pytest.approx(0.95)


@pytest.mark.parametrize("before", [True, False])
def test_a_survey_counts_beside_models_that_use_titles_alone(before):
    titles_alone = model_of({"Heat": Genre.movie}), SURE
    with_fields = described(), np.full(10, 0.2)
    decider = Decider([titles_alone, with_fields] if before else [with_fields, titles_alone])
    decider.survey([CRIME, CRIME, SHOW])
    assert genres(decider.decide(asked(SHOW))) == [(Genre.movie,)]
    assert genres(decider.decide(asked(Programme("Heat", "one"), Programme("Heat", "two")))) == [(Genre.movie,)] * 2


def test_programmes_of_a_survey_are_bounded(monkeypatch):
    monkeypatch.setattr("titleclf.epg.decisions._CACHE_SIZE", 3)
    for models in ([(described(), SURE)], [(model_of({}), SURE), (described(), SURE)]):
        decider = Decider(models)
        for number in range(20):
            decider.survey([Programme(f"Title {number}", "one")])
        assert max(map(len, decider._evidence)) <= 4


def test_models_of_titles_alone_survey_nothing():
    model = model_of(KNOWN)
    decider = Decider([(model, SURE)])
    decider.survey([CRIME, SHOW])
    assert model.network.queried == []
    assert decider.columns == set()
    assert genres(decider.decide(asked(Programme("Heat", "one"), Programme("Heat", "two")))) == [(Genre.movie,)] * 2
    assert model.network.queried == ["Heat"]


def test_an_override_applies_on_every_channel_without_any_evidence():
    model = described()
    overrides = Overrides({"live": Override(2, Genre.news, "live")}, [])
    decider = Decider([(model, np.full(10, 0.2))], overrides)
    assert genres(decider.decide(asked(CRIME, SHOW._replace(channel="two")))) == [(Genre.news,)] * 2
    assert model.network.queried == []


def test_titles_without_fields_have_thresholds_of_their_own():
    model = described()
    thresholds = np.stack([np.full(10, 0.2), np.full(10, 1.1)])
    decider = Decider([(model, thresholds)])
    assert genres(decider.decide(asked(CRIME, Programme("Goals.", "one")))) == [(Genre.movie,), ()]


# What else a channel shows

MATCHES = [Programme(f"Match {number}", "sports one", description="Goals.") for number in range(20)]
FILMS = [Programme(f"Film {number}", "films", description="A murder.") for number in range(20)]


def top1_of(decider: Decider, *programmes: Programme) -> list[str]:
    return [decision.top1 for decision in decider.decide(asked(*programmes))]


def test_a_title_that_says_nothing_is_what_its_channel_shows():
    unknown = [Programme("Live", "sports one"), Programme("Live", "films")]
    decider = Decider([(described(), np.full(10, 0.2))])
    decider.survey([*MATCHES, *FILMS, *unknown])
    assert genres(decider.decide(asked(*unknown))) == [(Genre.sports,), (Genre.movie,)]
    assert top1_of(decider, MATCHES[0], FILMS[0]) == [Genre.sports, Genre.movie]


def test_a_title_that_is_clear_stays_what_it_is():
    decider = Decider([(described(), np.full(10, 0.2))])
    film = Programme("Escape to Victory", "sports one", description="A murder.")
    decider.survey([*MATCHES, *FILMS, film])
    assert genres(decider.decide(asked(film))) == [(Genre.movie,)]


def test_a_channel_is_known_by_the_genres_that_the_guide_gives():
    unknown = Programme("Live", "sports one")
    plain = [programme._replace(description=None) for programme in MATCHES]
    decider = Decider([(described(), np.full(10, 0.2))])
    decider.survey([*FILMS, *plain, unknown])
    assert genres(decider.decide(asked(unknown))) == [()]
    decider = Decider([(described(), np.full(10, 0.2))])
    decider.survey([*FILMS, unknown])
    decider.survey_labels(((programme.title, programme.channel), Genre.sports) for programme in plain)
    assert genres(decider.decide(asked(unknown))) == [(Genre.sports,)]


def test_genres_that_a_guide_gives_count_before_predictions():
    unknown = Programme("Live", "sports one")
    decider = Decider([(described(), np.full(10, 0.2))])
    decider.survey([*MATCHES, *FILMS, unknown])
    decider.survey_labels(((programme.title, programme.channel), Genre.news) for programme in MATCHES)
    assert genres(decider.decide(asked(unknown))) == [(Genre.news,)]


def test_a_genre_that_the_model_does_not_know_says_nothing():
    model = described()
    model.contents = replace(model.contents, categories=[*map(str, sorted(Genre)[:-1]), "Something else"])
    decider = Decider([(model, np.full(10, 0.2))])
    decider.survey([*FILMS, Programme("Live", "sports one")])
    before = decider.decide(asked(Programme("Live", "sports one")))
    decider = Decider([(model, np.full(10, 0.2))])
    decider.survey([*FILMS, Programme("Live", "sports one")])
    decider.survey_labels(((programme.title, programme.channel), sorted(Genre)[-1]) for programme in MATCHES)
    assert decider.decide(asked(Programme("Live", "sports one"))) == before


def test_categories_of_a_guide_say_what_its_channels_show(tmp_path):
    labelled = [programme("<category>Football</category>", title=f"<title>Match {n}</title>") for n in range(20)]
    film = '<programme start="20260101120000" stop="20260101133000" channel="{}"><title>{}</title>{}</programme>'
    films = [film.format("films", f"Film {number}", "<desc>A murder.</desc>") for number in range(20)]
    unknown = [programme(title="<title>Live</title>"), film.format("films", "Live", "")]
    (tmp_path / "in.xml").write_text(guide(*labelled, *films, *unknown))
    filler = Filler(
        Decider([(described(), np.full(10, 0.2))]), None, When.missing, with_keywords=True, table=GenreTable.shipped()
    )
    tally = fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler)
    assert tally.outcomes == {Outcome.kept: 20, Outcome.filled: 22}
    live = [airing for airing in airings(str(tmp_path / "out.xml")) if airing.title == "Live"]
    assert [[category.text for category in airing.categories] for airing in live] == [[Genre.sports], [Genre.movie]]
    # What was filled in is no evidence: a second fill changes nothing.
    again = Filler(
        Decider([(described(), np.full(10, 0.2))]), None, When.missing, with_keywords=True, table=GenreTable.shipped()
    )
    assert fill(str(tmp_path / "out.xml"), str(tmp_path / "again.xml"), again).outcomes[Outcome.filled] == 0
    assert (tmp_path / "again.xml").read_bytes() == (tmp_path / "out.xml").read_bytes()


# What the guide itself says


def query(title: str, *own: Genre, channel: str = "one") -> Query:
    return Query(Programme(title, channel), own)


def labelled(title: str, genre: Genre, times: int = 1, channel: str = "one") -> list[tuple[Showing, Genre]]:
    return [((title, channel), genre)] * times


def test_what_a_programmes_own_categories_mean_goes_before_its_title():
    decider = Decider([(model_of(KNOWN), SURE)])
    first, second, third = decider.decide(
        [query("Heat", Genre.sports), query("Heat"), query("Never heard of", Genre.news)]
    )
    assert first == Decision((Genre.sports,), Genre.sports, 1.0, Basis.own)
    assert (second.categories, second.basis) == ((Genre.movie,), Basis.model)
    assert third == Decision((Genre.news,), Genre.news, 1.0, Basis.own)


def test_an_override_goes_before_own_categories():
    overrides = Overrides({"heat": Override(2, Genre.arts, "heat")}, [])
    [decision] = Decider([(model_of(KNOWN), SURE)], overrides).decide([query("Heat", Genre.sports)])
    assert (decision.categories, decision.basis) == ((Genre.arts,), Basis.override)


def test_a_title_is_what_it_is_elsewhere_in_the_guide():
    model = model_of(KNOWN)
    decider = Decider([(model, SURE)])
    decider.survey_labels([*labelled("HEAT (1995)", Genre.sports, channel="two"), *labelled("Ran", Genre.movie)])
    [heat] = decider.decide([query("Heat")])
    assert heat == Decision((Genre.sports,), Genre.sports, 1.0, Basis.elsewhere)
    assert model.network.queried == []


def test_a_title_on_its_own_channel_goes_before_those_elsewhere():
    decider = Decider([(model_of(KNOWN), SURE)])
    decider.survey_labels(
        [*labelled("Live", Genre.sports, 9, channel="two"), *labelled("Live", Genre.music, channel="one")]
    )
    found = decider.decide([query("Live"), query("Live", channel="two"), query("Live", channel="three")])
    assert [decision.top1 for decision in found] == [Genre.music, Genre.sports, Genre.sports]


def test_a_title_whose_programmes_disagree_is_left_to_the_model():
    decider = Decider([(model_of(KNOWN), SURE)])
    decider.survey_labels([*labelled("Heat", Genre.sports, 2), *labelled("Heat", Genre.news)])
    [decision] = decider.decide([query("Heat")])
    assert (decision.top1, decision.basis) == (Genre.movie, Basis.model)
    decider = Decider([(model_of(KNOWN), SURE)])
    decider.survey_labels([*labelled("Heat", Genre.sports, 3), *labelled("Heat", Genre.news)])
    assert decider.decide([query("Heat")])[0].basis is Basis.elsewhere


def test_where_own_categories_disagree_the_title_elsewhere_or_the_model_chooses_among_them():
    decider = Decider([(model_of(KNOWN, 0.3), SURE)])  # unsure, but of Heat it says movie
    decider.survey_labels(labelled("Ran", Genre.show) + labelled("Live", Genre.sports))
    decisions = decider.decide(
        [
            query("Heat", Genre.news, Genre.movie),
            query("Ran", Genre.show, Genre.news),
            query("Live", Genre.arts, Genre.show),
        ]
    )
    assert [decision.top1 for decision in decisions[:2]] == [Genre.movie, Genre.show]
    assert [decision.basis for decision in decisions] == [Basis.own, Basis.elsewhere, Basis.own]
    assert decisions[2].top1 in (Genre.arts, Genre.show)


def test_labels_that_the_player_does_not_know_are_translated(tmp_path):
    programmes = [
        programme("<category>Fußball</category>", title="<title>Tagesschau</title>"),
        programme("<category>Kinder</category><category>Zeichentrick</category>", title="<title>Fix und Foxi</title>"),
        programme(title="<title>FIX UND FOXI</title>"),
        programme("<category>Gobbledygook</category>", title="<title>Heat</title>"),
        programme("<category>Gobbledygook</category>", title="<title>Never heard of</title>"),
    ]
    options = {"when": When.untranslated, "profile": PROFILES["tvheadend"]}
    children = PROFILES["tvheadend"].genres[Genre.children][0]
    assert filled(tmp_path, *programmes, **options) == [
        ["Fußball", "Sports"],
        ["Kinder", "Zeichentrick", children],
        [children],
        ["Gobbledygook", "Movie / Drama"],
        ["Gobbledygook"],
    ]


@pytest.mark.parametrize(
    ("categories", "texts"),
    [
        ([], ["Movie"]),
        (["Spielfilm"], ["Spielfilm", "Movie"]),
        (["Serie", "Krimi"], ["Serie", "Krimi", "Drama"]),
        (["Drama", "TV Series"], ["Drama", "TV Series"]),
    ],
)
def test_what_the_guide_calls_a_series_is_no_film(tmp_path, categories, texts):
    own = "".join(f"<category>{category}</category>" for category in categories)
    found = filled(tmp_path, programme(own, title=HEAT), when=When.untranslated, profile=PROFILES["jellyfin"])
    assert found == [texts]


@pytest.mark.parametrize(
    ("elements", "texts"),
    [
        ("<sub-title/><episode-num/>", ["Movie"]),
        ("<sub-title>Heat</sub-title>", ["Movie"]),
        ("<sub-title>The Heist</sub-title>", ["Drama"]),
        ('<episode-num system="dd_progid">MV00012345.0000</episode-num>', ["Movie"]),
        ('<episode-num system="dd_progid">SH00012345.0000</episode-num>', ["Drama"]),
        ('<episode-num system="imdb.com">title/tt0113277</episode-num>', ["Movie"]),
        ('<episode-num system="themoviedb.org">series/603</episode-num>', ["Drama"]),
    ],
)
def test_elements_of_episodes_count_as_what_they_say(tmp_path, elements, texts):
    assert filled(tmp_path, programme(elements, title=HEAT), profile=PROFILES["jellyfin"]) == [texts]


def test_descriptions_tell_a_series_on_its_channel(tmp_path):
    decider = Decider([(model_of(KNOWN, fields=["description", "channel"]), np.full(len(Genre), 0.9))])
    filler = Filler(decider, PROFILES["jellyfin"], When.missing, with_keywords=False, table=GenreTable.shipped())
    days = ["<desc>S5 Ep3. A heist.</desc>", "<desc>Thieves meet.</desc>", ""]
    elsewhere = programme(title=HEAT).replace('channel="one"', 'channel="two"')
    content = guide(*(programme(day, title=HEAT) for day in days), elsewhere)
    (tmp_path / "in.xml").write_text(content, encoding="utf-8")
    fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler)
    found = [[category.text for category in airing.categories] for airing in airings(str(tmp_path / "out.xml"))]
    assert found == [["Drama"], ["Drama"], ["Drama"], ["Movie"]]


@pytest.mark.parametrize(("probability", "texts"), [(0.9, ["Movie"]), (0.3, ["Drama"])])
@pytest.mark.parametrize("own", ["", "<category>Thriller</category>"])
def test_a_model_that_learned_kinds_decides_what_the_guide_leaves_open(tmp_path, monkeypatch, probability, texts, own):
    asked: list[str] = []

    def film_probabilities(_, programmes):
        asked.extend(each.title for each in programmes)
        return [probability] * len(programmes)

    monkeypatch.setattr(Decider, "film_probabilities", film_probabilities)
    programmes = [programme(own, title=HEAT), programme("<category>Spielfilm</category>", title=HEAT)]
    options = {"when": When.untranslated, "profile": PROFILES["jellyfin"]}
    found = filled(tmp_path, *programmes, **options)
    assert [each[-1:] for each in found] == [texts, ["Movie"]]
    assert asked == ["Heat"]


def test_decisions_are_counted_by_what_they_are_based_on(tmp_path):
    own = programme("<category>Fußball</category>", title="<title>Bundesliga</title>")
    content = guide(
        own, programme(title="<title>Bundesliga</title>"), programme(title=HEAT), programme(title="<title>No</title>")
    )
    (tmp_path / "in.xml").write_text(content, encoding="utf-8")
    filler = filler_of(when=When.untranslated, profile=PROFILES["tvheadend"])
    tally = fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler)
    assert tally.bases == {Basis.own: 1, Basis.elsewhere: 1, Basis.model: 1}
    assert tally.outcomes == {Outcome.filled: 3, Outcome.unsure: 1}
    assert fill_summary(tally).splitlines()[1] == "decided by: own categories 1, same title elsewhere 1, model 1"
