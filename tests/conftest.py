"""Small titles, configurations and a trained run that several tests share."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.titles import CHANNELS, rows, tag_rows, write_csv
from tests.helpers.training import CONTEXT, FEW_BUCKETS, SMALL, compose_train
from titleclf.config.schemas import TrainConfig
from titleclf.runtime import files
from titleclf.train import train


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes after their parameter: gzip writes the time into its own, and all processes must collect one name."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def titles_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("titles") / "titles.csv", rows())


@pytest.fixture
def small(titles_csv: Path, tmp_path: Path) -> Callable[..., TrainConfig]:
    """Compose a run on the fifty titles that takes a second."""

    def make(*overrides: str) -> TrainConfig:
        is_ngram = not any(override in ("model=bag", "model=conv") for override in overrides)
        sizes = (*SMALL, FEW_BUCKETS) if is_ngram else SMALL
        return compose_train(*sizes, f"data.path={titles_csv}", f"output_dir={tmp_path / 'outputs'}", *overrides)

    return make


@pytest.fixture(scope="session")
def run(titles_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished run on the fifty titles; tests must not change it."""
    outputs = tmp_path_factory.mktemp("run") / "outputs"
    overrides = [f"data.path={titles_csv}", f"output_dir={outputs}", "training.epochs=8"]
    return train(compose_train(*SMALL, FEW_BUCKETS, *overrides, "evaluate.robustness_titles=1000"))


@pytest.fixture(scope="session")
def contexts_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the fifty titles, each category on a channel of its own and as long as such programmes are."""
    table = [(*row, channel, str(minutes)) for row in rows() for channel, minutes in [CHANNELS[row[1]]]]
    header = ("title", "category", "lang", "channel", "duration")
    return write_csv(tmp_path_factory.mktemp("contexts") / "titles.csv", table, header)


@pytest.fixture(scope="session")
def context_run(contexts_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished run that looks at channels and durations, too; tests must not change it."""
    outputs = tmp_path_factory.mktemp("context_run") / "outputs"
    overrides = [f"data.path={contexts_csv}", f"output_dir={outputs}", "training.epochs=8", *CONTEXT]
    return train(compose_train(*SMALL, FEW_BUCKETS, *overrides, "evaluate.robustness_titles=1000"))


@pytest.fixture(scope="session")
def tags_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("tags") / "tags.csv", tag_rows())


@pytest.fixture
def several(small: Callable[..., TrainConfig], tags_csv: Path) -> Callable[..., TrainConfig]:
    """Compose a run on the fifty titles with tags that takes a second."""
    return lambda *overrides: small("task=multilabel", f"data.path={tags_csv}", *overrides)


@pytest.fixture(scope="session")
def tags_run(tags_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished run on the fifty titles with tags; tests must not change it."""
    outputs = tmp_path_factory.mktemp("tags_run") / "outputs"
    overrides = ["task=multilabel", f"data.path={tags_csv}", f"output_dir={outputs}", "training.epochs=8"]
    return train(compose_train(*SMALL, FEW_BUCKETS, *overrides, "evaluate.robustness_titles=1000"))


@pytest.fixture
def shipped_model(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let a small model be the one that comes with the package, and return its folder."""
    package = tmp_path / "package"
    monkeypatch.setattr(files, "PACKAGE", package)
    return Path(shutil.copytree(run / "bundle", package / "shipped" / "data" / "model"))


@pytest.fixture
def no_shipped_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no model come with the package."""
    monkeypatch.setattr(files, "PACKAGE", tmp_path / "package")
    monkeypatch.setattr(files, "CHECKOUT", tmp_path / "checkout")
