"""What a trained model knows beside its weights."""

from dataclasses import dataclass, fields
from typing import Any

from titleclf.characters import Characters
from titleclf.context import Contexts
from titleclf.facts import Facts
from titleclf.kinds import Task
from titleclf.memory import Memory
from titleclf.tags.memory import TagMemory
from titleclf.tags.temperature import TagTemperature
from titleclf.temperature import Temperature
from titleclf.thresholds import Thresholds


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
