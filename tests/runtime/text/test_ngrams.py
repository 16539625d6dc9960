import numpy as np
import pytest

from titleclf.runtime.text.characters import Characters
from titleclf.runtime.text.ngrams import located, ngrams

CHARACTERS = Characters("abcdefghijklmnopqrstuvwxyz", casefold=True, boundary=True, length=30)
MANY = 2**40  # buckets: nothing collides


def buckets_of(
    titles: list[str], orders: list[int], buckets: int = MANY, *, across_words: bool = True
) -> list[list[int]]:
    batch = CHARACTERS.batch(titles)
    grams, counts = ngrams(batch.ids, batch.mask, orders, buckets, across_words=across_words)
    return [part.tolist() for part in np.split(grams, counts.cumsum()[:-1])]


def spelled(title: str, orders: list[int]) -> list[str]:
    marked = f"<{title}>"
    return [marked[start : start + order] for order in sorted(orders) for start in range(len(marked) - order + 1)]


def test_each_ngram_of_a_title_has_one_bucket():
    titles = ["banana", "an", "bandana", "", "na"]
    orders = [2, 3, 5]
    names: dict[str, int] = {}
    for title, buckets in zip(titles, buckets_of(titles, orders), strict=True):
        expected = spelled(title, orders)
        assert len(buckets) == len(expected)
        for gram, bucket in zip(expected, buckets, strict=True):
            assert names.setdefault(gram, bucket) == bucket
    assert len(set(names.values())) == len(names)


def test_a_space_is_never_inside_an_ngram_unless_across_words():
    title, orders = "an ox in a den", [1, 2, 3, 5]
    names = dict(zip(spelled(title, orders), buckets_of([title], orders)[0], strict=True))
    expected = [names[gram] for gram in spelled(title, orders) if " " not in gram[1:-1]]
    assert 0 < len(expected) < len(names)
    assert buckets_of([title, "a"], orders, across_words=False)[0] == expected


def test_a_title_has_the_same_ngrams_in_any_batch():
    alone = buckets_of(["match of the day"], [1, 2, 6])
    assert buckets_of(["match of the day", "a", "the antiques roadshow"], [1, 2, 6])[0] == alone[0]


def test_hashes_stay_below_the_number_of_buckets_and_fill_them_evenly():
    words = [f"{a}{b}{c}" for a in "abcdefghij" for b in "klmnopqrst" for c in "uvwxyzabcd"]
    counts = np.bincount(np.concatenate(buckets_of(words, [3], buckets=101)), minlength=101)
    assert len(counts) == 101
    # 5,000 hashes over 101 buckets: Poisson with mean 50; seven standard deviations on either side.
    assert counts.min() > 0
    assert counts.max() < 50 + 7 * 50**0.5


@pytest.mark.parametrize("orders", [[5], [3, 4]])
def test_a_title_shorter_than_every_order_has_no_ngrams(orders):
    assert buckets_of(["", ""], orders) == [[], []]
    assert buckets_of(["", "abcdef"], orders)[0] == []


def test_ngrams_of_different_orders_have_different_buckets():
    pairs, triples = buckets_of(["aaaa"], [2]), buckets_of(["aaaa"], [3])
    assert not set(pairs[0]) & set(triples[0])


@pytest.mark.parametrize("buckets", [7, MANY])
@pytest.mark.parametrize("across_words", [True, False])
@pytest.mark.parametrize("orders", [[1], [2, 3, 5], [5, 1, 3], [40]])
def test_located_ngrams_are_the_same_in_the_same_order_with_their_positions(orders, across_words, buckets):
    ids, mask = CHARACTERS.batch(["an ox in a den", "", "b", "banana", "match of the day"])
    grams, counts = ngrams(ids, mask, orders, buckets, across_words=across_words)
    found = located(ids, mask, orders, buckets, across_words=across_words)
    assert found.buckets.tolist() == grams.tolist()
    assert np.bincount(found.titles, minlength=len(ids)).tolist() == counts.tolist()
    for title, bucket, start, order in zip(*found, strict=True):
        assert mask[title, start : start + order].all()
        alone = ids[title : title + 1, start : start + order]
        assert ngrams(alone, alone > 0, [order], buckets, across_words=True)[0].tolist() == [bucket]
