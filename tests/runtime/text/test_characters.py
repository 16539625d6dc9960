import functools
import random
import sys
import unicodedata

import numpy as np
import pytest

from titleclf.runtime.errors import InputError
from titleclf.runtime.text.characters import (
    BOUNDARY,
    FIRST_CHARACTER,
    PAD,
    SPACE,
    UNK,
    Characters,
    chunked,
    may_compose,
    normalise,
)

ALL = [char for char in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(char) not in {"Cn", "Co"}]

A, B, C = range(FIRST_CHARACTER, FIRST_CHARACTER + 3)


def vocabulary(known="abc", *, casefold=True, boundary=True, length=7) -> Characters:
    return Characters(known, casefold, boundary, length)


@pytest.mark.parametrize(
    ("title", "normal"),
    [
        ("TATORT", "tatort"),
        ("e\N{COMBINING ACUTE ACCENT}", "é"),
        ("  a \t\n b  ", "a b"),
        ("Straße", "strasse"),
        ("ΰ".upper(), "ΰ"),  # folding decomposes it, NFC composes it again
        ("\N{NO-BREAK SPACE}", ""),
    ],
)
def test_normalise(title, normal):
    assert normalise(title, casefold=True) == normal


def test_case_stays_without_casefold():
    assert normalise("TATort", casefold=False) == "TATort"


def test_the_vocabulary_has_characters_with_a_minimum_count():
    characters = Characters.from_titles(["abca", "Bca", "z"], casefold=True, min_count=2, boundary=True)
    assert characters == Characters("abc", casefold=True, boundary=True, length=6)
    assert len(characters) == FIRST_CHARACTER + 3


def test_ids_and_masks():
    batch = vocabulary().batch(["Cab", "", "xa"])
    assert batch.ids.tolist() == [
        [BOUNDARY, C, A, B, BOUNDARY],
        [BOUNDARY, BOUNDARY, PAD, PAD, PAD],
        [BOUNDARY, UNK, A, BOUNDARY, PAD],
    ]
    assert np.array_equal(batch.mask, batch.ids != PAD)
    assert vocabulary().count_truncated(["Cab", "", "xa"]) == 0


def test_a_space_always_has_its_id():
    characters = Characters.from_titles(["a a"], casefold=True, min_count=2, boundary=False)
    assert characters.known == "a"
    assert characters.batch(["a  a"]).ids.tolist() == [[A, SPACE, A]]
    assert vocabulary("").batch(["x y"]).ids.tolist() == [[BOUNDARY, UNK, SPACE, UNK, BOUNDARY]]


def test_without_boundary():
    batch = vocabulary(boundary=False).batch(["cab", "", "b"])
    assert batch.ids.tolist() == [[C, A, B], [PAD] * 3, [B, PAD, PAD]]
    assert batch.mask.tolist() == [[True] * 3, [False] * 3, [True, False, False]]


def test_longer_titles_are_truncated_and_counted():
    titles = ["abcabc", "abcab", "a" * 10_000]
    batch = vocabulary().batch(titles)
    assert batch.ids.shape == (3, 7)
    assert batch.ids[0].tolist() == [BOUNDARY, A, B, C, A, B, BOUNDARY]
    assert vocabulary().count_truncated(titles) == 2
    assert vocabulary(boundary=False).count_truncated(titles) == 1


@functools.cache  # normalising all of Unicode takes a third of a second
def random_titles() -> list[str]:
    """Return titles from all of Unicode, with everything that changes their length when they are normalised."""
    draw = random.Random(4)
    growing = [char for char in map(chr, range(sys.maxunicode + 1)) if len(normalise(char, casefold=True)) > 1]
    composing = ["e\u0301", "o\u0328\u0304", "\u1100\u1161\u11a8", "ΰ", "\u0301", "\u0323", "\u1161"]
    parts = [*growing, *composing * 20, *"  \t\n\u2003\u00a0" * 20, *"aBßΣ日🎉" * 20, *ALL[::500], "\udcff", "\ud800"]
    return ["", *("".join(draw.choices(parts, k=draw.randint(0, 12))) for _ in range(20_000))]


@pytest.mark.parametrize("boundary", [True, False])
@pytest.mark.parametrize("casefold", [True, False])
@pytest.mark.parametrize("length", [3, 5, 8, 14, 40])
def test_titles_that_are_too_long_when_normalised_are_truncated(casefold, boundary, length):
    characters = vocabulary(casefold=casefold, boundary=boundary, length=length)
    titles = random_titles()
    lengths = np.array([len(normalise(title, casefold=casefold)) for title in titles])
    room = length - 2 * boundary
    assert characters.count_truncated(titles) == characters.count_truncated(iter(titles)) == (lengths > room).sum()
    assert characters.line(titles).counts.tolist() == (np.minimum(lengths, room) + 2 * boundary).tolist()


def test_a_title_grows_by_no_more_than_the_factor_that_counting_relies_on():
    grown = max(len(normalise(character, casefold=casefold)) for character in ALL for casefold in (True, False))
    assert grown == 3
    lengths = [(len(title), len(normalise(title, casefold=True))) for title in random_titles()]
    assert all(normalised <= 3 * length for length, normalised in lengths)
    assert any(normalised > length for length, normalised in lengths)


@pytest.mark.parametrize("odd", ["\0", "\udcff", "🎉", "日"])
def test_odd_characters_are_unknown(odd):
    assert vocabulary().batch([odd]).ids.tolist() == [[BOUNDARY, UNK, BOUNDARY]]


def test_an_empty_vocabulary_knows_no_character():
    assert vocabulary("").batch(["ab"]).ids.tolist() == [[BOUNDARY, UNK, UNK, BOUNDARY]]


def test_no_titles_are_an_empty_batch():
    assert vocabulary().batch([]).ids.shape == (0, 3)


def test_an_empty_title_without_boundary_is_one_pad():
    batch = vocabulary(boundary=False).batch([""])
    assert (batch.ids.tolist(), batch.mask.tolist()) == ([[PAD]], [[False]])


def test_a_mapping_restores_the_characters():
    characters = vocabulary("aé日")
    assert Characters.from_mapping(characters.to_mapping(), "here") == characters


@pytest.mark.parametrize("change", [{"length": "7"}, {"more": 1}, {"known": None}])
def test_a_mapping_that_is_not_a_vocabulary_is_refused(change):
    with pytest.raises(
        InputError, match=r"here must have the keys known, casefold, boundary, length, each of the right type\. Got"
    ):
        Characters.from_mapping({**vocabulary().to_mapping(), **change}, "here")


@pytest.mark.parametrize(("boundary", "least"), [(True, 3), (False, 1)])
def test_a_vocabulary_needs_room_for_a_character(boundary, least):
    values = vocabulary(boundary=boundary).to_mapping()
    assert Characters.from_mapping({**values, "length": least}, "here").length == least
    with pytest.raises(
        InputError, match=rf"^here must have a length of at least {least}\. Got {least - 1}\. Train again"
    ):
        Characters.from_mapping({**values, "length": least - 1}, "here")


def test_chunks_keep_order_and_lose_nothing():
    titles = list("abcdefg")
    assert list(chunked(iter(titles), 3)) == [["a", "b", "c"], ["d", "e", "f"], ["g"]]
    assert [len(chunk) for chunk in chunked(titles, 3)] == [3, 3, 1]
    assert list(chunked([], 3)) == []


def test_all_characters_that_compose_with_those_before_them_are_known():
    decomposed = [unicodedata.decomposition(character).split() for character in ALL]
    pairs = [[chr(int(code, 16)) for code in codes] for codes in decomposed if len(codes) == 2 and "<" not in codes[0]]
    assert len(pairs) > 900
    assert all(may_compose(second) for pair in pairs if len(normalised(pair)) == 1 for second in pair[1:])
    assert all(may_compose(character) for character in ALL if unicodedata.combining(character))
    syllables = [normalised(["\u1100\u1161", last]) for last in ALL if len(normalised(["\u1100\u1161", last])) == 1]
    assert len(syllables) == 27


def normalised(parts):
    return unicodedata.normalize("NFC", "".join(parts))


@pytest.mark.parametrize("casefold", [True, False])
def test_characters_that_stand_alone_have_the_same_ids_beside_others(casefold):
    known = "".join(sorted({*"aæéßΣσς", *ALL[::7]} - {" "}))
    characters = Characters(known, casefold, False, len(ALL))
    alone = [(character, characters.alone(character)) for character in ALL]
    titles = [character for character, own in alone if own >= 0 and own != SPACE]
    ids, _ = characters.line(["".join(titles)])
    assert characters.count_truncated(["".join(titles)]) == 0
    assert ids.tolist() == [own for _, own in alone if own >= 0 and own != SPACE]
    assert len(titles) > 0.95 * len(ALL)
    assert {character for character, own in alone if own == SPACE} == {char for char in ALL if char.isspace()}
    assert characters.alone("\u0301") == characters.alone("\u1161") == -1
    assert (characters.alone("ß") == -1) == casefold
