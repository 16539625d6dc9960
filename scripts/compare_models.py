"""Compare the models with TF-IDF + linear SVC on the same splits of the same titles, and write a table.

python -m scripts.compare_models [--seeds 1 2 3] [--output results/compare.md] [key=value ...]
"""

import argparse
import contextlib
import io
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from scripts.common import peers
from titleclf.config.hydra import compose
from titleclf.data.dataset import read_data
from titleclf.data.targets import labels_of
from titleclf.evaluate.metrics import summary
from titleclf.runtime.bundle.contents import Metrics
from titleclf.runtime.errors import exit_codes
from titleclf.runtime.files import write_text
from titleclf.train import train

MODELS = {
    "ngram, pre-trained (the default)": [],
    "ngram": ["model=ngram"],
    "conv": ["model=conv"],
    "bag (the founding formula)": ["experiment=founding"],
}


def ours(overrides: list[str]) -> Metrics:
    """Train a model as `make train` does and return its test scores."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        run = train(compose("train", ["evaluate.robustness_titles=0", *overrides, f"output_dir={folder}"]))
        metrics: Metrics = json.loads((run / "metrics.json").read_text())
    return metrics


def svc(overrides: list[str]) -> Metrics:
    """Train the TF-IDF + SVC peer on the same training titles and return its scores on the same test titles."""
    config = compose("train", overrides)
    data = read_data(config)
    peer = peers.svc(config.seed)
    peer.fit(data.sides.train["title"], labels_of(data.sides.train, data.categories))
    return summary(peer.predict(data.sides.test["title"]), labels_of(data.sides.test, data.categories))


def measure(seeds: list[int], overrides: list[str]) -> pd.DataFrame:
    """Return a row for each model and seed: accuracy, macro_f1, titles, seconds."""
    rows = []
    models = {**{name: (ours, own) for name, own in MODELS.items()}, peers.SVC: (svc, [])}
    for seed in tqdm(seeds, "seeds", disable=None):
        for name, (run, own) in models.items():
            started = time.perf_counter()
            scores = run([*own, *overrides, f"seed={seed}"])
            seconds = time.perf_counter() - started
            row = {"accuracy": scores["accuracy"], "macro_f1": scores["macro_f1"], "titles": scores["titles"]}
            rows.append({"model": name, "seed": seed, "seconds": seconds, **row})
    return pd.DataFrame(rows)


def as_markdown(found: pd.DataFrame) -> str:
    """Return the means over seeds, with the lowest and highest accuracy and macro-F1, as a table."""
    lines = [
        "| model | accuracy (lowest to highest) | macro-F1 (lowest to highest) | seconds |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, group in found.groupby("model", sort=False):
        cells = [
            f"{group[score].mean():.1%} ({group[score].min():.1%} to {group[score].max():.1%})"
            for score in ("accuracy", "macro_f1")
        ]
        lines.append(f"| {name} | {cells[0]} | {cells[1]} | {group['seconds'].mean():.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="each is a split of its own (1 2 3)")
    parser.add_argument("--output", type=Path, default=Path("results/compare.md"), help="where the table goes")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="as for python -m titleclf.train")
    arguments = parser.parse_args()
    found = measure(arguments.seeds, arguments.overrides)
    tested = ", ".join(f"{count:,}" for count in found.drop_duplicates("seed")["titles"])
    table = as_markdown(found)
    command = " ".join(["python", "-m", "scripts.compare_models", *sys.argv[1:]])
    text = (
        f"# Models on the same held-out titles\n\n`{command}`, {os.cpu_count()} cores ({platform.machine()}), Python "
        f"{platform.python_version()}.\nMeans over {len(arguments.seeds)} splits of the titles ({tested} held out); "
        f"seconds are for reading, training and judging.\n\n{table}\n"
    )
    write_text(arguments.output, text)
    print(f"{table}\n\nWrote {arguments.output}")


if __name__ == "__main__":
    exit_codes(main)()
