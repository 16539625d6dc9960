"""What every implementation of a network can do, and the one in numpy, from the weights as they lie in a bundle."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol, Self, assert_never, runtime_checkable

import numpy as np

from titleclf.runtime.architecture import AnyModel, BagConfig, ConvConfig, ModelConfig, NgramConfig, known_model
from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.bundle.familiarity import Familiarity, familiarities
from titleclf.runtime.bundle.folding import NGRAMS, POSITIONS, field_prefix, field_table
from titleclf.runtime.bundle.packing import SCALE, TABLE, Array, is_packed, signed, unpacked
from titleclf.runtime.choices import Combine, Field, Positions
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.characters import Batch, Characters
from titleclf.runtime.text.fields import FieldEncoder
from titleclf.runtime.text.ngrams import located, ngrams
from titleclf.runtime.text.programmes import Programmes


class Network(Protocol):
    """Logits of programmes. All implementations agree on the same weights: to 1e-5, folded ones as far as they round.

    Its outputs are the categories and then, for models that answer with them, the kinds of programmes. A programme's
    logits are the same alone and in any batch.
    """

    @property
    def model(self) -> ModelConfig:
        """The architecture."""

    @property
    def batch_size(self) -> int:
        """The number of programmes that are fastest together."""

    @property
    def familiarities(self) -> Mapping[str, Familiarity]:
        """How familiar a text is, by the prefix of its table; without those of texts that always count in full."""

    def logits(self, programmes: Programmes) -> Floats:
        """Return logits (programmes, outputs) of at most `batch_size` programmes."""


class Features(NamedTuple):
    """The positional characters of a title, then its n-grams: with the head's bias they add up to its logits."""

    adds: Floats  # (features, categories)
    starts: Labels  # (features,): places, with the opening boundary token, if there is one, as the first
    orders: Labels  # (features,)
    is_ngram: Bools  # (features,)


@runtime_checkable
class LinearNetwork(Network, Protocol):
    """A network whose logits can be taken apart, if its head is linear and follows a sum."""

    @property
    def bias(self) -> Floats:
        """What the head adds to the logits of every programme (categories,)."""

    def features(self, title: str) -> Features:
        """Return what the features of a title add to its logits."""

    def field_logits(self, programmes: Programmes) -> dict[Field, Floats]:
        """Return what each field that any programme has adds to logits, each (programmes, outputs)."""

    def feature_logits(self, name: Field, buckets: Labels) -> Floats:
        """Return what features of a field add to logits (features, outputs), before the root of their number."""

    @property
    def encoder(self) -> FieldEncoder:
        """What turns fields into features."""


def logits_of(network: Network, programmes: Programmes) -> Floats:
    """Return logits (programmes, outputs) of any number of programmes."""
    size = network.batch_size
    if len(programmes) <= size:
        return network.logits(programmes)
    batches = [programmes[start : start + size] for start in range(0, len(programmes), size)]
    return np.concatenate([network.logits(batch) for batch in batches])


@dataclass(frozen=True)
class NumpyNetwork:
    """A network without the parts that only training needs; a packed n-gram table stays packed."""

    model: ModelConfig
    weights: Mapping[str, Array]
    characters: Characters
    encoder: FieldEncoder
    codes: Floats | None  # (length, dim)
    familiarities: Mapping[str, Familiarity]

    @classmethod
    def of(
        cls, model: ModelConfig, weights: Mapping[str, Array], characters: Characters, encoder: FieldEncoder
    ) -> Self:
        """Take the weights of a bundle."""
        codes = position_codes(model, weights, characters.length)
        return cls(model, weights, characters, encoder, codes, familiarities(weights, model, "the weights"))

    @property
    def batch_size(self) -> int:
        """The number of programmes that are fastest together."""
        return 256

    def logits(self, programmes: Programmes) -> Floats:
        """Return logits (programmes, categories)."""
        vectors = _encoder(known_model(self.model))(self, self.characters.batch(programmes.titles))
        vectors = sum(self._field_vectors(programmes).values(), vectors)
        if not self.model.hidden:
            return self._linear("head", vectors)
        return self._linear("head.2", np.maximum(self._linear("head.0", vectors), 0))

    @property
    def bias(self) -> Floats:
        """What a linear head adds to the logits of every programme (categories,)."""
        bias: Floats = self.weights["head.bias"]
        return bias

    def field_logits(self, programmes: Programmes) -> dict[Field, Floats]:
        """Return what each field adds to logits, each (programmes, outputs), if the head is linear."""
        head = self.weights["head.weight"].T
        return {name: vectors @ head for name, vectors in self._field_vectors(programmes).items()}

    def feature_logits(self, name: Field, buckets: Labels) -> Floats:
        """Return what features of a field add to logits (features, outputs), if the head is linear."""
        logits: Floats = self.weights[field_table(name)].take(buckets, axis=0) @ self.weights["head.weight"].T
        return logits * self._factors(field_prefix(name), buckets, np.array([len(buckets)]))

    def features(self, title: str) -> Features:
        """Return what the features of a title add, if the head is linear and follows a sum."""
        batch = self.characters.batch([title])
        vectors, starts = self._character_vectors(batch), batch.mask.nonzero()[1]
        orders, count, scale = np.ones_like(starts), len(starts), np.ones(1, dtype=np.float32)
        if isinstance(self.model, NgramConfig):
            model = self.model
            grams = located(batch.ids, batch.mask, model.orders, model.buckets, across_words=model.across_words)
            rows = self.weights[TABLE].take(grams.buckets, axis=0)
            vectors = np.concatenate(
                [vectors, unpacked(rows, self.weights[SCALE]) if is_packed(self.weights) else rows]
            )
            starts, orders = np.concatenate([starts, grams.starts]), np.concatenate([orders, grams.orders])
            scale = self._factors(NGRAMS, grams.buckets, np.array([len(grams.buckets)])) / np.sqrt(len(vectors))
        adds = vectors @ self.weights["head.weight"].T * scale
        return Features(adds, starts, orders, np.arange(len(adds)) >= count)

    def _field_vectors(self, programmes: Programmes) -> dict[Field, Floats]:
        vectors: dict[Field, Floats] = {}
        for name, bags in self.encoder.encode(programmes).items():
            sums = _sums(self.weights[field_table(name)].take(bags.buckets, axis=0), bags.counts)
            roots = np.sqrt(np.maximum(bags.counts, 1).astype(np.float32))
            vectors[name] = sums * (self._factors(field_prefix(name), *bags) / roots)[:, None]
        return vectors

    def encode_bag(self, batch: Batch) -> Floats:
        """Return the sums of positional characters (batch, dim)."""
        return _sums(self._character_vectors(batch), batch.mask.sum(axis=1))

    def _character_vectors(self, batch: Batch) -> Floats:
        """Return the characters of all titles, one title after the other, with the codes of their places."""
        vectors: Floats = self.weights["encoder.embedding.characters.weight"].take(batch.ids[batch.mask], axis=0)
        if self.codes is None:
            return vectors
        codes = self.codes.take(batch.mask.nonzero()[1], axis=0)  # (characters, dim)
        return vectors * codes if self.model.combine is Combine.multiply else vectors + codes

    def encode_ngrams(self, batch: Batch, model: NgramConfig) -> Floats:
        """Return the sums of characters and n-grams, divided by the root of their number (batch, dim)."""
        grams, counts = ngrams(batch.ids, batch.mask, model.orders, model.buckets, across_words=model.across_words)
        characters = batch.mask.sum(axis=1)
        summed = _sums(self._character_vectors(batch), characters) + self._table_sums(grams, counts)  # (batch, dim)
        features = np.maximum(characters + counts, 1).astype(np.float32)
        vectors: Floats = summed * (self._factors(NGRAMS, grams, counts) / np.sqrt(features))[:, None]
        return vectors

    def _factors(self, prefix: str, buckets: Labels, counts: Labels) -> Floats:
        """Return what a text's sum is multiplied by (texts,), for n-grams that stand text by text, `counts` each."""
        familiarity = self.familiarities.get(prefix)
        if familiarity is None:
            return np.ones(len(counts), dtype=np.float32)
        return familiarity.factors(buckets, counts).astype(np.float32)

    def _table_sums(self, grams: Labels, counts: Labels) -> Floats:
        rows = self.weights[TABLE].take(grams, axis=0)
        if not is_packed(self.weights):
            return _sums(rows, counts)
        scale = self.weights[SCALE]
        return _sums(signed(rows, len(scale)), counts) * scale

    def encode_conv(self, batch: Batch, model: ConvConfig) -> Floats:
        """Return the convolutions' maxima over places (batch, channels of all widths)."""
        vectors = np.zeros((*batch.ids.shape, model.dim), dtype=np.float32)  # (batch, length, dim)
        vectors[batch.mask] = self._character_vectors(batch)
        maps = [self._convolved(vectors, number, width) for number, width in enumerate(model.widths)]
        # Starting the maximum at zero is the ReLU, and the value of an empty title.
        inside = batch.mask[..., None]
        return np.concatenate([np.max(places, axis=1, initial=0, where=inside) for places in maps], axis=1)

    def _convolved(self, vectors: Floats, number: int, width: int) -> Floats:
        """Return what a convolution gives at each place (batch, length, channels), before the ReLU."""
        name, length = f"encoder.convolutions.{number}", vectors.shape[1]
        padded = np.pad(vectors, ((0, 0), (width // 2, width // 2), (0, 0)))
        weight = self.weights[f"{name}.weight"]  # (channels, dim, width)
        convolved: Floats = self.weights[f"{name}.bias"]
        for place in range(width):
            convolved = convolved + padded[:, place : place + length] @ weight[..., place].T
        return convolved

    def _linear(self, name: str, vectors: Floats) -> Floats:
        logits: Floats = vectors @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]
        return logits


def check_implemented(model: ModelConfig) -> None:
    """Refuse a model that this implementation lacks: its bundles could not predict.

    Raises
    ------
    InputError
        If it lacks an encoder of this kind.
    """
    try:
        _encoder(known_model(model))
    except AssertionError as error:
        raise InputError(
            f"model.kind must be one that every implementation of the network computes. Got {model.kind}, which "
            "runtime/network.py does not. Add it there."
        ) from error


def _encoder(model: AnyModel) -> Callable[[NumpyNetwork, Batch], Floats]:
    match model:
        case BagConfig():
            return NumpyNetwork.encode_bag
        case NgramConfig():
            return partial(NumpyNetwork.encode_ngrams, model=model)
        case ConvConfig():
            return partial(NumpyNetwork.encode_conv, model=model)
        case _:
            assert_never(model)


def position_codes(model: ModelConfig, weights: Mapping[str, Array], length: int) -> Floats | None:
    """Return the positional code of each place (length, dim), learned or not; None where there is none."""
    learned = weights.get(POSITIONS)
    return codes_of(model.positions, length, model.dim) if learned is None else learned


def codes_of(kind: Positions, length: int, dim: int) -> Floats | None:
    """Return the positional code of each place (length, dim), None where there is none or it is learned.

    Training keeps torch's: cosines differ in their last bit, and with them every measured figure would change.
    """
    # Single precision as in training: closer to the formula would be further from what was learned.
    places, columns = np.arange(length, dtype=np.float32)[:, None], np.arange(dim, dtype=np.float32)[None, :]
    match kind:
        case Positions.alternating:
            return _waves(places / (columns + 1), places % 2 == 0)
        case Positions.sinusoidal:
            return _waves(places / np.float32(10_000) ** ((columns - columns % 2) / np.float32(dim)), columns % 2 == 1)
        case Positions.learned | Positions.none:
            return None
        case _:
            assert_never(kind)


def _waves(angles: Floats, is_cosine: Bools) -> Floats:
    return np.where(is_cosine, np.cos(angles), np.sin(angles))


def _sums(vectors: Array, counts: Labels) -> Floats:
    """Return the sums (titles, dim) of vectors that stand one title after the other, `counts` (titles,) each."""
    sums = np.zeros((len(counts), vectors.shape[1]), dtype=np.float32)
    filled = np.flatnonzero(counts)
    if len(filled):
        starts = counts.cumsum() - counts
        sums[filled] = np.add.reduceat(vectors, starts[filled], axis=0, dtype=np.float32)
    return sums
