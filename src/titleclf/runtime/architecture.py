"""The schemas of a network, which prediction needs, too, and how they are read from a file."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from types import UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from titleclf.runtime.choices import Combine, Field, ModelKind, Positions
from titleclf.runtime.errors import InputError


@dataclass
class EmbeddingsConfig:
    """A file of pre-trained embeddings, the tables to load from it, and whether they are frozen."""

    path: str | None
    tables: list[str] | None
    freeze: bool


@dataclass
class FieldsConfig:
    """The fields beside the title that a model uses, and how they become features.

    Texts become hashed n-grams of words and of characters inside words, channels hashed n-grams of characters;
    `text_length` is in characters. Training hides each field of a fraction `dropout` of the programmes, and
    `feature_dropout` of the fields' n-grams.
    """

    use: list[Field]
    text_orders: list[int]
    text_characters: list[int]
    text_buckets: int
    text_length: int
    channel_orders: list[int]
    channel_buckets: int
    dropout: float
    feature_dropout: float

    @property
    def columns(self) -> frozenset[str]:
        """The columns of programmes that the model uses beside the title."""
        return frozenset(field.column for field in self.use)


# Of bundles that were written before fields were part of the configuration.
NO_FIELDS = {
    "use": [],
    "text_orders": [1],
    "text_characters": [],
    "text_buckets": 1,
    "text_length": 1,
    "channel_orders": [1],
    "channel_buckets": 1,
    "dropout": 0.0,
    "feature_dropout": 0.0,
}


@dataclass
class ModelConfig:
    """The settings that all encoders share."""

    kind: ModelKind
    dim: int
    positions: Positions
    combine: Combine
    boundary: bool
    hidden: int
    dropout: float
    embeddings: EmbeddingsConfig
    fields: FieldsConfig


@dataclass
class BagConfig(ModelConfig):
    """The sum over positions of the characters, each combined with its positional code."""


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

AnyModel = BagConfig | NgramConfig | ConvConfig  # what each implementation of the network must handle


def known_model(model: ModelConfig) -> AnyModel:
    """Return the model as one of those that all implementations of the network know.

    Raises
    ------
    InputError
        If it is another one, even a subclass: no implementation may compute it as if it were one of them.
    """
    if not isinstance(model, AnyModel) or type(model) not in get_args(AnyModel):
        raise InputError(
            f"model.kind must be one of {', '.join(MODELS)}. Got {type(model).__name__}. Add it to each implementation "
            "of the network."
        )
    return model


# Schemas whose fields depend on their `kind`; config.schemas adds those of training.
KINDS: dict[type[Any], Mapping[Any, type[Any]]] = {ModelConfig: MODELS}


def from_mapping(schema: type[Any], values: Mapping[str, Any], where: str = "config") -> Any:
    """Build the dataclass `schema` from plain `values` of JSON or YAML; `where` names their origin in errors.

    Raises
    ------
    InputError
        If a key is missing or unknown, or a value has the wrong type.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{where} must be a mapping. Got {values!r}.")
    if schema in KINDS:
        kinds = KINDS[schema]
        kind = _typed(type(next(iter(kinds))), values.get("kind"), f"{where}.kind")
        schema = kinds[kind]
    hints = get_type_hints(schema)
    names = {field.name for field in fields(schema)}
    if names != set(values):
        differing = ", ".join(sorted(map(str, names ^ set(values))))
        raise InputError(f"{where} must have the keys {', '.join(sorted(names))}. Missing or unknown: {differing}.")
    return schema(**{name: _typed(hints[name], values[name], f"{where}.{name}") for name in names})


def _typed(hint: Any, value: Any, where: str) -> Any:
    if hint is Any:
        return value
    if is_dataclass(hint):
        return from_mapping(cast("type[Any]", hint), value, where)
    if get_origin(hint) in (Union, UnionType):
        return None if value is None else _typed(get_args(hint)[0], value, where)
    if get_origin(hint) is list and isinstance(value, list):
        return [_typed(get_args(hint)[0], item, where) for item in value]
    if get_origin(hint) is dict and isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _typed(get_args(hint)[1], item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(hint, type) and issubclass(hint, StrEnum) and value in list(hint):
        return hint(value)
    if hint is float and type(value) in (int, float):
        return float(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    raise InputError(f"{where} must be of type {getattr(hint, '__name__', hint)}. Got {value!r}.")
