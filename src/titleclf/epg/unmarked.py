"""Titles without what channels put around them: "NEW: Pawn Stars (R)" is "Pawn Stars"."""

from collections.abc import Iterable

from titleclf.marks import AFTER, BEFORE, Family


def unmarked(title: str) -> str:
    """Return a title without marks that are set apart before and behind it; one that is nothing else stays.

    "New Amsterdam" stays, too: words that only a blank sets apart may be the title's own.
    """
    rest = title.strip()
    while rest:
        title = rest
        rest = title[_length(title, _BEFORE) : len(title) - _length(title[::-1], _AFTER)].strip()
        if rest == title:
            return title
    return title


def _length(title: str, marks: frozenset[str]) -> int:
    folded = title[:_LONGEST].lower()
    return next((length for length in range(len(folded), 0, -1) if folded[:length] in marks), 0)


def _set_apart(families: Iterable[Family]) -> Iterable[str]:
    for family in families:
        for mark in family:
            if not (mark.isascii() and mark.replace(" ", "").isalnum()):
                yield mark.lower()


_BEFORE = frozenset(_set_apart(BEFORE))
_AFTER = frozenset(mark[::-1] for mark in _set_apart(AFTER))  # as they are found from the end
_LONGEST = max(map(len, _BEFORE | _AFTER))
