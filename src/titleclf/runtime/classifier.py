"""The classifier: a network, a memory of known titles, and what makes their sum calibrated predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from titleclf.runtime.architecture import NgramConfig, known_model
from titleclf.runtime.arrays import Bools, Floats, Labels
from titleclf.runtime.bundle.contents import Bundle, BundleContents
from titleclf.runtime.bundle.folding import NGRAMS, is_folded
from titleclf.runtime.bundle.reader import model_folder, read_bundle
from titleclf.runtime.choices import ProgrammeKind, Task
from titleclf.runtime.collector import paused_collector
from titleclf.runtime.errors import InputError
from titleclf.runtime.explanation import check_linear, explain
from titleclf.runtime.files import SHIPPED
from titleclf.runtime.folded_network import FoldedNetwork
from titleclf.runtime.network import LinearNetwork, Network, NumpyNetwork, logits_of
from titleclf.runtime.prediction import Explanation, Prediction, Predictions, ranked, ranked_tags, top1, with_kinds
from titleclf.runtime.text.channels import ChannelList
from titleclf.runtime.text.characters import chunked
from titleclf.runtime.text.fields import FieldEncoder
from titleclf.runtime.text.ngrams import ngrams
from titleclf.runtime.text.plain_titles import plain_titles
from titleclf.runtime.text.programmes import Programme, Programmes
from titleclf.runtime.thresholds import Thresholds

if TYPE_CHECKING:
    from titleclf.runtime.onnx_network import OnnxNetwork

# Titles, programmes or mappings in any mixture; or a DataFrame of pandas, which need not be installed.
ProgrammesLike = Sequence[str | Programme | Mapping[str, Any]] | Programmes | Any
AnyNetwork = TypeVar("AnyNetwork", bound=Network, covariant=True)

_FILM, _EPISODE = ProgrammeKind.film, ProgrammeKind.episode
_CHUNK = 2048  # titles: their arrays stay in the processor's cache from one step to the next


@dataclass(repr=False)
class Classifier(Generic[AnyNetwork]):
    """Predicts the categories of titles; `network` is any implementation."""

    contents: BundleContents
    network: AnyNetwork

    @classmethod
    def load(cls, folder: Path | str | None = None, channels: ChannelList | None = None) -> "Classifier[LinearNetwork]":
        """Read a bundle, or the one in a run's folder; without a folder, the model that comes with the package.

        `channels` says what kind of channel each is, before the list that comes with the package.

        Raises
        ------
        InputError
            If the folder or one of its files is missing, damaged, of another format, or does not fit the others.
        """
        return classifier_of(read_bundle(model_folder(SHIPPED) if folder is None else Path(folder)), channels)

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
    def classes_(self) -> npt.NDArray[np.str_]:
        """The categories (categories,), under the name that scikit-learn gives them."""
        return np.array(self.categories)

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds of programmes with all fields that the model uses."""
        return self.contents.thresholds

    def __repr__(self) -> str:
        contents = self.contents
        known = f", a memory of {len(contents.memory.known.keys):,} titles" if contents.memory else ""
        return f"<Classifier: {self.network.model.kind}, {len(self.categories)} categories{known}>"

    def predict(
        self,
        programmes: ProgrammesLike,
        top: int = 1,
        min_probability: float | Floats | None = None,
        *,
        kinds: bool = False,
    ) -> Predictions:
        """Return the predictions of titles or programmes in their order, each with its `top` candidates.

        Programmes are `Programme`s, or mappings or a DataFrame with a `title` and any of `channel`, `minutes`,
        `description`, `sub_title`, `year` and `language`. A model uses the fields that it learned from. A title that is
        empty, None or NaN has no category.

        No category below `min_probability` is named: one number, one per category (categories,), or the result of
        `thresholds_at(0.9)`. Without it the best category is named, or all tags above their own thresholds. Named tags
        are always among the candidates. With `kinds`, predictions also say what the programme is: a film, an episode of
        a series, or something else.

        Raises
        ------
        TypeError
            If it is a single title, whose characters would be taken for titles, a single programme, or no iterable.
        InputError
            If a title or a field is of another type, if `top` is not an integer above 0, or if the model has learned no
            kinds.
        """
        if not isinstance(top, Integral) or isinstance(top, bool) or top < 1:
            raise InputError(f"top must be an integer above 0. Got {top!r}. Pass 1 for the best category alone.")
        checked = Programmes.checked(programmes)
        return Predictions(self.predict_programmes(checked, top, min_probability, kinds=kinds))

    def predict_proba(self, programmes: ProgrammesLike) -> Floats:
        """Return calibrated probabilities (programmes, categories), in the order of `classes_`.

        With several tags, each is a probability of its own; otherwise those of a programme add up to 1. Raises what
        `predict` does.
        """
        return self.probabilities(Programmes.checked(programmes))

    def explain(self, programmes: ProgrammesLike) -> list[Explanation | None]:
        """Return what speaks for the most probable category of each programme; None for an empty title.

        Raises
        ------
        InputError
            If the model's logits are not sums over features: it is of another kind, or comes from ONNX.
        """
        if not isinstance(self.network, LinearNetwork):
            raise InputError(
                f"an explanation needs the network of a bundle. Got {type(self.network).__name__}. "
                "Load the bundle or the run that it is from."
            )
        check_linear(self.network.model)
        classifier = Classifier(self.contents, self.network)
        return [explain(classifier, programme) for programme in Programmes.checked(programmes)]

    def predict_programmes(
        self,
        programmes: Programmes,
        top: int = 1,
        min_probability: float | Floats | None = None,
        *,
        kinds: bool = False,
    ) -> list[Prediction]:
        """Return what `predict` does, for programmes."""
        programmes = programmes.only(self.columns)
        distinct = programmes.distinct()  # guides repeat their titles
        if len(distinct) <= _CHUNK:
            predictions = self._predict(distinct, top, min_probability, kinds=kinds)
        else:
            predictions = []
            with paused_collector():
                for start in range(0, len(distinct), _CHUNK):
                    chunk = distinct[start : start + _CHUNK]
                    predictions += self._predict(chunk, top, min_probability, kinds=kinds)
        if len(distinct) == len(programmes):
            return predictions
        by_key = dict(zip(distinct.keys(), predictions, strict=True))
        return list(map(by_key.__getitem__, programmes.keys()))

    def probabilities(self, programmes: Programmes) -> Floats:
        """Return calibrated probabilities (programmes, categories)."""
        return self.contents.temperature.probabilities(self.logits(programmes))

    def logits(self, programmes: Programmes) -> Floats:
        """Return the network's logits (programmes, categories) with the memory's evidence."""
        return self._of_categories(self.outputs(programmes))

    def outputs(self, programmes: Programmes) -> Floats:
        """Return the logits (programmes, outputs) of categories, with the memory's evidence, and of kinds."""
        titles = plain_titles(programmes.titles)
        if titles is not programmes.titles:
            programmes = programmes.with_titles(titles)
        outputs = logits_of(self.network, programmes)
        if self.contents.memory is not None:
            self.contents.memory.add_evidence(outputs, titles)
        return outputs

    def split(self, outputs: Floats) -> tuple[Floats, Floats]:
        """Return the logits of categories (programmes, categories) and of kinds (programmes, kinds)."""
        return self._of_categories(outputs), outputs[:, len(self.categories) :]

    def film_probabilities(self, outputs: Floats) -> Floats:
        """Return the probabilities (programmes,) that dramas are films rather than episodes, from outputs.

        Raises
        ------
        InputError
            If the model has learned no kinds.
        """
        kinds = self._kind_probabilities(outputs)
        film, episode = (kinds[:, self.contents.kinds.index(kind)] for kind in (_FILM, _EPISODE))
        probabilities: Floats = film / (film + episode)
        return probabilities

    def _of_categories(self, outputs: Floats) -> Floats:
        return outputs[:, : len(self.categories)] if self.contents.kinds else outputs  # a slice costs a single title

    def network_logits(self, programmes: Programmes) -> Floats:
        """Return the network's logits (programmes, categories), without a memory."""
        return self.split(logits_of(self.network, programmes.with_titles(plain_titles(programmes.titles))))[0]

    def targets(self, programmes: Programmes) -> Labels | Bools:
        """Return the number of the best category (programmes,), or the tags that are named (programmes, categories)."""
        logits = self.logits(programmes)
        if self.task is Task.single:
            best: Labels = logits.argmax(axis=1)
            return best
        return self.contents.temperature.probabilities(logits) >= self.thresholds.default()

    def thresholds_at(self, precision: float) -> Floats:
        """Return the probabilities above which predictions reach a precision.

        They are (categories,), or for a model that uses fields (2, categories): of programmes with any of them, and of
        titles alone, for which it is as confident and less often right.
        """
        thresholds, for_titles = self.thresholds.at(precision), self.contents.title_thresholds
        return thresholds if for_titles is None else np.stack([thresholds, for_titles.at(precision)])

    def unfamiliar(self, titles: Sequence[str]) -> float | None:
        """Return the share of titles that hardly resemble those of training, where it is 0.2, and so count for less.

        It is None without titles, or for a model that does not know it.
        """
        model, familiarity = self.network.model, self.network.familiarities.get(NGRAMS)
        if not titles or familiarity is None or not isinstance(model, NgramConfig):
            return None
        count = 0
        for chunk in chunked(titles, _CHUNK):
            batch = self.contents.characters.batch(plain_titles(chunk))
            hashed = ngrams(batch.ids, batch.mask, model.orders, model.buckets, across_words=model.across_words)
            count += int((familiarity.factors(*hashed) < 1).sum())
        return count / len(titles)

    @cached_property
    def columns(self) -> frozenset[str]:
        """The columns of programmes that the model uses beside the title."""
        return self.network.model.fields.columns

    @cached_property
    def _names(self) -> list[tuple[str, ...]]:
        return [*((category,) for category in self.categories), ()]

    def _predict(
        self, programmes: Programmes, top: int, min_probability: float | Floats | None, *, kinds: bool
    ) -> list[Prediction]:
        has_fields = programmes.has_fields() if programmes.columns else None
        outputs = self.outputs(programmes)
        return self.predict_outputs(programmes.titles, outputs, has_fields, top, min_probability, kinds=kinds)

    def predict_outputs(
        self,
        titles: Sequence[str],
        outputs: Floats,
        has_fields: Bools | None,
        top: int = 1,
        min_probability: float | Floats | None = None,
        *,
        kinds: bool = False,
    ) -> list[Prediction]:
        """Return what `predict` does, from outputs (titles, outputs).

        `has_fields` (titles,) is whether they come from more than titles; None if none does.
        """
        probabilities = self.contents.temperature.probabilities(self._of_categories(outputs))
        thresholds = self._thresholds(has_fields, min_probability)
        if self.task is Task.multilabel:
            predictions = ranked_tags(titles, probabilities, top, thresholds, self.categories)
        elif top == 1:
            predictions = top1(titles, probabilities, thresholds, self.categories, self._names)
        else:
            predictions = ranked(titles, probabilities, top, thresholds, self.categories)
        if kinds:
            predictions = with_kinds(predictions, self._kind_probabilities(outputs), self.contents.kinds)
        for row, title in enumerate(titles):
            if not title or title.isspace():
                predictions[row] = Prediction(title, (), ())
        return predictions

    def _kind_probabilities(self, outputs: Floats) -> Floats:
        if not self.contents.kinds:
            raise InputError(
                "kinds must be asked of a model that learned them. Got one without. Train with loss.kind=0.3."
            )
        return self.contents.kind_temperature.probabilities(outputs[:, len(self.categories) :])

    def _thresholds(self, has_fields: Bools | None, min_probability: float | Floats | None) -> Floats | None:
        """Return thresholds (1, categories) or (programmes, categories), None if every best category is named."""
        if min_probability is None:
            return None if self.task is Task.single else self.thresholds.default()[None]
        if np.ndim(min_probability) < 2:
            return np.full((1, len(self.categories)), min_probability, dtype=np.float64)
        with_fields, for_titles = np.asarray(min_probability, dtype=np.float64)[:, None]
        thresholds: Floats = for_titles
        if has_fields is not None:
            thresholds = np.where(has_fields[:, None], with_fields, for_titles)
        return thresholds


def classifier_of(bundle: Bundle, channels: ChannelList | None = None) -> Classifier[LinearNetwork]:
    """Return the classifier in numpy of what a bundle's folder holds, or will hold.

    `channels` says what kind of channel each is, before the list that comes with the package.

    Raises
    ------
    InputError
        If its model is not one that is computed in numpy.
    """
    contents, model = bundle.contents, known_model(bundle.model)
    encoder = FieldEncoder(model.fields, channels)
    if isinstance(model, NgramConfig) and is_folded(bundle.weights):
        return Classifier(contents, FoldedNetwork.of(model, bundle.weights, contents.characters, encoder))
    return Classifier(contents, NumpyNetwork.of(model, bundle.weights, contents.characters, encoder))
