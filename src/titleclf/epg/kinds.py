"""Film or episode: the one decision, and the evidence that it takes.

Jellyfin erases the episode number and the sub-title of what is called a film: when in doubt, a programme is none.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from titleclf.epg.episode_marks import has_episode_mark
from titleclf.epg.genres import folded
from titleclf.epg.pooling import Showing
from titleclf.epg.xmltv import Airing, EpisodeNumber
from titleclf.runtime.choices import ProgrammeKind

# Minutes of a film if the guide does not call it one. Without a model nothing else tells it from an episode of an hour
# that overruns.
MIN_MINUTES, MIN_MINUTES_WITHOUT_MODEL, MAX_MINUTES = 60, 70, 300
# A model's probability that a drama is a film rather than an episode, chosen on a guide that is not in
# results/film_decisions.md.
MIN_PROBABILITY = 0.6


class Evidence(NamedTuple):
    """What is known of a drama besides its genre, each part stronger than those behind it.

    `film_probability` is that of a film rather than an episode, None without a model that has learned kinds.
    """

    stated: frozenset[ProgrammeKind] = frozenset()  # by its own categories, episode numbers and ids
    has_sub_title: bool = False
    is_numbered: bool = False  # by a mark in its title or description
    is_series: bool = False  # as other showings of its title on the channel are
    minutes: float | None = None
    film_probability: float | None = None


def is_film(evidence: Evidence) -> bool:
    """Return whether it is safe to call a drama a film."""
    if evidence.stated:
        return evidence.stated == {ProgrammeKind.film}
    if not needs_model(evidence) or evidence.minutes is None:
        return False
    if evidence.film_probability is None:
        return evidence.minutes >= MIN_MINUTES_WITHOUT_MODEL
    return evidence.film_probability >= MIN_PROBABILITY


def needs_model(evidence: Evidence) -> bool:
    """Return whether nothing but a model says whether a drama is a film."""
    stated, has_sub_title, is_numbered, is_series, minutes, _ = evidence
    return not (stated or has_sub_title or is_numbered or is_series) and has_length_of_film(minutes)


def has_length_of_film(minutes: float | None) -> bool:
    """Return whether a programme may be a film by its length alone."""
    return minutes is not None and MIN_MINUTES <= minutes <= MAX_MINUTES


def kind_of(airing: Airing, categories: Iterable[str]) -> ProgrammeKind | None:
    """Return what a guide itself says that a programme is, None if it says nothing or contradicts itself."""
    stated = stated_kinds(airing, categories)
    if not stated:
        return ProgrammeKind.episode if has_sub_title(airing) else None
    return next(iter(stated)) if len(stated) == 1 else None


def stated_kinds(airing: Airing, categories: Iterable[str]) -> frozenset[ProgrammeKind]:
    """Return all that the categories, the episode numbers and the ids of a programme say that it is."""
    kinds = {kind for category in categories if (kind := kind_of_label(category))}
    if airing.episode_numbers:
        kinds.update(kind for number in airing.episode_numbers if (kind := _kind_of_number(number)))
    if not kinds:
        return _NOTHING
    if len(kinds) > 1:
        kinds.discard(ProgrammeKind.other)  # an episode of a series on sports
    return frozenset(kinds)


def has_sub_title(airing: Airing) -> bool:
    """Return whether a sub-title may be an episode's: it is not the title again, nor "Thriller film (1975)"."""
    if airing.sub_title is None:
        return False
    sub_title, title = airing.sub_title[:_MAX_LENGTH].casefold(), airing.title[:_MAX_LENGTH].casefold()
    if sub_title == title or not _LETTER_OR_DIGIT.search(sub_title):
        return False
    if title.endswith(("...", "…")) and sub_title.startswith(title.rstrip(" .…")):
        return False
    # Few sub-titles are worth being folded.
    is_label = not _FILMS.isdisjoint(sub_title.split())
    return not (is_label and kind_of_label(_IN_BRACKETS.sub("", sub_title)) is ProgrammeKind.film)


def evidence_of(airing: Airing, categories: Iterable[str]) -> Evidence:
    """Return what a guide says of one airing with these categories of its own, as far as the decision needs it."""
    if stated := stated_kinds(airing, categories):
        return Evidence(stated)
    if has_sub_title(airing):
        return Evidence(has_sub_title=True)
    minutes = airing.minutes
    if not has_length_of_film(minutes):  # most programmes end here
        return Evidence(minutes=minutes)
    return Evidence(is_numbered=has_episode_mark(airing.title, airing.description), minutes=minutes)


class SeriesMemory:
    """The titles that are series on a channel: a description numbers an episode, or descriptions differ.

    The memory is bounded: of titles beyond the limit, nothing is remembered.
    """

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._series: set[Showing] = set()
        self._descriptions: dict[Showing, str] = {}  # the first one's start

    def __contains__(self, showing: Showing) -> bool:
        return showing in self._series

    def needs_model(self, showing: Showing, airing: Airing, categories: Iterable[str]) -> bool:
        """Remember what an airing says, and return whether only a model can say whether it is a film."""
        if showing in self._series:
            return False
        start = (airing.description or "")[:_COMPARED]
        first = self._descriptions.get(showing)
        if first is not None and first == start and not stated_kinds(airing, categories):
            return not has_sub_title(airing)  # nothing new: marks take longer to find
        evidence = evidence_of(airing, categories)
        if evidence.stated or evidence.has_sub_title:
            return False
        if needs_model(evidence) and not (start and first and _differ(first, start)):
            if len(self._series) + len(self._descriptions) < self._limit and not first:
                self._descriptions[showing] = start
            return True
        if len(self._series) < self._limit:
            self._series.add(showing)
        return False


_MAX_LENGTH = 200  # characters of a label that are read
_COMPARED = 200  # characters of a description that are compared
_SAME_WORDS = 0.25  # of the words of two descriptions: those of one film in two versions share most
_WORD = re.compile(r"\w+")
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")
_IN_BRACKETS = re.compile(r"[(\[].*?[)\]]")


def _words(text: str) -> frozenset[str]:
    return frozenset(map(folded, text.split()))


# "Film" with another word is a film ("Film Drame", "Horror film"), unless a separator stands between them: "Movie /
# Drama" is a genre of the standard, for films and series alike.
_FILMS = _words("""
    movie movies film films cinema filme filmes película películas cine spielfilm fernsehfilm kinofilm speelfilm
    spelfilm spillefilm langfilm filmy filmas filma filmi filmovi pellicola elokuva elokuvat ταινία ταινίες sinema кино
    фильм фильмы кинофильм фільм фільми филм филми 映画 洋画 邦画 영화 电影 電影 סרט סרטים فيلم أفلام फिल्म ภาพยนตร์ phim
    tvfilm tvmovie
""")
_FILM_ENDINGS = ("spielfilm", "fernsehfilm", "horrorfilm", "actionfilm", "liebesfilm", "kriminalfilm", "abenteuerfilm")
# Words beside "film" where it is none, or not for sure.
_NO_FILMS = _words("""
    documentary documental documentaire documentario documentário dokumentar dokument dokumentární dokumentarni
    dokumentalny dokumentarfilm dokumenttielokuva документальный doc docu doku education educational short shorts kurz
    court corto curta kort krótkometrażowy короткометражный animated animation cartoon animowany мультфильм kids kinder
    children childrens magazine magazin news review music of about making festival award awards talk channel show
    series industry industrie drama
""")
_SERIES = _words("""
    series serial serials seriál miniseries episode episodes soap soaps sitcom sitcoms telenovela telenovelas novela
    novelas teleserye serie serien seriale seriali serija serije serier sarja sarjat dizi diziler sorozat feuilleton
    teledrama tvshow docuseries miniserie dramaserie fernsehserie seifenoper σειρά σειρές сериал сериалы серіал серіали
    серија 시리즈 סדרה סדרות مسلسل مسلسلات 电视剧 電視劇 連続ドラマ seriado seriados minisarja miniserial seria sapunica
""")
_SERIES_LABELS = frozenset(("tv show", "tv shows"))
_SERIES_ENDING = re.compile(r"(?:serien?|sorozat|series|sarja)$")  # "Krimiserie", "Familienserie"
_NEITHER = _words("news sports sport nachrichten noticias notizie shopping weather")
_SEPARATORS = re.compile(r"[/&,;|+]")

_PATH = re.compile(r"(?:^|/)(movies?|films?|series|tv|shows?|episodes?|seasons?)/", re.IGNORECASE)
_NOTHING: frozenset[ProgrammeKind] = frozenset()
_GRACENOTE = {"MV": ProgrammeKind.film, "SP": ProgrammeKind.other}  # and EP and SH: episodes, and shows without
_ID = re.compile(r"\s*(?:title/)?(?:tt)?\d*\s*", re.IGNORECASE)  # of a film or a series: it doesn't say which


@lru_cache(maxsize=4096)  # a guide has about a hundred
def kind_of_label(label: str) -> ProgrammeKind | None:
    """Return what a category says that a programme is, None if it says nothing."""
    label = label[:_MAX_LENGTH]
    key = folded(label)
    words = key.split()
    if key in _SERIES_LABELS or any(word in _SERIES or _SERIES_ENDING.search(word) for word in words):
        is_both = not _FILMS.isdisjoint(words) and _SEPARATORS.search(label)  # "Films & Series"
        return None if is_both else ProgrammeKind.episode
    if key in _FILMS:
        return ProgrammeKind.film
    is_one = words and not _SEPARATORS.search(label) and _NO_FILMS.isdisjoint(words)
    if is_one and (words[0] in _FILMS or words[-1] in _FILMS or words[-1].endswith(_FILM_ENDINGS)):
        return ProgrammeKind.film
    return ProgrammeKind.other if key in _NEITHER else None


@lru_cache(maxsize=4096)
def _kind_of_number(number: EpisodeNumber) -> ProgrammeKind | None:
    system, text = number
    system = (system or "").strip().lower()
    if system == "dd_progid":
        prefix = text.strip()[:2].upper()
        return _GRACENOTE.get(prefix, ProgrammeKind.episode) if prefix else None
    if path := _PATH.search(text):
        return ProgrammeKind.film if path[1][:1].lower() in "mf" else ProgrammeKind.episode
    if "." in system and _ID.fullmatch(text):  # a site, such as imdb.com
        return None
    if system == "xmltv_ns":
        text = ".".join(text.split(".")[:2])  # the third is the part, which films have, too
    return ProgrammeKind.episode if any(char.isdigit() for char in text) else None


def _differ(first: str, second: str) -> bool:
    """Return whether two descriptions are of different episodes."""
    if first == second:
        return False
    words, others = set(_WORD.findall(first)), set(_WORD.findall(second))
    return len(words & others) < _SAME_WORDS * len(words | others)
