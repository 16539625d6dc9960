"""Programmes with tags on three sides: each programme on one, each tag on all."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

import numpy as np

Sizes = Callable[[int], dict[str, int]]  # how many of so many programmes shall be on each side
Programmes = Mapping[str, set[str]]  # and their tags


def sides_of(programmes: Programmes, sizes: Sizes, generator: np.random.Generator) -> dict[str, str]:
    """Return the side of each programme, so that each tag is on every side if there is a way.

    Tags come rarest first, and those of their programmes that have no side yet go where the tag lacks most, in random
    order: iterative stratification (Sechidis et al. 2011), but for the order of tags, which is fixed beforehand. What
    is common may then be missing on a small side, and gets there a programme that can be spared elsewhere.
    """
    of_tag: defaultdict[str, list[str]] = defaultdict(list)
    for programme, tags in programmes.items():
        for tag in tags:
            of_tag[tag].append(programme)
    sides: dict[str, str] = {}
    rarest_first = sorted(of_tag, key=lambda tag: (len(of_tag[tag]), tag))
    for tag in rarest_first:
        _place(of_tag[tag], sides, sizes(len(of_tag[tag])), generator)
    counts = Counter((tag, sides[programme]) for programme, tags in programmes.items() for tag in tags)
    for tag in rarest_first:
        for side, size in sizes(len(of_tag[tag])).items():
            if size and not counts[tag, side]:
                _fetch(of_tag[tag], side, programmes, sides, counts)
    return sides


def tags_by_side(programmes: Programmes, sides: Mapping[str, str]) -> dict[str, set[str]]:
    """Return the sides that each tag is on."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for programme, tags in programmes.items():
        for tag in tags:
            found[tag].add(sides[programme])
    return dict(found)


def _place(group: list[str], sides: dict[str, str], sizes: dict[str, int], generator: np.random.Generator) -> None:
    placed = Counter(sides[programme] for programme in group if programme in sides)
    left = [programme for programme in group if programme not in sides]
    for place in generator.permutation(len(left)):
        side = max(sizes, key=lambda side: (sizes[side] > 0 and not placed[side], sizes[side] - placed[side]))
        sides[left[place]] = side
        placed[side] += 1


def _fetch(
    group: list[str], side: str, programmes: Programmes, sides: dict[str, str], counts: Counter[tuple[str, str]]
) -> None:
    for programme in group:
        tags, before = programmes[programme], sides[programme]
        if all(counts[tag, before] > 1 for tag in tags):
            counts.subtract((tag, before) for tag in tags)
            counts.update((tag, side) for tag in tags)
            sides[programme] = side
            return
