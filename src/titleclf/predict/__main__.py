"""`python -m titleclf.predict`: the categories of titles, from arguments, a file or standard input."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from titleclf import __version__
from titleclf.predict.output import writer
from titleclf.runtime.arguments import count, fraction, precision, program
from titleclf.runtime.bundle.reader import LATEST, default_model, model_folder
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError, exit_codes
from titleclf.runtime.explanation import check_linear, explain
from titleclf.runtime.files import SHIPPED, reconfigure
from titleclf.runtime.prediction import Prediction
from titleclf.runtime.tables import checked_lines, is_plain, titles_in
from titleclf.runtime.text.characters import chunked
from titleclf.runtime.text.programmes import UNKNOWN, Context, Contexts, titles_with_contexts

_CHUNK = 16_384
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
    classifier = Classifier.load(model_folder(model))
    shown = f"{model} (titleclf {__version__})" if model == SHIPPED else model
    sys.stderr.write(f"model: {shown}\n")  # in one piece, should Ctrl-C come now
    asked = arguments.precision
    least = np.maximum(
        arguments.min_confidence, classifier.thresholds.unasked() if asked is None else classifier.least_at(asked)
    )
    top = min(arguments.top, len(classifier.categories))
    write = writer(arguments.format, classifier.task, top, classifier.categories, explains=arguments.explain)
    if arguments.explain:
        check_linear(classifier.network.model)
    all_cut = 0
    for chunk, contexts in _chunks(arguments, titles, classifier.contexts):
        predictions, cut = classifier.predict_counting(chunk, top, least, contexts)
        all_cut += cut
        for prediction, context in zip(predictions, contexts or [UNKNOWN] * len(chunk), strict=True):
            write(_explained(prediction, context, classifier) if arguments.explain else prediction)
    if all_cut:
        print(f"cut: {all_cut:,} titles longer than the longest of training", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("predict"),
        description="Tell the categories of titles: given as arguments, in a file, or on standard input. A model of "
        "several tags (task=multilabel) names all that pass a threshold of their own, likeliest first.",
        epilog=_EXAMPLES.format(program=program("predict")),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("titles", nargs="*", metavar="TITLE", help="a title; after -- also one that begins with a dash")
    parser.add_argument(
        "--input",
        metavar="FILE",
        help="a .txt with a title a line, a table with a column `title` (for models that know them also `channel` and "
        "`duration`, in minutes), or - (standard input)",
    )
    parser.add_argument(
        "--model",
        metavar="DIR",
        help=f"a bundle, a run's folder, or {SHIPPED}: the model that comes with titleclf "
        f"(default: {LATEST} if there is one, else {SHIPPED})",
    )
    parser.add_argument("--format", choices=["text", "jsonl", "csv"], default="text", help="default: text")
    parser.add_argument(
        "--top", type=count, default=1, metavar="K", help="show the K likeliest categories (default: 1)"
    )
    parser.add_argument(
        "--precision",
        type=precision,
        metavar="P",
        help="name a category (or each of several tags) only where it is sure enough for a share P of such answers to "
        "be right",
    )
    parser.add_argument(
        "--min-confidence", type=fraction, default=0.0, metavar="P", help="name no category less probable than P"
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help="tell what speaks for and against the likeliest category: characters (on a terminal in green and red), "
        "n-grams, and the remembered title (text or jsonl, models with a linear head)",
    )
    return parser


def _explained(prediction: Prediction, context: Context, classifier: Classifier) -> Prediction:
    category = prediction.candidates[0][0] if prediction.candidates else None
    if category is None:
        return prediction
    number = classifier.categories.index(category)
    return prediction._replace(explanation=explain(classifier, prediction.title, number, context))


def _chunks(
    arguments: argparse.Namespace, titles: Iterator[str], contexts: Contexts | None
) -> Iterator[tuple[list[str], list[Context] | None]]:
    """Yield some titles at a time, with their contexts if they come from a table and the model looks at such."""
    if contexts is None or arguments.input in (None, "-") or is_plain(Path(arguments.input)):
        yield from ((chunk, None) for chunk in chunked(titles, _CHUNK))
        return
    for rows in chunked(titles_with_contexts(Path(arguments.input), contexts), _CHUNK):
        yield [title for title, _ in rows], [context for _, context in rows]


def _titles(arguments: argparse.Namespace) -> Iterator[str]:
    if arguments.titles and arguments.input is not None:
        raise InputError("titles must be arguments or come from --input. Got both. Leave one out.")
    if arguments.titles:
        return checked_lines(arguments.titles, "argument")
    if arguments.input is not None and arguments.input != "-":
        return titles_in(Path(arguments.input))
    if sys.stdin is None or (sys.stdin.isatty() and arguments.input is None):
        raise InputError("titles must be given. Got none. Name some, or --input FILE; --help shows examples.")
    # Titles are UTF-8 whatever the locale says, and only a line's end ends a title.
    reconfigure(sys.stdin, encoding="utf-8-sig", errors="surrogateescape", newline="")
    return (line.rstrip("\r\n") for line in checked_lines(sys.stdin, "standard input"))


if __name__ == "__main__":
    main()
