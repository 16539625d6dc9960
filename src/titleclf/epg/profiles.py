"""What the readers of guides make of a category: which texts they know, how they compare, which ones to write."""

import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from titleclf.epg.genres import Genre

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)  # of ASCII, as readers do: Kelvin's K is no k

# Of a drama, only the length tells a film from an episode. An hour's slot that runs over stays below this,
# and nearly all films are longer. A film that is called a series can still be found; an episode that is called a film
# may lose its number.
FILM_MINUTES = 70


class Facts(NamedTuple):
    """What a guide says of a programme, besides its title."""

    is_episode: bool  # it has an episode-num or a sub-title
    minutes: float | None

    @property
    def may_be_film(self) -> bool:
        """Whether a drama with these facts may be called a film without doing harm."""
        return not self.is_episode and self.minutes is not None and self.minutes >= FILM_MINUTES


@dataclass(frozen=True, eq=False)
class Profile:
    """A reader of guides: what to write for it, and what it understands of what others wrote."""

    name: str
    genres: Mapping[Genre, tuple[str, ...]]  # what to write, most important first
    film: tuple[str, ...]  # what to write for a drama that is a film; empty where one word is for films and series
    known: tuple[str, ...]  # the texts that the reader takes for a kind
    same: Callable[[str], str]  # the reader takes two texts for one if this makes them equal
    cuts_at_commas: bool = False
    reads_first_only: bool = False

    def words(self, genre: Genre, facts: Facts) -> list[str]:
        """Return the categories to write for a programme of this genre, most important first."""
        if genre is Genre.movie and self.film and facts.may_be_film:
            return list(self.film)
        return list(self.genres[genre])

    def understands(self, category: str) -> bool:
        """Return whether the reader takes this text for a kind of programme, and not just for any text."""
        parts = category.split(",") if self.cuts_at_commas else [category]
        return any(self.same(part) in self._known for part in parts)

    def places(self, categories: Sequence[str]) -> bool:
        """Return whether the reader understands one of a programme's categories, in their order."""
        return any(map(self.understands, categories[:1] if self.reads_first_only else categories))

    def problem(self, category: str) -> str | None:
        """Return in a few words why the reader does not understand this text, or None if it does."""
        if self.understands(category):
            return None
        if not category.strip():
            return "empty"
        if self.understands(category.strip()):
            return "space around it"
        if self.cuts_at_commas and "," in category:
            return "comma cuts it in two"
        return self._misspelling(category) or f"unknown to {self.name}"

    @cached_property
    def written(self) -> frozenset[str]:
        """All texts that `words` may return; some only stand for a kind that the reader does not know."""
        return frozenset(self.film).union(*self.genres.values())

    @cached_property  # these are asked for every programme of a guide
    def _known(self) -> frozenset[str]:
        return frozenset(map(self.same, self.known))

    @cached_property
    def _known_by_sound(self) -> dict[str, str]:
        return {_sound(text): text for text in reversed(self.known)}

    def _misspelling(self, category: str) -> str | None:
        known = self._known_by_sound.get(_sound(category))
        if known is None:
            return None
        if category.lower() == known:
            return "upper case"
        got, expected = _first_difference(category, known)
        return f"spelt {got!r} where the reader knows {expected!r}"


def _exactly(text: str) -> str:
    return text


def _any_case(text: str) -> str:
    return text.translate(_LOWER)


def _any_case_and_spaces(text: str) -> str:
    # tvheadend skips spaces before a character; after the last one it compares what lies behind the text in memory.
    return text if text.endswith(" ") else _any_case(text).replace(" ", "")


def _exactly_but_films(text: str) -> str:
    # MythTV finds its four types by their exact names, and then films once more, for the sake of a British grabber.
    lower = _any_case(text)
    return lower if lower in ("movie", "film") else text


def _sound(text: str) -> str:
    """Return what is left of a text when case, marks, British spelling and a plural do not count."""
    letters = re.sub(r"\W", "", text).lower().replace("programme", "program")
    return letters.removesuffix("s") if len(letters) > 4 else letters  # New is not News


def _first_difference(got: str, known: str) -> tuple[str, str]:
    pairs = list(zip(got.split(), known.split(), strict=False))
    differing = [pair for pair in pairs if pair[0].lower() != pair[1].lower()]
    if len(got.split()) == len(known.split()) and differing:
        return differing[0]
    return got, known


# For readers that show a text that they do not know: none of these is another kind to any of them, as "Documentary"
# (news to Jellyfin) would be. All but Society stand in MythTV's table of colours too.
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

# tvheadend also knows the second level of the standard, here without what it repeats. The spelling is its own.
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
# "Sports event" would promise live sport to Channels, which no title can tell; "Sports" is a plain tag there.
_CHANNELS = ("Movie", "Series", "News", "Children", "Sports event")
_PLEX = ("Movie", "Series", "News", "Children", "Sports")
_JELLYFIN = """
    movie; sports; basketball; baseball; football; kids; family; children; childrens; disney;
    news; journalism; documentary; current affairs
"""
# EPGImport shows no category: it turns these into the content codes of DVB (Crime/Mystery from 85 minutes on), and all
# others into none.
_ENIGMA2 = """
    Film; Drama; Comedy; Crime/Mystery; News; Documentary; Sports; Children; Animated; Music;
    Arts/Culture; Religion; Educational; Science/Nature
"""


def _listed(texts: str) -> tuple[str, ...]:
    return tuple(" ".join(texts.split()).split("; "))


def _alone(words: Mapping[Genre, str]) -> dict[Genre, tuple[str, ...]]:
    return {genre: (word,) for genre, word in words.items()}


def _plex(genre: Genre) -> tuple[str, ...]:
    # What Plex can make nothing of is a film to it, which it records only once.
    word = READABLE[genre]
    return (word,) if word in _PLEX else ("Series", word)


def _mythtv(genre: Genre) -> tuple[str, ...]:
    kind = {Genre.movie: "series", Genre.sports: "sports"}.get(genre, "tvshow")
    return (kind, READABLE[genre])


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            name="tvheadend",
            genres=_alone(_TVHEADEND),
            film=(),
            known=(*_TVHEADEND.values(), *_listed(_SECOND_LEVEL)),
            same=_any_case_and_spaces,
        ),
        # The ten names of the genres.xml that is written beside the guide.
        Profile(
            name="kodi",
            genres=_alone({genre: genre.value for genre in Genre}),
            film=(),
            known=tuple(genre.value for genre in Genre),
            same=_any_case,
            cuts_at_commas=True,
        ),
        # Emby too. Of what it takes for a film it erases the episode's number and title.
        Profile(name="jellyfin", genres=_alone(READABLE), film=("Movie",), known=_listed(_JELLYFIN), same=_any_case),
        Profile(
            name="plex",
            genres={genre: _plex(genre) for genre in Genre},
            film=("Movie",),
            known=_PLEX,
            same=_exactly,
        ),
        # One text for the kind, and the first other one to be shown.
        Profile(
            name="mythtv",
            genres={genre: _mythtv(genre) for genre in Genre},
            film=("movie", "Movie"),
            known=("movie", "series", "sports", "tvshow", "film"),
            same=_exactly_but_films,
        ),
        Profile(
            name="enigma2",
            genres=_alone(READABLE),
            film=("Film",),
            known=_listed(_ENIGMA2),
            same=_exactly,
            reads_first_only=True,
        ),
        Profile(
            name="channels",
            genres=_alone(READABLE) | {Genre.movie: ("Series", READABLE[Genre.movie])},
            film=("Movie",),
            known=_CHANNELS,
            same=_exactly,
        ),
    )
}
