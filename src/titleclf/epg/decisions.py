"""What to call each title of a guide: the user's word, else that of the first model that is sure enough."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from titleclf.answers import Prediction
from titleclf.arrays import Floats
from titleclf.classifiers import BaseClassifier
from titleclf.epg.overrides import Overrides

_LONGEST = 1000  # characters of a title that count
_REMEMBERED = 500_000  # titles: a guide of any size has fewer, and no guide may fill the memory


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

    A title is decided once: it has the same categories wherever it stands in a guide, and in every guide.
    """

    models: Sequence[tuple[BaseClassifier, Floats]]
    overrides: Overrides | None = None
    _known: dict[str, Decision] = field(default_factory=dict)

    def decide(self, titles: Iterable[str]) -> list[Decision]:
        """Return a decision a title, in their order."""
        cut = [title[:_LONGEST] for title in titles]
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        self._known.update(self._decided([title for title in dict.fromkeys(cut) if title not in self._known]))
        return [self._known[title] for title in cut]

    def _decided(self, titles: Sequence[str]) -> dict[str, Decision]:
        found = self._overridden(titles)
        unsure = [title for title in titles if title not in found]
        for model, least in self.models:
            for prediction in model.predict(unsure, least=least):
                decision = _decision(prediction)
                before = found.get(prediction.title)
                if before is None or decision.categories or decision.probability > before.probability:
                    found[prediction.title] = decision
            unsure = [title for title in unsure if not found[title].categories]
        return found

    def _overridden(self, titles: Sequence[str]) -> dict[str, Decision]:
        rows = {} if self.overrides is None else self.overrides.find(titles)
        return {
            title: Decision((row.category,) if row.category else (), row.category, 1.0, is_override=True)
            for title, row in rows.items()
        }


def _decision(prediction: Prediction) -> Decision:
    likeliest, probability = prediction.candidates[0] if prediction.candidates else ("", 0.0)
    return Decision(prediction.named, likeliest, probability)
