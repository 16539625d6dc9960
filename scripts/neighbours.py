"""List what a model finds alike: the nearest characters, n-grams and titles of any text, by cosine similarity.

python -m scripts.neighbours TEXT ... [--embeddings FILE|DIR|shipped] [--titles FILE|shipped] [--count K]
python -m scripts.neighbours --picture map.png        a map of the characters
"""

import argparse
import itertools
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from scripts.common.character_map import draw_characters
from scripts.common.vectors import END, START, Places, Vectors, common_grams, open_vectors
from titleclf.data.titles import titles_path
from titleclf.predict.__main__ import LATEST
from titleclf.runtime.arrays import Floats
from titleclf.runtime.errors import InputError, exit_codes
from titleclf.runtime.files import SHIPPED
from titleclf.runtime.tables import is_utf8, titles_in

COMMON = 50_000  # n-grams of the titles, among which the nearest are sought
NOTHING = "nothing known of"
_AT_ONCE = 1024  # titles, or n-grams
_SHARED = 3  # so many n-grams of one bucket are named
_MARKS = str.maketrans({START: "⊢", END: "⊣", " ": "␣"})


class Near(NamedTuple):
    """The nearest candidates of some vectors, nearest first: their places and cosines, both (vectors, count).

    Where there are fewer candidates, or a vector is zero, the cosine is -inf.
    """

    places: Places
    cosines: Floats

    def of(self, row: int) -> list[tuple[int, float]]:
        """Return the places and cosines of one vector's candidates."""
        found = zip(self.places[row], self.cosines[row], strict=True)
        return [(int(place), float(cosine)) for place, cosine in found if np.isfinite(cosine)]


class Grams(NamedTuple):
    """Common n-grams by their buckets: those of one bucket have one vector, and stand together, commonest first."""

    buckets: Places
    names: dict[int, list[str]]

    @classmethod
    def of(cls, vectors: Vectors, grams: list[str]) -> "Grams":
        """Sort n-grams, commonest first, into their buckets."""
        names: dict[int, list[str]] = {}
        for gram, bucket in zip(grams, vectors.buckets(grams).tolist(), strict=True):
            names.setdefault(bucket, []).append(gram)
        return cls(np.array(list(names), dtype=np.int64), names)

    def sharing(self, bucket: int, first: str | None = None) -> str:
        """Return the n-grams of a bucket as one word, `first` before all others."""
        names = list(dict.fromkeys([*([] if first is None else [first]), *self.names.get(bucket, [])]))
        more = f"+{len(names) - _SHARED}" if len(names) > _SHARED else ""
        return "=".join(map(shown, names[:_SHARED])) + more


def nearest(queries: Floats, chunks: Iterable[Floats], own: Places, count: int) -> Near:
    """Return the `count` nearest of candidates that come in chunks (candidates, dim), for each of `queries`.

    `own` (queries,) is the place of the candidate that a query is itself, and is no neighbour; -1 where there is none.
    """
    near = Near(np.zeros((len(queries), 0), dtype=np.int64), np.zeros((len(queries), 0)))
    directions, is_zero = _unit(queries), ~queries.any(axis=1)
    start = 0
    for chunk in chunks:
        places = np.arange(start, start + len(chunk))
        cosines = directions @ _unit(chunk).T  # (queries, chunk)
        cosines[(own[:, None] == places) | is_zero[:, None] | ~chunk.any(axis=1)] = -np.inf
        all_places = np.hstack([near.places, np.broadcast_to(places, cosines.shape)])
        all_cosines = np.hstack([near.cosines, cosines])
        best = (-all_cosines).argsort(axis=1, kind="stable")[:, :count]
        near = Near(np.take_along_axis(all_places, best, axis=1), np.take_along_axis(all_cosines, best, axis=1))
        start += len(chunk)
    return near


def characters_like(text: str, vectors: Vectors, count: int) -> list[str]:
    """Return lines with the nearest characters of each character of `text`."""
    names, is_known = [shown(character) for character in vectors.alphabet.known], vectors.characters.any(axis=1)
    places = {vectors.alphabet.known[place]: place for place in np.flatnonzero(is_known)}
    asked = list(dict.fromkeys(vectors.normalised(text).replace(" ", "")))
    own = np.array([places[character] for character in asked if character in places], dtype=np.int64)
    near = nearest(vectors.characters[own], [vectors.characters], own, count)
    rows = [(names[place], [(names[other], cosine) for other, cosine in near.of(row)]) for row, place in enumerate(own)]
    return [*_table(rows), *_nothing([character for character in asked if character not in places])]


def grams_like(text: str, vectors: Vectors, grams: Grams, count: int) -> list[str]:
    """Return lines with the nearest n-grams of each n-gram of `text`, among common ones."""
    asked = list(dict.fromkeys(vectors.grams(text)))
    buckets = vectors.buckets(asked)
    places = {bucket: place for place, bucket in enumerate(grams.names)}
    own = np.array([places.get(bucket, -1) for bucket in buckets.tolist()])
    queries = vectors.ngrams[buckets]
    near = nearest(queries, _chunks(vectors.ngrams[grams.buckets]), own, count)
    rows = []
    for row in np.flatnonzero(queries.any(axis=1)):
        cells = [(grams.sharing(int(grams.buckets[place])), cosine) for place, cosine in near.of(row)]
        rows.append((grams.sharing(int(buckets[row]), asked[row]), cells))
    return [*_table(rows), *_nothing([asked[row] for row in np.flatnonzero(~queries.any(axis=1))])]


def titles_like(texts: list[str], vectors: Vectors, titles: dict[str, str], count: int) -> list[list[str]]:
    """Return lines with the nearest titles of each text; `titles` are by what the model sees of them."""
    places = {key: place for place, key in enumerate(titles)}
    own = np.array([places.get(vectors.normalised(text), -1) for text in texts])
    queries, names = vectors.encode(texts), list(titles.values())
    near = nearest(queries, _encoded(vectors, names), own, count)
    return [
        [f"    {cosine:.2f}  {safe(names[place])}" for place, cosine in near.of(row)]
        if query.any()
        else [f"    {NOTHING} it"]
        for row, query in enumerate(queries)
    ]


def distinct(path: Path, vectors: Vectors) -> dict[str, str]:
    """Return the titles of a file as first written, by what the model sees of them; empty ones are left out."""
    found: dict[str, str] = {}
    for title in tqdm(titles_in(path), "titles", unit_scale=True, leave=False, disable=None):
        found.setdefault(vectors.normalised(title), title)
    found.pop("", None)
    if not found:
        raise InputError(f"{path} must have at least one title. Got none. Add rows below the header.")
    return found


def shown(gram: str) -> str:
    """Return an n-gram, safe for a terminal, with its boundary marks and spaces to be seen."""
    return safe(gram.translate(_MARKS))


def safe(text: str) -> str:
    """Return text that can't steer a terminal."""
    return "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in text)


def width(text: str) -> int:
    """Return how many columns a terminal needs for `text`."""
    wide = sum(unicodedata.east_asian_width(mark) in "WF" for mark in text)
    return len(text) + wide - sum(unicodedata.combining(mark) > 0 for mark in text)


def report(texts: list[str], vectors: Vectors, titles: dict[str, str], count: int) -> Iterator[str]:
    """Yield what is near each text, a paragraph a text."""
    grams = None
    if vectors.ngrams is not None:
        seen = tqdm(titles.values(), "n-grams", unit_scale=True, leave=False, disable=None)
        grams = Grams.of(vectors, common_grams(vectors, seen, COMMON))
    for text, like in zip(texts, titles_like(texts, vectors, titles, count), strict=True):
        lines = [safe(text), "  nearest characters", *characters_like(text, vectors, count)]
        if grams is not None:
            lines += ["  nearest n-grams (those joined by = share a bucket, and so a vector)"]
            lines += grams_like(text, vectors, grams, count)
        yield "\n".join([*lines, "  nearest titles", *like, ""])


def main() -> None:
    """List what is near each text, and draw the map."""
    arguments = _arguments()
    vectors = open_vectors(arguments.embeddings)
    _check_known(arguments.texts, vectors)
    titles = distinct(titles_path(arguments.titles), vectors)
    sys.stdout.reconfigure(encoding="utf-8")
    for paragraph in report(arguments.texts, vectors, titles, arguments.count) if arguments.texts else ():
        print(paragraph)
    if arguments.picture is not None:
        counts = Counter(character for key in titles for character in key)
        draw_characters(arguments.picture, vectors.alphabet.known, vectors.characters, counts)
        print(f"Wrote {arguments.picture}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="a title, a word, a character")
    parser.add_argument(
        "--embeddings",
        default=str(LATEST) if LATEST.exists() else SHIPPED,
        metavar="FILE|DIR",
        help=f"a file of embeddings, a bundle, a run's folder, or {SHIPPED} "
        f"(default: {LATEST} if there is one, else {SHIPPED})",
    )
    parser.add_argument("--titles", default=SHIPPED, metavar="FILE", help=f"where neighbours are sought ({SHIPPED})")
    parser.add_argument("--count", type=int, default=5, metavar="K", help="how many of each (5)")
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help="where a map of the characters goes")
    arguments = parser.parse_args()
    if not arguments.texts and arguments.picture is None:
        raise InputError("a text must be given. Got none. Name one, or --picture FILE.png; --help says more.")
    if arguments.count < 1:
        raise InputError(f"--count must be at least 1. Got {arguments.count}.")
    return arguments


def _check_known(texts: list[str], vectors: Vectors) -> None:
    for text in texts:
        if not is_utf8(text):
            raise InputError(f"a text must be UTF-8. Got {text!r}. Convert it, for example with iconv.")
        if not set(vectors.normalised(text)) & set(vectors.alphabet.known):
            raise InputError(
                f"a text must have a character that {vectors.embeddings.path} knows. Got {text!r}. "
                "Try another text, or other embeddings."
            )


def _table(rows: Sequence[tuple[str, list[tuple[str, float]]]]) -> list[str]:
    """Return a line a row: its name, and the names and cosines of what is near, in columns."""
    lines = [[name, *(part for like, cosine in near for part in (like, f"{cosine:.2f}"))] for name, near in rows]
    widths = [max(map(width, column)) for column in itertools.zip_longest(*lines, fillvalue="")]
    return ["    " + "  ".join(map(_padded, line, widths)).rstrip() for line in lines]


def _nothing(names: list[str]) -> list[str]:
    return [f"    {NOTHING} {'  '.join(map(shown, names))}"] if names else []


def _padded(text: str, columns: int) -> str:
    return text + " " * (columns - width(text))


def _encoded(vectors: Vectors, titles: list[str]) -> Iterator[Floats]:
    for start in tqdm(range(0, len(titles), _AT_ONCE), "nearest titles", leave=False, disable=None):
        yield vectors.encode(titles[start : start + _AT_ONCE])


def _chunks(table: Floats) -> Iterator[Floats]:
    for start in range(0, len(table), _AT_ONCE):
        yield table[start : start + _AT_ONCE]


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


if __name__ == "__main__":
    exit_codes(main)()
