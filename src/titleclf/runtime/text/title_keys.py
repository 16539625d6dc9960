"""Which programme a title belongs to, whatever its season and episode, and what that is remembered by."""

import re
import unicodedata
from collections.abc import Callable


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
    return base if base.isascii() else base.translate(_PLAIN).strip() or base


def _fold(title: str) -> str:
    return " ".join(title.casefold().translate(_SPACED).split())


class _Table(dict[int, int | str]):
    """A table for `str.translate` that asks only once what becomes of a character."""

    def __init__(self, becomes: Callable[[str], int | str]) -> None:
        super().__init__()
        self.becomes = becomes

    def __missing__(self, code: int) -> int | str:
        self[code] = found = self.becomes(chr(code))
        return found


def _spaced(character: str) -> int | str:
    return ord(character) if character.isalnum() else " "


def _plain(character: str) -> int | str:
    decomposed = unicodedata.normalize("NFKD", character)
    return "".join(part for part in decomposed if not unicodedata.combining(part))


_SPACED, _PLAIN = _Table(_spaced), _Table(_plain)
_DIGIT = re.compile(r"\d")
_SEASON = r"season|series|staffel|saison|temporada|temp|stagione|stag|seizoen|sæson|säsong|sesong|sezon"
_EPISODE = r"episode|episodio|episódio|épisode|eps|ep|folge|teil|part|parte|partie|puntata|aflevering|afl|avsnitt|odc"
MARK_WORDS = f"{_SEASON}|{_EPISODE}".split("|")  # the only words without a digit that marks have
_MARKS = re.compile(
    rf"""
    \b(?:
        s\d+[\s.:]*ep?\d+                              # S12E04
      | \d{{1,2}}x\d{{1,3}}                            # 12x04
      | (?:{_SEASON})[\s.:]*\d+                        # Season 3, Stag. 2
      | (?:{_EPISODE})[\s.:]*\d+(?:\s*/\s*\d+)?        # Ep. 14, Teil 2/3
      | [ste]\d+                                       # S4, T4, E12
      | (?:19|20)\d\d(?:\s*[/–-]\s*(?:19|20)?\d\d)?    # 2019, 2025/26
    )\b
    | \(\s*\d+(?:\s*/\s*\d+)?\s*\)                     # (6), (2/3)
    """,
    re.VERBOSE | re.IGNORECASE,
)
