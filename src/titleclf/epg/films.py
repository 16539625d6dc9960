"""Film or episode: the one decision, and the evidence that it takes.

Jellyfin erases the episode number and the sub-title of what is called a film: when in doubt, a programme is none.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from titleclf.epg.decisions import Decider, Decision
from titleclf.epg.edits import own_categories
from titleclf.epg.episode_marks import has_episode_mark
from titleclf.epg.genres import Genre
from titleclf.epg.kinds import has_sub_title, stated_kinds
from titleclf.epg.xmltv import Airing, Showing
from titleclf.runtime.choices import ProgrammeKind

# Minutes of a film if the guide does not call it one. Without a model nothing else tells it from an episode of an hour
# that overruns.
MIN_MINUTES, MIN_MINUTES_WITHOUT_MODEL, MAX_MINUTES = 60, 70, 300
# A model's probability that a drama is a film rather than an episode, chosen on a guide that is not in
# results/film_decisions.md.
MIN_PROBABILITY = 0.4
_COMPARED = 200  # characters of a description that are compared
_SAME_WORDS = 0.25  # of the words of two descriptions: those of one film in two versions share most
_WORD = re.compile(r"\w+")


class FilmEvidence(NamedTuple):
    """What is known of a drama besides its genre, each part stronger than those behind it.

    `film_probability` is that of a film rather than an episode, None without a model that has learned kinds.
    """

    stated: frozenset[ProgrammeKind] = frozenset()  # by its own categories, episode numbers and ids
    has_sub_title: bool = False
    is_numbered: bool = False  # by a mark in its title or description
    is_series: bool = False  # as other showings of its title on the channel are
    minutes: float | None = None
    film_probability: float | None = None


def is_film(evidence: FilmEvidence) -> bool:
    """Return whether it is safe to call a drama a film."""
    if evidence.stated:
        return evidence.stated == {ProgrammeKind.film}
    if not needs_model(evidence) or evidence.minutes is None:
        return False
    if evidence.film_probability is None:
        return evidence.minutes >= MIN_MINUTES_WITHOUT_MODEL
    return evidence.film_probability >= MIN_PROBABILITY


def needs_model(evidence: FilmEvidence) -> bool:
    """Return whether nothing but a model says whether a drama is a film."""
    stated, has_sub_title, is_numbered, is_series, minutes, _ = evidence
    return not (stated or has_sub_title or is_numbered or is_series) and has_length_of_film(minutes)


def has_length_of_film(minutes: float | None) -> bool:
    """Return whether a programme may be a film by its length alone."""
    return minutes is not None and MIN_MINUTES <= minutes <= MAX_MINUTES


def evidence_of(airing: Airing, categories: Iterable[str]) -> FilmEvidence:
    """Return what a guide says of one airing with these categories of its own, as far as the decision needs it."""
    if stated := stated_kinds(airing, categories):
        return FilmEvidence(stated)
    if has_sub_title(airing):
        return FilmEvidence(has_sub_title=True)
    minutes = airing.minutes
    if not has_length_of_film(minutes):  # most programmes end here
        return FilmEvidence(minutes=minutes)
    return FilmEvidence(is_numbered=has_episode_mark(airing.title, airing.description), minutes=minutes)


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

    def needs_model(self, airing: Airing, categories: Iterable[str]) -> bool:
        """Remember what an airing says, and return whether only a model can say whether it is a film."""
        showing = airing.showing
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


class Films:
    """The dramas of a guide that are films, by what was surveyed of it and by a model that has learned kinds."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider
        self._series = SeriesMemory()

    def survey(self, airing: Airing) -> bool:
        """Remember whether an airing shows that its title is a series; return whether it takes a model to say.

        Only airings that are as long as a film are looked at.
        """
        if not has_length_of_film(airing.minutes):
            return False
        return self._series.needs_model(airing, own_categories(airing))

    def among(self, airings: Sequence[Airing], decisions: Sequence[Decision]) -> list[bool]:
        """Return which of these airings, with the decision on each, are films."""
        known: dict[int, FilmEvidence] = {}
        for number, (airing, decision) in enumerate(zip(airings, decisions, strict=True)):
            if Genre.movie in decision.categories:
                evidence = evidence_of(airing, own_categories(airing))
                known[number] = evidence._replace(is_series=airing.showing in self._series)
        unsure = [number for number, evidence in known.items() if needs_model(evidence)]
        probabilities = self._decider.film_probabilities([airings[number].programme for number in unsure])
        for number, probability in zip(unsure, probabilities, strict=True):
            known[number] = known[number]._replace(film_probability=probability)
        return [number in known and is_film(known[number]) for number in range(len(airings))]


def _differ(first: str, second: str) -> bool:
    """Return whether two descriptions are of different episodes."""
    if first == second:
        return False
    words, others = set(_WORD.findall(first)), set(_WORD.findall(second))
    return len(words & others) < _SAME_WORDS * len(words | others)
