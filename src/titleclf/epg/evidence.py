"""What a guide says to a model that uses fields: all showings of a title, and what else its channel shows."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from titleclf.epg.channel_priors import ChannelPriors
from titleclf.epg.genres import Genre
from titleclf.epg.pooling import Pool, Pooled, Showing
from titleclf.runtime.arrays import Floats
from titleclf.runtime.choices import Task
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.network import Network
from titleclf.runtime.text.programmes import Programmes

_CHUNK = 8192  # showings: bounds the memory that their probabilities take


class Evidence:
    """A model's logits, pooled by title and channel, and adjusted to what each channel shows.

    A channel shows what the guide says, or else what the model predicts. Tags are not adjusted.
    """

    def __init__(self, model: Classifier[Network]) -> None:
        self._model = model
        self._pool = Pool(model.contents.outputs)
        self._labels: dict[Showing, int] = {}
        self._priors: ChannelPriors | None = None  # of all that was added so far

    def __len__(self) -> int:
        return len(self._pool) + len(self._labels)

    def __contains__(self, showing: Showing) -> bool:
        return showing in self._pool

    def add(self, programmes: Programmes, showings: Sequence[Showing]) -> None:
        """Add programmes whose category is to be predicted."""
        used = programmes.only(self._model.columns)
        self._pool.add(showings, self._model.outputs(used), used.has_fields())
        self._priors = None

    def add_labels(self, labels: Mapping[Showing, Genre]) -> None:
        """Add the genres that the guide itself gives; those that the model does not know say nothing to it."""
        numbers = {category: number for number, category in enumerate(self._model.categories)}
        self._labels |= {showing: numbers[genre] for showing, genre in labels.items() if genre in numbers}
        self._priors = None

    def outputs(self, showings: Sequence[Showing]) -> Pooled:
        """Return the logits (showings, outputs) of showings that were added, and which of them had any field."""
        pooled = self._pool.means(showings)
        if showings and self._model.task is Task.single:
            if self._priors is None:
                self._priors = self._channel_priors()
            logits, _ = self._model.split(pooled.logits)
            logits += self._priors.shifts(_channels(showings), self._distributions(showings, logits))
        return pooled

    def _channel_priors(self) -> ChannelPriors:
        pooled, labelled = list(self._pool), [showing for showing in self._labels if showing not in self._pool]
        priors = ChannelPriors(_channels([*pooled, *labelled]), len(self._model.categories))
        for chunk in _chunks(pooled):
            logits, _ = self._model.split(self._pool.means(chunk).logits)
            priors.add(_channels(chunk), self._distributions(chunk, logits))
        certain = np.eye(len(self._model.categories))
        for chunk in _chunks(labelled):
            priors.add(_channels(chunk), certain[[self._labels[showing] for showing in chunk]])
        return priors

    def _distributions(self, showings: Sequence[Showing], logits: Floats) -> Floats:
        """Return the probabilities (showings, categories): 1 for what the guide says, or else the predicted ones."""
        distributions = self._model.contents.temperature.probabilities(logits)
        for row, showing in enumerate(showings):
            if showing in self._labels:
                distributions[row] = 0.0
                distributions[row, self._labels[showing]] = 1.0
        return distributions


def _channels(showings: Sequence[Showing]) -> list[str | None]:
    return [channel for _, channel in showings]


def _chunks(showings: Sequence[Showing]) -> Iterator[Sequence[Showing]]:
    for start in range(0, len(showings), _CHUNK):
        yield showings[start : start + _CHUNK]
