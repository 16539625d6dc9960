"""A guide written anew with edits, to another file or in its own place with a backup."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from titleclf.epg.parser import pieces
from titleclf.epg.streams import STANDARD, Packing, reading, writing
from titleclf.epg.xmltv import Edit, Piece, Programme, Text
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import keep


def rewrite(guide: str, output: str | None, edits: Callable[[Piece], Sequence[Edit]]) -> None:
    """Write `guide` with its edits to `output`, packed as that is named; or in its place, with a backup beside it.

    Raises
    ------
    InputError
        If the guide can't be read, or is the output. What stood at the output is then still there.
    """
    _check(guide, output)
    changes = 0
    with reading(guide) as source:
        packing = source.packing if output is None else Packing.of_name(output)
        with writing(output or guide, source.encoding, packing) as write:
            for piece in pieces(source.pieces, guide):
                found = edits(piece)
                changes += len(found)
                write(piece.edited(found))
            if output is None and changes:  # else the guide is as it was, and an older backup worth more
                keep(Path(guide))


def _check(guide: str, output: str | None) -> None:
    if output is None and guide == STANDARD:
        raise InputError("--in-place must be used with a file. Got standard input. Name the guide, or pass -o OUT.")
    if output is None or STANDARD in (guide, output):
        return
    if Path(output).exists() and Path(guide).exists() and Path(output).samefile(guide):
        raise InputError(
            f"{output} must not be the guide itself. Got the same file. Name another one, or pass --in-place, which "
            "keeps a backup."
        )


_PREFIX = "titleclf: "


def marks_of(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Return the elements (name, text) that say that categories of these texts were filled in."""
    return [("keyword", _PREFIX + text) for text in texts]


def filled_in(programme: Programme) -> Iterator[Text]:
    """Yield the marks of a programme, and the categories that they speak of as far as these are still there."""
    categories = list(programme.categories)  # without those that a mark speaks of already
    for keyword in programme.keywords:
        if keyword.text.startswith(_PREFIX):
            yield keyword
            own = [category for category in categories if category.text == keyword.text.removeprefix(_PREFIX)]
            if own:
                categories.remove(own[-1])
                yield own[-1]


def own_categories(programme: Programme) -> list[str]:
    """Return the categories that the guide had of itself."""
    filled = set(filled_in(programme))
    return [category.text for category in programme.categories if category not in filled]


def undo(guide: str, output: str | None) -> int:
    """Write the guide without what `fill --mark` put in (None: in its place); return how many programmes had it.

    Raises
    ------
    InputError
        If the guide can't be read, or is the output. What stood at the output is then still there.
    """
    count = 0

    def edits(piece: Piece) -> list[Edit]:
        nonlocal count
        found = [list(filled_in(programme)) for programme in piece.programmes]
        count += sum(map(bool, found))
        return [piece.removal(element) for elements in found for element in elements]

    rewrite(guide, output, edits)
    return count
