from itertools import product

import pytest

from titleclf.epg.genres import Genre
from titleclf.epg.profiles import PROFILES, READABLE

# Genres that are not in a reader's vocabulary.
OTHERS = {Genre.show, Genre.music, Genre.arts, Genre.society, Genre.education, Genre.leisure}
WITHOUT_WORD = {
    "jellyfin": OTHERS,
    "channels": OTHERS | {Genre.sports},
    "enigma2": {Genre.show, Genre.society, Genre.leisure},
}
# Texts that mean a film to a reader, in lower case.
FILM_WORDS = {
    "jellyfin": {"movie"},
    "plex": {"movie"},
    "mythtv": {"movie", "film"},
    "enigma2": {"film"},
    "channels": {"movie"},
}
# Jellyfin's vocabulary by genre: none of its texts may be written for another genre.
JELLYFIN = {
    Genre.movie: {"movie"},
    Genre.sports: {"sports", "basketball", "baseball", "football"},
    Genre.children: {"kids", "family", "children", "childrens", "disney"},
    Genre.news: {"news", "journalism", "documentary", "current affairs"},
}
TVHEADEND = {
    Genre.movie: "Movie / Drama",
    Genre.news: "News / Current affairs",
    Genre.show: "Show / Game show",
    Genre.sports: "Sports",
    Genre.children: "Children's / Youth programs",
    Genre.music: "Music / Ballet / Dance",
    Genre.arts: "Arts / Culture (without music)",
    Genre.society: "Social / Political issues / Economics",
    Genre.education: "Education / Science / Factual topics",
    Genre.leisure: "Leisure hobbies",
}


def every_words():
    for profile, genre, is_film in product(PROFILES.values(), Genre, [True, False]):
        yield profile, genre, is_film, profile.words(genre, is_film=is_film)


def test_seven_profiles():
    assert list(PROFILES) == ["tvheadend", "kodi", "jellyfin", "plex", "mythtv", "enigma2", "channels"]
    assert [profile.name for profile in PROFILES.values()] == list(PROFILES)
    assert [name for name, profile in PROFILES.items() if profile.reads_first_only] == ["enigma2"]


def test_every_programme_gets_distinct_texts():
    for profile, genre, is_film, words in every_words():
        assert words, (profile.name, genre, is_film)
        assert len(set(words)) == len(words)
        assert all(word == word.strip() and word for word in words)


def test_each_reader_understands_one_of_its_texts_if_its_vocabulary_has_one():
    for profile, genre, is_film, words in every_words():
        has_word = genre not in WITHOUT_WORD.get(profile.name, set())
        if profile.name == "jellyfin" and genre is Genre.movie:
            has_word = is_film  # it has no text for series
        assert any(map(profile.understands, words)) == has_word, (profile.name, genre, is_film, words)


def test_a_reader_of_only_the_first_category_gets_one_text():
    for profile, _, _, words in every_words():
        if profile.reads_first_only:
            assert len(words) == 1


def test_only_a_film_is_called_one():
    for profile, genre, is_film, words in every_words():
        called_film = not FILM_WORDS.get(profile.name, set()).isdisjoint(word.lower() for word in words)
        may_be_film = genre is Genre.movie and is_film and profile.name in FILM_WORDS
        assert called_film == may_be_film, (profile.name, genre, is_film, words)


def test_a_drama_is_no_film_unless_it_is_said():
    assert PROFILES["plex"].words(Genre.movie) == ["Series", "Drama"]


def test_callers_may_change_the_returned_list():
    for profile in PROFILES.values():
        profile.words(Genre.news).append("mine")
        profile.words(Genre.movie, is_film=True).append("mine")
        assert "mine" not in profile.words(Genre.news) + profile.words(Genre.movie, is_film=True)


def test_no_text_for_kodi_has_a_comma():
    assert not [
        word for profile, _, _, words in every_words() for word in words if profile.name == "kodi" and "," in word
    ]


def test_tvheadend_gets_the_ten_names_in_its_own_spelling():
    for genre, is_film in product(Genre, [True, False]):
        assert PROFILES["tvheadend"].words(genre, is_film=is_film) == [TVHEADEND[genre]]


def test_no_text_for_jellyfin_means_another_genre():
    for profile, genre, _, words in every_words():
        for kind, texts in JELLYFIN.items():
            if profile.name == "jellyfin" and kind is not genre:
                assert texts.isdisjoint(word.lower() for word in words)


def test_the_first_text_for_plex_is_in_its_vocabulary():
    for profile, genre, _, words in every_words():
        if profile.name == "plex":
            assert profile.understands(words[0]), (genre, words)


def test_mythtv_gets_a_type_and_a_text_to_show():
    for profile, _, _, words in every_words():
        if profile.name == "mythtv":
            kind, shown = words
            assert kind in {"movie", "series", "sports", "tvshow"}
            assert shown not in {"movie", "series", "sports", "tvshow"}


def test_no_text_for_channels_means_live_sport():
    assert not [
        words for profile, _, _, words in every_words() if profile.name == "channels" and "Sports event" in words
    ]


def test_readable_names_are_distinct_and_cover_all_genres():
    assert set(READABLE) == set(Genre)
    assert len(set(READABLE.values())) == len(Genre)


@pytest.mark.parametrize("change", [str.upper, str.lower, str.swapcase, lambda text: "  ".join(f" {text}".split(" "))])
@pytest.mark.parametrize("text", [*TVHEADEND.values(), "Cooking", "Documentary", "Football / Soccer"])
def test_tvheadend_ignores_case_and_spaces(text, change):
    assert PROFILES["tvheadend"].understands(change(text))
    assert PROFILES["tvheadend"].understands(change(text).replace(" ", ""))


@pytest.mark.parametrize(
    "text", ["Movie", "News", "Sport", "Kids", "Music", "Drama", "Game show", "Series", "", "ſports"]
)
def test_tvheadend_understands_only_whole_names(text):
    assert not PROFILES["tvheadend"].understands(text)


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("kodi", "movie / drama"),
        ("kodi", "Thriller,SPORTS"),
        ("jellyfin", "MOVIE"),
        ("jellyfin", "Current Affairs"),
        ("jellyfin", "Documentary"),
        ("plex", "Series"),
        ("mythtv", "tvshow"),
        ("mythtv", "Movie"),
        ("mythtv", "FILM"),
        ("enigma2", "Crime/Mystery"),
        ("channels", "Sports event"),
    ],
)
def test_an_understood_category_has_no_problem(name, category):
    assert PROFILES[name].understands(category)
    assert PROFILES[name].problem(category) is None


@pytest.mark.parametrize(
    ("name", "category", "problem"),
    [
        ("tvheadend", "Children's / Youth programmes", "spelt 'programmes' where the player expects 'programs'"),
        ("tvheadend", "Children’s / Youth programs", "spelt 'Children’s' where the player expects \"Children's\""),
        ("tvheadend", "Sport", "spelt 'Sport' where the player expects 'Sports'"),
        ("tvheadend", "Sports ", "space around it"),
        ("tvheadend", "Fußball", "unknown to tvheadend"),
        ("tvheadend", "", "empty"),
        ("kodi", " \n", "empty"),
        ("kodi", "Arts, Culture (without music)", "comma splits it in two"),
        ("kodi", "Thriller, Sports", "comma splits it in two"),
        ("kodi", "Children's / Youth programs", "spelt 'programs' where the player expects 'programmes'"),
        ("kodi", "Movie/Drama", "spelt 'Movie/Drama' where the player expects 'Movie / Drama'"),
        ("jellyfin", "Movies", "spelt 'Movies' where the player expects 'movie'"),
        ("jellyfin", "New", "unknown to jellyfin"),
        ("plex", "news", "spelt 'news' where the player expects 'News'"),
        ("mythtv", "Sports", "upper case"),
        ("mythtv", "News", "unknown to mythtv"),
        ("enigma2", "Movie", "unknown to enigma2"),
        ("channels", "Sports", "unknown to channels"),
    ],
)
def test_problems_are_explained_in_a_few_words(name, category, problem):
    assert not PROFILES[name].understands(category)
    assert PROFILES[name].problem(category) == problem
