"""Readers of guides: the category texts that each understands, and those to write for it."""

import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from titleclf.epg.genres import Genre

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)  # ASCII only, as the players do
_CONTROLS = "".join(map(chr, range(32)))


@dataclass(frozen=True, eq=False)
class Profile:
    """A player of guides: the texts to write for it, and the texts that it understands.

    Texts are compared as they stand in a guide: to most players a space or a line end around one makes it another.
    `source` is where the rules are from, `checked` the month when they were last compared with it.
    """

    name: str
    source: str
    checked: str
    genres: Mapping[Genre, tuple[str, ...]]  # texts to write, most important first
    film: tuple[str, ...]  # texts to write for a film; empty if films and series share one
    vocabulary: tuple[str, ...]  # texts that the player understands
    normalize: Callable[[str], str]  # maps texts that the player treats as equal to the same text
    splits_at_commas: bool = False
    reads_first_only: bool = False

    def words(self, genre: Genre, *, is_film: bool = False) -> list[str]:
        """Return the categories to write for a programme of this genre, most important first.

        Of dramas, `titleclf.epg.films.is_film` decides which are films.
        """
        if genre is Genre.movie and self.film and is_film:
            return list(self.film)
        return list(self.genres[genre])

    def understands(self, category: str) -> bool:
        """Return whether the player maps this text to a kind of programme."""
        parts = category.split(",") if self.splits_at_commas else [category]
        return any(self.normalize(part) in self._normalized for part in parts)

    def understands_any(self, categories: Sequence[str]) -> bool:
        """Return whether the player understands an airing with these categories, in this order."""
        return any(map(self.understands, self.read(categories)))

    def read(self, categories: Sequence[str]) -> Sequence[str]:
        """Return the categories of an airing that the player reads."""
        return categories[:1] if self.reads_first_only else categories

    def problem(self, category: str) -> str | None:
        """Return in a few words why the player does not understand this text; None if it does."""
        if self.understands(category):
            return None
        tidy = " ".join(category.split())
        if not tidy:
            return "empty"
        if self.understands(tidy):
            return "line end in it" if "\n" in category else "extra space in it"
        if self.splits_at_commas and "," in tidy:
            if any(self.understands(part.strip()) for part in tidy.split(",")):
                return "space at a comma"
            if _canonical(tidy) in self._by_canonical:
                return "comma splits it in two"
        return self._misspelling(tidy) or f"unknown to {self.name}"

    @cached_property
    def written(self) -> frozenset[str]:
        """All texts that `words` may return; the player may show one without understanding it."""
        return frozenset(self.film).union(*self.genres.values())

    @cached_property  # once, not per airing
    def _normalized(self) -> frozenset[str]:
        return frozenset(map(self.normalize, self.vocabulary))

    @cached_property
    def _by_canonical(self) -> dict[str, str]:
        return {_canonical(text): text for text in reversed(self.vocabulary)}

    def _misspelling(self, category: str) -> str | None:
        understood = self._by_canonical.get(_canonical(category))
        if understood is None:
            return None
        if category.lower() == understood:
            return "upper case"
        got, expected = _first_difference(category, understood)
        return f"{got!r} must be {expected!r}"


def _exactly(text: str) -> str:
    return text


def _any_case(text: str) -> str:
    return text.translate(_LOWER)


def _any_case_and_spaces(text: str) -> str:
    # tvheadend reads no control characters before the text. It skips spaces before a character; after trailing ones it
    # reads past the end of the text.
    return text if text.endswith(" ") else _any_case(text.lstrip(_CONTROLS)).replace(" ", "")


def _exactly_except_films(text: str) -> str:
    # MythTV matches its four types exactly, but also films in any case, for a British grabber.
    lower = _any_case(text)
    return lower if lower in ("movie", "film") else text


def _canonical(text: str) -> str:
    """Return a text without case, punctuation, British spelling and a plural's s."""
    letters = re.sub(r"\W", "", text).lower().replace("programme", "program")
    return letters.removesuffix("s") if len(letters) > 4 else letters  # New is not News


def _first_difference(got: str, expected: str) -> tuple[str, str]:
    pairs = list(zip(got.split(), expected.split(), strict=False))
    differing = [pair for pair in pairs if pair[0].lower() != pair[1].lower()]
    if len(got.split()) == len(expected.split()) and differing:
        return differing[0]
    return got, expected


# Texts to show. No player takes one of them for another genre, as Jellyfin takes "Documentary" for news. MythTV has
# colours for all of them except Society.
READABLE = {
    Genre.movie: "Drama",
    Genre.news: "News",
    Genre.show: "Entertainment",
    Genre.sports: "Sports",
    Genre.children: "Children",
    Genre.music: "Music",
    Genre.arts: "Arts/Culture",
    Genre.society: "Society",
    Genre.education: "Educational",
    Genre.leisure: "Leisure/Hobbies",
}

# The second level of the standard, which tvheadend also understands, in its spelling and without duplicates.
_SECOND_LEVEL = """
    Detective / Thriller; Adventure / Western / War; Science fiction / Fantasy / Horror; Comedy;
    Soap / Melodrama / Folkloric; Romance; Serious / Classical / Religious / Historical movie / Drama;
    Adult movie / Drama; News / Weather report; News magazine; Documentary; Discussion / Interview / Debate;
    Game show / Quiz / Contest; Variety show; Talk show; Special events (Olympic Games, World Cup, etc.);
    Sports magazines; Football / Soccer; Tennis / Squash; Team sports (excluding football); Athletics; Motor sport;
    Water sport; Winter sports; Equestrian; Martial sports; Pre-school children's programs;
    Entertainment programs for 6 to 14; Entertainment programs for 10 to 16;
    Informational / Educational / School programs; Cartoons / Puppets; Rock / Pop; Serious music / Classical music;
    Folk / Traditional music; Jazz; Musical / Opera; Ballet; Performing arts; Fine arts; Religion;
    Popular culture / Traditional arts; Literature; Film / Cinema; Experimental film / Video; Broadcasting / Press;
    New media; Arts magazines / Culture magazines; Fashion; Magazines / Reports / Documentary;
    Economics / Social advisory; Remarkable people; Nature / Animals / Environment; Technology / Natural sciences;
    Medicine / Physiology / Psychology; Foreign countries / Expeditions; Social / Spiritual sciences;
    Further education; Languages; Tourism / Travel; Handicraft; Motoring; Fitness and health; Cooking;
    Advertisement / Shopping; Gardening
"""
_TVHEADEND = {genre: genre.value for genre in Genre} | {Genre.children: "Children's / Youth programs"}
# "Sports event" means live sport to Channels, which a title can't show; "Sports" is a plain tag.
_CHANNELS = ("Movie", "Series", "News", "Children", "Sports event")
_PLEX = ("Movie", "Series", "News", "Children", "Sports")
_JELLYFIN_WORDS = """
    movie; sports; basketball; baseball; football; kids; family; children; childrens; disney;
    news; journalism; documentary; current affairs
"""
# EPGImport turns these into the content codes of DVB (Crime/Mystery from 85 minutes on), and drops all others. "Talk"
# and "Unknown" have code 0, which is none.
_OPENPLI = """
    Film; Drama; Comedy; Crime/Mystery; News; Documentary; Sports; Children; Animated; Music;
    Arts/Culture; Religion; Educational; Science/Nature
"""
# As oe-alliance has it since 2025: the words of 2024, which guides rely on, and most of the standard's.
_ENIGMA2 = f"""
    {_OPENPLI.strip()};
    Action; Action sports; Adult; Adult Movie/Drama; Adults only; Adventure/Western/War; Advertisement/Shopping;
    Aerobics; Archery; Athletics; Ballet; Baseball; Basketball; Bicycle; Billiards; Black & White; Boxing;
    Broadcasting/Press; Cartoons/Puppets; Children's/Youth Programme; Comedy-drama; Cooking; Crime drama;
    Detective/Thriller; Discussion/Interview/Debate; Economics/Social Advisory; Education/Science/Factual;
    Entertainment Programme for 10 to 16; Entertainment Programme for 6 to 14; Equestrian; Experimental Film/Video;
    Fashion; Film/Cinema; Fine Arts; Fitness & Health; Folk/Traditional Music; Football/Soccer;
    Foreign Countries/Expeditions; Further Education; Game Show/Quiz/Contest; GameShow; Gardening; Handicraft; Hobbies;
    Informational/Educational/School Programme; Jazz; Languages; Leisure/Hobbies; Literature; Live Broadcast;
    Magazine/Report/Documentary; Martial Sports; Medicine/Physiology/Psychology; Motor Sport; Motoring; Movie/Drama;
    Music/Ballet/Dance; Musical/Opera; Nature; Nature/Animals/Environment; New Media; News Magazine;
    News/Current Affairs; News/Weather Report; Original Language; Paid Programming; Performing Arts;
    Popular Culture/Traditional Arts; Pre-school Children's Programme; Reality; Religious; Remarkable People; Rock/Pop;
    Romance; Science Fiction/Fantasy/Horror; Serious/Classical Music;
    Serious/Classical/Religious/Historical Movie/Drama; Show/Game Show; Soap; Soap/Melodrama/Folkloric;
    Social/Political/Economics; Social/Spiritual Sciences; Special Event; Sport Magazine; Standup; Talk; Talk Show;
    Team Sports; Technology/Natural Sciences; Tennis/Squash; Tourism/Travel; Unpublished; Variety Show; Water Sport;
    Weather; Winter Sports
"""
# Where EPGImport has no code for the text to show.
_ENIGMA2_GENRES = {Genre.show: "Show/Game Show", Genre.society: "Social/Political/Economics"}


def _split(texts: str) -> tuple[str, ...]:
    return tuple(" ".join(texts.split()).split("; "))


def _single(words: Mapping[Genre, str]) -> dict[Genre, tuple[str, ...]]:
    return {genre: (word,) for genre, word in words.items()}


def _plex(genre: Genre) -> tuple[str, ...]:
    # Plex takes a programme for a film if it understands none of its texts, and records a film only once.
    word = READABLE[genre]
    return (word,) if word in _PLEX else ("Series", word)


def _mythtv(genre: Genre) -> tuple[str, ...]:
    kind = {Genre.movie: "series", Genre.sports: "sports"}.get(genre, "tvshow")
    return (kind, READABLE[genre])


# It removes the episode number and title of a film.
_JELLYFIN = Profile(
    name="jellyfin",
    source="github.com/jellyfin/jellyfin: MediaBrowser.Model/LiveTv/ListingsProviderInfo.cs",
    checked="2026-11",
    genres=_single(READABLE),
    film=("Movie",),
    vocabulary=_split(_JELLYFIN_WORDS),
    normalize=_any_case,
)

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            name="tvheadend",
            source="github.com/tvheadend/tvheadend: src/epg.c, src/htsmsg_xml.c",
            checked="2026-11",
            genres=_single(_TVHEADEND),
            film=(),
            vocabulary=(*_TVHEADEND.values(), *_split(_SECOND_LEVEL)),
            normalize=_any_case_and_spaces,
        ),
        # The names in the genres.xml that `fill` writes.
        Profile(
            name="kodi",
            source="github.com/kodi-pvr/pvr.iptvsimple: src/iptvsimple/data/EpgEntry.cpp",
            checked="2026-11",
            genres=_single({genre: genre.value for genre in Genre}),
            film=(),
            vocabulary=tuple(genre.value for genre in Genre),
            normalize=_any_case,
            splits_at_commas=True,
        ),
        _JELLYFIN,
        # Jellyfin was made from it.
        replace(
            _JELLYFIN,
            name="emby",
            source="github.com/MediaBrowser/Emby, its last public source: MediaBrowser.Model/LiveTv/LiveTvOptions.cs",
        ),
        Profile(
            name="plex",
            source="closed source: the texts that its users report to work",
            checked="2026-11",
            genres={genre: _plex(genre) for genre in Genre},
            film=("Movie",),
            vocabulary=_PLEX,
            normalize=_exactly,
        ),
        # Needs one text for the type, and shows the first of the others.
        Profile(
            name="mythtv",
            source="github.com/MythTV/mythtv: programs/mythfilldatabase/xmltvparser.cpp",
            checked="2026-11",
            genres={genre: _mythtv(genre) for genre in Genre},
            film=("movie", "Movie"),
            vocabulary=("movie", "series", "sports", "tvshow", "film"),
            normalize=_exactly_except_films,
        ),
        Profile(
            name="enigma2",
            source="github.com/oe-alliance/XMLTV-Import: src/EPGImport/gen_xmltv.py",
            checked="2026-11",
            genres=_single(READABLE | _ENIGMA2_GENRES),
            film=("Film",),
            vocabulary=_split(_ENIGMA2),
            normalize=_exactly,
            reads_first_only=True,
        ),
        Profile(
            name="openpli",
            source="github.com/OpenPLi/enigma2-plugin-extensions-epgimport: src/EPGImport/gen_xmltv.py",
            checked="2026-11",
            genres=_single(READABLE),
            film=("Film",),
            vocabulary=_split(_OPENPLI),
            normalize=_exactly,
            reads_first_only=True,
        ),
        Profile(
            name="channels",
            source="closed source: the texts that its users report to work",
            checked="2026-11",
            genres=_single(READABLE) | {Genre.movie: ("Series", READABLE[Genre.movie])},
            film=("Movie",),
            vocabulary=_CHANNELS,
            normalize=_exactly,
        ),
    )
}
