"""Measure the accuracy of filled guides.

Removes the categories of half of the channels of real guides, fills them in again, and compares with the originals.
The harvested model is trained on the other channels, as `train data.path=GUIDE` does. The report also
evaluates separately the programmes whose titles are neither on those channels nor among the titles of --known.
"""

import argparse
import tempfile
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from scripts.common.arguments import add_guides, parse_with_overrides, report_parser
from scripts.common.report import as_percent, as_table, made_by, stem, write_report
from scripts.common.training import train_quietly
from titleclf.config.schemas import SHIPPED_COLUMNS
from titleclf.data.titles import read_titles
from titleclf.epg.decisions import Decider, Query
from titleclf.epg.edits import rewrite
from titleclf.epg.fill import Filler, When, surveyed
from titleclf.epg.genres import Genre, GenreTable
from titleclf.epg.parser import airings
from titleclf.epg.xmltv import Edit, Piece
from titleclf.runtime.bundle.reader import model_folder
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import exit_codes
from titleclf.runtime.files import SHIPPED
from titleclf.runtime.network import Network
from titleclf.runtime.text.programmes import Programme
from titleclf.runtime.text.title_keys import key_of

PRECISION = 0.9
MODELS = SHIPPED_MODEL, HARVESTED, BOTH = "shipped", "harvested", "harvested, then shipped"


class StrippedGuide(NamedTuple):
    """A guide without the categories of half of its channels, and the programmes of those, with their genres."""

    path: Path
    programmes: list[Programme]
    genres: list[Genre]
    kept_titles: set[str]  # by `key_of`, the titles on the channels that keep their categories


def strip_categories(guide: Path, path: Path, table: GenreTable, seed: int) -> StrippedGuide:
    """Write the guide to `path` without the categories of half of its channels, drawn by `seed`."""
    channels = sorted({airing.channel for airing in airings(str(guide))})
    drawn = np.random.default_rng(seed).permutation(len(channels))[: len(channels) // 2]
    stripped_channels = {channels[index] for index in drawn}
    stripped = StrippedGuide(path, [], [], set())

    for airing in airings(str(guide), with_texts=True):
        genre = table.genre_of([category.text for category in airing.categories])
        if airing.channel not in stripped_channels:
            stripped.kept_titles.add(key_of(airing.title))
        elif genre is not None and airing.title:
            stripped.programmes.append(airing.programme)
            stripped.genres.append(genre)

    def edits(piece: Piece) -> list[Edit]:
        stripped_airings = [airing for airing in piece.airings if airing.channel in stripped_channels]
        return [piece.removal(category) for airing in stripped_airings for category in airing.categories]

    rewrite(str(guide), str(path), edits)
    return stripped


def evaluate(
    models: Sequence[Classifier[Network]], stripped: StrippedGuide, known: set[str], table: GenreTable
) -> pd.DataFrame:
    """Return a row for each programme: its genre, the top genre, whether it is filled, and whether its title is new."""
    decider = Decider([(model, model.thresholds_at(PRECISION)) for model in models])
    filler = Filler(decider, profile=None, when=When.missing, with_keywords=False, table=table)
    with surveyed(str(stripped.path), filler):  # all of the guide, as a fill reads it
        decisions = decider.decide(map(Query, stripped.programmes))
    keys = [key_of(programme.title) for programme in stripped.programmes]
    return pd.DataFrame(
        {
            "genre": stripped.genres,
            "top1": [(*decision.categories, decision.top1)[0] for decision in decisions],
            "filled": [bool(decision.categories) for decision in decisions],
            "on_other_channels": [key in stripped.kept_titles for key in keys],
            "known": [key in known for key in keys],
        }
    ).assign(right=lambda rows: rows["genre"] == rows["top1"])


def measure(guide: Path, table: GenreTable, known: set[str], seed: int, overrides: Sequence[str]) -> pd.DataFrame:
    """Return the rows of `evaluate` for each model."""
    with tempfile.TemporaryDirectory() as folder:
        stripped = strip_categories(guide, Path(folder) / "stripped.xml", table, seed)
        run = train_quietly(
            [f"data.path={stripped.path}", f"seed={seed}", "training.refit=true", *overrides], Path(folder) / "runs"
        )
        shipped, harvested = Classifier.load(model_folder(SHIPPED)), Classifier.load(run)
        models = {SHIPPED_MODEL: [shipped], HARVESTED: [harvested], BOTH: [harvested, shipped]}
        frames = [
            evaluate(classifiers, stripped, known, table).assign(model=name) for name, classifiers in models.items()
        ]
    return pd.concat(frames).assign(guide=stem(guide), seed=seed)


def daily_changes(model: Classifier[Network], guide: Path) -> dict[str, object]:
    """Fill each day of a guide as a guide of its own, and compare what the same showings get on the next day.

    A showing is a title on a channel; it is the same if all its programmes have the same fields. A pair is counted once
    for each two days that follow each other in the guide.
    """
    days: dict[str, list[Programme]] = {}
    for airing in airings(str(guide), with_texts=True):
        if airing.title:
            days.setdefault(airing.start[:8], []).append(airing.programme)
    decided = [_decided(model, days[day]) for day in sorted(days)]
    pairs = [
        (genres, tomorrow[showing])
        for today, tomorrow in pairwise(decided)
        for showing, genres in today.items()
        if showing in tomorrow
    ]
    return {
        "pairs": len(pairs),
        "another genre": np.mean([bool(before and after and before != after) for before, after in pairs]),
        "filled on one day only": np.mean([bool(before) != bool(after) for before, after in pairs]),
    }


def _decided(
    model: Classifier[Network], programmes: Sequence[Programme]
) -> dict[frozenset[Programme], tuple[str, ...]]:
    """Return the categories of each showing of a guide, by its programmes."""
    decider = Decider([(model, model.thresholds_at(PRECISION))])
    decider.survey(programmes)
    showings: dict[tuple[str, str | None], set[Programme]] = {}
    for programme in programmes:
        showings.setdefault((programme.title, programme.channel), set()).add(programme)
    decisions = decider.decide(Query(next(iter(same))) for same in showings.values())
    return {frozenset(same): decision.categories for same, decision in zip(showings.values(), decisions, strict=True)}


def scores_of(rows: pd.DataFrame) -> dict[str, float]:
    """Return the number of programmes, and the accuracy, coverage and precision of their genres."""
    return {
        "programmes": len(rows),
        "accuracy": rows["right"].mean(),
        "coverage": rows["filled"].mean(),
        "precision": rows[rows["filled"]]["right"].mean(),
    }


def scores_of_genre(rows: pd.DataFrame, genre: str) -> dict[str, float]:
    """Return the scores of the programmes of a genre, but the precision of all programmes filled in with it."""
    filled = rows[rows["filled"] & (rows["top1"] == genre)]
    return {**scores_of(rows[rows["genre"] == genre]), "precision": filled["right"].mean()}


def tables(rows: pd.DataFrame) -> list[str]:
    """Return the tables of the report: all programmes, those with titles new to all models, and each genre."""
    guides, genres = sorted(rows["guide"].unique()), sorted(rows["genre"].unique())
    unseen = rows[~rows["on_other_channels"] & ~rows["known"]]
    by_model = {model: rows[rows["model"] == model] for model in MODELS}
    by_genre = [
        {"genre": genre, "model": model, **scores_of_genre(model_rows, genre)}
        for genre in genres
        for model, model_rows in by_model.items()
    ]
    return [
        f"## All programmes of the channels without categories\n\n{_as_table(_by_guide(rows, guides))}",
        "## Programmes whose titles are neither on another channel nor among the shipped model's training titles\n\n"
        + _as_table(_by_guide(unseen, guides)),
        "## Each genre, all guides together\n\nPrecision: of the programmes filled in with this genre.\n\n"
        + _as_table(by_genre),
    ]


def _changes_table(changes: pd.DataFrame) -> str:
    cells = changes.assign(pairs=changes["pairs"].map("{:,}".format))
    for share in ("another genre", "filled on one day only"):
        cells[share] = cells[share].map(as_percent)
    introduction = """\
## From one day to the next

Each day of a guide was filled by the shipped model as a guide of its own. Pairs: a title on a channel on two days that
follow each other, with the same fields on both.
"""
    return f"{introduction}\n{as_table(cells.set_index('guide'), text_columns=1)}"


def _by_guide(rows: pd.DataFrame, guides: Iterable[str]) -> list[dict[str, object]]:
    return [
        {"guide": guide, "model": model, **scores_of(rows[(rows["guide"] == guide) & (rows["model"] == model)])}
        for guide in guides
        for model in MODELS
    ]


def _as_table(scores: Sequence[dict[str, object]]) -> str:
    cells = pd.DataFrame(scores)
    cells["programmes"] = cells["programmes"].map("{:,}".format)
    for score in ("accuracy", "coverage", "precision"):
        cells[score] = cells[score].map(as_percent)
    return as_table(cells.set_index(cells.columns[0]), text_columns=2)


def known_titles(paths: Iterable[Path]) -> set[str]:
    """Return the keys of all titles in tables."""
    return {key_of(title) for path in paths for title in read_titles(path, SHIPPED_COLUMNS)["title"]}


def report(arguments: argparse.Namespace, provenance: str) -> str:
    """Measure every guide with every seed, and return the report."""
    table, known = GenreTable.shipped(), known_titles(arguments.known)
    pairs = [(guide, seed) for guide in arguments.guides for seed in arguments.seeds]
    rows = pd.concat(
        [measure(guide, table, known, seed, arguments.overrides) for guide, seed in tqdm(pairs, "guides", disable=None)]
    )
    shipped = Classifier.load(model_folder(SHIPPED))
    changes = pd.DataFrame([{"guide": stem(guide), **daily_changes(shipped, guide)} for guide in arguments.guides])
    seeds = ", ".join(map(str, arguments.seeds))
    introduction = f"""\
# Accuracy of filled guides

{arguments.name or "Real guides"}. The categories of half of the channels of each guide, drawn by seed ({seeds}), were
removed and filled in again at `--precision {PRECISION}`. The original categories, mapped to the ten genres by
data/labels.csv, are the truth. Accuracy: the top genre is right. Coverage: programmes that got a genre. Precision:
filled genres that are right. Programmes count once for each airing and each draw. The number of validation titles, the
fit of the thresholds and the order of the two models were chosen on other draws (seeds 11, 12, 13) of the same guides.

Made by {provenance}.
"""
    return "\n".join([introduction, *tables(rows), _changes_table(changes)])


@exit_codes
def main() -> None:
    """Measure, print and write."""
    parser = report_parser("fill_accuracy", __doc__)
    add_guides(parser)
    parser.add_argument(
        "--known", type=Path, nargs="*", default=[], metavar="FILE", help="training titles of the shipped model"
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[1, 2, 3], metavar="N", help="one draw of channels for each (1 2 3)"
    )
    arguments = parse_with_overrides(parser)
    files = [str(path) for path in (*arguments.guides, *arguments.known)] if arguments.name else []
    text = report(arguments, made_by("fill_accuracy", files))
    write_report(arguments.output, text)


if __name__ == "__main__":
    main()
