"""Judge titleclf, fastText and TF-IDF + linear SVC on the same titles, clean and spoilt; write tables and a picture.

python -m scripts.accuracy [key=value ...] [--train FILE --test FILE] [--name TEXT] [--output results/benchmark.md]
python -m scripts.speed_train [key=value ...] --train FILE ... --sizes 10000 30000 100000    what a title costs to train
"""

import argparse
import contextlib
import io
import itertools
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from scripts.common.peers import FASTTEXT_SETTINGS, Model, Settings, contenders
from scripts.common.report import (
    CLEAN,
    CONDITIONS,
    KNOWN,
    PRECISION,
    UNSEEN,
    as_markdown,
    introduce,
    machine,
    picture,
    scaling_table,
    shown,
)
from titleclf.config.hydra import compose
from titleclf.config.schemas import ColumnsConfig, TrainConfig
from titleclf.data.augmentation.noise import misspell, reformat
from titleclf.data.dataset import Data, read_data
from titleclf.data.targets import labels_of
from titleclf.data.titles import read_all_titles
from titleclf.evaluate.coverage import coverage_curve
from titleclf.evaluate.metrics import expected_calibration_error, summary
from titleclf.runtime.arrays import Floats, Labels
from titleclf.runtime.choices import Format, Misspelling
from titleclf.runtime.errors import InputError, exit_codes
from titleclf.runtime.files import replacing, write_text
from titleclf.train import build, fit
from titleclf.training.distributed import pick_device

SPEED_TITLES = 2_000
SCALING_EPOCHS = 2


class Judged(NamedTuple):
    """Titles in every condition, and their labels (titles,)."""

    conditions: dict[str, list[str]]
    labels: Labels


def spoil(titles: pd.DataFrame, categories: list[str], seed: int) -> Judged:
    """Return the titles in every condition; all models are given these very strings."""
    clean = list(titles["title"])
    generators = [np.random.default_rng([seed, number]) for number in range(len(CONDITIONS))]
    spoilt = [
        clean,
        misspell(clean, list(Misspelling), 1, generators[1]),
        misspell(clean, list(Misspelling), 2, generators[2]),
        reformat(clean, list(Format), generators[3]),
    ]
    return Judged(dict(zip(CONDITIONS, spoilt, strict=True)), labels_of(titles, categories))


def measure(
    config: TrainConfig, data: Data, judged: dict[str, Judged], settings: Settings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train and judge each model; return scores (a row a model, kind of titles and condition), and costs (a model)."""
    scores, costs = [], {}
    for name, train in tqdm(contenders(settings).items(), "models", disable=None):
        with tempfile.TemporaryDirectory() as folder:
            model = train(config, data, Path(folder))
            scores += [{"model": name, **row} for row in scores_of(model, judged)]
            costs[name] = costs_of(model, judged[UNSEEN], config.evaluate.calibration_bins)
    return pd.DataFrame(scores), pd.DataFrame.from_dict(costs, orient="index").rename_axis("model")


def scores_of(model: Model, judged: dict[str, Judged]) -> Iterator[dict[str, object]]:
    """Yield how many titles of each kind and condition a model gets right."""
    for kind, (conditions, labels) in judged.items():
        for condition, titles in conditions.items():
            found = summary(model.scores(titles).argmax(axis=1), labels)
            yield {"kind": kind, "condition": condition, **found}


def costs_of(model: Model, unseen: Judged, bins: int) -> dict[str, float]:
    """Return what a model's confidence is worth on clean unseen titles, its seconds, its pace and its size."""
    titles = unseen.conditions[CLEAN]
    scores = model.scores(titles)
    right = scores.argmax(axis=1) == unseen.labels
    honest = expected_calibration_error(scores, unseen.labels, bins) if model.has_probabilities else np.nan
    return {
        "calibration_error": honest,
        "coverage": coverage(confidence(scores, model.has_probabilities), right),
        "training_seconds": model.training_seconds,
        "titles_per_second": pace(model, titles),
        "megabytes": model.megabytes,
    }


def confidence(scores: Floats, are_probabilities: bool) -> Floats:
    """Return how sure a model is (titles,): its best probability, or how far its best value is from the second."""
    second, best = np.partition(scores, -2, axis=1)[:, -2:].T
    return best if are_probabilities else best - second


def coverage(confidence: Floats, right: np.ndarray) -> float:
    """Return the largest share of titles, taken from the surest down, of which at least `PRECISION` are right."""
    shares, precisions = coverage_curve(confidence, right)
    return float(shares[precisions >= PRECISION].max(initial=0.0))


def pace(model: Model, titles: list[str]) -> float:
    """Return the titles a second of the fastest of three batches."""
    batch = list(itertools.islice(itertools.cycle(titles), SPEED_TITLES))
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        model.likeliest(batch)
        seconds.append(time.perf_counter() - started)
    return len(batch) / min(seconds)


def benchmark(config: TrainConfig, arguments: argparse.Namespace, made_by: str) -> str:
    """Train and judge all models, write report and picture, and return the tables."""
    data = read_data(config)
    count = min(arguments.titles, len(data.sides.train))
    sides = {UNSEEN: data.sides.test, KNOWN: data.sides.train.sample(count, random_state=arguments.seed)}
    judged = {kind: spoil(titles, data.categories, arguments.seed) for kind, titles in sides.items()}
    settings = FASTTEXT_SETTINGS | dict(arguments.fasttext)
    scores, costs = measure(config, data, judged, settings)
    tables = as_markdown(scores, costs)
    image = arguments.output.with_suffix(".png")
    with replacing(image) as temporary:
        picture(scores).savefig(temporary, format="png", dpi=120)
    head = f"# titleclf, fastText and TF-IDF + SVC on the same titles\n\n{made_by}\n\n"
    about = introduce(config, data, count, settings, arguments.name)
    write_text(arguments.output, f"{head}{about}\n![Accuracy by condition]({image.name})\n\n{tables}")
    return tables


def scale(config: TrainConfig, titles: pd.DataFrame, sizes: list[int], seed: int) -> pd.DataFrame:
    """Return a row for each size that the titles reach: titles trained on, seconds, and seconds per 1,000 and epoch."""
    rows = []
    reached = [size for size in sorted(sizes) if size <= len(titles)]
    for size in tqdm(reached, "sizes", disable=None):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            path = Path(folder) / "titles.csv"
            titles.sample(size, random_state=seed).to_csv(path, index=False)
            own = replace(
                config.data, path=str(path), test_path=None, columns=ColumnsConfig(*titles.columns, "und", None, None)
            )
            data = read_data(replace(config, data=own))
            bundle = build(config, data, pick_device(config.device))
            started = time.perf_counter()
            fit(config, data, bundle, Path(folder))
            seconds = time.perf_counter() - started
        trained = len(data.sides.train)
        rows.append((size, trained, seconds, seconds / SCALING_EPOCHS / trained * 1000))
    return pd.DataFrame(rows, columns=["rows", "trained", "seconds", "per_thousand"])


def scaling(config: TrainConfig, arguments: argparse.Namespace, made_by: str) -> str:
    """Measure what a title costs at each size, write the report, and return its table."""
    files = arguments.train or [config.data.path]
    frames = [read_all_titles(file, config.data.columns) for file in files]
    titles = pd.concat(frames, ignore_index=True)
    missing = [f"{size:,}" for size in sorted(arguments.sizes) if size > len(titles)]
    if len(missing) == len(arguments.sizes):
        raise InputError(f"--sizes must not be above the {len(titles):,} rows there are. Got {', '.join(missing)}.")
    found = scale(config, titles, arguments.sizes, arguments.seed)
    table = scaling_table(found)
    if missing:
        table += f"\nThe data has {len(titles):,} rows: too few for {', '.join(missing)}.\n"
    head = f"# What a title costs to train\n\n{made_by}\n"
    data = f"Data: {arguments.name or ', '.join(files)}. {SCALING_EPOCHS} epochs, validation included."
    write_text(arguments.output, f"{head}{data}\n\n{table}")
    return table


def parse(given: list[str]) -> argparse.Namespace:
    """Return the arguments, with the output's place filled in."""
    parser = argparse.ArgumentParser(
        usage="python -m scripts.accuracy [key=value ...] [options]",
        description=__doc__.splitlines()[0],
        allow_abbrev=False,
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="as for titleclf.train; before the options")
    parser.add_argument("--train", nargs="+", metavar="FILE", help="titles to train on (those of the package)")
    parser.add_argument("--test", metavar="FILE", help="titles to judge on (a part of the others)")
    settings = ", ".join(f"{key}={value}" for key, value in FASTTEXT_SETTINGS.items())
    parser.add_argument(
        "--fasttext", type=_setting, nargs="+", default=[], metavar="KEY=VALUE", help=f"its settings ({settings})"
    )
    parser.add_argument("--name", metavar="TEXT", help="the data in the report's words: its files are not named then")
    parser.add_argument("--output", type=Path, help="the report (results/benchmark.md, results/scaling.md)")
    parser.add_argument("--titles", type=count_of, default=3000, help="how many known titles are judged (3000)")
    parser.add_argument("--seed", type=int, default=1, help="of the noise and the samples (1)")
    parser.add_argument("--sizes", type=count_of, nargs="+", help="only measure what a title costs, with so many rows")
    arguments = parser.parse_args(given)
    if arguments.output is None:
        arguments.output = Path("results/scaling.md" if arguments.sizes else "results/benchmark.md")
    if arguments.sizes and arguments.test:
        raise InputError(f"--sizes must stand without --test. Got {arguments.test}. Leave it out.")
    if arguments.train and len(arguments.train) > 1 and not arguments.sizes:
        raise InputError(f"--train must be one file without --sizes. Got {' '.join(arguments.train)}.")
    return arguments


def count_of(text: str) -> int:
    """Return the number that an argument is, of which there must be one at least."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1. Got {number}.")
    return number


def _setting(text: str) -> tuple[str, int | float]:
    key, _, value = text.partition("=")
    if key not in FASTTEXT_SETTINGS:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(FASTTEXT_SETTINGS)}. Got {key}.")
    return key, type(FASTTEXT_SETTINGS[key])(value)


def main() -> None:
    """Measure, print and write."""
    arguments = parse(sys.argv[1:])
    files = [*(arguments.train or []), arguments.test] if arguments.name else []
    made_by = f"`{shown(sys.argv[1:], files)}`, {machine()}."
    if arguments.sizes:
        config = compose("train", [*arguments.overrides, f"training.epochs={SCALING_EPOCHS}"])
        tables = scaling(config, arguments, made_by)
    else:
        config = compose("train", arguments.overrides)
        path = arguments.train[0] if arguments.train else config.data.path
        own = replace(config.data, path=path, test_path=arguments.test or config.data.test_path)
        tables = benchmark(replace(config, data=own), arguments, made_by)
    print(f"{tables}\nWrote {arguments.output}")


if __name__ == "__main__":
    exit_codes(main)()
