"""The categories of titles: from overrides, from what the guide itself says, and from models, in this order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from titleclf.epg.evidence import Evidence
from titleclf.epg.genres import Genre
from titleclf.epg.guide_labels import GuideLabels
from titleclf.epg.overrides import Overrides, names_of
from titleclf.epg.xmltv import Showing
from titleclf.runtime.arrays import Bools, Floats
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.network import Network
from titleclf.runtime.prediction import Prediction
from titleclf.runtime.text.programmes import Programme, Programmes

_CACHE_SIZE = 500_000  # decisions, more than any real guide needs; bounds the memory that a hostile one can take


class Basis(StrEnum):
    """What a decision is based on, in the order of precedence."""

    override = "override"
    own = "own categories"
    elsewhere = "same title elsewhere"
    model = "model"


class Decision(NamedTuple):
    """The categories of a programme, and the most probable one (`top1`); no categories if nothing is sure.

    An unsure programme has the top1 of the most confident model. What is not from a model has probability 1.
    """

    categories: tuple[str, ...]
    top1: str
    probability: float
    basis: Basis = Basis.model


class Query(NamedTuple):
    """A programme to decide on, the genres that its own categories name, and the id of its channel.

    Several genres disagree. Programmes have plain titles; overrides may ask for the guide's `spelling`.
    """

    programme: Programme
    genres: tuple[Genre, ...] = ()
    spelling: str | None = None
    channel_id: str | None = None


class Key(NamedTuple):
    """What a decision depends on: a showing, the programme's own genres, and what else an override may name."""

    showing: Showing
    genres: tuple[Genre, ...]
    spelling: str | None
    channel_id: str | None


@dataclass
class Decider:
    """Decides by overrides, a programme's own categories, those of its title elsewhere, and models in their order.

    Each model has its minimum probability (categories,). By models that use titles alone, a title gets the same
    decision in every place. If one uses fields, a title gets one on each channel, from the evidence of all its showings
    there, and of the other titles of the channel, that were surveyed.
    """

    models: Sequence[tuple[Classifier[Network], Floats]]
    overrides: Overrides | None = None
    _labels: GuideLabels = field(default_factory=GuideLabels)
    _decisions: dict[Key, Decision] = field(default_factory=dict)
    _evidence: list[Evidence] = field(init=False)

    def __post_init__(self) -> None:
        """Begin without any evidence."""
        self._evidence = self._new_evidence()

    @cached_property
    def columns(self) -> frozenset[str]:
        """The columns of programmes that the models use beside the title."""
        return frozenset().union(*(model.columns for model, _ in self.models))

    def survey(self, programmes: Sequence[Programme]) -> None:
        """Gather the evidence of programmes that are decided later; without fields there is nothing to gather."""
        if self.columns and len(self._surveyed) < _CACHE_SIZE:
            self._add(self._evidence, programmes)

    def survey_labels(self, labelled: Iterable[tuple[Showing, Genre]]) -> None:
        """Gather showings whose genre the guide gives itself, for other programmes of their titles and channels."""
        if len(self._labels) < _CACHE_SIZE:
            for showing, genre in labelled:
                self._labels.add(showing, genre)

    def is_surveyed(self, showing: Showing) -> bool:
        """Return whether there is evidence of a title on its channel; the fields of a programme then say no more."""
        return showing in self._surveyed

    def is_overridden(self, channel_name: str | None, channel_id: str) -> bool:
        """Return whether an override applies to every programme of a channel, whatever its title."""
        return self.overrides is not None and self.overrides.covers(names_of(channel_name, channel_id))

    def film_probabilities(self, programmes: Sequence[Programme]) -> Sequence[float | None]:
        """Return the probability that each is a film rather than an episode, from all surveyed showings of its title.

        It is that of the first model that has learned kinds, None without one.
        """
        pairs = zip(self.models, self._evidence, strict=True)
        model, surveyed = next(((model, each) for (model, _), each in pairs if model.contents.kinds), (None, None))
        if model is None or surveyed is None or not programmes:
            return [None] * len(programmes)
        if not model.columns:
            return list(model.film_probabilities(model.outputs(Programmes([each.title for each in programmes]))))
        showings = [_showing(programme) for programme in programmes]
        found = {showing for showing in showings if showing in surveyed}
        alone = [programme for programme in programmes if _showing(programme) not in found]  # as by an override
        probabilities = dict(zip(found, surveyed.film_probabilities(list(found)), strict=True)) if found else {}
        if alone:
            outputs = model.outputs(Programmes.of(alone).only(model.columns))
            probabilities.update(zip(map(_showing, alone), model.film_probabilities(outputs), strict=True))
        return [probabilities[showing] for showing in showings]

    def decide(self, queries: Iterable[Query]) -> list[Decision]:
        """Return a decision for each query, in their order; evidence that was not surveyed is that of these."""
        if len(self._decisions) > _CACHE_SIZE:
            self._decisions.clear()
        keyed = [(self._key(query), query.programme) for query in queries]
        new = [(key, programme) for key, programme in keyed if key not in self._decisions]
        self._decisions.update(self._decide(new))
        return [self._decisions[key] for key, _ in keyed]

    def _key(self, query: Query) -> Key:
        programme, genres, spelling, channel_id = query
        showing = _showing(programme)
        if self.overrides is None:
            return Key(showing, genres, None, None)
        return Key(showing, genres, spelling or programme.title, channel_id if self.overrides.channels else None)

    def _decide(self, keyed: Sequence[tuple[Key, Programme]]) -> dict[Key, Decision]:
        """Return the decision for each different key."""
        keys = list(dict.fromkeys(key for key, _ in keyed))
        decisions = self._from_guide(keys) | self._from_overrides(keys)
        open_keys = [key for key in keys if key not in decisions]
        gathered = self._evidence
        if self.columns and not all(key.showing in self._surveyed for key in open_keys):
            gathered = self._new_evidence()
            self._add(gathered, [programme for _, programme in keyed])
        decisions |= self._choices([key for key in open_keys if key.genres], gathered)
        return decisions | self._from_models([key for key in open_keys if key not in decisions], gathered)

    def _from_overrides(self, keys: Sequence[Key]) -> dict[Key, Decision]:
        if self.overrides is None:
            return {}
        programmes = [(key.spelling or "", names_of(key.showing[1], key.channel_id)) for key in keys]
        rows = self.overrides.find_on(programmes)
        return {
            key: Decision((row.category,) if row.category else (), row.category, 1.0, Basis.override)
            for key, programme in zip(keys, programmes, strict=True)
            if (row := rows.get(programme))
        }

    def _from_guide(self, keys: Iterable[Key]) -> dict[Key, Decision]:
        """Return the decisions that the programme's own categories make, or else those of its title elsewhere."""
        decisions = {}
        for key in keys:
            showing, genres, _, _ = key
            if len(genres) == 1:
                decisions[key] = Decision((genres[0],), genres[0], 1.0, Basis.own)
            elif (genre := self._labels.genre_of(showing)) and (not genres or genre in genres):
                decisions[key] = Decision((genre,), genre, 1.0, Basis.elsewhere)
        return decisions

    def _choices(self, keys: Sequence[Key], gathered: Sequence[Evidence]) -> dict[Key, Decision]:
        """Let the first model that knows the genres which a programme's own categories name choose among them."""
        decisions: dict[Key, Decision] = {}
        for (model, _), evidence in zip(self.models, gathered, strict=True):
            known = [key for key in keys if key not in decisions and set(key.genres) <= set(model.categories)]
            logits, _ = model.split(_outputs(model, evidence, [key.showing for key in known])[0])
            for key, row in zip(known, logits, strict=True):
                best = max(key.genres, key=lambda genre: row[model.categories.index(genre)])
                decisions[key] = Decision((best,), best, 1.0, Basis.own)
        return decisions

    def _from_models(self, keys: Sequence[Key], gathered: Sequence[Evidence]) -> dict[Key, Decision]:
        """Return the decision of the first model that is sure; of an unsure programme, the most confident one."""
        decisions: dict[Key, Decision] = {}
        unsure = keys
        for (model, min_probability), evidence in zip(self.models, gathered, strict=True):
            showings = [key.showing for key in unsure]
            outputs, has_fields = _outputs(model, evidence, showings)
            titles = [title for title, _ in showings]
            predictions = model.predict_outputs(titles, outputs, has_fields, min_probability=min_probability)
            for key, prediction in zip(unsure, predictions, strict=True):
                decision, earlier = _decision(prediction), decisions.get(key)
                if earlier is None or decision.categories or decision.probability > earlier.probability:
                    decisions[key] = decision
            unsure = [key for key in unsure if not decisions[key].categories]
        return decisions

    @cached_property
    def _surveyed(self) -> Evidence:
        """The evidence for a model that uses fields: there is none for the others."""
        pairs = zip(self.models, self._evidence, strict=True)
        return next(evidence for (model, _), evidence in pairs if model.columns)

    def _new_evidence(self) -> list[Evidence]:
        return [Evidence(model, self._labels) for model, _ in self.models]

    def _add(self, gathered: Sequence[Evidence], programmes: Sequence[Programme]) -> None:
        columns, showings = Programmes.of(programmes), [_showing(programme) for programme in programmes]
        for (model, _), evidence in zip(self.models, gathered, strict=True):
            if programmes and model.columns:
                evidence.add(columns, showings)


def _outputs(
    model: Classifier[Network], evidence: Evidence, showings: Sequence[Showing]
) -> tuple[Floats, Bools | None]:
    """Return the logits (showings, outputs), and which of them come from more than titles."""
    if model.columns:
        return evidence.outputs(showings)
    rows: dict[str, int] = {}
    places = [rows.setdefault(title, len(rows)) for title, _ in showings]
    return model.outputs(Programmes(list(rows)))[places], None


def _decision(prediction: Prediction) -> Decision:
    top1, probability = prediction.candidates[0] if prediction.candidates else ("", 0.0)
    return Decision(prediction.named, top1, probability)


def surest(decisions: Sequence[Decision]) -> Decision:
    """Return the decision with the first basis: of models, a sure one, and then the most probable one."""
    if len(decisions) == 1:  # the usual case
        return decisions[0]
    order = list(Basis)
    return min(decisions, key=lambda each: (order.index(each.basis), not each.categories, -each.probability))


def _showing(programme: Programme) -> Showing:
    return programme.title, programme.channel
