"""Filling guides: airings of decided titles get the categories that their player understands."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, cached_property, partial
from itertools import compress
from typing import NamedTuple

from titleclf.epg.edits import check_output, own_categories, provenance_keywords, rewrite
from titleclf.epg.evidence import Evidence
from titleclf.epg.genres import Genre, GenreTable
from titleclf.epg.overrides import Overrides
from titleclf.epg.parser import pieces
from titleclf.epg.pooling import Showing
from titleclf.epg.profiles import Facts, Profile
from titleclf.epg.streams import reading, rereadable
from titleclf.epg.xmltv import Airing, Edit, Piece
from titleclf.runtime.arrays import Floats
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.network import Network
from titleclf.runtime.prediction import Prediction
from titleclf.runtime.text.programmes import Programme, Programmes

_MAX_LENGTH = 1000  # characters of a title that are read
_CACHE_SIZE = 500_000  # decisions, more than any real guide needs; bounds the memory that a hostile one can take


class When(StrEnum):
    """The airings to fill: those without a category, all, or those that the player understands none of."""

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
    """Overrides, then models with their minimum probability, in the order in which they are tried.

    A title gets the same decision in every place and every guide. If a model uses fields, it gets one on each channel,
    from the evidence of all its showings there, and of the other titles of the channel, that were surveyed.
    """

    models: Sequence[tuple[Classifier[Network], Floats]]
    overrides: Overrides | None = None
    _decisions: dict[Showing, Decision] = field(default_factory=dict)
    _evidence: list[Evidence] = field(init=False)

    def __post_init__(self) -> None:
        """Begin without any evidence."""
        self._evidence = self._new_evidence()

    @cached_property
    def columns(self) -> frozenset[str]:
        """The columns of programmes that the models use beside the title."""
        return frozenset().union(*(model.columns for model, _ in self.models))

    def survey(self, programmes: Iterable[Programme]) -> None:
        """Gather the evidence of programmes that are decided later; without fields there is nothing to gather."""
        if self.columns and len(self._surveyed) < _CACHE_SIZE:
            self._add(self._evidence, [_shortened(programme) for programme in programmes])

    def survey_labels(self, programmes: Iterable[tuple[Programme, Genre]]) -> None:
        """Gather the evidence of programmes whose genre the guide gives itself: what their channels show."""
        if self.columns and len(self._surveyed) < _CACHE_SIZE:
            labels = {self._showing(_shortened(programme)): genre for programme, genre in programmes}
            for (model, _), evidence in zip(self.models, self._evidence, strict=True):
                if model.columns:
                    evidence.add_labels(labels)

    def is_surveyed(self, programme: Programme) -> bool:
        """Return whether there is evidence of a programme's title on its channel; its other fields then say no more."""
        return self._showing(_shortened(programme)) in self._surveyed

    def decide(self, programmes: Iterable[Programme]) -> list[Decision]:
        """Return a decision for each programme, in their order; evidence that was not surveyed is that of these."""
        queries = [_shortened(programme) for programme in programmes]
        showings = [self._showing(query) for query in queries]
        if len(self._decisions) > _CACHE_SIZE:
            self._decisions.clear()
        new = {showing for showing in showings if showing not in self._decisions}
        rows = [row for row, showing in enumerate(showings) if showing in new]
        self._decisions.update(self._decide([queries[row] for row in rows], [showings[row] for row in rows]))
        return [self._decisions[showing] for showing in showings]

    def _showing(self, programme: Programme) -> Showing:
        return programme.title, programme.channel if self.columns else None

    def _decide(self, queries: Sequence[Programme], showings: Sequence[Showing]) -> dict[Showing, Decision]:
        """Return the decision for each different showing."""
        decisions = self._from_overrides(showings)
        unsure = [showing for showing in dict.fromkeys(showings) if showing not in decisions]
        gathered = self._evidence
        if self.columns and not all(showing in self._surveyed for showing in unsure):
            gathered = self._new_evidence()
            self._add(gathered, queries)
        for (model, min_probability), evidence in zip(self.models, gathered, strict=True):
            for showing, prediction in zip(unsure, _predicted(model, min_probability, evidence, unsure), strict=True):
                decision, earlier = _decision(prediction), decisions.get(showing)
                if earlier is None or decision.categories or decision.probability > earlier.probability:
                    decisions[showing] = decision
            unsure = [showing for showing in unsure if not decisions[showing].categories]
        return decisions

    @cached_property
    def _surveyed(self) -> Evidence:
        """The evidence for a model that uses fields: there is none for the others."""
        pairs = zip(self.models, self._evidence, strict=True)
        return next(evidence for (model, _), evidence in pairs if model.columns)

    def _new_evidence(self) -> list[Evidence]:
        return [Evidence(model) for model, _ in self.models]

    def _add(self, gathered: Sequence[Evidence], programmes: Sequence[Programme]) -> None:
        columns, showings = Programmes.of(programmes), [self._showing(programme) for programme in programmes]
        for (model, _), evidence in zip(self.models, gathered, strict=True):
            if programmes and model.columns:
                evidence.add(columns, showings)

    def _from_overrides(self, showings: Sequence[Showing]) -> dict[Showing, Decision]:
        # An override applies on every channel.
        rows = {} if self.overrides is None else self.overrides.find(title for title, _ in showings)
        return {
            showing: Decision((row.category,) if row.category else (), row.category, 1.0, is_override=True)
            for showing in showings
            if (row := rows.get(showing[0]))
        }


def _predicted(
    model: Classifier[Network], min_probability: Floats, evidence: Evidence, showings: Sequence[Showing]
) -> list[Prediction]:
    titles = [title for title, _ in showings]
    if not model.columns:
        return model.predict_programmes(Programmes(titles), min_probability=min_probability)
    return model.predict_outputs(titles, *evidence.outputs(showings), min_probability=min_probability)


def _shortened(programme: Programme) -> Programme:
    if len(programme.title) <= _MAX_LENGTH:
        return programme
    return programme._replace(title=programme.title[:_MAX_LENGTH])


class Settled(NamedTuple):
    """An airing with its outcome, the decision on its title, and the category texts to add."""

    airing: Airing
    outcome: Outcome
    decision: Decision | None = None
    texts: Sequence[str] = ()


@dataclass(frozen=True)
class Filler:
    """The settings of a fill: the decider, the player (None: the standard's texts), and the airings to fill.

    If `with_keywords`, each added category gets a provenance keyword, which `undo` finds.
    """

    decider: Decider
    profile: Profile | None
    when: When
    with_keywords: bool

    def settle(self, airings: Sequence[Airing]) -> Iterator[Settled]:
        """Yield the outcome for each airing, in their order."""
        eligible = [self.is_eligible(airing) for airing in airings]
        queried = list(compress(airings, eligible))
        decisions = iter(self.decider.decide(self._programme(airing) for airing in queried))
        for airing, is_queried in zip(airings, eligible, strict=True):
            if is_queried:
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

    def is_eligible(self, airing: Airing) -> bool:
        """Return whether an airing is to be filled."""
        if not airing.title:
            return False
        if self.when is When.always or not airing.categories:
            return True
        if self.when is When.missing or self.profile is None:
            return False
        return not self.profile.understands_any([category.text for category in airing.categories])

    def _programme(self, airing: Airing) -> Programme:
        # Parsing the times of every airing takes longer than most decisions.
        if not self.decider.columns:
            return Programme(airing.title)
        showing = Programme(airing.title, airing.channel_title)
        return showing if self.decider.is_surveyed(showing) else airing.programme

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
    check_output(guide, output)  # before a pipe is read to its end
    with surveyed(guide, filler):
        rewrite(guide, output, partial(_fill_piece, filler, outcomes))
    return outcomes


@contextmanager
def surveyed(guide: str, filler: Filler, check: Callable[[Piece], object] | None = None) -> Iterator[None]:
    """Gather a guide's evidence about its titles and channels, if a model uses more than titles.

    The guide is then read twice, also one that comes through a pipe; `check` may refuse a piece of it.

    Raises
    ------
    InputError
        If the guide can't be read.
    """
    if not filler.decider.columns:
        yield
        return
    table = cache(GenreTable.shipped)  # it takes a tenth of a second, which a guide without categories need not wait
    with rereadable(guide):
        with reading(guide) as source:
            for piece in pieces(source.chunks, guide, with_texts=True):
                if check is not None:
                    check(piece)
                filler.decider.survey(airing.programme for airing in piece.airings if filler.is_eligible(airing))
                filler.decider.survey_labels(_labelled(piece.airings, table))
        yield


def _labelled(airings: Iterable[Airing], table: Callable[[], GenreTable]) -> Iterator[tuple[Programme, Genre]]:
    """Yield the programmes of airings whose own categories name a genre."""
    for airing in airings:
        genre = table().genre_of(own_categories(airing)) if airing.title and airing.categories else None
        if genre is not None:
            yield airing.programme, genre


def _fill_piece(filler: Filler, outcomes: Counter[Outcome], piece: Piece) -> list[Edit]:
    settled = list(filler.settle(piece.airings))
    outcomes.update(outcome for _, outcome, _, _ in settled)
    return list(filler.edits(piece, settled))


def _decision(prediction: Prediction) -> Decision:
    top1, probability = prediction.candidates[0] if prediction.candidates else ("", 0.0)
    return Decision(prediction.named, top1, probability)
