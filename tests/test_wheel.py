"""The wheel carries conf/ and the titles, and works away from the checkout, with few packages beside it."""

import json
import os
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.conftest import one_line
from tests.epg import guide, programme
from titleclf import __version__
from titleclf.files import CHECKOUT
from titleclf.runtime.classifier import Classifier

RUNTIME = ("numpy", "tqdm")
MODEL = CHECKOUT / "data" / "model"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(CHECKOUT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def unpacked(wheel):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(wheel.parent / "site")
    return wheel.parent / "site"


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Install the wheel beside RUNTIME alone, and return what calls a program of that environment.

    No test reaches out to the network: what the present environment has is linked, and pip takes it for installed. It
    fails if the wheel asks for more.
    """
    folder = tmp_path_factory.mktemp("environment")
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
        assert str(path.relative_to(CHECKOUT)) in inside
    assert {"data/titles.csv", "py.typed", "train.py"} <= inside
    assert {f"serve/page/{name}" for name in ("index.html", "page.css", "page.js", "guides.js", "icon.svg")} <= inside
    for path in MODEL.rglob("*.*"):
        assert f"data/model/{path.name}" in inside


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
