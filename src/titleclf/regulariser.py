"""The unsupervised term of the loss: an objective of pre-training, kept on while labels are learnt."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from titleclf.characters import Characters
from titleclf.config import TrainConfig
from titleclf.errors import InputError
from titleclf.model import Encoder, Network
from titleclf.objectives import Objective, objective_of
from titleclf.unlabelled import Unlabelled, is_long_enough


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
