"""Base titles, without season and episode, and the keys under which titles are remembered."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache
from itertools import filterfalse

from titleclf.runtime.text.languages import words


def base_title(title: str) -> str:
    """Return a title without season, episode, year, case and punctuation, unless nothing else is left ("24")."""
    folded = title.casefold()
    unmarked = _episode_markers().sub(" ", folded) if _DIGIT.search(folded) else folded  # every marker has a digit
    return _without_punctuation(unmarked) or _without_punctuation(folded) or title


def key_of(title: str) -> str:
    """Return the base title without accents."""
    base = " ".join(base_title(unicodedata.normalize("NFC", title)).split())
    return base if base.isascii() else base.translate(_UNACCENTED).strip() or base


def marker_words() -> set[str]:
    """Return all words without digits that may occur in an episode marker."""
    return {word.rstrip(".").casefold() for word in words("season") + words("episode") + words("of")}


class _Table(dict[int, int | str]):
    """A table for `str.translate` that computes each character's replacement once."""

    def __init__(self, replace: Callable[[str], int | str]) -> None:
        super().__init__()
        self.replace = replace

    def __missing__(self, code: int) -> int | str:
        self[code] = replacement = self.replace(chr(code))
        return replacement


def _letter_or_space(character: str) -> int | str:
    return ord(character) if character.isalnum() else " "


def _unaccented(character: str) -> int | str:
    decomposed = unicodedata.normalize("NFKD", character)
    return "".join(part for part in decomposed if not unicodedata.combining(part))


_SPACED, _UNACCENTED = _Table(_letter_or_space), _Table(_unaccented)
_DIGIT = re.compile(r"\d")


def _without_punctuation(folded: str) -> str:
    return " ".join(folded.translate(_SPACED).split())


@cache  # compiled on demand: that takes longer than importing this module
def _episode_markers() -> re.Pattern[str]:
    """Return the pattern of the markers in a folded title."""
    season, episode = (_alternatives(filter(_is_unambiguous, words(kind))) for kind in ("season", "episode"))
    any_season = rf"(?:{season}[\s.:]*|{_alternatives(filterfalse(_is_unambiguous, words('season')))}\s*)"
    any_episode = _alternatives(words("episode"))
    ordinal, of = _alternatives(words("ordinal")), _alternatives(words("of"))
    count = rf"(?:\s*/\s*\d+|\s+{of}\s+\d+)?"
    return re.compile(
        rf"""
        \b(?:
            [st]\d+[\s.:]*x?ep?\d+                                       # S12E04, T12xE04
          | \d{{1,2}}x\d{{1,3}}                                          # 12x04
          | {any_season}\d+[\s,:/–-]+{any_episode}[\s.:]*\d+{count}      # S 12, F 4
          | {season}[\s.:]*\d+                                           # Season 3, Stag. 2
          | {episode}[\s.:]*\d+{count}                                   # Ep. 14, Teil 2/3, Part 2 of 3
          | \d+{ordinal}\s*{episode}(?![\s.:]*\d)                        # 2. Teil; not in "Apollo 13. Part 2"
          | [ste]\d+                                                     # S4, T4, E12
          | (?:19|20)\d\d(?:\s*[/–-]\s*(?:19|20)?\d\d)?                  # 2019, 2025/26
        )\b
        | [(\[]\s*\d+(?:{count}|\.)\s*[)\]]                              # (6), [2/3], (2 of 3), (2.)
        """,
        re.VERBOSE,
    )


def _is_unambiguous(word: str) -> bool:
    """Return whether this word with a number can only be an episode marker, unlike "F1" and "del 5"."""
    return len(word) > 1 and word != "Del"


def _alternatives(texts: Iterable[str]) -> str:
    """Return a pattern of words; full stops are optional except in St. and P., which mean something else without."""
    folded = [text.casefold() for text in texts]
    patterns = [re.escape(text.removesuffix(".") if len(text) > 3 else text) for text in folded]
    return f"(?:{'|'.join(dict.fromkeys(patterns))})"
