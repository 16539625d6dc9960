"""Titles that many clients ask for at the same time, answered together."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from titleclf.epg.overrides import Override
from titleclf.predict.output import explanation_object as as_object
from titleclf.runtime.arrays import Floats
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError
from titleclf.runtime.explanation import check_linear, explain
from titleclf.runtime.prediction import Prediction
from titleclf.runtime.text.programmes import UNKNOWN, Context
from titleclf.serve.corrections import Corrections
from titleclf.serve.security import TITLES

_AT_ONCE = 64  # titles: some milliseconds, after which it is the turn of whatever else has come
_SHARE = 16  # titles of one client among them: who asks for a thousand must not keep those waiting who ask for one

Answer = dict[str, Any]


@dataclass
class _Asked:
    titles: Sequence[str]
    contexts: Sequence[Context]
    top: int
    answered: "asyncio.Future[list[Answer]]"
    answers: list[Answer] = field(default_factory=list)


class Answering:
    """A classifier that answers all who wait together, without a thread, and without waiting for a batch to fill.

    Asking numpy for ten titles costs little more than for one. What comes while a batch is computed is the next one.
    """

    def __init__(self, classifier: Classifier, least: Floats, corrections: Corrections) -> None:
        self._classifier, self._least, self._corrections = classifier, least, corrections
        self._waiting: deque[_Asked] = deque()
        self._is_called = False
        self.explains = is_linear(classifier)
        # What is kept for many titles is built now, and not while somebody waits.
        classifier.predict([f"{number} build what the others use" for number in range(TITLES)], least=least)

    async def answer(self, titles: Sequence[str], top: int, contexts: Sequence[Context] | None = None) -> list[Answer]:
        """Return an answer a title, in their order."""
        if not titles:
            return []
        future = asyncio.get_running_loop().create_future()
        asked = _Asked(titles, contexts or [UNKNOWN] * len(titles), top, future)
        self._waiting.append(asked)
        self._call()
        return await asked.answered

    async def explanations(
        self, titles: Sequence[str], contexts: Sequence[Context] | None = None
    ) -> list[Answer | None]:
        """Return what speaks for the likeliest category of each title, None where nothing can be told."""
        found = []
        for title, context in zip(titles, contexts or [UNKNOWN] * len(titles), strict=True):
            explanation = explain(self._classifier, title, context=context) if self.explains else None
            found.append(as_object(explanation) if explanation else None)
            await asyncio.sleep(0)  # the others' turn
        return found

    def _call(self) -> None:
        if not self._is_called:
            self._is_called = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Answer a share of what each asks for, the longest waiting first."""
        self._is_called = False
        turn: list[tuple[_Asked, slice]] = []
        room = _AT_ONCE
        while self._waiting and room > 0:
            asked = self._waiting.popleft()
            if asked.answered.done():  # the client has left
                continue
            done = len(asked.answers)
            share = min(_SHARE, room, len(asked.titles) - done)
            turn.append((asked, slice(done, done + share)))
            room -= share
        try:
            self._answer(turn)
        except Exception as error:
            for asked in {id(asked): asked for asked, _ in turn if not asked.answered.done()}.values():
                asked.answered.set_exception(error)
        if self._waiting:
            self._call()

    def _answer(self, turn: Sequence[tuple[_Asked, slice]]) -> None:
        titles = [title for asked, some in turn for title in asked.titles[some]]
        contexts = [context for asked, some in turn for context in asked.contexts[some]]
        rows = self._corrections.overrides.find(titles)
        top = max((asked.top for asked, _ in turn), default=1)
        predictions = iter(self._classifier.predict_counting(titles, top, self._least, contexts)[0])
        for asked, some in turn:
            own = asked.titles[some]
            asked.answers += [_as_object(next(predictions), rows.get(title), asked.top) for title in own]
            if len(asked.answers) < len(asked.titles):
                self._waiting.append(asked)
            else:
                asked.answered.set_result(asked.answers)


def is_linear(classifier: Classifier) -> bool:
    """Return whether answers can be explained: whether they are sums of what characters say."""
    try:
        check_linear(classifier.network.model)
    except InputError:
        return False
    return True


def _as_object(prediction: Prediction, row: Override | None, top: int) -> Answer:
    """Return plain values for JSON; `top` is the model's own view, also where the user has corrected it."""
    named = list(prediction.named) if row is None else [row.category] if row.category else []
    return {
        "title": prediction.title,
        "category": named[0] if named else None,
        "categories": named,
        "probability": 1.0 if row else _rounded(prediction.probability),
        "correction": row and {"text": row.text, "category": row.category},
        "top": [
            {"category": category, "probability": _rounded(probability)}
            for category, probability in prediction.candidates[:top]
        ],
    }


def _rounded(probability: float | None) -> float | None:
    return None if probability is None else round(float(probability), 4)
