"""Measure how well a model learns corrections of its mistakes, and how well it generalizes to noisy copies.

Corrects test titles that the model got wrong, trains again, and evaluates the corrected titles, noisy copies of them,
and all other test titles.
"""

import contextlib
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from scripts.common.arguments import parse_with_overrides, report_parser
from scripts.common.noise import NOISY, noisy_copies
from scripts.common.report import as_percent, as_table, made_by, write_report
from scripts.common.training import train_quietly
from titleclf.config.hydra import compose
from titleclf.data import corrections
from titleclf.data.dataset import read_splits
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import exit_codes
from titleclf.runtime.network import Network

CORRECTED = 60  # titles per seed
OTHERS = "other test titles"
COLUMNS = ["corrected", *NOISY, OTHERS]


def train_model(overrides: Sequence[str]) -> Classifier[Network]:
    """Train as `make train` does, and return the model."""
    with tempfile.TemporaryDirectory() as folder:
        return Classifier.load(train_quietly(["evaluate.robustness_titles=0", *overrides], folder))


def accuracy(model: Classifier[Network], titles: list[str], categories: list[str]) -> float:
    """Return the fraction of titles whose predicted category is the right one."""
    predictions = zip(model.predict(titles), categories, strict=True)
    return float(np.mean([prediction.category == category for prediction, category in predictions]))


def accuracies(model: Classifier[Network], corrected: pd.DataFrame, others: pd.DataFrame) -> dict[str, float]:
    """Return the accuracy on the corrected titles, on their noisy copies and on the other test titles."""
    titles, categories = list(corrected["title"]), list(corrected["category"])
    copies = noisy_copies(titles, [np.random.default_rng(1)] * len(NOISY))
    return {
        "corrected": accuracy(model, titles, categories),
        **{condition: accuracy(model, noisy, categories) for condition, noisy in copies.items()},
        OTHERS: accuracy(model, list(others["title"]), list(others["category"])),
    }


def measure(seeds: Sequence[int], repetitions: Sequence[int], overrides: Sequence[str]) -> pd.DataFrame:
    """Return a row for each seed and number of repetitions in training; 0 is the model before the corrections."""
    rows = []
    for seed in tqdm(seeds, "seeds", disable=None):
        uncorrected = [*overrides, f"seed={seed}"]
        before = train_model(uncorrected)
        frames, _ = read_splits(compose("train", uncorrected))
        test = frames.test
        predicted = [prediction.category for prediction in before.predict(list(test["title"]))]
        mistakes = test[test["category"] != predicted]
        corrected = mistakes.sample(min(CORRECTED, len(mistakes)), random_state=seed)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "corrections.csv"
            corrected.to_csv(path, index=False)
            with_corrections = [*uncorrected, f"data.corrections={path}"]
            with contextlib.redirect_stdout(io.StringIO()):
                corrected_frames, _ = read_splits(compose("train", with_corrections))
            others = corrected_frames.test
            rows.append({"seed": seed, "times": 0, **accuracies(before, corrected, others)})
            for times in repetitions:
                corrections.REPEATS = times
                after = train_model(with_corrections)
                rows.append({"seed": seed, "times": times, **accuracies(after, corrected, others)})
    return pd.DataFrame(rows)


def as_markdown(rows: pd.DataFrame) -> str:
    """Return the means over seeds as a table."""
    names = {0: "not corrected", 1: "once"}
    cells = rows.groupby("times")[COLUMNS].mean().map(as_percent)
    cells.index = pd.Index([names.get(times, f"{times} times") for times in cells.index], name="each trained on")
    return as_table(cells)


@exit_codes
def main() -> None:
    """Measure, print and write."""
    parser = report_parser("corrections", __doc__)
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[1, 2, 3], metavar="N", help="one split for each (1 2 3)"
    )
    parser.add_argument(
        "--times",
        type=int,
        nargs="+",
        default=[1, 4, 10],
        metavar="N",
        help="repetitions of a corrected title in training (1 4 10)",
    )
    arguments = parse_with_overrides(parser)
    provenance = made_by("corrections")
    rows = measure(arguments.seeds, arguments.times, arguments.overrides)
    text = f"""\
# Corrections

Made by {provenance}.

Test titles that the model got wrong, {CORRECTED} per seed, corrected by their labels; then the model was trained again.
Accuracy on the corrected titles, on noisy copies of them, and on the test titles without a correction. Means over
{len(arguments.seeds)} splits.

{as_markdown(rows)}"""
    write_report(arguments.output, text)


if __name__ == "__main__":
    main()
