"""Train on few labels and many, with pre-trained embeddings and without, beside peers; write tables and a picture.

python -m scripts.learning_curve [key=value ...] --embeddings FILE [--train FILE --test FILE] [--name TEXT]
    [--sizes 100 300 ...] [--seeds 5] [--models PART ...] [--output results/learning_curve.md]
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

import numpy as np
import pandas as pd
from tqdm import tqdm

from scripts.accuracy import count_of
from scripts.common import peers
from scripts.common.learning_curve_draws import Course, draw, parted, read_course, whole
from scripts.common.learning_curve_report import as_markdown, introduce, picture, worth
from scripts.common.learning_curve_rows import Row, Task, as_frame, read_rows, refuse_others, write_rows
from scripts.common.report import CLEAN, CONDITIONS, files_of, machine, shown
from titleclf.config.hydra import compose
from titleclf.config.schemas import TrainConfig
from titleclf.data.dataset import Data
from titleclf.evaluate.metrics import expected_calibration_error, summary
from titleclf.runtime.arrays import Floats
from titleclf.runtime.errors import InputError, exit_codes
from titleclf.runtime.files import replacing, write_text

# Ours, each with what it adds to the key=value of the command; {embeddings} is the file of --embeddings.
_PRETRAINED = ["experiment=few_labels", 'model.embeddings.path="{embeddings}"']
MODELS = {
    "ngram, not pre-trained": ["model=ngram"],
    "ngram, pre-trained and frozen": [*_PRETRAINED, "model.embeddings.freeze=true"],
    "ngram, pre-trained and tuned": [*_PRETRAINED, "model.embeddings.freeze=false"],
}
NAMES = [*MODELS, peers.SVC, peers.FASTTEXT]
SIZES = [100, 300, 1_000, 3_000, 10_000, 30_000]
FEW = 3_000  # labels up to which a draw is cheap, and one alone says little
# Few labels are too few steps for the settings of many. Found on titles that were held out of training titles.
SMALL_BATCHES = "training.batch_size=8"  # for few labels
FASTTEXT_TITLES = 250_000  # that fastText must see at least, all epochs together
SET_UP = f"""\
- So that few labels are enough steps, ours is trained with `{SMALL_BATCHES}` up to {FEW:,} of them, and fastText,
  which is set up as in scripts/common/peers.py, for as many epochs as it takes to see {FASTTEXT_TITLES:,} titles.
"""
MISSPELT = CONDITIONS[1]
_COMMAND = ("python", "-m", "scripts.learning_curve")


def train_on(drawn: pd.DataFrame, course: Course, config: TrainConfig, name: str) -> tuple[peers.Model, Data]:
    """Train a model on a draw; return also what it was given."""
    data = parted(drawn, course.test, config) if name in MODELS else whole(drawn, course.test)
    with tempfile.TemporaryDirectory() as folder:
        if name == peers.SVC:
            return peers.train_svc(config, data, Path(folder)), data
        if name == peers.FASTTEXT:
            return peers.train_fasttext(config, data, Path(folder), fasttext_settings(len(drawn))), data
        bundle, _, seconds = peers.fit_ours(config, data, Path(folder))

    def scores(titles: list[str]) -> Floats:
        return bundle.probabilities(titles)[0]

    return peers.Model(scores, scores, True, seconds, np.nan), data


def fasttext_settings(size: int) -> peers.Settings:
    """Return the peer's settings, with as many epochs as so few labels need."""
    epochs = max(int(peers.FASTTEXT_SETTINGS["epoch"]), math.ceil(FASTTEXT_TITLES / size))
    return peers.FASTTEXT_SETTINGS | {"epoch": epochs}


def scores_of(model: peers.Model, known: list[str], course: Course, bins: int) -> dict[str, float]:
    """Judge a model that knows the categories `known` on the test titles of all categories."""
    columns = [course.categories.index(category) for category in known]

    def scores(condition: str) -> Floats:
        titles = course.judged.conditions[condition]
        found = np.full((len(titles), len(course.categories)), -np.inf)  # what it doesn't know it never says
        found[:, columns] = model.scores(titles)
        return found

    clean, labels = scores(CLEAN), course.judged.labels
    found = summary(clean.argmax(axis=1), labels)
    return {
        "accuracy": found["accuracy"],
        "macro_f1": found["macro_f1"],
        "misspelt": summary(scores(MISSPELT).argmax(axis=1), labels)["accuracy"],
        "calibration_error": expected_calibration_error(clean, labels, bins) if model.has_probabilities else np.nan,
        "seconds": model.training_seconds,
    }


def config_of(model: str, size: int, arguments: argparse.Namespace) -> TrainConfig:
    """Return how a model is trained on so many labels, but for the seed."""
    own = [one.replace("{embeddings}", str(arguments.embeddings)) for one in MODELS.get(model, [])]
    small = [SMALL_BATCHES] if size <= FEW else []
    config: TrainConfig = compose("train", ["evaluate.robustness_titles=0", *small, *own, *arguments.overrides])
    if config.memory_path is not None:
        raise InputError(
            f"memory_path must be null: its titles are labels too. Got {config.memory_path}. Leave it out."
        )
    return config


def settings_of(model: str, size: int, config: TrainConfig, course: Course) -> str:
    """Return a fingerprint of all that a row depends on, but for its seed; files count by their contents."""
    how: object = fasttext_settings(size) if model == peers.FASTTEXT else model
    if model in MODELS:
        data = replace(config.data, path="", test_path=None)
        path = config.model.embeddings.path
        contents = None if path is None else hashlib.sha256(Path(path).read_bytes()).hexdigest()
        network = replace(config.model, embeddings=replace(config.model.embeddings, path=contents))
        how = asdict(replace(config, seed=0, output_dir="", data=data, model=network))
    return hashlib.sha256(json.dumps([course.fingerprint, how]).encode()).hexdigest()[:12]


def tasks_of(arguments: argparse.Namespace, drawn_from: int) -> list[Task]:
    """Return what is to be trained, the smallest draws first."""
    sizes = [size for size in sorted(set(arguments.sizes)) if size <= drawn_from]
    if not sizes:
        raise InputError(
            f"--sizes must not all be above the {drawn_from:,} titles there are to draw from. "
            f"Got {', '.join(f'{size:,}' for size in arguments.sizes)}. Ask for fewer."
        )
    return [
        Task(size, seed, model)
        for size in sizes
        for seed in range(1, 1 + (arguments.seeds if size <= FEW else arguments.seeds_above))
        for model in arguments.models
    ]


def measure(tasks: Sequence[Task], course: Course, arguments: argparse.Namespace) -> pd.DataFrame:
    """Do what isn't done yet, and return a row a task; each is kept in the rows' file as soon as it is there."""
    path = arguments.output.with_suffix(".csv")
    kinds = {(task.model, task.size) for task in tasks}
    configs = {kind: config_of(*kind, arguments) for kind in kinds}
    settings = {kind: settings_of(*kind, config, course) for kind, config in configs.items()}
    rows = read_rows(path)
    refuse_others(rows, settings, path)
    left = [task for task in tasks if task not in rows]
    try:
        for task in tqdm(left, "models", len(tasks), initial=len(tasks) - len(left), disable=None):
            config = replace(configs[task.model, task.size], seed=task.seed)
            rows[task] = {"settings": settings[task.model, task.size], **judge(task, course, config)}
            write_rows(path, rows)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"The same command goes on from {path}.") from None
    return as_frame({task: rows[task] for task in tasks})


def judge(task: Task, course: Course, config: TrainConfig) -> Row:
    """Train and judge the model of a task."""
    drawn = draw(course.titles, task.size, task.seed)
    model, data = train_on(drawn, course, config, task.model)
    used = len(data.sides.train) + len(data.sides.validation)
    return {"used": used, **scores_of(model, data.categories, course, config.evaluate.calibration_bins)}


def learning_curve(config: TrainConfig, arguments: argparse.Namespace, made_by: str) -> str:
    """Measure all models on all draws, write report and picture, and return the tables."""
    course = read_course(config)
    drawn_from = len(course.titles)
    rows = measure(tasks_of(arguments, drawn_from), course, arguments)
    image = arguments.output.with_suffix(".png")
    with replacing(image) as temporary:
        picture(rows).savefig(temporary, format="png", dpi=120)
    missing = [size for size in sorted(set(arguments.sizes)) if size > drawn_from]
    titles = arguments.name or files_of(config)
    about = introduce(rows, titles, drawn_from, len(course.test), missing) + SET_UP
    tables = f"{worth(rows, list(MODELS))}\n{as_markdown(rows)}"
    head = f"# How good with how many labels\n\n{made_by}\n\n{about}"
    write_text(arguments.output, f"{head}\n![Accuracy by labels]({image.name})\n\n{tables}")
    return tables


def parse(given: list[str]) -> argparse.Namespace:
    """Return the arguments; without --models these are all."""
    parser = argparse.ArgumentParser(
        usage="python -m scripts.learning_curve [key=value ...] [options]",
        description=__doc__.splitlines()[0],
        allow_abbrev=False,
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="as for titleclf.train; before the options")
    parser.add_argument("--train", metavar="FILE", help="titles to draw from (those of the package)")
    parser.add_argument("--test", metavar="FILE", help="titles to judge on (a part of the others)")
    parser.add_argument("--embeddings", type=Path, metavar="FILE", help="of titleclf.pretrain or titleclf.export")
    parser.add_argument("--sizes", type=count_of, nargs="+", default=SIZES, help="labels (100 300 ... 30000)")
    parser.add_argument("--seeds", type=count_of, default=5, help=f"draws of at most {FEW} labels (5)")
    parser.add_argument("--seeds-above", type=count_of, default=1, help=f"draws of more than {FEW} labels (1)")
    parser.add_argument(
        "--models", type=_model, nargs="+", default=NAMES, metavar="PART", help=f"parts of names: {'; '.join(NAMES)}"
    )
    parser.add_argument("--name", metavar="TEXT", help="the data in the report's words: its files are not named then")
    parser.add_argument("--output", type=Path, default=Path("results/learning_curve.md"), help="where the report goes")
    arguments = parser.parse_args(given)
    arguments.models = [name for name in NAMES if name in arguments.models]
    _check_embeddings(arguments)
    return arguments


def _check_embeddings(arguments: argparse.Namespace) -> None:
    needing = [name for name in arguments.models if any("{embeddings}" in one for one in MODELS.get(name, []))]
    if needing and arguments.embeddings is None:
        raise InputError(
            f"--embeddings must be given for {'; '.join(needing)}. Got nothing. Name a file, or others with --models."
        )
    if arguments.embeddings is not None and not arguments.embeddings.is_file():
        raise InputError(f"--embeddings must be a file that exists. Got {arguments.embeddings}. Check the path.")


def _model(part: str) -> str:
    found = [part] if part in NAMES else [name for name in NAMES if part.casefold() in name.casefold()]
    if len(found) != 1:
        raise argparse.ArgumentTypeError(f"must be a part of one of {'; '.join(NAMES)}. Got {part}.")
    return found[0]


def main() -> None:
    """Measure, print and write."""
    arguments = parse(sys.argv[1:])
    files = [arguments.train, arguments.test, str(arguments.embeddings)] if arguments.name else []
    made_by = f"`{shown(sys.argv[1:], files, _COMMAND)}`, {machine()}."
    config = compose("train", arguments.overrides)
    path = arguments.train or config.data.path
    own = replace(config.data, path=path, test_path=arguments.test or config.data.test_path)
    tables = learning_curve(replace(config, data=own), arguments, made_by)
    print(f"{tables}\nWrote {arguments.output}")


if __name__ == "__main__":
    exit_codes(main)()
