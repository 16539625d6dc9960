"""Which programme a title belongs to, whatever its season and episode, and what that is remembered by."""

import re
import unicodedata


def base_title(title: str) -> str:
    """Return what stays of a title without season, episode and year, case and punctuation: its programme.

    A title that is nothing but such marks ("24", "1917") is its own base.
    """
    # No mark is without a digit, which is found sooner.
    without = _MARKS.sub(" ", title) if _DIGIT.search(title) else title
    return _fold(without) or _fold(title) or title


def key_of(title: str) -> str:
    """Return the base title without accents: what a known title is remembered by."""
    base = " ".join(base_title(unicodedata.normalize("NFC", title)).split())
    if base.isascii():
        return base
    decomposed = unicodedata.normalize("NFKD", base)
    return "".join(character for character in decomposed if not unicodedata.combining(character)).strip() or base


def _fold(title: str) -> str:
    folded = title.casefold()
    # The table does the same as the pattern, five times as fast, but knows ASCII alone.
    spaced = folded.translate(_ASCII_SIGNS) if folded.isascii() else _SIGNS.sub(" ", folded)
    return " ".join(spaced.split())


_DIGIT, _SIGNS = re.compile(r"\d"), re.compile(r"[\W_]+")
_ASCII_SIGNS = {code: " " for code in range(128) if _SIGNS.match(chr(code))}
_SEASON = r"season|series|staffel|saison|temporada|temp|stagione|stag|seizoen|sæson|säsong|sesong|sezon"
_EPISODE = r"episode|episodio|episódio|épisode|eps|ep|folge|teil|part|parte|partie|puntata|aflevering|afl|avsnitt|odc"
_MARKS = re.compile(
    rf"""
      \bs\d+[\s.:]*ep?\d+\b                              # S12E04
    | \b\d{{1,2}}x\d{{1,3}}\b                            # 12x04
    | \b(?:{_SEASON})[\s.:]*\d+\b                        # Season 3, Stag. 2
    | \b(?:{_EPISODE})[\s.:]*\d+(?:\s*/\s*\d+)?\b        # Ep. 14, Teil 2/3
    | \b[ste]\d+\b                                       # S4, T4, E12
    | \(\s*\d+(?:\s*/\s*\d+)?\s*\)                       # (6), (2/3)
    | \b(?:19|20)\d\d(?:\s*[/–-]\s*(?:19|20)?\d\d)?\b    # 2019, 2025/26
    """,
    re.VERBOSE | re.IGNORECASE,
)
