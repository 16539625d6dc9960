"""A folded model computes what the trained one does, but for rounding: the same bits alone and in any batch."""

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.explanations import TITLES as EXPLAINED
from tests.helpers.explanations import assert_adds_up
from tests.helpers.networks import (
    TITLES,
    centred,
    folded,
    largest_step,
    rounding_errors,
    table_of,
    with_network,
)
from titleclf.runtime.architecture import NgramConfig
from titleclf.runtime.arrays import Floats
from titleclf.runtime.bundle.folding import BIAS, CHARACTERS, HEAD, NGRAMS, PARTS, has_row, is_folded
from titleclf.runtime.bundle.packing import TABLE
from titleclf.runtime.choices import Combine, Positions, Task
from titleclf.runtime.classifier import Classifier, classifier_of
from titleclf.runtime.errors import InputError
from titleclf.runtime.folded_network import FoldedNetwork
from titleclf.runtime.network import LinearNetwork, logits_of
from titleclf.runtime.score_table import ScoreTable
from titleclf.runtime.text.programmes import Programmes
from titleclf.training.bundle_writer import write_bundle
from titleclf.training.fold import fold, why_not
from titleclf.training.quantization import quantize_weights
from titleclf.training.trained_model import TrainedModel, bundle_of, load_trained

SCORES, SCALES, COARSE, USED = (f"{NGRAMS}{part}" for part in PARTS)
MANY = [*TITLES, *EXPLAINED, *(f"Title {number} of  many" for number in range(3000))]


def assert_alike(model: TrainedModel, titles: list[str] = TITLES) -> None:
    """Assert that logits are as near as they must be: a score is off by half a step of its codes at most."""
    bundle = folded(model)
    logits, expected = (
        logits_of(network, Programmes(titles)) for network in (classifier_of(bundle).network, model.network)
    )
    if model.task is Task.single:
        logits, expected = centred(logits), centred(expected)
    errors = np.abs(logits - expected).max(axis=1)
    assert (errors <= rounding_errors(bundle, Programmes(titles))).all()
    assert np.median(errors) < largest_step(bundle)


@pytest.mark.parametrize("combine", list(Combine))
@pytest.mark.parametrize("positions", list(Positions))
@pytest.mark.parametrize("boundary", [True, False])
def test_every_code_is_folded(run, positions, combine, boundary):
    overrides = [f"model.positions={positions}", f"model.combine={combine}"]
    assert_alike(with_network(run, "ngram", *overrides, boundary=boundary))


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.orders=[3,1]"],
        ["model.orders=[40]"],
        ["model.across_words=false"],
        ["model.across_words=true"],
        ["model.buckets=1024"],
    ],
)
@pytest.mark.parametrize("boundary", [True, False])
def test_ngrams_of_all_kinds_are_folded(run, overrides, boundary):
    assert_alike(with_network(run, "ngram", *overrides, boundary=boundary))


@pytest.mark.parametrize("to_nibbles", [False, True])
def test_packed_tables_are_folded(run, to_nibbles):
    model = with_network(run, "ngram", "model.dim=5")
    quantize_weights(table_of(model), to_nibbles=to_nibbles)
    assert_alike(model)


def test_tags_are_folded_with_a_column_each(tags_run):
    model = load_trained(tags_run)
    assert folded(model).weights[SCORES].shape[1] == len(model.categories)
    assert_alike(model, EXPLAINED)


def test_one_category_takes_no_column_and_unused_buckets_no_row(run):
    model = load_trained(run)
    weights = folded(model).weights
    is_used = table_of(model).ne(0).any(dim=1).numpy()
    assert weights[SCORES].shape == (is_used.sum(), len(model.categories) - 1)
    assert np.array_equal(has_row(weights[USED], len(is_used)), is_used)
    assert not weights[HEAD].any(axis=1).all()


def test_a_table_without_unused_buckets_lists_none(run):
    assert USED not in folded(with_network(run, "ngram")).weights
    assert has_row(None, 3).tolist() == [True, True, True]


def test_a_folded_bundle_is_read_as_it_was_written(run, tmp_path):
    bundle = folded(load_trained(run))
    write_bundle(bundle, tmp_path / "folded")
    classifier = Classifier.load(tmp_path / "folded")
    assert isinstance(classifier.network, FoldedNetwork)
    assert classifier.predict(MANY, top=3) == classifier_of(bundle).predict(MANY, top=3)
    assert "folded into" in (tmp_path / "folded" / "README.md").read_text()


def test_logits_are_the_same_bit_for_bit_however_titles_are_batched(run):
    bundle = folded(load_trained(run))

    def logits(classifier: Classifier[LinearNetwork], titles: list[str]) -> Floats:
        return logits_of(classifier.network, Programmes(titles))

    together = logits(classifier_of(bundle), MANY)
    cold = classifier_of(bundle)  # has not yet scored so many titles that its table is decoded
    alone = np.concatenate([logits(cold, [title]) for title in MANY[:40]])
    assert np.array_equal(alone, together[:40])
    assert logits(classifier_of(bundle), []).shape == (0, 3)


def test_terms_of_folded_models_add_up_to_the_lead(run):
    for model in (load_trained(run), with_network(run, "ngram", "model.orders=[3,1]", boundary=False)):
        assert_adds_up(classifier_of(folded(model)), EXPLAINED)


def test_the_reason_why_a_model_cannot_be_folded_is_given(run):
    assert why_not(with_network(run, "ngram").network.model) is None
    assert why_not(with_network(run, "bag").network.model) == "bag has no n-grams"
    assert why_not(with_network(run, "conv").network.model) == "conv has no n-grams"
    assert why_not(with_network(run, "ngram", "model.hidden=5").network.model) == "its head has a hidden layer"


def test_a_folded_model_is_not_trained_further(run, tmp_path):
    write_bundle(folded(load_trained(run)), tmp_path / "folded")
    with pytest.raises(InputError, match=r"folded must be a model as it was trained. Got a folded one. Name the run"):
        load_trained(tmp_path / "folded")


def without(name):
    return lambda weights: {key: array for key, array in weights.items() if key != name}


def changed(name, change):
    return lambda weights: {**weights, name: change(weights[name])}


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (without(SCALES), "Got only some of them. Export or copy it again."),
        (changed(SCORES, lambda array: array.astype(np.int16)), "Got scores of int16, and bits of uint8, uint8."),
        (changed(USED, lambda array: array.view(np.int8)), "Got scores of int8, and bits of uint8, int8."),
        (changed(USED, lambda array: array[:-1]), "Got another number of bits."),
        (changed(COARSE, lambda array: array[:-1]), "Got another number of bits."),
        (changed(SCORES, lambda array: np.vstack([array] * 2)[: len(array) + 1]), "Got scores of shape ("),
        (changed(SCALES, lambda array: array[:1]), "and scales of shape (1, 2)."),
        (changed(SCALES, lambda array: array * 0), "Got a scale that is not above 0."),
        (changed(SCALES, lambda array: array * np.nan), "Got a scale that is not above 0."),
        (
            changed(HEAD, lambda array: array[:1]),
            "must hold the tensors that its configuration describes. Got head.weight",
        ),
    ],
)
def test_damaged_scores_are_refused(run, tmp_path, damage, fault):
    bundle = folded(load_trained(run))
    write_bundle(replace(bundle, weights=damage(bundle.weights)), tmp_path / "damaged")
    with pytest.raises(InputError) as caught:
        Classifier.load(tmp_path / "damaged")
    assert str(caught.value).startswith(f"{tmp_path / 'damaged' / 'weights.safetensors'} must hold ")
    assert fault in str(caught.value)


def test_a_folded_model_without_buckets_is_refused(run, tmp_path):
    bundle = folded(load_trained(run))
    weights = {**bundle.weights, SCORES: bundle.weights[SCORES][:0], COARSE: bundle.weights[COARSE][:0]}
    weights.pop(USED, None)
    assert isinstance(bundle.model, NgramConfig)
    write_bundle(replace(bundle, model=replace(bundle.model, buckets=0), weights=weights), tmp_path / "damaged")
    with pytest.raises(InputError, match=r"Got no buckets\. Export or copy it again\."):
        Classifier.load(tmp_path / "damaged")


def test_weights_of_a_folded_model_are_recognised_by_their_names(run):
    model = load_trained(run)
    bundle = bundle_of(model)
    assert not is_folded(bundle.weights)
    assert is_folded(fold(bundle.weights, model.task, kinds=0))


@pytest.mark.parametrize("rows", [[[0.0, 3.0]], [[1.0, 2.0]] * 7, [[5.0, 0.0], *[[0.1, 0.2]] * 30], [[0.0, 0.0]]])
def test_scores_of_equal_size_and_columns_of_zeros_keep_their_digits(rows):
    head = np.eye(2, dtype=np.float32)
    parts = fold(
        {TABLE: np.array(rows, dtype=np.float32), HEAD: head, BIAS: head[0], CHARACTERS: head}, Task.multilabel, kinds=0
    )
    table = ScoreTable.of(parts, NGRAMS, len(rows), most=8)
    scores = table.look_up(np.arange(len(rows)))[:, :2] * table.unit
    assert scores == pytest.approx(np.array(rows), rel=0.02, abs=1e-3)
