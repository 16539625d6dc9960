"""Training runs inside a script."""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

from titleclf.config.hydra import compose
from titleclf.train import train


def train_quietly(overrides: Sequence[str], outputs: Path | str) -> Path:
    """Train as `python -m titleclf.train` does, without its output, and return the run's folder."""
    with contextlib.redirect_stdout(io.StringIO()):
        return train(compose("train", [f"output_dir={outputs}", *overrides]))
