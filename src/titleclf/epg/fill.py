"""Filling guides: airings of decided titles get the categories that their player understands."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from itertools import chain, compress
from typing import NamedTuple

from titleclf.epg.decisions import Basis, Decider, Decision, Query, surest
from titleclf.epg.edits import check_output, own_categories, provenance_keywords, rewrite
from titleclf.epg.films import Films
from titleclf.epg.genres import Genre, GenreTable
from titleclf.epg.open_ends import OpenEnds, SecondReading
from titleclf.epg.parser import pieces
from titleclf.epg.profiles import Profile
from titleclf.epg.streams import reading, rereadable
from titleclf.epg.xmltv import Airing, Edit, Piece, Showing
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

    @cached_property
    def _films(self) -> Films | None:
        """Which dramas are films, if the player has a word for them."""
        return Films(self.decider) if self.profile is not None and self.profile.film else None

    def survey(self, airings: Sequence[Airing]) -> None:
        """Gather the evidence of airings for those that are settled later."""
        programmes: list[Programme] = []
        labelled: list[tuple[Showing, Genre]] = []
        for airing in airings:
            genres = self._genres(airing)
            if len(genres) == 1:
                labelled.append((airing.showing, genres[0]))
            if airing.is_titled and self.is_eligible(airing) and self._needs_model(airing, genres):
                programmes += [version.programme for version in airing.versions]
        self.decider.survey(programmes)
        self.decider.survey_labels(labelled)

    def settle(self, airings: Sequence[Airing]) -> Iterator[Settled]:
        """Yield the outcome for each airing, in their order."""
        eligible = [self.is_eligible(airing) for airing in airings]
        queried = list(compress(airings, eligible))
        versions = [airing.versions for airing in queried]
        of_versions = iter(self.decider.decide(map(self._query, chain.from_iterable(versions))))
        decisions = [surest([next(of_versions) for _ in each]) for each in versions]
        films = [False] * len(queried) if self._films is None else self._films.among(queried, decisions)
        decided = zip(decisions, films, strict=True)
        for airing, is_queried in zip(airings, eligible, strict=True):
            if is_queried:
                decision, is_film = next(decided)
                yield self._settled(airing, decision, is_film=is_film)
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
        return not self.profile.understands_any([category.raw for category in airing.categories])

    def _genres(self, airing: Airing) -> tuple[Genre, ...]:
        """Return the genres that an airing's own categories name, the one with the largest weight or all that tie."""
        return self.table.leaders(own_categories(airing)) if airing.categories and airing.is_titled else ()

    def _needs_model(self, airing: Airing, genres: Sequence[Genre]) -> bool:
        """Return whether a model has to say what an airing with these genres of its own is, or if it is a film."""
        if self._films is not None and (not genres or Genre.movie in genres) and self._films.survey(airing):
            return True
        return len(genres) != 1

    def _query(self, airing: Airing) -> Query:
        genres = self._genres(airing)
        if len(genres) != 1 and self.decider.columns and not self.decider.is_surveyed(airing.showing):
            programme = airing.programme
        else:  # parsing the times of every airing takes longer than most decisions
            programme = Programme(*airing.showing)
        return Query(programme, genres, airing.title, airing.channel)

    def _settled(self, airing: Airing, decision: Decision, *, is_film: bool) -> Settled:
        if not decision.categories:
            return Settled(airing, Outcome.kept if decision.basis is Basis.override else Outcome.unsure, decision)
        present = {category.raw for category in airing.categories}
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
        settled = list(filler.settle(second.airings(piece)))
        for each in settled:
            tally.add(each)
            if on_settled is not None:
                on_settled(each)
        return list(filler.edits(piece, settled))

    check_output(guide, output)  # before a pipe is read to its end
    with surveyed(guide, filler) as second:
        rewrite(guide, output, edits)
    return tally


@contextmanager
def surveyed(guide: str, filler: Filler, check: Callable[[Piece], object] | None = None) -> Iterator[SecondReading]:
    """Gather a guide's evidence about its titles and channels, and yield what the second reading needs of the first.

    The guide is then read twice, also one that comes through a pipe; `check` may refuse a piece of it.

    Raises
    ------
    InputError
        If the guide can't be read.
    """
    ends = OpenEnds()
    with rereadable(guide):
        with reading(guide) as source:
            for piece in pieces(source.chunks, guide, with_texts=bool(filler.decider.columns)):
                if check is not None:
                    check(piece)
                filler.survey(list(ends.closed(piece.airings)))
        filler.survey(list(ends.rest()))
        yield ends.second_reading()
