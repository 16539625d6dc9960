"""The network in numpy: what `model.Network` answers, from the weights as they lie in a bundle."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from titleclf.runtime.architecture import ConvConfig, ModelConfig, NgramConfig
from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.bundle.folding import CONTEXTS
from titleclf.runtime.bundle.packing import SCALE, TABLE, Array, is_packed, signed, unpacked
from titleclf.runtime.choices import Combine, Positions
from titleclf.runtime.text.characters import Batch
from titleclf.runtime.text.ngrams import located, ngrams


class Features(NamedTuple):
    """The positional characters of a title, then its n-grams: with the head's bias they add up to its logits."""

    adds: Floats  # (features, categories)
    starts: Labels  # (features,): places, the mark of the beginning being one if there is one
    orders: Labels  # (features,)
    is_ngram: Bools  # (features,)


@dataclass(frozen=True)
class Forward:
    """A network without the parts that only training needs; its n-gram table stays packed if it is."""

    model: ModelConfig
    weights: Mapping[str, Array]
    codes: Floats | None  # (length, dim)

    @classmethod
    def of(cls, model: ModelConfig, weights: Mapping[str, Array], length: int) -> Self:
        """Take the weights of a bundle for titles of at most `length` characters."""
        learned = weights.get("encoder.embedding.positions.table")
        return cls(model, weights, codes_of(model.positions, length, model.dim) if learned is None else learned)

    def logits(self, batch: Batch, context_ids: Labels | None = None) -> Floats:
        """Return logits (batch, categories)."""
        vectors = self._encoded(batch)
        if context_ids is not None:
            vectors = sum(self._of_contexts(context_ids), vectors)
        if not self.model.hidden:
            return self._linear("head", vectors)
        return self._linear("head.2", np.maximum(self._linear("head.0", vectors), 0))

    @property
    def bias(self) -> Floats:
        """What a linear head adds to the logits of every title (categories,)."""
        bias: Floats = self.weights["head.bias"]
        return bias

    def of_contexts(self, context_ids: Labels) -> list[Floats]:
        """Return what channels and what durations (titles, categories) add, if the head is linear."""
        return [vectors @ self.weights["head.weight"].T for vectors in self._of_contexts(context_ids)]

    def features(self, batch: Batch) -> Features:
        """Return what the features of a batch of one title add, if the head is linear and follows a sum."""
        vectors, starts = self.characters(batch), batch.mask.nonzero()[1]
        orders, count, divisor = np.ones_like(starts), len(starts), 1.0
        if isinstance(self.model, NgramConfig):
            model = self.model
            found = located(batch.ids, batch.mask, model.orders, model.buckets, across_words=model.across_words)
            rows = self.weights[TABLE].take(found.buckets, axis=0)
            vectors = np.concatenate(
                [vectors, unpacked(rows, self.weights[SCALE]) if is_packed(self.weights) else rows]
            )
            starts, orders = np.concatenate([starts, found.starts]), np.concatenate([orders, found.orders])
            divisor = np.sqrt(len(vectors))
        adds = vectors @ self.weights["head.weight"].T / divisor
        return Features(adds, starts, orders, np.arange(len(adds)) >= count)

    def _of_contexts(self, context_ids: Labels) -> list[Floats]:
        return [self.weights[name].take(ids, axis=0) for name, ids in zip(CONTEXTS, context_ids.T, strict=True)]

    def _encoded(self, batch: Batch) -> Floats:
        match self.model:
            case NgramConfig():
                return self._ngrams(batch, self.model)
            case ConvConfig():
                return self._strongest(batch, self.model)
        return _sums(self.characters(batch), batch.mask.sum(axis=1))

    def characters(self, batch: Batch) -> Floats:
        """Return the characters of all titles, one title after the other, with the codes of their places."""
        vectors: Floats = self.weights["encoder.embedding.characters.weight"].take(batch.ids[batch.mask], axis=0)
        if self.codes is None:
            return vectors
        codes = self.codes.take(batch.mask.nonzero()[1], axis=0)  # (characters, dim)
        return vectors * codes if self.model.combine is Combine.multiply else vectors + codes

    def _ngrams(self, batch: Batch, model: NgramConfig) -> Floats:
        grams, counts = ngrams(batch.ids, batch.mask, model.orders, model.buckets, across_words=model.across_words)
        characters = batch.mask.sum(axis=1)
        summed = _sums(self.characters(batch), characters) + self._table_sums(grams, counts)  # (batch, dim)
        features = np.maximum(characters + counts, 1).astype(np.float32)
        vectors: Floats = summed / np.sqrt(features)[:, None]
        return vectors

    def _table_sums(self, grams: Labels, counts: Labels) -> Floats:
        rows = self.weights[TABLE].take(grams, axis=0)
        if not is_packed(self.weights):
            return _sums(rows, counts)
        scale = self.weights[SCALE]
        return _sums(signed(rows, len(scale)), counts) * scale

    def _strongest(self, batch: Batch, model: ConvConfig) -> Floats:
        """Return what each convolution finds at its strongest place (batch, channels of all widths)."""
        vectors = np.zeros((*batch.ids.shape, model.dim), dtype=np.float32)  # (batch, length, dim)
        vectors[batch.mask] = self.characters(batch)
        found = [self._found(vectors, number, width) for number, width in enumerate(model.widths)]
        # Beginning at zero is ReLU, and what an empty title has.
        return np.concatenate([np.max(one, axis=1, initial=0, where=batch.mask[..., None]) for one in found], axis=1)

    def _found(self, vectors: Floats, number: int, width: int) -> Floats:
        """Return what a convolution finds at each place (batch, length, channels), before ReLU."""
        name, length = f"encoder.convolutions.{number}", vectors.shape[1]
        padded = np.pad(vectors, ((0, 0), (width // 2, width // 2), (0, 0)))
        weight = self.weights[f"{name}.weight"]  # (channels, dim, width)
        found: Floats = self.weights[f"{name}.bias"]
        for place in range(width):
            found = found + padded[:, place : place + length] @ weight[..., place].T
        return found

    def _linear(self, name: str, vectors: Floats) -> Floats:
        logits: Floats = vectors @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]
        return logits


def _sums(vectors: Array, counts: Labels) -> Floats:
    """Return the sums (titles, dim) of vectors that stand one title's after the other's, `counts` (titles,) each."""
    sums = np.zeros((len(counts), vectors.shape[1]), dtype=np.float32)
    filled = np.flatnonzero(counts)
    if len(filled):
        starts = counts.cumsum() - counts
        sums[filled] = np.add.reduceat(vectors, starts[filled], axis=0, dtype=np.float32)
    return sums


def codes_of(kind: Positions, length: int, dim: int) -> Floats | None:
    """Return the code of each place (length, dim), None where there is none; learned ones are among the weights."""
    # At single precision, as in training: what is nearer to the formula would be further from what was learnt.
    places, columns = np.arange(length, dtype=np.float32)[:, None], np.arange(dim, dtype=np.float32)[None, :]
    match kind:
        case Positions.alternating:
            return _waves(places / (columns + 1), places % 2 == 0)
        case Positions.sinusoidal:
            return _waves(places / np.float32(10_000) ** ((columns - columns % 2) / np.float32(dim)), columns % 2 == 1)
    return None


def _waves(angles: Floats, is_cosine: Bools) -> Floats:
    return np.where(is_cosine, np.cos(angles), np.sin(angles))
