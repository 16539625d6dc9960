"""The loss: cross-entropy of one category per title or binary cross-entropy of its tags, and an unsupervised term."""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from titleclf.config.schemas import TrainConfig
from titleclf.data.dataset import Dataset
from titleclf.data.targets import Targets
from titleclf.data.unlabelled import Unlabelled, is_long_enough
from titleclf.runtime.arrays import Floats, Labels
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.characters import Characters
from titleclf.training.network import Encoder, TorchNetwork
from titleclf.training.objectives import Objective, objective_of


class Loss:
    """The weighted sum of the terms in `config.loss`."""

    def __init__(self, config: TrainConfig, data: Dataset, network: TorchNetwork) -> None:
        self.network, self.terms, self.label_smoothing = network, config.loss, config.training.label_smoothing
        weights = class_weights(data.train.targets, len(data.categories), config.training.class_balance)
        self.weights = weights.to(network.device)
        self.has_title_weights = bool((data.train.weights != 1).any())
        self.unsupervised = unsupervised_term(config, network.encoder, network.characters, data.train.titles)

    @property
    def fingerprints(self) -> dict[str, str]:
        """The fingerprint of the titles of the unsupervised term, if there is one."""
        if self.unsupervised is None:
            return {}
        titles = "\n".join(self.unsupervised.titles)
        return {"titles without labels": hashlib.sha256(titles.encode()).hexdigest()}

    @property
    def modules(self) -> nn.Module:
        """Everything that is trained: the network, and what the unsupervised term learns beside it."""
        if self.unsupervised is None:
            return self.network
        return nn.ModuleDict({"network": self.network, "regulariser": self.unsupervised})  # the names in checkpoints

    def __call__(
        self, views: Tensor, targets: Targets, kinds: Labels, weights: Floats, generator: np.random.Generator
    ) -> Tensor:
        """Return the loss of a batch with logits (batch, views, outputs), kinds and weights (batch,), in nats."""
        arrays = (targets, kinds, weights)
        truth, true_kinds, title_weights = (torch.from_numpy(array).to(views.device) for array in arrays)
        given = title_weights if self.has_title_weights else None
        losses = torch.stack([self._supervised(logits, truth, true_kinds, given) for logits in views.unbind(dim=1)])
        alone = [self.terms.title_alone, self.terms.fields_alone] if len(losses) > 1 else []
        loss = losses @ losses.new_tensor([1 - sum(alone), *alone])
        if self.unsupervised is not None:
            loss = loss + self.terms.unsupervised * self.unsupervised(self.network.encoder, len(targets), generator)
        return loss

    def _supervised(self, logits: Tensor, truth: Tensor, kinds: Tensor, title_weights: Tensor | None) -> Tensor:
        of_categories, of_kinds = logits[:, : len(self.weights)], logits[:, len(self.weights) :]
        loss = classification_loss(of_categories, truth, self.weights, self.label_smoothing, title_weights)
        loss = self.terms.classification * loss
        if self.terms.kind:
            loss = loss + self.terms.kind * kind_loss(of_kinds, kinds, title_weights)
        return loss


class UnsupervisedTerm(nn.Module):
    """An objective on unlabelled titles, as many as in a batch, drawn from `titles`."""

    def __init__(self, objective: Objective, titles: Sequence[str]) -> None:
        super().__init__()
        self.objective, self.titles = objective, titles

    def forward(self, encoder: Encoder, count: int, generator: np.random.Generator) -> Tensor:
        """Return the loss of `count` different titles, in nats; of all, if there are fewer."""
        rows = generator.choice(len(self.titles), size=min(count, len(self.titles)), replace=False)
        loss: Tensor = self.objective(encoder, [self.titles[row] for row in rows], generator)
        return loss


def class_weights(targets: Targets, categories: int, balance: float) -> Tensor:
    """Return weights (categories,), (mean count / count)^balance: 0 weighs all titles alike, 1 all categories.

    Targets are labels (titles,) or tags (titles, categories).
    """
    counts = np.bincount(targets, minlength=categories) if targets.ndim == 1 else targets.sum(axis=0)
    return torch.from_numpy((counts.mean() / counts) ** balance).float()


def classification_loss(
    logits: Tensor,
    targets: Tensor,
    weights: Tensor,
    label_smoothing: float,
    title_weights: Tensor | None = None,
) -> Tensor:
    """Return the mean loss of titles with logits (batch, categories), in nats.

    Targets are labels (batch,), or tags (batch, categories), which give the sum of binary cross-entropies over the
    tags. In both cases smoothing spreads a fraction of a title's targets evenly over all categories.

    The loss of a title is multiplied by its weight (batch,), which is 1 on average over training, not in each batch:
    a batch of light titles then makes a small step. Without these weights the sums are torch's own, to the last bit.
    """
    if targets.ndim == 1:
        if title_weights is None:
            return functional.cross_entropy(logits, targets, weights, label_smoothing=label_smoothing)
        losses = functional.cross_entropy(logits, targets, weights, reduction="none", label_smoothing=label_smoothing)
        return losses @ title_weights / weights[targets].sum()
    truth = targets.float()
    smooth = torch.lerp(truth, truth.mean(dim=1, keepdim=True), label_smoothing)
    both = weights if title_weights is None else weights * title_weights[:, None]
    return functional.binary_cross_entropy_with_logits(logits, smooth, both, reduction="sum") / len(targets)


def kind_loss(logits: Tensor, kinds: Tensor, title_weights: Tensor | None = None) -> Tensor:
    """Return the sum of cross-entropies over a batch's size, with logits (batch, kinds); -1: unknown, no loss."""
    if title_weights is None:
        return functional.cross_entropy(logits, kinds, ignore_index=-1, reduction="sum") / len(kinds)
    losses = functional.cross_entropy(logits, kinds, ignore_index=-1, reduction="none")
    return losses @ title_weights / len(kinds)


def unsupervised_term(
    config: TrainConfig, encoder: Encoder, characters: Characters, titles: Sequence[str]
) -> UnsupervisedTerm | None:
    """Return the unsupervised term of `config.loss`, on its own titles or else on `titles`; None at weight 0.

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
    return UnsupervisedTerm(objective_of(config.objective, config.model, characters, encoder), long_enough)
