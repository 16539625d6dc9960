"""What can be configured: typed schemas without values; those stand in conf/."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from types import UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from titleclf.errors import InputError


class Device(StrEnum):
    """Where tensors live; `auto` takes CUDA, then MPS, then the CPU."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


class Positions(StrEnum):
    """The positional codes of `positions.table`."""

    alternating = "alternating"
    sinusoidal = "sinusoidal"
    learned = "learned"
    none = "none"


class Combine(StrEnum):
    """How a positional code meets the character at its place."""

    multiply = "multiply"
    add = "add"


class ModelKind(StrEnum):
    """The encoders of `model`."""

    bag = "bag"
    ngram = "ngram"
    conv = "conv"


class MemoryKind(StrEnum):
    """Which titles a memory leans on: none, those that are known, or also those that resemble a known one."""

    none = "none"
    exact = "exact"
    fuzzy = "fuzzy"


class Misspelling(StrEnum):
    """What happens to the letters of a title, in `noise.misspell`."""

    insert = "insert"
    delete = "delete"
    transpose = "transpose"
    substitute = "substitute"
    diacritics = "diacritics"
    mojibake = "mojibake"
    ocr = "ocr"


class Format(StrEnum):
    """How guides dress a title up, in `noise.reformat`."""

    case = "case"
    mark_before = "mark_before"
    mark_after = "mark_after"
    episode = "episode"
    year = "year"
    article = "article"
    subtitle = "subtitle"
    cut = "cut"
    separators = "separators"


class ExportFormat(StrEnum):
    """What `export` writes: a folder that predicts, or a file of embeddings to start another training from."""

    bundle = "bundle"
    embeddings = "embeddings"


@dataclass
class ColumnsConfig:
    """The names of the columns in a user's file, and the language of titles that have none there."""

    title: str
    category: str
    lang: str
    unnamed_lang: str


@dataclass
class DataConfig:
    """Labelled titles (`shipped`: those that come with the package) and how they are split."""

    about: str | None
    path: str
    test_path: str | None
    columns: ColumnsConfig
    validation_fraction: float
    test_fraction: float


@dataclass
class CharactersConfig:
    """How a title becomes characters, and which of them are worth an id."""

    casefold: bool
    min_count: int


@dataclass
class EmbeddingsConfig:
    """A file of pre-trained embeddings, and whether they stay as they are."""

    path: str | None
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


@dataclass
class NoiseConfig:
    """Which share of the training titles is misspelt, which reformatted, and in which ways."""

    misspelt: float
    max_edits: int
    misspellings: list[Misspelling]
    reformatted: float
    formats: list[Format]


@dataclass
class OptimConfig:
    """AdamW with warm-up and cosine decay; `skip` names the modules whose matrices get no weight decay.

    N-gram tables have values of their own: a row is seldom in a batch and must then move far, and a rare n-gram can
    tell its titles apart by heart, and must not.
    """

    lr: float
    table_lr: float
    weight_decay: float
    table_decay: float
    betas: list[float]
    warmup_fraction: float
    clip_norm: float
    skip: list[str]


@dataclass
class TrainingConfig:
    """The loop."""

    epochs: int
    batch_size: int
    patience_epochs: int
    class_balance: float
    label_smoothing: float


@dataclass
class CategoryPrecision:
    """How many of the answers that name this category shall be right."""

    category: str
    precision: float


@dataclass
class EvaluationConfig:
    """What a report measures; a list and no mapping, because Hydra takes no key with an apostrophe or an umlaut."""

    calibration_bins: int
    target_precision: float
    category_precision: list[CategoryPrecision]
    robustness_titles: int


@dataclass
class TrainConfig:
    """`python -m titleclf.train`."""

    data: DataConfig
    characters: CharactersConfig
    model: ModelConfig
    noise: NoiseConfig
    optim: OptimConfig
    training: TrainingConfig
    memory: MemoryKind
    memory_path: str | None
    evaluate: EvaluationConfig
    seed: int
    device: Device
    output_dir: str
    resume: str | None


@dataclass
class EvaluateConfig:
    """`python -m titleclf.evaluate`; the model is `run`, as in `export`: `model=` would mean a file in conf/model/."""

    run: str
    path: str | None
    columns: ColumnsConfig
    evaluate: EvaluationConfig
    output_dir: str | None


@dataclass
class ExportConfig:
    """`python -m titleclf.export`."""

    run: str
    format: ExportFormat
    output: str


def from_mapping(schema: type[Any], values: Mapping[str, Any], where: str = "config") -> Any:
    """Build the dataclass `schema` from the plain `values` that were saved as JSON or YAML.

    Raises
    ------
    InputError
        If a key is missing or unknown, or a value has the wrong type.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{where} must be a mapping. Got {values!r}.")
    if schema is ModelConfig:
        schema = MODELS[_typed(ModelKind, values.get("kind"), f"{where}.kind")]
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
