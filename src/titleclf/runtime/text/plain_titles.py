"""Plain titles: without markup, odd forms of letters, and the marks of guides, such as (R).

Overrides, memory, networks and training all see these. Marks that say something about a programme stay: "Live:" speaks
for sports, and networks learn it.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from titleclf.runtime import speedups
from titleclf.runtime.text.languages import words

_LONGEST = 1000  # characters: longer texts are no titles, and stay
_UNICODE = 0x110000
_ANYWHERE, _FIRST, _LAST, _LINK = 1, 2, 4, 8  # where a character makes a title worth a look; as in _speedups

_QUALITY = ("HD", "UHD", "FHD", "4K", "8K")
_ALSO_QUALITY = ("HDR", "HDTV", "Full HD", "Ultra HD", "4K UHD")
_AMBIGUOUS = {"nova", "finale", "premiere", "première", "season premiere", "w"}  # brands, finals, women's sports
_BEFORE_QUALITY = {"in", "en", "em", "full", "ultra"}  # "Vietnam in HD"
_BRACKETS = {"(": ")", "[": "]", "{": "}", "<": ">", "*": "*", "|": "|"}
_SPACES = "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
_SPACES += "\u2028\u2029\u202f\u205f\u3000"
_OPENINGS = {closing: opening for opening, closing in _BRACKETS.items()}
_FIRST_CHARACTERS = frozenset([*_BRACKETS, *_SPACES])
_LAST_CHARACTERS = frozenset([*_OPENINGS, *_SPACES, *"DK"])
_LINKS = (":", " | ", " - ", " – ")
_AROUND_LINKS = " :|-–"

_EAST_ASIAN = "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uff66-\uff9f]"
_FULL_WIDTH = "\uff01-\uff5e\uffe0-\uffe6"
_INVISIBLE = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff\ufffc"
_RAISED = "\u00b2\u00b3\u00b9\u02b0-\u02b8\u02e1-\u02e3\u1d2c-\u1d6a\u1d9b-\u1dbf\u2070-\u207f\u2c7d"
_MATHEMATICAL = "\U0001d400-\U0001d7ff"
_ENCLOSED = "\u24b6-\u24e9\U0001f130-\U0001f149\U0001f150-\U0001f169\U0001f170-\U0001f189"
_SMALL_CAPITALS = "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ"
_CAPITALS = "ABCDEFGHIJKLMNOPRSTUVWYZ"
_SQUARED_NEW = "🆕"
_ODD_CHARACTERS = f";[{_FULL_WIDTH}{_INVISIBLE}{_RAISED}{_MATHEMATICAL}{_ENCLOSED}{_SMALL_CAPITALS}{_SQUARED_NEW}"
_TAG = "\ufffc"  # stands for a tag: what lies between two of them is set apart; invisible, so no title has it

_MARKUP = f"[{_ODD_CHARACTERS}]".replace(";[", r";\[")
_ENTITY = r"&(?:amp;|#38;)*(#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]\w{1,31});"
_BBCODE = r"(?i)\[/?(?:COLOU?R|LIGHT|UPPERCASE|LOWERCASE|CAPITALIZE|CR|TABS|SIZE|FONT)(?:[ =][^\[\]]{1,40})?\]"
_SHORT_BBCODE = r"(?i)\[/?[BIU]\]"  # without a closing tag, "[U]" may be a rating
_BETWEEN_TAGS = f"{_TAG}([^{_TAG}]+)(?={_TAG})"
_INVISIBLE_RUN = f"(?<!Ã)[{_INVISIBLE}]+"  # "Ã\u00ad" is a misread "í", which networks know
_FULL_WIDTH_RUN = f"[{_FULL_WIDTH}]+"
_SMALL_WORD = f"[{_RAISED}{_SMALL_CAPITALS}]+|{_SQUARED_NEW}"


def plain_titles(titles: Sequence[str]) -> Sequence[str]:
    """Return the plain form of each title: the same sequence if all are plain already."""
    if speedups.compiled is None:
        plain = list(map(plain_title, titles))
        return titles if plain == titles else plain
    if not (rows := _marks().rows(titles)):  # the usual case
        return titles
    plain = list(titles)
    for row in rows:
        plain[row] = plain_title(titles[row])
    return plain


def plain_title(title: str) -> str:
    """Return a title without markup, invisible characters and decorations, in ordinary letters.

    Entities that were escaped twice, BBCode and zero-width characters are removed; full-width, mathematical, enclosed
    and raised letters and small capitals replaced; decorations taken off that say that a programme is new, repeated or
    in HD. Full-width characters stay beside Chinese, Japanese and Korean ones, where they are usual. A title of which
    nothing would be left stays as it is.
    """
    has_markup = ";" in title or "[" in title if title.isascii() else _pattern(_MARKUP).search(title) is not None
    has_link = ":" in title or " - " in title or " | " in title or " – " in title
    is_usual = not (has_markup or has_link or title[:1] in _FIRST_CHARACTERS or title[-1:] in _LAST_CHARACTERS)
    if is_usual or len(title) > _LONGEST:
        return title
    stripped = title.strip()
    text = _undecorated(_without_markup(stripped) if has_markup else stripped)
    return text if text and text.split() != title.split() else title


def _without_markup(text: str) -> str:
    if not text.isascii():
        text = _with_ordinary_letters(text)
    if "&" in text:
        text = _pattern(_ENTITY).sub(_unescaped, text)
        text = text if text.isascii() else _with_ordinary_letters(text)
    if "[" in text:
        text = _pattern(_BBCODE).sub(_TAG, text)
        text = _pattern(_SHORT_BBCODE).sub(_TAG, text) if "[/" in text else text
    if _TAG in text:
        text = _pattern(_BETWEEN_TAGS).sub(_without_decoration, text).replace(_TAG, "").lstrip(_AROUND_LINKS)
    return " ".join(text.split())


def _with_ordinary_letters(text: str) -> str:
    if not _pattern(_EAST_ASIAN).search(text):
        text = _pattern(_FULL_WIDTH_RUN).sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    text = _pattern(_SMALL_WORD).sub(_without_badge, _pattern(_INVISIBLE_RUN).sub("", text))
    return text.translate(_letters())


def _without_badge(match: re.Match[str]) -> str:
    """Return nothing for small letters that are a decoration, such as "ᴺᴱᵂ"; one letter must stand apart."""
    word = unicodedata.normalize("NFKC", match[0].translate(_letters())).strip("()").casefold()
    is_apart = len(word) > 1 or not match.string[: match.start()][-1:].isalnum()
    return "" if match[0] == _SQUARED_NEW or (is_apart and word in _decorations()) else match[0]


def _unescaped(match: re.Match[str]) -> str:
    import html  # rarely needed, and takes longer to import than a title to predict

    return html.unescape(f"&{match[1]};")


def _without_decoration(match: re.Match[str]) -> str:
    return "" if match[1].strip().casefold() in _decorations() else match[0]


def _undecorated(text: str) -> str:
    """Return a text without its decorations, unless nothing else is there."""
    while (rest := _without_first(_without_last(text))) and rest != text:
        text = rest
    return text


def _without_first(text: str) -> str:
    if closing := _BRACKETS.get(text[:1]):
        word, found, rest = text[1:].partition(closing)
        return rest.lstrip(_AROUND_LINKS) if found and word.strip().casefold() in _decorations() else text
    for link in _LINKS:
        word, found, rest = text.partition(link)
        if found and len(word) > 1 and word.rstrip().casefold() in _decorations():
            return rest.lstrip()
    return text


def _without_last(text: str) -> str:
    if opening := _OPENINGS.get(text[-1:]):
        start = text.rfind(opening, 0, -1)
        is_decoration = start >= 0 and text[start + 1 : -1].strip().casefold() in _decorations()
        return text[:start].rstrip(_AROUND_LINKS) if is_decoration else text
    if text.endswith(_QUALITY):
        rest, _, word = text.rpartition(" ")
        if word in _QUALITY and rest.rpartition(" ")[2].casefold() not in _BEFORE_QUALITY:
            return rest.rstrip(_AROUND_LINKS)
    return text


@cache  # compiled on demand: that takes longer than importing this module, and most titles need none
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@cache
def _decorations() -> frozenset[str]:
    known = (*words("new"), *words("repeat"), *_QUALITY, *_ALSO_QUALITY)
    return frozenset(map(str.casefold, known)) - _AMBIGUOUS


@cache
def _letters() -> dict[int, str]:
    """Return the ordinary letter of each raised, mathematical and enclosed letter, and of small capitals."""
    table = dict(zip(map(ord, _SMALL_CAPITALS), _CAPITALS, strict=True))
    for first, last in _ranges(_RAISED + _MATHEMATICAL + _ENCLOSED):
        for code in range(first, last + 1):
            letter = unicodedata.normalize("NFKC", chr(code))
            if letter != chr(code) and (letter.isalpha() or code >= ord(_MATHEMATICAL[0])):
                table[code] = letter.translate(table)  # "ᶦ" is a raised small capital
    negative = [range(first, first + 26) for first in (0x1F150, 0x1F170)]  # they have no decomposition
    table |= {code: chr(ord("A") + place) for codes in negative for place, code in enumerate(codes)}
    return table


def _ranges(characters: str) -> list[tuple[int, int]]:
    """Return the first and last code points of the ranges of a pattern's class."""
    found = re.findall(r"(.)-(.)|(.)", characters)
    return [(ord(first or single), ord(last or single)) for first, last, single in found]


@cache
def _marks() -> Any:
    """Return the compiled search for titles that may not be plain."""
    compiled: Any = speedups.compiled
    marks = np.zeros(_UNICODE, dtype=np.uint8)  # zeros take no memory
    for first, last in _ranges(_ODD_CHARACTERS):
        marks[first : last + 1] = _ANYWHERE
    for flag, characters in ((_FIRST, _FIRST_CHARACTERS), (_LAST, _LAST_CHARACTERS), (_LINK, ":|-–")):
        marks[[ord(character) for character in characters]] |= flag
    return compiled.Marks(marks, _decorations(), _OPENINGS)
