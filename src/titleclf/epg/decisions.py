"""What to call each title of a guide: the user's word, else that of the first model that is sure enough."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from titleclf.answers import Prediction
from titleclf.arrays import Floats
from titleclf.classifiers import BaseClassifier
from titleclf.context import UNKNOWN, Context
from titleclf.epg.overrides import Overrides

_LONGEST = 1000  # characters of a title that count
_REMEMBERED = 500_000  # titles: a guide of any size has fewer, and no guide may fill the memory


Asked = tuple[str, Context]  # a title, and where it is shown


class Decision(NamedTuple):
    """The categories of a title, none where nobody is sure; and the likeliest one with its probability.

    Where nobody is, that is the likeliest to the model that is surest of its own.

    `is_override` where the user has said so; the probability is then 1.
    """

    categories: tuple[str, ...]
    likeliest: str
    probability: float
    is_override: bool = False


@dataclass
class Decider:
    """Models with the least probability of each of their categories, the first asked first; and overrides.

    A title is decided once: it has the same categories wherever it stands in a guide, and in every guide. If a model
    looks at more than titles, that is so of each title on each channel, as long as it lasts there.
    """

    models: Sequence[tuple[BaseClassifier, Floats]]
    overrides: Overrides | None = None
    _known: dict[Asked, Decision] = field(default_factory=dict)

    @property
    def looks_at_contexts(self) -> bool:
        """Whether a model looks at channels or durations."""
        return any(model.contexts is not None for model, _ in self.models)

    def decide(self, titles: Iterable[str], contexts: Iterable[Context] | None = None) -> list[Decision]:
        """Return a decision a title, in their order; their contexts count only if `looks_at_contexts`."""
        cut = [title[:_LONGEST] for title in titles]
        asked = [(title, UNKNOWN) for title in cut] if contexts is None else list(zip(cut, contexts, strict=True))
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        self._known.update(self._decided([one for one in dict.fromkeys(asked) if one not in self._known]))
        return [self._known[one] for one in asked]

    def _decided(self, asked: Sequence[Asked]) -> dict[Asked, Decision]:
        found = self._overridden(asked)
        unsure = [one for one in asked if one not in found]
        for model, least in self.models:
            titles, contexts = [title for title, _ in unsure], [context for _, context in unsure]
            predictions, _ = model.predict_counting(titles, least=least, contexts=contexts)
            for one, prediction in zip(unsure, predictions, strict=True):
                decision, before = _decision(prediction), found.get(one)
                if before is None or decision.categories or decision.probability > before.probability:
                    found[one] = decision
            unsure = [one for one in unsure if not found[one].categories]
        return found

    def _overridden(self, asked: Sequence[Asked]) -> dict[Asked, Decision]:
        # What the user says of a title holds wherever it is shown.
        rows = {} if self.overrides is None else self.overrides.find(title for title, _ in asked)
        return {
            one: Decision((row.category,) if row.category else (), row.category, 1.0, is_override=True)
            for one in asked
            if (row := rows.get(one[0]))
        }


def _decision(prediction: Prediction) -> Decision:
    likeliest, probability = prediction.candidates[0] if prediction.candidates else ("", 0.0)
    return Decision(prediction.named, likeliest, probability)
