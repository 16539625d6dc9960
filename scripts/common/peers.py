"""titleclf, fastText and TF-IDF + linear SVC: trained on the same titles, with the same way to ask them."""

import contextlib
import io
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC

from titleclf.config.schemas import TrainConfig
from titleclf.data.dataset import Data
from titleclf.data.targets import labels_of
from titleclf.runtime.arrays import Floats
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import write_text
from titleclf.train import build, finish, fit
from titleclf.training.calibration import calibrate
from titleclf.training.distributed import pick_device
from titleclf.training.run import History
from titleclf.training.trained_model import Bundle, load_bundle

Settings = dict[str, int | float]

OURS, FASTTEXT, SVC = "titleclf", "fastText", "TF-IDF char_wb 1-5 + LinearSVC"
# fastText draws a tenth of its n-gram table a thread, and leaves the rest at zero: it needs ten, however few the cores.
FASTTEXT_SETTINGS = {
    "minn": 2,
    "maxn": 5,
    "epoch": 25,
    "wordNgrams": 2,
    "dim": 50,
    "lr": 0.1,
    "bucket": 2_000_000,
    "thread": 10,
}
_PREFIX = "__label__"  # fastText's


@dataclass
class Model:
    """A trained model, what it can tell and what it cost; scores are (titles, categories)."""

    scores: Callable[[list[str]], Floats]
    likeliest: Callable[[list[str]], object]  # no more than the best category of each title: what is timed
    has_probabilities: bool
    training_seconds: float
    megabytes: float


def train_ours(config: TrainConfig, data: Data, folder: Path) -> Model:
    """Train as `make train` does; judged is the bundle that it leaves."""
    run = folder / "run"
    bundle, history, seconds = fit_ours(config, data, run)
    with contextlib.redirect_stdout(io.StringIO()):
        finish(config, data, bundle, run, history)
    saved = load_bundle(run)

    def scores(titles: list[str]) -> Floats:
        return saved.probabilities(titles)[0]

    return Model(scores, scores, True, seconds, _megabytes((run / "bundle").iterdir()))


def fit_ours(config: TrainConfig, data: Data, run: Path) -> tuple[Bundle, History, float]:
    """Train and calibrate as `make train` does, but write no report; return also the seconds."""
    with contextlib.redirect_stdout(io.StringIO()):
        started = time.perf_counter()
        bundle = build(config, data, pick_device(config.device))
        history = fit(config, data, bundle, run)
        calibrate(config, data, bundle)
        return bundle, history, time.perf_counter() - started


def train_fasttext(config: TrainConfig, data: Data, folder: Path, settings: Settings) -> Model:
    """Train fastText on the casefolded titles of training and validation."""
    fasttext = import_fasttext()
    rows = for_peers(data)
    lines = zip(labels_of(rows, data.categories), words(rows["title"]), strict=True)
    write_text(folder / "titles.txt", "".join(f"{_PREFIX}{label} {title}\n" for label, title in lines))
    started = time.perf_counter()
    model = fasttext.train_supervised(str(folder / "titles.txt"), **settings, seed=config.seed, verbose=0)
    seconds = time.perf_counter() - started
    model.save_model(str(folder / "model.bin"))

    def scores(titles: list[str]) -> Floats:
        return _as_columns(*model.predict(words(titles), k=-1), len(data.categories))

    def likeliest(titles: list[str]) -> object:
        return model.predict(words(titles))

    return Model(scores, likeliest, True, seconds, _megabytes([folder / "model.bin"]))


def train_svc(config: TrainConfig, data: Data, folder: Path) -> Model:
    """Train TF-IDF + linear SVC on the titles of training and validation."""
    rows = for_peers(data)
    model = svc(config.seed)
    started = time.perf_counter()
    model.fit(rows["title"], labels_of(rows, data.categories))
    seconds = time.perf_counter() - started
    joblib.dump(model, folder / "model.joblib")

    def scores(titles: list[str]) -> Floats:
        values = model.decision_function(titles)
        return values if values.ndim == 2 else np.stack([-values, values], axis=1)  # two categories share one value

    return Model(scores, scores, False, seconds, _megabytes([folder / "model.joblib"]))


def svc(seed: int) -> Pipeline:
    """Return the untrained peer: TF-IDF of character n-grams inside words, and a linear SVC."""
    features = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 5), sublinear_tf=True)
    return make_pipeline(features, LinearSVC(random_state=seed))


def contenders(settings: Settings) -> dict[str, Callable[[TrainConfig, Data, Path], Model]]:
    """Return how to train each model; `settings` are fastText's."""
    return {OURS: train_ours, FASTTEXT: partial(train_fasttext, settings=settings), SVC: train_svc}


def for_peers(data: Data) -> pd.DataFrame:
    """Return what the peers train on: they need no validation titles, so they learn from those too."""
    return pd.concat([data.sides.train, data.sides.validation], ignore_index=True)


def import_fasttext() -> Any:
    """Return the module, or say how to get it."""
    try:
        import fasttext
    except ModuleNotFoundError:
        raise InputError(
            "fastText must be installed to be compared with. Got no such package. Run: pip install fasttext-numpy2"
        ) from None
    return fasttext


def words(titles: Iterable[str]) -> list[str]:
    """Return titles as fastText takes them."""
    return [" ".join(title.casefold().split()) for title in titles]  # a line break would end the title


def _as_columns(labels: list[list[str]], shares: list[Floats], categories: int) -> Floats:
    # fastText names the categories of each title from the likeliest down.
    found = np.zeros((len(labels), categories))
    for row, (names, values) in enumerate(zip(labels, shares, strict=True)):
        found[row, [int(name.removeprefix(_PREFIX)) for name in names]] = values
    return found


def _megabytes(files: Iterable[Path]) -> float:
    return sum(file.stat().st_size for file in files) / 1e6
