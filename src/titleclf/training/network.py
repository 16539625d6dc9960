"""The network: an encoder (bag, ngram or conv) turns titles into vectors, a head turns vectors into logits."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from titleclf.runtime.architecture import BagConfig, ConvConfig, ModelConfig, NgramConfig
from titleclf.runtime.arrays import Labels
from titleclf.runtime.choices import Combine
from titleclf.runtime.text.characters import PAD, Batch
from titleclf.runtime.text.ngrams import ngrams
from titleclf.training.positions import PositionalCode


class Inputs(NamedTuple):
    """A batch on the model's device.

    `ids` and `mask` are (batch, length). `grams` holds the n-grams of all titles one after the other, `gram_counts`
    (batch,) how many each title has; both are empty for models without n-grams. `context` (batch, 2) are the ids of
    channels and durations, if there are any.
    """

    ids: Tensor
    mask: Tensor
    grams: Tensor
    gram_counts: Tensor
    context: Tensor | None = None


def to_inputs(batch: Batch, config: ModelConfig, device: torch.device, context_ids: Labels | None = None) -> Inputs:
    """Add the n-grams that the model wants, and move everything to its device."""
    if isinstance(config, NgramConfig):
        grams, counts = ngrams(batch.ids, batch.mask, config.orders, config.buckets, across_words=config.across_words)
    else:
        grams, counts = ngrams(batch.ids, batch.mask, [], 1, across_words=True)
    inputs = Inputs(*(torch.from_numpy(array).to(device) for array in (batch.ids, batch.mask, grams, counts)))
    return inputs if context_ids is None else inputs._replace(context=torch.from_numpy(context_ids).to(device))


class PositionalCharacters(nn.Module):
    """Character embeddings combined with the code of their places; zero where a title has ended."""

    def __init__(self, config: ModelConfig, characters: int, length: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(characters, config.dim, padding_idx=PAD)
        # Codes are as large as 1: added to them, smaller characters would be drowned. Multiplied, they need not be.
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
        """Return the sum over each title (batch, dim): `forward` without the places after the ends of titles."""
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
        # An n-gram that training never saw says nothing, so it must add nothing.
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
    """Convolutions of several widths over positional characters, each at its strongest place in the title."""

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
        """Return what is found at each place of the titles (batch, channels of all widths, length)."""
        vectors = self.embedding(inputs).transpose(1, 2)  # (batch, dim, length)
        length = vectors.shape[2]
        ended = ~inputs.mask[:, None, :]
        # ReLU is never negative, so zero stands for "nothing found" after the end of a title.
        found = [conv(vectors)[..., :length].relu().masked_fill(ended, 0) for conv in self.convolutions]
        return torch.cat(found, dim=1)


Encoder = Bag | Ngram | Conv


class ContextEmbedding(nn.Module):
    """What a channel and a duration add to a title's vector.

    Nothing, where they are not known, or were in no title of training. Tables are sparse for the same reason as that of
    n-grams: most channels are seldom in a batch, and must then move far.
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


class Network(nn.Module):
    """Logits of titles: an encoder and a head, linear or with one hidden layer; between them, what a context adds."""

    def __init__(
        self,
        config: ModelConfig,
        characters: int,
        length: int,
        categories: int,
        context_sizes: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder_of(config, characters, length)
        self.dropout = nn.Dropout(config.dropout)
        if config.hidden:
            hidden = nn.Linear(self.encoder.dim, config.hidden)
            self.head: nn.Module = nn.Sequential(hidden, nn.ReLU(), nn.Linear(config.hidden, categories))
        else:
            self.head = nn.Linear(self.encoder.dim, categories)
        self.context = None if context_sizes is None else ContextEmbedding(context_sizes, self.encoder.dim)

    def start_at(self, shares: Tensor) -> None:
        """Let the network begin with these probabilities (categories,) for any title.

        Of many tags most are false of a title: to learn no more than that would take it the first epochs (Lin et al.
        2017, section 4.1).
        """
        *_, bias = self.head.parameters()
        with torch.no_grad():
            bias.copy_(torch.logit(shares))

    def forward(self, inputs: Inputs) -> Tensor:
        """Return logits (batch, categories)."""
        vectors = self.encoder(inputs)  # (batch, dim)
        if self.context is not None and inputs.context is not None:
            vectors = vectors + self.context(inputs.context)
        logits: Tensor = self.head(self.dropout(vectors))
        return logits


def encoder_of(config: ModelConfig, characters: int, length: int) -> Encoder:
    """Return the encoder of `config`, untrained."""
    match config:
        case BagConfig():
            return Bag(config, characters, length)
        case NgramConfig():
            return Ngram(config, characters, length)
        case ConvConfig():
            return Conv(config, characters, length)
    raise TypeError(f"no encoder for {type(config).__name__}")
