"""What every classifier does with titles, whatever computes its network: batches, memory, and honest probabilities."""

import gc
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from titleclf.runtime import speedups
from titleclf.runtime import tag_calibration as tag_temperature
from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.bundle.contents import Trained
from titleclf.runtime.calibration import Temperature, probabilities
from titleclf.runtime.choices import Task
from titleclf.runtime.prediction import Prediction
from titleclf.runtime.text.programmes import Context, contexts_of

_AT_ONCE = 2048  # titles: what a processor keeps near from one step to the next


@dataclass
class BaseClassifier(Trained, ABC):
    """A trained classifier but for its network."""

    @property
    def batch_size(self) -> int:
        """How many titles are fastest at once."""
        return 256

    @abstractmethod
    def some_logits(self, titles: Sequence[str], context_ids: Labels | None = None) -> tuple[Floats, int]:
        """Return the network's logits (titles, categories), and how many titles were too long and were cut.

        `context_ids` (titles, 2), here and below, is None where nothing is known, and for a model without `contexts`.
        """

    def network_logits(self, titles: Sequence[str], context_ids: Labels | None = None) -> tuple[Floats, int]:
        """Return what `some_logits` does, of as many titles as there are."""
        if len(titles) <= self.batch_size:
            return self.some_logits(titles, context_ids)
        slices = [slice(start, start + self.batch_size) for start in range(0, len(titles), self.batch_size)]
        found = [self.some_logits(titles[some], None if context_ids is None else context_ids[some]) for some in slices]
        return np.concatenate([some for some, _ in found]), sum(cut for _, cut in found)

    def logits(self, titles: Sequence[str], context_ids: Labels | None = None) -> tuple[Floats, int]:
        """Return the network's logits (titles, categories) with the memory's evidence, and how many titles were cut."""
        logits, cut = self.network_logits(titles, context_ids)
        return logits if self.memory is None else self.memory.lean(logits, titles), cut

    def probabilities(self, titles: Sequence[str], context_ids: Labels | None = None) -> tuple[Floats, int]:
        """Return calibrated probabilities (titles, categories), and how many titles were cut."""
        logits, cut = self.logits(titles, context_ids)
        return self.calibrated(logits), cut

    def calibrated(self, logits: Floats) -> Floats:
        """Return the probabilities of logits (titles, categories): they add up to 1 unless a title may have several."""
        if isinstance(self.temperature, Temperature):
            return probabilities(logits, self.temperature)
        return tag_temperature.probabilities(logits, self.temperature)

    def answers(self, titles: Sequence[str], context_ids: Labels | None = None) -> Labels | Bools:
        """Return the number of each title's likeliest category (titles,), or which tags it has (titles, categories)."""
        logits, _ = self.logits(titles, context_ids)
        likeliest: Labels = logits.argmax(axis=1)
        return likeliest if self.task is Task.single else self.calibrated(logits) >= self.thresholds.unasked()

    def predict(
        self,
        titles: Sequence[str],
        top: int = 1,
        least: float | Floats | None = None,
        *,
        channels: Sequence[str | None] | None = None,
        durations: Sequence[float | None] | None = None,
    ) -> list[Prediction]:
        """Return the predictions of `titles` in their order, each with its `top` likeliest categories as candidates.

        No title gets a category that is less probable than `least`, which may have a value for each (categories,), or
        be what `least_at(0.9)` returns; without it, the likeliest is named, or of several tags those above their
        thresholds. With several tags a title gets all that are probable enough, and all are among the candidates.
        `channels` that show them and their `durations` in minutes, None where one is not known, are for models that
        have learnt from such; others take no notice of them.

        Raises
        ------
        TypeError
            If `titles` is a single title: its characters would be taken for titles.
        InputError
            If channels or durations are not as many as titles, or not what they should be.
        """
        return self.predict_counting(titles, top, least, contexts_of(len(titles), channels, durations))[0]

    def predict_counting(
        self,
        titles: Sequence[str],
        top: int = 1,
        least: float | Floats | None = None,
        contexts: Sequence[Context] | None = None,
    ) -> tuple[list[Prediction], int]:
        """Return what `predict` does, and how many different titles were too long and were cut."""
        if isinstance(titles, str):
            raise TypeError(f"titles must be a list of titles. Got one title. Pass [{titles!r}].")
        ids = self.context_ids(contexts)
        inputs: Sequence[Any] = titles if ids is None else list(zip(titles, map(tuple, ids.tolist()), strict=True))
        different = list(dict.fromkeys(inputs))  # guides repeat their titles
        predicted = self._predicted if len(different) <= _AT_ONCE else self._predicted_in_steps
        predictions, cut = predicted(different, top, least)
        if len(different) < len(titles):
            by_input = dict(zip(different, predictions, strict=True))
            predictions = [by_input[one] for one in inputs]
        return predictions, cut

    def _predicted_in_steps(
        self, inputs: list[Any], top: int, least: float | Floats | None
    ) -> tuple[list[Prediction], int]:
        predictions: list[Prediction] = []
        cut = 0
        with _uncollected():
            for start in range(0, len(inputs), _AT_ONCE):
                found, cut_of_these = self._predicted(inputs[start : start + _AT_ONCE], top, least)
                predictions += found
                cut += cut_of_these
        return predictions, cut

    def _predicted(self, inputs: list[Any], top: int, least: float | Floats | None) -> tuple[list[Prediction], int]:
        titles, context_ids = _parted(inputs)
        rows, cut = self.probabilities(titles, context_ids)
        return self._predictions(titles, rows, top, self._least_of(context_ids, least)), cut

    def least_at(self, precision: float) -> Floats:
        """Return the least probabilities at which answers are right that often.

        They are (categories,), or for a model with contexts (2, categories): of titles whose channel and duration it
        knows, and of others, about which it is as sure and less often right.
        """
        least = self.thresholds.at(precision)
        return least if self.alone is None else np.stack([least, self.alone.at(precision)])

    def _least_of(self, context_ids: Labels | None, least: float | Floats | None) -> Floats | None:
        """Return what `predict` is given for all titles (1, categories), or for each (titles, categories).

        None is for titles that get their likeliest category, however probable it is.
        """
        if least is None:
            return None if self.task is Task.single else self.thresholds.unasked()[None]
        if np.ndim(least) < 2:
            return np.full((1, len(self.categories)), least, dtype=np.float64)
        known, others = np.asarray(least, dtype=np.float64)[:, None]
        if self.contexts is None or context_ids is None:
            chosen: Floats = others
        else:
            chosen = np.where(self.contexts.lacks(context_ids)[:, None], others, known)
        return chosen

    def context_ids(self, contexts: Sequence[Context] | None) -> Labels | None:
        """Return the ids of contexts (titles, 2); None where there are none, or for a model that looks at none."""
        return None if self.contexts is None or contexts is None else self.contexts.ids(contexts)

    def _predictions(self, titles: list[str], rows: Floats, top: int, least: Floats | None) -> list[Prediction]:
        if self.task is Task.single and top == 1:
            predictions = _likeliest(titles, rows, least, self.categories, self._answers)
        else:
            predictions = self._ranked(titles, rows, top, least)
        for number, title in enumerate(titles):
            if not title or title.isspace():
                predictions[number] = Prediction(title, (), ())
        return predictions

    def _ranked(self, titles: list[str], rows: Floats, top: int, least: Floats | None) -> list[Prediction]:
        is_single = self.task is Task.single
        order = np.argsort(-rows, axis=1, kind="stable")[:, : top if is_single else None]
        shares = np.take_along_axis(rows, order, axis=1)
        is_named = shares >= np.take_along_axis(_of_each(least, rows), order, axis=1)
        ranked = zip(map(self.categories.__getitem__, order.ravel().tolist()), shares.ravel().tolist(), strict=True)
        candidates = zip(*[ranked] * order.shape[1], strict=True)  # so many to a title
        if is_single:
            best = np.where(is_named[:, 0], order[:, 0], len(self.categories))
            predictions = list(map(Prediction, titles, candidates, map(self._answers.__getitem__, best.tolist())))
        else:
            shown = np.maximum(top, np.where(is_named, np.arange(len(self.categories)) + 1, 0).max(axis=1, initial=0))
            predictions = [
                Prediction(title, ranks[:count], tuple(name for name, _ in itertools.compress(ranks, flags)))
                for title, ranks, flags, count in zip(
                    titles, candidates, is_named.tolist(), shown.tolist(), strict=True
                )
            ]
        return predictions

    @cached_property
    def _answers(self) -> list[tuple[str, ...]]:
        """What is named where a category is likeliest, and last, where it is not probable enough."""
        return [*((category,) for category in self.categories), ()]


def _likeliest(
    titles: list[str], rows: Floats, least: Floats | None, categories: list[str], answers: list[tuple[str, ...]]
) -> list[Prediction]:
    """Return predictions, each with its likeliest category; that is named if its share is not less than `least`.

    `least` is (1, categories) or (titles, categories), or None; `answers` are what is named where a category is
    likeliest, and last, where it is not probable enough.
    """
    if speedups.compiled is not None:
        found: list[Prediction] = speedups.compiled.likeliest(Prediction, titles, rows, least, categories, answers)
        return found
    best, shares = rows.argmax(axis=1), rows.max(axis=1)
    is_named = shares >= _of_each(least, rows)[np.arange(len(rows)), best]
    named = np.where(is_named, best, len(categories))
    # Lists of all titles at once: number by number, from arrays, takes many times as long.
    candidates = zip(zip(map(categories.__getitem__, best.tolist()), shares.tolist(), strict=True), strict=True)
    return list(map(Prediction, titles, candidates, map(answers.__getitem__, named.tolist())))


def _of_each(least: Floats | None, rows: Floats) -> Floats:
    """Return the least probabilities of each title (titles, categories), zeros where there are none."""
    return np.broadcast_to(0.0 if least is None else least, rows.shape)


def _parted(inputs: list[Any]) -> tuple[list[str], Labels | None]:
    """Return the titles of inputs, and the ids (titles, 2) of those that are pairs with such."""
    if not inputs or isinstance(inputs[0], str):
        return inputs, None
    titles, ids = zip(*inputs, strict=True)
    return list(titles), np.array(ids, dtype=np.int64)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Pause the collector of cycles: it would look at all predictions so far again and again, and they have none."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
