"""Filling guides: airings of decided titles get the categories that their player understands."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import compress
from typing import NamedTuple

from titleclf.epg.decisions import Basis, Decider, Decision, Query
from titleclf.epg.edits import check_output, own_categories, provenance_keywords, rewrite
from titleclf.epg.genres import Genre, GenreTable
from titleclf.epg.kinds import Evidence, SeriesMemory, evidence_of, has_length_of_film, is_film, needs_model
from titleclf.epg.parser import pieces
from titleclf.epg.profiles import Profile
from titleclf.epg.streams import reading, rereadable
from titleclf.epg.xmltv import Airing, Edit, Piece
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.programmes import Programme


class When(StrEnum):
    """The airings to fill: those without a category, or also those whose categories the player does not understand."""

    missing = "missing"
    untranslated = "untranslated"

    @classmethod
    def of(cls, when: str | None, profile: str | None) -> "When":
        """Return what is asked for; without asking, all that the player does not understand, if there is one.

        Raises
        ------
        InputError
            If it needs a player, and there is none.
        """
        if when is None:
            return cls.missing if profile is None else cls.untranslated
        if when == cls.untranslated and profile is None:
            raise InputError(f"--when {when} must have a --profile. Got none. Name your player.")
        return cls(when)


class Outcome(StrEnum):
    """The outcome for an airing: left as it is, filled, not filled because no model is sure, or without a title.

    A placeholder is no title.
    """

    kept = "kept"
    filled = "filled"
    unsure = "unsure"
    untitled = "untitled"


class Settled(NamedTuple):
    """An airing with its outcome, the decision on its title, and the category texts to add."""

    airing: Airing
    outcome: Outcome
    decision: Decision | None = None
    texts: Sequence[str] = ()


@dataclass(frozen=True)
class Filler:
    """The settings of a fill: the decider, the player (None: the standard's texts), and the airings to fill.

    `table` says what the guide's own categories mean. If `with_keywords`, each added category gets a provenance
    keyword, which `undo` finds.
    """

    decider: Decider
    profile: Profile | None
    when: When
    with_keywords: bool
    table: GenreTable
    _series: SeriesMemory = field(default_factory=SeriesMemory)

    def survey(self, airings: Sequence[Airing]) -> None:
        """Gather the evidence of airings for those that are settled later."""
        genres = [self._genres(airing) for airing in airings]
        to_predict: list[Programme] = []
        for airing, named in zip(airings, genres, strict=True):
            if not airing.is_titled or not self.is_eligible(airing):
                continue
            has_one, may_be_film = len(named) == 1, self._may_be_film(named)
            if has_one and not may_be_film:
                continue
            programme = airing.programme
            needs_kind = may_be_film and self._survey_kind(airing, programme)
            if needs_kind or not has_one:
                to_predict += (programme, *airing.translated)
        self.decider.survey(to_predict)
        labelled = zip(airings, genres, strict=True)
        self.decider.survey_labels(
            (Programme(airing.title, airing.channel_title), named[0]) for airing, named in labelled if len(named) == 1
        )

    def settle(self, airings: Sequence[Airing]) -> Iterator[Settled]:
        """Yield the outcome for each airing, in their order."""
        eligible = [self.is_eligible(airing) for airing in airings]
        queried = list(compress(airings, eligible))
        decisions = self.decider.decide(map(self._query, queried))
        films = self._films(queried, decisions)
        decided = zip(decisions, films, strict=True)
        for airing, is_queried in zip(airings, eligible, strict=True):
            if is_queried:
                decision, film = next(decided)
                yield self._settled(airing, decision, is_film=film)
            else:
                yield Settled(airing, Outcome.kept if airing.is_titled else Outcome.untitled)

    def edits(self, piece: Piece, settled: Sequence[Settled]) -> Iterator[Edit]:
        """Yield the edits that fill a piece of a guide."""
        first = self.profile is not None and self.profile.reads_first_only
        for airing, _, _, texts in settled:
            if not texts:
                continue
            categories = [("category", text) for text in texts]
            keywords = provenance_keywords(texts) if self.with_keywords else []
            if first and airing.categories:  # keywords must follow all categories
                yield piece.addition(airing, categories, first=True)
                yield piece.addition(airing, keywords)
            else:
                yield piece.addition(airing, categories + keywords)

    def is_eligible(self, airing: Airing) -> bool:
        """Return whether an airing is to be filled."""
        if not airing.is_titled and not self.decider.is_overridden(airing.channel_name, airing.channel):
            return False
        if not airing.categories:
            return True
        if self.when is When.missing or self.profile is None:
            return False
        return not self.profile.understands_any([category.text for category in airing.categories])

    def _genres(self, airing: Airing) -> tuple[Genre, ...]:
        """Return the genres that an airing's own categories name, the one with the largest weight or all that tie."""
        return self.table.leaders(own_categories(airing)) if airing.categories and airing.is_titled else ()

    def _query(self, airing: Airing) -> Query:
        # Parsing the times of every airing takes longer than most decisions.
        programme, genres = Programme(airing.title, airing.channel_title), self._genres(airing)
        if len(genres) != 1 and self.decider.columns and not self.decider.is_surveyed(programme):
            programme = airing.programme
        return Query(programme, genres, airing.channel, airing.translated)

    def _may_be_film(self, genres: Sequence[Genre]) -> bool:
        """Return whether it may matter if a programme with these genres of its own is a film."""
        return self.profile is not None and bool(self.profile.film) and (not genres or Genre.movie in genres)

    def _survey_kind(self, airing: Airing, programme: Programme) -> bool:
        """Remember whether an airing shows that its title is a series; return whether it takes a model to say.

        Only airings that are as long as a film are looked at.
        """
        showing = (programme.title, programme.channel)
        if not has_length_of_film(programme.minutes):
            return False
        return self._series.needs_model(showing, airing, own_categories(airing))

    def _films(self, airings: Sequence[Airing], decisions: Sequence[Decision]) -> list[bool]:
        """Return which of these airings are dramas that are films."""
        if self.profile is None or not self.profile.film:
            return [False] * len(airings)
        known: dict[int, Evidence] = {}
        for number, (airing, decision) in enumerate(zip(airings, decisions, strict=True)):
            if Genre.movie in decision.categories:
                evidence = evidence_of(airing, own_categories(airing))
                is_series = (airing.title, airing.channel_title) in self._series
                known[number] = evidence._replace(is_series=is_series)
        unsure = [number for number, evidence in known.items() if needs_model(evidence)]
        probabilities = self.decider.film_probabilities([airings[number].programme for number in unsure])
        for number, probability in zip(unsure, probabilities, strict=True):
            known[number] = known[number]._replace(film_probability=probability)
        return [number in known and is_film(known[number]) for number in range(len(airings))]

    def _settled(self, airing: Airing, decision: Decision, *, is_film: bool) -> Settled:
        if not decision.categories:
            return Settled(airing, Outcome.kept if decision.basis is Basis.override else Outcome.unsure, decision)
        present = {category.text for category in airing.categories}
        texts = [text for text in self._texts(decision, is_film=is_film) if text not in present]
        return Settled(airing, Outcome.filled if texts else Outcome.kept, decision, texts)

    def _texts(self, decision: Decision, *, is_film: bool) -> Sequence[str]:
        if self.profile is None:
            return decision.categories
        words = [word for name in decision.categories for word in self.profile.words(Genre(name), is_film=is_film)]
        return list(dict.fromkeys(words))


@dataclass
class Tally:
    """The number of airings with each outcome, and of the decided ones with each basis."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    bases: Counter[Basis] = field(default_factory=Counter)

    def add(self, settled: Settled) -> None:
        """Count an airing."""
        self.outcomes[settled.outcome] += 1
        if settled.decision is not None and settled.outcome is not Outcome.unsure:
            self.bases[settled.decision.basis] += 1


def fill(
    guide: str, output: str | None, filler: Filler, on_settled: Callable[[Settled], object] | None = None
) -> Tally:
    """Write the filled guide to `output` (None: in place), and count its airings; `on_settled` gets each of them.

    Raises
    ------
    InputError
        If the guide can't be read, or is the output. The output then stays as it was.
    """
    tally = Tally()

    def edits(piece: Piece) -> list[Edit]:
        settled = list(filler.settle(piece.airings))
        for each in settled:
            tally.add(each)
            if on_settled is not None:
                on_settled(each)
        return list(filler.edits(piece, settled))

    check_output(guide, output)  # before a pipe is read to its end
    with surveyed(guide, filler):
        rewrite(guide, output, edits)
    return tally


@contextmanager
def surveyed(guide: str, filler: Filler, check: Callable[[Piece], object] | None = None) -> Iterator[None]:
    """Gather a guide's evidence about its titles and channels.

    The guide is then read twice, also one that comes through a pipe; `check` may refuse a piece of it.

    Raises
    ------
    InputError
        If the guide can't be read.
    """
    with rereadable(guide):
        with reading(guide) as source:
            for piece in pieces(source.chunks, guide, with_texts=bool(filler.decider.columns)):
                if check is not None:
                    check(piece)
                filler.survey(piece.airings)
        yield
