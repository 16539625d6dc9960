import numpy as np
import pytest

from titleclf.runtime.text.characters import Characters
from titleclf.runtime.text.ngrams import located, ngrams

CHARACTERS = Characters("abcdefghijklmnopqrstuvwxyz", casefold=True, boundary=True, length=30)
MANY = 2**40  # enough buckets to avoid collisions


def hashed(titles: list[str], orders: list[int], buckets: int = MANY, *, across_words: bool = True) -> list[list[int]]:
    batch = CHARACTERS.batch(titles)
    grams, counts = ngrams(batch.ids, batch.mask, orders, buckets, across_words=across_words)
    return [part.tolist() for part in np.split(grams, counts.cumsum()[:-1])]


def written(title: str, orders: list[int]) -> list[str]:
    bounded = f"<{title}>"
    return [bounded[start : start + order] for order in sorted(orders) for start in range(len(bounded) - order + 1)]


def test_there_is_one_bucket_for_each_ngram_of_a_title():
    titles = ["banana", "an", "bandana", "", "na"]
    orders = [2, 3, 5]
    names: dict[str, int] = {}
    for title, actual in zip(titles, hashed(titles, orders), strict=True):
        expected = written(title, orders)
        assert len(actual) == len(expected)
        for gram, bucket in zip(expected, actual, strict=True):
            assert names.setdefault(gram, bucket) == bucket
    assert len(set(names.values())) == len(names)


def test_within_words_a_space_is_never_inside_an_ngram():
    title, orders = "an ox in a den", [1, 2, 3, 5]
    names = dict(zip(written(title, orders), hashed([title], orders)[0], strict=True))
    expected = [names[gram] for gram in written(title, orders) if " " not in gram[1:-1]]
    assert 0 < len(expected) < len(names)
    assert hashed([title, "a"], orders, across_words=False)[0] == expected


def test_a_title_has_the_same_ngrams_in_any_batch():
    alone = hashed(["match of the day"], [1, 2, 6])
    assert hashed(["match of the day", "a", "the antiques roadshow"], [1, 2, 6])[0] == alone[0]


def test_buckets_bound_the_hashes_and_fill_evenly():
    words = [f"{a}{b}{c}" for a in "abcdefghij" for b in "klmnopqrst" for c in "uvwxyzabcd"]
    actual = np.concatenate(hashed(words, [3], buckets=101))
    counts = np.bincount(actual, minlength=101)
    assert len(counts) == 101
    # 5,000 hashes over 101 buckets: Poisson with mean 50; seven standard deviations either way.
    assert counts.min() > 0
    assert counts.max() < 50 + 7 * 50**0.5


@pytest.mark.parametrize("orders", [[5], [3, 4]])
def test_titles_shorter_than_every_order_have_none(orders):
    assert hashed(["", ""], orders) == [[], []]
    assert hashed(["", "abcdef"], orders)[0] == []


def test_orders_do_not_share_hashes():
    pairs, triples = hashed(["aaaa"], [2]), hashed(["aaaa"], [3])
    assert not set(pairs[0]) & set(triples[0])


@pytest.mark.parametrize("buckets", [7, MANY])
@pytest.mark.parametrize("across_words", [True, False])
@pytest.mark.parametrize("orders", [[1], [2, 3, 5], [5, 1, 3], [40]])
def test_located_ngrams_are_the_same_in_the_same_order_with_their_positions(orders, across_words, buckets):
    ids, mask = CHARACTERS.batch(["an ox in a den", "", "b", "banana", "match of the day"])
    grams, counts = ngrams(ids, mask, orders, buckets, across_words=across_words)
    actual = located(ids, mask, orders, buckets, across_words=across_words)
    assert actual.buckets.tolist() == grams.tolist()
    assert np.bincount(actual.titles, minlength=len(ids)).tolist() == counts.tolist()
    for title, bucket, start, order in zip(*actual, strict=True):
        assert mask[title, start : start + order].all()
        alone = ids[title : title + 1, start : start + order]
        assert ngrams(alone, alone > 0, [order], buckets, across_words=True)[0].tolist() == [bucket]
