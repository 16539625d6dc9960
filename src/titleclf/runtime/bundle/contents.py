"""What a bundle holds: a model's weights and everything else that it needs to predict."""

from dataclasses import dataclass, field
from typing import Any

from titleclf.runtime.architecture import ModelConfig
from titleclf.runtime.bundle.packing import Array
from titleclf.runtime.calibration import NO_TEMPERATURE, TagTemperature, Temperature
from titleclf.runtime.choices import Task
from titleclf.runtime.memory.memory import Memory
from titleclf.runtime.text.characters import Characters
from titleclf.runtime.thresholds import TagThresholds, Thresholds

Metrics = dict[str, Any]  # plain values, as in metrics.json


@dataclass
class ModelInfo:
    """What a model was trained on, and how good it is on held-out titles."""

    about: str | None
    training_titles: int
    remembers_training: bool  # False if the memory, if any, holds other titles
    languages: list[str]
    seed: int
    fingerprint: str
    metrics: Metrics
    is_refitted: bool  # trained once more on all titles after the metrics were measured


@dataclass
class BundleContents:
    """What turns programmes into a network's inputs, and its logits into calibrated predictions.

    Temperature, thresholds and metrics come from titles that the model was not trained on.
    """

    task: Task
    characters: Characters
    categories: list[str]
    temperature: Temperature | TagTemperature
    thresholds: Thresholds | TagThresholds
    memory: Memory | None
    info: ModelInfo
    kinds: list[str] = field(default_factory=list)  # that it answers with beside the categories; none in most models
    kind_temperature: Temperature = NO_TEMPERATURE
    title_thresholds: Thresholds | TagThresholds | None = None  # of models that use fields: for titles alone

    @property
    def outputs(self) -> int:
        """The number of outputs of the network."""
        return len(self.categories) + len(self.kinds)


@dataclass
class Bundle:
    """The contents beside the network's architecture and weights, which may be packed or folded."""

    contents: BundleContents
    model: ModelConfig
    weights: dict[str, Array]
