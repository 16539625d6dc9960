"""Whether an export predicts what its model predicts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.choices import Task
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError
from titleclf.runtime.network import Network
from titleclf.runtime.text.characters import chunked
from titleclf.runtime.text.programmes import Programmes

MIN_SAME = 0.995
MAX_DIFFERENCE = 0.01
_CHUNK = 1024  # titles
_MISSING = 0.3  # of each field


@dataclass(frozen=True)
class Parity:
    """The fraction of titles with the same prediction, and the largest difference in probability."""

    titles: int
    same: float
    difference: float

    def __str__(self) -> str:
        return (
            f"On {self.titles:,} titles: {self.same:.2%} the same prediction, probabilities within "
            f"{self.difference:.2g}."
        )


def compare(trained: Classifier[Network], exported: Classifier[Network], titles: Sequence[str]) -> Parity:
    """Predict at least one title with both, in batches with and without random fields if they use any.

    The same prediction is the same best category, or the same set of tags.
    """
    same, difference = 0, 0.0
    for number, chunk in enumerate(tqdm(list(chunked(titles, _CHUNK)), "comparing", leave=False, disable=None)):
        programmes = Programmes(chunk)
        if trained.columns:  # texts of other titles are only made for models that read them
            programmes = _with_fields(chunk, np.random.default_rng(number)).only(trained.columns)
        expected, got = (classifier.probabilities(programmes) for classifier in (trained, exported))
        differs = _predicted(trained, expected) != _predicted(exported, got)
        same += int((~differs.any(axis=1)).sum())
        difference = float(np.maximum(difference, np.abs(expected - got).max()))  # unlike max, keeps NaN
    return Parity(len(titles), same / len(titles), difference)


def _with_fields(titles: Sequence[str], generator: np.random.Generator) -> Programmes:
    """Return programmes whose texts are those of other titles, and whose numbers and channels are random."""

    def texts() -> list[str]:
        return [titles[row] for row in generator.permutation(len(titles)).tolist()]

    columns = {
        "channel": texts(),
        "minutes": generator.integers(0, 300, len(titles)).tolist(),
        "description": [" ".join(words) for words in zip(texts(), texts(), texts(), strict=True)],
        "sub_title": texts(),
        "year": generator.integers(1900, 2030, len(titles)).tolist(),
        "language": generator.choice(["de", "en", "fr", "pt-BR", "ja"], len(titles)).tolist(),
    }
    return Programmes(titles, columns).without_fields(_MISSING, generator)


def check(parity: Parity) -> None:
    """Check that an export predicts the same as its model.

    Raises
    ------
    InputError
        If too few predictions are the same, or a probability differs too much.
    """
    is_close = parity.same >= MIN_SAME and parity.difference <= MAX_DIFFERENCE  # False for NaN
    if not is_close:
        raise InputError(
            f"the export must predict {MIN_SAME:.1%} of titles as its model does, with probabilities within "
            f"{MAX_DIFFERENCE:g}. Got {parity.same:.2%} and {parity.difference:.2g} on {parity.titles:,} titles. "
            "Leave it unfolded (fold=false), or choose another format."
        )


def _predicted(classifier: Classifier[Network], probabilities: Floats) -> Labels | Bools:
    """Return the best category (titles, 1), or the named tags, from probabilities (titles, categories)."""
    if classifier.task is Task.single:
        best: Labels = probabilities.argmax(axis=1, keepdims=True)
        return best
    return probabilities >= classifier.thresholds.default()
