"""Pools of evidence: the mean of a showing's logits, whatever the order and the number of showings."""

import numpy as np
import pytest

from titleclf.epg.pooling import Pool
from titleclf.epg.xmltv import Showing
from titleclf.runtime.arrays import Bools, Floats


def drawn(programmes: int, showings: int, seed: int = 1) -> tuple[list[Showing], Floats, Bools]:
    """Return random programmes of so many showings, with their logits and whether they have fields."""
    draw = np.random.default_rng(seed)
    names: list[Showing] = [(f"Title {number // 2}", f"channel {number % 2}") for number in range(showings)]
    listed = [names[place] for place in draw.integers(0, showings, programmes)]
    logits: Floats = draw.normal(size=(programmes, 3)).astype(np.float32)
    return listed, logits, draw.random(programmes) < 0.3


def test_logits_are_averaged_by_title_and_channel():
    pool = Pool(2)
    pool.add(
        [("a", "one"), ("a", "two"), ("a", "one")], np.array([[1, 2], [5, 6], [3, 0]]), np.zeros(3, dtype=np.bool_)
    )
    means = pool.means([("a", "two"), ("a", "one"), ("a", "two")])
    assert means.logits.tolist() == [[5, 6], [2, 1], [5, 6]]
    assert means.logits.dtype == np.float32
    pool.add([("a", None)], np.array([[7, 7]]), np.zeros(1, dtype=np.bool_))
    assert pool.means([("a", None), ("a", "one")]).logits.tolist() == [[7, 7], [2, 1]]


def test_a_showing_has_fields_if_any_of_its_programmes_has():
    pool = Pool(1)
    pool.add([("a", None), ("b", None), ("a", None)], np.zeros((3, 1)), np.array([False, False, True]))
    pool.add([("a", None), ("b", None)], np.zeros((2, 1)), np.array([False, False]))
    assert pool.means([("a", None), ("b", None)]).has_fields.tolist() == [True, False]


def test_a_pool_knows_what_was_added():
    pool = Pool(2)
    assert len(pool) == 0
    assert ("a", "one") not in pool
    pool.add([("a", "one"), ("a", "one")], np.zeros((2, 2)), np.zeros(2, dtype=np.bool_))
    assert len(pool) == 1
    assert ("a", "one") in pool
    assert ("a", None) not in pool
    with pytest.raises(KeyError):
        pool.means([("a", None)])


def test_nothing_can_be_added_and_asked_for():
    pool = Pool(3)
    pool.add([], np.zeros((0, 3)), np.zeros(0, dtype=np.bool_))
    assert len(pool) == 0
    means = pool.means([])
    assert means.logits.shape == (0, 3)
    assert means.has_fields.shape == (0,)


@pytest.mark.parametrize("programmes", [1, 100, 5000])
def test_means_are_those_of_each_showing_alone(programmes):
    showings, logits, has_fields = drawn(programmes, 70)
    pool = Pool(3)
    pool.add(showings, logits, has_fields)
    known = list(dict.fromkeys(showings))
    means = pool.means(known)
    for showing, mean, any_field in zip(known, *means, strict=True):
        rows = [row for row, other in enumerate(showings) if other == showing]
        assert mean == pytest.approx(logits[rows].mean(axis=0), abs=1e-5)
        assert any_field == has_fields[rows].any()


def test_the_order_of_adding_changes_no_more_than_rounding_does():
    showings, logits, has_fields = drawn(5000, 70)
    known = sorted(set(showings))
    expected = None
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(len(showings))
        pool = Pool(3)
        for part in np.array_split(order, 1 + 7 * seed):
            pool.add([showings[row] for row in part], logits[part], has_fields[part])
        means = pool.means(known)
        expected = expected or means
        assert np.abs(means.logits - expected.logits).max() < 1e-5
        assert np.array_equal(means.has_fields, expected.has_fields)


@pytest.mark.parametrize("at_once", [1, 7, 1023, 1024, 1025, 5000])
def test_a_pool_grows(at_once):
    numbers = np.arange(5000)
    showings: list[Showing] = [(f"Title {number}", None) for number in numbers]
    logits = np.stack([numbers, -numbers], axis=1).astype(np.float32)
    pool = Pool(2)
    for start in range(0, 5000, at_once):
        rows = slice(start, start + at_once)
        pool.add(showings[rows], logits[rows], numbers[rows] % 2 == 1)
    assert len(pool) == 5000
    means = pool.means(showings)
    assert np.array_equal(means.logits, logits)
    assert np.array_equal(means.has_fields, numbers % 2 == 1)
