"""Random choices drawn in bulk: single calls to a generator would cost more than the changes themselves."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
Draw = Callable[[], float]  # returns the next random number in [0, 1)
Change = Callable[[str, Draw], str]  # returns the title unchanged if the change doesn't apply

_BULK = 4096


def draws(generator: np.random.Generator) -> Draw:
    """Return a function that returns the generator's next number in [0, 1)."""
    return _uniforms(generator).__next__


def pick(options: Sequence[T], draw: Draw) -> T:
    """Return one of the options."""
    return options[int(draw() * len(options))]


def changed(title: str, changes: Sequence[Change], draw: Draw) -> str:
    """Apply the first change, in random order, that makes a difference and doesn't empty the title."""
    remaining = list(changes)
    while remaining:
        result = remaining.pop(int(draw() * len(remaining)))(title, draw)
        if result != title and result.strip():
            return result
    return title


def _uniforms(generator: np.random.Generator) -> Iterator[float]:
    while True:
        yield from generator.random(_BULK).tolist()
