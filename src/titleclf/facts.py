"""What is known of a model beside its weights: what it was trained on, and how good it is."""

from dataclasses import dataclass
from typing import Any

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
