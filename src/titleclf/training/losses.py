"""What training makes small: cross-entropy of one category a title, or binary cross-entropy of its tags."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from titleclf.config.schemas import TrainConfig
from titleclf.data.unlabelled import Unlabelled, is_long_enough
from titleclf.runtime.arrays import Bools, Labels
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.characters import Characters
from titleclf.training.network import Encoder, Network
from titleclf.training.objectives import Objective, objective_of


def class_weights(targets: Labels | Bools, categories: int, balance: float) -> Tensor:
    """Return weights (categories,) that are (mean count / count)^balance: 0 leaves titles equal, 1 categories.

    Targets are labels (titles,) or tags (titles, categories).
    """
    counts = np.bincount(targets, minlength=categories) if targets.ndim == 1 else targets.sum(axis=0)
    return torch.from_numpy((counts.mean() / counts) ** balance).float()


def classification_loss(logits: Tensor, targets: Tensor, weights: Tensor, label_smoothing: float) -> Tensor:
    """Return the mean loss of titles with logits (batch, categories), in nats.

    Targets are labels (batch,), or tags (batch, categories): then it is the sum of binary cross-entropies over the
    tags. Smoothing takes a share of what is true of a title and spreads it evenly over all categories, in both.
    """
    if targets.ndim == 1:
        return functional.cross_entropy(logits, targets, weights, label_smoothing=label_smoothing)
    truth = targets.float()
    smooth = torch.lerp(truth, truth.mean(dim=1, keepdim=True), label_smoothing)
    return functional.binary_cross_entropy_with_logits(logits, smooth, weights, reduction="sum") / len(targets)


class Regulariser(nn.Module):
    """An objective on as many titles as a batch has, drawn from `titles`."""

    def __init__(self, objective: Objective, titles: Sequence[str]) -> None:
        super().__init__()
        self.objective, self.titles = objective, titles

    def forward(self, encoder: Encoder, count: int, generator: np.random.Generator) -> Tensor:
        """Return the loss of `count` different titles, in nats; of all, if there are fewer."""
        rows = generator.choice(len(self.titles), size=min(count, len(self.titles)), replace=False)
        loss: Tensor = self.objective(encoder, [self.titles[row] for row in rows], generator)
        return loss


def regulariser_of(
    config: TrainConfig, network: Network, characters: Characters, titles: Sequence[str]
) -> Regulariser | None:
    """Return the term that `config.loss` asks for, on its own titles or else on `titles`; none at weight 0.

    Raises
    ------
    InputError
        If the titles can't be read, or none is long enough.
    """
    if not config.loss.unsupervised:
        return None
    pool = titles if config.loss.titles is None else Unlabelled(config.loss.titles, config.loss.column)
    long_enough = [title for title in pool if is_long_enough(title)]
    if not long_enough:
        raise InputError(
            f"loss.titles must have titles of two characters or more. Got none in {config.loss.titles or 'training'}. "
            "Name another file."
        )
    return Regulariser(objective_of(config.objective, config.model, characters, network.encoder), long_enough)
