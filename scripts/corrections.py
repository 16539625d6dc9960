"""Correct titles that a model got wrong, train again, and tell whether they and their spoilt copies are right now.

python -m scripts.corrections [--seeds 1 2 3] [--times 1 4 10] [--output results/corrections.md] [key=value ...]
"""

import argparse
import contextlib
import io
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from titleclf.config.hydra import compose
from titleclf.data import corrections
from titleclf.data.augmentation.noise import misspell, reformat
from titleclf.data.dataset import read_data
from titleclf.runtime.choices import Format, Misspelling
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import exit_codes
from titleclf.runtime.files import write_text
from titleclf.train import train

CORRECTED = 60  # titles, drawn from those of the test side that are answered wrong
COPIES = ["corrected", "one misspelling", "two", "a channel's format"]
OTHERS = "other test titles"


def trained(overrides: list[str]) -> Classifier:
    """Train as `make train` does and return the model."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        run = train(compose("train", ["evaluate.robustness_titles=0", *overrides, f"output_dir={folder}"]))
        return Classifier.load(run)


def right(model: Classifier, titles: list[str], categories: list[str]) -> float:
    """Return the share of titles that get these categories."""
    found = model.predict(titles)
    return float(np.mean([one.category == category for one, category in zip(found, categories, strict=True)]))


def shares(model: Classifier, titles: pd.DataFrame, others: pd.DataFrame) -> dict[str, float]:
    """Return how many of the corrected titles, of their copies and of the others are right."""
    names, categories = list(titles["title"]), list(titles["category"])
    generator = np.random.default_rng(1)
    copies = [
        names,
        misspell(names, list(Misspelling), 1, generator),
        misspell(names, list(Misspelling), 2, generator),
        reformat(names, list(Format), generator),
    ]
    found = {name: right(model, some, categories) for name, some in zip(COPIES, copies, strict=True)}
    return {**found, OTHERS: right(model, list(others["title"]), list(others["category"]))}


def measure(seeds: list[int], times: list[int], overrides: list[str]) -> pd.DataFrame:
    """Return a row for each seed and number of times that a corrected title is trained on; 0: without corrections."""
    rows = []
    for seed in tqdm(seeds, "seeds", disable=None):
        plain = [*overrides, f"seed={seed}"]
        before = trained(plain)
        test = read_data(compose("train", plain)).sides.test
        wrong = [
            one.category != want
            for one, want in zip(before.predict(list(test["title"])), test["category"], strict=True)
        ]
        chosen = test[wrong].sample(min(CORRECTED, sum(wrong)), random_state=seed)
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            path = Path(folder) / "corrections.csv"
            chosen.to_csv(path, index=False)
            corrected = [*plain, f"data.corrections={path}"]
            others = read_data(compose("train", corrected)).sides.test
            rows.append({"seed": seed, "times": 0, **shares(before, chosen, others)})
            for count in times:
                corrections.TIMES = count
                rows.append({"seed": seed, "times": count, **shares(trained(corrected), chosen, others)})
    return pd.DataFrame(rows)


def as_markdown(found: pd.DataFrame) -> str:
    """Return the means over seeds as a table."""
    columns = [*COPIES, OTHERS]
    lines = [f"| each trained on | {' | '.join(columns)} |", f"| --- |{' ---: |' * len(columns)}"]
    for times, row in found.groupby("times")[columns].mean().iterrows():
        name = {0: "not corrected", 1: "once"}.get(times, f"{times} times")
        lines.append(f"| {name} | {' | '.join(f'{row[column]:.1%}' for column in columns)} |")
    return "\n".join(lines)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--times", type=int, nargs="+", default=[1, 4, 10])
    parser.add_argument("--output", type=Path, default=Path("results/corrections.md"))
    parser.add_argument("overrides", nargs="*", help="as for titleclf.train")
    arguments = parser.parse_args()
    found = measure(arguments.seeds, arguments.times, arguments.overrides)
    command = " ".join(["python -m scripts.corrections", *sys.argv[1:]])
    text = (
        f"# Corrections\n\n    {command}\n\n"
        f"Test titles that the model got wrong, {CORRECTED} a seed, corrected by their labels; trained again. "
        "How many are right,\nspoilt copies too, and how many of the test titles that no correction speaks of. "
        f"Means over {len(arguments.seeds)} splits.\n\n{as_markdown(found)}\n"
    )
    write_text(arguments.output, text)
    print(f"{text}\nWrote {arguments.output}")


if __name__ == "__main__":
    exit_codes(main)()
