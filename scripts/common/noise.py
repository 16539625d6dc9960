"""Clean titles and noisy copies of them, the same for every model."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from titleclf.data.augmentation.noise import misspell, reformat
from titleclf.data.dataset import LabelledTitles
from titleclf.runtime.arrays import Labels
from titleclf.runtime.choices import Format, Misspelling

CLEAN = "clean"
NOISY = ("one misspelling", "two misspellings", "a channel's format")
CONDITIONS = (CLEAN, *NOISY)


class NoisyTitles(NamedTuple):
    """Titles in each of `CONDITIONS`, and their labels (titles,)."""

    conditions: dict[str, list[str]]
    labels: Labels


def clean_and_noisy(titles: LabelledTitles, seed: int) -> NoisyTitles:
    """Return the titles in all conditions; every model is given exactly these strings."""
    clean = list(titles.titles)
    generators = [np.random.default_rng([seed, condition]) for condition in range(1, len(CONDITIONS))]
    conditions = {CLEAN: clean, **noisy_copies(clean, generators)}
    return NoisyTitles(conditions, titles.targets.astype(np.int64))


def noisy_copies(titles: list[str], generators: Sequence[np.random.Generator]) -> dict[str, list[str]]:
    """Return the titles in each of the conditions `NOISY`, with a generator for each."""
    copies = [
        misspell(titles, list(Misspelling), 1, generators[0]),
        misspell(titles, list(Misspelling), 2, generators[1]),
        reformat(titles, list(Format), generators[2]),
    ]
    return dict(zip(NOISY, copies, strict=True))
