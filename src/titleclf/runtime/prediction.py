"""What speaks for and against a category of a title, for people (text, in colours) and for programs (JSON)."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

BEGIN, END = "^", "$"  # of a title, in its n-grams


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


def strongest_first(pieces: Iterable[Piece]) -> list[Piece]:
    """Return the pieces from the strongest for a category to the strongest against it."""
    return sorted(pieces, key=lambda piece: (-piece.contribution, piece.place, len(piece.text)))


class Prediction(NamedTuple):
    """What the model says of one title: candidates with probabilities, best first; none for an empty title.

    `named` are those that are probable enough to be answers: at most the best one, or with several tags any of them.
    `explanation` tells what speaks for the best one, where that was asked. Equal titles may share one prediction.
    """

    title: str
    candidates: tuple[tuple[str, float], ...]
    named: tuple[str, ...]
    explanation: Explanation | None = None

    @property
    def category(self) -> str | None:
        """The only answer, or none where the best candidate is not probable enough."""
        return self.named[0] if self.named else None

    @property
    def probability(self) -> float | None:
        """The probability of the best candidate."""
        return self.candidates[0][1] if self.candidates else None
