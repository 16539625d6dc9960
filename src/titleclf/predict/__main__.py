"""`python -m titleclf.predict`: the categories of titles, from arguments, a file or standard input."""

import argparse
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from titleclf import __version__
from titleclf.predict.output import writer
from titleclf.runtime.arguments import Parser, called_as, count, fraction, precision
from titleclf.runtime.bundle.reader import LATEST, default_model, model_folder
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError, exit_codes
from titleclf.runtime.explanation import check_linear, explain
from titleclf.runtime.files import SHIPPED, reconfigure
from titleclf.runtime.network import LinearNetwork
from titleclf.runtime.prediction import Prediction
from titleclf.runtime.tables import checked_lines, is_plain, titles_in
from titleclf.runtime.text.channels import ChannelList
from titleclf.runtime.text.characters import chunked
from titleclf.runtime.text.plain_titles import plain_titles
from titleclf.runtime.text.programmes import Programme, Programmes, programmes_in

_CHUNK = 16_384
_COLUMN = "title"
_EXAMPLES = """examples:
  {program} "Match of the Day" Tagesschau
  {program} --input titles.txt --format csv > categories.csv
  cut -f 3 guide.tsv | {program} --format jsonl --top 3
  {program} --explain Tagesschau
  {program} --precision 0.9 -- "--a title that begins with dashes"
"""


@exit_codes
def main() -> None:
    """Run the command line."""
    arguments = _parser().parse_args()
    titles = _titles(arguments)
    model = arguments.model or default_model()
    channels = None if arguments.channels is None else ChannelList.read(Path(arguments.channels))
    classifier = Classifier.load(model_folder(model), channels)
    shown = f"{model} (titleclf {__version__})" if model == SHIPPED else model
    sys.stderr.write(f"model: {shown}\n")  # one write, so that Ctrl-C can't split it
    wanted = arguments.precision
    thresholds = classifier.thresholds.default() if wanted is None else classifier.thresholds_at(wanted)
    min_probability = np.maximum(arguments.min_confidence, thresholds)
    top = min(arguments.top, len(classifier.categories))
    shows = {"explains": arguments.explain, "kinds": arguments.kinds}
    write = writer(arguments.format, classifier.task, top, classifier.categories, **shows)
    if arguments.explain:
        check_linear(classifier.network.model)
    truncated = 0
    for programmes in _chunks(arguments, titles, classifier.columns):
        truncated += classifier.contents.characters.count_truncated(set(plain_titles(programmes.titles)))
        predictions = classifier.predict_programmes(programmes, top, min_probability, kinds=arguments.kinds)
        if arguments.explain:
            predictions = [_explained(*pair, classifier) for pair in zip(predictions, programmes, strict=True)]
        for prediction in predictions:
            write(prediction)
    if truncated:
        print(f"truncated: {truncated:,} titles longer than the longest training title", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=called_as("predict"),
        description="Predict the categories of titles: given as arguments, in a file, or on standard input. A model of "
        "several tags (task=multilabel) predicts every tag above a threshold of its own, most probable first.",
        epilog=_EXAMPLES.format(program=called_as("predict")),
    )
    parser.add_argument("titles", nargs="*", metavar="TITLE", help="a title; after -- also one that begins with a dash")
    parser.add_argument(
        "--input",
        metavar="FILE",
        help="a .txt file with one title per line, a table with a column `title` (and any of `channel`, `minutes`, "
        "`description`, `sub_title`, `year` and `language`, for models that use them), or - for standard input",
    )
    parser.add_argument("--column", metavar="NAME", help="the column of titles in the table (default: title)")
    parser.add_argument(
        "--model",
        metavar="DIR",
        help=f"a bundle, a run's folder, or {SHIPPED}, the model that comes with titleclf "
        f"(default: {LATEST} if there is one, else {SHIPPED})",
    )
    parser.add_argument("--format", choices=["text", "jsonl", "csv"], default="text", help="default: text")
    parser.add_argument(
        "--top", type=count, default=1, metavar="K", help="show the K most probable categories (default: 1)"
    )
    parser.add_argument(
        "--precision",
        type=precision,
        metavar="P",
        help="predict a category (or each of several tags) only where it is confident enough for a fraction P of such "
        "predictions to be right",
    )
    parser.add_argument(
        "--min-confidence", type=fraction, default=0.0, metavar="P", help="predict no category less probable than P"
    )
    parser.add_argument(
        "--kinds", action="store_true", help="also say whether it is a film, an episode or something else"
    )
    parser.add_argument(
        "--channels", metavar="CSV", help="what kind of channel each is, ahead of titleclf's list: name, categories"
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help="show what speaks for and against the best category: characters (on a terminal in green and red), "
        "n-grams, and the remembered title (text or jsonl, models with a linear head)",
    )
    return parser


def _explained(prediction: Prediction, programme: Programme, classifier: Classifier[LinearNetwork]) -> Prediction:
    if not prediction.candidates:
        return prediction
    category = classifier.categories.index(prediction.candidates[0][0])
    return prediction._replace(explanation=explain(classifier, programme, category))


def _chunks(arguments: argparse.Namespace, titles: Iterator[str], columns: Collection[str]) -> Iterator[Programmes]:
    """Yield some programmes at a time, with the columns that the model uses if they come from a table."""
    if not columns or arguments.input in (None, "-") or is_plain(Path(arguments.input)):
        yield from map(Programmes, chunked(titles, _CHUNK))
    else:
        table = programmes_in(Path(arguments.input), columns, arguments.column or _COLUMN)
        yield from map(Programmes.of, chunked(table, _CHUNK))


def _titles(arguments: argparse.Namespace) -> Iterator[str]:
    if arguments.titles and arguments.input is not None:
        raise InputError("titles must be arguments or come from --input. Got both. Leave one out.")
    is_table = arguments.input not in (None, "-") and not is_plain(Path(arguments.input))
    if arguments.column is not None and not is_table:
        raise InputError("--column must be used with --input and a table. Got no table. Leave it out.")
    if arguments.titles:
        return checked_lines(arguments.titles, "argument")
    if arguments.input is not None and arguments.input != "-":
        return titles_in(Path(arguments.input), arguments.column or _COLUMN)
    if sys.stdin is None or (sys.stdin.isatty() and arguments.input is None):
        raise InputError("titles must be given. Got none. Name some, or --input FILE; --help shows examples.")
    # Titles are UTF-8 whatever the locale is, and only the end of a line ends a title.
    reconfigure(sys.stdin, encoding="utf-8-sig", errors="surrogateescape", newline="")
    return (line.rstrip("\r\n") for line in checked_lines(sys.stdin, "standard input"))


if __name__ == "__main__":
    main()
