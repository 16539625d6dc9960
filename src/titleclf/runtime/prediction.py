"""Predictions: candidate categories with probabilities, the named ones among them, and explanations."""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from titleclf.runtime import speedups
from titleclf.runtime.arrays import Bools, Floats
from titleclf.runtime.errors import require_extra
from titleclf.runtime.text.tags import BAR

if TYPE_CHECKING:
    import pandas as pd

BEGIN, END = "^", "$"  # boundary tokens, as shown in n-grams


class Piece(NamedTuple):
    """A part of a title, the index of its first character, and its contribution to a logit."""

    text: str
    place: int
    contribution: float


class Remembered(NamedTuple):
    """The known title that equals a title (similarity 1) or resembles it, its categories, and its contribution."""

    title: str
    categories: list[str]
    similarity: float
    contribution: float

    def asdict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "title": self.title,
            "category": BAR.join(self.categories),
            "likeness": _rounded(self.similarity),
            "contribution": _rounded(self.contribution),
        }


@dataclass(frozen=True)
class Explanation:
    """The terms that add up to the lead of a category.

    The lead is the category's logit minus the mean logit of all categories, since probabilities depend on differences
    of logits alone. The probability of a tag depends on its own logit alone, so its lead is that logit. Temperature is
    applied later and does not change the order.

    `characters` are those of the title as it is given, also those that the model does not see, such as decorations,
    which contribute nothing. A plain title is spelled as the model sees it, in its own case if folding keeps its
    length. `cut` is the truncated rest. A character contributes by itself, at its position, and an equal share of each
    n-gram that contains it: bias, memory, fields and characters add up to the lead. `ngrams` are the same n-grams
    undivided, strongest for the category first, equal ones merged.
    """

    category: str
    bias: float
    memory: Remembered | None
    characters: list[tuple[str, float]]
    ngrams: list[Piece]
    cut: str
    fields: dict[str, float] = field(default_factory=dict)  # contributions of those that are known
    words: dict[str, list[Piece]] = field(default_factory=dict)  # n-grams of words of text fields, strongest first

    @property
    def by_characters(self) -> float:
        """The contribution of all characters, with the n-grams that contain them."""
        return math.fsum(contribution for _, contribution in self.characters)

    @property
    def lead(self) -> float:
        """The sum of all terms."""
        by_memory = self.memory.contribution if self.memory else 0
        return self.bias + self.by_characters + sum(self.fields.values()) + by_memory

    def asdict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "category": self.category,
            "bias": _rounded(self.bias),
            **{name: _rounded(contribution) for name, contribution in self.fields.items()},
            "memory": self.memory and self.memory.asdict(),
            "characters": [[char, _rounded(contribution)] for char, contribution in self.characters],
            "ngrams": [piece._asdict() | {"contribution": _rounded(piece.contribution)} for piece in self.ngrams],
            "words": {
                name: [[piece.text, _rounded(piece.contribution)] for piece in pieces]
                for name, pieces in self.words.items()
            },
        }


class Prediction(NamedTuple):
    """What the model predicts for one title: candidates with probabilities, best first; none for an empty title.

    `named` are the candidates above their thresholds: at most the best one, or with several tags any of them.
    `explanation` explains the best one, if requested. Models that learned kinds also answer with the most
    probable one, on request: film, episode or other. Equal titles may share one prediction.
    """

    title: str
    candidates: tuple[tuple[str, float], ...]
    named: tuple[str, ...]
    explanation: Explanation | None = None
    kind: tuple[str, float] | None = None  # with its probability

    @property
    def category(self) -> str | None:
        """The predicted category, or None where the model abstains."""
        return self.named[0] if self.named else None

    @property
    def probability(self) -> float | None:
        """The probability of the best candidate."""
        return self.candidates[0][1] if self.candidates else None

    def __repr__(self) -> str:
        if not self.candidates:
            return f"<Prediction of {self.title!r}: none>"
        best, probability = self.candidates[0]
        name = f"{BAR.join(self.named)!r}" if self.named else f"unsure, {best!r}"
        return f"<Prediction of {self.title!r}: {name} {probability:.0%}>"

    def asdict(self) -> dict[str, Any]:
        """Return plain values for JSON, under the names of the attributes; kind and explanation if requested."""
        more: dict[str, Any] = {}
        if self.kind is not None:
            more |= {"kind": self.kind[0], "kind_probability": self.kind[1]}
        if self.explanation is not None:
            more["explanation"] = self.explanation.asdict()
        return {
            "title": self.title,
            "category": self.category,
            "probability": self.probability,
            "named": list(self.named),
            "candidates": [{"category": name, "probability": probability} for name, probability in self.candidates],
            **more,
        }


class Predictions(list[Prediction]):
    """A list of predictions that can become a table."""

    def to_frame(self) -> "pd.DataFrame":
        """Return a DataFrame with a row for each title, and the columns of `predict --format csv`.

        They are `title, category, candidate, probability`, then `candidate_2, probability_2` and so on if there are
        more candidates, and `kind, kind_probability` if requested. Several tags are joined by a bar.

        Raises
        ------
        InputError
            If pandas is not installed.
        """
        with require_extra("train"):
            import pandas as pd
        top = max([1, *(len(prediction.candidates) for prediction in self)])
        columns = ["title", "category", "candidate", "probability"]
        columns += [name for rank in range(2, top + 1) for name in (f"candidate_{rank}", f"probability_{rank}")]
        columns += ["kind", "kind_probability"] if any(prediction.kind for prediction in self) else []
        rows = []
        for prediction in self:
            cells = [prediction.title, BAR.join(prediction.named) or None, *itertools.chain(*prediction.candidates)]
            cells += [None] * (2 + 2 * top - len(cells)) + list(prediction.kind or ())
            rows.append(cells + [None] * (len(columns) - len(cells)))
        return pd.DataFrame(rows, columns=columns)


def strongest_first(pieces: Iterable[Piece]) -> list[Piece]:
    """Return the pieces from the strongest for a category to the strongest against it."""
    return sorted(pieces, key=lambda piece: (-piece.contribution, piece.place, len(piece.text)))


def top1(
    titles: Sequence[str],
    probabilities: Floats,
    thresholds: Floats | None,
    categories: list[str],
    names: list[tuple[str, ...]],
) -> list[Prediction]:
    """Return predictions of one candidate each from probabilities (titles, categories).

    Thresholds are (1, categories) or (titles, categories); without them every best category is named. `names` holds
    the `named` of each category, then that of titles below the threshold.
    """
    if speedups.compiled is not None:
        compiled: list[Prediction] = speedups.compiled.top1(
            Prediction, titles, probabilities, thresholds, categories, names
        )
        return compiled
    best, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    is_named = confidence >= _per_title(thresholds, probabilities)[np.arange(len(best)), best]
    named = np.where(is_named, best, len(categories))
    # Convert whole arrays to lists: reading single numbers from arrays takes many times as long.
    candidates = zip(zip(map(categories.__getitem__, best.tolist()), confidence.tolist(), strict=True), strict=True)
    return list(map(Prediction, titles, candidates, map(names.__getitem__, named.tolist())))


def ranked(
    titles: Sequence[str], probabilities: Floats, top: int, thresholds: Floats | None, categories: list[str]
) -> list[Prediction]:
    """Return predictions of one category with their `top` candidates from probabilities (titles, categories)."""
    candidates, is_named = _sorted_candidates(probabilities, thresholds, categories, top)
    best = [(names[0][0],) if flag else () for names, flag in zip(candidates, is_named[:, 0].tolist(), strict=True)]
    return list(map(Prediction, titles, candidates, best))


def ranked_tags(
    titles: Sequence[str], probabilities: Floats, top: int, thresholds: Floats | None, categories: list[str]
) -> list[Prediction]:
    """Return predictions of all tags above their thresholds, with these and at least `top` as candidates."""
    candidates, is_named = _sorted_candidates(probabilities, thresholds, categories, len(categories))
    lowest = np.where(is_named, np.arange(len(categories)) + 1, 0).max(axis=1, initial=0)
    counts = np.maximum(top, lowest).tolist()
    return [
        Prediction(title, tags[:count], tuple(name for name, _ in itertools.compress(tags, flags)))
        for title, tags, flags, count in zip(titles, candidates, is_named.tolist(), counts, strict=True)
    ]


def with_kinds(predictions: list[Prediction], probabilities: Floats, kinds: list[str]) -> list[Prediction]:
    """Return the predictions with the most probable kind of each, of probabilities (titles, kinds)."""
    best, confidence = probabilities.argmax(axis=1).tolist(), probabilities.max(axis=1).tolist()
    answers = zip(map(kinds.__getitem__, best), confidence, strict=True)
    # A named tuple's own _replace takes three times as long.
    return [Prediction(*prediction[:4], kind) for prediction, kind in zip(predictions, answers, strict=True)]


def _sorted_candidates(
    probabilities: Floats, thresholds: Floats | None, categories: list[str], top: int
) -> tuple[list[tuple[tuple[str, float], ...]], Bools]:
    """Return the `top` candidates of each title, best first, and which of them are named (titles, top)."""
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    confidence = np.take_along_axis(probabilities, order, axis=1)
    is_named = confidence >= np.take_along_axis(_per_title(thresholds, probabilities), order, axis=1)
    names = map(categories.__getitem__, order.ravel().tolist())
    pairs = zip(names, confidence.ravel().tolist(), strict=True)
    return list(zip(*[pairs] * order.shape[1], strict=True)), is_named


def _per_title(thresholds: Floats | None, probabilities: Floats) -> Floats:
    return np.broadcast_to(0.0 if thresholds is None else thresholds, probabilities.shape)


def _rounded(contribution: float) -> float:
    return round(contribution, 4)
