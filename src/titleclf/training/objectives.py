"""Objectives of pre-training: each turns unlabelled titles into a loss."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from titleclf.config.schemas import CbowConfig, MaskedConfig, ObjectiveConfig, SkipgramConfig, ViewsConfig
from titleclf.data.augmentation.draws import Draw, draws
from titleclf.runtime.architecture import ModelConfig, NgramConfig
from titleclf.runtime.text.characters import SPACE, UNK, Batch, Characters, Ids
from titleclf.runtime.text.ngrams import located
from titleclf.training.distributed import all_gather_rows, shard
from titleclf.training.network import Conv, Encoder, Ngram, to_inputs

Indices = npt.NDArray[np.int64]


class Pieces(NamedTuple):
    """The characters and n-grams of a batch, one title after the other; each array is (pieces,).

    `ids` count the characters first, then the buckets; `starts` and `ends` are positions in the title at row `titles`.
    """

    titles: Indices
    ids: Ids
    starts: Indices
    ends: Indices


class Views(nn.Module):
    """Pulls the two halves of a title together, and away from the halves of the other titles in the batch.

    InfoNCE of cosine similarities in both directions: van den Oord et al. 2018 (Representation learning with
    contrastive predictive coding), equation 4, in the symmetric form of Radford et al. 2021 (CLIP).
    """

    def __init__(self, config: ViewsConfig, model: ModelConfig, characters: Characters) -> None:
        super().__init__()
        self.temperature, self.model, self.characters = config.temperature, model, characters

    def forward(self, encoder: Encoder, titles: Sequence[str], generator: np.random.Generator) -> Tensor:
        """Return the mean loss per half, in nats."""
        draw = draws(generator)
        halves = [halved(title, draw) for title in titles]
        left, right = (self._directions(encoder, [pair[side] for pair in shard(halves)]) for side in (0, 1))
        similarity = left @ right.T / self.temperature  # (batch, batch)
        rows = torch.arange(len(titles), device=similarity.device)
        return (functional.cross_entropy(similarity, rows) + functional.cross_entropy(similarity.T, rows)) / 2

    def _directions(self, encoder: Encoder, titles: Sequence[str]) -> Tensor:
        vectors = encoder(to_inputs(self.characters.batch(titles), self.model, _device(encoder)))
        return all_gather_rows(functional.normalize(vectors, dim=1))


class Skipgram(nn.Module):
    """Skip-gram with negative sampling: one piece of a title predicts another.

    Mikolov et al. 2013 (Distributed representations of words and phrases), equation 4, over characters and n-grams
    that share no character. Negatives are drawn from all pieces of the batch.
    """

    def __init__(self, config: SkipgramConfig, model: ModelConfig, characters: Characters) -> None:
        super().__init__()
        self.config, self.model, self.characters = config, model, characters
        self.contexts = _contexts(model, characters)

    def forward(self, encoder: Encoder, titles: Sequence[str], generator: np.random.Generator) -> Tensor:
        """Return the mean loss per pair of pieces, in nats."""
        pieces = pieces_of(self.characters.batch(titles), self.model, len(self.characters))
        centres, targets = (_drawn(pieces, len(titles), self.config.pairs, generator) for _ in range(2))
        apart = (pieces.ends[centres] <= pieces.starts[targets]) | (pieces.ends[targets] <= pieces.starts[centres])
        vectors = _vectors(encoder, pieces.ids[shard(centres[apart])])  # (pairs, dim)
        return _sampled_loss(self.contexts, vectors, pieces.ids, targets[apart], self.config.negatives, generator)


class Cbow(nn.Module):
    """Continuous bag of words with negative sampling: the rest of a title predicts one hidden piece.

    Mikolov et al. 2013 (Efficient estimation of word representations), section 3.1, with pieces as in `Skipgram`.
    """

    def __init__(self, config: CbowConfig, model: ModelConfig, characters: Characters) -> None:
        super().__init__()
        self.config, self.model, self.characters = config, model, characters
        self.contexts = _contexts(model, characters)

    def forward(self, encoder: Encoder, titles: Sequence[str], generator: np.random.Generator) -> Tensor:
        """Return the mean loss per title, in nats."""
        pieces = pieces_of(self.characters.batch(titles), self.model, len(self.characters))
        hidden = _drawn(pieces, len(titles), 1, generator)  # (batch,)
        hidden_in_title = hidden[pieces.titles]  # (pieces,): the hidden piece of each piece's title
        apart = (pieces.ends <= pieces.starts[hidden_in_title]) | (pieces.ends[hidden_in_title] <= pieces.starts)
        counts = np.bincount(pieces.titles[apart], minlength=len(titles))
        predictable = np.flatnonzero(counts)  # not titles that the hidden piece covers
        own = shard(predictable)
        around = apart & np.isin(pieces.titles, own)
        vectors = _vectors(encoder, pieces.ids[around])
        rows = torch.from_numpy(pieces.titles[around]).to(vectors.device)
        sums = vectors.new_zeros(len(titles), vectors.shape[1]).index_add(0, rows, vectors)
        means = sums[own] / torch.from_numpy(counts[own]).to(sums)[:, None]  # (titles, dim)
        return _sampled_loss(self.contexts, means, pieces.ids, hidden[predictable], self.config.negatives, generator)


class Masked(nn.Module):
    """Convolutions predict hidden characters from their neighbours (Devlin et al. 2019, BERT, section 3.1)."""

    def __init__(self, config: MaskedConfig, model: ModelConfig, characters: Characters, encoder: Conv) -> None:
        super().__init__()
        self.hidden_fraction, self.model, self.characters = config.share, model, characters
        self.guess = nn.Linear(encoder.dim, len(characters))

    def forward(self, encoder: Encoder, titles: Sequence[str], generator: np.random.Generator) -> Tensor:
        """Return the mean loss per hidden character, in nats."""
        if not isinstance(encoder, Conv):
            raise TypeError(f"objective=masked needs convolutions. Got {type(encoder).__name__}. Use model=conv.")
        batch = self.characters.batch(titles)
        # Not boundary tokens, which have fixed positions, or unknown characters, which look like hidden ones.
        hidden = (batch.ids >= SPACE) & (generator.random(batch.ids.shape) < self.hidden_fraction)
        visible = Batch(shard(np.where(hidden, UNK, batch.ids)), shard(batch.mask))
        maps = encoder.places(to_inputs(visible, self.model, _device(encoder)))  # (batch, channels, length)
        is_hidden = torch.from_numpy(shard(hidden)).to(maps.device)
        logits = all_gather_rows(self.guess(maps.transpose(1, 2)[is_hidden]))  # (hidden, characters)
        targets = torch.from_numpy(batch.ids[hidden]).to(maps.device)
        return functional.cross_entropy(logits, targets, reduction="sum") / max(1, len(targets))


Objective = Views | Skipgram | Cbow | Masked


def objective_of(config: ObjectiveConfig, model: ModelConfig, characters: Characters, encoder: Encoder) -> Objective:
    """Return the objective for an encoder of `model`, on the encoder's device.

    Raises
    ------
    TypeError
        If the objective can't train the encoder.
    """
    objective: Objective
    match config:
        case ViewsConfig():
            objective = Views(config, model, characters)
        case SkipgramConfig():
            objective = Skipgram(config, model, characters)
        case CbowConfig():
            objective = Cbow(config, model, characters)
        case MaskedConfig() if isinstance(encoder, Conv):
            objective = Masked(config, model, characters, encoder)
        case _:
            raise TypeError(f"no objective {type(config).__name__} for {type(encoder).__name__}")
    return objective.to(_device(encoder))


def halved(title: str, draw: Draw) -> tuple[str, str]:
    """Split the words of a title at random into two halves that keep their order; a single word is split in two.

    Neither half is empty if the title has at least two characters.
    """
    words = title.split()
    if len(words) == 1:
        end = 1 + int(draw() * (len(words[0]) - 1))
        return words[0][:end], words[0][end:]
    is_left = [draw() < 0.5 for _ in words]
    if all(is_left) or not any(is_left):
        moved = int(draw() * len(words))
        is_left[moved] = not is_left[moved]
    left, right = (
        " ".join(word for word, flag in zip(words, is_left, strict=True) if flag is side) for side in (True, False)
    )
    return left, right


def pieces_of(batch: Batch, model: ModelConfig, characters: int) -> Pieces:
    """Return the characters of a batch, and the n-grams if the model has any."""
    titles, positions = np.nonzero(batch.mask)
    singles = Pieces(titles, batch.ids[batch.mask], positions, positions + 1)
    if not isinstance(model, NgramConfig):
        return singles
    ngrams = located(batch.ids, batch.mask, model.orders, model.buckets, across_words=model.across_words)
    grams = Pieces(ngrams.titles, ngrams.buckets + characters, ngrams.starts, ngrams.starts + ngrams.orders)
    order = np.argsort(np.concatenate([singles.titles, grams.titles]), kind="stable")
    return Pieces(*(np.concatenate(columns)[order] for columns in zip(singles, grams, strict=True)))


def _drawn(pieces: Pieces, batch: int, count: int, generator: np.random.Generator) -> Indices:
    """Return `count` random pieces of each title, as rows of `pieces` (batch * count,)."""
    counts = np.bincount(pieces.titles, minlength=batch)
    firsts = counts.cumsum() - counts
    drawn = firsts[:, None] + (generator.random((batch, count)) * counts[:, None]).astype(np.int64)
    return drawn.ravel()


def _vectors(encoder: Encoder, ids: Ids) -> Tensor:
    """Return the embeddings of pieces (pieces, dim)."""
    characters = encoder.embedding.characters
    numbers = torch.from_numpy(ids).to(characters.weight.device)
    if not isinstance(encoder, Ngram):
        vectors: Tensor = characters(numbers)
        return vectors
    is_character = numbers < characters.num_embeddings
    vectors = characters.weight.new_empty(len(ids), encoder.dim)
    vectors[is_character] = characters(numbers[is_character])
    buckets = numbers[~is_character] - characters.num_embeddings
    vectors[~is_character] = functional.embedding(buckets, encoder.ngrams.weight, sparse=True)
    return vectors


def _contexts(model: ModelConfig, characters: Characters) -> nn.Embedding:
    # Pieces have separate vectors as targets, which start at zero as in word2vec.
    pieces = len(characters) + (model.buckets if isinstance(model, NgramConfig) else 0)
    contexts = nn.Embedding(pieces, model.dim, sparse=True)
    nn.init.zeros_(contexts.weight)
    return contexts


def _sampled_loss(
    contexts: nn.Embedding, vectors: Tensor, ids: Ids, targets: Indices, negatives: int, generator: np.random.Generator
) -> Tensor:
    """Return the mean over all pairs of -log sigma(target's score) - sum of log sigma(-negative's score).

    `targets` (pairs,) are rows of `ids` (pieces,); `vectors` (pairs of this process, dim) belong to its shard.
    """
    negative_rows = generator.integers(len(ids), size=(len(targets), negatives))
    scored = ids[np.concatenate([targets[:, None], negative_rows], axis=1)]  # (pairs, 1 + negatives)
    own = torch.from_numpy(shard(scored)).to(vectors.device)
    scores = all_gather_rows((contexts(own) * vectors[:, None]).sum(dim=2))  # (pairs, 1 + negatives)
    signs = torch.ones_like(scores)
    signs[:, 1:] = -1
    return -functional.logsigmoid(scores * signs).sum() / max(1, len(targets))


def _device(encoder: Encoder) -> torch.device:
    return encoder.embedding.characters.weight.device
