"""Noisy titles, misspelt or formatted as in guides, for training and for measuring robustness."""

from collections.abc import Sequence

import numpy as np

from titleclf.config.schemas import NoiseConfig
from titleclf.data.augmentation.draws import Change, Draw, changed, draws
from titleclf.data.augmentation.formats import FORMATS
from titleclf.data.augmentation.misspellings import MISSPELLINGS
from titleclf.runtime.choices import Format, Misspelling


def misspell(
    titles: Sequence[str], kinds: Sequence[Misspelling], edits: int, generator: np.random.Generator
) -> list[str]:
    """Return each title with `edits` misspellings of kinds drawn from `kinds`.

    A kind that doesn't apply (no diacritics to lose) is replaced by another of `kinds`. A title is unchanged if none
    applies, or if nothing would be left of it.
    """
    draw = draws(generator)
    changes = [MISSPELLINGS[kind] for kind in kinds]
    return [_misspelt(title, changes, edits, draw) for title in titles]


def reformat(titles: Sequence[str], formats: Sequence[Format], generator: np.random.Generator) -> list[str]:
    """Return each title in a format drawn from `formats`, or in another of them if that doesn't apply."""
    draw = draws(generator)
    changes = [FORMATS[name] for name in formats]
    return [changed(title, changes, draw) for title in titles]


def noised(titles: Sequence[str], config: NoiseConfig, generator: np.random.Generator) -> list[str]:
    """Return the titles, a fraction of them misspelt and, independently, a fraction reformatted."""
    draw = draws(generator)
    misspellings = [MISSPELLINGS[kind] for kind in config.misspellings]
    formats = [FORMATS[name] for name in config.formats]
    noisy = list(titles)
    misspelt = np.flatnonzero(generator.random(len(noisy)) < config.misspelt)
    edits = generator.integers(1, config.max_edits, size=len(misspelt), endpoint=True)
    for row, count in zip(misspelt.tolist(), edits.tolist(), strict=True):
        noisy[row] = _misspelt(noisy[row], misspellings, count, draw)
    for row in np.flatnonzero(generator.random(len(noisy)) < config.reformatted).tolist():
        noisy[row] = changed(noisy[row], formats, draw)
    return noisy


def _misspelt(title: str, changes: Sequence[Change], edits: int, draw: Draw) -> str:
    for _ in range(edits):
        title = changed(title, changes, draw)
    return title
