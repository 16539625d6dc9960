"""Compiled functions return what their twins in Python return; all other tests use the compiled ones."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest

from tests.helpers.networks import MODEL
from tests.helpers.titles import rows
from titleclf.runtime import speedups
from titleclf.runtime.arrays import Floats
from titleclf.runtime.calibration import Temperature
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.classifiers import _likeliest
from titleclf.runtime.files import CHECKOUT
from titleclf.runtime.folded_network import Folded
from titleclf.runtime.memory.prefilter import Skeletons
from titleclf.runtime.prediction import Prediction
from titleclf.runtime.text.characters import Characters
from titleclf.runtime.text.programmes import Programmes
from titleclf.runtime.text.title_keys import key_of, marker_words

T = TypeVar("T")

MODEL = CHECKOUT / "data" / "model"
SPACES = "".join(character for character in map(chr, range(sys.maxunicode)) if character.isspace())


def random_titles() -> list[str]:
    """Return titles of all lengths from all of Unicode and from words of titles."""
    generator = random.Random(3)
    parts = [
        *(title for title, _, _ in rows()),
        *marker_words(),
        "ẞ",
        "İ",
        "e\u0301",
        "12",
        "S01E02",
        *SPACES,
        *" .-:" * 60,
    ]
    parts += [chr(generator.randrange(sys.maxunicode + 1)) for _ in range(500)] + [chr(code) for code in range(256)]
    titles = ["".join(generator.choices(parts, k=generator.randint(0, 9))) for _ in range(5_000)]
    return ["", " ", "\x1c", "x" * 10_000, f"{'y' * 200} z", *titles]


TITLES = random_titles()


@pytest.fixture
def pure(monkeypatch):
    """Return a function that calls another without the compiled module."""

    def call(function: Callable[[], T]) -> T:
        with monkeypatch.context() as patch:
            patch.setattr(speedups, "compiled", None)
            return function()

    return call


def compiled(function: Callable[[], T]) -> T:
    return function()


def test_the_module_is_compiled_here_and_can_be_turned_off():
    assert speedups.compiled is not None
    code = "from titleclf.runtime import speedups; print(speedups.compiled)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "TITLECLF_PURE": "1"}, capture_output=True, text=True
    )
    assert done.stdout == "None\n", done.stderr


def folded(classifier: Classifier) -> Folded:
    assert isinstance(classifier.network, Folded)
    return classifier.network


def variant(
    classifier: Classifier, orders: list[int], *, across_words: bool, casefold: bool, boundary: bool
) -> Classifier:
    """Return the classifier with other settings, and 997 of its buckets."""
    network = folded(classifier)
    model = replace(network.model, orders=orders, across_words=across_words, buckets=997)
    bucket_rows = np.append(np.arange(997) * 3, len(network.scores)).astype(np.int32)
    characters = Characters(classifier.characters.known, casefold, boundary, classifier.characters.length)
    return replace(classifier, network=replace(network, model=model, rows=bucket_rows), characters=characters)


@pytest.mark.parametrize("across_words", [True, False])
@pytest.mark.parametrize("casefold", [True, False])
@pytest.mark.parametrize("boundary", [True, False])
@pytest.mark.parametrize("orders", [[], [1], [3, 1], [2, 3, 4, 5, 6]])
def test_logits_are_equal_to_the_bit(pure, across_words, casefold, boundary, orders):
    def predict():
        classifier = Classifier.load(MODEL)
        changed = variant(classifier, orders, across_words=across_words, casefold=casefold, boundary=boundary)
        return changed.network_logits(TITLES)

    (logits, truncated), (expected, expected_truncated) = predict(), pure(predict)
    assert logits.dtype == expected.dtype
    assert np.array_equal(logits, expected)
    assert truncated == expected_truncated > 0


def test_logits_of_the_shipped_model_are_equal_in_batches_and_alone(pure):
    classifier = Classifier.load(MODEL)
    logits, truncated = classifier.logits(TITLES)
    expected, expected_truncated = pure(lambda: Classifier.load(MODEL).logits(TITLES))
    assert np.array_equal(logits, expected)
    assert truncated == expected_truncated
    alone = np.concatenate([Classifier.load(MODEL).logits([title])[0] for title in TITLES[:20]])
    assert np.array_equal(logits[:20], alone)


def test_logits_are_equal_if_only_some_buckets_have_a_row(pure):
    def predict():
        classifier = Classifier.load(MODEL)
        network = folded(classifier)
        third = slice(0, len(network.scores), 3)
        reduced = replace(network, scores=network.scores[third].copy(), coarse=network.coarse[third].copy())
        reduced.rows = np.full(len(network.rows), len(reduced.scores), dtype=np.int32)
        reduced.rows[:-1][third] = np.arange(len(reduced.scores))
        return replace(classifier, network=reduced).network_logits(TITLES)[0]

    assert np.array_equal(predict(), pure(predict))


@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 1e4])
@pytest.mark.parametrize("slope", [0.0, 0.4])
def test_probabilities_are_equal_but_for_their_last_digits(pure, scale, slope):
    logits = (np.random.default_rng(1).normal(size=(300, 7)) * scale).astype(np.float32)
    result, expected = (call(lambda: probabilities(logits, Temperature(1.7, slope))) for call in (compiled, pure))
    assert np.allclose(result, expected, rtol=1e-11, atol=1e-300)
    assert np.allclose(result.sum(axis=1), 1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
def test_probabilities_accept_any_dtype_and_strides(pure, dtype):
    logits = np.arange(24).reshape(8, 3).astype(dtype)[::2].T
    result, expected = (call(lambda: probabilities(logits, Temperature(2.0, 0.1))) for call in (compiled, pure))
    assert np.allclose(result, expected, rtol=1e-11)
    assert result.shape == (3, 4)


@pytest.mark.parametrize("threshold_rows", [None, 1, 300])
def test_the_top_category_is_the_same_and_the_first_of_equal_ones(pure, threshold_rows):
    generator = np.random.default_rng(2)
    shares = np.round(generator.random((300, 7)), 1)
    least = None if threshold_rows is None else np.round(generator.random((threshold_rows, 7)), 1)
    titles = [str(number) for number in range(300)]
    arguments = titles, shares, least, list("abcdefg"), [*map(tuple, "abcdefg"), ()]
    predictions = _likeliest(*arguments)
    assert predictions == pure(lambda: _likeliest(*arguments))
    assert {type(prediction) for prediction in predictions} == {Prediction}
    assert sum(prediction.named == () for prediction in predictions) < 300
    assert (threshold_rows is None) == all(prediction.named for prediction in predictions)


def test_skeletons_are_equal(pure):
    keys = sorted(set(map(key_of, TITLES[::3])))
    table, expected = Skeletons.of(keys), pure(lambda: Skeletons.of(keys))
    assert np.array_equal(table.known, expected.known)
    assert table.promising(TITLES) == pure(lambda: expected.promising(TITLES))


def test_predictions_are_equal(pure):
    titles = [*TITLES, *(title for title, _, _ in rows())]
    predictions, expected = (call(lambda: Classifier.load(MODEL).predict(titles)) for call in (compiled, pure))
    assert [(one.title, one.named) for one in predictions] == [(one.title, one.named) for one in expected]
    assert [one.probability for one in predictions if one.candidates] == pytest.approx(
        [one.probability for one in expected if one.candidates], rel=1e-11
    )


def test_titles_may_be_of_a_subclass_of_str_but_of_no_other_type():
    classifier = Classifier.load(MODEL)
    numpy_titles = Programmes(list(np.array(["Tagesschau"])))
    assert np.array_equal(classifier.logits(numpy_titles), classifier.logits(Programmes(["Tagesschau"])))
    numbers: list[Any] = [24] * 200
    with pytest.raises(TypeError, match=r"titles must be text\. Got 24\. Pass str\."):
        classifier.network_logits([24] * 200)  # type: ignore[list-item]
