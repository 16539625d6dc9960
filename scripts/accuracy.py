"""Compare titleclf, fastText and TF-IDF + linear SVC on the same titles, clean and noisy.

Trains all three on the same titles, and writes tables and a plot.
"""

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from tqdm import tqdm

from scripts.common.arguments import add_name, parse_with_overrides, report_parser
from scripts.common.noise import CLEAN, CONDITIONS, NoisyTitles, clean_and_noisy
from scripts.common.peers import FASTTEXT, FASTTEXT_SETTINGS, Model, Settings, peer_titles, trainers
from scripts.common.report import as_table, data_files, made_by
from scripts.common.training import compose_with_files
from titleclf.config.schemas import TrainConfig
from titleclf.data.dataset import Dataset, read_dataset
from titleclf.evaluate.coverage import coverage_curve
from titleclf.evaluate.metrics import expected_calibration_error, summary
from titleclf.evaluate.plots import save
from titleclf.runtime.arguments import count
from titleclf.runtime.arrays import Bools, Floats
from titleclf.runtime.errors import exit_codes
from titleclf.runtime.files import write_text
from titleclf.runtime.text.title_keys import base_title

UNSEEN, KNOWN = "unseen", "known"
PRECISION = 0.9  # for measuring coverage
SPEED_TITLES = 2_000
_COLOURS = ("#1f6fb4", "#e08a1e", "#8a8a8a")


def measure(
    config: TrainConfig, data: Dataset, titles: dict[str, NoisyTitles], settings: Settings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train and evaluate each model; `titles` are by kind, unseen and known.

    Returns the scores (a row for each model, kind of titles and condition) and the costs (a row for each model).
    """
    scores: list[dict[str, object]] = []
    costs = {}
    for name, train in tqdm(trainers(settings).items(), "models", disable=None):
        with tempfile.TemporaryDirectory() as folder:
            model = train(config, data, Path(folder))
            scores += [{"model": name, **row} for row in scores_of(model, titles)]
            costs[name] = costs_of(model, titles[UNSEEN], config.evaluate.calibration_bins)
    return pd.DataFrame(scores), pd.DataFrame.from_dict(costs, orient="index").rename_axis("model")


def scores_of(model: Model, titles: dict[str, NoisyTitles]) -> Iterator[dict[str, object]]:
    """Yield the scores of a model for each kind of titles and each condition."""
    for kind, (conditions, labels) in titles.items():
        for condition, copies in conditions.items():
            scores = summary(model.scores(copies).argmax(axis=1), labels)
            yield {"kind": kind, "condition": condition, **scores}


def costs_of(model: Model, unseen: NoisyTitles, bins: int) -> dict[str, float]:
    """Return a model's calibration error and coverage on clean unseen titles, its training time, speed and size."""
    titles = unseen.conditions[CLEAN]
    scores = model.scores(titles)
    right = scores.argmax(axis=1) == unseen.labels
    return {
        "calibration_error": (
            expected_calibration_error(scores, unseen.labels, bins) if model.has_probabilities else np.nan
        ),
        "coverage": coverage(confidence(scores, model.has_probabilities), right),
        "training_seconds": model.training_seconds,
        "titles_per_second": titles_per_second(model, titles),
        "megabytes": model.megabytes,
    }


def confidence(scores: Floats, are_probabilities: bool) -> Floats:
    """Return the confidence (titles,): the highest probability, or the distance from the best score to the second."""
    top2: Floats = np.partition(scores, -2, axis=1)[:, -2:]
    return top2[:, 1] if are_probabilities else top2[:, 1] - top2[:, 0]


def coverage(confidence: Floats, right: Bools) -> float:
    """Return the largest fraction of titles, most confident first, with a precision of at least `PRECISION`."""
    fractions, precisions = coverage_curve(confidence, right)
    return float(fractions[precisions >= PRECISION].max(initial=0.0))


def titles_per_second(model: Model, titles: list[str]) -> float:
    """Return the speed of the fastest of three batches."""
    batch = list(itertools.islice(itertools.cycle(titles), SPEED_TITLES))
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        model.predict(batch)
        seconds.append(time.perf_counter() - started)
    return len(batch) / min(seconds)


def report(config: TrainConfig, arguments: argparse.Namespace, provenance: str) -> str:
    """Train and evaluate all models, write the report and its plot, and return the tables."""
    data = read_dataset(config)
    known_count = min(arguments.titles, len(data.train))
    rows = pd.Series(range(len(data.train))).sample(known_count, random_state=arguments.seed)
    samples = {UNSEEN: data.test, KNOWN: data.train.take(rows.to_numpy().astype(np.int64))}
    titles = {kind: clean_and_noisy(sample, arguments.seed) for kind, sample in samples.items()}
    settings = FASTTEXT_SETTINGS | dict(arguments.fasttext)
    scores, costs = measure(config, data, titles, settings)
    tables = as_markdown(scores, costs)
    image = arguments.output.with_suffix(".png")
    save(image, plot(scores))
    text = f"""\
# titleclf, fastText and TF-IDF + SVC on the same titles

{provenance}.

{introduction(config, data, known_count, settings, arguments.name)}
![Accuracy by condition]({image.name})

{tables}"""
    write_text(arguments.output, text)
    return tables


def introduction(config: TrainConfig, data: Dataset, known_count: int, settings: Settings, name: str | None) -> str:
    """Return the data, the settings and the measures in words."""
    training, validation, unseen = map(len, (data.train, data.validation, data.test))
    programmes = set(map(base_title, peer_titles(data).titles))
    overlap = sum(base_title(title) in programmes for title in data.test.titles)
    values = ", ".join(f"{key} {value}" for key, value in settings.items())
    return f"""\
- Titles: {name or data_files(config)}. titleclf trains on {training:,} and keeps {validation:,} to choose its epoch and
  to calibrate; the peers need no validation set and train on all {training + validation:,}.
- Unseen: {unseen:,} test titles; {overlap:,} of them belong to programmes that also have training titles. Known:
  {known_count:,} titles that all models were trained on. All models get the same misspelt and reformatted titles.
- fastText: {values}; titles casefolded, model not quantized.
  With more than one thread its results vary from run to run.
- Calibration error: expected, over {config.evaluate.calibration_bins} bins; the SVC has no probabilities. Coverage:
  the largest fraction of titles, most confident first, that is answered with a precision of {PRECISION:.0%}.
- Training seconds exclude reading and evaluation; titles per second are the best of three batches.
"""


def as_markdown(scores: pd.DataFrame, costs: pd.DataFrame) -> str:
    """Return the tables: unseen and known titles by condition, then confidence and costs."""
    known, unseen = (scores[scores["kind"] == kind] for kind in (KNOWN, UNSEEN))
    accuracy = _by_condition(known, "accuracy")
    relative = accuracy.div(accuracy[CLEAN], axis=0)
    tables = {
        "Unseen titles: accuracy": _by_condition(unseen, "accuracy").map("{:.1%}".format),
        "Unseen titles: macro-F1": _by_condition(unseen, "macro_f1").map("{:.1%}".format),
        "Known titles: accuracy (relative to clean titles)": (
            accuracy.map("{:.1%}".format) + relative.map(" ({:.0%})".format)
        ),
        "Confidence on clean unseen titles, and costs": _cost_cells(costs),
    }
    return "\n".join(f"## {heading}\n\n{as_table(cells)}" for heading, cells in tables.items())


def plot(scores: pd.DataFrame) -> Figure:
    """Draw accuracy by condition, unseen and known titles side by side, in one colour for each model."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, kind in zip(panels, (UNSEEN, KNOWN), strict=True):
        percents = 100 * _by_condition(scores[scores["kind"] == kind], "accuracy")
        for number, (name, row) in enumerate(percents.iterrows()):
            centres = np.arange(len(row)) + 0.27 * (number - 1)
            bars = axes.bar(centres, row, 0.25, color=_COLOURS[number], label=name)
            axes.bar_label(bars, fmt="%.0f", fontsize=8, padding=1)
        axes.set(title=f"{kind.capitalize()} titles", ylim=(0, 105))
        axes.set_xticks(range(len(percents.columns)), [fill(name, 12) for name in percents.columns])
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
        axes.set_axisbelow(True)
    panels[0].set_ylabel("accuracy, %")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(_COLOURS), frameon=False)
    return figure


def _by_condition(scores: pd.DataFrame, score: str) -> pd.DataFrame:
    table = scores.pivot_table(index="model", columns="condition", values=score, sort=False)
    return table[list(CONDITIONS)]


def _cost_cells(costs: pd.DataFrame) -> pd.DataFrame:
    seconds = costs["training_seconds"].astype(float)
    return pd.DataFrame(
        {
            "calibration error": costs["calibration_error"].map(
                lambda error: "-" if np.isnan(error) else f"{error:.3f}"
            ),
            f"coverage at {PRECISION:.0%} precision": costs["coverage"].map("{:.1%}".format),
            "training seconds": seconds.map("{:,.1f}".format),
            "vs fastText": (seconds / seconds[FASTTEXT]).map("{:.2f} x".format),
            "titles per second": costs["titles_per_second"].map("{:,.0f}".format),
            "MB": costs["megabytes"].map("{:,.1f}".format),
        }
    )


def parse(given: Sequence[str]) -> argparse.Namespace:
    """Return the arguments."""
    parser = report_parser("accuracy", __doc__)
    parser.add_argument("--train", metavar="FILE", help="training titles (default: those of the package)")
    parser.add_argument("--test", metavar="FILE", help="test titles (default: held out from the training titles)")
    settings = ", ".join(f"{key}={value}" for key, value in FASTTEXT_SETTINGS.items())
    parser.add_argument(
        "--fasttext",
        type=_setting,
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help=f"settings of fastText (default: {settings})",
    )
    add_name(parser)
    parser.add_argument("--titles", type=count, default=3000, help="known titles to evaluate (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the noise and the samples (%(default)s)")
    return parse_with_overrides(parser, given)


def _setting(text: str) -> tuple[str, int | float]:
    key, _, value = text.partition("=")
    if key not in FASTTEXT_SETTINGS:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(FASTTEXT_SETTINGS)}. Got {key}.")
    return key, type(FASTTEXT_SETTINGS[key])(value)


@exit_codes
def main() -> None:
    """Measure, print and write."""
    arguments = parse(sys.argv[1:])
    files = [file for file in (arguments.train, arguments.test) if file and arguments.name]
    provenance = made_by("accuracy", files)
    config = compose_with_files(arguments.overrides, arguments.train, arguments.test)
    tables = report(config, arguments, provenance)
    print(f"{tables}\nWrote {arguments.output}")


if __name__ == "__main__":
    main()
