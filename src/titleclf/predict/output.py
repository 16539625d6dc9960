"""Predictions and explanations as text for people, and as JSON lines or CSV for programs."""

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
from titleclf.runtime.prediction import Explanation, Piece, Prediction, strongest_first
from titleclf.runtime.text.characters import printable
from titleclf.runtime.text.tags import BAR

NO_TITLE, UNSURE = "(no title)", "(don't know)"
_INDENT = " " * 6
_TAGS_WIDTH = 40  # characters: longer lists of tags push their title to the right
_STRONGEST = 5  # pieces for a category, and as many against it
# Black on four shades of the 256 colours, from pale to strong: readable on dark and on bright terminals.
_FOR, _AGAINST = (194, 157, 120, 83), (224, 217, 210, 203)


def writer(
    form: str, task: Task, top: int, categories: list[str], *, explains: bool = False, kinds: bool = False
) -> Callable[[Prediction], None]:
    """Return a function that prints predictions with their `top` candidates as `form`: text, jsonl or csv.

    If it `explains`, JSON lines have an explanation, null for an empty title; text has those that exist.

    Raises
    ------
    InputError
        If it should explain in CSV.
    """
    if explains and form == "csv":
        raise InputError("--explain must go with --format text or jsonl. Got csv. Leave one out.")
    # Output is UTF-8 like the titles, whatever the terminal's locale.
    reconfigure(sys.stdout, encoding="utf-8", newline="\n")
    width = max(map(len, categories))
    match form, task:
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
    more += ["kind", "kind_probability"] if kinds else []
    table.writerow(["title", "category", "candidate", "probability", *more])
    return lambda prediction: table.writerow(_as_cells(prediction, top))


def coloured(explanation: Explanation) -> str:
    """Return the title with characters on green that speak for the category, and on red those against it."""
    largest = max(abs(contribution) for _, contribution in explanation.characters) or 1.0
    shades = [(_shade(contribution / largest), char) for char, contribution in explanation.characters]
    parts = [
        _painted(shade, printable("".join(char for _, char in run)))
        for shade, run in itertools.groupby(shades, key=lambda pair: pair[0])
    ]
    return "".join(parts) + printable(explanation.cut)


def explanation_text(explanation: Explanation, indent: str) -> str:
    """Return lines for people: the terms of the lead, the strongest pieces for and against, the remembered title."""
    memory = explanation.memory
    terms = [f"bias {explanation.bias:+.2f}", f"title {explanation.by_characters:+.2f}"]
    terms += [f"{name} {contribution:+.2f}" for name, contribution in explanation.fields.items()]
    terms += [f"memory {memory.contribution:+.2f}"] if memory else []
    pieces = explanation.ngrams or _character_pieces(explanation)
    positive = [piece for piece in pieces if piece.contribution > 0][:_STRONGEST]
    negative = [piece for piece in pieces[::-1] if piece.contribution < 0][:_STRONGEST]
    lines = [f"{explanation.category} {explanation.lead:+.2f}: {', '.join(terms)}"]
    lines += [f"{name}: {_listed(group)}" for name, group in (("for", positive), ("against", negative)) if group]
    for field, words in explanation.words.items():
        strongest = sorted(words, key=lambda piece: -abs(piece.contribution))[:_STRONGEST]
        lines.append(f"{field}: {_listed(strongest_first(strongest))}")
    if memory:
        names = f" {BAR} ".join(memory.categories)
        lines.append(f'remembered: "{printable(memory.title)}" ({names}), {memory.similarity:.0%} similar')
    return "\n".join(indent + line for line in lines)


def _as_object(prediction: Prediction, task: Task) -> dict[str, Any]:
    named = {"category": prediction.category} if task is Task.single else {"categories": prediction.named}
    kind = (
        {}
        if prediction.kind is None
        else {"kind": prediction.kind[0], "kind_probability": _rounded(prediction.kind[1])}
    )
    return {
        "title": prediction.title,
        **named,
        "probability": _rounded(prediction.probability),
        "top": [
            {"category": category, "probability": _rounded(probability)}
            for category, probability in prediction.candidates
        ],
        **kind,
    }


def _as_cells(prediction: Prediction, top: int) -> list[Any]:
    candidates = [value for name, probability in prediction.candidates[:top] for value in (name, _rounded(probability))]
    kind = [] if prediction.kind is None else [prediction.kind[0], _rounded(prediction.kind[1])]
    return [prediction.title, BAR.join(prediction.named), *candidates, *kind]


def _as_text(prediction: Prediction, width: int) -> str:
    if not prediction.candidates:
        return f"   -  {NO_TITLE:<{width}}  {printable(prediction.title)}"
    lines = [f"{probability:4.0%}  {category:<{width}}" for category, probability in prediction.candidates]
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
        lines += [f"{probability:4.0%}  {tag}" for tag, probability in prediction.candidates]
    return _with_title(lines, prediction)


def _with_title(lines: list[str], prediction: Prediction) -> str:
    explanation = prediction.explanation
    title = coloured(explanation) if explanation and _has_colours() else printable(prediction.title)
    explained = [explanation_text(explanation, _INDENT)] if explanation else []
    kind = f"  ({prediction.kind[0]} {prediction.kind[1]:.0%})" if prediction.kind else ""
    return "\n".join([f"{lines[0]}  {title}{kind}", *lines[1:], *explained])


def _has_colours() -> bool:
    """Return whether output goes to a terminal whose user has not refused colours (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _explained(prediction: Prediction, *, explains: bool) -> dict[str, Any]:
    return {"explanation": prediction.explanation and prediction.explanation.asdict()} if explains else {}


def _rounded(probability: float | None) -> float | None:
    return None if probability is None else round(probability, 4)


def _character_pieces(explanation: Explanation) -> list[Piece]:
    # For models without n-grams.
    summed: dict[str, Piece] = {}
    for place, (char, contribution) in enumerate(explanation.characters):
        piece = summed.get(char, Piece(char, place, 0))
        summed[char] = piece._replace(contribution=piece.contribution + contribution)
    return strongest_first(summed.values())


def _listed(pieces: Iterable[Piece]) -> str:
    return ", ".join(f'"{printable(piece.text)}" {piece.contribution:+.2f}' for piece in pieces)


def _shade(strength: float) -> int | None:
    # In [-1, 1]; up to an eighth of the strongest the terminal's own colours stay.
    shade = math.ceil(abs(strength) * len(_FOR) - 0.5)
    return None if shade == 0 else (_FOR if strength > 0 else _AGAINST)[min(shade, len(_FOR)) - 1]


def _painted(shade: int | None, text: str) -> str:
    return text if shade is None else f"\x1b[38;5;16;48;5;{shade}m{text}\x1b[0m"
