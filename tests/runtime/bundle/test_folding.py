"""A folded model says what the trained one does, but for rounding; whatever it is asked with, in the same bits."""

from dataclasses import replace

import numpy as np
import pytest

from tests.runtime.test_classifier import TITLES, with_network
from tests.runtime.test_explanation import TITLES as EXPLAINED
from tests.runtime.test_explanation import assert_adds_up
from titleclf.runtime.bundle.folding import COARSE, HEAD, LEVELS, SCALES, SCORES, USED, has_row, is_folded
from titleclf.runtime.bundle.reader import Saved
from titleclf.runtime.choices import Combine, Positions, Task
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError
from titleclf.runtime.folded_network import Folded
from titleclf.training.bundle_writer import save
from titleclf.training.fold import fold, why_not
from titleclf.training.quantization import round_weights
from titleclf.training.trained_model import load_bundle

MANY = [*TITLES, *EXPLAINED, *(f"Title {number} of  many" for number in range(3000))]


def folded(bundle) -> Saved:
    saved = bundle.saved()
    return replace(saved, weights=fold(saved.weights, saved.task))


def centred(logits):
    return logits - logits.mean(axis=1, keepdims=True)


def assert_alike(bundle, titles=TITLES):
    """Assert that logits are as near as they must be: a score is off by half a step of its codes at most."""
    saved = folded(bundle)
    found, known = Classifier.of(saved).network_logits(titles)[0], bundle.network_logits(titles)[0]
    if bundle.task is Task.single:
        found, known = centred(found), centred(known)
    features = 6 * np.array([min(len(title), bundle.characters.length) + 2 for title in titles])
    step = saved.weights[SCALES].max() * (LEVELS[127] - LEVELS[126])  # the largest
    off = np.abs(found - known).max(axis=1) / step
    assert (off <= np.sqrt(features)).all()  # where all err alike, as in a title of one letter, and centring doubles it
    assert np.median(off) < 1


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
    bundle = with_network(run, "ngram", "model.dim=5")
    round_weights(bundle.network.encoder.ngrams.weight, to_nibbles=to_nibbles)
    assert_alike(bundle)


def test_tags_are_folded_with_a_column_each(tags_run):
    bundle = load_bundle(tags_run)
    assert folded(bundle).weights[SCORES].shape[1] == len(bundle.categories)
    assert_alike(bundle, EXPLAINED)


def test_one_category_takes_no_column_and_unused_buckets_no_row(run):
    bundle = load_bundle(run)
    saved = folded(bundle)
    table = bundle.network.encoder.ngrams.weight.detach().numpy()
    assert saved.weights[SCORES].shape == (table.any(axis=1).sum(), len(bundle.categories) - 1)
    assert np.array_equal(has_row(saved.weights[USED], len(table)), table.any(axis=1))
    assert not saved.weights[HEAD].any(axis=1).all()


def test_a_table_without_unused_buckets_tells_of_none(run):
    saved = folded(with_network(run, "ngram"))
    assert USED not in saved.weights
    assert has_row(None, 3).tolist() == [True, True, True]


def test_a_folded_bundle_is_read_as_it_was_written(run, tmp_path):
    saved = folded(load_bundle(run))
    save(saved, tmp_path / "folded")
    found = Classifier.load(tmp_path / "folded")
    assert isinstance(found.network, Folded)
    assert found.predict(MANY, top=3) == Classifier.of(saved).predict(MANY, top=3)
    assert "folded into" in (tmp_path / "folded" / "README.md").read_text()


def test_answers_are_the_same_to_the_bit_however_titles_are_batched(run):
    saved = folded(load_bundle(run))
    together = Classifier.of(saved).network_logits(MANY)[0]
    few = Classifier.of(saved)  # has not yet been asked for so many that its table is decoded
    alone = np.concatenate([few.network_logits([title])[0] for title in MANY[:40]])
    assert np.array_equal(alone, together[:40])
    assert Classifier.of(saved).network_logits([])[0].shape == (0, 3)


def test_parts_of_folded_models_add_up_to_the_lead(run):
    for bundle in (load_bundle(run), with_network(run, "ngram", "model.orders=[3,1]", boundary=False)):
        assert_adds_up(Classifier.of(folded(bundle)), EXPLAINED)


def test_what_can_not_be_folded_is_told(run):
    assert why_not(with_network(run, "ngram").network.config) is None
    assert why_not(with_network(run, "bag").network.config) == "bag has no n-grams"
    assert why_not(with_network(run, "conv").network.config) == "conv has no n-grams"
    assert why_not(with_network(run, "ngram", "model.hidden=5").network.config) == "its head has a hidden layer"


def test_a_folded_model_is_not_trained_further(run, tmp_path):
    save(folded(load_bundle(run)), tmp_path / "folded")
    with pytest.raises(InputError, match=r"folded must be a model as it was trained. Got a folded one. Name the run"):
        load_bundle(tmp_path / "folded")


def without(name):
    return lambda weights: {one: array for one, array in weights.items() if one != name}


def changed(name, change):
    return lambda weights: {**weights, name: change(weights[name])}


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (without(SCALES), "Got only some of them. Export or copy it again."),
        (changed(SCORES, lambda one: one.astype(np.int16)), "Got scores of int16, and bits of uint8, uint8."),
        (changed(USED, lambda one: one.view(np.int8)), "Got scores of int8, and bits of uint8, int8."),
        (changed(USED, lambda one: one[:-1]), "Got another number of bits."),
        (changed(COARSE, lambda one: one[:-1]), "Got another number of bits."),
        (changed(SCORES, lambda one: np.vstack([one] * 2)[: len(one) + 1]), "Got scores of shape ("),
        (changed(SCALES, lambda one: one[:1]), "and scales of shape (1, 2)."),
        (changed(SCALES, lambda one: one * 0), "Got a scale that is not above 0."),
        (changed(SCALES, lambda one: one * np.nan), "Got a scale that is not above 0."),
        (changed(HEAD, lambda one: one[:1]), "must hold the tensors that its configuration describes. Got head.weight"),
    ],
)
def test_damaged_scores_are_refused(run, tmp_path, damage, fault):
    saved = folded(load_bundle(run))
    save(replace(saved, weights=damage(saved.weights)), tmp_path / "damaged")
    with pytest.raises(InputError) as caught:
        Classifier.load(tmp_path / "damaged")
    assert str(caught.value).startswith(f"{tmp_path / 'damaged' / 'weights.safetensors'} must hold ")
    assert fault in str(caught.value)


def test_a_folded_model_without_buckets_is_refused(run, tmp_path):
    saved = folded(load_bundle(run))
    weights = {**saved.weights, SCORES: saved.weights[SCORES][:0], COARSE: saved.weights[COARSE][:0]}
    weights.pop(USED, None)
    save(replace(saved, model=replace(saved.model, buckets=0), weights=weights), tmp_path / "damaged")
    with pytest.raises(InputError, match=r"Got no buckets\. Export or copy it again\."):
        Classifier.load(tmp_path / "damaged")


def test_weights_of_a_folded_model_are_told_by_their_names(run):
    saved = load_bundle(run).saved()
    assert not is_folded(saved.weights)
    assert is_folded(fold(saved.weights, saved.task))
