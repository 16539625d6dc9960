"""What the model says of a title, for people (text) and for programs (JSON lines, CSV)."""

import csv
import itertools
import json
import math
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from titleclf.runtime.choices import Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import reconfigure
from titleclf.runtime.prediction import Explanation, Piece, Prediction, Remembered, strongest_first
from titleclf.runtime.text.characters import printable
from titleclf.runtime.text.tags import BAR

NO_TITLE, UNSURE = "(no title)", "(don't know)"
_INDENT = " " * 6
_TAGS_WIDTH = 40  # characters: longer lists of tags push their title to the right


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
    explained = [explanation_text(explanation, _INDENT)] if explanation else []
    return "\n".join([f"{lines[0]}  {title}", *lines[1:], *explained])


def _explained(prediction: Prediction, *, explains: bool) -> dict[str, Any]:
    return {"explanation": prediction.explanation and explanation_object(prediction.explanation)} if explains else {}


def _rounded(probability: float | None) -> float | None:
    return None if probability is None else round(probability, 4)


_STRONGEST = 5  # pieces for a category, and as many against it
# Black on four shades of the 256 colours, from pale to strong: readable on dark terminals and on bright ones.
_FOR, _AGAINST = (194, 157, 120, 83), (224, 217, 210, 203)
_DIGITS = 4


def has_colours() -> bool:
    """Tell whether answers are read on a terminal, by someone who has not refused colours (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def coloured(explanation: Explanation) -> str:
    """Return the title with its characters on green where they speak for the category, on red where against it."""
    largest = max(abs(contribution) for _, contribution in explanation.characters) or 1.0
    shades = [(_shade(contribution / largest), mark) for mark, contribution in explanation.characters]
    parts = [
        _painted(shade, printable("".join(mark for _, mark in some)))
        for shade, some in itertools.groupby(shades, key=lambda one: one[0])
    ]
    return "".join(parts) + printable(explanation.cut)


def explanation_text(explanation: Explanation, indent: str) -> str:
    """Return lines for people: what adds up to the lead, what is strongest for and against, and what is remembered."""
    memory = explanation.memory
    terms = [f"bias {explanation.bias:+.2f}", f"title {explanation.by_characters:+.2f}"]
    terms += [f"{name} {contribution:+.2f}" for name, contribution in explanation.context.items()]
    terms += [f"memory {memory.contribution:+.2f}"] if memory else []
    pieces = explanation.ngrams or _character_pieces(explanation)
    for_it = [piece for piece in pieces if piece.contribution > 0][:_STRONGEST]
    against = [piece for piece in pieces[::-1] if piece.contribution < 0][:_STRONGEST]
    lines = [f"{explanation.category} {explanation.lead:+.2f}: {', '.join(terms)}"]
    lines += [f"{name}: {_listed(some)}" for name, some in (("for", for_it), ("against", against)) if some]
    if memory:
        names = f" {BAR} ".join(memory.categories)
        lines.append(f'remembered: "{printable(memory.title)}" ({names}), {memory.likeness:.0%} alike')
    return "\n".join(indent + line for line in lines)


def explanation_object(explanation: Explanation) -> dict[str, Any]:
    """Return plain values for JSON."""
    return {
        "category": explanation.category,
        "bias": _rounded_contribution(explanation.bias),
        **{name: _rounded_contribution(contribution) for name, contribution in explanation.context.items()},
        "memory": _as_remembered(explanation.memory),
        "characters": [[mark, _rounded_contribution(contribution)] for mark, contribution in explanation.characters],
        "ngrams": [
            piece._asdict() | {"contribution": _rounded_contribution(piece.contribution)}
            for piece in explanation.ngrams
        ],
    }


def _as_remembered(memory: Remembered | None) -> dict[str, Any] | None:
    if memory is None:
        return None
    return {
        "title": memory.title,
        "category": BAR.join(memory.categories),
        "likeness": _rounded_contribution(memory.likeness),
        "contribution": _rounded_contribution(memory.contribution),
    }


def _character_pieces(explanation: Explanation) -> list[Piece]:
    # For models without n-grams.
    summed: dict[str, Piece] = {}
    for place, (mark, contribution) in enumerate(explanation.characters):
        found = summed.get(mark, Piece(mark, place, 0))
        summed[mark] = found._replace(contribution=found.contribution + contribution)
    return strongest_first(summed.values())


def _listed(pieces: Iterable[Piece]) -> str:
    return ", ".join(f'"{printable(piece.text)}" {piece.contribution:+.2f}' for piece in pieces)


def _shade(strength: float) -> int | None:
    # In [-1, 1]; what is an eighth of the strongest or less keeps the terminal's own colours.
    shade = math.ceil(abs(strength) * len(_FOR) - 0.5)
    return None if shade == 0 else (_FOR if strength > 0 else _AGAINST)[min(shade, len(_FOR)) - 1]


def _painted(shade: int | None, text: str) -> str:
    return text if shade is None else f"\x1b[38;5;16;48;5;{shade}m{text}\x1b[0m"


def _rounded_contribution(number: float) -> float:
    return round(number, _DIGITS)
