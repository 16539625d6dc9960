"""Seeds, and random choices drawn in bulk: one at a time they would cost more than the work they decide about."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
Draw = Callable[[], float]  # the next random number in [0, 1)
Change = Callable[[str, Draw], str]  # returns a title that it can't change as it is

_BULK = 4096


def draws(generator: np.random.Generator) -> Draw:
    """Return a function that gives the generator's next number in [0, 1)."""
    return _uniforms(generator).__next__


def pick(options: Sequence[T], draw: Draw) -> T:
    """Return one of the options."""
    return options[int(draw() * len(options))]


def changed(title: str, changes: Sequence[Change], draw: Draw) -> str:
    """Make one of the changes: the first, in random order, that makes a difference and leaves something."""
    left = list(changes)
    while left:
        result = left.pop(int(draw() * len(left)))(title, draw)
        if result != title and result.strip():
            return result
    return title


def _uniforms(generator: np.random.Generator) -> Iterator[float]:
    while True:
        yield from generator.random(_BULK).tolist()
