"""Whether an export answers as the model that it was made from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.choices import Task
from titleclf.runtime.classifiers import BaseClassifier
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.characters import chunked

LEAST_SAME = 0.995
MOST_DIFFERENT = 0.01
_AT_ONCE = 1024  # titles


@dataclass(frozen=True)
class Agreement:
    """How many titles were compared, which share of them got the same answer, and how far probabilities were apart."""

    titles: int
    same: float
    difference: float  # the largest of all titles and categories

    def __str__(self) -> str:
        return (
            f"On {self.titles:,} titles: {self.same:.2%} the same answer, probabilities within {self.difference:.2g}."
        )


def compare(trained: BaseClassifier, exported: BaseClassifier, titles: Sequence[str]) -> Agreement:
    """Ask both for one title or more, in contexts drawn at random if they look at such.

    The same answer is the same likeliest category, or the same set of tags.
    """
    same, difference = 0, 0.0
    chunks = list(chunked(titles, _AT_ONCE))
    for number, some in enumerate(tqdm(chunks, "comparing", leave=False, disable=None)):
        generator = np.random.default_rng(number)
        contexts = None if trained.contexts is None else trained.contexts.drawn(len(some), generator)
        shares, others = (classifier.probabilities(some, contexts)[0] for classifier in (trained, exported))
        differing = _answers(trained, shares) != _answers(exported, others)
        same += int((~differing.any(axis=1)).sum())
        difference = float(np.maximum(difference, np.abs(shares - others).max()))  # unlike max, keeps what is no number
    return Agreement(len(titles), same / len(titles), difference)


def check(agreement: Agreement) -> None:
    """Refuse an export that answers otherwise than its model.

    Raises
    ------
    InputError
        If too few answers are the same, or a probability is too far from what it was.
    """
    agrees = agreement.same >= LEAST_SAME and agreement.difference <= MOST_DIFFERENT  # false of what is no number
    if not agrees:
        raise InputError(
            f"the export must answer {LEAST_SAME:.1%} of titles as its model does, with probabilities within "
            f"{MOST_DIFFERENT:g}. Got {agreement.same:.2%} and {agreement.difference:.2g} on {agreement.titles:,} "
            "titles. Leave it unfolded (fold=false), or choose another format."
        )


def _answers(classifier: BaseClassifier, shares: Floats) -> Labels | Bools:
    """Return of probabilities (titles, categories) the likeliest category (titles, 1), or which tags are named."""
    if classifier.task is Task.single:
        likeliest: Labels = shares.argmax(axis=1, keepdims=True)
        return likeliest
    return shares >= classifier.thresholds.unasked()
