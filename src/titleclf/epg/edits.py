"""Edited copies of guides, in another file or in place with a backup, and undoing `fill --mark`."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from titleclf.epg.encodings import decoded_and_own
from titleclf.epg.packings import Packing
from titleclf.epg.parser import pieces
from titleclf.epg.streams import STANDARD, display_name, is_repaired, reading, writing
from titleclf.epg.urls import is_url
from titleclf.epg.xmltv import Airing, Edit, Piece, TextElement
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import keep, same_file

_PROVENANCE = "titleclf: "  # prefix of the keyword that names a filled category


def rewrite(guide: str, output: str | None, edits: Callable[[Piece], Sequence[Edit]]) -> None:
    """Write `guide` with its edits to `output`, packed according to its name, or in place (None) with a backup.

    Raises
    ------
    InputError
        If the guide can't be read, or is the output. The output then stays as it was.
    """
    check_output(guide, output)
    count = 0
    with reading(guide) as source:
        packing = _packing_in_place(guide, source.packings) if output is None else Packing.of_name(output)
        content, own = decoded_and_own(source.raw, source.encoding, display_name(guide))
        with writing(guide if output is None else output, packing) as write:
            for piece in pieces(content, guide):
                changes = edits(piece)
                count += len(changes)
                write(piece.edited(changes, own))
            write(own.rest())
            if output is None and (count or is_repaired(guide)):  # without a change, an older backup must stay
                keep(Path(guide))


def undo(guide: str, output: str | None) -> int:
    """Write the guide without what `fill --mark` added (None: in place); return the number of changed programmes.

    Raises
    ------
    InputError
        If the guide can't be read, or is the output. The output then stays as it was.
    """
    count = 0

    def edits(piece: Piece) -> list[Edit]:
        nonlocal count
        filled = [list(_filled(airing)) for airing in piece.airings]
        count += sum(map(bool, filled))
        return [piece.removal(element) for elements in filled for element in elements]

    rewrite(guide, output, edits)
    return count


def provenance_keywords(categories: Sequence[str]) -> list[tuple[str, str]]:
    """Return the elements (name, text) that record that these categories were filled in."""
    return [("keyword", _PROVENANCE + category) for category in categories]


def own_categories(airing: Airing) -> list[str]:
    """Return the categories that were not filled in."""
    filled = set(_filled(airing))
    return [category.text for category in airing.categories if category not in filled]


def _filled(airing: Airing) -> Iterator[TextElement]:
    """Yield the provenance keywords of an airing, each followed by the category that it names if still present."""
    categories = list(airing.categories)
    for keyword in airing.keywords:
        if keyword.text.startswith(_PROVENANCE):
            yield keyword
            name = keyword.text.removeprefix(_PROVENANCE)
            named = [category for category in categories if category.text == name]
            if named:  # the guide's own may differ from the filled one by spaces
                filled = [category for category in named if category.raw == name] or named
                categories.remove(filled[-1])
                yield filled[-1]


def check_output(guide: str, output: str | None) -> None:
    """Refuse an output that is the guide, and standard input or a URL in place.

    Raises
    ------
    InputError
        If it is one of them.
    """
    if output is None and (guide == STANDARD or is_url(guide)):
        got = "standard input" if guide == STANDARD else "a URL"
        raise InputError(f"--in-place must be used with a file. Got {got}. Name the guide, or pass -o OUT.")
    if output is None or STANDARD in (guide, output):
        return
    if same_file(Path(output), Path(guide)):
        raise InputError(
            f"{output} must not be the guide itself. Got the same file. Name another one, or pass --in-place, which "
            "keeps a backup."
        )


def _packing_in_place(guide: str, packings: Sequence[Packing]) -> Packing:
    """Return how to pack a guide as it was packed.

    Raises
    ------
    InputError
        If that is impossible: a zip may have held other files, too.
    """
    if Packing.zip in packings or len(packings) > 1:
        got = "a zip" if Packing.zip in packings else f"{len(packings)} packings"
        raise InputError(f"{guide} must be plain or packed once to be filled in place. Got {got}. Pass -o OUT.")
    return packings[0] if packings else Packing.none
