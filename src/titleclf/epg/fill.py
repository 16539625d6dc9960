"""Categories for the programmes that want them, each title decided once, all else as it was."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from titleclf.epg.decisions import Decider, Decision
from titleclf.epg.genres import Genre
from titleclf.epg.guide import Edit, Piece, Programme
from titleclf.epg.mark import marks_of
from titleclf.epg.profiles import Facts, Profile
from titleclf.epg.rewrite import rewrite


class When(StrEnum):
    """Which programmes are to get a category: those without one, all, or those with none that the reader knows."""

    missing = "missing"
    always = "always"
    unknown = "unknown-to-profile"


class Outcome(StrEnum):
    """What becomes of a programme: it keeps what it has, is filled, its title is not sure enough, or it has none."""

    kept = "kept"
    filled = "filled"
    unsure = "unsure"
    untitled = "untitled"


class Settled(NamedTuple):
    """A programme with what becomes of it, what was decided of its title, and the texts that it gets."""

    programme: Programme
    outcome: Outcome
    decision: Decision | None = None
    texts: Sequence[str] = ()


@dataclass(frozen=True)
class Filler:
    """How a guide is to be filled: whose decisions, in which reader's words, where, and whether with a mark."""

    decider: Decider
    profile: Profile | None
    when: When
    is_marked: bool

    def settle(self, programmes: Sequence[Programme]) -> Iterator[Settled]:
        """Yield what becomes of each programme, in their order."""
        wanting = [self._wants(programme) for programme in programmes]
        asked = [programme for programme, wants in zip(programmes, wanting, strict=True) if wants]
        contexts = [programme.context for programme in asked] if self.decider.looks_at_contexts else None
        decisions = iter(self.decider.decide([programme.title for programme in asked], contexts))
        for programme, wants in zip(programmes, wanting, strict=True):
            if wants:
                yield self._settled(programme, next(decisions))
            else:
                yield Settled(programme, Outcome.kept if programme.title else Outcome.untitled)

    def edits(self, piece: Piece, settled: Sequence[Settled]) -> Iterator[Edit]:
        """Yield the edits that fill a piece of a guide."""
        first = self.profile is not None and self.profile.reads_first_only
        for one in settled:
            if not one.texts:
                continue
            categories = [("category", text) for text in one.texts]
            marks = marks_of(one.texts) if self.is_marked else []
            if first and one.programme.categories:  # marks still have to follow all categories
                yield piece.addition(one.programme, categories, first=True)
                yield piece.addition(one.programme, marks)
            else:
                yield piece.addition(one.programme, categories + marks)

    def _wants(self, programme: Programme) -> bool:
        if not programme.title:
            return False
        if self.when is When.always or not programme.categories:
            return True
        if self.when is When.missing or self.profile is None:
            return False
        return not self.profile.places([category.text for category in programme.categories])

    def _settled(self, programme: Programme, decision: Decision) -> Settled:
        if not decision.categories:
            return Settled(programme, Outcome.kept if decision.is_override else Outcome.unsure, decision)
        there = {category.text for category in programme.categories}
        texts = [text for text in self._texts(programme, decision) if text not in there]
        return Settled(programme, Outcome.filled if texts else Outcome.kept, decision, texts)

    def _texts(self, programme: Programme, decision: Decision) -> Sequence[str]:
        if self.profile is None:
            return decision.categories
        facts = Facts(programme.is_episode, programme.minutes)
        words = [word for name in decision.categories for word in self.profile.words(Genre(name), facts)]
        return list(dict.fromkeys(words))


def fill(guide: str, output: str | None, filler: Filler) -> Counter[Outcome]:
    """Write the guide with its gaps filled (None: in its place), and return how many programmes had which outcome.

    Raises
    ------
    InputError
        If the guide can't be read, or is the output. What stood at the output is then still there.
    """
    outcomes: Counter[Outcome] = Counter()

    def edits(piece: Piece) -> list[Edit]:
        settled = list(filler.settle(piece.programmes))
        outcomes.update(one.outcome for one in settled)
        return list(filler.edits(piece, settled))

    rewrite(guide, output, edits)
    return outcomes
