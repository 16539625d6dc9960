from dataclasses import replace

import pytest

from tests.helpers.titles import COLUMNS
from tests.helpers.training import compose_train, composed
from titleclf.config.hydra import compose
from titleclf.config.rules import check
from titleclf.config.schemas import EvaluateConfig, EvaluationConfig, ExportConfig
from titleclf.runtime.choices import ExportFormat
from titleclf.runtime.errors import InputError

WHILE_SHIPPED = "while data.path is shipped (name your titles with data.path=FILE)"


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("data.validation_fraction=0", "data.validation_fraction must be in (0, 1). Got 0.0."),
        ("data.test_fraction=1", "data.test_fraction must be in (0, 1). Got 1.0."),
        ("characters.min_count=0", "characters.min_count must be at least 1. Got 0."),
        ("model.fields.text_buckets=0", "model.fields.text_buckets must be at least 1. Got 0."),
        ("model.fields.text_length=0", "model.fields.text_length must be at least 1. Got 0."),
        ("model.fields.channel_buckets=0", "model.fields.channel_buckets must be at least 1. Got 0."),
        (
            "model.fields.text_orders=[]",
            "model.fields.text_orders must be one or more distinct integers above 0. Got [].",
        ),
        (
            "model.fields.channel_orders=[0]",
            "model.fields.channel_orders must be one or more distinct integers above 0. Got [0].",
        ),
        ("model.fields.dropout=1", "model.fields.dropout must be in [0, 1). Got 1.0."),
        ("loss.title_alone=-1", "loss.title_alone must be in [0, 1). Got -1.0."),
        ("loss.fields_alone=-0.1", "loss.fields_alone must be in [0, 1). Got -0.1."),
        (
            "loss.fields_alone=0.75",
            "loss.fields_alone must leave something of the loss beside loss.title_alone. Got 0.75.",
        ),
        *(
            (
                f"model.fields.text_characters={orders}".replace(" ", ""),
                f"model.fields.text_characters must be distinct integers above 2. Got {orders}.",
            )
            for orders in ([2], [0], [4, 4], [3, 1])
        ),
        ("model.fields.feature_dropout=1", "model.fields.feature_dropout must be in [0, 1). Got 1.0."),
        (
            "model.fields.use=[channel]",
            "model.fields.use must be [] while data.path is shipped: it has titles alone. Got ['channel'].",
        ),
        (
            "data.columns.title=Name",
            f"data.columns.title must stay title {WHILE_SHIPPED}. Got Name.",
        ),
        (
            "data.columns.unnamed_lang=en",
            f"data.columns.unnamed_lang must stay und {WHILE_SHIPPED}. Got en.",
        ),
        ("model.dim=0", "model.dim must be at least 1. Got 0."),
        ("model.hidden=-1", "model.hidden must be at least 0. Got -1."),
        (
            "model.embeddings.tables=[ngrams,x]",
            "model.embeddings.tables must be null or a list of characters, convolutions, ngrams. Got ['ngrams', 'x'].",
        ),
        ("model.dropout=1", "model.dropout must be in [0, 1). Got 1.0."),
        ("model.orders=[]", "model.orders must be one or more distinct integers above 0. Got []."),
        ("model.orders=[2,2]", "model.orders must be one or more distinct integers above 0. Got [2, 2]."),
        ("model.buckets=0", "model.buckets must be at least 1. Got 0."),
        ("model.ngram_dropout=1", "model.ngram_dropout must be in [0, 1). Got 1.0."),
        ("model.kind=bag", "model.kind must stay as the model group sets it (choose with model=bag). Got bag."),
        (
            "model.embeddings.freeze=true",
            "model.embeddings.freeze must be false while model.embeddings.path is null. Got True.",
        ),
        ("noise.misspelt=1.1", "noise.misspelt must be in [0, 1]. Got 1.1."),
        ("noise.max_edits=0", "noise.max_edits must be at least 1. Got 0."),
        (
            "noise.misspellings=[]",
            "noise.misspellings must name at least one kind while noise.misspelt is above 0. Got [].",
        ),
        ("noise.reformatted=-1", "noise.reformatted must be in [0, 1]. Got -1.0."),
        ("noise.formats=[]", "noise.formats must name at least one kind while noise.reformatted is above 0. Got []."),
        ("optim.lr=0", "optim.lr must be above 0. Got 0.0."),
        ("optim.table_lr=0", "optim.table_lr must be above 0. Got 0.0."),
        ("optim.loaded_lr=0", "optim.loaded_lr must be above 0. Got 0.0."),
        ("optim.weight_decay=-1", "optim.weight_decay must be 0 or more. Got -1.0."),
        ("optim.table_decay=-1", "optim.table_decay must be 0 or more. Got -1.0."),
        ("optim.loaded_decay=-1", "optim.loaded_decay must be 0 or more. Got -1.0."),
        ("optim.betas=[0.9]", "optim.betas must be two numbers in [0, 1). Got [0.9]."),
        ("optim.warmup_fraction=1", "optim.warmup_fraction must be in [0, 1). Got 1.0."),
        ("optim.clip_norm=0", "optim.clip_norm must be above 0. Got 0.0."),
        ("training.epochs=0", "training.epochs must be at least 1. Got 0."),
        ("training.batch_size=0", "training.batch_size must be at least 1. Got 0."),
        ("training.patience_epochs=0", "training.patience_epochs must be at least 1. Got 0."),
        ("training.class_balance=2", "training.class_balance must be in [0, 1]. Got 2.0."),
        ("training.label_smoothing=1", "training.label_smoothing must be in [0, 1). Got 1.0."),
        ("evaluate.calibration_bins=0", "evaluate.calibration_bins must be at least 1. Got 0."),
        ("evaluate.target_precision=1", "evaluate.target_precision must be in (0, 1). Got 1.0."),
        (
            'evaluate.category_precision=[{category:"It\'s",precision:1}]',
            "evaluate.category_precision of It's must be in (0, 1). Got 1.0.",
        ),
        (
            "evaluate.category_precision=[{category:A,precision:0.9},{category:A,precision:0.8}]",
            "evaluate.category_precision must name each category once. Got A; A.",
        ),
        ("evaluate.robustness_titles=-1", "evaluate.robustness_titles must be at least 0. Got -1."),
        ("loss.classification=0", "loss.classification must be above 0. Got 0.0."),
        ("loss.unsupervised=-1", "loss.unsupervised must be 0 or more. Got -1.0."),
        ("loss.titles=a.txt", "loss.titles must be null while loss.unsupervised is 0. Got a.txt."),
        ("objective.temperature=0", "objective.temperature must be above 0. Got 0.0."),
        ("objective=masked", "objective must be views, skipgram or cbow unless model=conv. Got masked."),
        ("memory=none memory_path=a.csv", "memory_path must be null while memory is none. Got a.csv."),
        ("seed=-1", "seed must be at least 0. Got -1."),
        (
            "task=multilabel data.corrections=a.csv",
            "data.corrections must be null while task is multilabel: a correction names one category. Got a.csv.",
        ),
    ],
)
def test_wrong_values(override, sentence):
    with pytest.raises(InputError) as caught:
        compose_train(*override.split(" "))
    assert str(caught.value) == sentence


def test_values_that_depend_on_one_another():
    with pytest.raises(InputError, match=r"validation_fraction \+ test_fraction below 1. Got 1."):
        compose_train("data.validation_fraction=0.5", "data.test_fraction=0.5")
    compose_train("data.validation_fraction=0.5", "data.test_fraction=0.5", "data.test_path=own.csv")


def test_noise_requires_kinds_only_for_fractions_above_0():
    quiet = compose_train("noise.misspelt=0", "noise.misspellings=[]", "noise.reformatted=0", "noise.formats=[]").noise
    assert (quiet.misspellings, quiet.formats) == ([], [])
    loud = compose_train("noise.misspelt=1", "noise.reformatted=1").noise
    assert (loud.misspelt, loud.reformatted) == (1, 1)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("model.widths=[0]", "model.widths must be one or more distinct integers above 0. Got [0]."),
        ("model.channels=0", "model.channels must be at least 1. Got 0."),
    ],
)
def test_wrong_values_of_conv(override, sentence):
    with pytest.raises(InputError) as caught:
        compose_train("model=conv", override)
    assert str(caught.value) == sentence


CONVOLVES = "objective must be views or masked with model=conv: the others train no convolutions."


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("characters.min_count=0", "characters.min_count must be at least 1. Got 0."),
        ("model.dim=0", "model.dim must be at least 1. Got 0."),
        ("model.embeddings.path=a", "model.embeddings.path must be null: pre-training writes that file. Got a."),
        ("objective.temperature=0", "objective.temperature must be above 0. Got 0.0."),
        (
            "objective.kind=cbow",
            "objective.kind must stay as the objective group sets it (choose with objective=cbow). Got cbow.",
        ),
        ("objective=skipgram objective.pairs=0", "objective.pairs must be at least 1. Got 0."),
        ("objective=skipgram objective.negatives=0", "objective.negatives must be at least 1. Got 0."),
        ("objective=cbow objective.negatives=0", "objective.negatives must be at least 1. Got 0."),
        ("model=conv objective=masked objective.share=0", "objective.share must be in (0, 1). Got 0.0."),
        ("model=conv objective=masked objective.share=1", "objective.share must be in (0, 1). Got 1.0."),
        ("objective=masked", "objective must be views, skipgram or cbow unless model=conv. Got masked."),
        ("model=bag objective=masked", "objective must be views, skipgram or cbow unless model=conv. Got masked."),
        ("noise=guide noise.misspelt=2", "noise.misspelt must be in [0, 1]. Got 2.0."),
        (
            "noise.misspelt=0.5",
            "noise.misspellings must name at least one kind while noise.misspelt is above 0. Got [].",
        ),
        ("model=conv objective=skipgram", f"{CONVOLVES} Got skipgram."),
        ("model=conv objective=cbow", f"{CONVOLVES} Got cbow."),
        (
            "model.positions=learned",
            "model.positions must not be learned: an embeddings file holds no positions. Got learned.",
        ),
        ("optim.lr=0", "optim.lr must be above 0. Got 0.0."),
        ("pretraining.epochs=0", "pretraining.epochs must be at least 1. Got 0."),
        ("pretraining.batch_size=1", "pretraining.batch_size must be at least 2. Got 1."),
        ("pretraining.part_titles=1023", "pretraining.part_titles must be at least 1024. Got 1023."),
        ("seed=-1", "seed must be at least 0. Got -1."),
    ],
)
def test_wrong_values_of_pretraining(override, sentence):
    with pytest.raises(InputError) as caught:
        composed("pretrain", *override.split(" "))
    assert str(caught.value) == sentence


def test_training_allows_what_an_embeddings_file_can_not_hold():
    config = compose_train("model=conv", "objective=cbow", "model.positions=learned", "loss.unsupervised=0.1")
    assert (config.objective.kind, config.model.positions) == ("cbow", "learned")


def test_pretraining_adds_no_noise_by_default():
    config = compose("pretrain", [])
    assert (config.noise.misspelt, config.noise.reformatted) == (0, 0)
    assert (config.model.kind, config.model.dim, config.model.buckets) == ("ngram", 64, 120_000)
    assert config.model.embeddings.path is None
    assert config.pretraining.epochs == 4
    assert (config.optim.table_lr, config.optim.loaded_lr, config.optim.clip_norm) == (3e-2, 3e-2, 1000)
    assert (config.optim.table_decay, config.optim.loaded_decay) == (0, 0)
    same = compose("pretrain", ["optim.table_lr=0.5", "optim.table_decay=2"]).optim
    assert (same.loaded_lr, same.loaded_decay) == (0.5, 2)  # all tables are new


def test_the_unsupervised_term_may_have_its_own_titles():
    loss = compose_train("loss.titles=a.txt", "loss.unsupervised=0.1", "loss.classification=2").loss
    assert (loss.titles, loss.unsupervised, loss.classification) == ("a.txt", 0.1, 2.0)


@pytest.mark.parametrize("orders", [[], [3], [5, 3]])
def test_texts_may_have_characters_or_not(orders):
    assert compose_train(f"model.fields.text_characters={orders}").model.fields.text_characters == orders


def test_all_wrong_values_are_reported_at_once():
    with pytest.raises(InputError) as caught:
        compose_train("optim.lr=0", "training.epochs=0", "model.dim=0")
    assert len(str(caught.value).splitlines()) == 3


def test_other_verbs_are_checked_too():
    bins = EvaluationConfig(calibration_bins=0, target_precision=0.9, category_precision=[], robustness_titles=0)
    evaluate = EvaluateConfig("outputs/latest", None, COLUMNS, bins, output_dir=None)
    with pytest.raises(InputError, match=r"evaluate.calibration_bins must be at least 1. Got 0."):
        check(evaluate)
    check(replace(evaluate, evaluate=replace(bins, calibration_bins=1)))
    sentence = "path must name labelled titles: run=shipped has none of its own. Got None."
    with pytest.raises(InputError) as caught:
        check(replace(evaluate, run="shipped", evaluate=replace(bins, calibration_bins=1)))
    assert str(caught.value) == sentence
    check(ExportConfig("outputs/latest", ExportFormat.bundle, "new", True, "shipped"))


@pytest.mark.parametrize("own", ["data.path=my.csv", "data.test_path=my.csv", "memory_path=my.csv"])
def test_columns_may_be_named_for_any_file_of_titles(own):
    assert compose_train("data.columns.title=Name", own, "memory=exact").data.columns.title == "Name"


@pytest.mark.parametrize(("overrides", "path"), [(["run=shipped", "path=shipped"], "shipped"), ([], "null")])
def test_columns_of_an_evaluation_are_for_its_file(overrides, path):
    sentence = f"columns.title must stay title while path is {path} (name your titles with path=FILE). Got Name."
    with pytest.raises(InputError) as caught:
        compose("evaluate", [*overrides, "columns.title=Name"])
    assert str(caught.value) == sentence
    assert compose("evaluate", ["path=my.csv", "columns.title=Name"]).columns.title == "Name"


RANGE = "be {low, high} with low < high, the same with log: true and 0 < low, or {choices: [two or more]}"
GROUPS = "characters, context, model, noise, objective, loss, optim, training, seed"
LR = "sweep.space.optim.lr"


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("sweep.trials=0", "sweep.trials must be at least 1. Got 0."),
        ("sweep.startup_trials=0", "sweep.startup_trials must be at least 1. Got 0."),
        ("sweep.seed=-1", "sweep.seed must be at least 0. Got -1."),
        ("resume=x", "resume must be null: a sweep resumes by the same command. Got x."),
        ("optim.clip_norm=0", "optim.clip_norm must be above 0. Got 0.0."),
        (f"{LR}=3", f"{LR} must {RANGE}. Got 3."),
        (f"{LR}.low=1", f"{LR} must {RANGE}. Got {{'low': 1, 'high': 0.02, 'log': True}}."),
        (f"{LR}.low=0", f"{LR} must {RANGE}. Got {{'low': 0, 'high': 0.02, 'log': True}}."),
        (f"{LR}.low=x", f"{LR} must {RANGE}. Got {{'low': 'x', 'high': 0.02, 'log': True}}."),
        (f"{LR}.log=1", f"{LR} must {RANGE}. Got {{'low': 0.0005, 'high': 0.02, 'log': 1}}."),
        (
            f"+{LR}.choices=[1,2]",
            f"{LR} must {RANGE}. Got {{'low': 0.0005, 'high': 0.02, 'log': True, 'choices': [1, 2]}}.",
        ),
        ("+sweep.space.model.dim.choices=[8]", f"sweep.space.model.dim must {RANGE}. Got {{'choices': [8]}}."),
        ("+sweep.space.model.dim.choices=[8,8]", f"sweep.space.model.dim must {RANGE}. Got {{'choices': [8, 8]}}."),
        ("+sweep.space.model.dim.low=8", f"sweep.space.model.dim must {RANGE}. Got {{'low': 8}}."),
        ("+sweep.space.memory.choices=[none,exact]", f"sweep.space.memory must lie under one of {GROUPS}. Got "),
        ("+sweep.space.data.test_fraction.choices=[0.1,0.2]", "sweep.space.data.test_fraction must lie under one of "),
        (
            "+sweep.space.optim.lrr.choices=[1,2]",
            "sweep.space.optim.lrr must be a key of the configuration. Got an unknown one. Remove it: ~sweep.space",
        ),
        (
            "+sweep.space.seed.x.choices=[1,2]",
            "sweep.space.seed.x must be a key of the configuration. Got an unknown one. Remove it: ~sweep.space.seed",
        ),
        ("sweep.space.training.epochs.low=4.5", "sweep.space.training.epochs must be of type int. Got 4.5."),
        (
            "+sweep.space.model.positions.choices=[none,no]",
            "sweep.space.model.positions must be of type Positions. Got 'no'.",
        ),
        ("sweep.space.training.epochs.low=0", "sweep.space: training.epochs must be at least 1. Got 0."),
        ("sweep.space.model.dropout.high=1", "sweep.space: model.dropout must be in [0, 1). Got 1.0."),
    ],
)
def test_wrong_values_of_a_sweep(override, sentence):
    with pytest.raises(InputError) as caught:
        compose("sweep", [override])
    assert str(caught.value).startswith(sentence)
    assert len(str(caught.value).splitlines()) == 1


def test_a_sweep_requires_a_range():
    groups = ["optim", "model", "noise", "training"]
    with pytest.raises(InputError) as caught:
        compose("sweep", [f"sweep.space.{group}=null" for group in groups])
    assert str(caught.value) == "sweep.space must have at least one range. Got none."
