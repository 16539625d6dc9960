"""List the nearest characters, n-grams and titles of any text, by the cosine of their vectors."""

import argparse
import io
import itertools
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from scripts.common.arguments import script_parser
from scripts.common.character_map import draw_characters
from scripts.common.vectors import END, START, Indices, Vectors, common_grams, open_vectors
from titleclf.data.titles import titles_path
from titleclf.runtime.arguments import count
from titleclf.runtime.arrays import Floats
from titleclf.runtime.bundle.reader import LATEST
from titleclf.runtime.errors import InputError, exit_codes
from titleclf.runtime.files import SHIPPED
from titleclf.runtime.tables import is_utf8, titles_in

COMMON = 50_000  # n-grams of the titles, among which neighbours are searched
UNKNOWN = "no vector for"
_BATCH = 1024  # titles, or n-grams
_NAMED = 3  # listed n-grams per bucket
_VISIBLE = str.maketrans({START: "⊢", END: "⊣", " ": "␣"})


class Nearest(NamedTuple):
    """The nearest candidates of some vectors, nearest first: their indices and cosines, both (vectors, count).

    The cosine is -inf where there are fewer candidates, and for zero vectors.
    """

    indices: Indices
    cosines: Floats

    def of(self, row: int) -> list[tuple[int, float]]:
        """Return the indices and cosines of one vector's candidates."""
        return [
            (int(index), float(cosine))
            for index, cosine in zip(self.indices[row], self.cosines[row], strict=True)
            if np.isfinite(cosine)
        ]


class Grams(NamedTuple):
    """Common n-grams by bucket, the most common first; all n-grams of a bucket share one vector."""

    buckets: Indices
    names: dict[int, list[str]]

    @classmethod
    def of(cls, vectors: Vectors, grams: list[str]) -> "Grams":
        """Sort n-grams, the most common first, into their buckets."""
        names: dict[int, list[str]] = {}
        for gram, bucket in zip(grams, vectors.buckets(grams).tolist(), strict=True):
            names.setdefault(bucket, []).append(gram)
        return cls(np.array(list(names), dtype=np.int64), names)

    def label(self, bucket: int, first: str | None = None) -> str:
        """Return the n-grams of a bucket as one word, `first` before the others."""
        names = list(dict.fromkeys([*([] if first is None else [first]), *self.names.get(bucket, [])]))
        more = f"+{len(names) - _NAMED}" if len(names) > _NAMED else ""
        return "=".join(map(visible, names[:_NAMED])) + more


def nearest(queries: Floats, chunks: Iterable[Floats], own: Indices, top: int) -> Nearest:
    """Return the `top` nearest candidates of each query; the candidates come in chunks (candidates, dim).

    `own` (queries,) is the index of the query itself among the candidates, which is skipped, or -1.
    """
    best = Nearest(np.zeros((len(queries), 0), dtype=np.int64), np.zeros((len(queries), 0)))
    directions, is_zero = _unit(queries), ~queries.any(axis=1, keepdims=True)
    start = 0
    for chunk in chunks:
        indices = np.arange(start, start + len(chunk))
        cosines = directions @ _unit(chunk).T  # (queries, chunk)
        is_own = own[:, None] == indices
        cosines[is_own | is_zero | ~chunk.any(axis=1)] = -np.inf
        all_indices = np.hstack([best.indices, np.broadcast_to(indices, cosines.shape)])
        all_cosines = np.hstack([best.cosines, cosines])
        order = (-all_cosines).argsort(axis=1, kind="stable")[:, :top]
        best = Nearest(np.take_along_axis(all_indices, order, axis=1), np.take_along_axis(all_cosines, order, axis=1))
        start += len(chunk)
    return best


def similar_characters(text: str, vectors: Vectors, top: int) -> list[str]:
    """Return lines with the nearest characters of each character of `text`."""
    names, has_vector = [visible(character) for character in vectors.alphabet.known], vectors.characters.any(axis=1)
    indices = {vectors.alphabet.known[index]: index for index in np.flatnonzero(has_vector).tolist()}
    queries = list(dict.fromkeys(vectors.normalised(text).replace(" ", "")))
    own = np.array([indices[character] for character in queries if character in indices], dtype=np.int64)
    neighbours = nearest(vectors.characters[own], [vectors.characters], own, top)
    rows = [
        (names[index], [(names[neighbour], cosine) for neighbour, cosine in neighbours.of(row)])
        for row, index in enumerate(own)
    ]
    return [*_table(rows), *_unknown([character for character in queries if character not in indices])]


def similar_grams(text: str, vectors: Vectors, table: Floats, grams: Grams, top: int) -> list[str]:
    """Return lines with the nearest common n-grams of each n-gram of `text`; `table` has the vectors of n-grams."""
    text_grams = list(dict.fromkeys(vectors.grams(text)))
    buckets = vectors.buckets(text_grams)
    indices = {bucket: index for index, bucket in enumerate(grams.names)}
    own = np.array([indices.get(bucket, -1) for bucket in buckets.tolist()])
    queries = table[buckets]
    neighbours = nearest(queries, _chunks(table[grams.buckets]), own, top)
    has_vector = queries.any(axis=1)
    rows = []
    for row in np.flatnonzero(has_vector).tolist():
        cells = [(grams.label(int(grams.buckets[index])), cosine) for index, cosine in neighbours.of(row)]
        rows.append((grams.label(int(buckets[row]), text_grams[row]), cells))
    return [*_table(rows), *_unknown([text_grams[row] for row in np.flatnonzero(~has_vector).tolist()])]


def similar_titles(texts: list[str], vectors: Vectors, titles: dict[str, str], top: int) -> list[list[str]]:
    """Return lines with the nearest titles of each text; `titles` are by their normalised form."""
    indices = {key: index for index, key in enumerate(titles)}
    own = np.array([indices.get(vectors.normalised(text), -1) for text in texts])
    queries, names = vectors.encode(texts), list(titles.values())
    neighbours = nearest(queries, _encoded(vectors, names), own, top)
    return [
        [f"    {cosine:.2f}  {printable(names[index])}" for index, cosine in neighbours.of(row)]
        if query.any()
        else [f"    {UNKNOWN} it"]
        for row, query in enumerate(queries)
    ]


def read_distinct(path: Path, vectors: Vectors) -> dict[str, str]:
    """Return the titles of a file by their normalised form, in their first spelling; empty ones are left out."""
    titles: dict[str, str] = {}
    for title in tqdm(titles_in(path), "titles", unit_scale=True, leave=False, disable=None):
        titles.setdefault(vectors.normalised(title), title)
    titles.pop("", None)
    if not titles:
        raise InputError(f"{path} must have at least one title. Got none. Add rows below the header.")
    return titles


def visible(gram: str) -> str:
    """Return an n-gram with visible boundaries and spaces, printable on a terminal."""
    return printable(gram.translate(_VISIBLE))


def printable(text: str) -> str:
    """Return text with escapes in place of characters that could control a terminal."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def width(text: str) -> int:
    """Return the number of terminal columns of a text."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


def report(texts: list[str], vectors: Vectors, titles: dict[str, str], top: int) -> Iterator[str]:
    """Yield the neighbours of each text, one paragraph for each."""
    table, grams = vectors.ngrams, None
    if table is not None:
        progress = tqdm(titles.values(), "n-grams", unit_scale=True, leave=False, disable=None)
        grams = Grams.of(vectors, common_grams(vectors, progress, COMMON))
    for text, title_lines in zip(texts, similar_titles(texts, vectors, titles, top), strict=True):
        lines = [printable(text), "  nearest characters", *similar_characters(text, vectors, top)]
        if table is not None and grams is not None:
            lines += ["  nearest n-grams (joined by = if they share a bucket, and so a vector)"]
            lines += similar_grams(text, vectors, table, grams, top)
        yield "\n".join([*lines, "  nearest titles", *title_lines, ""])


@exit_codes
def main() -> None:
    """Print the neighbours of each text, and draw the map."""
    arguments = _arguments()
    vectors = open_vectors(arguments.embeddings)
    _check_texts(arguments.texts, vectors)
    titles = read_distinct(titles_path(arguments.titles), vectors)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    for paragraph in report(arguments.texts, vectors, titles, arguments.count) if arguments.texts else ():
        print(paragraph)
    if arguments.picture is not None:
        counts = Counter(character for key in titles for character in key)
        draw_characters(arguments.picture, vectors.alphabet.known, vectors.characters, counts)
        print(f"Wrote {arguments.picture}")


def _arguments() -> argparse.Namespace:
    parser = script_parser("neighbours", __doc__)
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="a title, a word, a character")
    parser.add_argument(
        "--embeddings",
        default=str(LATEST) if LATEST.exists() else SHIPPED,
        metavar="FILE|DIR",
        help=f"an embeddings file, a bundle, a run's folder, or {SHIPPED} "
        f"(default: {LATEST} if it exists, otherwise {SHIPPED})",
    )
    parser.add_argument("--titles", default=SHIPPED, metavar="FILE", help="titles to search (%(default)s)")
    parser.add_argument("--count", type=count, default=5, metavar="K", help="neighbours of each kind (%(default)s)")
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help="write a map of the characters")
    arguments = parser.parse_args()
    if not arguments.texts and arguments.picture is None:
        raise InputError("a text must be given. Got none. Name one, or pass --picture FILE.png; see --help.")
    return arguments


def _check_texts(texts: list[str], vectors: Vectors) -> None:
    for text in texts:
        if not is_utf8(text):
            raise InputError(f"a text must be UTF-8. Got {text!r}. Convert it, for example with iconv.")
        if not set(vectors.normalised(text)) & set(vectors.alphabet.known):
            raise InputError(
                f"a text must have a character in the alphabet of {vectors.embeddings.path}. Got {text!r}. "
                "Try another text, or other embeddings."
            )


def _table(rows: Sequence[tuple[str, list[tuple[str, float]]]]) -> list[str]:
    """Return a line for each row: its name, then the names and cosines of its neighbours, in columns."""
    lines = [[name, *(cell for near, cosine in cells for cell in (near, f"{cosine:.2f}"))] for name, cells in rows]
    widths = [max(map(width, column)) for column in itertools.zip_longest(*lines, fillvalue="")]
    return ["    " + "  ".join(map(_padded, line, widths)).rstrip() for line in lines]


def _unknown(names: list[str]) -> list[str]:
    return [f"    {UNKNOWN} {'  '.join(map(visible, names))}"] if names else []


def _padded(text: str, columns: int) -> str:
    return text + " " * (columns - width(text))


def _encoded(vectors: Vectors, titles: list[str]) -> Iterator[Floats]:
    for start in tqdm(range(0, len(titles), _BATCH), "nearest titles", leave=False, disable=None):
        yield vectors.encode(titles[start : start + _BATCH])


def _chunks(table: Floats) -> Iterator[Floats]:
    for start in range(0, len(table), _BATCH):
        yield table[start : start + _BATCH]


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


if __name__ == "__main__":
    main()
