"""Words of texts and characters inside them as hashed n-grams: compiled, in numpy, with and without spaces."""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from titleclf.runtime import speedups
from titleclf.runtime.text import words
from titleclf.runtime.text.words import ALONE, GAP, LETTER, TextFeatures, hash_texts, kind, locate

LARGE = 2**31  # so many buckets that different n-grams hardly share one
BLOCKS = ((0, 0x7F), (0x80, 0x24F), (0x300, 0x36F), (0x900, 0x97F), (0xE00, 0xEFF), (0x3040, 0x30FF), (0x4E00, 0x9FFF))
EVERYTHING = ((0, sys.maxunicode),)  # also halves of pairs, and what is not assigned
TEXTS = [
    "",
    " ",
    "!?",
    "Headlines and reports of the day.",
    "headlines, AND reports – of the day",
    "समाचार की सुर्खियाँ",
    "日本沈没 2 Teil",
    "ภาษาไทย",
    "Straße STRASSE Cafe\u0301 Café",
    "a",
    "x" * 3000,
    "one\ntwo\x00three\u2028four",
    "🎉 party 👨‍👩‍👧",
]


def random_texts(seed: int, blocks: Sequence[tuple[int, int]]) -> list[str]:
    """Return 40 texts of random characters with some spaces; one in ten is empty."""
    draw = np.random.default_rng(seed)

    def character() -> str:
        first, last = blocks[int(draw.integers(len(blocks)))]
        return " " if draw.random() < 0.15 else chr(int(draw.integers(first, last + 1)))

    return ["".join(character() for _ in range(int(draw.integers(0, 10) and draw.integers(1, 60)))) for _ in range(40)]


@pytest.fixture
def fresh() -> Iterator[None]:
    """Forget what characters were looked up, before and after."""
    words._kinds.cache_clear()
    yield
    words._kinds.cache_clear()


def both(texts: list[str], orders: Sequence[int], buckets: int, characters: Sequence[int] = ()) -> list[Any]:
    """Return what the compiled function and what numpy finds."""
    assert speedups.compiled is not None
    features = TextFeatures(orders, characters, buckets)
    return [hash_texts(texts, features), pure(lambda: hash_texts(texts, features))]


def pure(call: Callable[[], Any]) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speedups, "compiled", None)
        return call()


def words_of(texts: Sequence[str], orders: Sequence[int] = (1,)) -> Any:
    return hash_texts(texts, TextFeatures(orders, (), LARGE))


def grams(text: str, orders: Sequence[int] = (1,)) -> list[int]:
    found: list[int] = words_of([text], orders)[0].tolist()
    return found


def pieces(text: str, *orders: int) -> list[int]:
    """Return the n-grams of characters of a text."""
    found: list[int] = hash_texts([text], TextFeatures((), orders, LARGE))[0].tolist()
    return found


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("buckets", [1, 2, 7, 1024, 4999, 131_072, LARGE, LARGE + 1])
@pytest.mark.parametrize("characters", [[], [3], [5, 3], [1, 2, 9]])
@pytest.mark.parametrize("orders", [[1], [1, 2], [2], [3, 1], [2, 5], []])
@pytest.mark.parametrize("blocks", [BLOCKS, EVERYTHING])
def test_compiled_features_are_those_of_numpy(blocks, orders, characters, buckets):
    texts = [*TEXTS, *random_texts(buckets % 1009 + len(orders), blocks)]
    (found, counts), (expected, expected_counts) = both(texts, orders, buckets, characters)
    assert found.dtype == expected.dtype == counts.dtype == np.int64
    assert found.tolist() == expected.tolist()
    assert counts.tolist() == expected_counts.tolist()
    assert len(counts) == len(texts)
    assert counts.sum() == len(found)
    assert ((found >= 0) & (found < buckets)).all()


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["!?", " \n"], ["", "a", ""]])
def test_empty_texts_have_no_words(texts):
    for found, counts in both(texts, [1, 2], 97):
        assert counts.tolist() == [int("a" in text) for text in texts]
        assert len(found) == counts.sum()


def test_texts_have_the_same_words_alone_and_among_others():
    together, counts = words_of(TEXTS, [1, 2])
    alone = [words_of([text], [1, 2])[0] for text in TEXTS]
    assert together.tolist() == np.concatenate(alone).tolist()
    assert counts.tolist() == [len(found) for found in alone]


def test_case_and_punctuation_make_no_difference():
    assert grams("Headlines, and REPORTS!", [1, 2]) == grams("headlines and… reports", [1, 2])
    assert grams("STRASSE") == grams("Straße")
    assert grams("Cafe\u0301") == grams("Café")
    assert grams("don't") == grams("don t")
    assert len(grams("a-b_c/d")) == 4


def test_words_differ_by_their_characters_and_by_the_order_of_these():
    distinct = ["ab", "ba", "a", "aa", "aaa", "abc", "b", "a1", "1a", "ä"]
    assert len({tuple(grams(word)) for word in distinct}) == len(distinct)
    assert grams("ab cd ab") == [*grams("ab"), *grams("cd"), *grams("ab")]


def test_ngrams_are_those_of_neighbouring_words_by_the_word_that_they_start_with():
    one, two, three = (grams(word)[0] for word in ("one", "two", "three"))
    one_two, two_three, two_one = grams("one two", [2])[0], grams("two three", [2])[0], grams("two one", [2])[0]
    all_three = grams("one two three", [3])[0]
    assert len({one, two, three, one_two, two_three, two_one, all_three}) == 7
    assert grams("one two three", [1, 2]) == [one, one_two, two, two_three, three]
    assert grams("one two three", [2, 1]) == grams("one two three", [1, 2])
    assert grams("one two three", [3, 1]) == [one, all_three, two, three]
    assert grams("one two", [3, 4]) == []
    assert grams("a a", [1, 2])[1] not in grams("a", [1])


def test_no_ngram_reaches_into_the_next_text():
    for found, counts in both(["one", "two"], [1, 2], LARGE):
        assert found.tolist() == [*grams("one"), *grams("two")]
        assert counts.tolist() == [1, 1]


def test_each_character_of_a_script_without_spaces_is_a_word():
    for text in ("日本沈没", "ひらがな", "カタカナ", "ﾃﾚﾋﾞ"[:2], "한"):
        assert len(grams(text)) == len(text), text
    assert grams("日本") == [*grams("日"), *grams("本")]
    assert grams("ab日cd") == [*grams("ab"), *grams("日"), *grams("cd")]
    assert grams("日本 2") == [*grams("日"), *grams("本"), *grams("2")]
    assert len(grams("日、本。")) == 2
    assert grams("日 本", [1, 2]) == grams("日本", [1, 2])
    assert len(grams("한국어 뉴스")) == 2  # Korean has spaces


def test_words_of_hindi_do_not_fall_apart():
    assert len(grams("समाचार की सुर्खियाँ")) == 3
    assert len(grams("किताब")) == 1
    assert len(grams("தமிழ் வானொலி")) == 2
    assert len(grams("עִבְרִית")) == 1
    assert grams("कि") != grams("का") != grams("क")


@pytest.mark.parametrize(
    ("characters", "expected"),
    [
        ("aZ1äßЖ漢"[:6], LETTER),
        ("\u093f\u0301", LETTER),
        ("漢あア𠀀ｱไ", ALONE),
        (" \n!–_。・", GAP),
        ("\ud800", GAP),
    ],
)
def test_characters_are_of_three_kinds(characters, expected):
    assert [kind(character) for character in characters] == [expected] * len(characters)


def test_long_texts_and_many_texts_are_hashed():
    texts = ["word " * 2000, *(f"text {number}" for number in range(3000))]
    for found, counts in both(texts, [1, 2], 131_072):
        assert counts[0] == 3999
        assert set(counts[1:].tolist()) == {3}
        assert len(set(found[: counts[0]].tolist())) == 2


def test_what_one_implementation_looked_up_the_other_can_use():
    texts = random_texts(5, EVERYTHING)
    words._kinds.cache_clear()
    first = pure(lambda: words_of(texts))
    assert words_of(texts)[0].tolist() == first[0].tolist()
    words._kinds.cache_clear()
    assert words_of(texts)[0].tolist() == first[0].tolist()
    assert pure(lambda: words_of(texts))[0].tolist() == first[0].tolist()


# Characters inside words


def test_characters_are_those_of_words_and_of_the_gaps_beside_them():
    assert len(pieces("abc", 3)) == 3  # _ab, abc, bc_
    assert len(pieces("abc", 5)) == 1
    assert len(pieces("abc", 6)) == 0
    assert pieces("abc de", 3) == [*pieces("abc", 3), *pieces("de", 3)]
    assert pieces("abc", 3, 4) == pieces("abc", 4, 3)
    assert sorted(pieces("abc", 3, 4)) == sorted([*pieces("abc", 3), *pieces("abc", 4)])
    assert pieces("ABC, de!", 3) == pieces("abc de", 3)


def test_inflected_words_share_characters_and_no_words():
    assert not set(grams("Nachricht")) & set(grams("Nachrichten"))
    assert len(set(pieces("Nachricht", 5)) & set(pieces("Nachrichten", 5))) == 6  # all but the one with the gap


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["!?", " \n"], ["", "abc", ""]])
def test_empty_texts_have_no_characters(texts):
    for found, counts in both(texts, [], 97, [3]):
        assert counts.tolist() == [3 * int("abc" in text) for text in texts]
        assert len(found) == counts.sum()


def test_each_text_has_its_words_and_then_its_characters():
    features = TextFeatures([1, 2], [3], LARGE)
    together, counts = hash_texts(TEXTS, features)
    alone = [[*grams(text, [1, 2]), *pieces(text, 3)] for text in TEXTS]
    assert together.tolist() == [bucket for found in alone for bucket in found]
    assert counts.tolist() == list(map(len, alone))


def test_characters_of_scripts_without_spaces_are_words_alone():
    assert pieces("日本沈没", 3, 4) == []
    assert pieces("ab日cd", 3) == [*pieces("ab", 3), *pieces("cd", 3)]


@pytest.mark.parametrize("orders", [[1], [2, 1], []])
@pytest.mark.parametrize("characters", [[], [4, 2], [5]])
def test_located_features_are_those_that_are_hashed(orders, characters):
    features = TextFeatures(orders, characters, LARGE)
    for text in [*TEXTS, *random_texts(7, BLOCKS)]:
        assert [bucket for _, bucket in locate(text, features)] == hash_texts([text], features)[0].tolist()


def test_located_features_are_shown_as_they_are_written():
    shown = [text for text, _ in locate("Gute Zeit!", TextFeatures([1, 2], [4, 6], LARGE))]
    characters = ["_gut", "_gute_", "gute", "ute_", "_zei", "_zeit_", "zeit", "eit_"]
    assert shown == ["gute", "gute zeit", "zeit", *characters]
    by_text = dict(locate("ab cd ab", TextFeatures([1], [3], LARGE)))
    assert by_text["ab"] == grams("ab")[0]
    assert by_text["_cd"] == pieces("cd", 3)[0]
