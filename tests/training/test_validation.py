"""Validation: noisy copies of training titles, and the scores that select an epoch."""

import numpy as np
import pytest
import torch

from titleclf.data.dataset import read_dataset
from titleclf.evaluate import metrics, tag_metrics
from titleclf.training.trained_model import new_model
from titleclf.training.validation import noisy_copies, score, score_names, scores_line, validate


@pytest.mark.parametrize("count", [1, 9, 35, 99])
def test_noisy_copies_are_other_spellings_of_distinct_titles_with_their_targets(small, count):
    train = read_dataset(small()).train
    copies = noisy_copies(train, count, np.random.default_rng(1))
    rows = np.random.default_rng(1).permutation(len(train))[:count]
    originals = train.take(rows)
    assert len(copies) == min(count, len(train))
    assert copies.targets.tolist() == originals.targets.tolist()
    assert copies.languages.tolist() == originals.languages.tolist()
    changed = [copy != title for copy, title in zip(copies.titles, originals.titles, strict=True)]
    assert all(changed[: len(copies) // 2])  # misspelt; a format may leave a title unchanged
    again = noisy_copies(train, count, np.random.default_rng(1))
    assert list(copies.titles) == list(again.titles)


@pytest.mark.parametrize("task", ["small", "several"])
def test_a_validated_epoch_has_the_loss_of_unseen_titles_and_scores_of_both_kinds(request, task):
    config = request.getfixturevalue(task)()
    data = read_dataset(config)
    network = new_model(config, data, torch.device("cpu")).network
    noisy = noisy_copies(data.train, len(data.validation), np.random.default_rng(1))
    row = validate(data.validation, noisy, network, config.task, len(data.categories))
    module, main = (metrics, "accuracy") if task == "small" else (tag_metrics, "micro_f1")
    logits = network.logits(data.validation.programmes)
    assert row["validation_loss"] == module.negative_log_likelihood(logits, data.validation.targets)
    assert score_names(row) == (main, "macro_f1", f"known_{main}", "known_macro_f1")
    assert set(row) == {"validation_loss", *score_names(row)}
    if task == "small":
        assert row["accuracy"] == (logits.argmax(axis=1) == data.validation.targets).mean()
        noisy_logits = network.logits(noisy.programmes)
        assert row["known_accuracy"] == (noisy_logits.argmax(axis=1) == noisy.targets).mean()


def test_the_score_is_the_mean_of_four():
    row = {"validation_loss": 9.0, "accuracy": 0.5, "macro_f1": 0.4, "known_accuracy": 0.9, "known_macro_f1": 0.8}
    assert score(row) == pytest.approx(0.65)
    assert scores_line(row) == "accuracy 50.0%  macro-F1 40.0%  noisy train 90.0%"
