"""What guides call their categories, in many languages, and the genre that each label speaks for."""

import functools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from titleclf.runtime import files
from titleclf.runtime.errors import InputError
from titleclf.runtime.tables import Record, is_utf8, read_records, refuse


class Genre(StrEnum):
    """A genre as the standard spells it, which is how the titles that come with titleclf are labelled."""

    movie = "Movie / Drama"
    news = "News / Current affairs"
    show = "Show / Game show"
    sports = "Sports"
    children = "Children's / Youth programmes"
    music = "Music / Ballet / Dance"
    arts = "Arts / Culture (without music)"
    society = "Social / Political issues / Economics"
    education = "Education / Science / Factual topics"
    leisure = "Leisure hobbies"

    @property
    def code(self) -> int:
        """The content descriptor of DVB: 0x10 for movies, 0x20 for news, ... 0xA0 for leisure."""
        return (list(Genre).index(self) + 1) << 4


def check_genres(categories: Iterable[str], where: str) -> None:
    """Refuse categories that are none of the ten; `where` names what needs them to be.

    Raises
    ------
    InputError
        If there is one.
    """
    others = sorted(set(categories) - set(Genre))
    if others:
        raise InputError(
            f"{where} must have categories of the ten genres. Got {'; '.join(others)[:200]}. "
            "Take another model, or leave the profile out."
        )


Votes = Mapping[Genre, int]

_COLUMNS = ["label", "genre", "weight", "lang"]
_WEIGHTS = ("1", "2", "3")
_CACHED_LABELS = 4096  # a guide has about a hundred
_LONGEST_LABEL = 200  # characters; what is longer is no label, and would fill the memory of the cache

_NOTHING: Votes = MappingProxyType({})
_APOSTROPHES = re.compile("['’‘ʼ`´]")
_BREAKS = re.compile(r"[\W_]+")
_AND = r"\b(?:and|und|et|y|e|i|og|och|en|oder|or)\b"
_JOINED = re.compile(rf"(?<=\w) {_AND} (?=\w)")  # "Home and Garden" is "Home & Garden"
# Where a label that is not known as a whole is cut, from the strongest cut to the weakest: "Sci-Fi & Fantasy" is
# "Sci-Fi" and "Fantasy" before it is "Sci", "Fi" and "Fantasy".
_CUTS = (
    re.compile(r"[/&,;:|()+]"),
    re.compile(_AND, re.IGNORECASE),
    re.compile(r"[-‐‑–—]"),
)


class Labels:
    """A table of labels: how strongly each speaks for which genre.

    A label's weight is 3 if it decides ("Spielfilm"), 2 if it is strong ("Sitcom"), 1 if others may overrule it
    ("Comedy"). Labels that say nothing about the genre ("Series", "HD") are known without a vote.
    """

    def __init__(self, table: Mapping[str, Votes]) -> None:
        self._table = {folded(label): votes for label, votes in table.items()}
        self._cached = functools.lru_cache(maxsize=_CACHED_LABELS)(self._votes)

    @classmethod
    def shipped(cls) -> "Labels":
        """Read the table that comes with the package."""
        return cls.read(files.shipped("data/labels.csv"))

    @classmethod
    def read(cls, path: Path) -> "Labels":
        """Read a table with the columns `label, genre, weight, lang`.

        Raises
        ------
        InputError
            If the file can't be read, lacks a column, or has bad rows; up to ten of them are named with their lines.
        """
        table: dict[str, Votes] = {}
        lines: dict[str, int] = {}
        bad: list[tuple[int, str]] = []
        for record in read_records(path, _COLUMNS):
            problem = record.problem or _problem(record) or _conflict(record, table, lines)
            if problem:
                bad.append((record.line, problem))
                continue
            label = folded(record.cells["label"])
            table[label] = _votes_of(record)
            lines.setdefault(label, record.line)
        refuse(path, bad)
        return cls(table)

    def votes(self, category: str) -> Votes | None:
        """Return the weight that a category gives to each genre: none at all if it says nothing, None if unknown."""
        return self._cached(category) if len(category) <= _LONGEST_LABEL else None

    def genre_of(self, categories: Sequence[str]) -> Genre | None:
        """Return the genre with the largest sum of weights; None if two have it, or nothing is said."""
        sums: dict[Genre, int] = {}
        for category in categories:
            for genre, weight in (self.votes(category) or _NOTHING).items():
                sums[genre] = sums.get(genre, 0) + weight
        most = max(sums.values(), default=0)
        leaders = [genre for genre, weight in sums.items() if weight == most]
        return leaders[0] if len(leaders) == 1 else None

    def unknown(self, categories: Iterable[str]) -> list[str]:
        """Return the categories that the table doesn't know, each once, in their order."""
        return [category for category in dict.fromkeys(categories) if self.votes(category) is None]

    def _votes(self, category: str) -> Votes | None:
        if not category.strip():
            return _NOTHING
        return self._looked_up(unicodedata.normalize("NFKC", category), _CUTS)

    def _looked_up(self, text: str, cuts: Sequence[re.Pattern[str]]) -> Votes | None:
        whole = self._table.get(folded(text))
        if whole is not None or not cuts:
            return whole
        pieces = [piece for piece in cuts[0].split(text) if piece.strip()]
        known = [votes for piece in pieces if (votes := self._looked_up(piece, cuts[1:])) is not None]
        return _strongest(known) if known else None


def folded(label: str) -> str:
    """Return a label as it is looked up: its words without case, accents, apostrophes, and "and" between them."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", label).casefold())
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    return _JOINED.sub(" ", _BREAKS.sub(" ", _APOSTROPHES.sub("", plain)).strip())


def _strongest(pieces: Iterable[Votes]) -> Votes:
    # The largest weight, not the sum: "Sports / Football" is one category and shall not outvote two.
    merged: dict[Genre, int] = {}
    for votes in pieces:
        for genre, weight in votes.items():
            merged[genre] = max(weight, merged.get(genre, 0))
    return MappingProxyType(merged)


def _votes_of(record: Record) -> Votes:
    genre = record.cells["genre"].strip()
    return MappingProxyType({Genre[genre]: int(record.cells["weight"])}) if genre else _NOTHING


def _problem(record: Record) -> str | None:
    return next(_problems(record), None)


def _problems(record: Record) -> Iterator[str]:
    for column in _COLUMNS:
        if not isinstance(record.cells[column], str) or not is_utf8(record.cells[column]):
            yield f"{column} must be UTF-8 text. Got {record.cells[column]!r}. Write it as text, and save as UTF-8."
    label, genre, weight, _ = (record.cells[column] for column in _COLUMNS)
    if not folded(label):
        yield f"label must have a letter or a digit. Got {label!r}. Fill it, or remove the row."
    if len(label) > _LONGEST_LABEL:
        yield f"label must have at most {_LONGEST_LABEL} characters. Got {len(label)}. Shorten it."
    if genre.strip() and genre.strip() not in Genre.__members__:
        names = ", ".join(Genre.__members__)
        yield f"genre must be one of {names}, or empty. Got {genre!r}. Take one of them."
    if genre.strip() and weight.strip() not in _WEIGHTS:
        yield f"weight must be 1, 2 or 3. Got {weight!r}. Take 3 if the label decides, 1 if it only hints."
    if not genre.strip() and weight.strip():
        yield f"weight must be empty where genre is. Got {weight!r}. Empty it, or name a genre."


def _conflict(record: Record, table: Mapping[str, Votes], lines: Mapping[str, int]) -> str | None:
    label = folded(record.cells["label"])
    if label not in table or table[label] == _votes_of(record):
        return None
    return (
        f"label must have the genre and the weight that it has in line {lines[label]}. "
        f"Got {record.cells['label']!r} with others. Make them alike, or remove one."
    )
