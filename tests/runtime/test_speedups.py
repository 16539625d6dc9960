"""Compiled functions return the same as their twins in Python; all other tests use the compiled ones."""

import os
import random
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.helpers.networks import MODEL
from tests.helpers.titles import rows
from titleclf.runtime import speedups
from titleclf.runtime.arrays import Floats
from titleclf.runtime.calibration import Temperature
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.folded_network import FoldedNetwork
from titleclf.runtime.memory.prefilter import Skeletons
from titleclf.runtime.prediction import Prediction, top1
from titleclf.runtime.text.characters import Characters
from titleclf.runtime.text.programmes import Programmes
from titleclf.runtime.text.title_keys import key_of, marker_words

SPACES = "".join(character for character in map(chr, range(sys.maxunicode)) if character.isspace())


def random_titles() -> list[str]:
    """Return titles of all lengths of characters from all of Unicode, and of parts of titles."""
    draw = random.Random(3)
    parts = [
        *(title for title, _, _ in rows()),
        *sorted(marker_words()),
        "ẞ",
        "İ",
        "e\u0301",
        "12",
        "S01E02",
        *SPACES,
        *" .-:" * 60,
    ]
    parts += [chr(draw.randrange(sys.maxunicode + 1)) for _ in range(500)] + [chr(code) for code in range(256)]
    titles = ["".join(draw.choices(parts, k=draw.randint(0, 9))) for _ in range(5_000)]
    return ["", " ", "\x1c", "x" * 10_000, f"{'y' * 200} z", *titles]


TITLES = random_titles()


@pytest.fixture
def pure(monkeypatch):
    """Return a function that calls another one without any compiled functions."""

    def call(function):
        with monkeypatch.context() as patch:
            patch.setattr(speedups, "compiled", None)
            return function()

    return call


def test_functions_are_compiled_unless_the_environment_turns_it_off():
    assert speedups.compiled is not None
    code = "from titleclf.runtime import speedups; print(speedups.compiled)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "TITLECLF_PURE": "1"}, capture_output=True, text=True
    )
    assert done.stdout == "None\n", done.stderr


def shipped_network() -> FoldedNetwork:
    network = Classifier.load(MODEL).network
    assert isinstance(network, FoldedNetwork)
    return network


def changed(orders: list[int], *, across_words: bool, casefold: bool, boundary: bool) -> FoldedNetwork:
    """Return the shipped network with 997 of its buckets, and with other n-grams and characters."""
    network = shipped_network()
    model = replace(network.model, orders=orders, across_words=across_words, buckets=997)
    rows = np.append(np.arange(997) * 3, len(network.ngrams.scores)).astype(np.int32)
    vocabulary = Characters(network.vocabulary.known, casefold, boundary, network.vocabulary.length)
    familiarity = network.ngrams.familiarity
    assert familiarity is not None
    familiarity = replace(familiarity, is_familiar=familiarity.is_familiar[:997])
    ngrams = replace(network.ngrams, rows=rows, familiarity=familiarity)
    return replace(network, model=model, ngrams=ngrams, vocabulary=vocabulary)


@pytest.mark.parametrize("across_words", [True, False])
@pytest.mark.parametrize("casefold", [True, False])
@pytest.mark.parametrize("boundary", [True, False])
@pytest.mark.parametrize("orders", [[], [1], [3, 1], [2, 3, 4, 5, 6]])
def test_logits_are_the_same_bit_for_bit(pure, across_words, casefold, boundary, orders):
    def network() -> FoldedNetwork:
        return changed(orders, across_words=across_words, casefold=casefold, boundary=boundary)

    logits, expected = network().logits(Programmes(TITLES)), pure(lambda: network().logits(Programmes(TITLES)))
    assert logits.dtype == expected.dtype
    assert np.array_equal(logits, expected)
    assert network().vocabulary.count_truncated(TITLES) > 0


def test_logits_of_the_shipped_model_are_the_same_in_batches_and_alone(pure):
    logits = Classifier.load(MODEL).logits(Programmes(TITLES))
    expected = pure(lambda: Classifier.load(MODEL).logits(Programmes(TITLES)))
    assert np.array_equal(logits, expected)
    alone = np.concatenate([Classifier.load(MODEL).logits(Programmes([title])) for title in TITLES[:20]])
    assert np.array_equal(logits[:20], alone)


def test_buckets_without_a_row_add_nothing_in_both(pure):
    def compute() -> Floats:
        network = shipped_network()
        table = network.ngrams
        third = slice(0, len(table.scores), 3)
        scores, coarse = table.scores[third].copy(), table.coarse[third].copy()
        rows = np.full(len(table.rows), len(scores), dtype=np.int32)
        rows[:-1][third] = np.arange(len(scores))
        ngrams = replace(table, scores=scores, coarse=coarse, rows=rows)
        return replace(network, ngrams=ngrams).logits(Programmes(TITLES))

    assert np.array_equal(compute(), pure(compute))


@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 1e4])
@pytest.mark.parametrize("slope", [0.0, 0.4])
def test_probabilities_are_the_same_except_for_their_last_digits(pure, scale, slope):
    logits = (np.random.default_rng(1).normal(size=(300, 7)) * scale).astype(np.float32)
    temperature = Temperature(1.7, slope)
    actual, expected = temperature.probabilities(logits), pure(lambda: temperature.probabilities(logits))
    assert np.allclose(actual, expected, rtol=1e-11, atol=1e-300)
    assert np.allclose(actual.sum(axis=1), 1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
def test_probabilities_accept_any_dtype_and_memory_layout(pure, dtype):
    logits = np.arange(24).reshape(8, 3).astype(dtype)[::2].T
    temperature = Temperature(2.0, 0.1)
    actual, expected = temperature.probabilities(logits), pure(lambda: temperature.probabilities(logits))
    assert np.allclose(actual, expected, rtol=1e-11)
    assert actual.shape == (3, 4)


@pytest.mark.parametrize("rows", [None, 1, 300])
def test_the_best_categories_are_the_same_and_the_first_on_ties(pure, rows):
    draw = np.random.default_rng(2)
    probabilities = np.round(draw.random((300, 7)), 1)
    thresholds = None if rows is None else np.round(draw.random((rows, 7)), 1)
    titles, names = [str(number) for number in range(300)], [*map(tuple, "abcdefg"), ()]

    def compute() -> list[Prediction]:
        return top1(titles, probabilities, thresholds, list("abcdefg"), names)

    actual = compute()
    assert actual == pure(compute)
    assert {type(prediction) for prediction in actual} == {Prediction}
    assert sum(prediction.named == () for prediction in actual) < 300
    assert (rows is None) == all(prediction.named for prediction in actual)


def test_skeletons_are_the_same(pure):
    known = sorted(set(map(key_of, TITLES[::3])))
    compiled, expected = Skeletons.of(known), pure(lambda: Skeletons.of(known))
    assert np.array_equal(compiled.known, expected.known)
    assert compiled.promising(TITLES) == pure(lambda: expected.promising(TITLES))


def test_predictions_are_the_same(pure):
    titles = [*TITLES, *(title for title, _, _ in rows())]
    actual, expected = Classifier.load(MODEL).predict(titles), pure(lambda: Classifier.load(MODEL).predict(titles))
    assert [(prediction.title, prediction.named) for prediction in actual] == [
        (prediction.title, prediction.named) for prediction in expected
    ]
    assert [prediction.probability for prediction in actual if prediction.candidates] == pytest.approx(
        [prediction.probability for prediction in expected if prediction.candidates], rel=1e-11
    )


def test_other_types_of_text_are_titles_and_other_values_are_refused():
    classifier = Classifier.load(MODEL)
    numpy_titles = Programmes(list(np.array(["Tagesschau"])))
    assert np.array_equal(classifier.logits(numpy_titles), classifier.logits(Programmes(["Tagesschau"])))
    numbers: list[Any] = [24] * 200
    with pytest.raises(TypeError, match=r"titles must be text\. Got 24\. Pass str\."):
        classifier.network.logits(Programmes(numbers))
