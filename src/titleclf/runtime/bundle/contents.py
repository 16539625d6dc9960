"""What a trained model knows beside its weights."""

from dataclasses import dataclass, fields
from typing import Any

from titleclf.runtime.calibration import Temperature
from titleclf.runtime.choices import Task
from titleclf.runtime.memory.memory import Memory
from titleclf.runtime.memory.tag_memory import TagMemory
from titleclf.runtime.tag_calibration import TagTemperature
from titleclf.runtime.text.characters import Characters
from titleclf.runtime.text.programmes import Contexts
from titleclf.runtime.thresholds import Thresholds

Metrics = dict[str, Any]  # plain values, as in metrics.json


@dataclass
class Facts:
    """What a classifier was trained on, and how good it is on titles held out."""

    about: str | None
    training_titles: int
    remembers_training: bool  # else the memory, if any, is of other titles
    languages: list[str]
    seed: int
    fingerprint: str
    metrics: Metrics


@dataclass
class Trained:
    """What makes titles numbers, and numbers honest answers.

    Temperature, thresholds and metrics come from titles that the model was not trained on.
    """

    task: Task
    characters: Characters
    categories: list[str]
    temperature: Temperature | TagTemperature
    thresholds: Thresholds
    memory: Memory | TagMemory | None
    facts: Facts
    contexts: Contexts | None  # None: titles are all that it looks at
    alone: Thresholds | None  # with contexts: of titles whose channel or duration it doesn't know

    def by_name(self) -> dict[str, Any]:
        """Return these values by name, for another that has them, too."""
        return {field.name: getattr(self, field.name) for field in fields(Trained)}
