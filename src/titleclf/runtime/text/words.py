"""The words of texts, hashed by array operations: scripts without spaces count each character as a word."""

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from titleclf.runtime import speedups
from titleclf.runtime.text.characters import SPACE, Ids, code_points
from titleclf.runtime.text.ngrams import Hashes, rolling_buckets

UNSEEN, GAP, LETTER, ALONE = range(4)  # what a character is: not looked up yet, between words, in one, or one itself
_UNICODE = 0x110000
_FACTOR = 0x9E3779B97F4A7C15  # odd, so it has an inverse modulo 2^64
_INVERSE = pow(_FACTOR, -1, 2**64)
# Thai, Lao, Myanmar and Khmer; Kana; Han: all written without spaces between words.
_WITHOUT_SPACES = (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x9FFF)
_ALSO_WITHOUT_SPACES = (0xF900, 0xFAFF), (0xFF66, 0xFF9D), (0x20000, 0x3FFFF)


class TextFeatures(NamedTuple):
    """What texts are hashed into: n-grams of words, and n-grams of characters inside words, by their orders.

    The latter may begin or end with the gap beside a word. Inflected words share them.
    """

    words: Sequence[int]
    characters: Sequence[int]
    buckets: int


def hash_texts(texts: Sequence[str], features: TextFeatures) -> tuple[Ids, Ids]:
    """Hash the features of each text, whatever its case and punctuation.

    Returns the buckets of all features, text by text: the n-grams of words and then those of characters, by where they
    start; and the number of features of each text (texts,).
    """
    folded = [_folded(text) for text in texts]
    words, characters, buckets = sorted(features.words), sorted(features.characters), features.buckets
    if speedups.compiled is not None:
        found: tuple[Ids, Ids] = speedups.compiled.hash_texts(folded, _kinds(), kind, words, characters, buckets)
        return found
    of_words, word_counts = rolling_buckets(*_words(folded), words, buckets)
    of_characters, counts = rolling_buckets(*_spaced(folded), characters, buckets, across_words=False)
    rows = np.concatenate([np.repeat(np.arange(len(texts)), number) for number in (word_counts, counts)])
    order = np.argsort(rows, kind="stable")
    return np.concatenate([of_words, of_characters])[order], word_counts + counts


def locate(text: str, features: TextFeatures) -> list[tuple[str, int]]:
    """Return each feature of a text as it is written, with its bucket, in the order of `hash_texts`; _ is a gap."""
    folded = _folded(text)
    words, spaced = _split(folded), "".join(char if kind(char) == LETTER else "_" for char in f" {folded} ")
    shown = [
        " ".join(words[start : start + order])
        for start in range(len(words))
        for order in sorted(features.words)
        if start + order <= len(words)
    ]
    shown += [
        spaced[start : start + order]
        for start in range(len(spaced))
        for order in sorted(features.characters)
        if start + order <= len(spaced) and "_" not in spaced[start + 1 : start + order - 1]
    ]
    return list(zip(shown, hash_texts([text], features)[0].tolist(), strict=True))


def kind(character: str) -> int:
    """Return what a case-folded character is."""
    code = ord(character)
    if any(first <= code <= last for first, last in (*_WITHOUT_SPACES, *_ALSO_WITHOUT_SPACES)):
        return ALONE if character.isalnum() else GAP
    # Marks belong to their letters: without them, words of Hindi would fall into pieces.
    return LETTER if character.isalnum() or unicodedata.category(character).startswith("M") else GAP


def _folded(text: str) -> str:
    return text.casefold() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


def _split(text: str) -> list[str]:
    """Return the words of a case-folded text."""
    spaced = (f" {char} " if kind(char) == ALONE else char if kind(char) == LETTER else " " for char in text)
    return "".join(spaced).split()


def _words(texts: Sequence[str]) -> tuple[Hashes, Ids]:
    """Return the hash of each word, text by text, and the number of words of each text (texts,)."""
    codes = code_points("\n".join([*texts, ""])).astype(np.uint64)
    kinds = _looked_up(codes)
    is_word, is_alone = kinds != GAP, kinds == ALONE
    begins = is_word.copy()
    begins[1:] &= ~is_word[:-1] | is_alone[1:] | is_alone[:-1]
    starts = np.flatnonzero(begins)
    ends = np.fromiter((len(text) + 1 for text in texts), dtype=np.int64, count=len(texts)).cumsum()
    firsts = np.searchsorted(starts, np.concatenate([[0], ends]))
    if not len(starts):
        return np.zeros(0, dtype=np.uint64), np.diff(firsts)
    # A polynomial of the word's characters, those of gaps counting nothing, divided by its power at the word's start.
    powers, inverses = (
        np.full(len(codes), factor, np.uint64).cumprod(dtype=np.uint64) for factor in (_FACTOR, _INVERSE)
    )
    hashes = np.add.reduceat(np.where(is_word, codes, np.uint64(0)) * powers, starts) * inverses[starts]
    return hashes, np.diff(firsts)


def _spaced(texts: Sequence[str]) -> tuple[Hashes, Ids]:
    """Return the characters of each text, between two gaps, with SPACE for gaps, and their numbers (texts,)."""
    codes = code_points("".join(f" {text} " for text in texts)).astype(np.uint64)
    codes[_looked_up(codes) != LETTER] = SPACE
    return codes, np.fromiter((len(text) + 2 for text in texts), dtype=np.int64, count=len(texts))


def _looked_up(codes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    table = _kinds()
    kinds = table.take(codes.view(np.int64))
    unseen = codes[kinds == UNSEEN]
    if len(unseen):
        for code in set(unseen.tolist()):
            table[code] = kind(chr(code))
        kinds = table.take(codes.view(np.int64))
    return kinds


@cache
def _kinds() -> npt.NDArray[np.uint8]:
    return np.zeros(_UNICODE, dtype=np.uint8)  # takes no memory before something else is written there
