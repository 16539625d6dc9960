"""XMLTV guides as titles with tags: what a guide says of a title in all its programmes' categories together."""

import re
from collections import Counter, defaultdict
from pathlib import Path

import pandas as pd

from titleclf.epg.parser import programmes
from titleclf.runtime.text.tags import BAR, joined

_MARK = re.compile(r"\s*\[[^\]]*\]$")  # [New], which a guide adds to a title of a day


def tagged_titles(paths: list[Path], least: int) -> pd.DataFrame:
    """Return `title, category, lang` of the guides together: of each distinct title all its tags, joined by bars.

    Left out are tags of fewer than `least` titles, and titles that have no other.
    """
    tags: defaultdict[str, set[str]] = defaultdict(set)
    languages: dict[str, str] = {}
    for path in paths:
        for programme in programmes(str(path)):
            title = _MARK.sub("", programme.title)
            tags[title] |= {category.text.replace(BAR, "/") for category in programme.categories}  # a bar would part it
            languages.setdefault(title, programme.lang or "")
    counts = Counter(tag for found in tags.values() for tag in found)
    common = {tag for tag, count in counts.items() if count >= least}
    rows = [
        (title, joined(found & common), languages[title]) for title, found in tags.items() if title and found & common
    ]
    return pd.DataFrame(rows, columns=["title", "category", "lang"])
