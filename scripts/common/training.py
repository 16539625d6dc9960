"""Training runs inside a script."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from titleclf.config.hydra import compose
from titleclf.config.schemas import TrainConfig
from titleclf.train import train

NO_REFIT = "training.refit=false"  # comparisons need their validation and test titles untouched


def compose_with_files(overrides: Sequence[str], train: str | None, test: str | None) -> TrainConfig:
    """Return the configuration of a training with these overrides, on these files where they are given."""
    config: TrainConfig = compose("train", [NO_REFIT, *overrides])
    data = replace(config.data, path=train or config.data.path, test_path=test or config.data.test_path)
    return replace(config, data=data)


def train_quietly(overrides: Sequence[str], outputs: Path | str) -> Path:
    """Train as `python -m titleclf.train` does, without its output, and return the run's folder."""
    with contextlib.redirect_stdout(io.StringIO()):
        return train(compose("train", [NO_REFIT, f"output_dir={outputs}", *overrides]))
