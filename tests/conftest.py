"""Small titles, configurations and a trained run that several tests share."""

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from titleclf.config.hydra import compose
from titleclf.config.schemas import ColumnsConfig, TrainConfig
from titleclf.runtime import files
from titleclf.runtime.bundle.checksums import SUMS, sums_of
from titleclf.train import train
from titleclf.training.bundle_writer import CARD

COLUMNS = ColumnsConfig("title", "category", "lang", "und", channel=None, duration=None)

# Twenty real titles of each of two kinds, ten of a third: enough to learn by heart in a second.
SPORTS = """Match of the Day, Monday Night Football, Snooker World Championship, Tour de France, Ryder Cup Golf,
Grand Slam Tennis, Super Bowl, Champions League Final, Formula 1 Monaco, Ski Sunday, Six Nations Rugby, Test Cricket,
The Boat Race, Grand National, Boxing Tonight, Darts Premier League, MotoGP Austria, Wimbledon Highlights,
World Athletics, Bundesliga Live"""
NEWS = """Tagesschau, BBC News at Ten, Newsnight, Euronews Now, World News Tonight, Morning News, Le journal,
Telediario 1, Heute Journal, Channel 4 News, Breakfast News, Evening Report, Sky News Today, Weather, Local News,
Newsround Report, News Hour, Business Report, Midday News, World Service News"""
MUSIC = """Top of the Pops, Eurovision Song Contest, Later... with Jools Holland, MTV Unplugged, Jazz Club,
The Old Grey Whistle Test, Opera Gala, Swan Lake Ballet, Country Songs, Proms Concert"""


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes after their parameter: gzip writes the time into its own, and all processes must collect one name."""
    return argname if isinstance(val, bytes) else None


# Fixtures that train, and files whose tests start browsers, builds or many processes: `make test-fast` leaves them out.
SLOW_FIXTURES = {"run", "context_run", "tags_run", "small", "several"}
SLOW_FILES = {"test_distributed.py", "test_docs.py", "test_main_path.py", "test_page.py", "test_wheel.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow tests, so that nobody has to mark them by hand."""
    for item in items:
        if item.path.name in SLOW_FILES or SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("slow")


def reseal(folder: Path) -> None:
    """Let a changed bundle tell of its files as they are now: what is behind the checksums must be looked at, too."""
    told = (CARD, SUMS)
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in told}
    (folder / SUMS).write_bytes(sums_of(files))


def rows() -> list[tuple[str, str, str]]:
    """Return the fifty titles as (title, category, lang)."""
    kinds = {"Sports": SPORTS, "News": NEWS, "Music": MUSIC}
    return [
        (" ".join(title.split()), category, "de" if title.strip() in ("Tagesschau", "Heute Journal") else "en")
        for category, titles in kinds.items()
        for title in titles.split(",")
    ]


def tag_rows() -> list[tuple[str, str, str]]:
    """Return the fifty titles as (title, tags, lang): one to three tags each."""
    return [
        (
            title,
            " | ".join([category, *(["Long"] if len(title) > 14 else []), *(["Live"] if number % 3 == 0 else [])]),
            lang,
        )
        for number, (title, category, lang) in enumerate(rows())
    ]


def write_csv(
    path: Path, table: Sequence[tuple[str, ...]], header: tuple[str, ...] = ("title", "category", "lang")
) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *table])
    return path


@pytest.fixture(scope="session")
def titles_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("titles") / "titles.csv", rows())


def compose_train(*overrides: str) -> TrainConfig:
    """Return what `python -m titleclf.train` would be given; small models can't take the embeddings that ship."""
    groups = ("model=", "experiment=")
    model = [] if any(override.startswith(groups) for override in overrides) else ["model=ngram"]
    config: TrainConfig = compose("train", [*model, *overrides])
    return config


SMALL = ("device=cpu", "model.dim=9", "training.epochs=3", "training.batch_size=7", "evaluate.robustness_titles=0")
FEW_BUCKETS = "model.buckets=997"


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


CHANNELS = {"Sports": ("sport.one", 100), "News": ("news.24", 15), "Music": ("music.tv", 60)}
CONTEXT = ("data.columns.channel=channel", "data.columns.duration=duration", "context.min_titles=2")


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


def command(
    module: str,
    *arguments: str,
    cwd: Path,
    input: str | None = None,  # noqa: A002
) -> subprocess.CompletedProcess[str]:
    """Run `python -m titleclf.<module>` as a user does."""
    return subprocess.run(
        [sys.executable, "-m", f"titleclf.{module}", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "MPLBACKEND": "agg"},
        stdin=subprocess.DEVNULL if input is None else None,
        input=input,
    )


def one_line(text: str) -> str:
    """Assert that `text` is one line, and return it."""
    lines = text.splitlines()
    assert len(lines) == 1, text
    return lines[0]
