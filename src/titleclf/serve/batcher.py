"""Titles of concurrent requests, predicted together in batches."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from titleclf.epg.overrides import Override, names_of
from titleclf.runtime.arrays import Floats
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError
from titleclf.runtime.explanation import check_linear, explain
from titleclf.runtime.network import LinearNetwork
from titleclf.runtime.prediction import Prediction
from titleclf.runtime.text.programmes import Programme, Programmes
from titleclf.serve.corrections import Corrections
from titleclf.serve.security import MAX_TITLES

_BATCH_TITLES = 64  # a few milliseconds, after which the event loop handles other events
_BATCH_TITLES_PER_REQUEST = 16  # so that a request for a thousand titles does not delay single titles
_WARM_UP = Programme("warm-up title", "Channel", 1.0, "Description", "Sub-title", 2000, "en")

Json = dict[str, Any]


@dataclass
class _Request:
    programmes: Programmes
    top: int
    kinds: bool
    future: "asyncio.Future[list[Json]]"
    predictions: list[Json] = field(default_factory=list)


class Batcher:
    """A classifier that serves concurrent requests in shared batches, on the event loop and without waiting.

    A batch of ten titles costs numpy little more than one title. Requests that arrive during a batch form the next.
    """

    def __init__(
        self, classifier: Classifier[LinearNetwork], min_probability: Floats, corrections: Corrections
    ) -> None:
        self._classifier, self._min_probability, self._corrections = classifier, min_probability, corrections
        self._queue: deque[_Request] = deque()
        self._is_scheduled = False
        self.can_explain = is_linear(classifier)
        # Build the caches that large batches use before the first client arrives.
        titles = [f"warm-up title number {number} of a large batch" for number in range(MAX_TITLES)]
        for programmes in (Programmes(titles), Programmes.of([_WARM_UP])):
            classifier.predict_programmes(programmes, min_probability=min_probability)

    async def predict(self, programmes: Programmes, top: int, *, kinds: bool = False) -> list[Json]:
        """Return a prediction per programme, in order, with its kind on request."""
        if not programmes:
            return []
        future: asyncio.Future[list[Json]] = asyncio.get_running_loop().create_future()
        self._queue.append(_Request(programmes, top, kinds, future))
        self._schedule()
        return await future

    async def explain(self, programmes: Programmes) -> list[Json | None]:
        """Return an explanation of each title's most probable category, None where there is none."""
        explanations = []
        for programme in programmes:
            explanation = explain(self._classifier, programme) if self.can_explain else None
            explanations.append(explanation.asdict() if explanation else None)
            await asyncio.sleep(0)  # let other requests run
        return explanations

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._run_batch)

    def _run_batch(self) -> None:
        """Predict a few titles of each request, the longest waiting first."""
        self._is_scheduled = False
        batch: list[tuple[_Request, slice]] = []
        room = _BATCH_TITLES
        while self._queue and room > 0:
            request = self._queue.popleft()
            if request.future.done():  # the client has disconnected
                continue
            start = len(request.predictions)
            count = min(_BATCH_TITLES_PER_REQUEST, room, len(request.programmes) - start)
            batch.append((request, slice(start, start + count)))
            room -= count
        try:
            self._predict(batch)
        except Exception as error:
            for request, _ in batch:
                if not request.future.done():
                    request.future.set_exception(error)
        if self._queue:
            self._schedule()

    def _predict(self, batch: Sequence[tuple[_Request, slice]]) -> None:
        programmes = Programmes.of(programme for request, part in batch for programme in request.programmes[part])
        on_channels = [(programme.title, names_of(programme.channel)) for programme in programmes]
        overrides = self._corrections.overrides.find_on(on_channels)
        top = max((request.top for request, _ in batch), default=1)
        kinds = any(request.kinds for request, _ in batch)
        predictions = self._classifier.predict_programmes(programmes, top, self._min_probability, kinds=kinds)
        results = zip(predictions, map(overrides.get, on_channels), strict=True)
        for request, part in batch:
            for prediction, override in islice(results, part.stop - part.start):
                request.predictions.append(_as_json(prediction, override, request))
            if len(request.predictions) < len(request.programmes):
                self._queue.append(request)
            else:
                request.future.set_result(request.predictions)


def is_linear(classifier: Classifier[LinearNetwork]) -> bool:
    """Return whether the model's logits are sums over features, so that predictions can be explained."""
    try:
        check_linear(classifier.network.model)
    except InputError:
        return False
    return True


def _as_json(prediction: Prediction, override: Override | None, request: _Request) -> Json:
    """Return a prediction as JSON values; `top` holds the model's own candidates even for a corrected title."""
    categories = list(prediction.named)
    if override is not None:
        categories = [override.category] if override.category else []
    answer: Json = {
        "title": prediction.title,
        "category": categories[0] if categories else None,
        "categories": categories,
        "probability": 1.0 if override else _rounded(prediction.probability),
        "correction": override and {"text": override.text, "category": override.category},
        "top": [
            {"category": category, "probability": _rounded(probability)}
            for category, probability in prediction.candidates[: request.top]
        ],
    }
    if request.kinds:
        kind = prediction.kind
        answer["kind"] = kind and {"name": kind[0], "probability": _rounded(kind[1])}
    return answer


def _rounded(probability: float | None) -> float | None:
    return None if probability is None else round(float(probability), 4)
