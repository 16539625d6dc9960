"""Categories for the programmes that want them, each title decided once, all else as it was."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from titleclf.epg.edits import marks_of, rewrite
from titleclf.epg.genres import Genre
from titleclf.epg.overrides import Overrides
from titleclf.epg.profiles import Facts, Profile
from titleclf.epg.xmltv import Edit, Piece, Programme
from titleclf.runtime.arrays import Floats
from titleclf.runtime.classifiers import BaseClassifier
from titleclf.runtime.prediction import Prediction
from titleclf.runtime.text.programmes import UNKNOWN, Context

_LONGEST = 1000  # characters of a title that count
_REMEMBERED = 500_000  # titles: a guide of any size has fewer, and no guide may fill the memory


Asked = tuple[str, Context]  # a title, and where it is shown


class Decision(NamedTuple):
    """The categories of a title, none where nobody is sure; and the likeliest one with its probability.

    Where nobody is, that is the likeliest to the model that is surest of its own.

    `is_override` where the user has said so; the probability is then 1.
    """

    categories: tuple[str, ...]
    likeliest: str
    probability: float
    is_override: bool = False


@dataclass
class Decider:
    """Models with the least probability of each of their categories, the first asked first; and overrides.

    A title is decided once: it has the same categories wherever it stands in a guide, and in every guide. If a model
    looks at more than titles, that is so of each title on each channel, as long as it lasts there.
    """

    models: Sequence[tuple[BaseClassifier, Floats]]
    overrides: Overrides | None = None
    _known: dict[Asked, Decision] = field(default_factory=dict)

    @property
    def looks_at_contexts(self) -> bool:
        """Whether a model looks at channels or durations."""
        return any(model.contexts is not None for model, _ in self.models)

    def decide(self, titles: Iterable[str], contexts: Iterable[Context] | None = None) -> list[Decision]:
        """Return a decision a title, in their order; their contexts count only if `looks_at_contexts`."""
        cut = [title[:_LONGEST] for title in titles]
        asked = [(title, UNKNOWN) for title in cut] if contexts is None else list(zip(cut, contexts, strict=True))
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        self._known.update(self._decided([one for one in dict.fromkeys(asked) if one not in self._known]))
        return [self._known[one] for one in asked]

    def _decided(self, asked: Sequence[Asked]) -> dict[Asked, Decision]:
        found = self._overridden(asked)
        unsure = [one for one in asked if one not in found]
        for model, least in self.models:
            titles, contexts = [title for title, _ in unsure], [context for _, context in unsure]
            predictions, _ = model.predict_counting(titles, least=least, contexts=contexts)
            for one, prediction in zip(unsure, predictions, strict=True):
                decision, before = _decision(prediction), found.get(one)
                if before is None or decision.categories or decision.probability > before.probability:
                    found[one] = decision
            unsure = [one for one in unsure if not found[one].categories]
        return found

    def _overridden(self, asked: Sequence[Asked]) -> dict[Asked, Decision]:
        # What the user says of a title holds wherever it is shown.
        rows = {} if self.overrides is None else self.overrides.find(title for title, _ in asked)
        return {
            one: Decision((row.category,) if row.category else (), row.category, 1.0, is_override=True)
            for one in asked
            if (row := rows.get(one[0]))
        }


def _decision(prediction: Prediction) -> Decision:
    likeliest, probability = prediction.candidates[0] if prediction.candidates else ("", 0.0)
    return Decision(prediction.named, likeliest, probability)


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
