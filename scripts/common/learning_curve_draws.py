"""The titles of a learning curve: those to be judged on, and draws of so many labels, the same for every model."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from scripts.accuracy import Judged, spoil
from scripts.common import peers
from titleclf.config.schemas import TrainConfig
from titleclf.data.dataset import Data, read_data
from titleclf.data.splits import Split, learnable, split_beside
from titleclf.data.titles import fingerprint
from titleclf.runtime.errors import InputError

_NOISE_SEED = 1


class Course(NamedTuple):
    """What is the same for all models: titles to draw from, titles to be judged on, and what they are told apart by."""

    titles: pd.DataFrame
    test: pd.DataFrame
    judged: Judged
    categories: list[str]
    fingerprint: str


def read_course(config: TrainConfig) -> Course:
    """Read the titles, held out as `make train` does; all that isn't held out can be drawn."""
    data = read_data(config)
    titles, test = peers.for_peers(data), data.sides.test
    judged = spoil(test, data.categories, _NOISE_SEED)
    return Course(titles, test, judged, data.categories, fingerprint(titles) + fingerprint(test))


def draw(titles: pd.DataFrame, size: int, seed: int) -> pd.DataFrame:
    """Return `size` of the titles; a smaller draw of the same seed is the beginning of a larger one."""
    order = np.random.default_rng(seed).permutation(len(titles))
    return titles.iloc[order[:size]].reset_index(drop=True)


def whole(drawn: pd.DataFrame, test: pd.DataFrame) -> Data:
    """Return the draw for peers: they learn from all of it."""
    categories = sorted(drawn["category"].unique())
    return Data(Split(drawn, drawn[:0], test), categories, fingerprint(drawn), drawn)


def parted(drawn: pd.DataFrame, test: pd.DataFrame, config: TrainConfig) -> Data:
    """Return the draw for ours: split into training and validation, without categories that can't be split."""
    titles = learnable(drawn)
    if titles["category"].nunique() < 2:
        raise InputError(
            f"--sizes must be draws with two categories of three programmes. Got {len(drawn):,} with seed "
            f"{config.seed}, too few for that. Ask for larger ones."
        )
    sides = split_beside(titles, test, config.data, config.seed)
    return Data(sides, sorted(sides.train["category"].unique()), fingerprint(titles), sides.train)
