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


def characters_of(known="abc", *, casefold=True, boundary=True, length=7) -> Characters:
    return Characters(known, casefold, boundary, length)


@pytest.mark.parametrize(
    ("title", "normal"),
    [
        ("TATORT", "tatort"),
        ("e\N{COMBINING ACUTE ACCENT}", "é"),
        ("  a \t\n b  ", "a b"),
        ("Straße", "strasse"),
        ("ΰ".upper(), "ΰ"),  # folding decomposes it; NFC composes it again
        ("\N{NO-BREAK SPACE}", ""),
    ],
)
def test_titles_are_normalised(title, normal):
    assert normalise(title, casefold=True) == normal


def test_case_is_kept_without_casefold():
    assert normalise("TATort", casefold=False) == "TATort"


def test_the_alphabet_has_the_characters_that_occur_often_enough():
    characters = Characters.from_titles(["abca", "Bca", "z"], casefold=True, min_count=2, boundary=True)
    assert characters == Characters("abc", casefold=True, boundary=True, length=6)
    assert len(characters) == FIRST_CHARACTER + 3


def test_a_batch_has_padded_ids_and_their_mask():
    batch = characters_of().batch(["Cab", "", "xa"])
    assert batch.ids.tolist() == [
        [BOUNDARY, C, A, B, BOUNDARY],
        [BOUNDARY, BOUNDARY, PAD, PAD, PAD],
        [BOUNDARY, UNK, A, BOUNDARY, PAD],
    ]
    assert np.array_equal(batch.mask, batch.ids != PAD)
    assert batch.truncated == 0


def test_a_space_always_has_an_id():
    characters = Characters.from_titles(["a a"], casefold=True, min_count=2, boundary=False)
    assert characters.known == "a"
    assert characters.batch(["a  a"]).ids.tolist() == [[A, SPACE, A]]
    assert characters_of("").batch(["x y"]).ids.tolist() == [[BOUNDARY, UNK, SPACE, UNK, BOUNDARY]]


def test_without_boundary_there_are_no_boundary_tokens():
    batch = characters_of(boundary=False).batch(["cab", "", "b"])
    assert batch.ids.tolist() == [[C, A, B], [PAD] * 3, [B, PAD, PAD]]
    assert batch.mask.tolist() == [[True] * 3, [False] * 3, [True, False, False]]


def test_longer_titles_are_truncated_and_counted():
    batch = characters_of().batch(["abcabc", "abcab", "a" * 10_000])
    assert batch.ids.shape == (3, 7)
    assert batch.ids[0].tolist() == [BOUNDARY, A, B, C, A, B, BOUNDARY]
    assert batch.truncated == 2


@pytest.mark.parametrize("character", ["\0", "\udcff", "🎉", "日"])
def test_characters_outside_the_alphabet_are_unknown(character):
    assert characters_of().batch([character]).ids.tolist() == [[BOUNDARY, UNK, BOUNDARY]]


def test_with_an_empty_alphabet_all_characters_are_unknown():
    assert characters_of("").batch(["ab"]).ids.tolist() == [[BOUNDARY, UNK, UNK, BOUNDARY]]


def test_a_batch_without_titles_is_empty():
    assert characters_of().batch([]).ids.shape == (0, 3)


def test_an_empty_title_without_boundary_is_one_pad():
    batch = characters_of(boundary=False).batch([""])
    assert (batch.ids.tolist(), batch.mask.tolist()) == ([[PAD]], [[False]])


def test_a_mapping_restores_the_characters():
    characters = characters_of("aé日")
    assert Characters.from_mapping(characters.to_mapping(), "here") == characters


@pytest.mark.parametrize("change", [{"length": "7"}, {"more": 1}, {"known": None}])
def test_a_mapping_with_other_keys_or_types_is_refused(change):
    with pytest.raises(
        InputError, match=r"here must have the keys known, casefold, boundary, length, each of its type. Got"
    ):
        Characters.from_mapping({**characters_of().to_mapping(), **change}, "here")


@pytest.mark.parametrize(("boundary", "shortest"), [(True, 3), (False, 1)])
def test_a_length_without_room_for_a_character_is_refused(boundary, shortest):
    values = characters_of(boundary=boundary).to_mapping()
    assert Characters.from_mapping({**values, "length": shortest}, "here").length == shortest
    with pytest.raises(
        InputError, match=rf"^here must have a length of at least {shortest}\. Got {shortest - 1}\. Train again"
    ):
        Characters.from_mapping({**values, "length": shortest - 1}, "here")


def test_chunks_keep_order_and_lose_nothing():
    titles = list("abcdefg")
    assert list(chunked(iter(titles), 3)) == [["a", "b", "c"], ["d", "e", "f"], ["g"]]
    assert [len(chunk) for chunk in chunked(titles, 3)] == [3, 3, 1]
    assert list(chunked([], 3)) == []


def test_may_compose_finds_all_characters_that_compose_with_those_before_them():
    decomposed = [unicodedata.decomposition(character).split() for character in ALL]
    pairs = [[chr(int(code, 16)) for code in codes] for codes in decomposed if len(codes) == 2 and "<" not in codes[0]]
    assert len(pairs) > 900
    assert all(may_compose(second) for pair in pairs if len(nfc(pair)) == 1 for second in pair[1:])
    assert all(may_compose(character) for character in ALL if unicodedata.combining(character))
    syllables = [nfc(["\u1100\u1161", last]) for last in ALL if len(nfc(["\u1100\u1161", last])) == 1]
    assert len(syllables) == 27


def nfc(parts: list[str]) -> str:
    return unicodedata.normalize("NFC", "".join(parts))


@pytest.mark.parametrize("casefold", [True, False])
def test_characters_with_an_id_of_their_own_have_it_beside_any_other(casefold):
    known = "".join(sorted({*"aæéßΣσς", *ALL[::7]} - {" "}))
    characters = Characters(known, casefold, False, len(ALL))
    alone = [(character, characters.alone(character)) for character in ALL]
    independent = [character for character, own in alone if own >= 0 and own != SPACE]
    ids, _, truncated = characters.line(["".join(independent)])
    assert truncated == 0
    assert ids.tolist() == [own for _, own in alone if own >= 0 and own != SPACE]
    assert len(independent) > 0.95 * len(ALL)
    assert {character for character, own in alone if own == SPACE} == {char for char in ALL if char.isspace()}
    assert characters.alone("\u0301") == characters.alone("\u1161") == -1
    assert (characters.alone("ß") == -1) == casefold
