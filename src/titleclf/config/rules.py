"""The rules that configured values obey, all checked at once."""

from collections.abc import Iterator
from typing import Any

from titleclf.config.schemas import (
    OBJECTIVES,
    CbowConfig,
    DataConfig,
    EvaluateConfig,
    EvaluationConfig,
    ExportConfig,
    LossConfig,
    MaskedConfig,
    NoiseConfig,
    ObjectiveConfig,
    OptimConfig,
    PretrainConfig,
    SkipgramConfig,
    TrainConfig,
    ViewsConfig,
)
from titleclf.runtime.architecture import MODELS, ConvConfig, ModelConfig, NgramConfig
from titleclf.runtime.choices import MemoryKind, Positions, Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import SHIPPED

Rule = tuple[str, Any, bool, str]


def check(config: PretrainConfig | TrainConfig | EvaluateConfig | ExportConfig) -> None:
    """Raise one `InputError` that names every wrong value of `config`, a line each."""
    match config:
        case PretrainConfig():
            rules = [
                *_model_rules(config.model),
                *_objective_rules(config.objective, config.model),
                *_noise_rules(config.noise),
                *_optim_rules(config.optim),
                *_pretraining_rules(config),
            ]
        case TrainConfig():
            rules = [
                *_data_rules(config.data),
                _corrections_rule(config),
                *_context_rules(config),
                *_model_rules(config.model),
                *_objective_rules(config.objective, config.model),
                *_noise_rules(config.noise),
                *_optim_rules(config.optim),
                *_training_rules(config),
                *_loss_rules(config.loss),
                *_evaluation_rules(config.evaluate),
            ]
        case EvaluateConfig():
            rule = "name labelled titles: run=shipped has none of its own"
            is_named = config.run != SHIPPED or config.path is not None
            rules = [("path", config.path, is_named, rule), *_evaluation_rules(config.evaluate)]
        case ExportConfig():
            rules = []
    broken = [f"{where} must {rule}. Got {value}." for where, value, holds, rule in rules if not holds]
    if broken:
        raise InputError("\n".join(broken))


def _data_rules(data: DataConfig) -> Iterator[Rule]:
    yield _within("data.validation_fraction", data.validation_fraction, 0, 1)
    if data.test_path is None:
        yield _within("data.test_fraction", data.test_fraction, 0, 1)
        both = data.validation_fraction + data.test_fraction
        rule = "leave titles to train on: validation_fraction + test_fraction below 1"
        in_range = 0 < data.validation_fraction < 1 and 0 < data.test_fraction < 1
        yield "data", f"{both:g}", both < 1 or not in_range, rule


def _context_rules(config: TrainConfig) -> Iterator[Rule]:
    for name in ("channel", "duration"):
        column = getattr(config.data.columns, name)
        has_columns = column is None or config.data.path != SHIPPED
        yield f"data.columns.{name}", column, has_columns, "be null while data.path is shipped, whose titles have none"
    yield _at_least("context.min_titles", config.context.min_titles, 1)
    yield _from_to("context.dropout", config.context.dropout, 0, 1)


def _corrections_rule(config: TrainConfig) -> Rule:
    corrections = config.data.corrections
    fits = corrections is None or config.task is Task.single
    return "data.corrections", corrections, fits, "be null while task is multilabel: a row has one category"


def _model_rules(model: ModelConfig) -> Iterator[Rule]:
    yield (
        "model.kind",
        model.kind,
        type(model) is MODELS[model.kind],
        f"stay as the model group sets it (choose with model={model.kind})",
    )
    yield _at_least("model.dim", model.dim, 1)
    yield _at_least("model.hidden", model.hidden, 0)
    yield _from_to("model.dropout", model.dropout, 0, 1)
    yield (
        "model.embeddings.freeze",
        model.embeddings.freeze,
        not model.embeddings.freeze or model.embeddings.path is not None,
        "be false unless model.embeddings.path names what to freeze",
    )
    tables = set(model.embeddings.tables or [])
    known = {"characters", "ngrams", "convolutions"}
    rule = f"be null or some of {', '.join(sorted(known))}"
    yield "model.embeddings.tables", model.embeddings.tables, tables <= known, rule
    if isinstance(model, NgramConfig):
        yield _orders("model.orders", model.orders)
        yield _at_least("model.buckets", model.buckets, 1)
        yield _from_to("model.ngram_dropout", model.ngram_dropout, 0, 1)
    if isinstance(model, ConvConfig):
        yield _orders("model.widths", model.widths)
        yield _at_least("model.channels", model.channels, 1)


def _noise_rules(noise: NoiseConfig) -> Iterator[Rule]:
    yield _share("noise.misspelt", noise.misspelt)
    yield _at_least("noise.max_edits", noise.max_edits, 1)
    misspellings = len(noise.misspellings) > 0 or noise.misspelt <= 0
    yield "noise.misspellings", noise.misspellings, misspellings, "be one or more while noise.misspelt is above 0"
    yield _share("noise.reformatted", noise.reformatted)
    formats = len(noise.formats) > 0 or noise.reformatted <= 0
    yield "noise.formats", noise.formats, formats, "be one or more while noise.reformatted is above 0"


def _objective_rules(objective: ObjectiveConfig, model: ModelConfig) -> Iterator[Rule]:
    kind = objective.kind
    fits = type(objective) is OBJECTIVES[kind]
    yield "objective.kind", kind, fits, f"stay as the objective group sets it (choose with objective={kind})"
    match objective:
        case ViewsConfig():
            yield "objective.temperature", objective.temperature, objective.temperature > 0, "be above 0"
        case SkipgramConfig():
            yield _at_least("objective.pairs", objective.pairs, 1)
            yield _at_least("objective.negatives", objective.negatives, 1)
        case CbowConfig():
            yield _at_least("objective.negatives", objective.negatives, 1)
        case MaskedConfig():
            yield _within("objective.share", objective.share, 0, 1)
            yield "objective", kind, isinstance(model, ConvConfig), "be another one without convolutions (model=conv)"


def _pretraining_rules(config: PretrainConfig) -> Iterator[Rule]:
    sizes, embeddings = config.pretraining, config.model.embeddings
    yield _at_least("characters.min_count", config.characters.min_count, 1)
    yield "model.embeddings.path", embeddings.path, embeddings.path is None, "be null: pre-training makes such a file"
    positions = config.model.positions
    kept = positions is not Positions.learned
    yield "model.positions", positions, kept, "be another one than learned: a file of embeddings holds no positions"
    convolves = not isinstance(config.model, ConvConfig) or isinstance(config.objective, ViewsConfig | MaskedConfig)
    kind = config.objective.kind
    yield "objective", kind, convolves, "be views or masked with model=conv, whose convolutions no other one trains"
    yield _at_least("pretraining.epochs", sizes.epochs, 1)
    yield _at_least("pretraining.batch_size", sizes.batch_size, 2)
    yield _at_least("pretraining.part_titles", sizes.part_titles, sizes.batch_size)
    yield _at_least("seed", config.seed, 0)


def _loss_rules(loss: LossConfig) -> Iterator[Rule]:
    yield "loss.classification", loss.classification, loss.classification > 0, "be above 0"
    yield "loss.unsupervised", loss.unsupervised, loss.unsupervised >= 0, "be 0 or more"
    used = loss.titles is None or loss.unsupervised != 0
    yield "loss.titles", loss.titles, used, "be null while loss.unsupervised is 0"


def _optim_rules(optim: OptimConfig) -> Iterator[Rule]:
    yield "optim.lr", optim.lr, optim.lr > 0, "be above 0"
    yield "optim.table_lr", optim.table_lr, optim.table_lr > 0, "be above 0"
    yield "optim.loaded_lr", optim.loaded_lr, optim.loaded_lr > 0, "be above 0"
    yield "optim.weight_decay", optim.weight_decay, optim.weight_decay >= 0, "be 0 or more"
    yield "optim.table_decay", optim.table_decay, optim.table_decay >= 0, "be 0 or more"
    yield "optim.loaded_decay", optim.loaded_decay, optim.loaded_decay >= 0, "be 0 or more"
    betas = len(optim.betas) == 2 and all(0 <= beta < 1 for beta in optim.betas)
    yield "optim.betas", optim.betas, betas, "be two numbers in [0, 1)"
    yield _from_to("optim.warmup_fraction", optim.warmup_fraction, 0, 1)
    yield "optim.clip_norm", optim.clip_norm, optim.clip_norm > 0, "be above 0"


def _training_rules(config: TrainConfig) -> Iterator[Rule]:
    training = config.training
    yield _at_least("characters.min_count", config.characters.min_count, 1)
    yield _at_least("training.epochs", training.epochs, 1)
    yield _at_least("training.batch_size", training.batch_size, 1)
    yield _at_least("training.patience_epochs", training.patience_epochs, 1)
    balanced = 0 <= training.class_balance <= 1
    yield "training.class_balance", training.class_balance, balanced, "be in [0, 1]"
    yield _from_to("training.label_smoothing", training.label_smoothing, 0, 1)
    remembers = config.memory is not MemoryKind.none or config.memory_path is None
    yield "memory_path", config.memory_path, remembers, "be null while memory is none"
    yield _at_least("seed", config.seed, 0)


def _evaluation_rules(evaluate: EvaluationConfig) -> Iterator[Rule]:
    yield _at_least("evaluate.calibration_bins", evaluate.calibration_bins, 1)
    yield _within("evaluate.target_precision", evaluate.target_precision, 0, 1)
    for wish in evaluate.category_precision:
        yield _within(f"evaluate.category_precision of {wish.category}", wish.precision, 0, 1)
    names = [wish.category for wish in evaluate.category_precision]
    yield "evaluate.category_precision", "; ".join(names), len(set(names)) == len(names), "name each category once"
    yield _at_least("evaluate.robustness_titles", evaluate.robustness_titles, 0)


def _at_least(where: str, value: int, minimum: int) -> Rule:
    return where, value, value >= minimum, f"be at least {minimum}"


def _within(where: str, value: float, low: float, high: float) -> Rule:
    return where, value, low < value < high, f"be in ({low}, {high})"


def _from_to(where: str, value: float, low: float, high: float) -> Rule:
    return where, value, low <= value < high, f"be in [{low}, {high})"


def _share(where: str, value: float) -> Rule:
    return where, value, 0 <= value <= 1, "be in [0, 1]"


def _orders(where: str, values: list[int]) -> Rule:
    valid = len(values) > 0 and all(value >= 1 for value in values) and len(set(values)) == len(values)
    return where, values, valid, "be one or more different whole numbers above 0"
