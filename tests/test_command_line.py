"""`titleclf <verb>`: one door to all commands, and what it says where training is not installed."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.helpers.commands import command, one_line
from tests.helpers.training import FEW_BUCKETS, SMALL
from titleclf import __main__ as cli
from titleclf import __version__
from titleclf.config.hydra import compose
from titleclf.runtime import errors as needs
from titleclf.runtime.files import CHECKOUT, PACKAGE

LACK = "titleclf {} must have what training needs. Got no module named {}. Install it: pip install 'titleclf[train]'."


def door(*arguments: str, cwd: Path, before: str = "pass") -> subprocess.CompletedProcess[str]:
    """Run `titleclf` as its script does, and a line of Python before it."""
    return subprocess.run(
        [sys.executable, "-c", f"import sys; {before}; from titleclf.__main__ import main; main()", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def said(monkeypatch, capsys):
    """Call the door in this process, and return the exit code and what it said on both streams."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["/usr/bin/titleclf", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return call


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_alone_it_lists_every_verb_with_an_example(said, arguments):
    code, out, err = said(*arguments)
    assert (code, err) == (0, "")
    for verb in ("predict", "epg", "serve", "train", "sweep", "pretrain", "evaluate", "export"):
        assert len(re.findall(rf"^  {verb}  +\S", out, re.MULTILINE)) == 1
        assert len(re.findall(rf"^  titleclf {verb} \S", out, re.MULTILINE)) == 1


def test_it_tells_its_version(said):
    assert said("--version") == (0, f"titleclf {__version__}\n", "")


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("predit", "Did you mean titleclf predict?"),
        ("fill", "Did you mean titleclf epg fill?"),
        ("Tagesschau", "List all with titleclf --help."),
        ("--modle", "List all with titleclf --help."),
    ],
)
def test_an_unknown_verb_is_one_line_with_advice(said, given, advice):
    code, out, err = said(given, "--model", "shipped")
    assert (code, out) == (2, "")
    verbs = "predict, predict_dataset, epg, serve, train, sweep, evaluate, export, pretrain"
    assert one_line(err) == f"titleclf must be given one of {verbs}. Got {given}. {advice}"


def test_every_verb_is_a_module_that_can_be_run_alone():
    for verb in cli._VERBS.values():
        path = PACKAGE.parent / f"{verb.module.replace('.', '/')}.py"
        assert 'if __name__ == "__main__":\n    main()\n' in path.read_text()


@pytest.mark.parametrize("verb", ["predict", "epg", "serve"])
def test_help_names_what_was_typed(said, tmp_path, verb):
    code, out, _ = said(verb, "--help")
    assert code == 0
    assert out.startswith(f"usage: titleclf {verb} ")
    assert f"  titleclf {verb} " in out.partition("examples:")[2]
    assert "python -m" not in out
    out = command(verb, "--help", cwd=tmp_path).stdout
    assert out.startswith(f"usage: python -m titleclf.{verb} ")
    assert f"  python -m titleclf.{verb} " in out.partition("examples:")[2]


@pytest.mark.parametrize("verb", ["train", "sweep", "pretrain", "evaluate", "export"])
def test_help_of_configured_verbs_shows_examples_that_are_valid(said, verb):
    code, out, _ = said(verb, "--help")
    assert code == 0
    examples = re.findall(rf"^ +titleclf {verb}(.*)$", out.partition("== Config")[0], re.MULTILINE)
    assert examples
    for example in examples:
        compose(verb, example.split())


def test_help_of_the_package_names_the_package(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "titleclf", "epg", "fill"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("usage: python -m titleclf epg fill [-h]")


def test_prediction_takes_its_arguments_and_not_torch(said, run, tmp_path):
    code, out, err = said("predict", "--model", str(run), "--", "Match of the Day", "--help")
    assert (code, err) == (0, f"model: {run}\n")
    assert [line[-6:] for line in out.splitlines()] == ["he Day", "--help"]
    done = door("predict", "--model", str(run), "Tagesschau", cwd=tmp_path, before=HIDE.format("torch"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("Tagesschau\n")


def test_verbs_of_hydra_take_overrides_and_refuse_wrong_ones(titles_csv, tmp_path):
    done = door("train", "model=ngram", *SMALL, FEW_BUCKETS, f"data.path={titles_csv}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "outputs" / "latest" / "report.md").exists()
    done = door("export", "ouput=copy", cwd=tmp_path)
    assert done.returncode == 2
    assert one_line(done.stderr) == "ouput must be a key of the configuration. Got an unknown one. Did you mean output?"


def test_an_interrupted_run_is_continued_with_what_was_typed(monkeypatch):
    from titleclf.runtime.arguments import program

    for called in ("titleclf train", "python -m titleclf train"):
        monkeypatch.setattr(sys, "argv", [called])
        assert program("train") == called
    monkeypatch.setattr(sys, "argv", ["/src/titleclf/train.py"])
    assert program("train") == "python -m titleclf.train"


HIDE = "sys.modules.update(dict.fromkeys({!r}.split()))"  # an import of None finds no module


@pytest.mark.parametrize("verb", ["train", "sweep", "pretrain", "evaluate", "export"])
def test_verbs_that_lack_what_training_needs_say_so(tmp_path, verb):
    done = door(verb, cwd=tmp_path, before=HIDE.format("torch pandas"))
    assert done.returncode == 2
    assert one_line(done.stderr) in {LACK.format(verb, "torch"), LACK.format(verb, "pandas")}
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('No module named torch', name='torch')\n")
    done = command(verb, cwd=tmp_path)
    assert done.returncode == 2
    if verb == "evaluate":
        assert one_line(done.stderr).startswith("outputs/latest must be a folder with a model.")
    else:
        assert one_line(done.stderr) == LACK.format(verb, "torch")


@pytest.mark.parametrize("error", ["ModuleNotFoundError('no', name='torch.nothing')", "ImportError('broken')"])
def test_what_is_broken_and_not_missing_keeps_its_traceback(tmp_path, error):
    (tmp_path / "torch.py").write_text(f"raise {error}\n")
    for done in (command("train", cwd=tmp_path), door("train", cwd=tmp_path)):
        assert done.returncode == 1
        assert "Traceback" in done.stderr
        assert "titleclf[train]" not in done.stderr


@pytest.mark.parametrize(("extra", "needed"), [("train", needs._TRAINING), ("serve", needs._SERVING)])
def test_what_a_verb_needs_can_be_installed(extra, needed):
    extras = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {re.match(r"[\w-]+", one)[0] for one in extras[extra]}
    modules = {"hydra-core": {"hydra", "omegaconf"}, "scikit-learn": {"sklearn"}}
    assert set().union(*(modules.get(name, {name}) for name in names)) == set(needed)
