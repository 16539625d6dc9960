"""Small titles, configurations and trained runs that several tests share."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from tests.helpers.titles import FIELDS_HEADER, field_rows, rows, tag_rows, write_csv
from tests.helpers.training import FIELDS, compose_small, locked, train_once
from titleclf.config.schemas import TrainConfig
from titleclf.runtime import files

LONGER = ("training.epochs=8", "evaluate.robustness_titles=1000")
LEARNED_FIELDS = "training.epochs=20"  # titles are hidden while fields are learned, which takes longer


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes after their parameter: gzip output contains the time, and names must be the same in all processes."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all test processes share."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


# `make test-fast` leaves out tests that train, or that start a browser, a service, a build or other processes. They are
# recognized by their fixtures, the functions they call, and their names, so that they need not be marked by hand.
SLOW_FIXTURES = {"genres_run", "several", "small", "trained", "trained_tags"}
SLOW_CALLS = {"Popen", "command", "pretrain", "run_titleclf", "subprocess", "train", "training_command"}
SLOW_FILES = (
    "scripts/",
    "config/test_hydra.py",
    "config/test_rules.py",
    "data/test_corrections.py",
    "data/test_unlabelled.py",
    "runtime/test_network.py",
    "runtime/test_onnx.py",
    "runtime/test_speedups.py",
    "serve/test_app.py",
    "serve/test_connection.py",
    "serve/test_main.py",
    "serve/test_page.py",
    "serve/test_uploads.py",
    "serve/test_watched.py",
    "test_docs.py",
    "test_estimator.py",
    "test_main_path.py",
    "test_wheel.py",
    "training/test_comparison.py",
    "training/test_distributed.py",
    "training/test_objectives.py",
    "training/test_sweep.py",
)
SLOW_TESTS = {  # these compose dozens of configurations, or go through all of Unicode
    "test_characters_that_stand_alone_have_the_same_ids_beside_others",
    "test_truncated_titles_are_those_that_are_longer_than_the_room_when_normalised",
    "test_every_yaml_is_composed",
    "test_examples_in_the_help_of_configured_verbs_are_valid",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow tests."""
    for item in items:
        if isinstance(item, pytest.Function) and is_slow(item):
            item.add_marker("slow")


def is_slow(test: pytest.Function) -> bool:
    parameters = test.callspec.params.values() if hasattr(test, "callspec") else ()
    fixtures = {*test.fixturenames, *(value for value in parameters if isinstance(value, str))}
    calls = test.function.__code__.co_names
    file = test.path.relative_to(Path(__file__).parent).as_posix()
    named = test.originalname in SLOW_TESTS or file.startswith(SLOW_FILES)
    return named or bool(SLOW_FIXTURES & fixtures or SLOW_CALLS & set(calls))


@pytest.fixture(scope="session")
def shared_csv(shared_folder: Path) -> Callable[..., Path]:
    """Write a table once for all test processes: their runs then have the same configuration."""

    def make(name: str, *table: Any) -> Path:
        path = shared_folder / name
        with locked(path.with_suffix(".lock")):
            return path if path.exists() else write_csv(path, *table)

    return make


@pytest.fixture(scope="session")
def titles_csv(shared_csv: Callable[..., Path]) -> Path:
    return shared_csv("titles.csv", rows())


@pytest.fixture(scope="session")
def tags_csv(shared_csv: Callable[..., Path]) -> Path:
    return shared_csv("tags.csv", tag_rows())


@pytest.fixture(scope="session")
def fields_csv(shared_csv: Callable[..., Path]) -> Path:
    """Write the fifty titles, those of each category with fields of their own."""
    return shared_csv("fields.csv", field_rows(), FIELDS_HEADER)


@pytest.fixture(scope="session")
def trained(shared_folder: Path, titles_csv: Path) -> Callable[..., Path]:
    """Return the folder of a finished run on the fifty titles, trained once for all tests; they must not change it."""
    return partial(train_once, shared_folder, f"data.path={titles_csv}")


@pytest.fixture(scope="session")
def trained_tags(shared_folder: Path, tags_csv: Path) -> Callable[..., Path]:
    """Return the folder of a finished run on the fifty titles with tags, like `trained`."""
    return partial(train_once, shared_folder, "task=multilabel", f"data.path={tags_csv}")


@pytest.fixture(scope="session")
def run(trained: Callable[..., Path]) -> Path:
    """Return the folder of a finished run on the fifty titles; tests must not change it."""
    return trained(*LONGER, plots=True)


@pytest.fixture(scope="session")
def tags_run(trained_tags: Callable[..., Path]) -> Path:
    """Return the folder of a finished run on the fifty titles with tags; tests must not change it."""
    return trained_tags(*LONGER, plots=True)


@pytest.fixture(scope="session")
def fields_run(fields_csv: Path, trained: Callable[..., Path]) -> Path:
    """Return the folder of a finished run that also uses fields; tests must not change it."""
    return trained(f"data.path={fields_csv}", *LONGER, LEARNED_FIELDS, *FIELDS, plots=True)


@pytest.fixture
def small(titles_csv: Path, tmp_path: Path) -> Callable[..., TrainConfig]:
    """Compose a run on the fifty titles that takes a second."""
    outputs = str(tmp_path / "outputs")
    return lambda *overrides: replace(compose_small(f"data.path={titles_csv}", *overrides), output_dir=outputs)


@pytest.fixture
def several(small: Callable[..., TrainConfig], tags_csv: Path) -> Callable[..., TrainConfig]:
    """Compose a run on the fifty titles with tags that takes a second."""
    return lambda *overrides: small("task=multilabel", f"data.path={tags_csv}", *overrides)


@pytest.fixture
def shipped_model(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replace the shipped model by a small one, and return its folder."""
    package = tmp_path / "package"
    monkeypatch.setattr(files, "PACKAGE", package)
    return Path(shutil.copytree(run / "bundle", package / "shipped" / "data" / "model"))


@pytest.fixture
def no_shipped_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the shipped model."""
    monkeypatch.setattr(files, "PACKAGE", tmp_path / "package")
    monkeypatch.setattr(files, "CHECKOUT", tmp_path / "checkout")


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write empty files in place of plots, which take half of the time of a small training run."""

    def write_nothing(_: Figure, path: Any, **__: Any) -> None:
        path.write_bytes(b"")

    monkeypatch.setattr(Figure, "savefig", write_nothing)
