"""The network in torch: an encoder (bag, ngram or conv) turns titles into vectors, a head turns these into logits."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, assert_never

import numpy as np
import torch
from torch import Tensor, nn

from titleclf.runtime.architecture import BagConfig, ConvConfig, ModelConfig, NgramConfig, known_model
from titleclf.runtime.arrays import Floats, Labels
from titleclf.runtime.bundle.folding import NGRAMS, field_prefix
from titleclf.runtime.choices import Combine, Field
from titleclf.runtime.text.characters import PAD, Batch, Characters
from titleclf.runtime.text.fields import FieldEncoder
from titleclf.runtime.text.ngrams import ngrams
from titleclf.runtime.text.programmes import Programmes
from titleclf.training.positions import PositionalCode

if TYPE_CHECKING:
    from titleclf.runtime.bundle.familiarity import Familiarity


class BagInputs(NamedTuple):
    """The features of a field on the network's device."""

    buckets: Tensor  # (features,): of all programmes, one programme after the other
    counts: Tensor  # (batch,): the features of each programme
    factors: Tensor | None = None  # (batch,): what a text's sum is multiplied by if it is unfamiliar; None in training


class Inputs(NamedTuple):
    """A batch on the network's device."""

    ids: Tensor  # (batch, length)
    mask: Tensor  # (batch, length)
    grams: Tensor  # (ngrams,): of all titles, one title after the other; none for models without n-grams
    gram_counts: Tensor  # (batch,): the n-grams of each title
    fields: Mapping[Field, BagInputs] = MappingProxyType({})  # those that any programme has
    factors: Tensor | None = None  # (batch,): as those of fields, of titles with n-grams


def to_inputs(batch: Batch, config: ModelConfig, device: torch.device) -> Inputs:
    """Add the n-grams that the model uses, and move everything to its device."""
    if isinstance(config, NgramConfig):
        grams, counts = ngrams(batch.ids, batch.mask, config.orders, config.buckets, across_words=config.across_words)
    else:
        grams, counts = ngrams(batch.ids, batch.mask, [], 1, across_words=True)
    ids, mask, buckets, numbers = (
        torch.from_numpy(array).to(device) for array in (batch.ids, batch.mask, grams, counts)
    )
    return Inputs(ids, mask, buckets, numbers)


class PositionalCharacters(nn.Module):
    """Character embeddings combined with the codes of their places; zero after the end of a title."""

    def __init__(self, config: ModelConfig, characters: int, length: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(characters, config.dim, padding_idx=PAD)
        # Codes have magnitude 1 and would swamp smaller characters that are added to them; multiplied, they do not.
        nn.init.normal_(self.characters.weight, std=1.0 if config.combine is Combine.add else config.dim**-0.5)
        with torch.no_grad():
            self.characters.weight[PAD] = 0
        self.positions = PositionalCode(config.positions, config.combine, length, config.dim)

    def forward(self, inputs: Inputs) -> Tensor:
        """Return (batch, length, dim)."""
        places = torch.arange(inputs.ids.shape[1], device=inputs.ids.device)
        vectors: Tensor = self.positions(self.characters(inputs.ids), places)
        return vectors * inputs.mask[..., None]

    def summed(self, inputs: Inputs) -> Tensor:
        """Return the sum over each title (batch, dim), without computing the places after its end."""
        titles, places = inputs.mask.nonzero(as_tuple=True)  # (characters,)
        vectors: Tensor = self.positions(self.characters(inputs.ids[titles, places]), places)  # (characters, dim)
        return vectors.new_zeros(len(inputs.ids), vectors.shape[1]).index_add(0, titles, vectors)


class Bag(nn.Module):
    """embedding(title) = sum over positions i of position[i] * character[title[i]]."""

    def __init__(self, config: BagConfig, characters: int, length: int) -> None:
        super().__init__()
        self.embedding = PositionalCharacters(config, characters, length)
        self.dim = config.dim

    def forward(self, inputs: Inputs) -> Tensor:
        """Return (batch, dim)."""
        return self.embedding.summed(inputs)


class Ngram(nn.Module):
    """Positional characters plus n-grams, summed and divided by the square root of their number."""

    def __init__(self, config: NgramConfig, characters: int, length: int) -> None:
        super().__init__()
        self.embedding = PositionalCharacters(config, characters, length)
        self.ngrams = nn.EmbeddingBag(config.buckets, config.dim, mode="sum", sparse=True)
        # An n-gram that is not in training must add nothing.
        nn.init.zeros_(self.ngrams.weight)
        self.ngram_dropout = config.ngram_dropout
        self.dim = config.dim

    def forward(self, inputs: Inputs) -> Tensor:
        """Return (batch, dim)."""
        grams, counts = inputs.grams, inputs.gram_counts
        if self.training and self.ngram_dropout:
            grams, counts = _drop(grams, counts, self.ngram_dropout)
        starts = counts.cumsum(0) - counts
        summed = self.embedding.summed(inputs) + self.ngrams(grams, starts)  # (batch, dim)
        features = inputs.mask.sum(dim=1) + counts
        title: Tensor = summed / features.clamp(min=1).sqrt()[:, None]
        return title if inputs.factors is None else title * inputs.factors[:, None]


def _drop(features: Tensor, counts: Tensor, fraction: float) -> tuple[Tensor, Tensor]:
    """Return a random rest of the features (features,), and how many of them each title keeps (batch,)."""
    kept = torch.rand(len(features), device=features.device) >= fraction
    rows = torch.repeat_interleave(torch.arange(len(counts), device=features.device), counts)
    return features[kept], torch.bincount(rows[kept], minlength=len(counts))


class Conv(nn.Module):
    """Convolutions of several widths over positional characters, max-pooled over places."""

    def __init__(self, config: ConvConfig, characters: int, length: int) -> None:
        super().__init__()
        self.embedding = PositionalCharacters(config, characters, length)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(config.dim, config.channels, width, padding=width // 2) for width in config.widths
        )
        self.dim = config.channels * len(config.widths)

    def forward(self, inputs: Inputs) -> Tensor:
        """Return (batch, channels of all widths)."""
        return self.places(inputs).amax(dim=2)

    def places(self, inputs: Inputs) -> Tensor:
        """Return the feature maps (batch, channels of all widths, length)."""
        vectors = self.embedding(inputs).transpose(1, 2)  # (batch, dim, length)
        length = vectors.shape[2]
        ended = ~inputs.mask[:, None, :]
        # ReLU is never negative, so zero is neutral after the end of a title.
        maps = [conv(vectors)[..., :length].relu().masked_fill(ended, 0) for conv in self.convolutions]
        return torch.cat(maps, dim=1)


Encoder = Bag | Ngram | Conv


def encoder_of(config: ModelConfig, characters: Characters) -> Encoder:
    """Return the encoder of `config`, untrained."""
    model = known_model(config)
    match model:
        case BagConfig():
            return Bag(model, len(characters), characters.length)
        case NgramConfig():
            return Ngram(model, len(characters), characters.length)
        case ConvConfig():
            return Conv(model, len(characters), characters.length)
        case _:
            assert_never(model)


class FieldTables(nn.ModuleDict):
    """What the fields add to a title's vector: nothing where a field is missing, or its features not in training.

    The tables are sparse like that of n-grams: most features are in few batches, and must then move far.
    """

    def __init__(self, sizes: Mapping[Field, int], dim: int, feature_dropout: float) -> None:
        tables = {
            name: nn.EmbeddingBag(size, dim, mode="sum", sparse=True, _weight=torch.zeros(size, dim))
            for name, size in sizes.items()
        }
        super().__init__({str(name): table for name, table in tables.items()})
        self.feature_dropout = feature_dropout

    def forward(self, vectors: Tensor, inputs: Mapping[Field, BagInputs]) -> Tensor:
        """Return vectors (batch, dim) with each field's sum, divided by the square root of its number of features."""
        for name, (buckets, counts, factors) in inputs.items():
            if self.training and self.feature_dropout:
                buckets, counts = _drop(buckets, counts, self.feature_dropout)
            summed = self[name](buckets, counts.cumsum(0) - counts)
            vector = summed / counts.clamp(min=1).sqrt()[:, None]
            vectors = vectors + (vector if factors is None else vector * factors[:, None])
        return vectors


class TorchNetwork(nn.Module):
    """Logits of programmes: an encoder and a head, linear or with one hidden layer; between them, the fields.

    The outputs are the categories and then, for models that answer with them, the kinds of programmes.
    """

    def __init__(self, model: ModelConfig, characters: Characters, outputs: int) -> None:
        super().__init__()
        self.model, self.characters = model, characters
        self.familiarities: dict[str, Familiarity] = {}  # after training
        self.encoder = encoder_of(model, characters)
        self.dropout = nn.Dropout(model.dropout)
        if model.hidden:
            hidden = nn.Linear(self.encoder.dim, model.hidden)
            self.head: nn.Module = nn.Sequential(hidden, nn.ReLU(), nn.Linear(model.hidden, outputs))
        else:
            self.head = nn.Linear(self.encoder.dim, outputs)
        self.field_encoder = FieldEncoder(model.fields)
        self.fields = FieldTables(self.field_encoder.sizes(), self.encoder.dim, model.fields.feature_dropout)

    def start_at(self, frequencies: Tensor) -> None:
        """Set the biases so that the network begins with these probabilities (categories,) for any title.

        Most tags are false of a title, and learning no more than that would take the first epochs (Lin et al. 2017,
        section 4.1).
        """
        *_, bias = self.head.parameters()
        with torch.no_grad():
            bias[: len(frequencies)].copy_(torch.logit(frequencies))

    def temper_prior(self, counts: Labels, exponent: float) -> None:
        """Divide the probabilities by the prior of the training titles, counts (categories,), to this exponent.

        Guides have other priors than the titles that a model learns from (Menon et al. 2021, Long-tail learning via
        logit adjustment, equation 9, with an exponent below 1).
        """
        *_, bias = self.head.parameters()
        with torch.no_grad():
            bias[: len(counts)].sub_(torch.from_numpy(exponent * np.log(counts / counts.sum())).to(bias))

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.parameters()).device

    def inputs(self, programmes: Programmes) -> Inputs:
        """Turn programmes into a batch on the network's device."""
        inputs = to_inputs(self.characters.batch(programmes.titles), self.model, self.device)
        bags = self.field_encoder.encode(programmes)
        fields = {
            name: BagInputs(
                torch.from_numpy(bag.buckets).to(self.device),
                torch.from_numpy(bag.counts).to(self.device),
                self._factors(field_prefix(name), *bag),
            )
            for name, bag in bags.items()
        }
        grams, counts = (tensor.cpu().numpy() for tensor in (inputs.grams, inputs.gram_counts))
        return inputs._replace(fields=fields, factors=self._factors(NGRAMS, grams, counts))

    def _factors(self, prefix: str, buckets: Labels, counts: Labels) -> Tensor | None:
        familiarity = self.familiarities.get(prefix)
        if familiarity is None:
            return None
        return torch.from_numpy(familiarity.factors(buckets, counts).astype(np.float32)).to(self.device)

    def forward(self, inputs: Inputs) -> Tensor:
        """Return logits (batch, outputs)."""
        vectors = self.fields(self.encoder(inputs), inputs.fields)  # (batch, dim)
        logits: Tensor = self.head(self.dropout(vectors))
        return logits

    def views(self, inputs: Inputs) -> Tensor:
        """Return logits (batch, views, outputs) for training: of all that is there, of the title, and of the fields.

        A model without fields has the first view only. For a programme without fields all views are of its title.
        """
        if not self.model.fields.use:
            return self.forward(inputs)[:, None]
        title = self.encoder(inputs)  # (batch, dim)
        whole = self.fields(title, inputs.fields)
        counts = [bag.counts for bag in inputs.fields.values()]
        has_fields = torch.stack([torch.zeros_like(inputs.gram_counts), *counts]).any(dim=0)  # (batch,)
        fields = torch.where(has_fields[:, None], whole - title, title)
        logits: Tensor = self.head(self.dropout(torch.stack([whole, title, fields], dim=1)))
        return logits

    @property
    def batch_size(self) -> int:
        """The number of programmes that are fastest together."""
        return 256

    def logits(self, programmes: Programmes) -> Floats:
        """Return logits (programmes, outputs) as an array, without dropout."""
        self.eval()
        with torch.inference_mode():
            logits: Floats = self(self.inputs(programmes)).cpu().numpy()
        return logits
