"""Measure the speed and the size of prediction, compared with fastText.

Also compares start-up time and memory with importing numpy, and with --trained and --test the accuracy of a folded
model with that of the model it was folded from.
"""

import argparse
import contextlib
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from tqdm import tqdm

from scripts.common.arguments import report_parser
from scripts.common.noise import clean_and_noisy
from scripts.common.peers import (
    FASTTEXT,
    FASTTEXT_SETTINGS,
    TITLECLF,
    fasttext_titles,
    import_fasttext,
    train_fasttext,
)
from scripts.common.processes import run
from scripts.common.report import as_table, made_by, write_report
from titleclf.config.hydra import compose
from titleclf.config.schemas import SHIPPED_COLUMNS
from titleclf.data.dataset import read_dataset, read_labelled
from titleclf.epg.parser import airings
from titleclf.runtime.arguments import count
from titleclf.runtime.bundle.reader import model_folder
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import exit_codes
from titleclf.runtime.files import SHIPPED
from titleclf.runtime.tables import titles_in
from titleclf.runtime.text.programmes import Programmes
from titleclf.training.trained_model import load_trained

if TYPE_CHECKING:
    from titleclf.config.schemas import TrainConfig

SINGLE_TITLES = 2_000  # predicted one at a time
_NUMPY = "import numpy"

Predict = Callable[[list[str]], object]


def guide_titles(guide: Path, title_count: int) -> list[str]:
    """Return the titles of a guide in order, repeats included, starting over until there are enough."""
    titles = [airing.title for airing in airings(str(guide)) if airing.title]
    return list(itertools.islice(itertools.cycle(titles), title_count))


def contenders(model: Path) -> dict[str, Predict]:
    """Return fastText, trained on the shipped titles, and the model with and without its memory."""
    config: TrainConfig = compose("train", [])
    fasttext = import_fasttext()
    with tempfile.TemporaryDirectory() as folder:
        train_fasttext(config, read_dataset(config), Path(folder), FASTTEXT_SETTINGS)
        with contextlib.redirect_stderr(None):  # fastText warns about an API change
            peer = fasttext.load_model(str(Path(folder) / "model.bin"))
    classifier = Classifier.load(model)
    models: dict[str, Predict] = {FASTTEXT: peer.predict, TITLECLF: classifier.predict}
    if classifier.contents.memory is not None:
        without_memory = replace(classifier, contents=replace(classifier.contents, memory=None))
        models[f"{TITLECLF}, no memory"] = without_memory.predict
    return models


def measure(models: dict[str, Predict], titles: list[str], rounds: int, *, single: bool = False) -> pd.DataFrame:
    """Return each model's median seconds and its median speed relative to fastText.

    With `single`, titles are predicted one at a time. fastText's titles are prepared outside the measurement.
    """
    prepared = fasttext_titles(titles)
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for _ in tqdm(range(rounds + 1), "rounds", leave=False, disable=None):
        for name, predict in models.items():
            batch = prepared if name == FASTTEXT else titles
            started = time.perf_counter()
            if single:
                for title in batch:
                    predict([title])
            else:
                predict(batch)
            seconds[name].append(time.perf_counter() - started)
    rows = pd.DataFrame(seconds).iloc[1:]  # the first round builds tables
    return pd.DataFrame(
        {"seconds": rows.median(), "speed": rows.rdiv(rows[FASTTEXT], axis=0).median(), "titles": len(titles)}
    )


def speed_table(measurements: dict[str, pd.DataFrame]) -> str:
    """Return the speeds as a table, a row for each list of titles and each model."""
    cells = [
        {
            "titles": titles,
            "model": name,
            "titles per second": f"{row['titles'] / row['seconds']:,.0f}",
            "per title": f"{row['seconds'] / row['titles'] * 1e6:,.1f} us",
            "speed vs fastText": f"{row['speed']:.2f} x",
        }
        for titles, rows in measurements.items()
        for name, row in rows.iterrows()
    ]
    return as_table(pd.DataFrame(cells).set_index("titles"))


def start_table(model: str, rounds: int) -> str:
    """Return the time and memory of predicting one title in a new process, and of importing numpy."""
    commands: dict[str, list[str | Path]] = {
        f'python -c "{_NUMPY}"': ["-c", _NUMPY],
        "python -m titleclf.predict TITLE": ["-m", "titleclf.predict", "--model", model, "Tagesschau"],
    }
    with tempfile.TemporaryDirectory() as folder:
        costs = [
            {name: run([sys.executable, *command], Path(folder)) for name, command in commands.items()}
            for _ in range(2 * rounds + 1)
        ][1:]
    numpy = next(iter(commands))
    seconds = pd.DataFrame([{name: cost.seconds for name, cost in costs_of.items()} for costs_of in costs])
    megabytes = pd.DataFrame([{name: cost.megabytes for name, cost in costs_of.items()} for costs_of in costs])
    cells = {
        "milliseconds": (seconds.median() * 1000).map("{:.0f}".format),
        "time vs numpy": seconds.div(seconds[numpy], axis=0).median().map("{:.2f} x".format),
        "peak memory": megabytes.median().map("{:.0f} MB".format),
        "memory above numpy": megabytes.sub(megabytes[numpy], axis=0).median().map("{:.0f} MB".format),
    }
    return as_table(pd.DataFrame(cells).rename_axis("command"))


def folding_table(model: Path, trained: Path, test: Path) -> str:
    """Return the accuracy of a folded model and of the model it was folded from, on clean and noisy titles."""
    folded, source = Classifier.load(model), load_trained(trained)
    titles = read_labelled(str(test), SHIPPED_COLUMNS, source.categories, source.task)
    noisy = clean_and_noisy(titles, seed=1)
    cells = {}
    for condition, copies in tqdm(noisy.conditions.items(), "conditions", leave=False, disable=None):
        programmes = Programmes(copies)
        before, after = source.probabilities(programmes), folded.probabilities(programmes)
        percents = [
            100 * float((probabilities.argmax(axis=1) == noisy.labels).mean()) for probabilities in (before, after)
        ]
        cells[condition] = {
            "trained": f"{percents[0]:.2f} %",
            "folded": f"{percents[1]:.2f} %",
            "lost": f"{percents[0] - percents[1]:+.2f}",
            "same prediction": f"{(before.argmax(axis=1) == after.argmax(axis=1)).mean():.2%}",
            "largest difference of a probability": f"{np.abs(before - after).max():.4f}",
        }
    return as_table(pd.DataFrame.from_dict(cells, orient="index").rename_axis(f"{len(titles):,} titles"))


def report(arguments: argparse.Namespace, provenance: str) -> str:
    """Measure everything that the arguments select, and return the report."""
    model = model_folder(arguments.model)
    models = contenders(model)
    distinct = list(dict.fromkeys(titles_in(arguments.titles)))
    titles = random.Random(1).sample(distinct, min(arguments.count, len(distinct)))  # noqa: S311 (not a secret)
    measurements = {f"{len(titles):,} distinct": measure(models, titles, arguments.rounds)}
    if arguments.guide is not None:
        repeated = guide_titles(arguments.guide, arguments.count)
        name = f"{len(repeated):,} of a guide, {len(set(repeated)):,} distinct"
        measurements[name] = measure(models, repeated, arguments.rounds)
    singles = titles[:SINGLE_TITLES]
    measurements[f"{len(singles):,}, one at a time"] = measure(models, singles, arguments.rounds, single=True)
    megabytes = sum(path.stat().st_size for path in model.iterdir()) / 1e6
    data = f"{arguments.name}\n\n" if arguments.name else ""
    parts = [
        f"""\
# Prediction without torch

{data}Made by {provenance}. Ratios are medians over
rounds; each round measures all models in turn. fastText's predict and `Classifier.predict` take and return a list in
Python, on one core; fastText's titles are prepared outside the measurement, titleclf's are not.

{speed_table(measurements)}""",
        f"The bundle is {megabytes:.2f} MB.\n\n{start_table(arguments.model, arguments.rounds)}",
    ]
    if arguments.trained is not None:
        parts.append(folding_table(model, arguments.trained, arguments.test))
    return "\n".join(parts)


@exit_codes
def main() -> None:
    """Measure, print and write."""
    parser = report_parser("speed_predict", __doc__)
    parser.add_argument("--titles", type=Path, required=True, metavar="FILE", help="titles to predict")
    parser.add_argument("--guide", type=Path, metavar="FILE", help="an XMLTV guide, whose titles repeat")
    parser.add_argument("--model", default=SHIPPED, metavar="DIR", help="the model (%(default)s)")
    parser.add_argument("--trained", type=Path, metavar="RUN", help="the run that the model was folded from")
    parser.add_argument("--test", type=Path, metavar="FILE", help="labelled titles to evaluate both on")
    parser.add_argument("--count", type=count, default=100_000, metavar="N", help="titles per round (%(default)s)")
    parser.add_argument("--rounds", type=count, default=7, metavar="N", help="rounds (%(default)s)")
    parser.add_argument("--name", metavar="TEXT", help="a sentence on the data; the report then hides its files")
    arguments = parser.parse_args()
    if (arguments.trained is None) != (arguments.test is None):
        parser.error("--trained and --test go together")
    files = [arguments.titles, arguments.guide, arguments.trained, arguments.test]
    hidden = [str(file) for file in files if file is not None and arguments.name]
    text = report(arguments, made_by("speed_predict", hidden))
    write_report(arguments.output, text)


if __name__ == "__main__":
    main()
