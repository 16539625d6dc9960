"""The network in torch: an encoder (bag, ngram or conv) turns titles into vectors, a head turns these into logits."""

from typing import NamedTuple, assert_never

import torch
from torch import Tensor, nn

from titleclf.runtime.architecture import BagConfig, ConvConfig, ModelConfig, NgramConfig, known_model
from titleclf.runtime.arrays import Floats
from titleclf.runtime.choices import Combine
from titleclf.runtime.text.characters import PAD, Batch, Characters
from titleclf.runtime.text.ngrams import ngrams
from titleclf.runtime.text.programmes import FieldVocabulary, Programmes
from titleclf.training.positions import PositionalCode


class Inputs(NamedTuple):
    """A batch on the network's device."""

    ids: Tensor  # (batch, length)
    mask: Tensor  # (batch, length)
    grams: Tensor  # (ngrams,): of all titles, one title after the other; none for models without n-grams
    gram_counts: Tensor  # (batch,): the n-grams of each title
    field_ids: Tensor | None = None  # (batch, 2): channels and durations, if there are any


def to_inputs(batch: Batch, config: ModelConfig, device: torch.device) -> Inputs:
    """Add the n-grams that the model uses, and move everything to its device."""
    if isinstance(config, NgramConfig):
        grams, counts = ngrams(batch.ids, batch.mask, config.orders, config.buckets, across_words=config.across_words)
    else:
        grams, counts = ngrams(batch.ids, batch.mask, [], 1, across_words=True)
    return Inputs(*(torch.from_numpy(array).to(device) for array in (batch.ids, batch.mask, grams, counts)))


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
            grams, counts = self._drop(grams, counts)
        starts = counts.cumsum(0) - counts
        summed = self.embedding.summed(inputs) + self.ngrams(grams, starts)  # (batch, dim)
        features = inputs.mask.sum(dim=1) + counts
        title: Tensor = summed / features.clamp(min=1).sqrt()[:, None]
        return title

    def _drop(self, grams: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        kept = torch.rand(len(grams), device=grams.device) >= self.ngram_dropout
        rows = torch.repeat_interleave(torch.arange(len(counts), device=grams.device), counts)
        return grams[kept], torch.bincount(rows[kept], minlength=len(counts))


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


class FieldEmbeddings(nn.Module):
    """What a channel and a duration add to a title's vector: nothing where unknown or not in training.

    The tables are sparse like that of n-grams: most channels are in few batches, and must then move far.
    """

    def __init__(self, sizes: tuple[int, int], dim: int) -> None:
        super().__init__()
        self.channels, self.durations = (
            nn.Embedding(size, dim, padding_idx=0, sparse=True, _weight=torch.zeros(size, dim)) for size in sizes
        )

    def forward(self, ids: Tensor) -> Tensor:
        """Return the sum of both (batch, dim) for ids (batch, 2)."""
        vectors: Tensor = self.channels(ids[:, 0]) + self.durations(ids[:, 1])
        return vectors


class TorchNetwork(nn.Module):
    """Logits of programmes: an encoder and a head, linear or with one hidden layer; between them, the fields."""

    def __init__(
        self, config: ModelConfig, characters: Characters, categories: int, fields: FieldVocabulary | None = None
    ) -> None:
        super().__init__()
        self.config, self.characters, self.fields = config, characters, fields
        self.encoder = encoder_of(config, characters)
        self.dropout = nn.Dropout(config.dropout)
        if config.hidden:
            hidden = nn.Linear(self.encoder.dim, config.hidden)
            self.head: nn.Module = nn.Sequential(hidden, nn.ReLU(), nn.Linear(config.hidden, categories))
        else:
            self.head = nn.Linear(self.encoder.dim, categories)
        self.context = None if fields is None else FieldEmbeddings(fields.sizes, self.encoder.dim)

    def start_at(self, frequencies: Tensor) -> None:
        """Set the biases so that the network begins with these probabilities (categories,) for any title.

        Most tags are false of a title, and learning no more than that would take the first epochs (Lin et al. 2017,
        section 4.1).
        """
        *_, bias = self.head.parameters()
        with torch.no_grad():
            bias.copy_(torch.logit(frequencies))

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.parameters()).device

    def inputs(self, programmes: Programmes) -> Inputs:
        """Turn programmes into a batch on the network's device."""
        inputs = to_inputs(self.characters.batch(programmes.titles), self.config, self.device)
        ids = None if self.fields is None else self.fields.ids(programmes)
        return inputs if ids is None else inputs._replace(field_ids=torch.from_numpy(ids).to(self.device))

    def forward(self, inputs: Inputs) -> Tensor:
        """Return logits (batch, categories)."""
        vectors = self.encoder(inputs)  # (batch, dim)
        if self.context is not None and inputs.field_ids is not None:
            vectors = vectors + self.context(inputs.field_ids)
        logits: Tensor = self.head(self.dropout(vectors))
        return logits

    @property
    def batch_size(self) -> int:
        """The number of programmes that are fastest together."""
        return 256

    def logits(self, programmes: Programmes) -> Floats:
        """Return logits (programmes, categories) as an array, without dropout."""
        self.eval()
        with torch.inference_mode():
            logits: Floats = self(self.inputs(programmes)).cpu().numpy()
        return logits
