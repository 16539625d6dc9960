"""Titles that name no programme: what guides write where they know none."""

import re
from functools import cache

from titleclf.runtime import files
from titleclf.runtime.tables import titles_in
from titleclf.runtime.text.title_keys import key_of

_MARKS = " \t\n\u00a0.…-–—_*?!:;,()[]<>/|'\"·•~+=#"
_TIME = re.compile(r"([01]?\d|2[0-4]):[0-5]\d")


def is_placeholder(title: str, channel: str | None) -> bool:
    """Return whether a title says nothing: one of data/placeholders.txt, a bare time, marks, or its channel's name.

    Titles are plain. Case does not matter, nor marks around them; accents may be missing.
    """
    bare = _bare(title)
    if not bare or bare in _placeholders() or (channel is not None and bare == _bare(channel)):
        return True
    return bare[0].isdigit() and _TIME.fullmatch(bare) is not None


def _bare(title: str) -> str:
    return title.casefold().strip(_MARKS)


@cache
def _placeholders() -> frozenset[str]:
    titles = list(titles_in(files.shipped("data/placeholders.txt")))
    return frozenset([*map(_bare, titles), *map(key_of, titles)])
