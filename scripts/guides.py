"""XMLTV guides as titles with tags: what a guide says of a title in all its programmes' categories together."""

import gzip
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd

from titleclf.errors import InputError
from titleclf.tags.cells import BAR, joined

_MARK = re.compile(r"\s*\[[^\]]*\]$")  # [New], which a guide adds to a title of a day


def read_guide(path: Path) -> Iterator[tuple[str, str, set[str]]]:
    """Yield title, language and categories of each programme of a guide, which may be gzipped, as it is parsed.

    Raises
    ------
    InputError
        If the guide is no XML, or ends in the middle.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            events = ElementTree.iterparse(file, ["start", "end"])  # noqa: S314 (expat stops entities that explode)
            _, root = next(events)
            for event, element in events:
                if event == "end" and element.tag == "programme":
                    yield _programme(element)
                    root.clear()
    except (ElementTree.ParseError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path} must be a whole XMLTV guide. Got: {error}. Fetch it again.") from error


def tagged_titles(paths: list[Path], least: int) -> pd.DataFrame:
    """Return `title, category, lang` of the guides together: of each distinct title all its tags, joined by bars.

    Left out are tags of fewer than `least` titles, and titles that have no other.
    """
    tags: defaultdict[str, set[str]] = defaultdict(set)
    languages: dict[str, str] = {}
    for path in paths:
        for title, language, categories in read_guide(path):
            tags[title] |= categories
            languages.setdefault(title, language)
    counts = Counter(tag for found in tags.values() for tag in found)
    common = {tag for tag, count in counts.items() if count >= least}
    rows = [
        (title, joined(found & common), languages[title]) for title, found in tags.items() if title and found & common
    ]
    return pd.DataFrame(rows, columns=["title", "category", "lang"])


def _programme(element: ElementTree.Element) -> tuple[str, str, set[str]]:
    title = element.find("title")
    text, language = ("", "") if title is None else (title.text or "", title.get("lang", ""))
    # A category may hold a bar, which would part it.
    categories = {" ".join((one.text or "").replace(BAR, "/").split()) for one in element.iterfind("category")}
    return _MARK.sub("", " ".join(text.split())), language, categories - {""}
