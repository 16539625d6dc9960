"""Measure how much the channel and the duration of a programme add to its title.

Trains on real guides with and without these fields, always on the same rows (one for each title on each channel), and
evaluates on held-out programmes.
"""

import argparse
import csv
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from scripts.common.arguments import parse_with_overrides, report_parser
from scripts.common.report import as_percent, as_table, made_by, stem
from scripts.common.training import train_quietly
from titleclf.epg.edits import own_categories
from titleclf.epg.genres import GenreTable
from titleclf.epg.harvest import Harvest
from titleclf.epg.parser import airings
from titleclf.epg.xmltv import Airing
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import exit_codes
from titleclf.runtime.files import write_text
from titleclf.runtime.network import Network
from titleclf.runtime.text.programmes import Programmes
from titleclf.runtime.text.title_keys import base_title, key_of

PRECISION = 0.9
NEW_CHANNELS, NEW_TITLES, KNOWN_TITLES = 0.1, 0.2, 0.1  # held-out fractions, in this order
CHANNEL, DURATION = "data.columns.channel=channel", "data.columns.duration=duration"
ALL_FIELDS, TITLE_ONLY = "all three", "all three, given the title alone"
FIELDS: dict[str, list[str]] = {
    "title": [],
    "title, channel": [CHANNEL],
    "title, duration": [DURATION],
    ALL_FIELDS: [CHANNEL, DURATION],
}
VIEWS = {
    "new titles": "New titles: no other episode in training",
    "known titles": "Known titles: other programmes of the same title in training",
    "new titles, new channels": "New titles on new channels: no programme of the channel in training",
}


class HeldOut(NamedTuple):
    """Programmes of a guide to train on, and by view those to evaluate on."""

    train: list[Airing]
    views: dict[str, list[Airing]]


def labelled(guide: Path, table: GenreTable) -> list[Airing]:
    """Return the programmes of a guide that have a title, and categories that stand for one genre."""
    return [
        airing
        for airing in airings(str(guide))
        if airing.title and own_categories(airing) and table.genre_of(own_categories(airing)) is not None
    ]


def hold_out(guide: Sequence[Airing], seed: int) -> HeldOut:
    """Hold out channels, titles with all their episodes, and some of the remaining programmes, drawn by `seed`."""
    generator = np.random.default_rng(seed)
    channels = _drawn((airing.channel for airing in guide), NEW_CHANNELS, generator)
    titles = _drawn((base_title(airing.title) for airing in guide), NEW_TITLES, generator)
    split = HeldOut([], {view: [] for view in VIEWS})
    for airing, draw in zip(guide, generator.random(len(guide)), strict=True):
        is_new = base_title(airing.title) in titles
        if airing.channel in channels:
            split.views["new titles, new channels"] += [airing] if is_new else []
        elif is_new:
            split.views["new titles"].append(airing)
        else:
            (split.views["known titles"] if draw < KNOWN_TITLES else split.train).append(airing)
    trained = {key_of(airing.title) for airing in split.train}
    split.views["known titles"][:] = [
        airing for airing in split.views["known titles"] if key_of(airing.title) in trained
    ]
    return split


def _drawn(names: Iterable[str], fraction: float, generator: np.random.Generator) -> set[str]:
    distinct = sorted(set(names))
    return {distinct[index] for index in generator.permutation(len(distinct))[: round(fraction * len(distinct))]}


def write_rows(path: Path, train: Iterable[Airing], table: GenreTable) -> None:
    """Write a row for each title on each channel, as `data.path=GUIDE` reads them."""
    harvest = Harvest(by_channel=True, with_minutes=True)
    for airing in train:
        harvest.add(airing, table)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = [
            (row.programme.title, row.genre.value, row.lang, row.programme.channel, row.programme.minutes)
            for row in harvest.rows()
        ]
        csv.writer(file).writerows([("title", "category", "lang", "channel", "duration"), *rows])


def evaluate(
    model: Classifier[Network], held_out: Sequence[Airing], table: GenreTable, *, title_only: bool = False
) -> pd.DataFrame:
    """Return a row for each programme: its title, whether the top genre is right, and whether it is filled in."""
    programmes = Programmes.of(airing.programme for airing in held_out)
    predictions = model.predict_programmes(
        programmes.titles_only() if title_only else programmes, min_probability=model.thresholds_at(PRECISION)
    )
    genres = [table.genre_of(own_categories(airing)) for airing in held_out]
    return pd.DataFrame(
        {
            "title": [airing.title for airing in held_out],
            "right": [
                prediction.candidates[0][0] == genre for prediction, genre in zip(predictions, genres, strict=True)
            ],
            "filled": [prediction.category is not None for prediction in predictions],
        }
    )


def measure(guide: Path, table: GenreTable, seed: int, overrides: Sequence[str]) -> pd.DataFrame:
    """Return the rows of `evaluate` for each model and view."""
    split = hold_out(labelled(guide, table), seed)
    frames = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        write_rows(path, split.train, table)
        for fields, columns in FIELDS.items():
            run = train_quietly([f"data.path={path}", f"seed={seed}", *overrides, *columns], Path(folder) / "runs")
            model = Classifier.load(run)
            for view, held_out in split.views.items():
                frames.append(evaluate(model, held_out, table).assign(fields=fields, view=view))
                if fields == ALL_FIELDS:
                    rows = evaluate(model, held_out, table, title_only=True)
                    frames.append(rows.assign(fields=TITLE_ONLY, view=view))
    return pd.concat(frames).assign(guide=stem(guide), seed=seed)


def scores_of(rows: pd.DataFrame) -> dict[str, str]:
    """Return the mean number of programmes of a seed, accuracy by programme and by title, coverage and precision."""
    return {
        "programmes": f"{len(rows) / rows['seed'].nunique():,.0f}",
        "accuracy": as_percent(rows["right"].mean()),
        "by title": as_percent(rows.groupby(["seed", "title"])["right"].mean().mean()),
        "coverage": as_percent(rows["filled"].mean()),
        "precision": as_percent(rows[rows["filled"]]["right"].mean()),
    }


def as_markdown(rows: pd.DataFrame) -> str:
    """Return the scores as a table, by guide and fields."""
    cells = [
        {
            "guide": guide,
            "fields": fields,
            **scores_of(rows[(rows["guide"] == guide) & (rows["fields"] == fields)]),
        }
        for guide in sorted(rows["guide"].unique())
        for fields in (*FIELDS, TITLE_ONLY)
    ]
    return as_table(pd.DataFrame(cells).set_index("guide"), text_columns=2)


def report(arguments: argparse.Namespace, provenance: str) -> str:
    """Measure every guide with every seed, and return the report."""
    table = GenreTable.shipped()
    pairs = [(guide, seed) for guide in arguments.guides for seed in arguments.seeds]
    rows = pd.concat(
        [measure(guide, table, seed, arguments.overrides) for guide, seed in tqdm(pairs, "guides", disable=None)]
    )
    parts = [f"## {heading}\n\n{as_markdown(rows[rows['view'] == view])}" for view, heading in VIEWS.items()]
    return "\n".join([_introduction(arguments, provenance), *parts])


def _introduction(arguments: argparse.Namespace, provenance: str) -> str:
    seeds = ", ".join(map(str, arguments.seeds))
    about = f"""{arguments.name or "Real guides"}. From the programmes of each guide that have a genre (their own
    categories, mapped by data/labels.csv), programmes were held out by seed ({seeds}): {NEW_CHANNELS:.0%} of the
    channels; on the other channels {NEW_TITLES:.0%} of the titles with all their episodes; and {KNOWN_TITLES:.0%} of
    the remaining programmes. All models of a guide were trained on the rest with the same seed, a row for each title on
    each channel. Accuracy: the top genre is right, with each programme counted once for each airing; "by title" counts
    each title once. Coverage and precision: programmes that `epg fill --precision {PRECISION}` would fill, and how many
    of those are right. All seeds together; `context.min_titles` and `context.dropout` were chosen on validation titles,
    with another seed (11)."""
    return f"""\
# Channel and duration beside the title

{fill(" ".join(about.split()), 120)}

Made by {provenance}.
"""


@exit_codes
def main() -> None:
    """Measure, print and write."""
    parser = report_parser("programme_fields", __doc__)
    parser.add_argument("--guides", type=Path, nargs="+", required=True, metavar="FILE", help="XMLTV, also .gz")
    parser.add_argument(
        "--name", default="", metavar="TEXT", help="a name for the data; the report then hides its files"
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[1, 2, 3], metavar="N", help="one split for each (1 2 3)"
    )
    arguments = parse_with_overrides(parser)
    files = [str(path) for path in arguments.guides] if arguments.name else []
    text = report(arguments, made_by("programme_fields", files))
    write_text(arguments.output, text)
    print(f"{text}\nWrote {arguments.output}")


if __name__ == "__main__":
    main()
