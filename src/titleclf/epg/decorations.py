"""Decorations: what guides write around a title ("NEW: ...", "... [HD]"), and titles without them."""

from collections.abc import Iterable, Iterator
from functools import cache

from titleclf.runtime.text.languages import words

Family = tuple[str, ...]  # noise draws a family, then an entry of it: small families are drawn as often as large ones

# Entries listed twice are drawn twice as often.
_NEW = words("new")
_LIVE = ("Live", "Live", *words("live"), "On Air")
_REPEAT = ("R", *words("repeat"))
_QUALITY = ("HD", "HD", "UHD", "4K", "Full HD", "HDTV", "3D", "SD", "HDR", "Dolby", "Dolby 5.1", "Stereo", "16:9")
_SOUND = (
    *("OmU", "OV", "OmeU", "VO", "VF", "VM", "VOST", "VOSTFR", "VOSE", "V.O.", "S", "AD", "AD,S", "S,AD", "S,SL"),
    *("SL", "ST", "Sub", "Subs", "Subtitled", "Signed", "UT", "Untertitel", "Hörfilm", "CC", "Dual", "Legendado"),
    *("Dublado", "Sottotitoli", "Sous-titré", "Audio Described", "Audiodeskription", "Subtitulado", "T", "TT"),
)
_AGE = (
    *(form.format(age) for age in (0, 6, 7, 10, 12, 14, 15, 16, 18) for form in ("{}", "{}+", "+{}", "-{}", "FSK {}")),
    *("PG", "PG-13", "TV-PG", "TV-14", "TV-MA", "TV-Y7", "TV-G", "U", "G", "VM14", "VM18", "M/12", "M/16", "R18", "R1"),
    *("ab 12", "ab 16", "AL", "L", "12A", "NR", "12 ans", "16 anni", "13 años", "14 anos"),
)
_SYMBOLS = ("*", "**", "★", "●", "•", "♦", "■", "»", "►", "+", "#", "!", "🆕", "🔴", "⭐", "°", "^", "~")

_BRACKETS = (*["({})"] * 5, *["[{}]"] * 3, "{{{}}}", "<{}>", "*{}*", "|{}|", "-{}-", "«{}»")
_LINKS_BEFORE = (": ", ": ", ": ", " - ", " - ", " ", " ", " – ", " | ", ":", "! ", " / ", ". ", "... ")
_LINKS_AFTER = (" ", " ", " ", " - ", ", ", " | ", " – ", ": ", " / ", "-", "_")
_SUPERSCRIPT = str.maketrans(
    "ABCDEFGHIJKLMNOPRSTUVWXYZabcdefghijklmnoprstuvwxyz0123456789",
    "ᴬᴮᶜᴰᴱᶠᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿˢᵀᵁⱽᵂˣʸᶻᵃᵇᶜᵈᵉᶠᵍʰᶦʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ⁰¹²³⁴⁵⁶⁷⁸⁹",
)
_RAISED = tuple(
    word.translate(_SUPERSCRIPT)
    for base in ("New", "Live", "HD", "UHD", "4K", "Neu", "Repeat", "R", "Ad", "Vip", "Sub", "Fhd")
    for word in (base, base.upper(), f"({base.upper()})")
)


def undecorated(title: str) -> str:
    """Return a title without the decorations that are set apart from it, unless nothing else is left.

    "New Amsterdam" is kept, too: words that only a space separates may belong to the title.
    """
    rest = title.strip()
    while rest:
        title = rest
        rest = title[_length(title, _starts()) : len(title) - _length(title[::-1], _reversed_ends())].strip()
        if rest == title:
            return title
    return title


# The families are built on demand: filling a guide without overrides needs none of them.
@cache
def before() -> tuple[Family, ...]:
    """Return the families that precede a title.

    "Movie: Heat" is in none of them: it states the genre, which a model should use.
    """
    return (
        *(_before(_NEW), _before(_NEW), _before(_LIVE), _before(_LIVE), _before(_QUALITY)),
        tuple(f"{word} " for word in (*_SYMBOLS, *_RAISED)),
    )


@cache
def after() -> tuple[Family, ...]:
    """Return the families that follow a title."""
    return (
        *(_after(_NEW), _after(_LIVE), _after(_REPEAT), _after(_QUALITY), _after(_SOUND), _after(_AGE)),
        tuple(link + word for word in (*_SYMBOLS, *_RAISED) for link in (" ", " ", "")),
    )


def set_apart(families: Iterable[Family]) -> Iterator[str]:
    """Yield the decorations that more than a space separates from a title."""
    for family in families:
        for decoration in family:
            if not (decoration.isascii() and decoration.replace(" ", "").isalnum()):
                yield decoration


def _before(texts: Iterable[str]) -> Family:
    linked = [text + link for text in _cased(texts) for link in _LINKS_BEFORE]
    return (*linked, *(f"{bracket.format(text)} " for text in _cased(texts) for bracket in _BRACKETS))


def _after(texts: Iterable[str]) -> Family:
    linked = [link + text for text in _cased(texts) for link in _LINKS_AFTER]
    bracketed = [f" {bracket.format(text)}" for text in _cased(texts) for bracket in _BRACKETS]
    return (*linked, *bracketed, *bracketed)


def _cased(texts: Iterable[str]) -> list[str]:
    return [form for text in texts for form in (text, text, text.upper(), text.lower())]


def _length(title: str, decorations: frozenset[str]) -> int:
    """Return the length of the longest decoration at the start of a title, 0 if there is none."""
    folded = title[: _longest()].lower()
    return next((length for length in range(len(folded), 0, -1) if folded[:length] in decorations), 0)


@cache
def _starts() -> frozenset[str]:
    return frozenset(map(str.lower, set_apart(before())))


@cache
def _reversed_ends() -> frozenset[str]:
    return frozenset(decoration.lower()[::-1] for decoration in set_apart(after()))


@cache
def _longest() -> int:
    return max(map(len, _starts() | _reversed_ends()))
