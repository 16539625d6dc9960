"""`TitleClassifier`: the training of `python -m titleclf.train`, and its model, as a scikit-learn estimator."""

import contextlib
import io
import tempfile
import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d, validate_data

from titleclf.config.hydra import compose
from titleclf.config.schemas import TrainConfig
from titleclf.data.targets import categories_of
from titleclf.data.titles import IN_MEMORY, TitlesInMemory
from titleclf.runtime.arrays import Bools, Floats
from titleclf.runtime.bundle.contents import Bundle
from titleclf.runtime.bundle.reader import read_bundle
from titleclf.runtime.choices import Task
from titleclf.runtime.classifier import ProgrammesLike, classifier_of
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.programmes import Programmes
from titleclf.runtime.text.tags import BAR, joined, tags_in
from titleclf.train import train
from titleclf.training.bundle_writer import write_bundle

# The parameters that are keys of the configuration.
_KEYS = {
    "model": "model",
    "experiment": "experiment",
    "noise": "noise",
    "fields": "model.fields.use",
    "memory": "memory",
    "epochs": "training.epochs",
    "batch_size": "training.batch_size",
    "class_balance": "training.class_balance",
    "refit": "training.refit",
    "seed": "seed",
    "device": "device",
}
_ONE_AT_A_TIME = threading.Lock()  # a process has one Hydra, one generator of torch, and one standard output


class TitleClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Learns the categories of titles exactly as `python -m titleclf.train` does, with the same configuration.

    Parameters are named like the keys of the configuration, and None is the value that conf/ gives them. A parameter
    takes precedence over `overrides`, and both over an experiment.

    Training validates on a tenth of the titles and tests on a fifth, and then, with `refit`, learns from all of them.
    Several fits in the threads of one process wait for one another.

    Parameters
    ----------
    model
        `pretrained`, `ngram`, `conv` or `bag`.
    experiment
        A file in conf/experiment/, such as `few_labels`.
    noise
        `guide`, `misspelt`, `formats` or `none`: what is done to training titles in each epoch.
    fields
        What the model reads beside the title (`model.fields.use`); X must then have these columns.
    memory
        `fuzzy`, `exact` or `none`: whether known titles are looked up. The model then contains them.
    epochs, batch_size, class_balance, refit
        Those of `training`.
    seed
        Of the split, the weights, the noise and the order of titles.
    device
        `auto`, `cpu`, `cuda` or `mps`.
    overrides
        Any others, as on the command line: `["optim.lr=1e-3", "training.label_smoothing=0"]`.
    output_dir
        Where to keep the run's folder, with its report. None: in a temporary folder, which is removed.
    verbose
        Whether to print what the command prints.

    Attributes
    ----------
    classes_
        The categories (categories,), sorted, or the columns of an indicator matrix.
    classifier_
        The `Classifier` that predicts, with all that it can do beside: thresholds, explanations, kinds.
    bundle_
        What `save` writes.
    run_folder_
        The folder of the run, None if it was temporary.
    feature_names_in_, n_features_in_
        The columns of a DataFrame, only if it was fitted to one.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        experiment: str | None = None,
        noise: str | None = None,
        fields: Sequence[str] | None = None,
        memory: str | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        class_balance: float | None = None,
        refit: bool | None = None,
        seed: int | None = None,
        device: str | None = None,
        overrides: Sequence[str] = (),
        output_dir: Path | str | None = None,
        verbose: bool = False,
    ) -> None:
        self.model = model
        self.experiment = experiment
        self.noise = noise
        self.fields = fields
        self.memory = memory
        self.epochs = epochs
        self.batch_size = batch_size
        self.class_balance = class_balance
        self.refit = refit
        self.seed = seed
        self.device = device
        self.overrides = overrides
        self.output_dir = output_dir
        self.verbose = verbose

    @classmethod
    def from_config(cls, overrides: Iterable[str]) -> Self:
        """Return an estimator with the overrides of a command line, such as `["model=conv", "training.epochs=8"]`.

        Raises
        ------
        InputError
            If one of them is not valid.
        """
        estimator = cls(overrides=list(overrides))
        estimator._config()
        return estimator

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Return a fitted estimator with the model of a bundle, or of a run's folder; its parameters are the defaults.

        Raises
        ------
        InputError
            If the folder or one of its files is missing, damaged, of another format, or does not fit the others.
        """
        bundle = read_bundle(Path(folder))
        return cls()._with(bundle, np.array(bundle.contents.categories), None)

    def save(self, folder: Path | str) -> None:
        """Write the bundle that training writes, for `Classifier.load` and all commands; `folder` must not exist yet.

        Classes that are no text become text.

        Raises
        ------
        InputError
            If the folder exists.
        """
        check_is_fitted(self)
        write_bundle(self.bundle_, Path(folder))

    def fit(self, X: ProgrammesLike, y: Any, sample_weight: Any = None) -> Self:
        """Train on titles or programmes, as `Classifier.predict` takes them, and return the estimator.

        `y` has a category for each: text, numbers or truth values. It has several in lists of text, or as an indicator
        matrix (programmes, categories), whose columns may have names.

        `sample_weight` (programmes,), 0 or more, multiplies the loss of each programme; only their ratios matter. Of
        weight 0 means left out. What follows training is not weighted: the choice of the epoch, temperature, thresholds
        and the report. Weights are thus like `class_balance`, which changes what is learned alone.

        Raises
        ------
        InputError
            If a parameter is not valid, a row of `X` has no title or one of `y` no category, or there are fewer than
            two categories, or fewer than three programmes of one.
        """
        programmes = Programmes.checked(X)
        y = y if isinstance(y, Sequence) or hasattr(y, "ndim") else np.asarray(y)
        check_consistent_length(programmes, y, sample_weight)
        has_several = _has_several(y)
        config = self._config(Task.multilabel if has_several else None)
        if config.task is Task.multilabel and not has_several:
            y = [tags_in(cell) for cell in y]  # as in tables
        classes, cells = _tags(y) if config.task is Task.multilabel else _categories(y)
        given = _weighted(TitlesInMemory(programmes, cells), sample_weight)
        _check_classes(classes, categories_of(given.categories, config.task))
        validate_data(self, X, skip_check_array=True)  # sets feature_names_in_
        keeps = self._keeps_run()
        with contextlib.ExitStack() as stack:
            stack.enter_context(_ONE_AT_A_TIME)
            stack.enter_context(torch.random.fork_rng(devices=[]))  # the caller's numbers stay what they would be
            if not self.verbose:
                stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
            if not keeps:
                config = replace(config, output_dir=stack.enter_context(tempfile.TemporaryDirectory()))
            run = train(config, given, reports=keeps)
            return self._with(read_bundle(run), classes, run if keeps else None)

    def predict(self, X: ProgrammesLike) -> npt.NDArray[Any]:
        """Return the most probable class of each programme (programmes,), or with several an indicator matrix.

        The matrix (programmes, categories) has a 1 where the probability reaches the category's own threshold.
        """
        check_is_fitted(self)
        targets = self.classifier_.targets(Programmes.checked(X))
        if targets.ndim == 1:
            return self.classes_[np.argsort(self._columns)[targets]]
        return targets[:, self._columns].astype(np.int64)

    def predict_proba(self, X: ProgrammesLike) -> Floats:
        """Return calibrated probabilities (programmes, categories), in the order of `classes_`."""
        check_is_fitted(self)
        return self.classifier_.predict_proba(X)[:, self._columns]

    def decision_function(self, X: ProgrammesLike) -> Floats:
        """Return logits with the memory's evidence (programmes, categories), before calibration.

        Of two classes, as in scikit-learn, it is the second one's lead over the first (programmes,).
        """
        check_is_fitted(self)
        logits = self.classifier_.logits(Programmes.checked(X))[:, self._columns]
        if self.classifier_.task is Task.single and len(self.classes_) == 2:
            lead: Floats = logits[:, 1] - logits[:, 0]
            return lead
        return logits

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = tags.input_tags.string = tags.input_tags.dict = True
        tags.input_tags.two_d_array = False
        tags.classifier_tags.multi_label = True
        return tags

    def _config(self, task: Task | None = None) -> TrainConfig:
        """Return the configuration that the parameters stand for."""
        values = {"task": task, **{key: getattr(self, name) for name, key in _KEYS.items()}}
        given = {key: value for key, value in values.items() if value is not None}
        named = [override for override in self.overrides if override.partition("=")[0] not in given]
        if paths := [override for override in named if override.partition("=")[0] == "data.path"]:
            raise InputError(f"overrides must name no titles: fit gets them. Got {paths[0]}. Leave it out.")
        overrides = [*named, *(f"{key}={_as_override(value)}" for key, value in given.items())]
        with _ONE_AT_A_TIME:
            config: TrainConfig = compose("train", [*overrides, f"data.path={IN_MEMORY}"])
        return config if self.output_dir is None else replace(config, output_dir=str(self.output_dir))

    def _keeps_run(self) -> bool:
        return self.output_dir is not None or any(override.startswith("output_dir=") for override in self.overrides)

    def _with(self, bundle: Bundle, classes: npt.NDArray[Any], run: Path | None) -> Self:
        """Take the model of a bundle, whose categories are the classes as text."""
        self.bundle_, self.classifier_, self.run_folder_ = bundle, classifier_of(bundle), run
        self.classes_ = classes
        self._columns = [bundle.contents.categories.index(str(name)) for name in classes]
        return self


class _Labelled(NamedTuple):
    """The classes, and a cell of a table for each row: the name of its class, or several joined."""

    classes: npt.NDArray[Any]
    cells: list[str]


def _has_several(y: Any) -> bool:
    """Return whether rows may have several categories: as lists, or as the rows of an indicator matrix."""
    if getattr(y, "ndim", 1) == 2:
        return bool(y.shape[1] > 1)  # a single column is a column vector
    return len(y) > 0 and isinstance(next(iter(y)), list | tuple | set | frozenset | np.ndarray)


def _categories(y: Any) -> _Labelled:
    labels = column_or_1d(y, warn=True)
    _check_none_missing(pd.isna(labels))
    check_classification_targets(labels)
    classes, numbers = np.unique(labels, return_inverse=True)
    names = list(map(str, classes))
    _refuse_names([name for name in names if name != name.strip()])
    return _Labelled(classes, list(map(names.__getitem__, numbers.tolist())))


def _tags(y: Any) -> _Labelled:
    is_table = issparse(y) or hasattr(y, "columns")
    tags = [] if is_table else [tag for row in y for tag in row]
    if any(isinstance(tag, str) for tag in tags):
        classes, rows = np.array(sorted(set(map(str, tags)))), [sorted(set(map(str, row))) for row in y]
    else:
        classes, matrix = _indicator(y)
        rows = [list(map(str, classes[row])) for row in matrix]
    _check_none_missing(np.array([not row for row in rows]))
    _refuse_names([name for name in map(str, classes) if not name or tags_in(name) != [name]])
    return _Labelled(classes, list(map(joined, rows)))


def _indicator(y: Any) -> tuple[npt.NDArray[Any], Bools]:
    """Return the classes of an indicator matrix, its columns, and the matrix (programmes, categories)."""
    matrix = y.toarray() if issparse(y) else np.asarray(y)
    if not np.isin(matrix, (0, 1)).all():
        raise InputError(
            "y must have one category for each row, or zeros and ones alone. Got other numbers. Encode it."
        )
    classes = np.array(list(y.columns)) if hasattr(y, "columns") else np.arange(matrix.shape[1])
    return classes, matrix.astype(np.bool_)


def _refuse_names(wrong: Sequence[str]) -> None:
    if wrong:
        raise InputError(
            f"the name of a category must have no spaces around it, and no {BAR} if it is a tag. Got {wrong[0]!r}. "
            "Rename it."
        )


def _check_none_missing(is_missing: Bools) -> None:
    if is_missing.any():
        row = is_missing.argmax()
        raise InputError(f"y must have a category in each row. Got none in row {row}. Leave such rows out.")


def _check_classes(classes: npt.NDArray[Any], present: Sequence[str]) -> None:
    if len(present) < 2:
        got = f"one class, {present[0]!r}" if present else "no row"
        raise InputError(f"y must have at least two classes. Got {got}. Add rows of another one.")
    if absent := sorted(set(map(str, classes)).difference(present)):
        raise InputError(
            f"y must have a row of each class, of a weight above 0. Got none of {'; '.join(absent)[:200]}. "
            "Leave that class out."
        )


def _weighted(given: TitlesInMemory, sample_weight: Any) -> TitlesInMemory:
    """Return the titles with weights of mean 1, without those of weight 0."""
    if sample_weight is None:
        return given
    weights = np.asarray(sample_weight, dtype=np.float64)
    valid = weights.ndim == 1 and np.isfinite(weights).all() and (weights >= 0).all() and weights.any()
    if not valid:
        raise InputError("sample_weight must have a number of 0 or more for each row, not zero for all. Got others.")
    kept = np.flatnonzero(weights)
    weights = weights[kept]
    return TitlesInMemory(
        given.programmes.take(kept),
        [given.categories[row] for row in kept.tolist()],
        None if (weights == weights[0]).all() else weights / weights.mean(),
    )


def _as_override(value: Any) -> str:
    return str(value) if isinstance(value, str) or not isinstance(value, Iterable) else f"[{','.join(map(str, value))}]"
