"""Measure whether a requested precision holds on guides, languages and strings that training has nothing of."""

import string
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scripts.common.arguments import add_sources, parse_with_overrides, report_parser
from scripts.common.report import as_percent, as_table, made_by
from scripts.common.training import train_quietly
from scripts.fields import ALL, SUBSETS, programmes_of, split_sources, write_training
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import exit_codes
from titleclf.runtime.files import write_text
from titleclf.runtime.text.programmes import Programmes

PRECISION = 0.9
SHOWN = {"titles alone": "title", "all fields": "all"}
LETTERS, WORDS = "random letters", "random words of letters"
STRINGS = 10_000  # of both kinds together


def random_strings(kind: str, count: int, generator: np.random.Generator) -> list[str]:
    """Return so many strings of random letters, or of up to four random words."""
    letters = np.array(list(string.ascii_lowercase if kind == LETTERS else string.ascii_letters))

    def word(shortest: int, longest: int) -> str:
        return "".join(generator.choice(letters, generator.integers(shortest, longest + 1)))

    if kind == LETTERS:
        return [word(4, 16) for _ in range(count)]
    return [" ".join(word(2, 9) for _ in range(generator.integers(1, 5))) for _ in range(count)]


def measured(classifier: Classifier[Any], programmes: Programmes, categories: Sequence[str] | None) -> dict[str, Any]:
    """Return how many programmes are answered at PRECISION, how many answers are right, and the least probable one."""
    predictions = classifier.predict_programmes(programmes, min_probability=classifier.thresholds_at(PRECISION))
    answered = np.array([prediction.category is not None for prediction in predictions])
    row: dict[str, Any] = {"programmes": len(predictions), "answered": answered.mean()}
    probabilities = [prediction.probability or 0.0 for prediction in predictions if prediction.category is not None]
    row["least probability"] = min(probabilities, default=np.nan)
    if categories is not None:
        right = np.array([pair[0].category == pair[1] for pair in zip(predictions, categories, strict=True)])
        row["precision"] = right[answered].mean() if answered.any() else np.nan
    return row


def measure(classifier: Classifier[Any], tests: dict[str, pd.DataFrame], seed: int) -> pd.DataFrame:
    """Return a row for each part of the tests, with titles alone and with all fields, and for random strings."""
    rows = [
        {
            "of": name,
            "fields": shown,
            **measured(classifier, programmes_of(frame, SUBSETS[subset]), list(frame["category"])),
        }
        for shown, subset in SHOWN.items()
        for name, frame in tests.items()
    ]
    generator = np.random.default_rng(seed)
    for kind in (LETTERS, WORDS):
        titles = random_strings(kind, STRINGS // 2, generator)
        rows.append({"of": kind, "fields": "titles alone", **measured(classifier, Programmes(titles), None)})
    return pd.DataFrame(rows)


def report(results: pd.DataFrame, sources: Sequence[str], command: str) -> str:
    """Return the report: the sources and their mean, then languages and strings."""
    is_source = results["of"].isin(sources)
    groups = results[is_source].groupby("fields", sort=False)
    means = groups.agg({"programmes": "sum", "answered": "mean", "precision": "mean"}).reset_index().assign(of="mean")
    return (
        "# Whether a requested precision holds where nothing was trained\n\n"
        f"Guide titles, not redistributed. Answered: the share of programmes that got a category at a precision of\n"
        f"{PRECISION:.0%}, asked of thresholds that were fitted to four other left-out sources.\n\n"
        f"Made by {command}.\n\n"
        "## New titles of sources that training has nothing of, in languages that it knows\n\n"
        f"{_table(pd.concat([results[is_source], means]))}\n"
        "## Languages that training has nothing of, and random strings\n\n"
        f"{_table(results[~is_source])}\n"
        f"The least probable answer of all has a probability of {results['least probability'].min():.2f}.\n"
    )


def _table(rows: pd.DataFrame) -> str:
    shown = rows[["of", "fields", "programmes", "answered", "precision"]].assign(
        programmes=rows["programmes"].map("{:,}".format),
        answered=rows["answered"].map(as_percent),
        precision=[as_percent(value) if np.isfinite(value) else "" for value in rows["precision"]],
    )
    return as_table(shown.set_index("of"), text_columns=2)


@exit_codes
def main() -> None:
    """Run the command line."""
    parser = report_parser("precision", __doc__)
    add_sources(parser)
    parser.add_argument("--fitted-to", nargs="+", required=True, metavar="SOURCE", help="sources to fit thresholds to")
    parser.add_argument("--languages", nargs="+", required=True, metavar="LANG", help="languages to leave out as well")
    arguments = parse_with_overrides(parser)
    command = made_by("precision", [arguments.programmes, *arguments.titles])
    programmes = pd.read_parquet(arguments.programmes)
    is_foreign = programmes["lang"].isin(arguments.languages)
    foreign = programmes[is_foreign].assign(language=programmes["lang"])
    split = split_sources(programmes[~is_foreign], arguments.left_out, [])
    tests = {source: split[split["part"] == source] for source in arguments.left_out}
    tests |= {f"language {lang}": foreign[foreign["lang"] == lang] for lang in arguments.languages}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "data")
        folder.mkdir()
        write_training(split, arguments.titles, folder, arguments.languages)
        overrides = [
            *arguments.overrides,
            f"data.path={folder}/*_*.*",
            f"data.left_out=[{','.join(arguments.fitted_to)}]",
            f"model.fields.use=[{','.join(ALL)}]",
            "evaluate.robustness_titles=0",
        ]
        classifier = Classifier.load(train_quietly(overrides, Path(temporary, "runs")))
        results = measure(classifier, tests, seed=1)
    write_text(Path(arguments.output), report(results, arguments.left_out, command))


if __name__ == "__main__":
    main()
