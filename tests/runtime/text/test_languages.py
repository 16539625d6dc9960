"""One table of words: other modules recognize whatever noise adds to a title in any language."""

from itertools import product

import numpy as np
import pytest

from titleclf.data.augmentation import additions
from titleclf.data.augmentation.noise import reformat
from titleclf.epg import decorations
from titleclf.epg.decorations import undecorated
from titleclf.epg.genres import folded
from titleclf.runtime.choices import Format
from titleclf.runtime.text.languages import LANGUAGES, words
from titleclf.runtime.text.title_keys import base_title, marker_words

TITLE = "Heat"
SEASON, EPISODE, EPISODES = 3, 14, 27
# Not stripped, because titles have them too: "Inside No. 9", "Top 100 of 2021", "F1", "4 Mulheres e 1 Marido", ...
AMBIGUOUS_FORMS = (
    *("{0}.{1}", "{0}/{1}", "{1}", "{1}/{2}", "{1} of {2}", "#{1}", "No. {1}", "Nr. {1}", "N°{1}"),
    *("S {0}", "T {0}", "E {1}", "F{1}", "F {1}", "Del {1}"),
)
each_language = pytest.mark.parametrize("code", LANGUAGES)


def is_ambiguous(form: str) -> bool:
    return form.casefold() in map(str.casefold, AMBIGUOUS_FORMS)


def with_marker(form: str, place: str) -> str:
    marker = form.format(SEASON, EPISODE, EPISODES)
    return TITLE + (" {}" if marker[0] in "([" else place).format(marker)


def kept(form: str) -> list[str]:
    """Return the titles with a form of marker, in all positions, whose base titles keep it."""
    titles = [with_marker(form, suffix) for suffix in dict.fromkeys(additions.EPISODE_SUFFIXES)]
    return [title for title in titles if base_title(title) != base_title(TITLE)]


@pytest.mark.parametrize("family", range(len(additions.EPISODES)))
def test_base_titles_have_no_episode_marker_that_noise_adds(family):
    forms = [form for form in dict.fromkeys(additions.EPISODES[family]) if not is_ambiguous(form)]
    assert len(forms) > 10
    assert {form: kept(form) for form in forms if kept(form)} == {}


@each_language
def test_base_titles_have_no_season_and_episode_in_words(code):
    seasons, episodes = words("season", code), words("episode", code)
    forms = [f"{word} {{0}}" for word in seasons] + [f"{word} {{1}}" for word in episodes]
    forms += [f"{season} {{0}}, {episode} {{1}}" for season, episode in product(seasons, episodes)]
    noise = set(additions.EPISODES[-1])
    assert {form for form in forms if form not in noise} == set()
    assert {form: kept(form) for form in forms if not is_ambiguous(form) and kept(form)} == {}


@pytest.mark.parametrize("form", AMBIGUOUS_FORMS)
def test_ambiguous_forms_are_kept(form):
    assert form in {form for family in additions.EPISODES for form in family}
    assert kept(form)


@pytest.mark.parametrize(
    ("title", "base"),
    [
        ("Apollo 13. Part 2", "apollo 13"),
        ("Das Boot 2. Teil", "das boot"),
        ("Noce i dnie, odc. 10/12", "noce i dnie"),
        ("Los cazahogares T20E13", "los cazahogares"),
        ("St. 3", "st 3"),
        ("Mississippi St 99", "mississippi st 99"),
        ("Sorteo del 5 de oro", "sorteo del 5 de oro"),
        ("Top 100 of 2021", "top 100 of"),
        ("Inside No. 9", "inside no 9"),
        ("Legends of F1", "legends of f1"),
        ("Heat S 3, F 14", "heat"),
        ("Vetenskapens värld - Säsong 40 : Del 1", "vetenskapens värld"),
        ("HEAT ſEASON 3", "heat"),
    ],
)
def test_base_titles_of_real_titles(title, base):
    assert base_title(title) == base


@each_language
def test_the_prefilter_skips_the_words_of_episode_markers(code):
    for word in (*words("season", code), *words("episode", code)):
        assert word.lower().rstrip(".") in marker_words()
    assert set(words("of", code)) <= marker_words()


@pytest.mark.parametrize("family", range(len(decorations.before())))
def test_decorations_that_noise_sets_apart_before_a_title_are_removed(family):
    set_apart = set(decorations.set_apart([decorations.before()[family]]))
    assert len(set_apart) > 10
    assert {decoration for decoration in set_apart if undecorated(decoration + TITLE) != TITLE} == set()


@pytest.mark.parametrize("family", range(len(decorations.after())))
def test_decorations_that_noise_sets_apart_after_a_title_are_removed(family):
    set_apart = set(decorations.set_apart([decorations.after()[family]]))
    assert len(set_apart) > 10
    assert {decoration for decoration in set_apart if undecorated(TITLE + decoration) != TITLE} == set()


@each_language
def test_words_of_decorations_are_removed_in_brackets(code):
    for word in (*words("new", code), *words("live", code)):
        assert undecorated(f"[{word}] {TITLE}") == undecorated(f"{word.upper()}: {TITLE}") == TITLE
    for word in (*words("new", code), *words("live", code), *words("repeat", code)):
        assert undecorated(f"{TITLE} ({word.lower()})") == TITLE


@each_language
def test_articles_move_to_the_end(code):
    generator = np.random.default_rng(0)
    for article in words("articles", code):
        title = f"{article.capitalize()}{'' if article.endswith(chr(39)) else ' '}Wanderung"
        moved = reformat([title] * 20, [Format.article], generator)
        assert set(moved) == {f"Wanderung, {article.capitalize()}", f"Wanderung ({article.capitalize()})"}
        longer = f"{article.rstrip(chr(39))}xyz Wanderung"
        assert reformat([longer], [Format.article], generator) == [longer]


@each_language
def test_labels_are_the_same_with_and_and_with_an_ampersand(code):
    for word in (*words("ands", code), *words("ors", code)):
        assert folded(f"Home {word} Garden") == folded("Home & Garden")


@pytest.mark.parametrize("word", additions.ANDS)
def test_noise_turns_and_into_an_ampersand(word):
    generator = np.random.default_rng(0)
    assert f"Home {word} Garden" in reformat(["Home & Garden"] * 500, [Format.separators], generator)
    assert "Home & Garden" in reformat([f"Home {word} Garden"] * 500, [Format.separators], generator)


def test_every_language_has_its_own_words():
    for language in LANGUAGES.values():
        assert language.ands
        assert language.season
        assert language.episode
        assert all(len(set(entries)) == len(entries) for entries in language)
