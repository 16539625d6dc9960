"""`titleclf VERB` runs every command, and names the missing extra of a command."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from tests.helpers.commands import command, one_line
from tests.helpers.training import FEW_BUCKETS, SMALL
from titleclf import __main__ as cli
from titleclf import __version__
from titleclf.config.hydra import compose
from titleclf.runtime.arguments import called_as, program
from titleclf.runtime.errors import EXTRAS
from titleclf.runtime.files import CHECKOUT, PACKAGE

MISSING = (
    "titleclf {} needs the extra train. Got no module named {}. Install it in the checkout: pip install '.[train]'."
)


def run_titleclf(*arguments: str, cwd: Path, before: str = "pass") -> subprocess.CompletedProcess[str]:
    """Run `titleclf` as its console script does, after the Python code of `before`."""
    return subprocess.run(
        [sys.executable, "-c", f"import sys; {before}; from titleclf.__main__ import main; main()", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def titleclf(monkeypatch, capsys):
    """Return a function that runs `titleclf` in this process and returns its exit code and both outputs."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["/usr/bin/titleclf", *arguments])
        code = 0
        try:
            cli.main()
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        output = capsys.readouterr()
        return code, output.out, output.err

    return call


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_every_verb_with_an_example(titleclf, arguments):
    code, out, err = titleclf(*arguments)
    assert (code, err) == (0, "")
    for verb in ("predict", "epg", "serve", "train", "sweep", "pretrain", "evaluate", "export"):
        assert len(re.findall(rf"^  {verb}  +\S", out, re.MULTILINE)) == 1
        assert len(re.findall(rf"^  titleclf {verb} \S", out, re.MULTILINE)) == 1


def test_version_is_printed(titleclf):
    assert titleclf("--version") == (0, f"titleclf {__version__}\n", "")


@pytest.mark.parametrize(
    ("unknown", "advice"),
    [
        ("predit", "Did you mean titleclf predict?"),
        ("fill", "Did you mean titleclf epg fill?"),
        ("Tagesschau", "List all with titleclf --help."),
        ("--modle", "List all with titleclf --help."),
    ],
)
def test_an_unknown_verb_is_one_line_with_advice(titleclf, unknown, advice):
    code, out, err = titleclf(unknown, "--model", "shipped")
    assert (code, out) == (2, "")
    verbs = "predict, predict_dataset, epg, serve, train, sweep, evaluate, export, pretrain"
    assert one_line(err) == f"titleclf needs one of {verbs}. Got {unknown}. {advice}"


def test_every_verb_is_a_module_that_can_be_run_alone():
    for verb in cli._VERBS.values():
        path = PACKAGE.parent / f"{verb.module.replace('.', '/')}.py"
        assert 'if __name__ == "__main__":\n    main()\n' in path.read_text()


@pytest.mark.parametrize("verb", ["predict", "epg", "serve"])
def test_help_uses_the_name_that_was_typed(titleclf, tmp_path, verb):
    code, out, _ = titleclf(verb, "--help")
    assert code == 0
    assert out.startswith(f"usage: titleclf {verb} ")
    assert f"  titleclf {verb} " in out.partition("examples:")[2]
    assert "python -m" not in out
    out = command(verb, "--help", cwd=tmp_path).stdout
    assert out.startswith(f"usage: python -m titleclf.{verb} ")
    assert f"  python -m titleclf.{verb} " in out.partition("examples:")[2]


@pytest.mark.parametrize("verb", ["train", "sweep", "pretrain", "evaluate", "export"])
def test_examples_in_the_help_of_configured_verbs_are_valid(titleclf, verb):
    code, out, _ = titleclf(verb, "--help")
    assert code == 0
    examples = re.findall(rf"^ +titleclf {verb}(.*)$", out.partition("== Config")[0], re.MULTILINE)
    assert examples
    for example in examples:
        compose(verb, example.split())


def test_errors_of_python_m_titleclf_name_the_package(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "titleclf", "epg", "fill"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    sentence = "GUIDE or --from must be given. Got neither. See python -m titleclf epg fill --help."
    assert one_line(done.stderr) == sentence


PLAYERS = "tvheadend, kodi, jellyfin, emby, plex, mythtv, enigma2, openpli, channels"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "predict --wrong",
            "--wrong must be an option of titleclf predict. Got an unknown one. See titleclf predict --h",
        ),
        (
            "predict --modle=x A",
            "--modle must be an option of titleclf predict. Got an unknown one. Did you mean --model?",
        ),
        ("predict --mod x A", "--mod must be an option of titleclf predict. Got an unknown one. Did you mean --model?"),
        ("predict --top 0", "--top must be an integer above 0. Got 0. See titleclf predict --help."),
        ("predict --top", "--top must have a value. Got none. See titleclf predict --help."),
        ("predict --format json A", "--format must be one of text, jsonl, csv. Got json. Did you mean jsonl?"),
        ("predict_dataset in out --workers 0", "--workers must be an integer above 0. Got 0. See titleclf predict_dat"),
        ("epg foo", "VERB must be one of fill, undo, lint, channels, harvest, report. Got foo. Take one of them."),
        ("epg", "VERB must be given. Got none. See titleclf epg --help."),
        ("epg fill g.xml", "-o/--output or --in-place must be given. Got neither. See titleclf epg fill --help."),
        ("epg fill g -o f --in-place", "--in-place must be used without -o/--output. Got both. See titleclf epg fill"),
        ("epg fill g -o f --profile vlc", f"--profile must be one of {PLAYERS}. Got vlc. Take one of them."),
        ("epg fill g -o f --when never", "--when must be one of missing, untranslated. Got never. Take"),
        ("epg fill g -o f --mark=x", "--mark must have no value. Got x. See titleclf epg fill --help."),
        (
            "epg fill g -o f --profil kodi",
            "--profil must be an option of titleclf epg fill. Got an unknown one. Did you",
        ),
        ("epg undo a b -o f", "titleclf epg must be given fewer arguments. Got also b. See titleclf epg --help."),
        ("serve --port abc", "--port must be in [0, 65535]. Got abc. See titleclf serve --help."),
        (
            "train --zzz",
            "--zzz must be an option of titleclf train. Got an unknown one. See titleclf train --help.",
        ),
        (
            "train --mutlirun",
            "--mutlirun must be an option of titleclf train. Got an unknown one. Did you mean --multirun?",
        ),
        ("train --cfg foo", "--cfg/-c must be one of job, hydra, all. Got foo. Take one of them."),
        ("export -c", "--cfg/-c must have a value. Got none. See titleclf export --help."),
    ],
)
def test_a_wrong_option_is_one_line_with_advice(titleclf, line, sentence):
    code, out, err = titleclf(*line.split())
    assert (code, out) == (2, "")
    assert one_line(err).startswith(sentence)


def test_predict_passes_its_arguments_on_and_needs_no_torch(titleclf, run, tmp_path):
    code, out, err = titleclf("predict", "--model", str(run), "--", "Match of the Day", "--help")
    assert (code, err) == (0, f"model: {run}\n")
    assert [line[-6:] for line in out.splitlines()] == ["he Day", "--help"]
    done = run_titleclf("predict", "--model", str(run), "Tagesschau", cwd=tmp_path, before=HIDE.format("torch"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("Tagesschau\n")


def test_configured_verbs_take_overrides_and_refuse_wrong_ones(titleclf, monkeypatch, titles_csv, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Figure, "savefig", lambda *_, **__: None)  # other tests check plots
    code, _, err = titleclf("train", "model=ngram", *SMALL, FEW_BUCKETS, f"data.path={titles_csv}")
    assert code == 0, err
    assert (tmp_path / "outputs" / "latest" / "report.md").exists()
    code, _, err = titleclf("export", "ouput=copy")
    assert code == 2
    assert one_line(err) == "ouput must be a key of the configuration. Got an unknown one. Did you mean output?"


def test_a_command_uses_the_name_it_was_called_by(monkeypatch):
    for name in ("titleclf train", "python -m titleclf train"):
        monkeypatch.setattr(sys, "argv", [name])
        assert called_as("train") == name
    monkeypatch.setattr(sys, "argv", ["/src/titleclf/train.py"])
    assert called_as("train") == "python -m titleclf.train"


@pytest.mark.parametrize(
    ("called", "found", "hint"),
    [
        ("train.py", ["python"], "python -m titleclf.train"),
        ("train.py", [], ".venv/bin/python -m titleclf.train"),
        ("python -m titleclf train", ["python"], "python -m titleclf train"),
        ("python -m titleclf train", ["titleclf"], ".venv/bin/python -m titleclf train"),
        ("titleclf train", ["titleclf"], "titleclf train"),
        ("titleclf train", [], ".venv/bin/python -m titleclf.train"),
    ],
)
def test_a_hint_can_be_typed_as_it_is(monkeypatch, tmp_path, called, found, hint):
    folder = tmp_path / ".venv" / "bin"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [called])
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setattr("shutil.which", lambda name: str(folder / name) if name in found else None)
    assert program("train") == hint
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert program("train") == hint.replace(".venv", f"{tmp_path}/.venv")


HIDE = "sys.modules.update(dict.fromkeys({!r}.split()))"  # importing None raises ModuleNotFoundError


@pytest.mark.parametrize(
    ("verb", "module"),
    [("train", "torch"), ("pretrain", "torch"), ("export", "torch"), ("sweep", "torch"), ("evaluate", "pandas")],
)
def test_a_verb_without_its_extra_names_the_extra(tmp_path, verb, module):
    done = run_titleclf(verb, cwd=tmp_path, before=HIDE.format("torch pandas"))
    assert done.returncode == 2
    assert one_line(done.stderr) in {MISSING.format(verb, "torch"), MISSING.format(verb, "pandas")}
    (tmp_path / f"{module}.py").write_text(f"raise ModuleNotFoundError('No module named {module}', name='{module}')\n")
    done = command(verb, cwd=tmp_path)
    assert done.returncode == 2
    assert one_line(done.stderr) == MISSING.format(verb, module)


def test_evaluation_needs_no_torch(run, titles_csv, tmp_path):
    overrides = [f"run={run}", f"path={titles_csv}", f"output_dir={tmp_path}", "evaluate.robustness_titles=0"]
    # A module that can't be imported: SciPy takes an entry of sys.modules for torch itself.
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('No module named torch', name='torch')\n")
    done = run_titleclf("evaluate", *overrides, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report.md").is_file()


@pytest.mark.parametrize("error", ["ModuleNotFoundError('no', name='torch.nothing')", "ImportError('broken')"])
def test_a_broken_module_keeps_its_traceback(tmp_path, error):
    (tmp_path / "torch.py").write_text(f"raise {error}\n")
    for done in (command("train", cwd=tmp_path), run_titleclf("train", cwd=tmp_path)):
        assert done.returncode == 1
        assert "Traceback" in done.stderr
        assert ".[train]" not in done.stderr


@pytest.mark.parametrize("extra", ["train", "serve", "onnx", "ray", "zstd"])
def test_an_extra_installs_the_modules_it_is_named_for(extra):
    extras = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {name for requirement in extras[extra] for name in re.findall(r"^[\w-]+", requirement)}
    modules = {
        "backports-zstd": {"backports", "backports.zstd"},
        "hydra-core": {"hydra", "omegaconf"},
        "prometheus-client": {"prometheus_client"},
        "scikit-learn": {"sklearn"},
    }
    assert set().union(*(modules.get(name, {name}) for name in names)) == set(EXTRAS[extra])
