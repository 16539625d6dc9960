"""Compare the models of titleclf and TF-IDF + linear SVC on the same splits of the same titles."""

import json
import tempfile
import time
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from tqdm import tqdm

from scripts.common import peers
from scripts.common.arguments import parse_with_overrides, report_parser
from scripts.common.report import as_table, made_by
from scripts.common.training import train_quietly
from titleclf.config.hydra import compose
from titleclf.data.dataset import read_dataset
from titleclf.evaluate.metrics import summary
from titleclf.runtime.bundle.contents import Metrics
from titleclf.runtime.errors import exit_codes
from titleclf.runtime.files import write_text

MODELS: dict[str, list[str]] = {
    "ngram, pre-trained (the default)": [],
    "ngram": ["model=ngram"],
    "conv": ["model=conv"],
    "bag (the founding formula)": ["experiment=founding"],
}


def titleclf_scores(overrides: Sequence[str]) -> Metrics:
    """Train a model as `make train` does, and return its test scores."""
    with tempfile.TemporaryDirectory() as folder:
        run = train_quietly(["evaluate.robustness_titles=0", *overrides], folder)
        metrics: Metrics = json.loads((run / "metrics.json").read_text())
    return metrics


def svc_scores(overrides: Sequence[str]) -> Metrics:
    """Train TF-IDF + SVC on the same training titles, and return its scores on the same test titles."""
    config = compose("train", overrides)
    data = read_dataset(config)
    peer = peers.svc(config.seed)
    peer.fit(data.train.titles, data.train.targets)
    return summary(peer.predict(data.test.titles), data.test.targets.astype(np.int64))


def measure(seeds: Sequence[int], overrides: Sequence[str]) -> pd.DataFrame:
    """Return a row for each model and seed: accuracy, macro_f1, titles, seconds."""
    models: dict[str, tuple[Callable[[Sequence[str]], Metrics], list[str]]] = {
        **{name: (titleclf_scores, model_overrides) for name, model_overrides in MODELS.items()},
        peers.SVC: (svc_scores, []),
    }
    rows = []
    for seed in tqdm(seeds, "seeds", disable=None):
        for name, (train, model_overrides) in models.items():
            started = time.perf_counter()
            scores = train([*model_overrides, *overrides, f"seed={seed}"])
            seconds = time.perf_counter() - started
            row = {"accuracy": scores["accuracy"], "macro_f1": scores["macro_f1"], "titles": scores["titles"]}
            rows.append({"model": name, "seed": seed, "seconds": seconds, **row})
    return pd.DataFrame(rows)


def as_markdown(rows: pd.DataFrame) -> str:
    """Return the means over seeds as a table, with the lowest and highest accuracy and macro-F1."""

    def cell(values: "pd.Series[float]") -> str:
        return f"{values.mean():.1%} ({values.min():.1%} to {values.max():.1%})"

    groups = rows.groupby("model", sort=False)
    cells = pd.DataFrame(
        {
            "accuracy (lowest to highest)": groups["accuracy"].agg(cell),
            "macro-F1 (lowest to highest)": groups["macro_f1"].agg(cell),
            "seconds": groups["seconds"].mean().map("{:.0f}".format),
        }
    )
    return as_table(cells)


@exit_codes
def main() -> None:
    """Measure, print and write."""
    parser = report_parser("compare_models", __doc__)
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[1, 2, 3], metavar="N", help="one split for each (1 2 3)"
    )
    arguments = parse_with_overrides(parser)
    provenance = made_by("compare_models")
    rows = measure(arguments.seeds, arguments.overrides)
    test_counts = ", ".join(f"{count:,}" for count in rows.drop_duplicates("seed")["titles"])
    table = as_markdown(rows)
    text = f"""\
# Models on the same held-out titles

{provenance}.
Means over {len(arguments.seeds)} splits of the titles ({test_counts} held out); seconds include reading and evaluation.

{table}"""
    write_text(arguments.output, text)
    print(f"{table}\nWrote {arguments.output}")


if __name__ == "__main__":
    main()
