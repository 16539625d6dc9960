"""Several tags in one cell, separated by a bar."""

from collections.abc import Iterable
from itertools import pairwise

BAR = "|"


def tags_in(cell: str) -> list[str]:
    """Return the tags of a cell, stripped and in alphabetical order."""
    return sorted(tag.strip() for tag in cell.split(BAR))


def joined(tags: Iterable[str]) -> str:
    """Return the tags as one cell, in alphabetical order."""
    return BAR.join(sorted(tags))


def problem(column: str, cell: str) -> str | None:
    """Return the problem with a cell, if any: an empty or repeated tag."""
    tags = tags_in(cell)
    if "" in tags:
        return f"{column} must have a tag on both sides of each {BAR}. Got {cell!r}. Remove the bar or fill it."
    repeated = [tag for tag, following in pairwise(tags) if tag == following]
    if repeated:
        return f"{column} must name each tag once. Got {repeated[0]!r} again. Remove it."
    return None
