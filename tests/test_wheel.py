"""The wheel carries conf/ and the titles, and works away from the checkout."""

import os
import subprocess
import sys
import zipfile

import pytest

from titleclf.bundle import load_bundle
from titleclf.files import CHECKOUT

MODEL = CHECKOUT / "data" / "model"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(CHECKOUT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_carries_what_the_package_needs(unpacked):
    package = unpacked / "titleclf"
    inside = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
    for path in (CHECKOUT / "conf").rglob("*.yaml"):
        assert str(path.relative_to(CHECKOUT)) in inside
    assert {"data/titles.csv", "py.typed", "train.py"} <= inside
    for path in MODEL.rglob("*.*"):
        assert f"data/model/{path.name}" in inside


@pytest.mark.skipif(not MODEL.exists(), reason="not trained yet")
def test_the_shipped_model_is_small_and_answers():
    assert sum(path.stat().st_size for path in MODEL.iterdir()) <= 8_000_000
    assert len(load_bundle(MODEL).categories) == 10


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
