"""The categories that were filled in with a mark, taken out again."""

from titleclf.epg.guide import Edit, Piece
from titleclf.epg.mark import filled_in
from titleclf.epg.rewrite import rewrite


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
