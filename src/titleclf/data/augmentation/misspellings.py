"""What happens to the letters of a title: slips on a keyboard, lost diacritics, wrong encodings, misread print."""

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence

from titleclf.data.augmentation.draws import Change, Draw, changed, pick
from titleclf.runtime.choices import Misspelling


def _neighbours(*rows: str) -> dict[str, str]:
    """Return the keys that touch each key: letters only near letters, digits near digits."""
    shifts = (0.0, 0.5, 0.75, 1.25)  # how many keys to the right each row begins
    places = {key: (row, shifts[row] + place) for row, line in enumerate(rows) for place, key in enumerate(line)}
    keys = {key: place for key, place in places.items() if key.isalnum()}

    def touch(one: str, other: str) -> bool:
        (row, x), (other_row, other_x) = keys[one], keys[other]
        reach = {0: 1.0, 1: 0.75}.get(abs(row - other_row), 0.0)
        return one != other and one.isalpha() == other.isalpha() and abs(x - other_x) <= reach

    return {key: "".join(other for other in keys if touch(key, other)) for key in keys}


def _layout(*rows: str) -> dict[str, str]:
    """Return the neighbours of each character: both cases, with diacritics too, and those of other scripts."""
    small = {
        **_neighbours("", "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю"),
        **_neighbours("", "··ερτυθιοπ", "ασδφγηξκλ", "ζχψωβνμ"),
        **_neighbours(*rows),
    }
    small = {chr(marked): small[plain] for marked, plain in PLAIN.items() if plain in small} | small
    return {_capital(key): "".join(map(_capital, near)) for key, near in small.items()} | small


def _capital(letter: str) -> str:
    return letter.upper() if len(letter.upper()) == 1 else letter  # ß


def _plain() -> Iterator[tuple[int, str]]:
    """Yield letters with diacritics, and what stays of them without."""
    special = {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "þ": "th", "Þ": "Th"}
    special |= dict(zip("øØłŁđĐðÐıёЁ", "oOlLdDdDiеЕ", strict=True))
    yield from ((ord(marked), plain) for marked, plain in special.items())
    for point in (*range(0xC0, 0x250), *range(0x370, 0x400), *range(0x1E00, 0x2000)):  # Latin and Greek
        plain = unicodedata.normalize("NFD", chr(point))[0]
        if plain != chr(point):
            yield point, plain
    yield from ((point, "") for point in range(0x300, 0x370))  # combining ones


def _encoding(name: str) -> dict[int, str]:
    """Return what each byte above ASCII is in an encoding, where it is anything."""
    return {byte: bytes([byte]).decode(name, "ignore") or chr(byte) for byte in range(0x80, 0x100)}


PLAIN = dict(_plain())
LAYOUTS = (
    _layout("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"),
    _layout("1234567890ß", "qwertzuiopü", "asdfghjklöä", "yxcvbnm"),
    _layout("1234567890", "azertyuiop", "qsdfghjklmù", "wxcvbn"),
)
_IN_TWO_LETTERS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "Å": "Aa"}
)
_ENCODINGS = tuple(map(_encoding, ("cp1252", "cp1252", "cp1252", "latin-1", "cp437", "mac_roman")))  # as often as seen
_LOSSES = ("?", "?", "\N{REPLACEMENT CHARACTER}", "\N{REPLACEMENT CHARACTER}", "??", "_", "")
_ALIKE = (
    *(("O", "0", "Q"), ("D", "0"), ("l", "1", "I", "|"), ("i", "l", "j"), ("S", "5"), ("s", "5"), ("B", "8")),
    *(("Z", "2"), ("G", "6", "C"), ("b", "6", "h"), ("e", "c", "o"), ("n", "u"), ("g", "9", "q"), ("a", "o")),
    *(("t", "f"), ("E", "F"), ("P", "R"), ("T", "7"), ("A", "4"), ("y", "v"), ("U", "V"), ("rn", "m"), ("nn", "m")),
    *(("in", "m"), ("cl", "d"), ("vv", "w"), ("VV", "W"), ("ri", "n"), ("li", "h"), ("fi", "h"), ("ii", "u")),
    *(("ll", "11"), ("lc", "k")),
)
LOOKALIKES = {
    one: tuple({other: None for group in _ALIKE if one in group for other in group if other != one})
    for one in {letters: None for group in _ALIKE for letters in group}
}
_LOOKALIKE = re.compile("|".join(map(re.escape, sorted(LOOKALIKES, key=len, reverse=True))))


def _insert(title: str, draw: Draw) -> str:
    """Hit a neighbouring key too, hit the same twice, or split a word."""
    place = _place(title, draw)
    if place < 0:
        return title
    letter, choice = title[place], draw()
    if choice < 0.1 and place > 0 and title[place - 1].isalnum():
        return f"{title[:place]} {title[place:]}"
    near = pick(LAYOUTS, draw).get(letter)
    if not near or choice < 0.4:
        return title[:place] + letter + title[place:]
    place += choice < 0.7  # before the letter, or after it
    return title[:place] + pick(near, draw) + title[place:]


def _delete(title: str, draw: Draw) -> str:
    """Miss a key, the space bar too."""
    place = int(draw() * len(title))
    return title[:place] + title[place + 1 :]


def _transpose(title: str, draw: Draw) -> str:
    """Hit two keys in the wrong order."""
    last = max(len(title) - 1, 0)
    start = int(draw() * last)
    for place in (*range(start, last), *range(start)):
        left, right = title[place], title[place + 1]
        if left != right and left.isalnum() and right.isalnum():
            return title[:place] + right + left + title[place + 2 :]
    return title


def _substitute(title: str, draw: Draw) -> str:
    """Hit a neighbouring key; for a letter that is on no keyboard here, another letter of the title."""
    place = _place(title, draw)
    if place < 0:
        return title
    letter = title[place]
    near: Sequence[str] | None = pick(LAYOUTS, draw).get(letter)
    near = near or [other for other in title if other != letter and other.isalnum()]
    return title[:place] + pick(near, draw) + title[place + 1 :] if near else title


def _place(title: str, draw: Draw) -> int:
    """Return where a letter or digit stands, -1 if there is none."""
    for _ in range(8 if title else 0):  # most titles are mostly letters
        place = int(draw() * len(title))
        if title[place].isalnum():
            return place
    return next((place for place, character in enumerate(title) if character.isalnum()), -1)


def _without_diacritics(title: str, draw: Draw) -> str:
    """Lose all of them; ü becomes u or ue."""
    if title.isascii():
        return title
    if draw() < 0.5:
        title = title.translate(_IN_TWO_LETTERS)
    return title.translate(PLAIN)


def _mojibake(title: str, draw: Draw) -> str:
    return changed(title, (_misread, _misread, _lost, _escaped), draw)


def _misread(title: str, draw: Draw) -> str:
    """Take UTF-8 for something else; straight apostrophes and hyphens are taken to have been curly and long."""
    if title.isascii():
        title = title.replace("'", "’").replace(" - ", " – ")
    return title if title.isascii() else title.encode().decode("latin-1").translate(pick(_ENCODINGS, draw))


def _lost(title: str, draw: Draw) -> str:
    """Lose all that is not ASCII."""
    return title if title.isascii() else re.sub(r"[^\x00-\x7f]", pick(_LOSSES, draw), title)


def _escaped(title: str, draw: Draw) -> str:
    """Keep the entities of HTML as they are written."""
    escaped = html.escape(title).replace("&#x27;", pick(("&#39;", "&#039;", "&apos;"), draw))
    return escaped.encode("ascii", "xmlcharrefreplace").decode()


def _lookalike(title: str, draw: Draw) -> str:
    """Take a letter, or two, for what looks alike."""
    found = _LOOKALIKE.search(title, int(draw() * len(title))) or _LOOKALIKE.search(title)
    return title[: found.start()] + pick(LOOKALIKES[found[0]], draw) + title[found.end() :] if found else title


MISSPELLINGS: dict[Misspelling, Change] = {
    Misspelling.insert: _insert,
    Misspelling.delete: _delete,
    Misspelling.transpose: _transpose,
    Misspelling.substitute: _substitute,
    Misspelling.diacritics: _without_diacritics,
    Misspelling.mojibake: _mojibake,
    Misspelling.ocr: _lookalike,
}
