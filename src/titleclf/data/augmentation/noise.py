"""Noise for titles: misspellings and channel formats, for training and for robustness tests."""

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
    """Return each title with `edits` misspellings, their kinds drawn from `kinds`.

    A kind that does not apply to a title (no diacritics to lose) is replaced by another one. A title to which no kind
    applies, or that would become empty, is unchanged.
    """
    draw = draws(generator)
    changes = [MISSPELLINGS[kind] for kind in kinds]
    return [_misspelt(title, changes, edits, draw) for title in titles]


def reformat(titles: Sequence[str], formats: Sequence[Format], generator: np.random.Generator) -> list[str]:
    """Return each title in a format drawn from `formats`; one that does not apply is replaced by another one."""
    draw = draws(generator)
    changes = [FORMATS[name] for name in formats]
    return [changed(title, changes, draw) for title in titles]


def noised(titles: Sequence[str], config: NoiseConfig, generator: np.random.Generator) -> list[str]:
    """Return the titles, a fraction of them misspelt and, independently, a fraction of them reformatted."""
    draw = draws(generator)
    misspellings = [MISSPELLINGS[kind] for kind in config.misspellings]
    formats = [FORMATS[name] for name in config.formats]
    results = list(titles)
    misspelt = np.flatnonzero(generator.random(len(results)) < config.misspelt)
    edits = generator.integers(1, config.max_edits, size=len(misspelt), endpoint=True)
    for index, count in zip(misspelt.tolist(), edits.tolist(), strict=True):
        results[index] = _misspelt(results[index], misspellings, count, draw)
    for index in np.flatnonzero(generator.random(len(results)) < config.reformatted).tolist():
        results[index] = changed(results[index], formats, draw)
    return results


def _misspelt(title: str, changes: Sequence[Change], edits: int, draw: Draw) -> str:
    for _ in range(edits):
        title = changed(title, changes, draw)
    return title
