"""How fast and small prediction is: beside fastText, beside starting numpy, and beside the model it was folded from.

python -m scripts.speed_predict --titles FILE [--guide GUIDE] [--model DIR] [--trained RUN --test FILE]
    [--count 100000] [--rounds 7] [--name TEXT] [--output results/runtime.md]
"""

import argparse
import contextlib
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from scripts.accuracy import spoil
from scripts.common.peers import FASTTEXT, FASTTEXT_SETTINGS, OURS, import_fasttext, train_fasttext, words
from scripts.common.processes import run
from scripts.common.report import as_table, machine, shown
from titleclf.config.hydra import compose
from titleclf.config.schemas import ColumnsConfig
from titleclf.data.dataset import read_data
from titleclf.data.titles import read_all_titles
from titleclf.epg.parser import pieces
from titleclf.epg.streams import reading
from titleclf.runtime.bundle.reader import model_folder
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import exit_codes
from titleclf.runtime.files import SHIPPED, write_text
from titleclf.runtime.tables import titles_in
from titleclf.training.trained_model import load_bundle

ALONE = 2_000  # titles that are asked one at a time
_COMMAND = ("python", "-m", "scripts.speed_predict")
_COLUMNS = ColumnsConfig("title", "category", "lang", "und", channel=None, duration=None)
_NUMPY, _START = "import numpy", "titleclf.predict TITLE"

Ask = Callable[[list[str]], object]


def guide_titles(guide: Path, count: int) -> list[str]:
    """Return the titles of a guide's programmes, one after the other and from the start again, repeats and all."""
    with reading(str(guide)) as source:
        titles = [
            programme.title
            for piece in pieces(source.pieces, str(guide))
            for programme in piece.programmes
            if programme.title
        ]
    return list(itertools.islice(itertools.cycle(titles), count))


def contenders(model: Path) -> dict[str, Ask]:
    """Return who is asked: fastText, trained on the shipped titles, and the model, as it is and without its memory."""
    config = compose("train", [])
    fasttext = import_fasttext()
    with tempfile.TemporaryDirectory() as folder:
        train_fasttext(config, read_data(config), Path(folder), FASTTEXT_SETTINGS)
        with contextlib.redirect_stderr(None):  # it warns that its own interface has changed
            peer = fasttext.load_model(str(Path(folder) / "model.bin"))
    classifier = Classifier.load(model)
    asked: dict[str, Ask] = {FASTTEXT: peer.predict, OURS: classifier.predict}
    if classifier.memory is not None:
        asked[f"{OURS}, no memory"] = replace(classifier, memory=None).predict
    return asked


def compared(asked: dict[str, Ask], titles: list[str], rounds: int, *, alone: bool = False) -> pd.DataFrame:
    """Return the median seconds of each, and how many times as fast as fastText it is in the median round.

    What fastText is given is prepared before, as its user must: it takes no capitals and no line breaks.
    """
    prepared = words(titles)
    seconds: dict[str, list[float]] = {name: [] for name in asked}
    for _ in tqdm(range(rounds + 1), "rounds", leave=False, disable=None):
        for name, ask in asked.items():
            given = prepared if name == FASTTEXT else titles
            started = time.perf_counter()
            if alone:
                for title in given:
                    ask([title])
            else:
                ask(given)
            seconds[name].append(time.perf_counter() - started)
    found = pd.DataFrame(seconds).iloc[1:]  # the first round is for tables that are made when they are first needed
    return pd.DataFrame(
        {"seconds": found.median(), "times": found.rdiv(found[FASTTEXT], axis=0).median(), "titles": len(titles)}
    )


def pace_table(rows: dict[str, pd.DataFrame]) -> str:
    """Return titles a second and ratios, a row for each list of titles and contender."""
    cells = [
        {
            "titles": what,
            "model": name,
            "titles a second": f"{row['titles'] / row['seconds']:,.0f}",
            "a title": f"{row['seconds'] / row['titles'] * 1e6:,.1f} us",
            "against fastText": f"{row['times']:.2f} x",
        }
        for what, found in rows.items()
        for name, row in found.iterrows()
    ]
    return as_table(pd.DataFrame(cells).set_index("titles"))


def start_table(model: str, rounds: int) -> str:
    """Return what it takes from the command to its answer, beside what numpy alone takes to be imported."""
    commands = {
        f'python -c "{_NUMPY}"': ["-c", _NUMPY],
        f"python -m {_START}": ["-m", "titleclf.predict", "--model", model, "Tagesschau"],
    }
    with tempfile.TemporaryDirectory() as folder:
        costs = [
            {name: run([sys.executable, *command], Path(folder)) for name, command in commands.items()}
            for _ in range(2 * rounds + 1)
        ][1:]
    base = next(iter(commands))
    seconds, megabytes = (
        pd.DataFrame([{name: getattr(one[name], what) for name in commands} for one in costs])
        for what in ("seconds", "megabytes")
    )
    cells = {
        "milliseconds": (seconds.median() * 1000).map("{:.0f}".format),
        "time against numpy": seconds.div(seconds[base], axis=0).median().map("{:.2f} x".format),
        "peak memory": megabytes.median().map("{:.0f} MB".format),
        "memory above numpy": megabytes.sub(megabytes[base], axis=0).median().map("{:.0f} MB".format),
    }
    return as_table(pd.DataFrame(cells).rename_axis("command"))


def loss_table(model: Path, trained: Path, test: Path) -> str:
    """Return what the model gets right beside the one that it was folded from, clean and spoilt."""
    folded, source = Classifier.load(model), load_bundle(trained)
    titles = read_all_titles(str(test), _COLUMNS, source.task)
    judged = spoil(titles, source.categories, seed=1)
    cells = {}
    for condition, spoilt in tqdm(judged.conditions.items(), "conditions", leave=False, disable=None):
        before, after = (classifier.probabilities(spoilt)[0] for classifier in (source, folded))
        right = [float((shares.argmax(axis=1) == judged.labels).mean()) * 100 for shares in (before, after)]
        cells[condition] = {
            "trained": f"{right[0]:.2f} %",
            "folded": f"{right[1]:.2f} %",
            "lost": f"{right[0] - right[1]:+.2f}",
            "same answer": f"{(before.argmax(axis=1) == after.argmax(axis=1)).mean():.2%}",
            "largest difference of a probability": f"{np.abs(before - after).max():.4f}",
        }
    return as_table(pd.DataFrame.from_dict(cells, orient="index").rename_axis(f"{len(titles):,} titles"))


def benchmark(arguments: argparse.Namespace, made_by: str) -> str:
    """Measure all that is asked for, and return the tables."""
    model = model_folder(arguments.model)
    asked = contenders(model)
    every = list(dict.fromkeys(titles_in(arguments.titles)))
    titles = random.Random(1).sample(every, min(arguments.count, len(every)))  # noqa: S311 (no secret)
    rows = {f"{len(titles):,} different ones": compared(asked, titles, arguments.rounds)}
    if arguments.guide is not None:
        listed = guide_titles(arguments.guide, arguments.count)
        rows[f"{len(listed):,} of a guide, {len(set(listed)):,} different"] = compared(asked, listed, arguments.rounds)
    few = titles[: min(ALONE, len(titles))]
    rows[f"{len(few):,}, one at a time"] = compared(asked, few, arguments.rounds, alone=True)
    size = sum(path.stat().st_size for path in model.iterdir()) / 1e6
    parts = [
        f"""# Prediction without torch

Made by `{made_by}`, {machine()}. Ratios are those of the
median round; in each round all are asked in turn. fastText's predict and `Classifier.predict` take a list in Python and
return one, on one core; fastText's titles are cleaned beforehand, ours are not.

{pace_table(rows)}""",
        f"The bundle is {size:.2f} MB.\n\n{start_table(arguments.model, arguments.rounds)}",
    ]
    if arguments.trained is not None:
        parts.append(loss_table(model, arguments.trained, arguments.test))
    return "\n".join(parts)


@exit_codes
def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--titles", type=Path, required=True)
    parser.add_argument("--guide", type=Path)
    parser.add_argument("--model", default=SHIPPED)
    parser.add_argument("--trained", type=Path)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--name")
    parser.add_argument("--output", type=Path, default=Path("results/runtime.md"))
    arguments = parser.parse_args()
    if (arguments.trained is None) != (arguments.test is None):
        parser.error("--trained and --test go together")
    files = [arguments.titles, arguments.guide, arguments.trained, arguments.test]
    hidden = [str(file) for file in files if file is not None] if arguments.name else []
    text = benchmark(arguments, shown(sys.argv[1:], hidden, _COMMAND))
    if arguments.name:
        text = text.replace("# Prediction without torch\n", f"# Prediction without torch\n\n{arguments.name}\n", 1)
    write_text(arguments.output, text)
    print(f"{text}\nWrote {arguments.output}")


if __name__ == "__main__":
    main()
