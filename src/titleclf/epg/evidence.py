"""What a guide says to a model that uses fields: all showings of a title, and what else its channel shows."""

from collections.abc import Iterator, Sequence

import numpy as np

from titleclf.epg.channel_priors import ChannelPriors
from titleclf.epg.guide_labels import GuideLabels
from titleclf.epg.pooling import Pool, Pooled
from titleclf.epg.xmltv import Showing
from titleclf.runtime.arrays import Floats
from titleclf.runtime.choices import Task
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.network import Network
from titleclf.runtime.text.programmes import Programmes

_CHUNK = 8192  # showings: bounds the memory that their probabilities take


class Evidence:
    """A model's logits, pooled by title and channel, and adjusted to what each channel shows.

    A channel shows what the guide's labels say, or else what the model predicts. Tags are not adjusted.
    """

    def __init__(self, model: Classifier[Network], labels: GuideLabels) -> None:
        self._model, self._labels = model, labels
        self._pool = Pool(model.contents.outputs)
        self._numbers = {category: number for number, category in enumerate(model.categories)}
        self._priors: tuple[int, ChannelPriors] | None = None  # with so many labelled programmes

    def __len__(self) -> int:
        return len(self._pool)

    def __contains__(self, showing: Showing) -> bool:
        return showing in self._pool

    def add(self, programmes: Programmes, showings: Sequence[Showing]) -> None:
        """Add programmes whose category is to be predicted."""
        used = programmes.only(self._model.columns)
        self._pool.add(showings, self._model.outputs(used), used.has_fields())
        self._priors = None

    def outputs(self, showings: Sequence[Showing]) -> Pooled:
        """Return the logits (showings, outputs) of showings that were added, and which of them had any field."""
        pooled = self._pool.means(showings)
        if showings and self._model.task is Task.single:
            if self._priors is None or self._priors[0] != self._labels.programmes:
                self._priors = self._labels.programmes, self._channel_priors()
            logits, _ = self._model.split(pooled.logits)
            logits += self._priors[1].shifts(_channels(showings), self._distributions(showings, logits))
        return pooled

    def film_probabilities(self, showings: Sequence[Showing]) -> Floats:
        """Return the probabilities (showings,) of films rather than episodes, of showings that were added.

        The model must have learned kinds.
        """
        return self._model.film_probabilities(self._pool.means(showings).logits)

    def _channel_priors(self) -> ChannelPriors:
        of_showings = self._labels.of_showings.items()
        pooled = list(self._pool)
        labelled = [showing for showing, genre in of_showings if genre in self._numbers and showing not in self._pool]
        priors = ChannelPriors(_channels([*pooled, *labelled]), len(self._numbers))
        for chunk in _chunks(pooled):
            logits, _ = self._model.split(self._pool.means(chunk).logits)
            priors.add(_channels(chunk), self._distributions(chunk, logits))
        certain = np.eye(len(self._numbers))
        for chunk in _chunks(labelled):
            priors.add(_channels(chunk), certain[[self._numbers[self._labels.of_showings[each]] for each in chunk]])
        return priors

    def _distributions(self, showings: Sequence[Showing], logits: Floats) -> Floats:
        """Return the probabilities (showings, categories): 1 for what the guide says, or else the predicted ones."""
        distributions = self._model.contents.temperature.probabilities(logits)
        for row, showing in enumerate(showings):
            genre = self._labels.of_showings.get(showing)
            if genre in self._numbers:
                distributions[row] = 0.0
                distributions[row, self._numbers[genre]] = 1.0
        return distributions


def _channels(showings: Sequence[Showing]) -> list[str | None]:
    return [channel for _, channel in showings]


def _chunks(showings: Sequence[Showing]) -> Iterator[Sequence[Showing]]:
    for start in range(0, len(showings), _CHUNK):
        yield showings[start : start + _CHUNK]
