"""The ten genres, and the table of labels that guides use for them in many languages."""

import functools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from titleclf.runtime import files
from titleclf.runtime.errors import InputError
from titleclf.runtime.tables import Record, is_utf8, read_unique
from titleclf.runtime.text.languages import words


class Genre(StrEnum):
    """The genres of DVB as the standard spells them, which are the categories of the shipped titles."""

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


Votes = Mapping[Genre, int]

_COLUMNS = ["label", "genre", "weight", "lang"]
_WEIGHTS = ("1", "2", "3")
_CACHE_SIZE = 4096  # labels; a guide has about a hundred
_MAX_LENGTH = 200  # characters; longer text is not a label, and would fill the cache's memory

_NO_VOTES: Votes = MappingProxyType({})
_APOSTROPHES = re.compile("['’‘ʼ`´׳]")
_SEPARATORS = re.compile(r"[\W_]+")
_INVISIBLE = re.compile(r"[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]")
# Accents of Latin, Greek and Cyrillic letters, and the points of Hebrew and Arabic ones, which most writers leave out.
# The marks of other scripts are vowels, tones and half letters: without them Thai and Hindi words become others.
_ACCENTS = re.compile(
    r"[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    r"\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
# Letters that one guide writes for the other and Unicode does not decompose: a capital "I" is "ı" in Turkish; Arabic
# and Persian keyboards have their own Yeh and Kaf. The last one only stretches a word.
_LETTERS = str.maketrans("đıłøةىیک", "diloهييك", "ـ")
_QUALITY = re.compile(r"(?:(?: |(?<=[^ -~]))(?:(?:full |ultra |[fuq])?hd|sd|[48]k|3d|hdr))+$")  # "電影HD" has no space
_AND = rf"\b(?:{'|'.join((*words('ands'), *words('ors')))})\b"
_AND_BETWEEN_WORDS = re.compile(rf"(?<=\w) {_AND} (?=\w)")  # "Home and Garden" is "Home & Garden"
# An unknown label is split at the strongest separators first: "Sci-Fi & Fantasy" becomes "Sci-Fi" and "Fantasy", and
# only then "Sci", "Fi" and "Fantasy".
_SPLITS = (
    re.compile(r"[]/&,;:|()+\\[{}·•،؛、。・【】「」『』〈〉《》〔〕]"),
    re.compile(_AND, re.IGNORECASE),
    re.compile(r"[-‐‑–—־]"),
)


class GenreTable:
    """Labels with the genre that each votes for, and the weight of its vote.

    The weight is 3 if the label decides ("Spielfilm"), 2 if it is strong ("Sitcom"), 1 if others may overrule it
    ("Comedy"). Labels without a genre ("Series", "HD") are known, but have no vote.
    """

    def __init__(self, table: Mapping[str, Votes]) -> None:
        self._table = {folded(label): votes for label, votes in table.items()}
        self._cached = functools.lru_cache(maxsize=_CACHE_SIZE)(self._votes)

    @classmethod
    @functools.cache  # reading 18,000 rows takes longer than filling a small guide
    def shipped(cls) -> "GenreTable":
        """Return the table that comes with the package."""
        return cls.read(files.shipped("data/labels.csv"))

    @classmethod
    def read(cls, path: Path) -> "GenreTable":
        """Read a table with the columns `label, genre, weight, lang`.

        Raises
        ------
        InputError
            If the file can't be read, lacks a column, or has bad rows; up to ten of them are named with their lines.
        """
        return cls(read_unique(path, _COLUMNS, _problem, _row_of, _conflict))

    def merged(self, own: "GenreTable") -> "GenreTable":
        """Return this table with the rows of another one, which take precedence."""
        return GenreTable({**self._table, **own._table})

    def votes(self, category: str) -> Votes | None:
        """Return the weight that a category gives to each genre; None if the table lacks it."""
        return self._cached(category) if len(category) <= _MAX_LENGTH else None

    def genre_of(self, categories: Sequence[str]) -> Genre | None:
        """Return the genre with the largest sum of weights; None if there is a tie or no vote."""
        leaders = self.leaders(categories)
        return leaders[0] if len(leaders) == 1 else None

    def leaders(self, categories: Sequence[str]) -> tuple[Genre, ...]:
        """Return the genres with the largest sum of weights: several if they tie, none without a vote."""
        sums: dict[Genre, int] = {}
        for category in categories:
            for genre, weight in (self.votes(category) or _NO_VOTES).items():
                sums[genre] = sums.get(genre, 0) + weight
        most = max(sums.values(), default=0)
        return tuple(genre for genre in Genre if sums.get(genre) == most)

    def unknown(self, categories: Iterable[str]) -> list[str]:
        """Return the categories that the table lacks, each once, in their order."""
        return [category for category in dict.fromkeys(categories) if self.votes(category) is None]

    def _votes(self, category: str) -> Votes | None:
        text = _visible(category)
        return self._look_up(text, _SPLITS) if text.strip() else _NO_VOTES

    def _look_up(self, text: str, splits: Sequence[re.Pattern[str]]) -> Votes | None:
        key = folded(text)
        whole = self._table.get(key)
        if whole is None:
            whole = self._table.get(_QUALITY.sub("", key))
        if whole is not None or not splits:
            return whole
        parts = [part for part in splits[0].split(text) if part.strip()]
        votes = [found for part in parts if (found := self._look_up(part, splits[1:])) is not None]
        return _strongest(votes) if votes else None


def check_genres(categories: Iterable[str], where: str) -> None:
    """Check that all categories are genres; errors name their owner by `where`.

    Raises
    ------
    InputError
        If one is not.
    """
    others = sorted(set(categories) - set(Genre))
    if others:
        raise InputError(
            f"{where} must have categories of the ten genres. Got {'; '.join(others)[:200]}. Take another model."
        )


@functools.lru_cache(maxsize=1 << 15)  # each label of the table is folded three times while it is read
def folded(label: str) -> str:
    """Return a label without case, accents, apostrophes, and the "and" between its words: the key of the table."""
    decomposed = unicodedata.normalize("NFKD", _visible(label).casefold())
    plain = unicodedata.normalize("NFC", _ACCENTS.sub("", decomposed)).translate(_LETTERS)
    spaced = _SEPARATORS.sub(_marks_or_space, _APOSTROPHES.sub("", plain))
    return _AND_BETWEEN_WORDS.sub(" ", " ".join(spaced.split()))


def _visible(label: str) -> str:
    return _INVISIBLE.sub("", unicodedata.normalize("NFKC", label))


def _marks_or_space(separator: re.Match[str]) -> str:
    # Many vowels are marks, which are no word characters to `re`.
    return "".join(char if unicodedata.category(char).startswith("M") else " " for char in separator[0])


def _strongest(votes_of_parts: Iterable[Votes]) -> Votes:
    # The largest weight, not the sum: "Sports / Football" is one category and must not outvote two.
    merged: dict[Genre, int] = {}
    for votes in votes_of_parts:
        for genre, weight in votes.items():
            merged[genre] = max(weight, merged.get(genre, 0))
    return MappingProxyType(merged)


def _row_of(record: Record) -> tuple[str, Votes]:
    label, genre = folded(record.cells["label"]), record.cells["genre"].strip()
    return label, MappingProxyType({Genre[genre]: int(record.cells["weight"])}) if genre else _NO_VOTES


def _problem(record: Record) -> str | None:
    return next(_problems(record), None)


def _problems(record: Record) -> Iterator[str]:
    for column in _COLUMNS:
        if not isinstance(record.cells[column], str) or not is_utf8(record.cells[column]):
            yield f"{column} must be UTF-8 text. Got {record.cells[column]!r}. Write it as text, and save as UTF-8."
    label, genre, weight, _ = (record.cells[column] for column in _COLUMNS)
    if not folded(label):
        yield f"label must have a letter or a digit. Got {label!r}. Fill it, or remove the row."
    if len(label) > _MAX_LENGTH:
        yield f"label must have at most {_MAX_LENGTH} characters. Got {len(label)}. Shorten it."
    if genre.strip() and genre.strip() not in Genre.__members__:
        names = ", ".join(Genre.__members__)
        yield f"genre must be one of {names}, or empty. Got {genre!r}. Take one of them."
    if genre.strip() and weight.strip() not in _WEIGHTS:
        yield f"weight must be 1, 2 or 3. Got {weight!r}. Take 3 if the label decides, 1 if it only hints."
    if not genre.strip() and weight.strip():
        yield f"weight must be empty where genre is. Got {weight!r}. Empty it, or name a genre."


def _conflict(record: Record, earlier: Votes, first: int) -> str | None:
    if _row_of(record)[1] == earlier:
        return None
    return (
        f"label must have the genre and the weight that it has in line {first}. "
        f"Got {record.cells['label']!r} with others. Make them alike, or remove one."
    )
