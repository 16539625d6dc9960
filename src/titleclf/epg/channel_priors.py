"""How often a guide shows each category on each channel: the channel's prior, as evidence about its titles."""

from collections.abc import Iterable, Sequence

import numpy as np

from titleclf.runtime.arrays import Floats, Labels

_GUIDE_TITLES = 5  # titles like the whole guide's that each channel has beside its own; chosen on left-out sources


class ChannelPriors:
    """The distributions of titles over categories, summed by channel.

    A guide unlike those of training, and a channel that training had nothing of, are known by what else they show.
    """

    def __init__(self, channels: Iterable[str | None], categories: int) -> None:
        self._rows = {channel: row for row, channel in enumerate(dict.fromkeys(channels))}
        self._sums = np.zeros((len(self._rows), categories))
        self._counts = np.zeros((len(self._rows), 1))

    def add(self, channels: Sequence[str | None], distributions: Floats) -> None:
        """Add the probabilities (titles, categories) of titles on channels (titles,)."""
        rows = self._rows_of(channels)
        np.add.at(self._sums, rows, distributions)
        np.add.at(self._counts, rows, 1)

    def shifts(self, channels: Sequence[str | None], distributions: Floats) -> Floats:
        """Return what to add to the logits (titles, categories) of titles that were added with `distributions`.

        It is the logarithm of the ratio of two priors: that of the channel's other titles and of `_GUIDE_TITLES` titles
        like the guide's, and the guide's. So a channel with few titles says little. A title without a channel gets 0.
        After Saerens et al. 2002 (Adjusting the outputs of a classifier to new a priori probabilities), one step.
        """
        rows = self._rows_of(channels)
        guide = np.maximum(self._sums.sum(axis=0) / self._counts.sum(), np.finfo(np.float32).tiny)
        others = np.maximum(self._sums[rows] - distributions, 0.0)  # rounding may leave less than nothing
        priors = (others + _GUIDE_TITLES * guide) / (self._counts[rows] - 1 + _GUIDE_TITLES)
        shifts: Floats = np.log(priors / guide)
        shifts[[channel is None for channel in channels]] = 0.0
        return shifts

    def _rows_of(self, channels: Sequence[str | None]) -> Labels:
        return np.array([self._rows[channel] for channel in channels], dtype=np.int64)
