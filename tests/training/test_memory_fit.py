"""Weights of memories, fitted to titles with their neighbours."""

import numpy as np
import pytest
from scipy.special import expit, softmax

from tests.helpers.titles import rows, tag_rows
from titleclf.data.augmentation.noise import misspell
from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.choices import MemoryKind, Misspelling
from titleclf.runtime.memory.memory import Memory
from titleclf.runtime.text.tags import tags_in
from titleclf.training.memory_fit import Sample, fit_memory

CATEGORIES = ["Music", "News", "Sports"]
TAG_CATEGORIES = ["Live", "Long", "Music", "News", "Sports"]
TITLES = [title for title, _, _ in rows()]
LABELS = np.array([CATEGORIES.index(category) for _, category, _ in rows()])
TAGS = np.array([[name in tags_in(cell) for name in TAG_CATEGORIES] for _, cell, _ in tag_rows()])


def memory_of(
    targets: Labels | Bools = LABELS, weights: Floats | None = None, kind: MemoryKind = MemoryKind.fuzzy
) -> Memory:
    memory = Memory.from_titles(kind, TITLES, targets)
    memory.weights = memory.weights if weights is None else weights
    return memory


def fitted(*samples: Sample, targets: Labels | Bools = LABELS, kind: MemoryKind = MemoryKind.fuzzy) -> Memory:
    """Return a memory of all titles that is fitted to the samples."""
    memory = memory_of(targets, kind=kind)
    fit_memory(memory, samples)
    return memory


def misspelt(titles: list[str], seed: int, times: int = 1) -> list[str]:
    return list(misspell(titles, list(Misspelling), times, np.random.default_rng(seed)))


def test_neighbours_are_trusted_only_if_they_are_often_right():
    titles = misspelt(TITLES * 9, seed=2)
    logits = np.random.default_rng(3).normal(size=(len(titles), 3))
    trusted = fitted(Sample(titles, logits, np.tile(LABELS, 9), 1.0))
    doubted = fitted(Sample(titles, logits, np.tile((LABELS + 1) % 3, 9), 1.0))
    assert trusted.evidence(["Tagesschau"], 3).max() > 2
    assert doubted.evidence(["Tagesschau"], 3).max() < 0.3
    assert trusted.weights[1] >= 0
    assert doubted.weights[1] >= 0


def test_the_tags_of_neighbours_are_trusted_only_if_they_are_often_right():
    logits = np.random.default_rng(3).normal(size=TAGS.shape)
    trusted = fitted(Sample(TITLES, logits, TAGS, 1.0), targets=TAGS)
    doubted = fitted(Sample(TITLES, logits, ~TAGS, 1.0), targets=TAGS)
    assert np.abs(trusted.evidence(TITLES, 5)).min() > 1
    assert np.abs(doubted.evidence(TITLES, 5)).max() < 0.5
    assert np.isfinite(trusted.weights).all()


def test_an_exact_match_is_never_certain_even_if_all_were_right():
    noise = np.random.default_rng(6).normal(size=(len(TITLES), 3))
    logits = noise + 2 * np.eye(3)[LABELS]
    memory = fitted(Sample(["zzzz"] * len(TITLES), logits, LABELS, 1.0), Sample(TITLES, logits, LABELS, 1.0))
    assert np.isfinite(memory.weights).all()
    right = softmax(noise + memory.evidence(TITLES, 3), axis=1)[np.arange(len(LABELS)), LABELS]
    assert 0.9 < right.mean() < 0.99


def test_fitted_weights_locally_maximize_the_likelihood_of_labels():
    titles = misspelt(TITLES * 5, seed=2, times=2)
    labels = np.where(np.random.default_rng(5).random(len(titles)) < 0.3, 0, np.tile(LABELS, 5))
    logits = np.random.default_rng(4).normal(size=(len(titles), 3))
    memory = fitted(Sample(titles, logits, labels, 1.0))

    def loss(weights: Floats) -> float:
        raised = logits + memory_of(weights=weights).evidence(titles, 3)
        scaled = [softmax(raised / temperature, axis=1) for temperature in np.geomspace(0.05, 20, 400)]
        likelihood = max(np.log(values[np.arange(len(labels)), labels]).mean() for values in scaled)
        return float(-likelihood + 1e-3 * weights @ weights)

    best = loss(memory.weights)
    for step in ([0.3, 0], [-0.3, 0], [0, 0.3], [0, -0.3]):
        assert loss(memory.weights + step) > best


def test_fitted_weights_locally_maximize_the_likelihood_of_tags():
    generator = np.random.default_rng(4)
    titles = misspell(TITLES * 5, list(Misspelling), 2, generator)
    tags = np.tile(TAGS, (5, 1)) ^ (generator.random((250, 5)) < 0.1)
    logits = generator.normal(size=tags.shape)
    memory = fitted(Sample(titles, logits, tags, 1.0), targets=TAGS)

    def loss(weights: Floats) -> float:
        raised = logits + memory_of(TAGS, weights).evidence(titles, 5)
        likelihoods = [
            np.log(np.where(tags, expit(tempered), expit(-tempered))).sum(axis=1).mean()
            for temperature in np.geomspace(0.3, 3, 60)
            for tempered in [raised / temperature + shift for shift in np.linspace(-1, 1, 41)]
        ]
        return float(-max(likelihoods) + 1e-3 * weights @ weights)

    best = loss(memory.weights)
    for step in np.vstack([np.eye(4), -np.eye(4)]) * 0.4:
        assert loss(memory.weights + step) > best


def test_fitting_twice_gives_the_same_weights_and_the_weight_of_a_sample_counts():
    logits = np.zeros((len(TITLES), 3))
    right, wrong = Sample(TITLES, logits, LABELS, 1.0), Sample(TITLES, logits, (LABELS + 1) % 3, 0.5)
    first, again = fitted(right, wrong), memory_of(weights=np.array([9.0, 9.0]))
    fit_memory(again, [right, wrong])
    less = fitted(right, wrong._replace(weight=0.1))
    assert first.weights.tolist() == again.weights.tolist()
    assert less.evidence(["Tagesschau"], 3).max() > first.evidence(["Tagesschau"], 3).max()


@pytest.mark.parametrize(("targets", "count"), [(LABELS, 2), (TAGS, 4)])
def test_a_memory_is_fitted_even_if_no_title_has_a_neighbour(targets, count):
    categories = 3 if targets.ndim == 1 else 5
    samples = [
        Sample(titles, np.zeros((len(titles), categories)), targets[: len(titles)], 1.0) for titles in (["zzzz"], [])
    ]
    assert fitted(*samples, targets=targets, kind=MemoryKind.exact).weights.tolist() == [0] * count
