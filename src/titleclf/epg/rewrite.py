"""A guide written anew with edits, to another file or in its own place with a backup."""

from collections.abc import Callable, Sequence
from pathlib import Path

from titleclf.epg.guide import Edit, Piece
from titleclf.epg.parser import pieces
from titleclf.epg.streams import STANDARD, Packing, reading, writing
from titleclf.errors import InputError
from titleclf.files import keep


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
