"""Training runs inside a script."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from titleclf.config.hydra import compose
from titleclf.config.schemas import TrainConfig
from titleclf.train import train


def compose_with_files(overrides: Sequence[str], train: str | None, test: str | None) -> TrainConfig:
    """Return the configuration of a training run with these overrides and, if given, on these files."""
    config: TrainConfig = compose("train", overrides)
    data = replace(config.data, path=train or config.data.path, test_path=test or config.data.test_path)
    return replace(config, data=data)


def train_quietly(overrides: Sequence[str], outputs: Path | str) -> Path:
    """Train as `python -m titleclf.train` does, without its output, and return the run's folder."""
    with contextlib.redirect_stdout(io.StringIO()):
        return train(compose("train", [f"output_dir={outputs}", *overrides]))
