"""What is familiar counts in full, and what training has nothing of for less."""

import zlib
from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.networks import TITLES, folded, with_network, with_random_fields, written
from titleclf.runtime.bundle.familiarity import FAMILIAR, LEAST, Familiarity, factors, text_tables
from titleclf.runtime.bundle.folding import NGRAMS
from titleclf.runtime.bundle.reader import read_bundle
from titleclf.runtime.choices import Field
from titleclf.runtime.classifier import Classifier, classifier_of
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.programmes import Programmes


def test_shares_are_those_of_each_text_and_a_text_without_n_grams_has_nothing_unfamiliar():
    familiarity = Familiarity(np.array([True, False, True]), 0.5)
    buckets, counts = np.array([0, 1, 1, 1, 1, 1, 2]), np.array([2, 0, 4, 1])
    assert familiarity.shares(buckets, counts).tolist() == [0.5, 1.0, 0.0, 1.0]
    assert familiarity.factors(buckets, counts).tolist() == [1.0, 1.0, 0.0, 1.0]


def test_a_text_counts_in_full_from_the_least_share_on_and_below_by_its_square():
    assert factors(np.array([0.0, 0.1, 0.2, 0.4, 1.0]), 0.4) == pytest.approx([0, 0.0625, 0.25, 1, 1])
    assert factors(np.array([0.0, 1.0]), 0.0).tolist() == [1, 1]


@pytest.mark.parametrize("buckets", [1, 8, 997])
def test_tensors_are_read_as_they_were_written(buckets):
    familiarity = Familiarity(np.random.default_rng(1).random(buckets) < 0.3, 0.25)
    read = Familiarity.from_tensors(familiarity.tensors("a."), "a.", buckets, "x")
    assert read is not None
    assert np.array_equal(read.is_familiar, familiarity.is_familiar)
    assert read.least == 0.25
    assert Familiarity.from_tensors({}, "a.", buckets, "x") is None


def packed(content: bytes) -> np.ndarray:
    return np.frombuffer(zlib.compress(content), dtype=np.uint8)


@pytest.mark.parametrize(
    "damage",
    [
        {FAMILIAR: np.zeros(5, dtype=np.uint8)},
        {FAMILIAR: packed(b"\0" * 124)},
        {FAMILIAR: packed(b"\0" * 126)},
        {FAMILIAR: packed(b"\0" * 10**8)},  # not unpacked any further than it is needed
        {FAMILIAR: packed(b"\0" * 125)[:-2]},
        {FAMILIAR: np.zeros(125, dtype=np.float32)},
        {LEAST: np.array([np.nan], dtype=np.float32)},
        {LEAST: np.array([1.5], dtype=np.float32)},
        {LEAST: np.array([0.5, 0.5], dtype=np.float32)},
    ],
)
def test_damaged_tensors_are_refused(damage):
    tensors = Familiarity(np.zeros(1000, dtype=np.bool_), 0.5).tensors("a.")
    tensors |= {f"a.{name}": array for name, array in damage.items()}
    with pytest.raises(InputError, match=r"x must say which of 1000 buckets are familiar, .* Got damaged a\.familiar"):
        Familiarity.from_tensors(tensors, "a.", 1000, "x")
    del tensors[f"a.{LEAST}"]
    with pytest.raises(InputError):
        Familiarity.from_tensors(tensors, "a.", 1000, "x")


def test_the_texts_of_a_model_are_its_title_and_the_texts_among_its_fields(run):
    model = with_network(run, "ngram", fields=tuple(Field)).network.model
    assert [table.prefix for table in text_tables(model)] == [NGRAMS, "fields.description.", "fields.sub_title."]
    assert [table.prefix for table in text_tables(with_network(run, "bag").network.model)] == []


def test_a_bundle_keeps_what_is_familiar(run, tmp_path):
    model = with_network(run, "ngram", fields=tuple(Field))
    bundle = read_bundle(written(model, tmp_path))
    programmes = with_random_fields(TITLES)
    assert np.array_equal(
        classifier_of(bundle).logits(programmes), Classifier.load(tmp_path / "written").logits(programmes)
    )
    unaware = replace(bundle, weights={n: a for n, a in bundle.weights.items() if not n.endswith((FAMILIAR, LEAST))})
    assert not np.allclose(classifier_of(unaware).logits(programmes), classifier_of(bundle).logits(programmes))


@pytest.mark.parametrize("is_folded", [False, True])
def test_what_is_unfamiliar_leaves_the_probabilities_of_a_programme_without_it(run, is_folded):
    model = with_network(run, "ngram", fields=("description", "minutes"))
    model.network.familiarities = {
        table.prefix: Familiarity(np.zeros(table.buckets, dtype=np.bool_), 0.5)
        for table in text_tables(model.network.model)
    }
    classifier = classifier_of(folded(model)) if is_folded else model
    programmes = Programmes(
        ["Match of the Day", "Heat"], {"description": ["Goals.", "A heist."], "minutes": [30.0, 90.0]}
    )
    logits = classifier.network_logits(programmes)
    minutes = classifier.network_logits(programmes.only(["minutes"]))
    assert np.allclose(logits, minutes, atol=1e-5)
    assert not np.allclose(logits[0], logits[1])
