"""Every script is run as `python -m scripts.NAME`."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import scripts

FOLDER = Path(scripts.__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))


def test_the_scripts_are_these():
    assert NAMES == [
        "accuracy",
        "build_docs",
        "channel_list",
        "channel_matches",
        "check_titles",
        "compare_models",
        "corrections",
        "estimator",
        "fields",
        "fill_accuracy",
        "film_decisions",
        "invariance",
        "learning_curve",
        "near_copies",
        "neighbours",
        "precision",
        "programme_kinds",
        "screenshot",
        "speed_dataset",
        "speed_guides",
        "speed_predict",
        "speed_serve",
        "speed_train",
        "tags",
        "translated_guides",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_the_help_begins_with_the_command_and_describes_the_script(name, monkeypatch, capsys):
    module = importlib.import_module(f"scripts.{name}")
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as exited:
        module.main()
    assert exited.value.code == 0
    text, description = capsys.readouterr().out, module.__doc__
    assert description is not None
    assert text.startswith(f"usage: python -m scripts.{name} [-h]")
    assert description.splitlines()[0] in text


def test_every_report_has_the_command_of_the_script_that_it_is_named_after():
    reports = {path.stem: path.read_text(encoding="utf-8") for path in (FOLDER.parent / "results").glob("*.md")}
    scripts_of = {name: re.findall(r"`python -m scripts\.(\w+)", text)[0] for name, text in reports.items()}
    assert scripts_of.pop("guides") == "accuracy"  # on the titles of guides
    assert len(scripts_of) == 19
    assert all(name == script for name, script in scripts_of.items())


def test_a_script_runs_as_a_module_from_the_repository(tmp_path):
    titles = tmp_path / "titles.csv"
    titles.write_text("title,category,lang\nHeat,Movie / Drama,en\nHeat (1995),Movie / Drama,en\nJaws,Film,en\n")
    process = subprocess.run(
        [sys.executable, "-m", "scripts.check_titles", titles], cwd=FOLDER.parent, capture_output=True, text=True
    )
    assert process.returncode == 2
    assert process.stderr == ""
    assert "unknown category 'Film': Jaws\nduplicate: Heat = Heat (1995)\n" in process.stdout
    assert process.stdout.endswith("2 duplicates or unknown categories, 0 similar pairs\n")
