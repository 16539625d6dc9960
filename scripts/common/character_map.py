"""A map of characters: their vectors in two dimensions, drawn as the characters themselves."""

import unicodedata
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from sklearn.decomposition import PCA

from titleclf.runtime.arrays import Floats
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import replacing

DRAWN = 300  # the commonest characters: more can't be told apart
_FONT = FontProperties(family="DejaVu Sans")  # comes with matplotlib
_DIGITS, _MARKS, _OTHER = "digits", "punctuation and symbols", "other"
_COLOURS = {
    "Latin": "tab:blue",
    "Greek": "tab:cyan",
    "Cyrillic": "tab:red",
    "Hebrew": "tab:purple",
    "Arabic": "tab:olive",
    "CJK": "tab:orange",
    "Hiragana": "tab:pink",
    "Katakana": "tab:brown",
    "Hangul": "gold",
    _DIGITS: "tab:green",
    _MARKS: "dimgrey",
    _OTHER: "black",
}


def draw_characters(path: Path, known: str, vectors: Floats, counts: Mapping[str, int]) -> int:
    """Draw the commonest of the `known` characters by their vectors (characters, dim), and return how many they are.

    The two axes are the principal components of the drawn vectors, all brought to length 1: as with the cosine, only
    the direction counts. Characters without `counts` are left out.

    Raises
    ------
    InputError
        If there are fewer than two characters or dimensions.
    """
    common = sorted(np.flatnonzero(vectors.any(axis=1)), key=lambda place: -counts.get(known[place], 0))
    drawn = [place for place in common if counts.get(known[place], 0)][:DRAWN]
    if min(len(drawn), vectors.shape[1]) < 2:
        raise InputError(
            "--picture must be of two characters that occur in the titles, in two dimensions, at least. "
            f"Got {len(drawn)} in {vectors.shape[1]}. Give other titles or embeddings."
        )
    characters = [known[place] for place in drawn]
    components = PCA(2, svd_solver="full")
    places = components.fit_transform(vectors[drawn] / np.linalg.norm(vectors[drawn], axis=1, keepdims=True))
    figure = Figure(figsize=(13, 10), layout="constrained")
    axes = figure.add_subplot()
    _draw(axes, characters, places, np.sqrt([counts[character] for character in characters]))
    _describe(axes, characters, components.explained_variance_ratio_)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    return len(drawn)


def script(character: str) -> str:
    """Return what kind of character it is: a script, digits, punctuation and symbols, or other."""
    if unicodedata.category(character)[0] == "N":
        return _DIGITS
    if unicodedata.category(character)[0] in "PSM":
        return _MARKS
    # Unicode's names begin with the script, and Python knows no better source.
    first = unicodedata.name(character, _OTHER).replace("-", " ").split()[0]
    return next((name for name in _COLOURS if name.upper() == first), _OTHER)


def has_glyph(character: str) -> bool:
    """Tell whether the font can draw a character."""
    return character.isprintable() and get_font(findfont(_FONT)).get_char_index(ord(character)) > 0


def _draw(axes: Axes, characters: list[str], places: Floats, sizes: Floats) -> None:
    """Draw characters, the commonest on top, at `places` (characters, 2) in proportion to `sizes` (characters,)."""
    for number, (character, (x, y), size) in enumerate(zip(characters, places, sizes / sizes.max(), strict=True)):
        style = {"color": _COLOURS[script(character)], "zorder": 2 + len(characters) - number}
        if has_glyph(character):
            text = f"\N{DOTTED CIRCLE}{character}" if unicodedata.combining(character) else character
            centred = {"ha": "center", "va": "center", "parse_math": False}
            axes.text(x, y, text, font=_FONT, fontsize=9 + 14 * size, **centred, **style)
        else:
            axes.scatter(x, y, s=15 + 60 * size, alpha=0.6, linewidths=0, **style)
    axes.update_datalim(places)
    axes.margins(0.05)
    axes.set_aspect("equal", adjustable="datalim")


def _describe(axes: Axes, characters: list[str], variances: Floats) -> None:
    """Say what the axes, the colours and the dots are."""
    dots = "" if all(map(has_glyph, characters)) else " (dots: not in the font)"
    axes.set_title(f"The {len(characters)} commonest characters, by their vectors{dots}")
    axes.set_xlabel(f"first principal component: {variances[0]:.1%} of the variance")
    axes.set_ylabel(f"second principal component: {variances[1]:.1%} of the variance")
    scripts = [script(character) for character in characters]
    for name in (name for name in _COLOURS if name in scripts):
        axes.scatter([], [], color=_COLOURS[name], label=f"{name} ({scripts.count(name)})")
    axes.figure.legend(loc="outside right upper")
