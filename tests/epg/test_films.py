"""Whether a drama is called a film: the evidence, and the decision."""

from itertools import product

import pytest

from titleclf.epg.films import (
    MAX_MINUTES,
    MIN_MINUTES,
    MIN_MINUTES_WITHOUT_MODEL,
    MIN_PROBABILITY,
    FilmEvidence,
    SeriesMemory,
    evidence_of,
    is_film,
    needs_model,
)
from titleclf.epg.kinds import kind_of
from titleclf.epg.xmltv import Airing, EpisodeNumber
from titleclf.runtime.choices import ProgrammeKind

FILM, EPISODE = frozenset([ProgrammeKind.film]), frozenset([ProgrammeKind.episode])
SURE = FilmEvidence(minutes=100, film_probability=0.99)
SHOWING = ("Heat", "one")


def airing(minutes: int = 100, **fields) -> Airing:
    start = "20260101100000"
    hours, rest = divmod(minutes, 60)
    return Airing("one", start, f"2026010{1 + (10 + hours) // 24}{(10 + hours) % 24:02}{rest:02}00", "Heat", **fields)


def number(system: str | None, text: str) -> Airing:
    return airing(episode_numbers=[EpisodeNumber(system, text)])


def test_a_probable_film_of_a_films_length_is_one():
    assert is_film(SURE)
    assert is_film(SURE._replace(film_probability=MIN_PROBABILITY))
    assert not is_film(SURE._replace(film_probability=MIN_PROBABILITY - 0.01))


@pytest.mark.parametrize(
    "doubt",
    [
        *({"stated": EPISODE}, {"stated": FILM | EPISODE}, {"is_numbered": True}, {"has_sub_title": True}),
        *({"is_series": True}, {"minutes": None}, {"minutes": MIN_MINUTES - 1}, {"minutes": MAX_MINUTES + 1}),
    ],
)
def test_any_doubt_makes_it_no_film(doubt):
    assert not is_film(SURE._replace(**doubt))


def test_what_the_guide_states_decides():
    for minutes, probability, others in product([None, 5, 1439], [None, 0.0], [True, False]):
        evidence = FilmEvidence(FILM, others, others, others, minutes, probability)
        assert is_film(evidence)
        assert not is_film(evidence._replace(stated=EPISODE))


def test_without_a_model_length_decides():
    assert is_film(FilmEvidence(minutes=MIN_MINUTES_WITHOUT_MODEL))
    assert not is_film(FilmEvidence(minutes=MIN_MINUTES_WITHOUT_MODEL - 1))


def test_a_model_is_needed_where_it_changes_the_decision():
    flags, lengths = [True, False], [None, 5, MIN_MINUTES, 100, MAX_MINUTES, 1439]
    for stated, sub_title, numbered, series, minutes in product(
        [FILM, EPISODE, frozenset()], flags, flags, flags, lengths
    ):
        evidence = FilmEvidence(stated, sub_title, numbered, series, minutes)
        decisions = {is_film(evidence._replace(film_probability=each)) for each in (0.0, 1.0)}
        assert needs_model(evidence) == (len(decisions) == 2)


def test_contradictions_say_nothing_and_are_no_film():
    for contradiction, categories in [(number("onscreen", "S1"), ["Movie"]), (airing(), ["Movie", "Serie"])]:
        assert kind_of(contradiction, categories) is None
        assert not is_film(evidence_of(contradiction, categories)._replace(film_probability=1.0))


def test_a_category_outweighs_a_sub_title_and_a_length():
    assert is_film(evidence_of(airing(minutes=400, sub_title="Final cut"), ["Spielfilm"]))


@pytest.mark.parametrize("sub_title", [None, "-", "Heat", "HEAT", "Film Drame", "Thriller film (1995)"])
def test_a_sub_title_that_names_no_episode_says_nothing(sub_title):
    assert needs_model(evidence_of(airing(sub_title=sub_title), []))


def test_a_sub_title_that_completes_a_cut_title_says_nothing():
    cut = airing(sub_title="In the Name of the King: A Tale")
    cut.title = "In the Name Of..."
    assert not evidence_of(cut, []).has_sub_title


@pytest.mark.parametrize("fields", [{"sub_title": "The Heist"}, {"description": "S5 Ep3. Police drama."}])
def test_sub_titles_and_marks_are_evidence_of_an_episode(fields):
    evidence = evidence_of(airing(**fields), [])
    assert not is_film(evidence._replace(film_probability=1.0))


def test_a_title_whose_descriptions_differ_is_a_series():
    memory = SeriesMemory()
    same = [
        airing(description="A detective hunts a gang of thieves."),
        airing(description="A detective hunts thieves."),
    ]
    assert all(memory.needs_model(each, []) for each in (*same, *same, airing()))
    assert SHOWING not in memory
    assert not memory.needs_model(airing(description="Anna quarrels with her mother about money."), [])
    assert SHOWING in memory
    assert ("Heat", "two") not in memory


def test_one_numbered_showing_makes_the_others_a_series():
    memory = SeriesMemory()
    assert memory.needs_model(airing(), [])
    assert not memory.needs_model(airing(description="(2/6) The bank."), [])
    assert not memory.needs_model(airing(), [])


def test_the_memory_is_bounded():
    memory = SeriesMemory(limit=1)
    assert memory.needs_model(airing(description="A detective hunts thieves."), [])
    first, second = airing(description="A lord divides his land."), airing(description="Anna quarrels with her mother.")
    first.title = second.title = "Ran"
    memory.needs_model(first, [])
    assert memory.needs_model(second, [])
    assert first.showing not in memory
