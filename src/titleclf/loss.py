"""What training makes small: cross-entropy of one category a title, or binary cross-entropy of its tags."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from titleclf.arrays import Bools, Labels


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
