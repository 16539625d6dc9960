"""What a guide itself says of a programme's kind: film, episode or something else."""

import re
from collections.abc import Iterable
from functools import lru_cache

from titleclf.epg.genres import folded
from titleclf.epg.xmltv import Airing, EpisodeNumber
from titleclf.runtime.choices import ProgrammeKind

_MAX_LENGTH = 200  # characters of a label that are read
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
