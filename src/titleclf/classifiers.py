"""What every classifier does with titles, whatever computes its network: batches, memory, and honest probabilities."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from titleclf.answers import Prediction
from titleclf.arrays import Bools, Floats, Labels
from titleclf.characters import Batch, Characters, chunked, normalise
from titleclf.kinds import Task
from titleclf.memory import Memory
from titleclf.tags import temperature as tag_temperature
from titleclf.tags.memory import TagMemory
from titleclf.tags.temperature import TagTemperature
from titleclf.temperature import Temperature, probabilities
from titleclf.thresholds import Thresholds

_BATCH_SIZE = 256


@dataclass
class BaseClassifier(ABC):
    """A trained classifier but for its network; temperature and thresholds come from titles it was not trained on."""

    task: Task
    characters: Characters
    categories: list[str]
    temperature: Temperature | TagTemperature
    thresholds: Thresholds
    memory: Memory | TagMemory | None

    @abstractmethod
    def batch_logits(self, batch: Batch) -> Floats:
        """Return the network's logits (batch, categories)."""

    def network_logits(self, titles: Sequence[str]) -> tuple[Floats, int]:
        """Return logits (titles, categories), and how many titles were too long and were cut."""
        found = []
        cut = 0
        for some in chunked(titles, _BATCH_SIZE):
            batch = self.characters.batch(some)
            found.append(self.batch_logits(batch))
            cut += batch.cut
        return np.concatenate(found) if found else np.zeros((0, len(self.categories)), dtype=np.float32), cut

    def logits(self, titles: Sequence[str]) -> tuple[Floats, int]:
        """Return the network's logits (titles, categories) with the memory's evidence, and how many titles were cut."""
        logits, cut = self.network_logits(titles)
        return (logits if self.memory is None else logits + self.memory.evidence(titles, len(self.categories))), cut

    def probabilities(self, titles: Sequence[str]) -> tuple[Floats, int]:
        """Return calibrated probabilities (titles, categories), and how many titles were cut."""
        logits, cut = self.logits(titles)
        return self.calibrated(logits), cut

    def calibrated(self, logits: Floats) -> Floats:
        """Return the probabilities of logits (titles, categories): they add up to 1 unless a title may have several."""
        if isinstance(self.temperature, Temperature):
            return probabilities(logits, self.temperature)
        return tag_temperature.probabilities(logits, self.temperature)

    def answers(self, titles: Sequence[str]) -> Labels | Bools:
        """Return the number of each title's likeliest category (titles,), or which tags it has (titles, categories)."""
        logits, _ = self.logits(titles)
        likeliest: Labels = logits.argmax(axis=1)
        return likeliest if self.task is Task.single else self.calibrated(logits) >= self.thresholds.unasked()

    def predict(self, titles: Sequence[str], top: int = 1, least: float | Floats | None = None) -> list[Prediction]:
        """Return the predictions of `titles` in their order, each with its `top` likeliest categories as candidates.

        No title gets a category that is less probable than `least`, which may have a value for each (categories,), as
        `thresholds.at(0.9)` has; without it, the likeliest is named, or of several tags those above their thresholds.
        With several tags a title gets all that are probable enough, and all of them are among the candidates.

        Raises
        ------
        TypeError
            If `titles` is a single title: its characters would be taken for titles.
        """
        return self.predict_counting(titles, top, least)[0]

    def predict_counting(
        self, titles: Sequence[str], top: int = 1, least: float | Floats | None = None
    ) -> tuple[list[Prediction], int]:
        """Return what `predict` does, and how many titles were too long and were cut."""
        if isinstance(titles, str):
            raise TypeError(f"titles must be a list of titles. Got one title. Pass [{titles!r}].")
        least = np.broadcast_to(self.thresholds.unasked() if least is None else least, len(self.categories))
        rows, cut = self.probabilities(titles)
        return [self._prediction(title, row, top, least) for title, row in zip(titles, rows, strict=True)], cut

    def _prediction(self, title: str, row: Floats, top: int, least: Floats) -> Prediction:
        if not normalise(title, casefold=False):
            return Prediction(title, [], [])
        order = (-row).argsort(kind="stable")
        answers = order[:1] if self.task is Task.single else order
        is_named = row[answers] >= least[answers]
        shown = max([top, *(np.flatnonzero(is_named) + 1)])
        candidates = [(self.categories[place], float(row[place])) for place in order[:shown]]
        return Prediction(title, candidates, [self.categories[place] for place in answers[is_named]])
