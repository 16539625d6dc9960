"""Take the categories of half of the channels of real guides away, fill them in again, and compare with what was there.

python -m scripts.fill_accuracy --guides GUIDE.xml.gz ... [--name TEXT] [--known TITLES.csv.gz ...] [--seeds 1 2 3]
    [--output results/fill.md] [key=value ...]

The harvested model is trained on the channels that keep theirs, as `train data.path=GUIDE` does. `--known` are the
titles that the shipped model was trained on: programmes whose titles are not among them are told apart.
"""

import argparse
import contextlib
import io
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from scripts.common.report import as_table, machine, shown
from titleclf.config.hydra import compose
from titleclf.config.schemas import ColumnsConfig
from titleclf.data.titles import read_titles
from titleclf.epg.edits import rewrite
from titleclf.epg.fill import Decider
from titleclf.epg.genres import Genre, Labels
from titleclf.epg.parser import programmes
from titleclf.epg.xmltv import Edit, Piece
from titleclf.runtime.bundle.reader import model_folder
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError, exit_codes
from titleclf.runtime.files import SHIPPED, write_text
from titleclf.runtime.text.title_keys import key_of
from titleclf.train import train

PRECISION = 0.9
MODELS = SHIPPED_MODEL, HARVESTED, BOTH = "shipped", "harvested", "harvested, then shipped"
_COMMAND = ("python", "-m", "scripts.fill_accuracy")
_COLUMNS = ColumnsConfig("title", "category", "lang", "und", channel=None, duration=None)


class Taken(NamedTuple):
    """A guide whose categories were taken away on half of its channels, and what these said of their programmes."""

    path: Path
    titles: list[str]
    genres: list[Genre]
    channels: int
    kept: set[str]  # by `key_of`, the titles of the channels that keep theirs


def take_away(guide: Path, path: Path, labels: Labels, seed: int) -> Taken:
    """Write the guide to `path` without the categories of half of its channels, drawn by `seed`."""
    channels = sorted({programme.channel for programme in programmes(str(guide))})
    drawn = np.random.default_rng(seed).permutation(len(channels))[: len(channels) // 2]
    bare = {channels[place] for place in drawn}
    taken = Taken(path, [], [], len(bare), set())

    def edits(piece: Piece) -> list[Edit]:
        found = []
        for programme in piece.programmes:
            if programme.channel not in bare:
                taken.kept.add(key_of(programme.title))
                continue
            genre = labels.genre_of([category.text for category in programme.categories])
            if genre is not None and programme.title:
                taken.titles.append(programme.title)
                taken.genres.append(genre)
            found += [piece.removal(category) for category in programme.categories]
        return found

    rewrite(str(guide), str(path), edits)
    return taken


def train_on(guide: Path, overrides: Sequence[str], seed: int, folder: Path) -> Classifier:
    """Train on the categories that the guide still has."""
    config = compose("train", [f"data.path={guide}", f"output_dir={folder}", f"seed={seed}", *overrides])
    with contextlib.redirect_stdout(io.StringIO()):
        return Classifier.load(train(config))


def judge(models: Sequence[Classifier], taken: Taken, known: set[str]) -> pd.DataFrame:
    """Return a row a programme: its genre, the likeliest one, whether that is filled in, and who knows its title."""
    decider = Decider([(model, model.least_at(PRECISION)) for model in models])
    decisions = decider.decide(taken.titles)
    keys = [key_of(title) for title in taken.titles]
    return pd.DataFrame(
        {
            "genre": taken.genres,
            "likeliest": [(*one.categories, one.likeliest)[0] for one in decisions],
            "filled": [bool(one.categories) for one in decisions],
            "elsewhere": [key in taken.kept for key in keys],
            "trained": [key in known for key in keys],
        }
    ).assign(right=lambda rows: rows["genre"] == rows["likeliest"])


def scores_of(rows: pd.DataFrame) -> dict[str, float]:
    """Return the shares of programmes that get the right genre if all get one, that get one, and rightly so."""
    filled = rows[rows["filled"]]
    return {
        "programmes": len(rows),
        "accuracy": rows["right"].mean(),
        "coverage": rows["filled"].mean(),
        "precision": filled["right"].mean() if len(filled) else float("nan"),
    }


def measure(guide: Path, labels: Labels, known: set[str], seed: int, overrides: Sequence[str]) -> pd.DataFrame:
    """Return the rows of `judge` for each model."""
    with tempfile.TemporaryDirectory() as folder:
        taken = take_away(guide, Path(folder) / "bare.xml", labels, seed)
        shipped = Classifier.load(model_folder(SHIPPED))
        harvested = train_on(taken.path, overrides, seed, Path(folder) / "runs")
    models = {SHIPPED_MODEL: [shipped], HARVESTED: [harvested], BOTH: [harvested, shipped]}
    frames = [judge(some, taken, known).assign(model=name) for name, some in models.items()]
    return pd.concat(frames).assign(guide=guide.name.partition(".")[0].upper(), seed=seed)


def scores_by_genre(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of each genre: of its own programmes, but precision of those that are filled in as it."""
    of_own = rows.groupby("genre").apply(lambda some: pd.Series(scores_of(some)), include_groups=False)
    of_named = rows[rows["filled"]].groupby("likeliest")["right"].mean()
    return of_own.assign(precision=of_named.reindex(of_own.index))


def tables(rows: pd.DataFrame) -> list[str]:
    """Return the tables of the report: all programmes, those with titles that no model has seen, and each genre."""
    unseen = rows[~rows["elsewhere"] & ~rows["trained"]]
    return [
        "## All programmes of the channels without categories\n\n" + _by_guide(rows),
        "## Those whose titles were on no other channel, nor among those that the shipped model was trained on\n\n"
        + _by_guide(unseen),
        "## Each genre, all guides together\n\nPrecision is that of programmes that are filled in as this genre.\n\n"
        + _table(pd.concat({model: scores_by_genre(rows[rows["model"] == model]) for model in MODELS}).swaplevel()),
    ]


def _by_guide(rows: pd.DataFrame) -> str:
    found = rows.groupby(["guide", "model"]).apply(lambda some: pd.Series(scores_of(some)), include_groups=False)
    return _table(found)


def _table(found: pd.DataFrame) -> str:
    groups = list(dict.fromkeys(sorted(found.index.get_level_values(0))))
    found = found.reindex([(group, model) for group in groups for model in MODELS])
    cells = {
        "programmes": found["programmes"].map("{:,.0f}".format),
        **{
            name: found[name].map(lambda share: "-" if np.isnan(share) else f"{share:.1%}")
            for name in ("accuracy", "coverage", "precision")
        },
    }
    frame = pd.DataFrame(cells)
    frame.insert(0, "model", frame.index.get_level_values(1))
    return as_table(frame.droplevel(1).rename_axis(found.index.names[0] or "genre"), words=2)


def known_titles(paths: Iterable[Path]) -> set[str]:
    """Return the keys of all titles in tables."""
    return {key_of(title) for path in paths for title in read_titles(path, _COLUMNS)["title"]}


def report(arguments: argparse.Namespace, made_by: str) -> str:
    """Measure every guide with every seed and return the report."""
    labels, known = Labels.shipped(), known_titles(arguments.known)
    pairs = [(guide, seed) for guide in arguments.guides for seed in arguments.seeds]
    frames = [
        measure(guide, labels, known, seed, arguments.overrides) for guide, seed in tqdm(pairs, "guides", disable=None)
    ]
    rows = pd.concat(frames)
    seeds = ", ".join(map(str, arguments.seeds))
    intro = f"""# Guides filled again

{arguments.name or "Real guides"}. Of each guide the categories of half of its channels were taken away, drawn by seed
({seeds}), and filled in again at `--precision {PRECISION}`. What had been there, mapped to the ten genres by
data/labels.csv, is taken for the truth. Accuracy: the likeliest genre is right. Coverage: programmes that got one.
Precision: of these, the right ones. Programmes count as often as they are shown, and as often as they were drawn.
How many titles to keep for validation, how thresholds are fitted and how two models share the work was chosen with
other draws (seeds 11, 12, 13) of the same guides.

Made by `{made_by}.
"""
    return "\n".join([intro, *tables(rows)])


@exit_codes
def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--guides", type=Path, nargs="+", required=True)
    parser.add_argument("--known", type=Path, nargs="*", default=[])
    parser.add_argument("--name", default="")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--output", type=Path, default=Path("results/fill.md"))
    arguments, arguments.overrides = parser.parse_known_args()
    if any("=" not in override for override in arguments.overrides):
        raise InputError(f"overrides must read key=value. Got {' '.join(arguments.overrides)}. See --help.")
    hidden = [str(path) for path in (*arguments.guides, *arguments.known)] if arguments.name else []
    text = report(arguments, f"{shown(sys.argv[1:], hidden, _COMMAND)}`, {machine()}")
    write_text(arguments.output, text)
    print(f"{text}\nWrote {arguments.output}")


if __name__ == "__main__":
    main()
