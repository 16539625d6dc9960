"""The rules for configured values, checked all at once."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from titleclf.config.schemas import (
    OBJECTIVES,
    SHIPPED_COLUMNS,
    CbowConfig,
    ColumnsConfig,
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
    SweepConfig,
    TrainConfig,
    ViewsConfig,
)
from titleclf.config.space import RANGE_KEYS, SEARCHABLE, bounds, ranges, with_values
from titleclf.runtime.architecture import MODELS, ConvConfig, ModelConfig, NgramConfig
from titleclf.runtime.choices import MemoryKind, Positions, Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import SHIPPED

RANGE_RULE = "be {low, high} with low < high, the same with log: true and 0 < low, or {choices: [two or more]}"

Rule = tuple[str, Any, bool, str]  # key, value, whether it holds, what the value must be or do


def check(config: PretrainConfig | TrainConfig | SweepConfig | EvaluateConfig | ExportConfig) -> None:
    """Raise one `InputError` with a line for every wrong value of `config`."""
    match config:
        case PretrainConfig():
            rules = [
                *_model_rules(config.model),
                *_objective_rules(config.objective, config.model),
                *_noise_rules(config.noise),
                *_optim_rules(config.optim),
                *_pretraining_rules(config),
            ]
        case SweepConfig():
            rules = [*_train_rules(config), *_sweep_rules(config)]
        case TrainConfig():
            rules = [*_train_rules(config)]
        case EvaluateConfig():
            rule = "name labelled titles: run=shipped has none of its own"
            is_named = config.run != SHIPPED or config.path is not None
            columns = _columns_rules("", config.columns, config.path)
            rules = [("path", config.path, is_named, rule), *columns, *_evaluation_rules(config.evaluate)]
        case ExportConfig():
            rules = []
    broken = [f"{where} must {rule}. Got {value}." for where, value, holds, rule in rules if not holds]
    if broken:
        raise InputError("\n".join(broken))
    if isinstance(config, SweepConfig):
        _check_bounds(config)


def _train_rules(config: TrainConfig) -> Iterator[Rule]:
    yield from _data_rules(config.data)
    yield from _columns_rules("data.", config.data.columns, config.data.path, config.data.test_path, config.memory_path)
    yield _corrections_rule(config)
    yield from _field_rules(config)
    yield from _model_rules(config.model)
    yield from _objective_rules(config.objective, config.model)
    yield from _noise_rules(config.noise)
    yield from _optim_rules(config.optim)
    yield from _training_rules(config)
    yield from _loss_rules(config.loss)
    yield from _evaluation_rules(config.evaluate)


def _sweep_rules(config: SweepConfig) -> Iterator[Rule]:
    yield "resume", config.resume, config.resume is None, "be null: a sweep resumes by the same command"
    yield _at_least("sweep.trials", config.sweep.trials, 1)
    yield _at_least("sweep.startup_trials", config.sweep.startup_trials, 1)
    yield _at_least("sweep.seed", config.sweep.seed, 0)
    space = ranges(config.sweep.space)
    yield "sweep.space", "none", len(space) > 0, "have at least one range"
    for key, values in space.items():
        where = f"sweep.space.{key}"
        yield where, values, key.split(".")[0] in SEARCHABLE, f"lie under one of {', '.join(SEARCHABLE)}"
        yield where, values, _is_range(values), RANGE_RULE


def _is_range(values: Any) -> bool:
    if not isinstance(values, Mapping) or values.keys() not in RANGE_KEYS:
        return False
    if "choices" in values:
        choices = values["choices"]
        return isinstance(choices, list) and len({*map(repr, choices)}) == len(choices) >= 2
    low, high, log = values["low"], values["high"], values.get("log", False)
    numbers = all(type(value) in (int, float) for value in (low, high))
    return numbers and low < high and isinstance(log, bool) and (low > 0 or not log)


def _check_bounds(config: SweepConfig) -> None:
    for key, values in ranges(config.sweep.space).items():
        for value in bounds(values):
            training = with_values(config, {key: value})
            try:
                check(training)
            except InputError as error:
                raise InputError(f"sweep.space: {error}") from error


def _data_rules(data: DataConfig) -> Iterator[Rule]:
    yield _within("data.validation_fraction", data.validation_fraction, 0, 1)
    if data.test_path is None:
        yield _within("data.test_fraction", data.test_fraction, 0, 1)
        both = data.validation_fraction + data.test_fraction
        rule = "leave titles to train on: validation_fraction + test_fraction below 1"
        in_range = 0 < data.validation_fraction < 1 and 0 < data.test_fraction < 1
        yield "data", f"{both:g}", both < 1 or not in_range, rule


def _columns_rules(where: str, columns: ColumnsConfig, path: str | None, *others: str | None) -> Iterator[Rule]:
    if any(one not in (None, SHIPPED) for one in (path, *others)):
        return
    for name, own in asdict(SHIPPED_COLUMNS).items():
        value = getattr(columns, name)
        rule = f"stay {own} while {where}path is {path or 'null'} (name your titles with {where}path=FILE)"
        yield f"{where}columns.{name}", value, value == own, rule


def _field_rules(config: TrainConfig) -> Iterator[Rule]:
    fields = config.model.fields
    used, have_columns = list(map(str, fields.use)), not fields.use or config.data.path != SHIPPED
    yield "model.fields.use", used, have_columns, "be [] while data.path is shipped: it has titles alone"
    yield "model.fields.use", used, len(set(used)) == len(used), "name each field once"
    has_kinds = config.loss.kind <= 0 or config.data.path != SHIPPED
    yield "loss.kind", config.loss.kind, has_kinds, "be 0 while data.path is shipped: it has no kinds"
    yield _orders("model.fields.text_orders", fields.text_orders)
    characters = fields.text_characters
    valid = all(order > 2 for order in characters) and len(set(characters)) == len(characters)
    # Shorter ones could be gaps alone, which texts without words have, too.
    yield "model.fields.text_characters", characters, valid, "be distinct integers above 2"
    yield _orders("model.fields.channel_orders", fields.channel_orders)
    for name in ("text_buckets", "text_length", "channel_buckets"):
        yield _at_least(f"model.fields.{name}", getattr(fields, name), 1)
    for name in ("dropout", "feature_dropout"):
        yield _from_to(f"model.fields.{name}", getattr(fields, name), 0, 1)


def _corrections_rule(config: TrainConfig) -> Rule:
    corrections = config.data.corrections
    fits = corrections is None or config.task is Task.single
    return "data.corrections", corrections, fits, "be null while task is multilabel: a correction names one category"


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
        "be false while model.embeddings.path is null",
    )
    tables = set(model.embeddings.tables or [])
    names = {"characters", "ngrams", "convolutions"}
    rule = f"be null or a list of {', '.join(sorted(names))}"
    yield "model.embeddings.tables", model.embeddings.tables, tables <= names, rule
    if isinstance(model, NgramConfig):
        yield _orders("model.orders", model.orders)
        yield _at_least("model.buckets", model.buckets, 1)
        yield _from_to("model.ngram_dropout", model.ngram_dropout, 0, 1)
    if isinstance(model, ConvConfig):
        yield _orders("model.widths", model.widths)
        yield _at_least("model.channels", model.channels, 1)


def _noise_rules(noise: NoiseConfig) -> Iterator[Rule]:
    yield _fraction("noise.misspelt", noise.misspelt)
    yield _at_least("noise.max_edits", noise.max_edits, 1)
    is_named = len(noise.misspellings) > 0 or noise.misspelt <= 0
    yield "noise.misspellings", noise.misspellings, is_named, "name at least one kind while noise.misspelt is above 0"
    yield _fraction("noise.reformatted", noise.reformatted)
    is_named = len(noise.formats) > 0 or noise.reformatted <= 0
    yield "noise.formats", noise.formats, is_named, "name at least one kind while noise.reformatted is above 0"


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
            yield "objective", kind, isinstance(model, ConvConfig), "be views, skipgram or cbow unless model=conv"


def _pretraining_rules(config: PretrainConfig) -> Iterator[Rule]:
    sizes, embeddings = config.pretraining, config.model.embeddings
    yield _at_least("characters.min_count", config.characters.min_count, 1)
    yield "model.embeddings.path", embeddings.path, embeddings.path is None, "be null: pre-training writes that file"
    positions = config.model.positions
    is_kept = positions is not Positions.learned
    yield "model.positions", positions, is_kept, "not be learned: an embeddings file holds no positions"
    fits = not isinstance(config.model, ConvConfig) or isinstance(config.objective, ViewsConfig | MaskedConfig)
    rule = "be views or masked with model=conv: the others train no convolutions"
    yield "objective", config.objective.kind, fits, rule
    yield _at_least("pretraining.epochs", sizes.epochs, 1)
    yield _at_least("pretraining.batch_size", sizes.batch_size, 2)
    yield _at_least("pretraining.part_titles", sizes.part_titles, sizes.batch_size)
    yield _at_least("seed", config.seed, 0)


def _loss_rules(loss: LossConfig) -> Iterator[Rule]:
    yield "loss.classification", loss.classification, loss.classification > 0, "be above 0"
    yield "loss.kind", loss.kind, loss.kind >= 0, "be 0 or more"
    for name in ("title_alone", "fields_alone"):
        yield _from_to(f"loss.{name}", getattr(loss, name), 0, 1)
    alone = loss.title_alone + loss.fields_alone
    yield "loss.fields_alone", loss.fields_alone, alone < 1, "leave something of the loss beside loss.title_alone"
    yield "loss.unsupervised", loss.unsupervised, loss.unsupervised >= 0, "be 0 or more"
    is_used = loss.titles is None or loss.unsupervised != 0
    yield "loss.titles", loss.titles, is_used, "be null while loss.unsupervised is 0"


def _optim_rules(optim: OptimConfig) -> Iterator[Rule]:
    yield "optim.lr", optim.lr, optim.lr > 0, "be above 0"
    yield "optim.table_lr", optim.table_lr, optim.table_lr > 0, "be above 0"
    yield "optim.loaded_lr", optim.loaded_lr, optim.loaded_lr > 0, "be above 0"
    yield "optim.weight_decay", optim.weight_decay, optim.weight_decay >= 0, "be 0 or more"
    yield "optim.table_decay", optim.table_decay, optim.table_decay >= 0, "be 0 or more"
    yield "optim.field_decay", optim.field_decay, optim.field_decay >= 0, "be 0 or more"
    yield "optim.loaded_decay", optim.loaded_decay, optim.loaded_decay >= 0, "be 0 or more"
    in_range = len(optim.betas) == 2 and all(0 <= beta < 1 for beta in optim.betas)
    yield "optim.betas", optim.betas, in_range, "be two numbers in [0, 1)"
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
    exponent = training.prior_exponent
    fits = config.task is Task.single or exponent == 0
    yield "training.prior_exponent", exponent, fits, "be 0 while task is multilabel: tags have no common prior"
    yield "training.prior_exponent", exponent, 0 <= exponent <= 1, "be in [0, 1]"
    remembers = config.memory is not MemoryKind.none or config.memory_path is None
    yield "memory_path", config.memory_path, remembers, "be null while memory is none"
    yield _at_least("seed", config.seed, 0)


def _evaluation_rules(evaluate: EvaluationConfig) -> Iterator[Rule]:
    yield _at_least("evaluate.calibration_bins", evaluate.calibration_bins, 1)
    yield _within("evaluate.target_precision", evaluate.target_precision, 0, 1)
    for target in evaluate.category_precision:
        yield _within(f"evaluate.category_precision of {target.category}", target.precision, 0, 1)
    names = [target.category for target in evaluate.category_precision]
    yield "evaluate.category_precision", "; ".join(names), len(set(names)) == len(names), "name each category once"
    yield _at_least("evaluate.robustness_titles", evaluate.robustness_titles, 0)


def _at_least(where: str, value: int, minimum: int) -> Rule:
    return where, value, value >= minimum, f"be at least {minimum}"


def _within(where: str, value: float, low: float, high: float) -> Rule:
    return where, value, low < value < high, f"be in ({low}, {high})"


def _from_to(where: str, value: float, low: float, high: float) -> Rule:
    return where, value, low <= value < high, f"be in [{low}, {high})"


def _fraction(where: str, value: float) -> Rule:
    return where, value, 0 <= value <= 1, "be in [0, 1]"


def _orders(where: str, values: list[int]) -> Rule:
    valid = len(values) > 0 and all(value >= 1 for value in values) and len(set(values)) == len(values)
    return where, values, valid, "be one or more distinct integers above 0"
