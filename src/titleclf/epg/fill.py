"""Filling guides: each title is decided once, and its airings get the categories that their reader understands."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from itertools import compress
from typing import NamedTuple

from titleclf.epg.edits import provenance_keywords, rewrite
from titleclf.epg.genres import Genre
from titleclf.epg.overrides import Overrides
from titleclf.epg.profiles import Facts, Profile
from titleclf.epg.xmltv import Airing, Edit, Piece
from titleclf.runtime.arrays import Floats
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.network import Network
from titleclf.runtime.prediction import Prediction
from titleclf.runtime.text.programmes import Programme, Programmes

_MAX_LENGTH = 1000  # characters of a title that are read
_CACHE_SIZE = 500_000  # decisions, more than any real guide needs; bounds the memory that a hostile one can take


class When(StrEnum):
    """The airings to fill: those without a category, all, or those that the reader understands none of."""

    missing = "missing"
    always = "always"
    unknown = "unknown-to-profile"


class Outcome(StrEnum):
    """The outcome for an airing: left as it is, filled, not filled because no model is sure, or without a title."""

    kept = "kept"
    filled = "filled"
    unsure = "unsure"
    untitled = "untitled"


class Decision(NamedTuple):
    """The categories of a title, and its most probable one (`top1`); no categories if no model is sure.

    An unsure title has the top1 of the most confident model, an override's title probability 1.
    """

    categories: tuple[str, ...]
    top1: str
    probability: float
    is_override: bool = False


@dataclass
class Decider:
    """Overrides, then models with their minimum probability (categories,), in the order in which they are tried.

    A title gets the same decision in every place and every guide; if a model uses channels or durations, in every place
    where these are the same.
    """

    models: Sequence[tuple[Classifier[Network], Floats]]
    overrides: Overrides | None = None
    _decisions: dict[Programme, Decision] = field(default_factory=dict)

    @cached_property
    def uses_fields(self) -> bool:
        """Whether a model uses channels or durations."""
        return any(model.contents.fields is not None for model, _ in self.models)

    def decide(self, programmes: Iterable[Programme]) -> list[Decision]:
        """Return a decision for each programme, in their order; fields matter only if a model uses them."""
        queries = [self._query(programme) for programme in programmes]
        if len(self._decisions) > _CACHE_SIZE:
            self._decisions.clear()
        new = [query for query in dict.fromkeys(queries) if query not in self._decisions]
        self._decisions.update(self._decide(new))
        return [self._decisions[query] for query in queries]

    def _query(self, programme: Programme) -> Programme:
        title = programme.title[:_MAX_LENGTH]
        return Programme(title, programme.channel, programme.minutes) if self.uses_fields else Programme(title)

    def _decide(self, queries: Sequence[Programme]) -> dict[Programme, Decision]:
        decisions = self._from_overrides(queries)
        unsure = [query for query in queries if query not in decisions]
        for model, min_probability in self.models:
            predictions = model.predict_programmes(Programmes.of(unsure), min_probability=min_probability)
            for query, prediction in zip(unsure, predictions, strict=True):
                decision, earlier = _decision(prediction), decisions.get(query)
                if earlier is None or decision.categories or decision.probability > earlier.probability:
                    decisions[query] = decision
            unsure = [query for query in unsure if not decisions[query].categories]
        return decisions

    def _from_overrides(self, queries: Sequence[Programme]) -> dict[Programme, Decision]:
        # An override applies on every channel.
        rows = {} if self.overrides is None else self.overrides.find(query.title for query in queries)
        return {
            query: Decision((row.category,) if row.category else (), row.category, 1.0, is_override=True)
            for query in queries
            if (row := rows.get(query.title))
        }


class Settled(NamedTuple):
    """An airing with its outcome, the decision on its title, and the category texts to add."""

    airing: Airing
    outcome: Outcome
    decision: Decision | None = None
    texts: Sequence[str] = ()


@dataclass(frozen=True)
class Filler:
    """The settings of a fill: the decider, the reader (None: the standard's texts), and the airings to fill.

    If `with_keywords`, each added category gets a provenance keyword, which `undo` finds.
    """

    decider: Decider
    profile: Profile | None
    when: When
    with_keywords: bool

    def settle(self, airings: Sequence[Airing]) -> Iterator[Settled]:
        """Yield the outcome for each airing, in their order."""
        eligible = [self._is_eligible(airing) for airing in airings]
        queried = list(compress(airings, eligible))
        # Parsing the times of every airing takes longer than most decisions.
        uses_fields = self.decider.uses_fields
        programmes = [airing.programme if uses_fields else Programme(airing.title) for airing in queried]
        decisions = iter(self.decider.decide(programmes))
        for airing, is_eligible in zip(airings, eligible, strict=True):
            if is_eligible:
                yield self._settled(airing, next(decisions))
            else:
                yield Settled(airing, Outcome.kept if airing.title else Outcome.untitled)

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

    def _is_eligible(self, airing: Airing) -> bool:
        if not airing.title:
            return False
        if self.when is When.always or not airing.categories:
            return True
        if self.when is When.missing or self.profile is None:
            return False
        return not self.profile.understands_any([category.text for category in airing.categories])

    def _settled(self, airing: Airing, decision: Decision) -> Settled:
        if not decision.categories:
            return Settled(airing, Outcome.kept if decision.is_override else Outcome.unsure, decision)
        present = {category.text for category in airing.categories}
        texts = [text for text in self._texts(airing, decision) if text not in present]
        return Settled(airing, Outcome.filled if texts else Outcome.kept, decision, texts)

    def _texts(self, airing: Airing, decision: Decision) -> Sequence[str]:
        if self.profile is None:
            return decision.categories
        facts = Facts(airing.is_episode, airing.minutes)
        words = [word for name in decision.categories for word in self.profile.words(Genre(name), facts)]
        return list(dict.fromkeys(words))


def fill(guide: str, output: str | None, filler: Filler) -> Counter[Outcome]:
    """Write the filled guide to `output` (None: in place), and return the number of airings with each outcome.

    Raises
    ------
    InputError
        If the guide can't be read, or is the output. The output then stays as it was.
    """
    outcomes: Counter[Outcome] = Counter()

    def edits(piece: Piece) -> list[Edit]:
        settled = list(filler.settle(piece.airings))
        outcomes.update(outcome for _, outcome, _, _ in settled)
        return list(filler.edits(piece, settled))

    rewrite(guide, output, edits)
    return outcomes


def _decision(prediction: Prediction) -> Decision:
    top1, probability = prediction.candidates[0] if prediction.candidates else ("", 0.0)
    return Decision(prediction.named, top1, probability)
