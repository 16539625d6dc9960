"""What guides themselves say of a programme's kind."""

import pytest

from titleclf.epg.kinds import kind_of, kind_of_label
from titleclf.epg.xmltv import Airing, EpisodeNumber
from titleclf.runtime.choices import ProgrammeKind

LABELS = {
    ProgrammeKind.film: """
        Movie; Movies; FILM; Spielfilm; Fernsehfilm; TV Movie; Feature film; Horror film; Film Drame; Película;
        Pellicola; Filme; Speelfilm; Spelfilm; Elokuva; Film fabularny; Кино; Художественный фильм; Фільм; 映画; 영화;
        Actionfilm; Movie: Comedy
    """,
    ProgrammeKind.episode: """
        Series; Serie; Série; Drama Serie; Krimiserie; TV-Serie; TV show; Soap opera; Telenovela; Serial; Seriál;
        Sitcom; Dizi; Sorozat; Сериал; Seriale; romantikus filmsorozat; Drama/Series
    """,
    ProgrammeKind.other: "News; Sport",
    None: """
        Drama; Movie / Drama; Film/Drama; Films & Series; Movie Drama; Documentary film; Dokumentarfilm; Short film;
        Comedy; Film magazine; Kurzfilm; Animated film; Telefilm; !
    """,
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_say_film_series_or_nothing(kind):
    for label in LABELS[kind].split(";"):
        assert kind_of_label(label.strip()) is kind, label


@pytest.mark.parametrize(
    ("kind", "system", "text"),
    [
        (ProgrammeKind.film, "dd_progid", "MV00012345.0000"),
        (ProgrammeKind.episode, "dd_progid", "EP01234567.0089"),
        (ProgrammeKind.episode, "dd_progid", "SH01234567.0000"),
        (ProgrammeKind.other, "dd_progid", "SP01234567.0000"),
        (ProgrammeKind.film, "themoviedb.org", "movie/603"),
        (ProgrammeKind.episode, "themoviedb.org", "series/484"),
        (ProgrammeKind.episode, "themoviedb.org", "tv/484"),
        (ProgrammeKind.episode, "thetvdb.com", "episode/1234"),
        (None, "imdb.com", "title/tt0133093"),
        (None, "imdb.com", "tt0133093"),
        (None, "thetvdb.com", "70626"),
        (ProgrammeKind.episode, "xmltv_ns", "4.2."),
        (ProgrammeKind.episode, "xmltv_ns", ". 12 ."),
        (None, "xmltv_ns", ". . 0/2"),
        (None, "xmltv_ns", ".."),
        (ProgrammeKind.episode, "onscreen", "S7 E5"),
        (ProgrammeKind.episode, None, "03"),
        (None, "onscreen", "-"),
    ],
)
def test_episode_numbers_and_ids_say_what_they_name(kind, system, text):
    assert kind_of(Airing("one", "", "", "Heat", episode_numbers=[EpisodeNumber(system, text)]), []) is kind
