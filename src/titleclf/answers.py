"""What the model says of a title, for people (text) and for programs (JSON lines, CSV)."""

import csv
import io
import json
import sys
from collections.abc import Callable
from typing import Any, NamedTuple, TextIO

from titleclf.characters import printable
from titleclf.errors import InputError
from titleclf.explained import Explanation, as_object, as_text, coloured, has_colours
from titleclf.kinds import Task
from titleclf.tags.cells import BAR

NO_TITLE, UNSURE = "(no title)", "(don't know)"
_INDENT = " " * 6
_TAGS_WIDTH = 40  # characters: longer lists of tags push their title to the right


class Prediction(NamedTuple):
    """What the model says of one title: candidates with probabilities, best first; none for an empty title.

    `named` are those that are probable enough to be answers: at most the best one, or with several tags any of them.
    `explanation` tells what speaks for the best one, where that was asked. Equal titles may share one prediction.
    """

    title: str
    candidates: tuple[tuple[str, float], ...]
    named: tuple[str, ...]
    explanation: Explanation | None = None

    @property
    def category(self) -> str | None:
        """The only answer, or none where the best candidate is not probable enough."""
        return self.named[0] if self.named else None

    @property
    def probability(self) -> float | None:
        """The probability of the best candidate."""
        return self.candidates[0][1] if self.candidates else None


def writer(
    kind: str, task: Task, top: int, categories: list[str], *, explains: bool = False
) -> Callable[[Prediction], None]:
    """Return what prints predictions with their `top` candidates, as `kind` (text, jsonl or csv) of titles.

    If it `explains`, JSON lines have an explanation, null for an empty title; text has those that there are.

    Raises
    ------
    InputError
        If it should explain in CSV.
    """
    if explains and kind == "csv":
        raise InputError("--explain must go with --format text or jsonl. Got csv. Leave one out.")
    # Whatever the terminal's locale, the answer is UTF-8 like the titles.
    reconfigure(sys.stdout, encoding="utf-8", newline="\n")
    width = max(map(len, categories))
    match kind, task:
        case "jsonl", _:
            return lambda prediction: print(
                json.dumps(_as_object(prediction, task) | _explained(prediction, explains=explains), ensure_ascii=False)
            )
        case "text", Task.single:
            return lambda prediction: print(_as_text(prediction, width))
        case "text", Task.multilabel:
            return lambda prediction: print(_as_tags(prediction, max(width, _TAGS_WIDTH), top))
    table = csv.writer(sys.stdout, lineterminator="\n")
    more = [name for rank in range(2, top + 1) for name in (f"candidate_{rank}", f"probability_{rank}")]
    table.writerow(["title", "category", "candidate", "probability", *more])
    return lambda prediction: table.writerow(_as_cells(prediction, top))


def reconfigure(stream: TextIO, **how: Any) -> None:
    """Set a stream's encoding and line ends, if it is one that has them."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(**how)


def _as_object(prediction: Prediction, task: Task) -> dict[str, Any]:
    answer = {"category": prediction.category} if task is Task.single else {"categories": prediction.named}
    return {
        "title": prediction.title,
        **answer,
        "probability": _rounded(prediction.probability),
        "top": [
            {"category": category, "probability": _rounded(probability)}
            for category, probability in prediction.candidates
        ],
    }


def _as_cells(prediction: Prediction, top: int) -> list[Any]:
    candidates = [value for name, share in prediction.candidates[:top] for value in (name, _rounded(share))]
    return [prediction.title, BAR.join(prediction.named), *candidates]


def _as_text(prediction: Prediction, width: int) -> str:
    if not prediction.candidates:
        return f"   -  {NO_TITLE:<{width}}  {printable(prediction.title)}"
    lines = [f"{share:4.0%}  {category:<{width}}" for category, share in prediction.candidates]
    if prediction.category is None:
        lines = [f"   ?  {UNSURE:<{width}}", *lines]
    return _with_title(lines, prediction)


def _as_tags(prediction: Prediction, width: int, top: int) -> str:
    if not prediction.candidates:
        return f"   -  {NO_TITLE:<{width}}  {printable(prediction.title)}"
    lines = [f"   ?  {UNSURE:<{width}}"]
    if prediction.named:
        lines = [f"{prediction.probability:4.0%}  {f' {BAR} '.join(prediction.named):<{width}}"]
    if top > 1 or not prediction.named:
        lines += [f"{share:4.0%}  {tag}" for tag, share in prediction.candidates]
    return _with_title(lines, prediction)


def _with_title(lines: list[str], prediction: Prediction) -> str:
    explanation = prediction.explanation
    title = coloured(explanation) if explanation and has_colours() else printable(prediction.title)
    explained = [as_text(explanation, _INDENT)] if explanation else []
    return "\n".join([f"{lines[0]}  {title}", *lines[1:], *explained])


def _explained(prediction: Prediction, *, explains: bool) -> dict[str, Any]:
    return {"explanation": prediction.explanation and as_object(prediction.explanation)} if explains else {}


def _rounded(probability: float | None) -> float | None:
    return None if probability is None else round(probability, 4)
