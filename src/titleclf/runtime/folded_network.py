"""A folded model in numpy: the scores of a title's features are looked up and added, in integers."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np

from titleclf.runtime import speedups
from titleclf.runtime.architecture import NgramConfig
from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.bundle.familiarity import Familiarity, familiarities
from titleclf.runtime.bundle.folding import BIAS, CHARACTERS, HEAD, NGRAMS, field_prefix, is_nonzero
from titleclf.runtime.bundle.packing import Array
from titleclf.runtime.choices import Combine, Field
from titleclf.runtime.network import Features, position_codes
from titleclf.runtime.score_table import Integers, ScoreTable, aligned
from titleclf.runtime.text.characters import Characters, Ids, Line
from titleclf.runtime.text.fields import FieldEncoder
from titleclf.runtime.text.ngrams import along
from titleclf.runtime.text.programmes import Programmes

_FEW_TITLES = 100  # building the compiled scorer costs more than scoring so few
_SPELLED_CHARACTERS = 256  # at once: more take more memory, and no less time
_MOST_FEATURES = 8  # of a field, added in int16 before they are added in int32


@dataclass
class FoldedNetwork:
    """Tables of scores as they are in a bundle, and scores of characters at each place as they are needed."""

    model: NgramConfig
    vocabulary: Characters
    encoder: FieldEncoder
    ngrams: ScoreTable
    fields: dict[Field, ScoreTable]
    characters: Floats  # (characters, dim)
    codes: Floats | None  # (length, dim)
    head: Floats  # (columns, dim)
    columns: Labels  # (columns,): the category of each
    bias: Floats  # (categories,)
    familiarities: Mapping[str, Familiarity]
    spelled: Integers = field(init=False)  # (characters * length, width): scores of those that were needed
    is_spelled: Bools = field(init=False)  # (characters,)

    def __post_init__(self) -> None:
        """Make room for the scores of characters: zeros take no memory before something is written there."""
        self.spelled = aligned(np.zeros, len(self.characters) * self.vocabulary.length, self.ngrams.width)
        self.is_spelled = np.zeros(len(self.characters), dtype=np.bool_)

    @classmethod
    def of(cls, model: NgramConfig, weights: dict[str, Array], vocabulary: Characters, encoder: FieldEncoder) -> Self:
        """Take the weights of a folded bundle."""
        codes = position_codes(model, weights, vocabulary.length)
        characters = weights[CHARACTERS].astype(np.float32)
        head = weights[HEAD][is_nonzero(weights[HEAD])]
        # One character and one n-gram of each order start at a place.
        largest, most = _largest_score(model, characters, codes, head), len(model.orders) + 1
        of_texts = familiarities(weights, model, "the weights")
        return cls(
            model,
            vocabulary,
            encoder,
            ScoreTable.of(weights, NGRAMS, model.buckets, most, largest, of_texts.get(NGRAMS)),
            {
                name: ScoreTable.of(weights, prefix, buckets, _MOST_FEATURES, familiarity=of_texts.get(prefix))
                for name, buckets in encoder.sizes().items()
                for prefix in [field_prefix(name)]
            },
            characters,
            codes,
            head,
            np.flatnonzero(is_nonzero(weights[HEAD])),
            weights[BIAS],
            of_texts,
        )

    @property
    def batch_size(self) -> int:
        """The number of programmes that are fastest together."""
        return 2048

    def logits(self, programmes: Programmes) -> Floats:
        """Return logits (programmes, categories)."""
        logits = self._title_logits(programmes.titles)
        if programmes.columns:
            for added in self.field_logits(programmes).values():
                logits += added
        return logits

    def field_logits(self, programmes: Programmes) -> dict[Field, Floats]:
        """Return what each field adds to logits, each (programmes, categories)."""
        return {
            name: self._as_logits(self.fields[name], self.fields[name].sums(*bags), bags.counts, bags.counts)
            for name, bags in self.encoder.encode(programmes).items()
        }

    def feature_logits(self, name: Field, buckets: Labels) -> Floats:
        """Return what features of a field add to logits (features, outputs), before the root of their number."""
        table = self.fields[name]
        scores = table.look_up(buckets)
        unit = table.factors(scores.sum(axis=0, keepdims=True, dtype=np.int32), np.array([len(buckets)]))
        return self._scaled(scores, unit)

    def features(self, title: str) -> Features:
        """Return what the features of a title add to its logits."""
        line = self.vocabulary.line([title])
        integers, starts = [self._character_scores(line)], [np.arange(len(line.ids))]
        orders = [np.ones_like(line.ids)]
        for order, (buckets, _) in zip(sorted(self.model.orders), self._ngrams(line), strict=False):
            (places,) = np.nonzero(buckets < self.model.buckets)
            integers.append(self.ngrams.look_up(buckets[places]))
            starts.append(places)
            orders.append(np.full_like(places, order))
        scores = np.concatenate(integers)
        sums = scores.sum(axis=0, keepdims=True, dtype=np.int32)
        unit = self.ngrams.factors(sums, np.array([len(scores) - len(line.ids)])) / np.sqrt(max(len(scores), 1))
        return Features(
            self._scaled(scores, unit),
            np.concatenate(starts),
            np.concatenate(orders),
            np.arange(len(scores)) >= len(line.ids),
        )

    def _title_logits(self, titles: Sequence[str]) -> Floats:
        is_ready = "_scorer" in vars(self) or len(titles) > _FEW_TITLES or self.ngrams.is_warm
        if is_ready and self._scorer is not None:
            logits: Floats = self._scorer.logits(titles)
            return logits
        line = self.vocabulary.line(titles)
        has_places = line.counts > 0
        sums = np.zeros((len(line.counts), self.ngrams.width), dtype=np.int32)
        ngrams = np.zeros_like(line.counts)
        if has_places.any():
            added = self._character_scores(line)  # (places, width)
            spare = np.empty_like(added)
            for buckets, counts in self._ngrams(line):
                added[: len(buckets)] += self.ngrams.look_up(buckets, spare[: len(buckets)])
                ngrams += counts
            starts = line.counts[has_places].cumsum() - line.counts[has_places]
            sums[has_places] = np.add.reduceat(added, starts, axis=0, dtype=np.int32)
        return self._as_logits(self.ngrams, sums, ngrams, line.counts + ngrams) + self.bias

    @cached_property
    def _scorer(self) -> Any:
        """The compiled twin of `_title_logits`; None if nothing is compiled."""
        if speedups.compiled is None:
            return None
        return speedups.compiled.Scorer(
            ids=np.zeros(sys.maxunicode + 1, dtype=np.int32),
            table=self.ngrams.table,
            buckets=self.model.buckets,
            spelt=self.spelled,
            is_spelt=self.is_spelled.view(np.uint8),
            columns=self.columns,
            bias=self.bias.astype(np.float32),
            orders=[order for order in self.model.orders if 0 < order <= self.vocabulary.length],
            alone=self.vocabulary.alone,
            line=self.vocabulary.line,
            spell=self._spell,
            unit=self.ngrams.unit,
            least=self.ngrams.least,
            length=self.vocabulary.length,
            most=self.ngrams.most,
            boundary=self.vocabulary.boundary,
            across_words=self.model.across_words,
        )

    def _ngrams(self, line: Line) -> Iterator[tuple[Ids, Ids]]:
        model = self.model
        return along(line.ids, line.counts, model.orders, model.buckets, across_words=model.across_words)

    def _as_logits(self, table: ScoreTable, sums: Array, ngrams: Labels, features: Labels) -> Floats:
        """Return what sums (texts, width) add to logits (texts, categories): of so many features, n-grams or others."""
        return self._scaled(sums, table.factors(sums, ngrams) / np.sqrt(np.maximum(features, 1)))

    def _scaled(self, sums: Array, factors: Floats) -> Floats:
        logits = np.zeros((len(sums), len(self.bias)), dtype=np.float32)
        logits[:, self.columns] = sums[:, : len(self.columns)] * factors[:, None].astype(np.float32)
        return logits

    def _character_scores(self, line: Line) -> Integers:
        """Return the scores of each character at its place (places, width)."""
        starts = line.counts.cumsum() - line.counts
        places = np.arange(len(line.ids)) - np.repeat(starts, line.counts)
        is_new = ~self.is_spelled.take(line.ids)
        if is_new.any():
            self._spell(np.flatnonzero(np.bincount(line.ids[is_new])))  # numpy's unique imports too much
        scores: Integers = self.spelled.take(line.ids * self.vocabulary.length + places, axis=0, mode="clip")
        return scores

    def _spell(self, ids: Ids) -> None:
        """Multiply characters with the codes of all places and the head, once and for all."""
        table = self.spelled.reshape(-1, self.vocabulary.length, self.ngrams.width)
        for start in range(0, len(ids), _SPELLED_CHARACTERS):
            rows = ids[start : start + _SPELLED_CHARACTERS]
            scores = _placed(self.model, self.characters[rows][:, None], self.codes) @ self.head.T
            table[rows, :, : len(self.columns)] = np.rint(scores / self.ngrams.unit)  # (characters, length, columns)
            self.is_spelled[rows] = True  # only now: other threads may read meanwhile


def _placed(model: NgramConfig, characters: Floats, codes: Floats | None) -> Floats:
    if codes is None:
        return characters
    return characters * codes if model.combine is Combine.multiply else characters + codes


def _largest_score(model: NgramConfig, characters: Floats, codes: Floats | None, head: Floats) -> float:
    """Return a bound on the score of any character at any place."""
    most = np.abs(characters).max(axis=0, initial=0)
    if codes is not None:
        most = _placed(model, most, np.abs(codes).max(axis=0, initial=0))
    return float((np.abs(head) @ most).max(initial=0))
