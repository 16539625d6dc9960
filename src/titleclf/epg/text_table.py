"""Text tables that fit the terminal, whatever the width of their characters."""

import shutil
import unicodedata
from collections.abc import Iterable, Sequence

from titleclf.runtime.text.characters import printable

_MAX_WIDTH, _MIN_WIDTH = 40, 8  # of a cell that may be cut
_GAP = 2  # columns of the terminal between cells
_UNLIMITED = 10_000  # where the output is no terminal


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows as a text table no wider than the terminal, as far as its cells can be cut.

    A column with a # before its name is right-aligned; it is never cut, nor is one with a !.
    """
    heads = [name.lstrip("#!") for name in names]
    cells = [heads, *([printable(text) for text in row] for row in rows)]
    is_cut = [not name.startswith(("#", "!")) for name in names]
    widths = _fitted([max(map(width, column)) for column in zip(*cells, strict=True)], is_cut)
    lines = [
        (" " * _GAP)
        .join(
            _padded(_cut(text, size) if cut else text, size, right=name.startswith("#"))
            for name, text, size, cut in zip(names, row, widths, is_cut, strict=True)
        )
        .rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "-" * max(map(width, lines)), *lines[1:]])


def width(text: str) -> int:
    """Return the columns of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    return sum(map(_char_width, text))


def _char_width(char: str) -> int:
    if unicodedata.east_asian_width(char) in "WF":
        return 2
    return 0 if unicodedata.category(char) in ("Mn", "Me") else 1


def _fitted(widths: Sequence[int], is_cut: Sequence[bool]) -> list[int]:
    """Return the widths of columns after the widest that may be cut have given what the terminal lacks."""
    fitted = [min(size, _MAX_WIDTH) if cut else size for size, cut in zip(widths, is_cut, strict=True)]
    available = shutil.get_terminal_size((_UNLIMITED, 0)).columns - _GAP * (len(widths) - 1)
    while sum(fitted) > available:
        widest = max(range(len(fitted)), key=lambda column: fitted[column] if is_cut[column] else 0)
        if not is_cut[widest] or fitted[widest] <= _MIN_WIDTH:
            break
        fitted[widest] -= 1
    return fitted


def _cut(text: str, size: int) -> str:
    if width(text) <= size:
        return text
    while width(text) >= size:
        text = text[:-1]
    return f"{text}…"


def _padded(text: str, size: int, *, right: bool) -> str:
    padding = " " * (size - width(text))
    return padding + text if right else text + padding
