"""titleclf, fastText and TF-IDF + linear SVC, trained on the same titles behind one interface."""

import contextlib
import io
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC

from titleclf.config.schemas import TrainConfig
from titleclf.data.dataset import Dataset
from titleclf.runtime.arrays import Floats, Labels
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import write_text
from titleclf.runtime.text.programmes import Programmes
from titleclf.train import evaluate_on_test, fit
from titleclf.training.bundle_writer import write_bundle
from titleclf.training.calibration import calibrate
from titleclf.training.distributed import pick_device
from titleclf.training.run import Run
from titleclf.training.trained_model import TrainedModel, bundle_of, load_trained, new_model

Settings = dict[str, int | float]
Trainer = Callable[[TrainConfig, Dataset, Path], "Model"]

TITLECLF, FASTTEXT, SVC = "titleclf", "fastText", "TF-IDF char_wb 1-5 + LinearSVC"
# Each of fastText's threads initializes a tenth of the n-gram table; with fewer than ten threads the rest stays zero.
FASTTEXT_SETTINGS: Settings = {
    "minn": 2,
    "maxn": 5,
    "epoch": 25,
    "wordNgrams": 2,
    "dim": 50,
    "lr": 0.1,
    "bucket": 2_000_000,
    "thread": 10,
}
_LABEL_PREFIX = "__label__"  # of fastText


@dataclass
class Model:
    """A trained model and its costs; `scores` returns (titles, categories)."""

    scores: Callable[[list[str]], Floats]
    predict: Callable[[list[str]], object]  # only the best category of each title, for measuring speed
    has_probabilities: bool
    training_seconds: float
    megabytes: float


class PeerTitles(NamedTuple):
    """Titles with their labels (titles,)."""

    titles: list[str]
    labels: Labels


def train_titleclf(config: TrainConfig, data: Dataset, folder: Path) -> Model:
    """Train as `make train` does, and return the model of the bundle."""
    run = Run(folder / "run", is_new=True)
    model, seconds = fit_titleclf(config, data, run)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluate_on_test(config, data, model, run)
    write_bundle(bundle_of(model), run.folder / "bundle")
    scores = scores_of(load_trained(run.folder))
    return Model(scores, scores, True, seconds, _megabytes((run.folder / "bundle").iterdir()))


def fit_titleclf(config: TrainConfig, data: Dataset, run: Run) -> tuple[TrainedModel, float]:
    """Train and calibrate as `make train` does, without a report; return the model and the seconds."""
    with contextlib.redirect_stdout(io.StringIO()):
        started = time.perf_counter()
        model = new_model(config, data, pick_device(config.device))
        fit(config, data, model.network, run)
        calibrate(config, data, model)
        return model, time.perf_counter() - started


def scores_of(model: TrainedModel) -> Callable[[list[str]], Floats]:
    """Return the function that scores titles, without what else a guide says."""

    def scores(titles: list[str]) -> Floats:
        return model.probabilities(Programmes(titles))

    return scores


def train_fasttext(config: TrainConfig, data: Dataset, folder: Path, settings: Settings) -> Model:
    """Train fastText on the casefolded titles of training and validation."""
    fasttext = import_fasttext()
    peer_data = peer_titles(data)
    lines = zip(peer_data.labels.tolist(), fasttext_titles(peer_data.titles), strict=True)
    write_text(folder / "titles.txt", "".join(f"{_LABEL_PREFIX}{label} {title}\n" for label, title in lines))
    started = time.perf_counter()
    model = fasttext.train_supervised(str(folder / "titles.txt"), **settings, seed=config.seed, verbose=0)
    seconds = time.perf_counter() - started
    model.save_model(str(folder / "model.bin"))

    def scores(titles: list[str]) -> Floats:
        labels, probabilities = model.predict(fasttext_titles(titles), k=-1)
        return _in_columns(labels, probabilities, len(data.categories))

    def predict(titles: list[str]) -> object:
        return model.predict(fasttext_titles(titles))

    return Model(scores, predict, True, seconds, _megabytes([folder / "model.bin"]))


def train_svc(config: TrainConfig, data: Dataset, folder: Path) -> Model:
    """Train TF-IDF + linear SVC on the titles of training and validation."""
    peer_data = peer_titles(data)
    model = svc(config.seed)
    started = time.perf_counter()
    model.fit(peer_data.titles, peer_data.labels)
    seconds = time.perf_counter() - started
    joblib.dump(model, folder / "model.joblib")

    def scores(titles: list[str]) -> Floats:
        distances: Floats = model.decision_function(titles)
        is_binary = distances.ndim == 1  # scikit-learn then returns one distance for both categories
        return np.stack([-distances, distances], axis=1) if is_binary else distances

    return Model(scores, scores, False, seconds, _megabytes([folder / "model.joblib"]))


def svc(seed: int) -> Pipeline:
    """Return an untrained linear SVC on the TF-IDF of character n-grams inside words."""
    features = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 5), sublinear_tf=True)
    return make_pipeline(features, LinearSVC(random_state=seed))


def trainers(settings: Settings) -> dict[str, Trainer]:
    """Return the function that trains each model; `settings` are those of fastText."""
    return {TITLECLF: train_titleclf, FASTTEXT: partial(train_fasttext, settings=settings), SVC: train_svc}


def peer_titles(data: Dataset) -> PeerTitles:
    """Return the titles for the peers: they need no validation set, so they train on those titles too."""
    labels = np.concatenate([data.train.targets, data.validation.targets]).astype(np.int64)
    return PeerTitles([*data.train.titles, *data.validation.titles], labels)


def import_fasttext() -> Any:
    """Import fastText and return the module.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        import fasttext
    except ModuleNotFoundError:
        raise InputError(
            "A comparison with fastText requires its package. Got no module named fasttext. "
            "Install it: pip install fasttext-numpy2"
        ) from None
    return fasttext


def fasttext_titles(titles: Iterable[str]) -> list[str]:
    """Return titles as fastText expects them: casefolded, without line breaks, which would end a title."""
    return [" ".join(title.casefold().split()) for title in titles]


def _in_columns(labels: list[list[str]], probabilities: list[Floats], categories: int) -> Floats:
    """Sort fastText's ranked probabilities into (titles, categories)."""
    columns = np.zeros((len(labels), categories))
    for row, (names, values) in enumerate(zip(labels, probabilities, strict=True)):
        columns[row, [int(name.removeprefix(_LABEL_PREFIX)) for name in names]] = values
    return columns


def _megabytes(files: Iterable[Path]) -> float:
    return sum(file.stat().st_size for file in files) / 1e6
