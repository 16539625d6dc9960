"""Compare titleclf and TF-IDF + logistic regression on the tags of XMLTV guides."""

import argparse
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from tqdm import tqdm

from scripts.common.arguments import add_guides, parse_with_overrides, report_parser
from scripts.common.peers import fit_titleclf
from scripts.common.report import as_percent, as_table, made_by, stem
from titleclf.config.hydra import compose
from titleclf.config.schemas import SHIPPED_COLUMNS, TrainConfig
from titleclf.data.dataset import Dataset, LabelledTitles, read_dataset
from titleclf.epg.parser import airings
from titleclf.evaluate.tag_metrics import average_precisions, summary
from titleclf.runtime.arrays import Bools, Floats
from titleclf.runtime.errors import InputError, exit_codes
from titleclf.runtime.files import write_text
from titleclf.runtime.text.programmes import Programmes
from titleclf.runtime.text.tags import BAR, joined
from titleclf.training.run import Run
from titleclf.training.threshold_fit import best_threshold_for_all, best_thresholds

TITLECLF, PEER = "titleclf", "TF-IDF char_wb 1-5 + logistic regression, one vs rest"
INVERSE_REGULARIZATIONS = (1, 3, 10, 30, 100)  # C of the regression, chosen on validation
BY_TAG, FOR_ALL, HALF = "by tag", "one for all", "0.5"
_DECORATION = re.compile(r"\s*\[[^\]]*\]$")  # for example [New], which guides append to the titles of a day


class Probabilities(NamedTuple):
    """A trained model's probabilities of tags, (titles, categories), with its training time and chosen settings."""

    validation: Floats
    test: Floats
    seconds: float
    settings: str


Trainer = Callable[[TrainConfig, Dataset], Probabilities]


def tagged_titles(guides: Sequence[Path], min_titles: int) -> pd.DataFrame:
    """Return `title, category, lang` of all distinct titles; the tags of all programmes of a title, joined by bars.

    Tags of fewer than `min_titles` titles are left out, and so are titles that have no other tags.
    """
    tags: defaultdict[str, set[str]] = defaultdict(set)
    languages: dict[str, str] = {}
    for guide in guides:
        for airing in airings(str(guide)):
            title = _DECORATION.sub("", airing.title)
            tags[title] |= {category.text.replace(BAR, "/") for category in airing.categories}  # bars separate tags
            languages.setdefault(title, airing.lang or "")
    counts = Counter(tag for title_tags in tags.values() for tag in title_tags)
    common = {tag for tag, count in counts.items() if count >= min_titles}
    rows = [
        (title, joined(title_tags & common), languages[title])
        for title, title_tags in tags.items()
        if title and title_tags & common
    ]
    return pd.DataFrame(rows, columns=["title", "category", "lang"])


def train_titleclf(config: TrainConfig, data: Dataset) -> Probabilities:
    """Train and calibrate as `make train` does."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), is_new=True)
        model, seconds = fit_titleclf(config, data, run)
    validation, test = (model.probabilities(Programmes(part.titles)) for part in (data.validation, data.test))
    return Probabilities(validation, test, seconds, f"{len(run.history)} epochs")


def train_regressions(config: TrainConfig, data: Dataset) -> Probabilities:
    """Train one logistic regression for each tag, with the regularization that has the best validation micro-F1."""
    tags = tags_of(data.train)
    started = time.perf_counter()
    features = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 5), sublinear_tf=True)
    train = features.fit_transform(data.train.titles)
    validation, test = (features.transform(part.titles) for part in (data.validation, data.test))
    feature_seconds = time.perf_counter() - started
    candidates = []
    for inverse in INVERSE_REGULARIZATIONS:
        started = time.perf_counter()
        regression = LogisticRegression(C=inverse, solver="liblinear", random_state=config.seed)
        model = OneVsRestClassifier(regression).fit(train, tags.astype(int))
        seconds = feature_seconds + time.perf_counter() - started
        probabilities = model.predict_proba(validation)
        candidates.append(Probabilities(probabilities, model.predict_proba(test), seconds, f"C {inverse}"))
    return max(candidates, key=lambda candidate: _best_micro_f1(candidate.validation, data))


def tags_of(titles: LabelledTitles) -> Bools:
    """Return the tags (titles, categories)."""
    return titles.targets.astype(np.bool_)


def _best_micro_f1(probabilities: Floats, data: Dataset) -> float:
    tags = tags_of(data.validation)
    return float(summary(probabilities >= best_threshold_for_all(probabilities, tags), tags)["micro_f1"])


def scores_of(probabilities: Probabilities, data: Dataset) -> Iterator[dict[str, Any]]:
    """Yield the test scores for each kind of thresholds; all but 0.5 are chosen on validation, by the same rules."""
    validation, test = tags_of(data.validation), tags_of(data.test)
    thresholds: dict[str, Floats | float] = {
        BY_TAG: best_thresholds(probabilities.validation, validation),
        FOR_ALL: best_threshold_for_all(probabilities.validation, validation),
        HALF: 0.5,
    }
    averages = [average for average in average_precisions(probabilities.test, test) if average is not None]
    for kind, values in thresholds.items():
        scores = summary(probabilities.test >= values, test)
        yield {"thresholds": kind, **scores, "average": np.mean(averages), "seconds": probabilities.seconds}


def measure(config: TrainConfig, titles: pd.DataFrame, block: str) -> tuple[pd.DataFrame, str]:
    """Train both models on the titles; return a row for each model and kind of thresholds, and a line on the data."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "titles.csv"
        titles.to_csv(path, index=False)
        config = replace(config, data=replace(config.data, path=str(path), columns=SHIPPED_COLUMNS))
        data = read_dataset(config)
    rows: list[dict[str, object]] = []
    settings = []
    trainers: dict[str, Trainer] = {TITLECLF: train_titleclf, PEER: train_regressions}
    for name, train in trainers.items():
        probabilities = train(config, data)
        settings.append(f"{name}: {probabilities.settings}")
        rows += [{"block": block, "model": name, **scores} for scores in scores_of(probabilities, data)]
    training, validation, test = (f"{len(part):,}" for part in (data.train, data.validation, data.test))
    tags_per_title = tags_of(data.train).sum(axis=1).mean()
    about = f"{len(data.categories)} tags, {tags_per_title:.2f} per title; {training} training titles"
    counts = f"{validation} validation titles, {test} test titles"
    return pd.DataFrame(rows), f"- {block}: {about}, {counts}. {'; '.join(settings)}."


def as_markdown(scores: pd.DataFrame) -> str:
    """Return the scores as a table, a block of rows for each guide."""
    cells = pd.DataFrame(
        {
            "guide": scores["block"],
            "model": scores["model"],
            "thresholds": scores["thresholds"],
            "micro-F1": scores["micro_f1"].map(as_percent),
            "macro-F1": scores["macro_f1"].map(as_percent),
            "exact match": scores["subset_accuracy"].map(as_percent),
            "mean average precision": scores["average"].map(as_percent),
            "training seconds": scores["seconds"].map("{:,.0f}".format),
        }
    )
    return as_table(cells.set_index("guide"), text_columns=3)


def report(config: TrainConfig, arguments: argparse.Namespace, provenance: str) -> str:
    """Measure each guide alone and all together, write the report, and return its table."""
    blocks = {stem(path): [path] for path in arguments.guides}
    if len(blocks) > 1:
        blocks["all together"] = arguments.guides
    frames, notes = [], []
    for block, guides in tqdm(blocks.items(), "guides", disable=None):
        scores, note = measure(config, tagged_titles(guides, arguments.min_titles), block)
        frames.append(scores)
        notes.append(note)
    table = as_markdown(pd.concat(frames))
    text = f"""\
# Tags: titleclf and one regression per tag on the same titles

{provenance}.

Data: {arguments.name or ", ".join(map(str, arguments.guides))}. A title has the categories of all its programmes in a
guide, without those of fewer than {arguments.min_titles} titles. Titles are split by programme, each tag in the same
proportions. Both models train on the same titles and are tuned on the same validation titles: titleclf chooses its
epoch, memory and calibration, the regression its C, and both their thresholds, by the same rules: "by tag" has the best
F1 of each tag, smoothed towards that of the average tag; "one for all" has the best micro-F1. Seconds are for training
with the chosen C alone, without reading and evaluation.

{chr(10).join(notes)}

{table}"""
    write_text(arguments.output, text)
    return table


def parse(given: Sequence[str]) -> argparse.Namespace:
    """Return the arguments.

    Raises
    ------
    InputError
        If a guide doesn't exist.
    """
    parser = report_parser("tags", __doc__)
    add_guides(parser)
    parser.add_argument(
        "--min-titles", type=int, default=50, metavar="N", help="leave out tags of fewer titles (%(default)s)"
    )
    arguments = parse_with_overrides(parser, given)
    missing = [str(path) for path in arguments.guides if not path.is_file()]
    if missing:
        raise InputError(f"--guides must be files that exist. Got {', '.join(missing)}. Check the paths.")
    return arguments


@exit_codes
def main() -> None:
    """Measure, print and write."""
    arguments = parse(sys.argv[1:])
    provenance = made_by("tags", list(map(str, arguments.guides)) if arguments.name else [])
    config: TrainConfig = compose("train", ["experiment=tags", *arguments.overrides])
    print(f"{report(config, arguments, provenance)}\nWrote {arguments.output}")


if __name__ == "__main__":
    main()
