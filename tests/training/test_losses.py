import numpy as np
import pytest
import torch
from torch.nn import functional

from titleclf.training.losses import class_weights, classification_loss

LOGITS = torch.tensor([[2.0, 0.5, -1.0], [0.0, -0.5, 3.0]])
EVEN = torch.ones(3)


def test_class_weights():
    labels = np.array([0, 0, 0, 1])
    assert class_weights(labels, 2, 0.0).tolist() == [1, 1]
    assert class_weights(labels, 2, 1.0).tolist() == pytest.approx([2 / 3, 2])


def test_class_weights_of_tags_count_each_tag():
    tags = np.array([[True, True], [True, False], [True, False]])
    assert class_weights(tags, 2, 0.0).tolist() == [1, 1]
    assert class_weights(tags, 2, 1.0).tolist() == pytest.approx([2 / 3, 2])


def test_one_category_has_cross_entropy():
    labels = torch.tensor([0, 2])
    expected = functional.cross_entropy(LOGITS, labels, EVEN, label_smoothing=0.1)
    assert classification_loss(LOGITS, labels, EVEN, 0.1) == expected


def test_tags_have_binary_cross_entropies_summed_by_title():
    tags = torch.tensor([[True, True, False], [False, False, True]])
    shares = torch.sigmoid(LOGITS)
    expected = -torch.log(torch.where(tags, shares, 1 - shares)).sum() / 2
    assert classification_loss(LOGITS, tags, EVEN, 0.0).item() == pytest.approx(expected.item())


def test_weights_weigh_all_that_is_said_of_a_tag():
    tags = torch.tensor([[True, True, False], [False, False, True]])
    only_first = classification_loss(LOGITS, tags, torch.tensor([1.0, 0, 0]), 0.0)
    alone = classification_loss(LOGITS[:, :1], tags[:, :1], torch.ones(1), 0.0)
    assert only_first.item() == pytest.approx(alone.item())


def test_smoothing_spreads_a_share_of_a_titles_tags_over_all():
    tags = torch.tensor([[True, True, False], [False, False, True]])
    smooth = torch.tensor([[0.9 + 0.2 / 3, 0.9 + 0.2 / 3, 0.2 / 3], [0.1 / 3, 0.1 / 3, 0.9 + 0.1 / 3]])
    expected = functional.binary_cross_entropy_with_logits(LOGITS, smooth, reduction="sum") / 2
    assert classification_loss(LOGITS, tags, EVEN, 0.1).item() == pytest.approx(expected.item())
