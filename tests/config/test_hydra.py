import sys
from pathlib import Path

import pytest

from tests.helpers.commands import one_line
from tests.helpers.titles import COLUMNS
from titleclf import export, pretrain, sweep, train
from titleclf.config.hydra import SCHEMAS, compose
from titleclf.config.saved import VALIDATION
from titleclf.config.schemas import CategoryPrecision, PretrainConfig, SweepConfig, TrainConfig
from titleclf.evaluate import __main__ as evaluate
from titleclf.runtime.choices import ModelKind, ObjectiveKind, Task
from titleclf.runtime.files import shipped

CONF = shipped("conf")
YAMLS = sorted(CONF.rglob("*.yaml"))


READ, QUOTE = "each argument must read key=value", "Quote values with special characters twice"


def fails(verb, monkeypatch, capsys, *arguments: str) -> str:
    """Run a verb in this process, and return its one error line; its exit code is 2."""
    monkeypatch.setattr(sys, "argv", ["verb", *arguments])
    with pytest.raises(SystemExit) as caught:
        verb.main()
    assert caught.value.code == 2
    return one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["optim.lrr=3"], "optim.lrr must be a key of the configuration. Got an unknown one. Did you mean optim.lr?"),
        (["+data.pth=x"], "+data.pth must be a key of the configuration. Got an unknown one. Did you mean data.path?"),
        (["lr=3"], "lr must be a key of the configuration. Got an unknown one. Did you mean optim.lr?"),
        (["qqqq=3"], "qqqq must be a key of the configuration. Got an unknown one. List all with --cfg job."),
        (["model=ngramm"], "model must be one of bag, conv, ngram, pretrained. Got ngramm. Did you mean ngram?"),
        (
            ["experiment=x"],
            "experiment must be one of few_labels, founding, guides, harvest, quick, release, tags. Got x. Take",
        ),
        (["noise=foo"], "noise must be one of formats, guide, misspelt, none. Got foo. Take one of them."),
        (["sweep=foo"], "sweep must be one of grid, search, search_ngram. Got foo. Take one of them."),
        (
            ["model=bag", "model.orders=[1]"],
            "model.orders must be used with model=ngram. Got another model. Add model=ngram.",
        ),
        (["optim.lr=abc"], "optim.lr must be a number. Got abc."),
        (["seed=2.5"], "seed must be an integer. Got 2.5."),
        (["seed="], "seed must be an integer. Got nothing."),
        (["training.refit=x"], "training.refit must be true or false. Got x."),
        (["seed=null"], "seed must be given. Got null. Name a value, or leave it out."),
        (["device=gpu"], "device must be one of auto, cpu, cuda, mps. Got gpu. Did you mean cpu?"),
        (["memory=foo"], "memory must be one of none, exact, fuzzy. Got foo. Take one of them."),
        (["memory="], "memory must be one of none, exact, fuzzy. Got nothing. Take one of them."),
        (
            ["noise.misspellings=[ocd]"],
            "noise.misspellings[0] must be one of insert, delete, transpose, substitute, dia",
        ),
        (
            ["noise.formats=case"],
            "noise.formats must be a list. Got case. Write it in brackets: 'noise.formats=[...]'.",
        ),
        (["data.path=[1]"], "data.path must be text. Got [1]. Quote it twice: 'data.path=\"...\"'."),
        (["~seed"], "seed must be given. Got nothing. Add seed=VALUE."),
        (["nonsense"], "each argument must read key=value. Got nonsense. Name the value, or leave it out."),
        (
            ["data.path=[a"],
            f"{READ}. Got data.path=[a. {QUOTE}: 'key=\"value\"'.",
        ),
        (
            ["data.path=my file's.csv"],
            f'{READ}. Got data.path=my file\'s.csv. {QUOTE}: "key=\\"value\\"".',
        ),
        (["output_dir=${oops}"], "the configuration must be valid. Got: Interpolation key 'oops' not found"),
        (["resume=here", "seed=2"], "resume allows no other override. Got also seed=2. Leave that out."),
        (["resume=nowhere"], "nowhere must be the folder of a run. Got no config.yaml there. Check the path."),
        (["training.epochs=0"], "training.epochs must be at least 1. Got 0."),
        (["trial=true"], "trial must be a key of the configuration. Got an unknown one."),
        (["sweep=search"], "a search must be run by the verb sweep. Got another verb. Use "),
        (["data.path=none.csv"], "none.csv: no such file. Check the path."),
    ],
)
def test_every_mistake_is_one_line(monkeypatch, capsys, tmp_path, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    assert fails(train, monkeypatch, capsys, *arguments).startswith(sentence)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["objective.pairs=3"],
            "objective.pairs must be used with objective=skipgram. Got another objective. Add objective=skipgram.",
        ),
        (
            ["objective.negatives=3"],
            "objective.negatives must be used with objective=skipgram or cbow. Got another objective. Add objective=",
        ),
        (
            ["objective=cbow", "objective.temperature=1"],
            "objective.temperature must be used with objective=views. Got another objective. Add objective=views.",
        ),
        (["objective=view"], "objective must be one of cbow, masked, skipgram, views. Got view. Did you mean views?"),
        (["objective=masked"], "objective must be views, skipgram or cbow unless model=conv. Got masked."),
        (["model=bag", "model.orders=[1]"], "model.orders must be used with model=ngram. Got another model. Add model"),
        (["pretraining.epoch=3"], "pretraining.epoch must be a key of the configuration. Got an unknown one. Did you"),
        (["training.epochs=3"], "training.epochs must be a key of the configuration. Got an unknown one. Did you mean"),
        (["+objective.pears=3"], "+objective.pears must be a key of the configuration. Got an unknown one."),
        (["titles=null"], "titles must be given. Got null. Name a value, or leave it out."),
        (["titles=none.txt"], "none.txt: no such file. Check the path."),
        (["titles=*.txt"], "*.txt must match one file or more. Got none. Check the pattern."),
        (["resume=here", "seed=2"], "resume allows no other override. Got also seed=2. Leave that out."),
        (["resume=nowhere"], "nowhere must be the folder of a run. Got no config.yaml there. Check the path."),
    ],
)
def test_every_mistake_in_pretraining_is_one_line(monkeypatch, capsys, tmp_path, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    assert fails(pretrain, monkeypatch, capsys, *arguments).startswith(sentence)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["sweep=serch"], "sweep must be one of grid, search, search_ngram. Got serch. Did you mean search?"),
        (
            ["sweep.trial=3"],
            "sweep.trial must be a key of the configuration. Got an unknown one. Did you mean sweep.tr",
        ),
        (["sweep.trials=x"], "sweep.trials must be an integer. Got x."),
        (
            ["sweep.space.model.dim.low=1"],
            "sweep.space.model.dim.low must be in the search space. Got a key outside. Add it: +sweep.space.model.dim.",
        ),
        (
            ["model=bag"],
            "sweep.space.model.ngram_dropout must be a key of the configuration. Got an unknown one. Remove it: ~sweep",
        ),
        (["data.path=none.csv"], "none.csv: no such file. Check the path."),
    ],
)
def test_every_mistake_in_a_sweep_is_one_line(monkeypatch, capsys, tmp_path, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    assert fails(sweep, monkeypatch, capsys, *arguments).startswith(sentence)
    assert list(tmp_path.iterdir()) == []


PRECISION = "evaluate.category_precision"


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        (f"{PRECISION}=[{{category:A}}]", f"{PRECISION}[0].precision must be given. Got nothing. Give it in the list."),
        (
            f"{PRECISION}=[{{name:A}}]",
            f"{PRECISION} must have the keys category, precision. Got name. Rename it.",
        ),
        (
            f"{PRECISION}={{A:0.9}}",
            f"{PRECISION} must be a list. Got {{A:0.9}}. Write it in brackets: '{PRECISION}=[...]'.",
        ),
        (
            f"{PRECISION}=[{{category:A,precision:x}}]",
            f"{PRECISION}: precision must be a number. Got x.",
        ),
        ("evaluate=x", "evaluate must be one of report. Got x."),
        ("evaluate.bins=3", "evaluate.bins must be a key of the configuration. Got an unknown one."),
        (
            "calibration_bins=3",
            "calibration_bins must be a key of the configuration. Got an unknown one. Did you mean ev",
        ),
    ],
)
@pytest.mark.parametrize("verb", [train, evaluate])
def test_mistakes_in_the_evaluation_are_one_line(monkeypatch, capsys, verb, override, sentence):
    assert fails(verb, monkeypatch, capsys, override).startswith(sentence)


@pytest.mark.parametrize("name", ["train", "evaluate"])
@pytest.mark.parametrize("category", ["Movie / Drama", "Arts / Culture (without music)", "It's, 日本: {a}=[b]"])
def test_every_category_is_accepted_on_the_command_line(name, category):
    config = compose(name, [f'{PRECISION}=[{{category:"{category}",precision:0.95}}]']).evaluate
    assert config.category_precision == [CategoryPrecision(category, 0.95)]


def test_a_format_of_exports_is_one_of_three(monkeypatch, capsys):
    line = fails(export, monkeypatch, capsys, "format=foo", "output=x")
    assert line == "format must be one of bundle, embeddings, onnx. Got foo. Take one of them."


def test_a_required_value(monkeypatch, capsys):
    assert fails(export, monkeypatch, capsys) == "output must be given. Got nothing. Add output=VALUE."


def test_evaluate_suggests_its_own_keys(monkeypatch, capsys):
    line = fails(evaluate, monkeypatch, capsys, "ouput_dir=x")
    assert line == "ouput_dir must be a key of the configuration. Got an unknown one. Did you mean output_dir?"


def test_an_unwritable_place_is_named(monkeypatch, capsys, titles_csv):
    line = fails(train, monkeypatch, capsys, f"data.path={titles_csv}", "output_dir=/dev/null/x", "device=cpu")
    assert line == "/dev/null/x must be readable and writable. Got: Not a directory. Check permissions and free space."


def test_a_trial_that_a_sweep_has_dropped_is_not_resumed(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    trial = Path("search/trial-000")
    trial.mkdir(parents=True)
    for name in ("config.yaml", "checkpoint.pt", "best.safetensors", VALIDATION):
        (trial / name).touch()
    sweep.drop_weights(trial)
    assert fails(train, monkeypatch, capsys, f"resume={trial}") == (
        "resume must be a run that has its weights. Got search/trial-000: its sweep kept those of the best trial "
        "alone. Name that trial."
    )


def test_a_bug_keeps_its_traceback(monkeypatch, titles_csv):
    monkeypatch.setattr(sys, "argv", ["verb", f"data.path={titles_csv}"])
    monkeypatch.setattr(train, "pick_device", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train.main()


def test_every_yaml_is_composed():
    composed = set()
    for path in YAMLS:
        name = path.relative_to(CONF).with_suffix("")
        if len(name.parts) == 1:
            required = ["output=x"] if name.name == "export" else []
            assert isinstance(compose(name.name, required), SCHEMAS[name.name])
        elif name.parts[0] == "sweep" and name.name != "grid":
            assert isinstance(compose("sweep", [f"sweep={name.name}"]), SweepConfig)
        else:
            group = name.parts[0]
            fitting = ["model=conv"] if name.name == "masked" else []
            assert isinstance(compose("train", [f"{group}={name.name}", "data.path=x", *fitting]), TrainConfig)
            if group in ("model", "noise", "objective", "optim"):
                assert isinstance(compose("pretrain", [f"{group}={name.name}", *fitting]), PretrainConfig)
        composed.add(name)
    print(f"{len(composed)} YAML files composed")
    assert len(composed) == len(YAMLS) >= 20
    assert {Path("pretrain"), *(Path("objective", kind) for kind in ObjectiveKind)} <= composed


def test_the_release_requires_its_titles(monkeypatch, capsys):
    line = "data.path must be given. Got nothing. Add data.path=VALUE."
    assert fails(train, monkeypatch, capsys, "experiment=release") == line
    assert fails(train, monkeypatch, capsys, "data=own") == line
    release = compose("train", ["experiment=release", "data.path=a.csv"])
    assert (release.data.path, release.data.columns) == ("a.csv", COLUMNS)
    assert release.memory_path == "shipped"


@pytest.mark.parametrize("pattern", ["guides/train_*.csv.gz", "guides/**/*.csv", "train_??.csv", '"train_[0-4].csv"'])
@pytest.mark.parametrize(("name", "key"), [("train", "data.path"), ("train", "data.test_path"), ("evaluate", "path")])
def test_a_pattern_passes_through_the_command_line(monkeypatch, capsys, run, name, key, pattern):
    verb, others = {"train": (train, []), "evaluate": (evaluate, [f"run={run}"])}[name]
    line = fails(verb, monkeypatch, capsys, *others, f"{key}={pattern}")
    assert line == f"{pattern.strip(chr(34))} must match one file or more. Got none. Check the pattern."


def test_experiments_change_the_documented_values():
    assert compose("train", ["experiment=quick"]).training.epochs == 2
    assert compose("train", ["experiment=founding"]).model.kind is ModelKind.bag
    assert compose("train", []).task is Task.single
    assert compose("train", ["experiment=tags"]).task is Task.multilabel


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: path.stem)
def test_every_yaml_starts_with_the_command_that_uses_it(path):
    # Hydra requires its own header, which experiments have, on the first line.
    assert path.read_text().removeprefix("# @package _global_\n").startswith("# python -m titleclf.")
