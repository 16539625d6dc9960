"""Misspellings: typing errors, lost diacritics, wrong encodings and OCR errors."""

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence

from titleclf.data.augmentation.draws import Change, Draw, changed, pick
from titleclf.runtime.choices import Misspelling


def _neighbours(*rows: str) -> dict[str, str]:
    """Return the keys that touch each key: letters touch only letters, digits only digits."""
    shifts = (0.0, 0.5, 0.75, 1.25)  # of each row, in keys to the right
    positions = {key: (row, shifts[row] + column) for row, line in enumerate(rows) for column, key in enumerate(line)}
    keys = {key: position for key, position in positions.items() if key.isalnum()}

    def touch(first: str, second: str) -> bool:
        (row, x), (second_row, second_x) = keys[first], keys[second]
        reach = {0: 1.0, 1: 0.75}.get(abs(row - second_row), 0.0)
        return first != second and first.isalpha() == second.isalpha() and abs(x - second_x) <= reach

    return {key: "".join(neighbour for neighbour in keys if touch(key, neighbour)) for key in keys}


def _layout(*rows: str) -> dict[str, str]:
    """Return the neighbours of each character in both cases and with diacritics, Cyrillic and Greek included."""
    lower = {
        **_neighbours("", "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю"),
        **_neighbours("", "··ερτυθιοπ", "ασδφγηξκλ", "ζχψωβνμ"),
        **_neighbours(*rows),
    }
    lower = {chr(accented): lower[plain] for accented, plain in PLAIN.items() if plain in lower} | lower
    return {_upper(key): "".join(map(_upper, neighbours)) for key, neighbours in lower.items()} | lower


def _upper(letter: str) -> str:
    return letter.upper() if len(letter.upper()) == 1 else letter  # ß


def _plain() -> Iterator[tuple[int, str]]:
    """Yield the code point of each letter with diacritics, and the letters without that replace it."""
    special = {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "þ": "th", "Þ": "Th"}
    special |= dict(zip("øØłŁđĐðÐıёЁ", "oOlLdDdDiеЕ", strict=True))
    yield from ((ord(accented), plain) for accented, plain in special.items())
    for point in (*range(0xC0, 0x250), *range(0x370, 0x400), *range(0x1E00, 0x2000)):  # Latin and Greek
        plain = unicodedata.normalize("NFD", chr(point))[0]
        if plain != chr(point):
            yield point, plain
    yield from ((point, "") for point in range(0x300, 0x370))  # combining diacritics


def _encoding(name: str) -> dict[int, str]:
    """Return the character of each byte above ASCII in an encoding, or the byte itself if it has none."""
    return {byte: bytes([byte]).decode(name, "ignore") or chr(byte) for byte in range(0x80, 0x100)}


PLAIN = dict(_plain())
LAYOUTS = (
    _layout("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"),
    _layout("1234567890ß", "qwertzuiopü", "asdfghjklöä", "yxcvbnm"),
    _layout("1234567890", "azertyuiop", "qsdfghjklmù", "wxcvbn"),
)
_AS_TWO_LETTERS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "Å": "Aa"}
)
# Entries listed twice are drawn twice as often.
_ENCODINGS = tuple(map(_encoding, ("cp1252", "cp1252", "cp1252", "latin-1", "cp437", "mac_roman")))
_LOSSES = ("?", "?", "\N{REPLACEMENT CHARACTER}", "\N{REPLACEMENT CHARACTER}", "??", "_", "")
_ALIKE = (
    *(("O", "0", "Q"), ("D", "0"), ("l", "1", "I", "|"), ("i", "l", "j"), ("S", "5"), ("s", "5"), ("B", "8")),
    *(("Z", "2"), ("G", "6", "C"), ("b", "6", "h"), ("e", "c", "o"), ("n", "u"), ("g", "9", "q"), ("a", "o")),
    *(("t", "f"), ("E", "F"), ("P", "R"), ("T", "7"), ("A", "4"), ("y", "v"), ("U", "V"), ("rn", "m"), ("nn", "m")),
    *(("in", "m"), ("cl", "d"), ("vv", "w"), ("VV", "W"), ("ri", "n"), ("li", "h"), ("fi", "h"), ("ii", "u")),
    *(("ll", "11"), ("lc", "k")),
)
LOOKALIKES = {
    letters: tuple({alike: None for group in _ALIKE if letters in group for alike in group if alike != letters})
    for letters in {letters: None for group in _ALIKE for letters in group}
}
_LOOKALIKE = re.compile("|".join(map(re.escape, sorted(LOOKALIKES, key=len, reverse=True))))


def _insert(title: str, draw: Draw) -> str:
    """Hit a neighbouring key as well, the same key twice, or the space bar."""
    index = _random_index(title, draw)
    if index < 0:
        return title
    letter, choice = title[index], draw()
    if choice < 0.1 and index > 0 and title[index - 1].isalnum():
        return f"{title[:index]} {title[index:]}"
    neighbours = pick(LAYOUTS, draw).get(letter)
    if not neighbours or choice < 0.4:
        return title[:index] + letter + title[index:]
    index += choice < 0.7  # after the letter, else before it
    return title[:index] + pick(neighbours, draw) + title[index:]


def _delete(title: str, draw: Draw) -> str:
    """Miss a key or the space bar."""
    index = int(draw() * len(title))
    return title[:index] + title[index + 1 :]


def _transpose(title: str, draw: Draw) -> str:
    """Hit two keys in the wrong order."""
    last = max(len(title) - 1, 0)
    start = int(draw() * last)
    for index in (*range(start, last), *range(start)):
        left, right = title[index], title[index + 1]
        if left != right and left.isalnum() and right.isalnum():
            return title[:index] + right + left + title[index + 2 :]
    return title


def _substitute(title: str, draw: Draw) -> str:
    """Hit a neighbouring key; a letter in no layout becomes another letter of the title."""
    index = _random_index(title, draw)
    if index < 0:
        return title
    letter = title[index]
    options: Sequence[str] | None = pick(LAYOUTS, draw).get(letter)
    options = options or [candidate for candidate in title if candidate != letter and candidate.isalnum()]
    return title[:index] + pick(options, draw) + title[index + 1 :] if options else title


def _random_index(title: str, draw: Draw) -> int:
    """Return the index of a random letter or digit, -1 if there is none."""
    for _ in range(8 if title else 0):  # most titles are mostly letters
        index = int(draw() * len(title))
        if title[index].isalnum():
            return index
    return next((index for index, character in enumerate(title) if character.isalnum()), -1)


def _without_diacritics(title: str, draw: Draw) -> str:
    """Lose all diacritics; ü becomes u or ue."""
    if title.isascii():
        return title
    if draw() < 0.5:
        title = title.translate(_AS_TWO_LETTERS)
    return title.translate(PLAIN)


def _mojibake(title: str, draw: Draw) -> str:
    return changed(title, (_misread, _misread, _lost, _escaped), draw)


def _misread(title: str, draw: Draw) -> str:
    """Decode UTF-8 as another encoding; in ASCII titles, apostrophes and hyphens become curly and long ones first."""
    if title.isascii():
        title = title.replace("'", "’").replace(" - ", " – ")
    return title if title.isascii() else title.encode().decode("latin-1").translate(pick(_ENCODINGS, draw))


def _lost(title: str, draw: Draw) -> str:
    """Replace all characters that are not ASCII."""
    return title if title.isascii() else re.sub(r"[^\x00-\x7f]", pick(_LOSSES, draw), title)


def _escaped(title: str, draw: Draw) -> str:
    """Escape characters as HTML entities."""
    escaped = html.escape(title).replace("&#x27;", pick(("&#39;", "&#039;", "&apos;"), draw))
    return escaped.encode("ascii", "xmlcharrefreplace").decode()


def _lookalike(title: str, draw: Draw) -> str:
    """Replace one or two letters by lookalikes."""
    match = _LOOKALIKE.search(title, int(draw() * len(title))) or _LOOKALIKE.search(title)
    return title[: match.start()] + pick(LOOKALIKES[match[0]], draw) + title[match.end() :] if match else title


MISSPELLINGS: dict[Misspelling, Change] = {
    Misspelling.insert: _insert,
    Misspelling.delete: _delete,
    Misspelling.transpose: _transpose,
    Misspelling.substitute: _substitute,
    Misspelling.diacritics: _without_diacritics,
    Misspelling.mojibake: _mojibake,
    Misspelling.ocr: _lookalike,
}
