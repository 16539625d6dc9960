"""The classifier: a network, a memory of known titles, and what makes their sum calibrated predictions."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from titleclf.runtime.architecture import NgramConfig, known_model
from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.bundle.contents import Bundle, BundleContents
from titleclf.runtime.bundle.folding import is_folded
from titleclf.runtime.bundle.reader import model_folder, read_bundle
from titleclf.runtime.choices import Task
from titleclf.runtime.files import SHIPPED
from titleclf.runtime.folded_network import FoldedNetwork
from titleclf.runtime.network import LinearNetwork, Network, NumpyNetwork, logits_of
from titleclf.runtime.prediction import Prediction, ranked, ranked_tags, top1
from titleclf.runtime.text.programmes import Programmes
from titleclf.runtime.thresholds import Thresholds

if TYPE_CHECKING:
    from titleclf.runtime.onnx_network import OnnxNetwork

AnyNetwork = TypeVar("AnyNetwork", bound=Network, covariant=True)

_CHUNK = 2048  # titles: their arrays stay in the processor's cache from one step to the next


@dataclass
class Classifier(Generic[AnyNetwork]):
    """Predicts the categories of titles; `network` is any implementation."""

    contents: BundleContents
    network: AnyNetwork

    @classmethod
    def load(cls, folder: Path | str | None = None) -> "Classifier[LinearNetwork]":
        """Read a bundle, or the one in a run's folder; without a folder, the model that comes with the package.

        Raises
        ------
        InputError
            If the folder or one of its files is missing, damaged, of another format, or does not fit the others.
        """
        return classifier_of(read_bundle(model_folder(SHIPPED) if folder is None else Path(folder)))

    @classmethod
    def load_onnx(cls, path: Path | str) -> "Classifier[OnnxNetwork]":
        """Read what `python -m titleclf.export format=onnx` wrote; it has no memory of known titles.

        Raises
        ------
        InputError
            If there is no such file, it is another kind of file, or ONNX Runtime is not installed.
        """
        from titleclf.runtime.onnx_network import read_onnx

        return Classifier(*read_onnx(Path(path)))

    @property
    def task(self) -> Task:
        """Whether a title has one category or several tags."""
        return self.contents.task

    @property
    def categories(self) -> list[str]:
        """The categories, in the order of logits and probabilities."""
        return self.contents.categories

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds of programmes with all fields that the model uses."""
        return self.contents.thresholds

    def predict(
        self,
        titles: Sequence[str],
        top: int = 1,
        min_probability: float | Floats | None = None,
        *,
        channels: Sequence[str | None] | None = None,
        durations: Sequence[float | None] | None = None,
    ) -> list[Prediction]:
        """Return the predictions of `titles` in their order, each with its `top` candidates.

        No category below `min_probability` is named: one number, one per category (categories,), or the result of
        `thresholds_at(0.9)`. Without it the best category is named, or all tags above their own thresholds. Named tags
        are always among the candidates. `channels` and `durations` (in minutes), None where unknown, are for models
        that learned from them; other models ignore them.

        Raises
        ------
        TypeError
            If `titles` is a single title: its characters would be taken for titles.
        InputError
            If channels or durations have another length than titles, or one of them is not valid.
        """
        return self.predict_programmes(Programmes.checked(titles, channels, durations), top, min_probability)

    def predict_programmes(
        self, programmes: Programmes, top: int = 1, min_probability: float | Floats | None = None
    ) -> list[Prediction]:
        """Return what `predict` does, for programmes."""
        fields = self.contents.fields
        programmes = programmes.titles_only() if fields is None else fields.as_distinguished(programmes)
        distinct = programmes.distinct()  # guides repeat their titles
        if len(distinct) <= _CHUNK:
            predictions = self._predict(distinct, top, min_probability)
        else:
            predictions = []
            with _no_garbage_collection():
                for start in range(0, len(distinct), _CHUNK):
                    predictions += self._predict(distinct[start : start + _CHUNK], top, min_probability)
        if len(distinct) == len(programmes):
            return predictions
        by_key = dict(zip(distinct.keys(), predictions, strict=True))
        return list(map(by_key.__getitem__, programmes.keys()))

    def probabilities(self, programmes: Programmes) -> Floats:
        """Return calibrated probabilities (programmes, categories)."""
        return self.contents.temperature.probabilities(self.logits(programmes))

    def logits(self, programmes: Programmes) -> Floats:
        """Return the network's logits (programmes, categories) with the memory's evidence."""
        logits = logits_of(self.network, programmes)
        memory = self.contents.memory
        return logits if memory is None else memory.add_evidence(logits, programmes.titles)

    def targets(self, programmes: Programmes) -> Labels | Bools:
        """Return the number of the best category (programmes,), or the tags that are named (programmes, categories)."""
        logits = self.logits(programmes)
        if self.task is Task.single:
            best: Labels = logits.argmax(axis=1)
            return best
        return self.contents.temperature.probabilities(logits) >= self.thresholds.default()

    def thresholds_at(self, precision: float) -> Floats:
        """Return the probabilities above which predictions reach a precision.

        They are (categories,), or for a model with fields (2, categories): of programmes with all its fields, and of
        the others, for which it is as confident and less often right.
        """
        thresholds, for_titles = self.thresholds.at(precision), self.contents.title_thresholds
        return thresholds if for_titles is None else np.stack([thresholds, for_titles.at(precision)])

    @cached_property
    def _names(self) -> list[tuple[str, ...]]:
        return [*((category,) for category in self.categories), ()]

    def _predict(self, programmes: Programmes, top: int, min_probability: float | Floats | None) -> list[Prediction]:
        titles, probabilities = programmes.titles, self.probabilities(programmes)
        thresholds = self._thresholds(programmes, min_probability)
        if self.task is Task.multilabel:
            predictions = ranked_tags(titles, probabilities, top, thresholds, self.categories)
        elif top == 1:
            predictions = top1(titles, probabilities, thresholds, self.categories, self._names)
        else:
            predictions = ranked(titles, probabilities, top, thresholds, self.categories)
        for row, title in enumerate(titles):
            if not title or title.isspace():
                predictions[row] = Prediction(title, (), ())
        return predictions

    def _thresholds(self, programmes: Programmes, min_probability: float | Floats | None) -> Floats | None:
        """Return thresholds (1, categories) or (programmes, categories), None if every best category is named."""
        if min_probability is None:
            return None if self.task is Task.single else self.thresholds.default()[None]
        if np.ndim(min_probability) < 2:
            return np.full((1, len(self.categories)), min_probability, dtype=np.float64)
        for_all_fields, for_others = np.asarray(min_probability, dtype=np.float64)[:, None]
        if self.contents.fields is None:
            thresholds: Floats = for_others
        else:
            is_incomplete = self.contents.fields.is_incomplete(programmes)
            thresholds = np.where(is_incomplete[:, None], for_others, for_all_fields)
        return thresholds


def classifier_of(bundle: Bundle) -> Classifier[LinearNetwork]:
    """Return the classifier in numpy of what a bundle's folder holds, or will hold.

    Raises
    ------
    InputError
        If its model is not one that is computed in numpy.
    """
    contents, model = bundle.contents, known_model(bundle.model)
    if isinstance(model, NgramConfig) and is_folded(bundle.weights):
        return Classifier(contents, FoldedNetwork.of(model, bundle.weights, contents.characters, contents.fields))
    return Classifier(contents, NumpyNetwork.of(model, bundle.weights, contents.characters, contents.fields))


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Pause the cycle collector: it would traverse all predictions so far again and again, and they have no cycles."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
