"""What embeddings are pre-trained for: each objective turns titles without labels into a loss."""

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
from titleclf.training.distributed import gathered, share
from titleclf.training.network import Conv, Encoder, Ngram, to_inputs

Places = npt.NDArray[np.int64]


class Pieces(NamedTuple):
    """The characters and n-grams of a batch, title after title, each array (pieces,).

    `ids` counts characters first, then buckets; `starts` and `ends` are places in the title `titles`.
    """

    titles: Places
    ids: Ids
    starts: Places
    ends: Places


class Views(nn.Module):
    """The two halves of a title pulled together, and away from the halves of the other titles of the batch.

    InfoNCE of cosines, both ways: van den Oord et al. 2018 (Representation learning with contrastive predictive
    coding), equation 4, with the symmetric form of Radford et al. 2021 (CLIP).
    """

    def __init__(self, config: ViewsConfig, model: ModelConfig, characters: Characters) -> None:
        super().__init__()
        self.temperature, self.model, self.characters = config.temperature, model, characters

    def forward(self, encoder: Encoder, titles: Sequence[str], generator: np.random.Generator) -> Tensor:
        """Return the mean loss of a half, in nats."""
        draw = draws(generator)
        halves = [halved(title, draw) for title in titles]
        left, right = (self._directions(encoder, [pair[side] for pair in share(halves)]) for side in (0, 1))
        likeness = left @ right.T / self.temperature  # (batch, batch)
        own = torch.arange(len(titles), device=likeness.device)
        return (functional.cross_entropy(likeness, own) + functional.cross_entropy(likeness.T, own)) / 2

    def _directions(self, encoder: Encoder, titles: Sequence[str]) -> Tensor:
        vectors = encoder(to_inputs(self.characters.batch(titles), self.model, _device(encoder)))
        return gathered(functional.normalize(vectors, dim=1))


class Skipgram(nn.Module):
    """A piece of a title foretells another one: skip-gram with negative sampling.

    Mikolov et al. 2013 (Distributed representations of words and phrases), equation 4, over characters and n-grams
    that share no character. Strangers are drawn from the other pieces of the batch.
    """

    def __init__(self, config: SkipgramConfig, model: ModelConfig, characters: Characters) -> None:
        super().__init__()
        self.config, self.model, self.characters = config, model, characters
        self.contexts = _contexts(model, characters)

    def forward(self, encoder: Encoder, titles: Sequence[str], generator: np.random.Generator) -> Tensor:
        """Return the mean loss of a pair of pieces, in nats."""
        pieces = pieces_of(self.characters.batch(titles), self.model, len(self.characters))
        centres, others = (_drawn(pieces, len(titles), self.config.pairs, generator) for _ in range(2))
        apart = (pieces.ends[centres] <= pieces.starts[others]) | (pieces.ends[others] <= pieces.starts[centres])
        vectors = _vectors(encoder, pieces.ids[share(centres[apart])])  # (pairs, dim)
        return _sampled_loss(self.contexts, vectors, pieces.ids, others[apart], self.config.negatives, generator)


class Cbow(nn.Module):
    """All of a title but one place foretells the piece there: continuous bag of words with negative sampling.

    Mikolov et al. 2013 (Efficient estimation of word representations), section 3.1, with pieces as in `Skipgram`.
    """

    def __init__(self, config: CbowConfig, model: ModelConfig, characters: Characters) -> None:
        super().__init__()
        self.config, self.model, self.characters = config, model, characters
        self.contexts = _contexts(model, characters)

    def forward(self, encoder: Encoder, titles: Sequence[str], generator: np.random.Generator) -> Tensor:
        """Return the mean loss of a title, in nats."""
        pieces = pieces_of(self.characters.batch(titles), self.model, len(self.characters))
        hidden = _drawn(pieces, len(titles), 1, generator)  # (batch,)
        missing = hidden[pieces.titles]  # (pieces,): the hidden piece of each one's title
        apart = (pieces.ends <= pieces.starts[missing]) | (pieces.ends[missing] <= pieces.starts)
        counts = np.bincount(pieces.titles[apart], minlength=len(titles))
        some = np.flatnonzero(counts)  # of a title that is one n-gram long, nothing may be left
        own = share(some)
        around = apart & np.isin(pieces.titles, own)
        vectors = _vectors(encoder, pieces.ids[around])
        rows = torch.from_numpy(pieces.titles[around]).to(vectors.device)
        sums = vectors.new_zeros(len(titles), vectors.shape[1]).index_add(0, rows, vectors)
        means = sums[own] / torch.from_numpy(counts[own]).to(sums)[:, None]  # (titles, dim)
        return _sampled_loss(self.contexts, means, pieces.ids, hidden[some], self.config.negatives, generator)


class Masked(nn.Module):
    """Hidden characters, foretold by the convolutions around them (Devlin et al. 2019, BERT, section 3.1)."""

    def __init__(self, config: MaskedConfig, model: ModelConfig, characters: Characters, encoder: Conv) -> None:
        super().__init__()
        self.share, self.model, self.characters = config.share, model, characters
        self.guess = nn.Linear(encoder.dim, len(characters))

    def forward(self, encoder: Encoder, titles: Sequence[str], generator: np.random.Generator) -> Tensor:
        """Return the mean loss of a hidden character, in nats."""
        if not isinstance(encoder, Conv):
            raise TypeError(f"masked characters need convolutions, not {type(encoder).__name__}")
        batch = self.characters.batch(titles)
        # Boundary marks stand where they must, and an unknown character looks hidden: neither is worth a guess.
        hidden = (batch.ids >= SPACE) & (generator.random(batch.ids.shape) < self.share)
        seen = Batch(share(np.where(hidden, UNK, batch.ids)), share(batch.mask), batch.truncated)
        places = encoder.places(to_inputs(seen, self.model, _device(encoder)))  # (batch, channels, length)
        where = torch.from_numpy(share(hidden)).to(places.device)
        guesses = gathered(self.guess(places.transpose(1, 2)[where]))  # (hidden, characters)
        targets = torch.from_numpy(batch.ids[hidden]).to(places.device)
        return functional.cross_entropy(guesses, targets, reduction="sum") / max(1, len(targets))


Objective = Views | Skipgram | Cbow | Masked


def objective_of(config: ObjectiveConfig, model: ModelConfig, characters: Characters, encoder: Encoder) -> Objective:
    """Return the objective for an encoder of `model`, where the encoder is."""
    made: Objective
    match config:
        case ViewsConfig():
            made = Views(config, model, characters)
        case SkipgramConfig():
            made = Skipgram(config, model, characters)
        case CbowConfig():
            made = Cbow(config, model, characters)
        case MaskedConfig() if isinstance(encoder, Conv):
            made = Masked(config, model, characters, encoder)
        case _:
            raise TypeError(f"no objective {type(config).__name__} for {type(encoder).__name__}")
    return made.to(_device(encoder))


def halved(title: str, draw: Draw) -> tuple[str, str]:
    """Deal the words of a title out to two halves, in their order; a single word is cut in two.

    None is empty, if the title has two characters or more.
    """
    words = title.split()
    if len(words) == 1:
        cut = 1 + int(draw() * (len(words[0]) - 1))
        return words[0][:cut], words[0][cut:]
    is_left = [draw() < 0.5 for _ in words]
    if all(is_left) or not any(is_left):
        other = int(draw() * len(words))
        is_left[other] = not is_left[other]
    left, right = (
        " ".join(word for word, to in zip(words, is_left, strict=True) if to is side) for side in (True, False)
    )
    return left, right


def pieces_of(batch: Batch, model: ModelConfig, characters: int) -> Pieces:
    """Return the characters of a batch and, for a model that has them, its n-grams."""
    titles, places = np.nonzero(batch.mask)
    singles = Pieces(titles, batch.ids[batch.mask], places, places + 1)
    if not isinstance(model, NgramConfig):
        return singles
    found = located(batch.ids, batch.mask, model.orders, model.buckets, across_words=model.across_words)
    grams = Pieces(found.titles, found.buckets + characters, found.starts, found.starts + found.orders)
    order = np.argsort(np.concatenate([singles.titles, grams.titles]), kind="stable")
    return Pieces(*(np.concatenate(both)[order] for both in zip(singles, grams, strict=True)))


def _drawn(pieces: Pieces, batch: int, count: int, generator: np.random.Generator) -> Places:
    """Return the numbers of `count` random pieces of each title (batch * count,)."""
    counts = np.bincount(pieces.titles, minlength=batch)
    firsts = counts.cumsum() - counts
    drawn = firsts[:, None] + (generator.random((batch, count)) * counts[:, None]).astype(np.int64)
    return drawn.ravel()


def _vectors(encoder: Encoder, ids: Ids) -> Tensor:
    """Return the embeddings of pieces (pieces, dim)."""
    characters = encoder.embedding.characters
    known = torch.from_numpy(ids).to(characters.weight.device)
    if not isinstance(encoder, Ngram):
        vectors: Tensor = characters(known)
        return vectors
    are_characters = known < characters.num_embeddings
    vectors = characters.weight.new_empty(len(ids), encoder.dim)
    vectors[are_characters] = characters(known[are_characters])
    buckets = known[~are_characters] - characters.num_embeddings
    vectors[~are_characters] = functional.embedding(buckets, encoder.ngrams.weight, sparse=True)
    return vectors


def _contexts(model: ModelConfig, characters: Characters) -> nn.Embedding:
    # What pieces are foretold by: vectors of their own, which start at zero as in word2vec.
    pieces = len(characters) + (model.buckets if isinstance(model, NgramConfig) else 0)
    contexts = nn.Embedding(pieces, model.dim, sparse=True)
    nn.init.zeros_(contexts.weight)
    return contexts


def _sampled_loss(
    contexts: nn.Embedding, vectors: Tensor, ids: Ids, right: Places, negatives: int, generator: np.random.Generator
) -> Tensor:
    """Return the mean over all pairs of -log sigma(right one) - sum of log sigma(-stranger).

    `vectors` (pairs of this process, dim) are those of its share of the `right` ones.
    """
    strangers = generator.integers(len(ids), size=(len(right), negatives))
    targets = ids[np.concatenate([right[:, None], strangers], axis=1)]  # (pairs, 1 + negatives)
    own = torch.from_numpy(share(targets)).to(vectors.device)
    scores = gathered((contexts(own) * vectors[:, None]).sum(dim=2))  # (pairs, 1 + negatives)
    signs = torch.ones_like(scores)
    signs[:, 1:] = -1
    return -functional.logsigmoid(scores * signs).sum() / max(1, len(right))


def _device(encoder: Encoder) -> torch.device:
    return encoder.embedding.characters.weight.device
