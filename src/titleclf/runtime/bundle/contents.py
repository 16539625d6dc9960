"""What a bundle holds: a model's weights and everything else that it needs to predict."""

from dataclasses import dataclass
from typing import Any

from titleclf.runtime.architecture import ModelConfig
from titleclf.runtime.bundle.packing import Array
from titleclf.runtime.calibration import TagTemperature, Temperature
from titleclf.runtime.choices import Task
from titleclf.runtime.memory.memory import Memory
from titleclf.runtime.text.characters import Characters
from titleclf.runtime.text.programmes import FieldVocabulary
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
    fields: FieldVocabulary | None = None  # None for a model that sees titles alone
    title_thresholds: Thresholds | TagThresholds | None = None  # with fields: for programmes that lack one


@dataclass
class Bundle:
    """The contents beside the network's architecture and weights, which may be packed or folded."""

    contents: BundleContents
    model: ModelConfig
    weights: dict[str, Array]
