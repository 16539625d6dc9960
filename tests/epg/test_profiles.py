import re
from itertools import product

import pytest

from titleclf.epg.genres import Genre
from titleclf.epg.profiles import PROFILES, READABLE

# Genres that are not in a reader's vocabulary.
OTHERS = {Genre.show, Genre.music, Genre.arts, Genre.society, Genre.education, Genre.leisure}
WITHOUT_WORD = {
    "jellyfin": OTHERS,
    "channels": OTHERS | {Genre.sports},
    "emby": OTHERS,
    "openpli": {Genre.show, Genre.society, Genre.leisure},
}
# Texts that mean a film to a reader, in lower case.
FILM_WORDS = {
    "jellyfin": {"movie"},
    "plex": {"movie"},
    "mythtv": {"movie", "film"},
    "enigma2": {"film"},
    "openpli": {"film"},
    "emby": {"movie"},
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
# By content code, from the readers' sources.
TVHEADEND_SOURCE = {
    0x10: ["Movie / Drama"],
    0x11: ["Detective / Thriller"],
    0x12: ["Adventure / Western / War"],
    0x13: ["Science fiction / Fantasy / Horror"],
    0x14: ["Comedy"],
    0x15: ["Soap / Melodrama / Folkloric"],
    0x16: ["Romance"],
    0x17: ["Serious / Classical / Religious / Historical movie / Drama"],
    0x18: ["Adult movie / Drama"],
    0x20: ["News / Current affairs"],
    0x21: ["News / Weather report"],
    0x22: ["News magazine"],
    0x23: ["Documentary"],
    0x24: ["Discussion / Interview / Debate"],
    0x30: ["Show / Game show"],
    0x31: ["Game show / Quiz / Contest"],
    0x32: ["Variety show"],
    0x33: ["Talk show"],
    0x40: ["Sports"],
    0x41: ["Special events (Olympic Games, World Cup, etc.)"],
    0x42: ["Sports magazines"],
    0x43: ["Football / Soccer"],
    0x44: ["Tennis / Squash"],
    0x45: ["Team sports (excluding football)"],
    0x46: ["Athletics"],
    0x47: ["Motor sport"],
    0x48: ["Water sport"],
    0x49: ["Winter sports"],
    0x4A: ["Equestrian"],
    0x4B: ["Martial sports"],
    0x50: ["Children's / Youth programs"],
    0x51: ["Pre-school children's programs"],
    0x52: ["Entertainment programs for 6 to 14"],
    0x53: ["Entertainment programs for 10 to 16"],
    0x54: ["Informational / Educational / School programs"],
    0x55: ["Cartoons / Puppets"],
    0x60: ["Music / Ballet / Dance"],
    0x61: ["Rock / Pop"],
    0x62: ["Serious music / Classical music"],
    0x63: ["Folk / Traditional music"],
    0x64: ["Jazz"],
    0x65: ["Musical / Opera"],
    0x66: ["Ballet"],
    0x70: ["Arts / Culture (without music)"],
    0x71: ["Performing arts"],
    0x72: ["Fine arts"],
    0x73: ["Religion"],
    0x74: ["Popular culture / Traditional arts"],
    0x75: ["Literature"],
    0x76: ["Film / Cinema"],
    0x77: ["Experimental film / Video"],
    0x78: ["Broadcasting / Press"],
    0x79: ["New media"],
    0x7A: ["Arts magazines / Culture magazines"],
    0x7B: ["Fashion"],
    0x80: ["Social / Political issues / Economics"],
    0x81: ["Magazines / Reports / Documentary"],
    0x82: ["Economics / Social advisory"],
    0x83: ["Remarkable people"],
    0x90: ["Education / Science / Factual topics"],
    0x91: ["Nature / Animals / Environment"],
    0x92: ["Technology / Natural sciences"],
    0x93: ["Medicine / Physiology / Psychology"],
    0x94: ["Foreign countries / Expeditions"],
    0x95: ["Social / Spiritual sciences"],
    0x96: ["Further education"],
    0x97: ["Languages"],
    0xA0: ["Leisure hobbies"],
    0xA1: ["Tourism / Travel"],
    0xA2: ["Handicraft"],
    0xA3: ["Motoring"],
    0xA4: ["Fitness and health"],
    0xA5: ["Cooking"],
    0xA6: ["Advertisement / Shopping"],
    0xA7: ["Gardening"],
}
OPENPLI = {
    0x10: "Film; Crime/Mystery",
    0x14: "Comedy",
    0x15: "Drama",
    0x20: "News",
    0x23: "Documentary",
    0x40: "Sports",
    0x50: "Children",
    0x55: "Animated",
    0x60: "Music",
    0x70: "Arts/Culture",
    0x73: "Religion",
    0x90: "Educational; Science/Nature",
}
ENIGMA2 = {
    0x10: "Action; Crime drama; Crime/Mystery; Drama; Film; Movie/Drama",
    0x11: "Detective/Thriller",
    0x12: "Adventure/Western/War",
    0x13: "Science Fiction/Fantasy/Horror",
    0x14: "Comedy; Comedy-drama; Standup",
    0x15: "Soap; Soap/Melodrama/Folkloric",
    0x16: "Romance",
    0x17: "Serious/Classical/Religious/Historical Movie/Drama",
    0x18: "Adult; Adult Movie/Drama; Adults only",
    0x20: "News; News/Current Affairs",
    0x21: "News/Weather Report; Weather",
    0x22: "News Magazine",
    0x23: "Documentary",
    0x24: "Discussion/Interview/Debate",
    0x30: "Hobbies; Show/Game Show",
    0x31: "GameShow; Game Show/Quiz/Contest",
    0x32: "Variety Show",
    0x33: "Talk; Talk Show",
    0x34: "Reality",
    0x40: "Action sports; Bicycle; Billiards; Boxing; Sports",
    0x41: "Special Event",
    0x42: "Sport Magazine",
    0x43: "Football/Soccer",
    0x44: "Tennis/Squash",
    0x45: "Baseball; Basketball; Team Sports",
    0x46: "Archery; Athletics",
    0x47: "Motor Sport",
    0x48: "Water Sport",
    0x49: "Winter Sports",
    0x4A: "Equestrian",
    0x4B: "Martial Sports",
    0x50: "Children; Children's/Youth Programme",
    0x51: "Pre-school Children's Programme",
    0x52: "Entertainment Programme for 6 to 14",
    0x53: "Entertainment Programme for 10 to 16",
    0x54: "Informational/Educational/School Programme; Paid Programming",
    0x55: "Animated; Cartoons/Puppets",
    0x60: "Music; Music/Ballet/Dance",
    0x61: "Rock/Pop",
    0x62: "Serious/Classical Music",
    0x63: "Folk/Traditional Music",
    0x64: "Jazz",
    0x65: "Musical/Opera",
    0x66: "Ballet",
    0x70: "Arts/Culture",
    0x71: "Performing Arts",
    0x72: "Fine Arts",
    0x73: "Religion; Religious",
    0x74: "Popular Culture/Traditional Arts",
    0x75: "Literature",
    0x76: "Film/Cinema",
    0x77: "Experimental Film/Video",
    0x78: "Broadcasting/Press",
    0x79: "New Media",
    0x7B: "Fashion",
    0x80: "Social/Political/Economics",
    0x81: "Magazine/Report/Documentary",
    0x82: "Economics/Social Advisory",
    0x83: "Remarkable People",
    0x90: "Education/Science/Factual; Educational; Science/Nature",
    0x91: "Nature; Nature/Animals/Environment",
    0x92: "Technology/Natural Sciences",
    0x93: "Medicine/Physiology/Psychology",
    0x94: "Foreign Countries/Expeditions",
    0x95: "Social/Spiritual Sciences",
    0x96: "Further Education",
    0x97: "Languages",
    0xA0: "Leisure/Hobbies",
    0xA1: "Tourism/Travel",
    0xA2: "Handicraft",
    0xA3: "Motoring",
    0xA4: "Aerobics; Fitness & Health",
    0xA5: "Cooking",
    0xA6: "Advertisement/Shopping",
    0xA7: "Gardening",
    0xB1: "Original Language",
    0xB2: "Black & White",
    0xB3: "Unpublished",
    0xB4: "Live Broadcast",
}


def every_words():
    for profile, genre, is_film in product(PROFILES.values(), Genre, [True, False]):
        yield profile, genre, is_film, profile.words(genre, is_film=is_film)


def test_nine_profiles():
    players = ["tvheadend", "kodi", "jellyfin", "emby", "plex", "mythtv", "enigma2", "openpli", "channels"]
    assert list(PROFILES) == players
    assert [profile.name for profile in PROFILES.values()] == players
    assert [name for name, profile in PROFILES.items() if profile.reads_first_only] == ["enigma2", "openpli"]


def test_every_profile_names_its_source_and_when_it_was_checked():
    for profile in PROFILES.values():
        assert profile.source.startswith(("github.com/", "closed source: "))
        assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", profile.checked)


# The tables of the readers' sources, each text with its content code where it has one.


def test_the_table_of_tvheadend():
    texts = [text for texts in TVHEADEND_SOURCE.values() for text in texts]
    assert sorted(PROFILES["tvheadend"].vocabulary) == sorted(texts)
    for genre in Genre:
        assert TVHEADEND_SOURCE[genre.code][0] == TVHEADEND[genre]


@pytest.mark.parametrize(("name", "source"), [("enigma2", ENIGMA2), ("openpli", OPENPLI)])
def test_the_tables_of_epgimport(name, source):
    profile = PROFILES[name]
    codes = {text: code for code, texts in source.items() for text in texts.split("; ")}
    assert sorted(profile.vocabulary) == sorted(codes)
    for genre, is_film in product(Genre, [True, False]):
        for word in profile.words(genre, is_film=is_film):
            assert codes.get(word, genre.code) & 0xF0 == genre.code, word


def test_enigma2_has_a_word_for_every_genre_and_openpli_for_seven():
    assert all(PROFILES["enigma2"].understands_any(PROFILES["enigma2"].words(genre)) for genre in Genre)
    assert sum(PROFILES["openpli"].understands_any(PROFILES["openpli"].words(genre)) for genre in Genre) == 7


@pytest.mark.parametrize("name", ["jellyfin", "emby"])
def test_the_table_of_jellyfin_and_emby(name):
    assert set(PROFILES[name].vocabulary) == set().union(*JELLYFIN.values())


def test_the_table_of_mythtv():
    assert set(PROFILES["mythtv"].vocabulary) == {"movie", "series", "sports", "tvshow", "film"}


def test_players_whose_source_is_closed_have_these_texts():
    assert set(PROFILES["plex"].vocabulary) == {"Movie", "Series", "News", "Children", "Sports"}
    assert set(PROFILES["channels"].vocabulary) == {"Movie", "Series", "News", "Children", "Sports event"}


def test_every_programme_gets_distinct_texts():
    for profile, genre, is_film, words in every_words():
        assert words, (profile.name, genre, is_film)
        assert len(set(words)) == len(words)
        assert all(word == word.strip() and word for word in words)


def test_each_reader_understands_one_of_its_texts_if_its_vocabulary_has_one():
    for profile, genre, is_film, words in every_words():
        has_word = genre not in WITHOUT_WORD.get(profile.name, set())
        if profile.name in ("jellyfin", "emby") and genre is Genre.movie:
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
            if profile.name in ("jellyfin", "emby") and kind is not genre:
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
        ("enigma2", "Talk"),
        ("enigma2", "Football/Soccer"),
        ("openpli", "Crime/Mystery"),
        ("tvheadend", "\n  Sports"),
        ("channels", "Sports event"),
    ],
)
def test_an_understood_category_has_no_problem(name, category):
    assert PROFILES[name].understands(category)
    assert PROFILES[name].problem(category) is None


@pytest.mark.parametrize(
    ("name", "category", "problem"),
    [
        ("tvheadend", "Children's / Youth programmes", "'programmes' must be 'programs'"),
        ("tvheadend", "Children’s / Youth programs", "'Children’s' must be \"Children's\""),
        ("tvheadend", "Sport", "'Sport' must be 'Sports'"),
        ("tvheadend", "Sports ", "extra space in it"),
        ("tvheadend", "Sports\n", "line end in it"),
        ("tvheadend", "Movie\n/ Drama", "line end in it"),
        ("tvheadend", "Fußball", "unknown to tvheadend"),
        ("tvheadend", "", "empty"),
        ("kodi", " \n", "empty"),
        ("kodi", "Arts, Culture (without music)", "comma splits it in two"),
        ("kodi", "Thriller, Sports", "space at a comma"),
        ("kodi", "Thriller, Foo", "unknown to kodi"),
        ("kodi", " Sports", "extra space in it"),
        ("jellyfin", "Movie ", "extra space in it"),
        ("mythtv", "sports\n", "line end in it"),
        ("enigma2", "Movie / Drama", "'Movie / Drama' must be 'Movie/Drama'"),
        ("openpli", "Show/Game Show", "unknown to openpli"),
        ("openpli", "Talk", "unknown to openpli"),
        ("kodi", "Children's / Youth programs", "'programs' must be 'programmes'"),
        ("kodi", "Movie/Drama", "'Movie/Drama' must be 'Movie / Drama'"),
        ("jellyfin", "Movies", "'Movies' must be 'movie'"),
        ("jellyfin", "New", "unknown to jellyfin"),
        ("plex", "news", "'news' must be 'News'"),
        ("mythtv", "Sports", "upper case"),
        ("mythtv", "News", "unknown to mythtv"),
        ("enigma2", "Movie", "unknown to enigma2"),
        ("channels", "Sports", "unknown to channels"),
    ],
)
def test_problems_are_explained_in_a_few_words(name, category, problem):
    assert not PROFILES[name].understands(category)
    assert PROFILES[name].problem(category) == problem
