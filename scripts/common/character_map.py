"""A map of characters: their vectors in two dimensions, drawn as the characters themselves."""

import unicodedata
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from sklearn.decomposition import PCA

from titleclf.evaluate.plots import save
from titleclf.runtime.arrays import Floats
from titleclf.runtime.errors import InputError

DRAWN = 300  # the most common characters; more would overlap
_FONT = FontProperties(family="DejaVu Sans")  # ships with matplotlib
_DIGITS, _SYMBOLS, _OTHER = "digits", "punctuation and symbols", "other"
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
    _SYMBOLS: "dimgrey",
    _OTHER: "black",
}


def draw_characters(path: Path, alphabet: str, vectors: Floats, counts: Mapping[str, int]) -> int:
    """Draw the most common characters of an alphabet by their vectors (characters, dim), and return their number.

    The axes are the principal components of the drawn vectors, scaled to unit length, so that only directions count, as
    for the cosine. Characters without `counts` or with a zero vector are left out.

    Raises
    ------
    InputError
        If there are fewer than two characters or dimensions.
    """
    by_count = sorted(np.flatnonzero(vectors.any(axis=1)), key=lambda index: -counts.get(alphabet[index], 0))
    drawn = [index for index in by_count if counts.get(alphabet[index], 0)][:DRAWN]
    if min(len(drawn), vectors.shape[1]) < 2:
        raise InputError(
            "--picture must have at least two characters of the titles, in at least two dimensions. "
            f"Got {len(drawn)} in {vectors.shape[1]}. Use other titles or embeddings."
        )
    characters = [alphabet[index] for index in drawn]
    components = PCA(2, svd_solver="full")
    points = components.fit_transform(vectors[drawn] / np.linalg.norm(vectors[drawn], axis=1, keepdims=True))
    figure = Figure(figsize=(13, 10), layout="constrained")
    axes = figure.add_subplot()
    _draw(axes, characters, points, np.sqrt([counts[character] for character in characters]))
    _label(axes, characters, components.explained_variance_ratio_)
    save(path, figure)
    return len(drawn)


def script(character: str) -> str:
    """Return the group of a character: its script, digits, punctuation and symbols, or other."""
    if unicodedata.category(character)[0] == "N":
        return _DIGITS
    if unicodedata.category(character)[0] in "PSM":
        return _SYMBOLS
    # Unicode names begin with the script, which the standard library does not expose otherwise.
    first = unicodedata.name(character, _OTHER).replace("-", " ").split()[0]
    return next((name for name in _COLOURS if name.upper() == first), _OTHER)


def has_glyph(character: str) -> bool:
    """Return whether the font can draw a character."""
    return character.isprintable() and get_font(findfont(_FONT)).get_char_index(ord(character)) > 0


def _draw(axes: Axes, characters: list[str], points: Floats, sizes: Floats) -> None:
    """Draw characters at `points` (characters, 2), scaled by `sizes` (characters,), the most common on top."""
    for rank, (character, (x, y), size) in enumerate(zip(characters, points, sizes / sizes.max(), strict=True)):
        colour, order = _COLOURS[script(character)], 2 + len(characters) - rank
        if has_glyph(character):
            axes.text(
                x,
                y,
                f"\N{DOTTED CIRCLE}{character}" if unicodedata.combining(character) else character,
                font=_FONT,
                fontsize=9 + 14 * size,
                ha="center",
                va="center",
                parse_math=False,
                color=colour,
                zorder=order,
            )
        else:
            axes.scatter(x, y, s=15 + 60 * size, alpha=0.6, linewidths=0, color=colour, zorder=order)
    axes.update_datalim(points)
    axes.margins(0.05)
    axes.set_aspect("equal", adjustable="datalim")


def _label(axes: Axes, characters: list[str], variances: Floats) -> None:
    """Label the axes, the colours and the dots."""
    dots = "" if all(map(has_glyph, characters)) else " (dots: not in the font)"
    axes.set_title(f"The {len(characters)} most common characters, by their vectors{dots}")
    axes.set_xlabel(f"first principal component: {variances[0]:.1%} of the variance")
    axes.set_ylabel(f"second principal component: {variances[1]:.1%} of the variance")
    scripts = [script(character) for character in characters]
    for name in (name for name in _COLOURS if name in scripts):
        axes.scatter([], [], color=_COLOURS[name], label=f"{name} ({scripts.count(name)})")
    axes.figure.legend(loc="outside right upper")
