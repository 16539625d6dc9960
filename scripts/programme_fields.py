"""Train on real guides with and without channel and duration, and compare on programmes that were held out.

python -m scripts.programme_fields --guides GUIDE.xml.gz ... [--seeds 1 2 3] [--name TEXT]
    [--output results/own_features.md] [key=value ...]

All models of a guide and a seed are trained on the same rows, one for each title on each channel.
"""

import argparse
import contextlib
import csv
import io
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import wrap
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from scripts.common.report import as_table, machine, shown
from titleclf.config.hydra import compose
from titleclf.epg.edits import own_categories
from titleclf.epg.genres import Labels
from titleclf.epg.harvest import Harvest
from titleclf.epg.parser import programmes
from titleclf.epg.xmltv import Programme
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError, exit_codes
from titleclf.runtime.files import write_text
from titleclf.runtime.text.title_keys import base_title, key_of
from titleclf.train import train

PRECISION = 0.9
NEW_CHANNELS, NEW_TITLES, KNOWN_TITLES = 0.1, 0.2, 0.1  # shares that are held out, in this order
CHANNEL, DURATION = "data.columns.channel=channel", "data.columns.duration=duration"
FEATURES = {"title": [], "title, channel": [CHANNEL], "title, duration": [DURATION], "all three": [CHANNEL, DURATION]}
TITLE_OF_ALL = "all three, asked for the title alone"
VIEWS = {
    "new titles": "New titles: no other episode of them was trained on",
    "known titles": "Known titles: other programmes of the same titles were trained on",
    "new titles, new channels": "New titles on channels that training has nothing of",
}
_COMMAND = ("python", "-m", "scripts.programme_fields")


class HeldOut(NamedTuple):
    """Programmes to train on, and by view those to judge by, with what their guide says of them."""

    train: list[Programme]
    views: dict[str, list[Programme]]


def labelled(guide: Path, labels: Labels) -> list[Programme]:
    """Return the programmes of a guide that have a title, and categories that stand for one genre."""
    found = [one for one in programmes(str(guide)) if one.title and own_categories(one)]
    return [one for one in found if labels.genre_of(own_categories(one)) is not None]


def held_out(found: Sequence[Programme], seed: int) -> HeldOut:
    """Hold out channels, titles with all of their episodes, and programmes of those that are left, drawn by `seed`."""
    generator = np.random.default_rng(seed)
    channels = _drawn((one.channel for one in found), NEW_CHANNELS, generator)
    titles = _drawn((base_title(one.title) for one in found), NEW_TITLES, generator)
    chance = generator.random(len(found))
    split = HeldOut([], {view: [] for view in VIEWS})
    for one, drawn in zip(found, chance, strict=True):
        is_new = base_title(one.title) in titles
        if one.channel in channels:
            split.views["new titles, new channels"] += [one] if is_new else []
        elif is_new:
            split.views["new titles"].append(one)
        else:
            (split.views["known titles"] if drawn < KNOWN_TITLES else split.train).append(one)
    known = {key_of(one.title) for one in split.train}
    split.views["known titles"][:] = [one for one in split.views["known titles"] if key_of(one.title) in known]
    return split


def _drawn(names: Iterable[str], share: float, generator: np.random.Generator) -> set[str]:
    different = sorted(set(names))
    return {different[place] for place in generator.permutation(len(different))[: round(share * len(different))]}


def write_rows(path: Path, train: Iterable[Programme], labels: Labels) -> None:
    """Write a row for each title on each channel, as `data.path=GUIDE` would read them."""
    found = Harvest(by_channel=True, with_minutes=True)
    for one in train:
        found.add(one, labels)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = [(row.title, row.genre.value, row.lang, *row.context) for row in found.rows()]
        csv.writer(file).writerows([("title", "category", "lang", "channel", "duration"), *rows])


def trained(rows: Path, folder: Path, seed: int, overrides: Sequence[str]) -> Classifier:
    """Train on the rows and return the model."""
    config = compose("train", [f"data.path={rows}", f"output_dir={folder}", f"seed={seed}", *overrides])
    with contextlib.redirect_stdout(io.StringIO()):
        return Classifier.load(train(config))


def judge(model: Classifier, some: Sequence[Programme], labels: Labels, *, by_title: bool = False) -> pd.DataFrame:
    """Return a row a programme: its title, whether the likeliest genre is right, and whether it is sure enough."""
    beside = {} if by_title else {"channels": [one.channel for one in some], "durations": [one.minutes for one in some]}
    found = model.predict([one.title for one in some], least=model.least_at(PRECISION), **beside)
    genres = [labels.genre_of(own_categories(one)) for one in some]
    return pd.DataFrame(
        {
            "title": [one.title for one in some],
            "right": [one.candidates[0][0] == genre for one, genre in zip(found, genres, strict=True)],
            "filled": [one.category is not None for one in found],
        }
    )


def measure(guide: Path, labels: Labels, seed: int, overrides: Sequence[str]) -> pd.DataFrame:
    """Return the rows of `judge` for each model and view."""
    split = held_out(labelled(guide, labels), seed)
    frames = []
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.csv"
        write_rows(rows, split.train, labels)
        for name, columns in FEATURES.items():
            model = trained(rows, Path(folder) / "runs", seed, [*overrides, *columns])
            asked = {name: False, TITLE_OF_ALL: True} if name == "all three" else {name: False}
            frames += [
                judge(model, some, labels, by_title=by_title).assign(features=told, view=view)
                for view, some in split.views.items()
                for told, by_title in asked.items()
            ]
    return pd.concat(frames).assign(guide=guide.name.partition(".")[0].upper(), seed=seed)


def scores_of(rows: pd.DataFrame) -> pd.Series:
    """Return how many programmes are right, how many titles (the mean of their programmes), and what is filled in."""
    filled = rows[rows["filled"]]
    return pd.Series(
        {
            "programmes": len(rows) / rows["seed"].nunique(),
            "accuracy": rows["right"].mean(),
            "by title": rows.groupby(["seed", "title"])["right"].mean().mean(),
            "coverage": rows["filled"].mean(),
            "precision": filled["right"].mean() if len(filled) else float("nan"),
        }
    )


def table(rows: pd.DataFrame) -> str:
    """Return the scores of each guide, by features."""
    found = rows.groupby(["guide", "features"]).apply(scores_of, include_groups=False)
    order = [*FEATURES, TITLE_OF_ALL]
    found = found.reindex([(guide, name) for guide in sorted(rows["guide"].unique()) for name in order])
    cells = found.map("{:.1%}".format).assign(programmes=found["programmes"].map("{:,.0f}".format))
    cells.insert(0, "features", cells.index.get_level_values("features"))
    return as_table(cells.droplevel("features"), words=2)


def report(arguments: argparse.Namespace, made_by: str) -> str:
    """Measure every guide with every seed and return the report."""
    labels = Labels.shipped()
    pairs = [(guide, seed) for guide in arguments.guides for seed in arguments.seeds]
    rows = pd.concat(
        [measure(guide, labels, seed, arguments.overrides) for guide, seed in tqdm(pairs, "guides", disable=None)]
    )
    parts = [f"## {about}\n\n{table(rows[rows['view'] == view])}" for view, about in VIEWS.items()]
    return "\n".join([_intro(arguments, made_by), *parts])


def _intro(arguments: argparse.Namespace, made_by: str) -> str:
    seeds = ", ".join(map(str, arguments.seeds))
    about = f"""{arguments.name or "Real guides"}. Of each guide's programmes that have a genre (their own categories,
    mapped by data/labels.csv) a part was held out, drawn by seed ({seeds}): {NEW_CHANNELS:.0%} of the channels; on the
    others {NEW_TITLES:.0%} of the titles with all their episodes; and of the programmes that are left
    {KNOWN_TITLES:.0%}. The rest was trained on, a row for each title on each channel: the same rows and the same seed
    for all models of a guide. Accuracy: the likeliest genre is right, of programmes as often as they are shown; "by
    title" each title counts once. Coverage and precision: how many programmes `epg fill --precision {PRECISION}` would
    fill, and how many of these rightly. All seeds together; `context.min_titles` and `context.dropout` were chosen on
    validation titles, with another seed (11)."""
    lines = wrap(" ".join(about.split()), 120)
    return "\n".join(["# Channel and duration beside the title", "", *lines, "", f"Made by `{made_by}.", ""])


@exit_codes
def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--guides", type=Path, nargs="+", required=True)
    parser.add_argument("--name", default="")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--output", type=Path, default=Path("results/own_features.md"))
    arguments, arguments.overrides = parser.parse_known_args()
    if any("=" not in override for override in arguments.overrides):
        raise InputError(f"overrides must read key=value. Got {' '.join(arguments.overrides)}. See --help.")
    hidden = [str(path) for path in arguments.guides] if arguments.name else []
    text = report(arguments, f"{shown(sys.argv[1:], hidden, _COMMAND)}`, {machine()}")
    write_text(arguments.output, text)
    print(f"{text}\nWrote {arguments.output}")


if __name__ == "__main__":
    main()
