import numpy as np
import pytest

from scripts.common import character_map
from titleclf.runtime.errors import InputError


def test_the_most_common_characters_are_drawn_including_those_without_a_glyph(tmp_path, monkeypatch):
    alphabet = "$%á日本\u200dשжα1"  # mathtext's "$", a combining accent, no glyphs, invisible, right to left
    vectors = np.random.default_rng(1).normal(size=(len(alphabet), 5)).astype(np.float32)
    counts = dict(zip(alphabet, range(len(alphabet)), strict=True))  # "$" never occurs
    assert character_map.draw_characters(tmp_path / "a.png", alphabet, vectors, counts) == len(alphabet) - 1
    monkeypatch.setattr(character_map, "DRAWN", 3)
    drawn = []
    monkeypatch.setattr(character_map, "_label", lambda *given: drawn.extend(given[1]))
    assert character_map.draw_characters(tmp_path / "b.png", alphabet, vectors, counts) == 3
    assert drawn == ["1", "α", "ж"]


def test_the_axes_have_their_fractions_of_the_variance(tmp_path, monkeypatch):
    fractions = []
    monkeypatch.setattr(character_map, "_label", lambda *given: fractions.extend(given[2]))
    cross = np.array([[1, 0, 0], [-1, 0, 0], [0, 3, 0], [0, -3, 0]])  # equal in both directions at unit length
    character_map.draw_characters(tmp_path / "a.png", "abcd", cross, dict.fromkeys("abcd", 1))
    assert fractions == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(
    ("name", "characters"),
    [
        ("Latin", "aéß"),
        ("Greek", "αώ"),
        ("Cyrillic", "жї"),
        ("Hebrew", "ש"),
        ("Arabic", "ع"),
        ("CJK", "日"),
        ("Hiragana", "の"),
        ("Katakana", "カー"),
        ("Hangul", "한"),
        ("digits", "7½"),
        ("punctuation and symbols", "&'★\N{COMBINING ACUTE ACCENT}"),
        ("other", "ก\x02"),
    ],
)
def test_characters_are_grouped_by_script(name, characters):
    assert {character_map.script(character) for character in characters} == {name}


def test_has_glyph():
    assert [character_map.has_glyph(character) for character in "aש日\u200d"] == [True, True, False, False]


def test_a_map_needs_two_characters_and_two_dimensions(tmp_path):
    for alphabet, shape in (("a", (1, 5)), ("ab", (2, 1))):
        with pytest.raises(InputError) as caught:
            character_map.draw_characters(tmp_path / "a.png", alphabet, np.ones(shape), dict.fromkeys(alphabet, 1))
        assert str(caught.value) == (
            "--picture must have at least two characters of the titles, in at least two dimensions. "
            f"Got {shape[0]} in {shape[1]}. Use other titles or embeddings."
        )
    assert not (tmp_path / "a.png").exists()
