import random
import sys

import pytest

from tests.helpers.titles import rows
from titleclf.runtime.choices import MemoryKind
from titleclf.runtime.memory.known_titles import KnownTitles
from titleclf.runtime.memory.prefilter import WIDE, Skeletons
from titleclf.runtime.text.title_keys import key_of, marker_words

TITLES = [title for title, _, _ in rows()]
PARTS = [
    *sorted(marker_words()),
    "S02E03",
    "12x04",
    "(2/3)",
    "2019",
    "1998–99",
    "12",
    "x",
    "²",
    "ª",
    "ß",
    "ı",
    "é",
    "e\u0301",
    "℅",
    "第",
    "٣",
    "ж",
]


def is_promising(title: str, known: str) -> bool:
    return Skeletons.of([key_of(known)]).promising([title]) == [0]


@pytest.mark.parametrize(
    "title",
    [
        "TAGESSCHAU",
        " Tagesschau: ",
        "Tagesschau (2019)",
        "Staffel 2 Tagesschau S02E03",
        "Ta\u0301gesschaü 12x04",
        "Tagesſchau",
        "tagesschau Ep. 14/15",
    ],
)
def test_a_title_with_the_key_of_a_known_one_is_promising(title):
    assert key_of(title) == "tagesschau"
    assert is_promising(title, "Tagesschau")


@pytest.mark.parametrize("title", ["", " ", "???", "24", "1917", "Season 2", "℅", "\u037a", "\udc80", "日本", "한국"])
def test_every_known_title_is_promising(title):
    assert is_promising(title, title)


@pytest.mark.parametrize("title", ["Tagesschaw", "Tages schau", "Schau", "Wetter", "日本"])
def test_titles_of_other_words_are_not_promising(title):
    assert not is_promising(title, "Tagesschau")


def test_known_titles_of_any_characters_are_promising():
    draw = random.Random(5)
    characters = [chr(draw.randrange(sys.maxunicode + 1)) for _ in range(4000)] + list(map(chr, range(0x20, 0x600)))
    parts = [*PARTS, *characters, *" .-/" * 400]
    titles = ["".join(draw.choices(parts, k=draw.randint(1, 6))) for _ in range(20_000)]
    keys = sorted(set(map(key_of, titles)))
    assert Skeletons.of(keys).promising(titles) == list(range(len(titles)))


def test_many_titles_find_the_same_matches_as_single_ones():
    known = KnownTitles(MemoryKind.exact, sorted(set(map(key_of, TITLES))))
    titles = [f"{title}{end}" for title in TITLES for end in ("", " S01E02", " (2019)", " und mehr", "?!") * 20]
    assert len(titles) > 2 * 2048
    together = known.nearest(titles)
    for same in (known, KnownTitles(MemoryKind.exact, known.keys)):  # the latter computes keys for its first titles
        assert together.places.tolist() == [same.nearest([title]).places[0] for title in titles]
    assert (together.similarity == (together.places >= 0)).all()
    assert 0 < (together.places >= 0).mean() < 1


def test_unknown_titles_are_not_promising():
    unknown = [f"{title} {word}" for title in TITLES for word in ("Lexikon", "Kalender", "第3季", "Серия2")]
    known = [*TITLES, "24", "2019", "第季3", "Сери2я"]
    assert Skeletons.of(list(map(key_of, known))).promising(["第3季", "2Серия", *unknown]) == []


def test_no_marker_has_a_wide_letter():
    assert max(map(ord, key_of(" ".join(marker_words())))) < WIDE
