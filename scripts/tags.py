"""Train titleclf and TF-IDF + logistic regression on the tags of XMLTV guides in one run, and write a table.

python -m scripts.tags --guides GUIDE.xml.gz ... [--name TEXT] [--least 50] [--output results/multilabel.md]
    [key=value ...]
"""

import argparse
import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from tqdm import tqdm

from scripts.common.guides import tagged_titles
from scripts.common.report import as_table, machine, shown
from titleclf.config.hydra import compose
from titleclf.config.schemas import ColumnsConfig, TrainConfig
from titleclf.data.dataset import Data, read_data
from titleclf.data.targets import tags_of
from titleclf.evaluate.tag_metrics import average_precisions, summary
from titleclf.runtime.arrays import Floats
from titleclf.runtime.errors import InputError, exit_codes
from titleclf.runtime.files import write_text
from titleclf.runtime.tag_thresholds import best_for_all, best_thresholds
from titleclf.train import build, fit, pick_device
from titleclf.training.calibration import calibrate

OURS, PEER = "titleclf", "TF-IDF char_wb 1-5 + logistic regression, one vs rest"
STRENGTHS = (1, 3, 10, 30, 100)  # C of the regression, of which validation chooses
BY_TAG, FOR_ALL, HALF = "by tag", "one for all", "0.5"
_COMMAND = ("python", "-m", "scripts.tags")


class Trained(NamedTuple):
    """The probabilities of tags that a model gives, (titles, categories), and what training it took."""

    validation: Floats
    test: Floats
    seconds: float
    how: str


def train_ours(config: TrainConfig, data: Data) -> Trained:
    """Train and calibrate as `make train` does."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        started = time.perf_counter()
        bundle = build(config, data, pick_device(config.device))
        history = fit(config, data, bundle, Path(folder))
        calibrate(config, data, bundle)
        seconds = time.perf_counter() - started
    validation, test = (bundle.probabilities(list(side["title"]))[0] for side in data.sides[1:])
    return Trained(validation, test, seconds, f"{len(history)} epochs")


def train_peer(config: TrainConfig, data: Data) -> Trained:
    """Train a logistic regression a tag, as strong as makes the micro-F1 of validation highest."""
    tags = tags_of(data.sides.train, data.categories)
    started = time.perf_counter()
    features = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 5), sublinear_tf=True)
    train = features.fit_transform(data.sides.train["title"])
    validation, test = (features.transform(side["title"]) for side in data.sides[1:])
    read_seconds = time.perf_counter() - started
    found = []
    for strength in STRENGTHS:
        started = time.perf_counter()
        regression = LogisticRegression(C=strength, solver="liblinear", random_state=config.seed)
        model = OneVsRestClassifier(regression).fit(train, tags.astype(int))
        seconds = read_seconds + time.perf_counter() - started
        shares = model.predict_proba(validation)
        found.append(
            (_best_micro_f1(shares, data), Trained(shares, model.predict_proba(test), seconds, f"C {strength}"))
        )
    return max(found, key=lambda one: one[0])[1]


def _best_micro_f1(shares: Floats, data: Data) -> float:
    tags = tags_of(data.sides.validation, data.categories)
    return float(summary(shares >= best_for_all(shares, tags), tags)["micro_f1"])


def scores_of(trained: Trained, data: Data) -> Iterator[dict[str, object]]:
    """Yield the test scores at thresholds of each kind; all but 0.5 are chosen on validation, by the same rules."""
    validation, test = (tags_of(side, data.categories) for side in data.sides[1:])
    least = {
        BY_TAG: best_thresholds(trained.validation, validation),
        FOR_ALL: best_for_all(trained.validation, validation),
        HALF: 0.5,
    }
    averages = [one for one in average_precisions(trained.test, test) if one is not None]
    for thresholds, shares in least.items():
        scores = summary(trained.test >= shares, test)
        yield {"thresholds": thresholds, **scores, "average": np.mean(averages), "seconds": trained.seconds}


def measure(config: TrainConfig, titles: pd.DataFrame, block: str) -> tuple[pd.DataFrame, str]:
    """Train both models on the titles; return a row for each of their kinds of thresholds, and a line about titles."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "titles.csv"
        titles.to_csv(path, index=False)
        config = replace(
            config, data=replace(config.data, path=str(path), columns=ColumnsConfig(*titles.columns, "und", None, None))
        )
        data = read_data(config)
    rows, hows = [], []
    for name, train in ((OURS, train_ours), (PEER, train_peer)):
        trained = train(config, data)
        hows.append(f"{name}: {trained.how}")
        rows += [{"block": block, "model": name, **scores} for scores in scores_of(trained, data)]
    train, validation, test = (f"{len(side):,}" for side in data.sides)
    each = tags_of(data.sides.train, data.categories).sum(axis=1).mean()
    about = f"{len(data.categories)} tags, {each:.2f} a title; {train} titles to train on, {validation} to choose on"
    return pd.DataFrame(rows), f"- {block}: {about}, {test} to test. {'; '.join(hows)}."


def as_markdown(found: pd.DataFrame) -> str:
    """Return the scores as a table, a block of rows a guide."""
    cells = pd.DataFrame(
        {
            "guide": found["block"],
            "model": found["model"],
            "thresholds": found["thresholds"],
            "micro-F1": found["micro_f1"].map("{:.1%}".format),
            "macro-F1": found["macro_f1"].map("{:.1%}".format),
            "exactly right": found["subset_accuracy"].map("{:.1%}".format),
            "mean average precision": found["average"].map("{:.1%}".format),
            "training seconds": found["seconds"].map("{:,.0f}".format),
        }
    )
    return as_table(cells.set_index("guide"), words=3)


def multilabel(config: TrainConfig, arguments: argparse.Namespace, made_by: str) -> str:
    """Measure each guide alone and all together, write the report, and return its table."""
    blocks = {path.name.partition(".")[0].upper(): [path] for path in arguments.guides}
    if len(blocks) > 1:
        blocks["all together"] = arguments.guides
    frames, abouts = [], []
    for block, paths in tqdm(blocks.items(), "guides", disable=None):
        found, about = measure(config, tagged_titles(paths, arguments.least), block)
        frames.append(found)
        abouts.append(about)
    table = as_markdown(pd.concat(frames))
    text = f"""\
# Several tags: titleclf and one regression a tag on the same titles

{made_by}

Data: {arguments.name or ", ".join(map(str, arguments.guides))}. A title has the categories of all its programmes in a
guide, without those of fewer than {arguments.least} titles. Titles are split by programme, each tag in the same
proportions. Both models train on the same titles, and both choose on the same others: titleclf its epoch, memory and
calibration, the regression its C, and both their thresholds, by the same rules: by tag the best F1, steadied by that of
the average tag, or one for all with the best micro-F1. Seconds are for training, with the chosen C and without the
others, and without reading and judging.

{chr(10).join(abouts)}

{table}"""
    write_text(arguments.output, text)
    return table


def parse(given: list[str]) -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(
        usage="python -m scripts.tags [key=value ...] --guides FILE ... [options]",
        description=__doc__.splitlines()[0],
        allow_abbrev=False,
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="as for titleclf.train; before the options")
    parser.add_argument("--guides", type=Path, nargs="+", required=True, metavar="FILE", help="XMLTV, also .gz")
    parser.add_argument("--name", metavar="TEXT", help="the data in the report's words: its files are not named then")
    parser.add_argument("--least", type=int, default=50, help="titles that a tag must have to be kept (50)")
    parser.add_argument("--output", type=Path, default=Path("results/multilabel.md"), help="the report")
    arguments = parser.parse_args(given)
    missing = [str(path) for path in arguments.guides if not path.is_file()]
    if missing:
        raise InputError(f"--guides must be files that exist. Got {', '.join(missing)}. Check the paths.")
    return arguments


def main() -> None:
    """Measure, print and write."""
    arguments = parse(sys.argv[1:])
    files = list(map(str, arguments.guides)) if arguments.name else []
    made_by = f"`{shown(sys.argv[1:], files, _COMMAND)}`, {machine()}."
    config = compose("train", ["experiment=tags", *arguments.overrides])
    print(f"{multilabel(config, arguments, made_by)}\nWrote {arguments.output}")


if __name__ == "__main__":
    exit_codes(main)()
