from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from titleclf.config.schemas import TrainConfig
from titleclf.data.dataset import Dataset, read_dataset
from titleclf.training.losses import Loss, class_weights, classification_loss, kind_loss
from titleclf.training.trained_model import new_model

LOGITS = torch.tensor([[2.0, 0.5, -1.0], [0.0, -0.5, 3.0]])
EVEN = torch.ones(3)
UNKNOWN = np.full(3, -1)  # kinds
ALIKE = np.ones(3, dtype=np.float32)  # weights of titles
UNSUPERVISED = "loss.unsupervised=0.1"


def new_loss(config: TrainConfig) -> tuple[Loss, Dataset]:
    data = read_dataset(config)
    return Loss(config, data, new_model(config, data, torch.device("cpu")).network), data


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
    probabilities = torch.sigmoid(LOGITS)
    expected = -torch.log(torch.where(tags, probabilities, 1 - probabilities)).sum() / 2
    assert classification_loss(LOGITS, tags, EVEN, 0.0).item() == pytest.approx(expected.item())


def test_a_class_weight_applies_to_both_values_of_a_tag():
    tags = torch.tensor([[True, True, False], [False, False, True]])
    only_first = classification_loss(LOGITS, tags, torch.tensor([1.0, 0, 0]), 0.0)
    alone = classification_loss(LOGITS[:, :1], tags[:, :1], torch.ones(1), 0.0)
    assert only_first.item() == pytest.approx(alone.item())


def test_smoothing_spreads_a_fraction_of_the_tags_of_a_title_over_all():
    tags = torch.tensor([[True, True, False], [False, False, True]])
    smooth = torch.tensor([[0.9 + 0.2 / 3, 0.9 + 0.2 / 3, 0.2 / 3], [0.1 / 3, 0.1 / 3, 0.9 + 0.1 / 3]])
    expected = functional.binary_cross_entropy_with_logits(LOGITS, smooth, reduction="sum") / 2
    assert classification_loss(LOGITS, tags, EVEN, 0.1).item() == pytest.approx(expected.item())


LABELS, TAGS = torch.tensor([0, 2]), torch.tensor([[True, True, False], [False, False, True]])


@pytest.mark.parametrize("targets", [LABELS, TAGS])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_title_of_weight_two_counts_twice_and_one_of_weight_zero_not_at_all(targets, smoothing):
    weights = torch.tensor([0.5, 1.0, 2.0])
    both = classification_loss(LOGITS, targets, weights, smoothing).item()
    first, second = (
        classification_loss(LOGITS, targets, weights, smoothing, torch.tensor(pair)).item()
        for pair in ([1.0, 0.0], [0.0, 1.0])
    )
    assert first + second == pytest.approx(both)
    twice = classification_loss(LOGITS, targets, weights, smoothing, torch.tensor([2.0, 1.0])).item()
    assert twice == pytest.approx(2 * first + second)


def test_a_kind_counts_as_much_as_its_title():
    kinds = torch.tensor([0, -1])
    assert kind_loss(LOGITS, kinds, torch.tensor([2.0, 5.0])).item() == pytest.approx(
        2 * kind_loss(LOGITS, kinds).item()
    )


def test_the_loss_has_the_weights_of_its_titles(small):
    config = small()
    data = read_dataset(config)
    data = replace(data, train=replace(data.train, weights=np.linspace(0.5, 1.5, len(data.train), dtype=np.float32)))
    loss = Loss(config, data, new_model(config, data, torch.device("cpu")).network)
    logits, targets, weights = torch.randn(2, len(data.categories)), data.train.targets[:2], data.train.weights[:2]
    smoothing = config.training.label_smoothing
    labels, title_weights = torch.from_numpy(targets), torch.from_numpy(weights)
    expected = classification_loss(logits, labels, torch.ones(len(data.categories)), smoothing, title_weights)
    assert torch.equal(loss(logits[:, None], targets, UNKNOWN[:2], weights, np.random.default_rng(1)), expected)


@pytest.mark.parametrize("task", ["small", "several"])
def test_the_loss_is_the_weighted_classification_loss(request, task):
    make = request.getfixturevalue(task)
    loss, data = new_loss(make("training.class_balance=1", "training.label_smoothing=0.2", "loss.classification=3"))
    logits, targets = torch.randn(2, len(data.categories)), data.train.targets[:2]
    weights = class_weights(data.train.targets, len(data.categories), 1.0)
    expected = 3 * classification_loss(logits, torch.from_numpy(targets), weights, 0.2)
    assert torch.equal(loss(logits[:, None], targets, UNKNOWN[:2], ALIKE[:2], np.random.default_rng(1)), expected)


def test_the_loss_of_views_is_their_weighted_mean(small):
    loss, data = new_loss(small("loss.title_alone=0.5", "loss.fields_alone=0.125"))
    views, targets = torch.randn(2, 3, len(data.categories)), data.train.targets[:2]
    whole, title, fields = (
        loss(views[:, [view]], targets, UNKNOWN[:2], ALIKE[:2], np.random.default_rng(1)).item() for view in range(3)
    )
    assert loss(views, targets, UNKNOWN[:2], ALIKE[:2], np.random.default_rng(1)).item() == pytest.approx(
        0.375 * whole + 0.5 * title + 0.125 * fields
    )


def test_the_loss_adds_the_unsupervised_term_of_as_many_titles_as_the_batch_has(small):
    loss, data = new_loss(small(UNSUPERVISED))
    logits, targets = torch.randn(3, len(data.categories)), data.train.targets[:3]
    plain, _ = new_loss(small())
    assert loss.unsupervised is not None
    term = loss.unsupervised(loss.network.encoder, 3, np.random.default_rng(1))
    expected = plain(logits[:, None], targets, UNKNOWN, ALIKE, np.random.default_rng(1)) + 0.1 * term
    assert torch.allclose(loss(logits[:, None], targets, UNKNOWN, ALIKE, np.random.default_rng(1)), expected)


def test_the_trained_modules_are_the_network_and_what_the_unsupervised_term_learns(small):
    plain, _ = new_loss(small("objective=skipgram"))
    assert plain.modules is plain.network
    assert plain.fingerprints == {}
    loss, _ = new_loss(small("objective=skipgram", UNSUPERVISED))
    names = set(dict(loss.modules.named_parameters()))
    assert {f"network.{name}" for name, _ in loss.network.named_parameters()} < names
    assert names - {f"network.{name}" for name, _ in loss.network.named_parameters()} == {
        "regulariser.objective.contexts.weight"
    }
    assert set(loss.fingerprints) == {"titles without labels"}
