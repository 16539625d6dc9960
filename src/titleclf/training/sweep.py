"""Trials: runs that end with what validation says. Which of them have been made, and which is the best."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from titleclf.config import saved
from titleclf.config.schemas import TrainConfig
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import write_text
from titleclf.training import run as runs
from titleclf.training.validation import best_epoch, score

RESULT = "validation.json"


class Trial(NamedTuple):
    """A trial that has ended: the epoch that it would keep, and the fingerprint of its titles."""

    folder: Path
    config: TrainConfig
    fingerprint: str
    kept: dict[str, float]


def write_result(folder: Path, fingerprint: str, history: runs.History) -> None:
    """Write down what validation says of the epoch that is kept."""
    kept = history[best_epoch(history) - 1]
    write_text(folder / RESULT, json.dumps({"titles": fingerprint, "kept": kept}, indent=2) + "\n")


def score_of(folder: Path) -> float:
    """Return the score of a run or trial, on validation titles."""
    return score(json.loads((folder / RESULT).read_text())["kept"])


def trials_in(folder: Path) -> list[Trial]:
    """Return all trials in a folder that have ended, the best first, of equally good ones the earliest."""
    found = []
    for path in sorted(folder.glob(f"*/{RESULT}")):
        config = saved.load_config(path.parent, TrainConfig)
        if config.trial:
            result = json.loads(path.read_text())
            found.append(Trial(path.parent, config, result["titles"], result["kept"]))
    return sorted(found, key=lambda trial: -score(trial.kept))


def find(config: TrainConfig, fingerprint: str) -> Path | None:
    """Return the folder of the trial that was made with this configuration: a sweep that begins again comes by it.

    Raises
    ------
    InputError
        If the folder has trials on other titles, or split in another way: no score compares with theirs.
    """
    made = trials_in(Path(config.output_dir))
    if any(one.fingerprint != fingerprint or one.config.data != config.data for one in made):
        raise InputError(
            f"{config.output_dir} must have trials on the same titles, split alike. Got others there. "
            "Give another output_dir."
        )
    return next((one.folder for one in made if replace(one.config, output_dir=config.output_dir) == config), None)


def check_kept(folder: Path) -> None:
    """Refuse to go on from a trial that has no weights any more.

    Raises
    ------
    InputError
        If they were dropped.
    """
    if (folder / RESULT).exists() and not (folder / saved.CHECKPOINT).exists():
        raise InputError(
            f"resume must be a run with its weights, or the best of its trials. Got {folder}. Train with its values."
        )


def drop_weights(trials: list[Trial]) -> None:
    """Keep the weights of the first trial alone: a sweep would fill the disk with those of all."""
    for trial in trials[1:]:
        for name in (saved.CHECKPOINT, saved.BEST):
            (trial.folder / name).unlink(missing_ok=True)


@contextmanager
def interruptible(folder: Path) -> Iterator[None]:
    """Leave nothing of a trial that is interrupted, and say how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        shutil.rmtree(folder)
        raise KeyboardInterrupt("The same command goes on behind the last trial that ended.") from None
