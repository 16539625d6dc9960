"""The wheel, compiled or not, carries conf/ and the titles, and works elsewhere with few packages beside it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import time
import zipfile
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.conftest import one_line
from tests.helpers.guides import guide, programme
from titleclf import __version__
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.files import CHECKOUT

RUNTIME = ("numpy", "safetensors", "tqdm")
MODEL = CHECKOUT / "data" / "model"
COMPILED = f"_speedups{sysconfig.get_config_var('EXT_SUFFIX')}"
WHAT_WAS_COMPILED = "from titleclf.runtime import _speedups; print(_speedups.__file__)"
WITHOUT_COMPILER = {"CC": "false"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel that this machine makes, compiled if it can be."""
    return built(tmp_path_factory.mktemp("wheel"))[0]


@pytest.fixture(scope="module")
def pure(tmp_path_factory):
    """Build the wheel for all machines, and return it with what was said."""
    return built(tmp_path_factory.mktemp("pure"), TITLECLF_PURE="1")


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    """Build the wheel with a compiler that fails, and return it with what was said."""
    return built(tmp_path_factory.mktemp("failed"), **WITHOUT_COMPILER)


def built(folder: Path, kind: str = "wheel", **environment: str) -> tuple[Path, str]:
    build = [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", str(folder), str(CHECKOUT)]
    done = subprocess.run(
        build,
        env=without_choices(**environment),
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    (result,) = folder.iterdir()
    return result, done.stdout


def without_choices(**environment: str) -> dict[str, str]:
    """Return this environment without what a user may have set for builds, and with `environment`."""
    return {name: value for name, value in os.environ.items() if name not in {"TITLECLF_PURE", "CC"}} | environment


def speedups_in(wheel: Path) -> list[str]:
    """List the files of the compiled module."""
    with zipfile.ZipFile(wheel) as archive:
        return [name for name in archive.namelist() if "/_speedups." in name]


@pytest.fixture(scope="module")
def unpacked(wheel):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(wheel.parent / "site")
    return wheel.parent / "site"


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    return environment_with(wheel, tmp_path_factory.mktemp("environment"))


@pytest.fixture(scope="module")
def installed_pure(pure, tmp_path_factory):
    return environment_with(pure[0], tmp_path_factory.mktemp("environment"))


def environment_with(wheel: Path, folder: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Install the wheel beside RUNTIME alone, and return what calls a program of that environment.

    No test reaches out to the network: what the present environment has is linked, and pip takes it for installed. It
    fails if the wheel asks for more.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    site = Path(said_by(folder / "bin" / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"))
    for name in RUNTIME:
        found = distribution(name)
        for top in {path.parts[0] for path in found.files} - {"..", "__pycache__"}:
            (site / top).symlink_to(found.locate_file(top))
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "--no-index", "--no-compile"]
    subprocess.run([*pip, wheel], check=True, capture_output=True)
    return lambda program, *arguments, **how: call(folder / "bin" / program, *arguments, **how)


def call(*command: str | Path, **how: object) -> subprocess.CompletedProcess[str]:
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        command, env=alone, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, **how
    )


def said_by(*command: str | Path) -> str:
    return call(*command).stdout.strip()


def test_the_wheel_carries_what_the_package_needs(unpacked):
    package = unpacked / "titleclf"
    inside = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
    for path in (CHECKOUT / "conf").rglob("*.yaml"):
        assert f"shipped/{path.relative_to(CHECKOUT)}" in inside
    assert {"shipped/data/titles.csv", "py.typed", "train.py"} <= inside
    assert {f"serve/page/{name}" for name in ("index.html", "page.css", "page.js", "guides.js", "icon.svg")} <= inside
    for path in MODEL.rglob("*.*"):
        assert f"shipped/data/model/{path.name}" in inside


def test_the_shipped_model_is_small_and_answers():
    assert sum(path.stat().st_size for path in MODEL.iterdir()) <= 5_000_000
    assert len(Classifier.load(MODEL).categories) == 10


def test_training_and_predicting_from_the_wheel(unpacked, tmp_path):
    def run(*arguments: str) -> str:
        return subprocess.run(
            [
                sys.executable,
                "-c",
                "import runpy, sys; runpy.run_module(sys.argv.pop(1), run_name='__main__')",
                *arguments,
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(unpacked)},
            check=True,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        ).stdout

    where = "import titleclf, sys; sys.stdout.write(titleclf.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    found = subprocess.run([sys.executable, "-c", where], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.startswith(str(unpacked))
    assert "accuracy / macro-F1" in run("titleclf.train", "experiment=quick", "device=cpu")
    assert run("titleclf.predict", "Tagesschau").endswith("Tagesschau\n")


def test_the_wheel_needs_little_beside_it(installed, tmp_path):
    asked = "import importlib.util as i; print([bool(i.find_spec(name)) for name in ('torch', 'pandas', 'titleclf')])"
    assert installed("python", "-c", asked, cwd=tmp_path).stdout == "[False, False, True]\n"
    assert installed("titleclf", "--version", cwd=tmp_path).stdout == f"titleclf {__version__}\n"


def test_that_is_enough_to_predict_to_explain_and_to_fill_guides(installed, tmp_path):
    done = installed("titleclf", "predict", "Tagesschau", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, f"model: shipped (titleclf {__version__})\n")
    assert done.stdout.endswith("News / Current affairs                 Tagesschau\n")
    done = installed("titleclf", "predict", "--explain", "--format", "jsonl", "Tagesschau", cwd=tmp_path)
    explanation = json.loads(done.stdout)["explanation"]
    assert explanation["category"] == "News / Current affairs"
    assert "".join(character for character, _ in explanation["characters"]) == "Tagesschau"
    (tmp_path / "guide.xml").write_text(guide(programme()))
    done = installed("titleclf", "epg", "fill", "guide.xml", "-o", "filled.xml", "--mark", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "<category>Sports</category>" in (tmp_path / "filled.xml").read_text()
    done = installed("titleclf", "epg", "undo", "filled.xml", "-o", "back.xml", cwd=tmp_path)
    assert (tmp_path / "back.xml").read_bytes() == (tmp_path / "guide.xml").read_bytes()


def test_the_wheel_is_compiled_and_finds_it(wheel, installed, tmp_path):
    assert wheel.name.endswith(f"{sysconfig.get_platform().replace('-', '_')}.whl")
    assert speedups_in(wheel) == [f"titleclf/runtime/{COMPILED}"]
    done = installed("python", "-c", WHAT_WAS_COMPILED, cwd=tmp_path)
    assert Path(done.stdout.strip()).name == COMPILED, done.stderr
    assert not Path(done.stdout).is_relative_to(CHECKOUT)


def test_a_pure_wheel_is_for_all_machines_and_says_nothing_of_compilers(pure):
    wheel, said = pure
    assert wheel.name == f"titleclf-{__version__}-py3-none-any.whl"
    assert speedups_in(wheel) == []
    assert "compiler" not in said


def test_a_pure_wheel_answers_the_same(installed, installed_pure, tmp_path):
    done = installed_pure("python", "-c", WHAT_WAS_COMPILED, cwd=tmp_path)
    assert "ImportError" in done.stderr
    answers = [call("titleclf", "predict", "Tagesschau", cwd=tmp_path) for call in (installed, installed_pure)]
    assert answers[0].stdout.endswith("Tagesschau\n")
    assert answers[0].stdout == answers[1].stdout


def test_without_a_compiler_the_wheel_is_pure_and_the_builder_is_told(failed):
    wheel, said = failed
    assert wheel.name == f"titleclf-{__version__}-py3-none-any.whl"
    assert speedups_in(wheel) == []
    (warning,) = [line for line in said.splitlines() if line.startswith("titleclf must have")]
    assert warning.startswith("titleclf must have a C compiler and Python.h to be compiled. Got ")
    assert warning.endswith(
        ". It answers the same without, only slower; "
        "install them (sudo apt-get install gcc python3-dev) and pip install again."
    )


def test_the_source_distribution_carries_what_compiles_and_nothing_compiled(tmp_path):
    with tarfile.open(built(tmp_path, "sdist")[0]) as archive:
        inside = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert {"hatch_build.py", "src/titleclf/runtime/_speedups.pyx"} <= inside
    assert not [name for name in inside if name.endswith((".c", ".so", ".pyd"))]


@pytest.fixture
def project(tmp_path):
    """Return a small project that is built as this one is: nothing may write into src/ here."""
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, tmp_path)
    for folder in ("conf", "data", "src/titleclf/runtime"):
        (tmp_path / folder).mkdir(parents=True)
    package = tmp_path / "src" / "titleclf"
    (package / "__init__.py").touch()
    (package / "runtime" / "__init__.py").touch()
    (package / "runtime" / "_speedups.pyx").write_text("def answer():\n    return 42\n")
    return tmp_path


EDITABLE = [sys.executable, "-m", "hatchling", "build", "--target", "wheel:editable", "--directory", "built"]


def made_editable(project: Path, **environment: str) -> str:
    done = subprocess.run(
        EDITABLE, cwd=project, env=without_choices(**environment), check=True, capture_output=True, text=True
    )
    return done.stderr


def test_an_editable_install_compiles_beside_the_source_alone(project):
    sources = project / "src"
    package = sources / "titleclf" / "runtime"
    assert "compiler" not in made_editable(project)
    assert {path.name for path in package.iterdir()} == {"__init__.py", "_speedups.pyx", COMPILED}
    answer = [sys.executable, "-c", "from titleclf.runtime import _speedups; print(_speedups.answer())"]
    done = subprocess.run(answer, env={**os.environ, "PYTHONPATH": str(sources)}, capture_output=True, text=True)
    assert done.stdout == "42\n", done.stderr


@pytest.mark.parametrize(("environment", "told"), [({"TITLECLF_PURE": "1"}, False), (WITHOUT_COMPILER, True)])
def test_an_editable_install_that_compiles_nothing_leaves_nothing_old(project, environment, told):
    old = project / "src" / "titleclf" / "runtime" / COMPILED
    old.touch()
    assert ("must have a C compiler" in made_editable(project, **environment)) == told
    assert not old.exists()


def test_who_interrupts_the_compiler_interrupts_the_build(project):
    slow = project / "slow-cc"
    slow.write_text("#!/bin/sh\ntouch started\nexec sleep 60\n")
    slow.chmod(0o755)
    build = subprocess.Popen(
        EDITABLE,
        cwd=project,
        env=without_choices(CC=str(slow)),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 60
    while not (project / "started").exists() and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(build.pid, signal.SIGINT)  # as Ctrl-C does
    _, said = build.communicate(timeout=60)
    assert build.returncode != 0
    assert "must have a C compiler" not in said
    assert not (project / "built").exists() or not list((project / "built").glob("*.whl"))


def test_the_service_says_what_is_missing(installed, tmp_path):
    for how in (["titleclf", "serve"], ["python", "-m", "titleclf", "serve"], ["python", "-m", "titleclf.serve"]):
        done = installed(*how, cwd=tmp_path)
        assert done.returncode == 2
        assert one_line(done.stderr) == (
            "titleclf serve must have what the service needs. Got no module named uvicorn. "
            "Install it: pip install 'titleclf[serve]'."
        )


def test_training_says_what_is_missing(installed, tmp_path):
    for how in (["titleclf", "train"], ["python", "-m", "titleclf", "train"], ["python", "-m", "titleclf.train"]):
        done = installed(*how, cwd=tmp_path)
        assert done.returncode == 2
        assert one_line(done.stderr) == (
            "titleclf train must have what training needs. Got no module named torch. "
            "Install it: pip install 'titleclf[train]'."
        )
