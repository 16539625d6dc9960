"""What speaks for and against a category of a title, for people (text, in colours) and for programs (JSON)."""

import itertools
import math
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from titleclf.characters import printable
from titleclf.tags.cells import BAR

BEGIN, END = "^", "$"  # of a title, in its n-grams
_STRONGEST = 5  # pieces for a category, and as many against it
# Black on four shades of the 256 colours, from pale to strong: readable on dark terminals and on bright ones.
_FOR, _AGAINST = (194, 157, 120, 83), (224, 217, 210, 203)
_DIGITS = 4


class Piece(NamedTuple):
    """A part of a title, where it begins among the title's characters, and what it adds."""

    text: str
    place: int
    contribution: float


class Remembered(NamedTuple):
    """The known title that a title is (likeness 1) or resembles, its categories (several tags), and what it adds."""

    title: str
    categories: list[str]
    likeness: float
    contribution: float


@dataclass(frozen=True)
class Explanation:
    """What adds up to the lead of a category.

    The lead is the category's logit minus the mean logit of all: probabilities only know differences of logits, and
    what lifts all categories alike speaks for none. Tags have a probability each of their own logit, so that theirs
    is explained as it is. Temperature comes later, and changes no order.

    `characters` are those of the title as the model sees it, in its own case where that is as long; `cut` is what the
    model does not see. Each adds what it says at its place and its even share of the n-grams that it is part of, so
    that bias, memory and characters add up to the lead. `ngrams` are these n-grams undivided, strongest for it
    first, equal ones as one; in them ^ and $ are the title's beginning and end.
    """

    category: str
    bias: float
    memory: Remembered | None
    characters: list[tuple[str, float]]
    ngrams: list[Piece]
    cut: str
    context: dict[str, float] = field(default_factory=dict)  # what the channel and the duration add, if they are known

    @property
    def by_characters(self) -> float:
        """What the characters add, with the n-grams that they are part of."""
        return math.fsum(contribution for _, contribution in self.characters)

    @property
    def lead(self) -> float:
        """What all adds up to."""
        by_memory = self.memory.contribution if self.memory else 0
        return self.bias + self.by_characters + sum(self.context.values()) + by_memory


def has_colours() -> bool:
    """Tell whether answers are read on a terminal, by someone who has not refused colours (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def coloured(explanation: Explanation) -> str:
    """Return the title with its characters on green where they speak for the category, on red where against it."""
    largest = max(abs(contribution) for _, contribution in explanation.characters) or 1.0
    shades = [(_shade(contribution / largest), mark) for mark, contribution in explanation.characters]
    parts = [
        _painted(shade, printable("".join(mark for _, mark in some)))
        for shade, some in itertools.groupby(shades, key=lambda one: one[0])
    ]
    return "".join(parts) + printable(explanation.cut)


def as_text(explanation: Explanation, indent: str) -> str:
    """Return lines for people: what adds up to the lead, what is strongest for and against, and what is remembered."""
    memory = explanation.memory
    terms = [f"bias {explanation.bias:+.2f}", f"title {explanation.by_characters:+.2f}"]
    terms += [f"{name} {contribution:+.2f}" for name, contribution in explanation.context.items()]
    terms += [f"memory {memory.contribution:+.2f}"] if memory else []
    pieces = explanation.ngrams or _characters(explanation)
    for_it = [piece for piece in pieces if piece.contribution > 0][:_STRONGEST]
    against = [piece for piece in pieces[::-1] if piece.contribution < 0][:_STRONGEST]
    lines = [f"{explanation.category} {explanation.lead:+.2f}: {', '.join(terms)}"]
    lines += [f"{name}: {_listed(some)}" for name, some in (("for", for_it), ("against", against)) if some]
    if memory:
        names = f" {BAR} ".join(memory.categories)
        lines.append(f'remembered: "{printable(memory.title)}" ({names}), {memory.likeness:.0%} alike')
    return "\n".join(indent + line for line in lines)


def as_object(explanation: Explanation) -> dict[str, Any]:
    """Return plain values for JSON."""
    return {
        "category": explanation.category,
        "bias": _rounded(explanation.bias),
        **{name: _rounded(contribution) for name, contribution in explanation.context.items()},
        "memory": _as_remembered(explanation.memory),
        "characters": [[mark, _rounded(contribution)] for mark, contribution in explanation.characters],
        "ngrams": [piece._asdict() | {"contribution": _rounded(piece.contribution)} for piece in explanation.ngrams],
    }


def strongest_first(pieces: Iterable[Piece]) -> list[Piece]:
    """Return the pieces from the strongest for a category to the strongest against it."""
    return sorted(pieces, key=lambda piece: (-piece.contribution, piece.place, len(piece.text)))


def _as_remembered(memory: Remembered | None) -> dict[str, Any] | None:
    if memory is None:
        return None
    return {
        "title": memory.title,
        "category": BAR.join(memory.categories),
        "likeness": _rounded(memory.likeness),
        "contribution": _rounded(memory.contribution),
    }


def _characters(explanation: Explanation) -> list[Piece]:
    # For models without n-grams.
    summed: dict[str, Piece] = {}
    for place, (mark, contribution) in enumerate(explanation.characters):
        found = summed.get(mark, Piece(mark, place, 0))
        summed[mark] = found._replace(contribution=found.contribution + contribution)
    return strongest_first(summed.values())


def _listed(pieces: Iterable[Piece]) -> str:
    return ", ".join(f'"{printable(piece.text)}" {piece.contribution:+.2f}' for piece in pieces)


def _shade(strength: float) -> int | None:
    # In [-1, 1]; what is an eighth of the strongest or less keeps the terminal's own colours.
    shade = math.ceil(abs(strength) * len(_FOR) - 0.5)
    return None if shade == 0 else (_FOR if strength > 0 else _AGAINST)[min(shade, len(_FOR)) - 1]


def _painted(shade: int | None, text: str) -> str:
    return text if shade is None else f"\x1b[38;5;16;48;5;{shade}m{text}\x1b[0m"


def _rounded(number: float) -> float:
    return round(number, _DIGITS)
