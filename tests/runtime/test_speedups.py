"""What is compiled answers what its twins in Python do; the other tests are of what is compiled."""

import os
import random
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from titleclf.runtime.classifiers import _likeliest

from tests.helpers.titles import rows
from titleclf.runtime import speedups
from titleclf.runtime.calibration import Temperature, probabilities
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.files import CHECKOUT
from titleclf.runtime.memory import prefilter as skeletons
from titleclf.runtime.prediction import Prediction
from titleclf.runtime.text.characters import Characters
from titleclf.runtime.text.title_keys import key_of, marker_words

MODEL = CHECKOUT / "data" / "model"
SPACES = "".join(character for character in map(chr, range(sys.maxunicode)) if character.isspace())


def drawn_titles() -> list[str]:
    """Return titles of all lengths from all of Unicode, and from what makes titles."""
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
    made = ["".join(draw.choices(parts, k=draw.randint(0, 9))) for _ in range(5_000)]
    return ["", " ", "\x1c", "x" * 10_000, f"{'y' * 200} z", *made]


TITLES = drawn_titles()


@pytest.fixture
def pure(monkeypatch):
    """Return what calls a function without what is compiled."""

    def called(ask):
        with monkeypatch.context() as patch:
            patch.setattr(speedups, "compiled", None)
            return ask()

    return called


def test_here_it_is_compiled_unless_that_is_not_wanted():
    assert speedups.compiled is not None
    asked = "from titleclf.runtime import speedups; print(speedups.compiled)"
    done = subprocess.run(
        [sys.executable, "-c", asked], env={**os.environ, "TITLECLF_PURE": "1"}, capture_output=True, text=True
    )
    assert done.stdout == "None\n", done.stderr


def other(
    classifier: Classifier, orders: list[int], *, across_words: bool, casefold: bool, boundary: bool
) -> Classifier:
    network = classifier.network
    model = replace(network.model, orders=orders, across_words=across_words, buckets=997)
    of_buckets = np.append(np.arange(997) * 3, len(network.scores)).astype(np.int32)
    table = replace(network, model=model, rows=of_buckets)
    known = classifier.characters.known
    return replace(
        classifier, network=table, characters=Characters(known, casefold, boundary, classifier.characters.length)
    )


@pytest.mark.parametrize("across_words", [True, False])
@pytest.mark.parametrize("casefold", [True, False])
@pytest.mark.parametrize("boundary", [True, False])
@pytest.mark.parametrize("orders", [[], [1], [3, 1], [2, 3, 4, 5, 6]])
def test_logits_are_the_same_to_the_bit(pure, across_words, casefold, boundary, orders):
    def asked():
        made = other(Classifier.load(MODEL), orders, across_words=across_words, casefold=casefold, boundary=boundary)
        return made.network_logits(TITLES)

    (logits, cut), (expected, expected_cut) = asked(), pure(asked)
    assert logits.dtype == expected.dtype
    assert np.array_equal(logits, expected)
    assert cut == expected_cut > 0


def test_so_are_those_of_the_shipped_model_in_batches_and_alone(pure):
    classifier = Classifier.load(MODEL)
    logits, cut = classifier.logits(TITLES)
    expected, expected_cut = pure(lambda: Classifier.load(MODEL).logits(TITLES))
    assert np.array_equal(logits, expected)
    assert cut == expected_cut
    alone = np.concatenate([Classifier.load(MODEL).logits([title])[0] for title in TITLES[:20]])
    assert np.array_equal(logits[:20], alone)


def test_buckets_without_a_row_say_nothing_in_both(pure):
    def asked():
        classifier = Classifier.load(MODEL)
        network = classifier.network
        third = slice(0, len(network.scores), 3)
        few = replace(network, scores=network.scores[third].copy(), coarse=network.coarse[third].copy())
        few.rows = np.full(len(network.rows), len(few.scores), dtype=np.int32)
        few.rows[:-1][third] = np.arange(len(few.scores))
        return replace(classifier, network=few).network_logits(TITLES)[0]

    assert np.array_equal(asked(), pure(asked))


@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 1e4])
@pytest.mark.parametrize("slope", [0.0, 0.4])
def test_probabilities_are_the_same_but_for_their_last_digits(pure, scale, slope):
    logits = (np.random.default_rng(1).normal(size=(300, 7)) * scale).astype(np.float32)
    found, expected = (ask(lambda: probabilities(logits, Temperature(1.7, slope))) for ask in (lambda f: f(), pure))
    assert np.allclose(found, expected, rtol=1e-11, atol=1e-300)
    assert np.allclose(found.sum(axis=1), 1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
def test_probabilities_take_numbers_of_any_kind_as_they_lie(pure, dtype):
    logits = np.arange(24).reshape(8, 3).astype(dtype)[::2].T
    found, expected = (ask(lambda: probabilities(logits, Temperature(2.0, 0.1))) for ask in (lambda f: f(), pure))
    assert np.allclose(found, expected, rtol=1e-11)
    assert found.shape == (3, 4)


@pytest.mark.parametrize("rows", [None, 1, 300])
def test_the_likeliest_are_the_same_and_of_equal_ones_the_first(pure, rows):
    draw = np.random.default_rng(2)
    shares = np.round(draw.random((300, 7)), 1)
    least = None if rows is None else np.round(draw.random((rows, 7)), 1)
    asked = [str(number) for number in range(300)], shares, least, list("abcdefg"), [*map(tuple, "abcdefg"), ()]
    found = _likeliest(*asked)
    assert found == pure(lambda: _likeliest(*asked))
    assert {type(one) for one in found} == {Prediction}
    assert sum(one.named == () for one in found) < 300
    assert (rows is None) == all(one.named for one in found)


def test_skeletons_are_the_same(pure):
    known = sorted(set(map(key_of, TITLES[::3])))
    table, expected = skeletons.Skeletons.of(known), pure(lambda: skeletons.Skeletons.of(known))
    assert np.array_equal(table.known, expected.known)
    assert table.promising(TITLES) == pure(lambda: expected.promising(TITLES))


def test_answers_are_the_same(pure):
    asked = [*TITLES, *(title for title, _, _ in rows())]
    found, expected = Classifier.load(MODEL).predict(asked), pure(lambda: Classifier.load(MODEL).predict(asked))
    assert [(one.title, one.named) for one in found] == [(one.title, one.named) for one in expected]
    assert [one.probability for one in found if one.candidates] == pytest.approx(
        [one.probability for one in expected if one.candidates], rel=1e-11
    )


def test_titles_of_other_kinds_of_text_are_titles_and_other_things_are_none():
    classifier = Classifier.load(MODEL)
    assert np.array_equal(classifier.logits(list(np.array(["Tagesschau"])))[0], classifier.logits(["Tagesschau"])[0])
    with pytest.raises(TypeError, match=r"titles must be text\. Got 24\. Pass str\."):
        classifier.network_logits([24] * 200)
