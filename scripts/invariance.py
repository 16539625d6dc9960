"""Measure how many titles get the same answer in other clothes: in full width, escaped twice, marked as new.

An answer is the category that is named at a precision of 90 %, or that the model is unsure.
"""

import html
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from scripts.common.arguments import report_parser
from scripts.common.report import as_percent, as_table, made_by, write_report
from titleclf.runtime.arguments import count
from titleclf.runtime.bundle.reader import model_folder
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import exit_codes
from titleclf.runtime.files import SHIPPED
from titleclf.runtime.network import LinearNetwork, logits_of
from titleclf.runtime.tables import titles_in
from titleclf.runtime.text.programmes import Programmes

_PRECISION = 0.9
_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)} | {0x20: 0x3000}
_SMALL, _CAPITAL = 0x1D41A, 0x1D400  # bold a and A
_BOLD = {ord("a") + place: _SMALL + place for place in range(26)} | {
    ord("A") + place: _CAPITAL + place for place in range(26)
}

Answers = list[tuple[str, ...]]


def _escaped(title: str) -> str:
    """Return a title as it is read from a guide that escaped it twice: most titles have nothing to escape."""
    return "".join(html.escape(char) if char.isascii() else f"&#{ord(char)};" for char in title)


DRESSINGS: Mapping[str, Callable[[str], str]] = {
    "full width": lambda title: title.translate(_FULL_WIDTH),
    "bold mathematical letters": lambda title: title.translate(_BOLD),
    "zero-width spaces": "\u200b".join,
    "escaped twice": _escaped,
    "ᴺᴱᵂ behind": "{} ᴺᴱᵂ".format,
    "NEW: before": "NEW: {}".format,
    "[COLOR red]NEW[/COLOR] before": "[COLOR red]NEW[/COLOR] {}".format,
    "(R) behind": "{} (R)".format,
    "HD behind": "{} HD".format,
    "[HD] behind": "{} [HD]".format,
}


def measure(classifier: Classifier[LinearNetwork], titles: list[str]) -> pd.DataFrame:
    """Return the fraction of titles with the same answer in each dressing, as they are given and plain."""
    given, plain = _answers_as_given(classifier, titles), _answers(classifier, titles)
    cells = []
    for name, dress in DRESSINGS.items():
        dressed = [dress(title) for title in titles]
        cells.append(
            {
                "titles": name,
                "as given": as_percent(_same(given, _answers_as_given(classifier, dressed))),
                "plain": as_percent(_same(plain, _answers(classifier, dressed))),
            }
        )
    return pd.DataFrame(cells).set_index("titles")


def _same(answers: Answers, others: Answers) -> float:
    return float(np.mean([answer == other for answer, other in zip(answers, others, strict=True)]))


def _answers(classifier: Classifier[LinearNetwork], titles: list[str]) -> Answers:
    predictions = classifier.predict(titles, min_probability=classifier.thresholds_at(_PRECISION))
    return [prediction.named for prediction in predictions]


def _answers_as_given(classifier: Classifier[LinearNetwork], titles: list[str]) -> Answers:
    """Return the answers of the network and the memory to titles that are not made plain."""
    outputs = logits_of(classifier.network, Programmes(titles))
    if classifier.contents.memory is not None:
        classifier.contents.memory.add_evidence(outputs, titles)
    thresholds = classifier.thresholds_at(_PRECISION)
    return [each.named for each in classifier.predict_outputs(titles, outputs, None, min_probability=thresholds)]


@exit_codes
def main() -> None:
    """Measure, print and write."""
    parser = report_parser("invariance", __doc__)
    parser.add_argument("titles", type=Path, nargs="+", metavar="TITLES", help="tables with the column title")
    parser.add_argument("--model", default=SHIPPED, metavar="DIR", help="the model (%(default)s)")
    parser.add_argument("--count", type=count, default=10_000, metavar="N", help="titles (%(default)s)")
    arguments = parser.parse_args()
    provenance = made_by("invariance", list(map(str, arguments.titles)))
    distinct = sorted({title for path in arguments.titles for title in titles_in(path)})
    titles = random.Random(1).sample(distinct, min(arguments.count, len(distinct)))  # noqa: S311 (not a secret)
    table = measure(Classifier.load(model_folder(arguments.model)), titles)
    text = f"""\
# The same title in other clothes

{len(titles):,} different titles of guides, not redistributed. The table has the fraction of them that get the same
answer as the title itself in each of its clothes: the category that is named at a precision of 90%, or that the model
is unsure. As given: the network and the memory see the title itself. Plain: as the model predicts, which sees its
plain form.

Made by {provenance}.

{as_table(table)}"""
    write_report(arguments.output, text)


if __name__ == "__main__":
    main()
