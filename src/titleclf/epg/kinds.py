"""What a guide says a programme is: a film, an episode of a series, or something else."""

from collections.abc import Collection

from titleclf.epg.genres import folded
from titleclf.epg.profiles import Facts
from titleclf.epg.xmltv import Airing
from titleclf.runtime.choices import ProgrammeKind

# Labels as `folded` leaves them.
_FILMS = frozenset(
    (
        *("movie", "movies", "film", "films", "feature film", "tv movie", "tv film", "spielfilm", "fernsehfilm"),
        *("pelicula", "peliculas", "cine", "filme", "filmes", "cinema", "speelfilm", "elokuva", "elokuvat"),
        *("spelfilm", "filmy", "film fabularny", "ταινια", "кино", "фильм", "фильмы", "映画", "영화", "电影"),
    )
)
_SERIES = frozenset(
    (
        *("series", "tv series", "drama series", "tv show", "tvshow", "serial", "miniseries", "episode", "soap"),
        *("soap opera", "sitcom", "telenovela", "teleserye", "serie", "series tv", "serien", "fernsehserie"),
        *("feuilleton", "seriale", "seriali", "сериал", "сериалы", "시리즈"),
    )
)
_NEITHER = frozenset(("news", "sports", "sport", "nachrichten", "noticias", "notizie", "shopping", "weather"))


def kind_of(airing: Airing, categories: Collection[str]) -> ProgrammeKind | None:
    """Return what a programme's own categories and episode number say that it is, None if they say nothing."""
    labels = {folded(category) for category in categories}
    if airing.is_episode or labels & _SERIES:
        return None if labels & _FILMS else ProgrammeKind.episode
    if labels & _FILMS:
        return ProgrammeKind.film
    return ProgrammeKind.other if labels & _NEITHER else None


def facts_of(airing: Airing, categories: Collection[str]) -> Facts:
    """Return what is known about an airing with these categories of its own."""
    is_series = bool(categories) and kind_of(airing, categories) is ProgrammeKind.episode
    return Facts(airing.is_episode or is_series, airing.minutes)
