"""Measure accuracy by number of labels, with and without pre-trained embeddings, and compared with peers.

Writes tables and a plot. Every measured row is kept beside the report, so the same command resumes an interrupted run.
"""

import argparse
import hashlib
import json
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from scripts.common import peers
from scripts.common.arguments import add_name, parse_with_overrides, report_parser
from scripts.common.learning_curve_report import as_markdown, introduction, labels_needed, plot
from scripts.common.learning_curve_rows import Row, Task, as_frame, check_settings, read_rows, write_rows
from scripts.common.noise import CLEAN, NOISY, NoisyTitles, clean_and_noisy
from scripts.common.report import data_files, made_by
from scripts.common.training import compose_with_files
from titleclf.config.hydra import compose
from titleclf.config.schemas import TrainConfig
from titleclf.data.dataset import Dataset, LabelledTitles, read_splits
from titleclf.data.splits import Split, learnable, split_with_test
from titleclf.data.targets import categories_of
from titleclf.data.titles import fingerprint
from titleclf.evaluate.metrics import expected_calibration_error, summary
from titleclf.evaluate.plots import save
from titleclf.runtime import choices
from titleclf.runtime.arguments import count
from titleclf.runtime.arrays import Floats
from titleclf.runtime.errors import InputError, exit_codes
from titleclf.runtime.files import write_text
from titleclf.training.run import Run

# The overrides of each titleclf model; {embeddings} stands for the file of --embeddings.
_PRETRAINED = ["experiment=few_labels", 'model.embeddings.path="{embeddings}"']
MODELS = {
    "ngram, not pre-trained": ["model=ngram"],
    "ngram, pre-trained and frozen": [*_PRETRAINED, "model.embeddings.freeze=true"],
    "ngram, pre-trained and tuned": [*_PRETRAINED, "model.embeddings.freeze=false"],
}
NAMES = [*MODELS, peers.SVC, peers.FASTTEXT]
SIZES = [100, 300, 1_000, 3_000, 10_000, 30_000]
FEW = 3_000  # labels; up to this number training is cheap, and a single draw is unreliable
# The default settings make too few steps on few labels. These were chosen on titles held out of the training titles.
SMALL_BATCHES = "training.batch_size=8"  # for few labels
FASTTEXT_TITLES = 250_000  # titles that fastText must see, all epochs together
SETTINGS = f"""\
- With few labels the default settings make too few steps. So titleclf is trained with `{SMALL_BATCHES}` up to
  {FEW:,} labels, and fastText (settings in scripts/common/peers.py) until it has seen {FASTTEXT_TITLES:,} titles.
"""
MISSPELT = NOISY[0]
_NOISE_SEED = 1


class Benchmark(NamedTuple):
    """What all models share: titles to draw labels from, and test titles, clean and noisy."""

    titles: pd.DataFrame
    test: pd.DataFrame
    noisy: NoisyTitles
    categories: list[str]
    fingerprint: str


def read_benchmark(config: TrainConfig) -> Benchmark:
    """Read the titles and hold out test titles as `make train` does; labels are drawn from all others."""
    frames, _ = read_splits(config)
    titles, test = pd.concat([frames.train, frames.validation], ignore_index=True), frames.test
    categories = categories_of(list(frames.train["category"]), config.task)
    noisy = clean_and_noisy(LabelledTitles.from_frame(test, categories, config.task), _NOISE_SEED)
    return Benchmark(titles, test, noisy, categories, fingerprint(titles) + fingerprint(test))


def draw(titles: pd.DataFrame, size: int, seed: int) -> pd.DataFrame:
    """Return `size` of the titles; a smaller draw with the same seed is a prefix of a larger one."""
    order = np.random.default_rng(seed).permutation(len(titles))
    return titles.iloc[order[:size]].reset_index(drop=True)


def unsplit(drawn: pd.DataFrame) -> Dataset:
    """Return a draw for the peers, which train on all of it."""
    return _dataset(Split(drawn, drawn[:0], drawn[:0]), fingerprint(drawn))


def split(drawn: pd.DataFrame, config: TrainConfig) -> Dataset:
    """Return a draw for titleclf, split into training and validation, without categories too small to split.

    Raises
    ------
    InputError
        If fewer than two categories are left.
    """
    titles = learnable(drawn)
    if titles["category"].nunique() < 2:
        raise InputError(
            f"--sizes must give draws with two categories of three programmes each. Got too few in {len(drawn):,} "
            f"labels with seed {config.seed}. Choose larger sizes."
        )
    return _dataset(split_with_test(titles, titles[:0], config.data, config.seed), fingerprint(titles))


def _dataset(frames: Split, digest: str) -> Dataset:
    """Return a draw as arrays, without test titles: most draws lack some of the test titles' categories."""
    categories = categories_of(list(frames.train["category"]), choices.Task.single)
    train, validation, test = (LabelledTitles.from_frame(frame, categories, choices.Task.single) for frame in frames)
    return Dataset(train, validation, test, train, categories, digest)


def train_on(drawn: pd.DataFrame, config: TrainConfig, name: str) -> tuple[peers.Model, Dataset]:
    """Train a model on a draw; return it with its data."""
    data = split(drawn, config) if name in MODELS else unsplit(drawn)
    with tempfile.TemporaryDirectory() as folder:
        if name == peers.SVC:
            return peers.train_svc(config, data, Path(folder)), data
        if name == peers.FASTTEXT:
            return peers.train_fasttext(config, data, Path(folder), fasttext_settings(len(drawn))), data
        model, seconds = peers.fit_titleclf(config, data, Run(Path(folder), is_new=True))
    scores = peers.scores_of(model)
    return peers.Model(scores, scores, True, seconds, np.nan), data


def fasttext_settings(size: int) -> peers.Settings:
    """Return fastText's settings, with more epochs for few labels."""
    epochs = max(int(peers.FASTTEXT_SETTINGS["epoch"]), math.ceil(FASTTEXT_TITLES / size))
    return peers.FASTTEXT_SETTINGS | {"epoch": epochs}


def scores_of(model: peers.Model, drawn: list[str], benchmark: Benchmark, bins: int) -> dict[str, float]:
    """Evaluate a model trained on the `drawn` categories on the test titles of all categories."""
    columns = [benchmark.categories.index(category) for category in drawn]

    def scores(condition: str) -> Floats:
        titles = benchmark.noisy.conditions[condition]
        all_scores = np.full((len(titles), len(benchmark.categories)), -np.inf)  # never predicts the other categories
        all_scores[:, columns] = model.scores(titles)
        return all_scores

    clean, labels = scores(CLEAN), benchmark.noisy.labels
    clean_summary = summary(clean.argmax(axis=1), labels)
    return {
        "accuracy": clean_summary["accuracy"],
        "macro_f1": clean_summary["macro_f1"],
        "misspelt": summary(scores(MISSPELT).argmax(axis=1), labels)["accuracy"],
        "calibration_error": expected_calibration_error(clean, labels, bins) if model.has_probabilities else np.nan,
        "seconds": model.training_seconds,
    }


def config_of(model: str, size: int, arguments: argparse.Namespace) -> TrainConfig:
    """Return the configuration of a model trained on `size` labels, apart from its seed.

    Raises
    ------
    InputError
        If it has a memory of other titles.
    """
    overrides = [override.replace("{embeddings}", str(arguments.embeddings)) for override in MODELS.get(model, [])]
    small = [SMALL_BATCHES] if size <= FEW else []
    config: TrainConfig = compose("train", ["evaluate.robustness_titles=0", *small, *overrides, *arguments.overrides])
    if config.memory_path is not None:
        raise InputError(
            f"memory_path must be null, because its titles are labels too. Got {config.memory_path}. Leave it out."
        )
    return config


def settings_of(model: str, size: int, config: TrainConfig, benchmark: Benchmark) -> str:
    """Return a fingerprint of everything a row depends on, apart from its seed; files count by their contents."""
    settings: object = fasttext_settings(size) if model == peers.FASTTEXT else model
    if model in MODELS:
        data = replace(config.data, path="", test_path=None)
        path = config.model.embeddings.path
        contents = None if path is None else hashlib.sha256(Path(path).read_bytes()).hexdigest()
        network = replace(config.model, embeddings=replace(config.model.embeddings, path=contents))
        settings = asdict(replace(config, seed=0, output_dir="", data=data, model=network))
    return hashlib.sha256(json.dumps([benchmark.fingerprint, settings]).encode()).hexdigest()[:12]


def tasks_of(arguments: argparse.Namespace, available: int) -> list[Task]:
    """Return the models to train, the smallest draws first; `available` titles can be drawn.

    Raises
    ------
    InputError
        If all sizes are larger than that.
    """
    sizes = [size for size in sorted(set(arguments.sizes)) if size <= available]
    if not sizes:
        raise InputError(
            f"--sizes must not all exceed the {available:,} titles to draw from. "
            f"Got {', '.join(f'{size:,}' for size in arguments.sizes)}. Choose smaller ones."
        )
    return [
        Task(size, seed, model)
        for size in sizes
        for seed in range(1, 1 + (arguments.seeds if size <= FEW else arguments.seeds_above))
        for model in arguments.models
    ]


def measure(tasks: Sequence[Task], benchmark: Benchmark, arguments: argparse.Namespace) -> pd.DataFrame:
    """Train and evaluate the tasks that have no row yet, write each row at once, and return the rows of all tasks."""
    path = arguments.output.with_suffix(".csv")
    variants = {(task.model, task.size) for task in tasks}
    configs = {variant: config_of(*variant, arguments) for variant in variants}
    settings = {variant: settings_of(*variant, config, benchmark) for variant, config in configs.items()}
    rows = read_rows(path)
    check_settings(rows, settings, path)
    remaining = [task for task in tasks if task not in rows]
    try:
        for task in tqdm(remaining, "models", len(tasks), initial=len(tasks) - len(remaining), disable=None):
            config = replace(configs[task.model, task.size], seed=task.seed)
            rows[task] = {"settings": settings[task.model, task.size], **evaluate(task, benchmark, config)}
            write_rows(path, rows)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"The same command resumes from {path}.") from None
    return as_frame({task: rows[task] for task in tasks})


def evaluate(task: Task, benchmark: Benchmark, config: TrainConfig) -> Row:
    """Train and evaluate the model of a task."""
    drawn = draw(benchmark.titles, task.size, task.seed)
    model, data = train_on(drawn, config, task.model)
    used = len(data.train) + len(data.validation)
    return {"used": used, **scores_of(model, data.categories, benchmark, config.evaluate.calibration_bins)}


def report(config: TrainConfig, arguments: argparse.Namespace, provenance: str) -> str:
    """Measure all models on all draws, write the report and its plot, and return the tables."""
    benchmark = read_benchmark(config)
    available = len(benchmark.titles)
    rows = measure(tasks_of(arguments, available), benchmark, arguments)
    image = arguments.output.with_suffix(".png")
    save(image, plot(rows))
    too_large = [size for size in sorted(set(arguments.sizes)) if size > available]
    titles = arguments.name or data_files(config)
    tables = f"{labels_needed(rows, list(MODELS))}\n{as_markdown(rows)}"
    text = f"""\
# Accuracy by number of labels

{provenance}.

{introduction(rows, titles, available, len(benchmark.test), too_large)}{SETTINGS}
![Accuracy by labels]({image.name})

{tables}"""
    write_text(arguments.output, text)
    return tables


def parse(given: Sequence[str]) -> argparse.Namespace:
    """Return the arguments; without --models, all models are selected."""
    parser = report_parser("learning_curve", __doc__)
    parser.add_argument("--train", metavar="FILE", help="titles to draw from (default: those of the package)")
    parser.add_argument("--test", metavar="FILE", help="test titles (default: held out from the training titles)")
    parser.add_argument("--embeddings", type=Path, metavar="FILE", help="of titleclf.pretrain or titleclf.export")
    parser.add_argument(
        "--sizes", type=count, nargs="+", default=SIZES, metavar="N", help=f"labels ({' '.join(map(str, SIZES))})"
    )
    parser.add_argument("--seeds", type=count, default=5, help=f"draws of up to {FEW} labels (%(default)s)")
    parser.add_argument("--seeds-above", type=count, default=1, help=f"draws of more than {FEW} labels (%(default)s)")
    parser.add_argument(
        "--models", type=_model, nargs="+", default=NAMES, metavar="PART", help=f"parts of names: {'; '.join(NAMES)}"
    )
    add_name(parser)
    arguments = parse_with_overrides(parser, given)
    arguments.models = [name for name in NAMES if name in arguments.models]
    _check_embeddings(arguments)
    return arguments


def _check_embeddings(arguments: argparse.Namespace) -> None:
    pretrained = [name for name in arguments.models if "{embeddings}" in " ".join(MODELS.get(name, []))]
    if pretrained and arguments.embeddings is None:
        raise InputError(
            f"--embeddings must be given for {'; '.join(pretrained)}. Got nothing. "
            "Name a file, or select other models with --models."
        )
    if arguments.embeddings is not None and not arguments.embeddings.is_file():
        raise InputError(f"--embeddings must be a file that exists. Got {arguments.embeddings}. Check the path.")


def _model(part: str) -> str:
    matches = [part] if part in NAMES else [name for name in NAMES if part.casefold() in name.casefold()]
    if len(matches) != 1:
        raise argparse.ArgumentTypeError(f"must be a part of exactly one of {'; '.join(NAMES)}. Got {part}.")
    return matches[0]


@exit_codes
def main() -> None:
    """Measure, print and write."""
    arguments = parse(sys.argv[1:])
    files = [str(file) for file in (arguments.train, arguments.test, arguments.embeddings) if file and arguments.name]
    provenance = made_by("learning_curve", files)
    config = compose_with_files(arguments.overrides, arguments.train, arguments.test)
    tables = report(config, arguments, provenance)
    print(f"{tables}\nWrote {arguments.output}")


if __name__ == "__main__":
    main()
