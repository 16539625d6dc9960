"""Small, fast training runs: their configurations, their weights, and ways to interrupt them."""

import fcntl
import functools
import hashlib
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from matplotlib.figure import Figure
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from safetensors.torch import load_file

from titleclf import train as train_module
from titleclf.config.hydra import compose
from titleclf.config.rules import check
from titleclf.config.schemas import TrainConfig
from titleclf.data.dataset import read_dataset
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import shipped
from titleclf.train import train
from titleclf.training.calibration import calibrate
from titleclf.training.run import Run
from titleclf.training.trained_model import TrainedModel

SMALL = (
    "device=cpu",
    "model.dim=9",
    "training.epochs=3",
    "training.batch_size=7",
    "evaluate.robustness_titles=0",
    "training.refit=false",
)
FEW_BUCKETS = "model.buckets=997"
FEW_FEATURES = ("model.fields.text_buckets=4999", "model.fields.channel_buckets=1024")
FIELDS = ("model.fields.use=[description,sub_title,channel,channel_kind,minutes,language,year]", *FEW_FEATURES)


def composed(verb: str, *overrides: str) -> Any:
    """Return the configuration of `python -m titleclf.<verb>`.

    Hydra takes a sixth of a second: it composes each choice of files once, and values are merged into the result.
    """
    choices = [override for override in overrides if not _is_value(override)]
    values = [override for override in overrides if _is_value(override)]
    try:
        config = OmegaConf.merge(_composed(verb, *choices), OmegaConf.from_dotlist(values))
    except (InputError, OmegaConfBaseException):  # the choices are valid only with some of the values
        return compose(verb, list(overrides))
    plain: Any = OmegaConf.to_object(config)
    check(plain)
    return plain


@functools.cache
def _composed(verb: str, *overrides: str) -> DictConfig:
    return OmegaConf.structured(compose(verb, list(overrides)))


def _is_value(override: str) -> bool:
    """Return whether an override is a value: no choice of a file, no value that others follow, no syntax of Hydra."""
    key, _, value = override.partition("=")
    is_choice = (shipped("conf") / key).is_dir()
    return bool(re.fullmatch(r"[\w.]+", key)) and not (is_choice or key.startswith("optim.table_") or "\\" in value)


def compose_train(*overrides: str) -> TrainConfig:
    """Return the configuration of `python -m titleclf.train`; small models can't take the shipped embeddings."""
    groups = ("model=", "experiment=")
    model = [] if any(override.startswith(groups) for override in overrides) else ["model=ngram"]
    config: TrainConfig = composed("train", *model, *overrides)
    return config


def compose_small(*overrides: str) -> TrainConfig:
    """Return the configuration of a run that takes a second on the fifty titles."""
    is_ngram = not any(override in ("model=bag", "model=conv") for override in overrides)
    return compose_train(*SMALL, *([FEW_BUCKETS] if is_ngram else []), *overrides)


def train_once(root: Path, *overrides: str, plots: bool = False) -> Path:
    """Return the folder of a finished small run below `root`; tests must not change it.

    Each configuration is trained once, by the first test process that needs it. Plot files are empty without `plots`.
    """
    outputs = root / hashlib.sha256(json.dumps(overrides).encode()).hexdigest()[:16]
    with locked(outputs.with_suffix(".lock")):
        finished = [bundle.parent for bundle in outputs.glob("[0-9]*/bundle")]  # not through `latest`
        if finished:
            return finished[0]
        config = replace(compose_small(*overrides), output_dir=str(outputs))
        # The output must not mix with that of the test that happens to train the run.
        with redirect_stdout(io.StringIO()):
            return train(config) if plots else train_without_plots(config)


def train_without_plots(config: TrainConfig) -> Path:
    """Train without drawing, which takes three quarters of a small run's time; plot files stay empty."""
    with mock.patch.object(Figure, "savefig"):
        return train(config)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes out of a block with the same path."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def only_run(outputs: Path) -> Path:
    """Return the folder of the only run in `outputs`."""
    (folder,) = (path for path in outputs.iterdir() if not path.is_symlink())
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return the weights in a run's bundle."""
    return load_file(folder / "bundle" / "weights.safetensors")


def same(tensors: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> bool:
    """Return whether two sets of tensors are equal bit for bit."""
    return tensors.keys() == others.keys() and all(torch.equal(tensors[name], others[name]) for name in tensors)


class KilledError(Exception):
    """Ends a run like a killed process: the run does not handle it."""


def killed(
    config: TrainConfig, checkpoints: int, error: type[BaseException] = KilledError, match: str | None = None
) -> Path:
    """Return the folder of a run that ended with `error` right after this many checkpoints; `match` is its message."""
    checkpoint = Run.checkpoint

    def write_and_die(run: Run) -> None:
        checkpoint(run)
        if len(run.history) == checkpoints:
            raise error

    before = _runs_in(config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "checkpoint", write_and_die)
        with pytest.raises(error, match=match):
            train(config)
    (folder,) = _runs_in(config) - before
    return folder


def killed_after_one_epoch(config: TrainConfig) -> Path:
    """Return the folder of a run of one epoch that was interrupted before it calibrates."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_module, "calibrate", interrupted)
        with pytest.raises(KeyboardInterrupt, match="Resume with"):
            train(config)
    return only_run(Path(config.output_dir))


def interrupted(*_: object, **__: object) -> None:
    """Stand in for a function that Ctrl-C interrupts."""
    raise KeyboardInterrupt


def refusal(config: TrainConfig, folder: Path) -> str:
    """Return the error of resuming the run in a folder."""
    with pytest.raises(InputError) as caught:
        train(replace(config, resume=str(folder)))
    return str(caught.value)


def _runs_in(config: TrainConfig) -> set[Path]:
    outputs = Path(config.output_dir)
    return {path for path in outputs.iterdir() if not path.is_symlink()} if outputs.exists() else set()


def check_calibration_is_repeatable(config: TrainConfig, model: TrainedModel) -> None:
    """Assert that calibrating a trained model again gives the same memory, temperature and thresholds."""
    before = replace(model.contents)
    calibrate(config, read_dataset(config), model)
    after = model.contents
    assert (after.temperature, after.thresholds) == (before.temperature, before.thresholds)
    assert after.memory is not None
    assert before.memory is not None
    assert after.memory is not before.memory
    assert after.memory.weights == pytest.approx(before.memory.weights, abs=1e-6)
