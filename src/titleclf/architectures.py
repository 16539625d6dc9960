"""The schemas of `model`: what prediction, too, must know of a network."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from titleclf.kinds import Combine, ModelKind, Positions


@dataclass
class EmbeddingsConfig:
    """A file of pre-trained embeddings, which of its tables are taken, and whether they stay as they are."""

    path: str | None
    tables: list[str] | None
    freeze: bool


@dataclass
class ModelConfig:
    """What all encoders share."""

    kind: ModelKind
    dim: int
    positions: Positions
    combine: Combine
    boundary: bool
    hidden: int
    dropout: float
    embeddings: EmbeddingsConfig


@dataclass
class BagConfig(ModelConfig):
    """The sum over positions of position times character."""


@dataclass
class NgramConfig(ModelConfig):
    """Positional characters plus hashed character n-grams."""

    orders: list[int]
    across_words: bool
    buckets: int
    ngram_dropout: float


@dataclass
class ConvConfig(ModelConfig):
    """Convolutions of several widths over positional characters."""

    widths: list[int]
    channels: int


MODELS: dict[ModelKind, type[ModelConfig]] = {
    ModelKind.bag: BagConfig,
    ModelKind.ngram: NgramConfig,
    ModelKind.conv: ConvConfig,
}

# Schemas whose fields depend on what their `kind` says; `config` adds those that only training knows.
KINDS: dict[type[Any], Mapping[Any, type[Any]]] = {ModelConfig: MODELS}
