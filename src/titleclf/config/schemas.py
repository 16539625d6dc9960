"""The schemas of the configuration: fields and their types. Values live in conf/."""

from dataclasses import dataclass
from typing import Any

from titleclf.runtime.architecture import KINDS, ModelConfig
from titleclf.runtime.choices import Device, ExportFormat, Format, MemoryKind, Misspelling, ObjectiveKind, Task


@dataclass
class ColumnsConfig:
    """Column names in a user's file, and the language of titles without one.

    Those of `channel` and of what follows it are read if the model uses them, that of `kind` if the loss does, that of
    `source` if sources are left out.
    """

    title: str
    category: str
    lang: str
    unnamed_lang: str
    channel: str
    minutes: str
    description: str
    sub_title: str
    year: str
    kind: str
    source: str


SHIPPED_COLUMNS = ColumnsConfig(
    "title", "category", "lang", "und", "channel", "minutes", "description", "sub_title", "year", "kind", "source"
)


@dataclass
class DataConfig:
    """Labelled titles (`shipped`: those of the package) and how to split them.

    Sources that are left out are for validation, whole, instead of a fraction of the titles.
    """

    about: str | None
    path: str
    test_path: str | None
    corrections: str | None
    columns: ColumnsConfig
    left_out: list[str]
    validation_fraction: float
    test_fraction: float


@dataclass
class CharactersConfig:
    """How a title becomes characters, and how often a character must occur to get an id."""

    casefold: bool
    min_count: int


@dataclass
class ObjectiveConfig:
    """The field that all pre-training objectives share."""

    kind: ObjectiveKind


@dataclass
class ViewsConfig(ObjectiveConfig):
    """Contrast two halves of a title with other titles; a low temperature stresses the nearest ones."""

    temperature: float


@dataclass
class SkipgramConfig(ObjectiveConfig):
    """Predict one piece of a title from another: pairs per title, negative samples per pair."""

    pairs: int
    negatives: int


@dataclass
class CbowConfig(ObjectiveConfig):
    """Predict a piece of a title from the rest: negative samples per title."""

    negatives: int


@dataclass
class MaskedConfig(ObjectiveConfig):
    """Predict masked characters: the fraction of all that is masked."""

    share: float


OBJECTIVES: dict[ObjectiveKind, type[ObjectiveConfig]] = {
    ObjectiveKind.views: ViewsConfig,
    ObjectiveKind.skipgram: SkipgramConfig,
    ObjectiveKind.cbow: CbowConfig,
    ObjectiveKind.masked: MaskedConfig,
}

# The schema of an objective depends on its `kind`.
KINDS[ObjectiveConfig] = OBJECTIVES


@dataclass
class LossConfig:
    """The terms of the loss and their weights: classification, kinds, and an objective on unlabelled titles.

    Of a programme with fields, `title_alone` and `fields_alone` are the parts of the first two that what is predicted
    from the title alone and from the fields alone has.
    `titles` is a file with unlabelled titles in `column`; None: the training titles.
    """

    classification: float
    kind: float
    title_alone: float
    fields_alone: float
    unsupervised: float
    titles: str | None
    column: str


@dataclass
class NoiseConfig:
    """The fractions of training titles that are misspelt and reformatted, and the kinds of either."""

    misspelt: float
    max_edits: int
    misspellings: list[Misspelling]
    reformatted: float
    formats: list[Format]


@dataclass
class OptimConfig:
    """AdamW with warm-up and cosine decay; `skip` names modules whose matrices get no weight decay.

    Tables have their own values: a row is seldom in a batch and needs large steps, and without decay a rare feature
    memorizes its titles. A loaded table decays to its loaded values; tables of minutes, years and kinds of channels,
    which have few features, don't decay.
    """

    lr: float
    table_lr: float
    loaded_lr: float
    weight_decay: float
    table_decay: float
    field_decay: float
    loaded_decay: float
    betas: list[float]
    warmup_fraction: float
    clip_norm: float
    skip: list[str]


@dataclass
class TrainingConfig:
    """The training loop."""

    epochs: int
    batch_size: int
    patience_epochs: int
    class_balance: float
    label_smoothing: float
    prior_exponent: float
    familiarity: bool
    refit: bool


@dataclass
class CategoryPrecision:
    """The precision that answers of this category must reach."""

    category: str
    precision: float


@dataclass
class EvaluationConfig:
    """What a report measures.

    `category_precision` is a list because Hydra accepts no key with an apostrophe or an umlaut.
    """

    calibration_bins: int
    target_precision: float
    category_precision: list[CategoryPrecision]
    robustness_titles: int


@dataclass
class PretrainingConfig:
    """The loop over unlabelled titles, which are read and shuffled one part of the file at a time."""

    epochs: int
    batch_size: int
    part_titles: int


@dataclass
class PretrainConfig:
    """`python -m titleclf.pretrain`."""

    titles: str
    column: str
    characters: CharactersConfig
    model: ModelConfig
    objective: ObjectiveConfig
    noise: NoiseConfig
    optim: OptimConfig
    pretraining: PretrainingConfig
    seed: int
    device: Device
    output_dir: str
    resume: str | None


@dataclass
class TrainConfig:
    """`python -m titleclf.train`."""

    task: Task
    data: DataConfig
    characters: CharactersConfig
    model: ModelConfig
    noise: NoiseConfig
    objective: ObjectiveConfig
    loss: LossConfig
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
class SearchConfig:
    """The trials of a sweep; `space` mirrors the configuration, with a range in place of a value.

    A range is `{low, high}`, `{low, high, log: true}` or `{choices: [...]}`.
    """

    trials: int
    startup_trials: int
    seed: int
    space: dict[str, Any]


@dataclass
class SweepConfig(TrainConfig):
    """`python -m titleclf.sweep`: a training, and which of its values to search."""

    sweep: SearchConfig


@dataclass
class EvaluateConfig:
    """`python -m titleclf.evaluate`; the model is `run`, because `model=` names a file in conf/model/."""

    run: str
    path: str | None
    columns: ColumnsConfig
    evaluate: EvaluationConfig
    output_dir: str | None


@dataclass
class ExportConfig:
    """`python -m titleclf.export`; the model and its export must agree on `titles`."""

    run: str
    format: ExportFormat
    output: str
    fold: bool
    titles: str
