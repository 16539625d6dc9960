"""The wheel, compiled or pure, contains conf/, the titles and the model, and needs few packages."""

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

from tests.helpers.commands import one_line
from tests.helpers.guides import guide, programme
from titleclf import __version__
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.files import CHECKOUT

Environment = Callable[..., subprocess.CompletedProcess[str]]

DEPENDENCIES = ("numpy", "safetensors", "tqdm")
MODEL = CHECKOUT / "data" / "model"
COMPILED = f"_speedups{sysconfig.get_config_var('EXT_SUFFIX')}"
PRINT_COMPILED = "from titleclf.runtime import _speedups; print(_speedups.__file__)"
BROKEN_COMPILER = {"CC": "false"}
NOT_COMPILED = "titleclf was not compiled: it needs a C compiler and Python.h. Got "


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Return the wheel that this machine builds, compiled if possible."""
    return build(tmp_path_factory.mktemp("wheel"))[0]


@pytest.fixture(scope="module")
def pure(tmp_path_factory):
    """Return the wheel for all machines and the output of the build."""
    return build(tmp_path_factory.mktemp("pure"), TITLECLF_PURE="1")


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    """Return the wheel of a build whose compiler fails, and the output of the build."""
    return build(tmp_path_factory.mktemp("failed"), **BROKEN_COMPILER)


def build(folder: Path, kind: str = "wheel", **variables: str) -> tuple[Path, str]:
    """Build a distribution into an empty folder, and return the file and the output."""
    done = subprocess.run(
        [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", str(folder), str(CHECKOUT)],
        env=build_environment(**variables),
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    (file,) = folder.iterdir()
    return file, done.stdout


def build_environment(**variables: str) -> dict[str, str]:
    """Return this environment without the user's build settings, plus `variables`."""
    return {name: value for name, value in os.environ.items() if name not in {"TITLECLF_PURE", "CC"}} | variables


def compiled_files(wheel: Path) -> list[str]:
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


def environment_with(wheel: Path, folder: Path) -> Environment:
    """Install the wheel into an environment with only DEPENDENCIES, and return a function that runs its programs.

    Tests use no network: the dependencies are linked from this environment, and pip finds them installed. It fails if
    the wheel requires more.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    site = output_of(folder / "bin" / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    for name in DEPENDENCIES:
        dependency = distribution(name)
        for top in {path.parts[0] for path in dependency.files or []} - {"..", "__pycache__"}:
            Path(site, top).symlink_to(str(dependency.locate_file(top)))
    pip = [sys.executable, "-m", "pip", f"--python={folder / 'bin' / 'python'}"]
    subprocess.run([*pip, "install", "--no-index", "--no-compile", str(wheel)], check=True, capture_output=True)
    return lambda program, *arguments, **options: call(folder / "bin" / program, *arguments, **options)


def call(*command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def output_of(*command: str | Path) -> str:
    return call(*command).stdout


def test_the_wheel_contains_all_files_of_the_package(unpacked):
    package = unpacked / "titleclf"
    files = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
    for path in (CHECKOUT / "conf").rglob("*.yaml"):
        assert f"shipped/{path.relative_to(CHECKOUT)}" in files
    assert {"shipped/data/titles.csv", "train.py"} <= files
    assert {f"serve/page/{name}" for name in ("index.html", "page.css", "page.js", "guides.js", "icon.svg")} <= files
    for path in MODEL.rglob("*.*"):
        assert f"shipped/data/model/{path.name}" in files


def test_the_wheel_is_typed(unpacked):
    assert (unpacked / "titleclf" / "py.typed").is_file()


def test_the_shipped_model_is_small_and_loads():
    assert sum(path.stat().st_size for path in MODEL.iterdir()) <= 10_000_000
    assert len(Classifier.load(MODEL).categories) == 10


def test_training_and_predicting_from_the_wheel(unpacked, tmp_path):
    def python(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(unpacked)},
            check=True,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        ).stdout

    run_module = "import runpy, sys; runpy.run_module(sys.argv.pop(1), run_name='__main__')"
    assert python("import titleclf; print(titleclf.__file__)").startswith(str(unpacked))
    short = ("training.epochs=1", "training.refit=false", "evaluate.robustness_titles=0")
    assert "accuracy / macro-F1" in python(run_module, "titleclf.train", "experiment=quick", "device=cpu", *short)
    assert python(run_module, "titleclf.predict", "Tagesschau").endswith("Tagesschau\n")


def test_the_wheel_installs_without_torch_and_pandas(installed, tmp_path):
    code = "import importlib.util as i; print([bool(i.find_spec(name)) for name in ('torch', 'pandas', 'titleclf')])"
    assert installed("python", "-c", code, cwd=tmp_path).stdout == "[False, False, True]\n"
    assert installed("titleclf", "--version", cwd=tmp_path).stdout == f"titleclf {__version__}\n"
    assert installed("tv_grab_titleclf", "--capabilities", cwd=tmp_path).stdout == "baseline\nmanualconfig\n"


def test_its_dependencies_suffice_to_predict_to_explain_and_to_fill_guides(installed, tmp_path):
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


def test_the_wheel_is_compiled_and_imports_its_own_module(wheel, installed, tmp_path):
    assert wheel.name.endswith(f"{sysconfig.get_platform().replace('-', '_')}.whl")
    assert compiled_files(wheel) == [f"titleclf/runtime/{COMPILED}"]
    done = installed("python", "-c", PRINT_COMPILED, cwd=tmp_path)
    assert Path(done.stdout.strip()).name == COMPILED, done.stderr
    assert not Path(done.stdout).is_relative_to(CHECKOUT)


def test_a_pure_wheel_fits_all_machines_and_mentions_no_compiler(pure):
    wheel, output = pure
    assert wheel.name == f"titleclf-{__version__}-py3-none-any.whl"
    assert compiled_files(wheel) == []
    assert "compiler" not in output


def test_a_pure_wheel_predicts_the_same(installed, installed_pure, tmp_path):
    done = installed_pure("python", "-c", PRINT_COMPILED, cwd=tmp_path)
    assert "ImportError" in done.stderr
    compiled, pure = (run("titleclf", "predict", "Tagesschau", cwd=tmp_path) for run in (installed, installed_pure))
    assert compiled.stdout.endswith("Tagesschau\n")
    assert compiled.stdout == pure.stdout


def test_without_a_compiler_the_wheel_is_pure_and_the_build_warns(failed):
    wheel, output = failed
    assert wheel.name == f"titleclf-{__version__}-py3-none-any.whl"
    assert compiled_files(wheel) == []
    (warning,) = [line for line in output.splitlines() if line.startswith("titleclf ")]
    assert warning.startswith(NOT_COMPILED)
    assert warning.endswith(
        ". It predicts the same without, only slower; "
        "to compile it, install them (sudo apt-get install gcc python3-dev) and run pip install again."
    )


def test_the_source_distribution_contains_the_cython_source_and_nothing_compiled(tmp_path):
    with tarfile.open(build(tmp_path, "sdist")[0]) as archive:
        files = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert {"hatch_build.py", "src/titleclf/runtime/_speedups.pyx", "src/py.typed"} <= files
    assert not [name for name in files if name.endswith((".c", ".so", ".pyd"))]


@pytest.fixture
def project(tmp_path):
    """Return a small project that is built like this one: tests must not write into src/ here."""
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, tmp_path)
    for folder in ("conf", "data", "src/titleclf/runtime"):
        (tmp_path / folder).mkdir(parents=True)
    sources = tmp_path / "src"
    for name in ("py.typed", "titleclf/__init__.py", "titleclf/runtime/__init__.py"):
        (sources / name).touch()
    (sources / "titleclf" / "runtime" / "_speedups.pyx").write_text("def answer():\n    return 42\n")
    return tmp_path


BUILD_EDITABLE = [sys.executable, "-m", "hatchling", "build", "--target", "wheel:editable", "--directory", "built"]


def build_editable(project: Path, **variables: str) -> str:
    environment = build_environment(**variables)
    done = subprocess.run(BUILD_EDITABLE, cwd=project, env=environment, check=True, capture_output=True, text=True)
    return done.stderr


def test_an_editable_install_compiles_only_beside_the_source(project):
    sources = project / "src"
    package = sources / "titleclf" / "runtime"
    assert "compiler" not in build_editable(project)
    assert {path.name for path in package.iterdir()} == {"__init__.py", "_speedups.pyx", COMPILED}
    code = [sys.executable, "-c", "from titleclf.runtime import _speedups; print(_speedups.answer())"]
    done = subprocess.run(code, env={**os.environ, "PYTHONPATH": str(sources)}, capture_output=True, text=True)
    assert done.stdout == "42\n", done.stderr


@pytest.mark.parametrize(("variables", "warns"), [({"TITLECLF_PURE": "1"}, False), (BROKEN_COMPILER, True)])
def test_an_editable_install_without_compiling_removes_the_old_module(project, variables, warns):
    old = project / "src" / "titleclf" / "runtime" / COMPILED
    old.touch()
    assert (NOT_COMPILED in build_editable(project, **variables)) == warns
    assert not old.exists()


def test_interrupting_the_compiler_interrupts_the_build(project):
    compiler = project / "slow-cc"
    compiler.write_text("#!/bin/sh\ntouch started\nexec sleep 60\n")
    compiler.chmod(0o755)
    process = subprocess.Popen(
        BUILD_EDITABLE,
        cwd=project,
        env=build_environment(CC=str(compiler)),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not (project / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # like Ctrl-C
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert NOT_COMPILED not in errors
    assert not (project / "built").exists() or not list((project / "built").glob("*.whl"))


@pytest.mark.parametrize(("verb", "module"), [("serve", "uvicorn"), ("train", "torch")])
def test_a_command_without_its_extra_names_the_extra(installed, tmp_path, verb, module):
    for command in (["titleclf", verb], ["python", "-m", "titleclf", verb], ["python", "-m", f"titleclf.{verb}"]):
        done = installed(*command, cwd=tmp_path)
        assert done.returncode == 2
        assert one_line(done.stderr) == (
            f"titleclf {verb} needs the extra {verb}. Got no module named {module}. "
            f"Install it in the checkout: pip install '.[{verb}]'."
        )
