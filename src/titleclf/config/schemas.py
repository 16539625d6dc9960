"""What can be configured: typed schemas without values; those stand in conf/."""

from dataclasses import dataclass

from titleclf.runtime.architecture import KINDS, ModelConfig
from titleclf.runtime.choices import Device, ExportFormat, Format, MemoryKind, Misspelling, ObjectiveKind, Task


@dataclass
class ColumnsConfig:
    """The names of the columns in a user's file, and the language of titles that have none there.

    `channel` and `duration` (in minutes) are None where a model shall not look at them.
    """

    title: str
    category: str
    lang: str
    unnamed_lang: str
    channel: str | None
    duration: str | None


@dataclass
class DataConfig:
    """Labelled titles (`shipped`: those that come with the package) and how they are split."""

    about: str | None
    path: str
    test_path: str | None
    corrections: str | None
    columns: ColumnsConfig
    validation_fraction: float
    test_fraction: float


@dataclass
class CharactersConfig:
    """How a title becomes characters, and which of them are worth an id."""

    casefold: bool
    min_count: int


@dataclass
class ContextConfig:
    """Which channels are worth an id, and which share of the titles of an epoch loses its channel, or its duration."""

    min_titles: int
    dropout: float


@dataclass
class ObjectiveConfig:
    """What all objectives share."""

    kind: ObjectiveKind


@dataclass
class ViewsConfig(ObjectiveConfig):
    """Two halves of a title pulled together; the smaller the temperature, the more the nearest others count."""

    temperature: float


@dataclass
class SkipgramConfig(ObjectiveConfig):
    """A piece of a title foretells another one: pairs drawn a title, and strangers a pair."""

    pairs: int
    negatives: int


@dataclass
class CbowConfig(ObjectiveConfig):
    """The rest of a title foretells a piece: strangers a title."""

    negatives: int


@dataclass
class MaskedConfig(ObjectiveConfig):
    """Hidden characters are foretold: the share of all that are hidden."""

    share: float


OBJECTIVES: dict[ObjectiveKind, type[ObjectiveConfig]] = {
    ObjectiveKind.views: ViewsConfig,
    ObjectiveKind.skipgram: SkipgramConfig,
    ObjectiveKind.cbow: CbowConfig,
    ObjectiveKind.masked: MaskedConfig,
}

# Which schemas stand for several, and which of them a value of `kind` means.
KINDS[ObjectiveConfig] = OBJECTIVES


@dataclass
class LossConfig:
    """The terms of the loss and their weights: labels, and the objective on titles without labels.

    `titles` is a file of these in `column`; without one, the titles of training are taken.
    """

    classification: float
    unsupervised: float
    titles: str | None
    column: str


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
    tell its titles apart by heart, and must not. A table that was loaded knows much already, and decays to that.
    """

    lr: float
    table_lr: float
    loaded_lr: float
    weight_decay: float
    table_decay: float
    loaded_decay: float
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
class PretrainingConfig:
    """The loop over titles without labels, shuffled a part of the file at a time."""

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
    context: ContextConfig
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
    trial: bool
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
    """`python -m titleclf.export`; `titles` are asked of the model and of what is made from it."""

    run: str
    format: ExportFormat
    output: str
    fold: bool
    titles: str
