"""A run's folder: the configuration that ran, the last epoch to go on from, and the best weights so far."""

import io
import os
import pickle
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as save_tensors
from torch import nn

from titleclf.config.saved import BEST, CHECKPOINT, save_config
from titleclf.config.schemas import PretrainConfig, TrainConfig
from titleclf.runtime.arguments import program
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import replacing
from titleclf.training.distributed import is_first
from titleclf.training.network import Network
from titleclf.training.optimizer import Optimizer
from titleclf.training.trained_model import tensors_of

State = dict[str, Any]
History = list[dict[str, float]]  # a row an epoch, or a part of one


def new_run(config: TrainConfig | PretrainConfig) -> Path:
    """Make and return the folder of a new run, with its configuration."""
    folder = new_run_folder(Path(config.output_dir))
    save_config(folder, config)
    return folder


@contextmanager
def resumable(folder: Path, verb: str, *, is_new: bool) -> Iterator[None]:
    """Say on Ctrl-C how to go on; of a new run that has nothing to go on from, leave nothing."""
    try:
        yield
    except KeyboardInterrupt:
        if is_new and not (folder / CHECKPOINT).exists():
            if is_first():
                shutil.rmtree(folder)  # ours, and all that is in it is the configuration
            raise KeyboardInterrupt("There was no checkpoint yet: nothing is left of the run.") from None
        raise KeyboardInterrupt(f"Go on with: {program(verb)} resume={folder}") from None


def state_of(given: dict[str, str], history: History, modules: nn.Module, optimizer: Optimizer) -> State:
    """Return what `save_checkpoint` takes; `given` are fingerprints of all files that shape the weights, by name."""
    return {
        "given": given,
        "history": history,
        "modules": modules.state_dict(),
        "optimizer": optimizer.state_dict(),
    }


def restore(folder: Path, given: dict[str, str], modules: nn.Module, optimizer: Optimizer) -> History:
    """Bring modules and optimizer to the last epoch of the run in `folder`, and return its history.

    Raises
    ------
    InputError
        If there is none, or it was given other files.
    """
    state = load_checkpoint(folder)
    others = [name for name in given if state.get("given", {}).get(name) != given[name]]
    if others:
        raise InputError(
            f"resume must be given the same {' and '.join(others)}. Got {folder}, begun on others. Train again."
        )
    modules.load_state_dict(state["modules"])
    optimizer.load_state_dict(state["optimizer"])
    history: History = state["history"]
    return history


def save_checkpoint(folder: Path, state: State) -> None:
    """Write the state after an epoch, in place of the one before."""
    buffer = io.BytesIO()
    torch.save(state, buffer)  # straight to a full disk it would fail without saying why
    with replacing(folder / CHECKPOINT) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_checkpoint(folder: Path) -> State:
    """Read the state that `save_checkpoint` wrote; it holds tensors and plain values, no code.

    Raises
    ------
    InputError
        If there is none, or it is damaged.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        raise InputError(f"{folder} has no {CHECKPOINT}. Its first epoch never ended: train again.")
    try:
        state: State = torch.load(path, weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(f"{path} must be a whole checkpoint. Got a damaged one. Train again.") from error
    return state


def save_best(folder: Path, network: Network) -> None:
    """Write the weights of the best epoch so far, at full precision."""
    with replacing(folder / BEST) as temporary:
        temporary.write_bytes(save_tensors(tensors_of(network)))


def new_run_folder(parent: Path) -> Path:
    """Make and return a folder named after the present second; runs of the same second get -2, -3, ..."""
    parent.mkdir(parents=True, exist_ok=True)
    stamp = f"{datetime.now().astimezone():%Y-%m-%d_%H-%M-%S}"
    number = 1
    while True:
        folder = parent / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            folder.mkdir()  # fails if another process was faster: that is what keeps runs apart
        except FileExistsError:
            number += 1
        else:
            return folder


def point_latest(folder: Path) -> None:
    """Let the link `latest` beside `folder` point to it, in one step."""
    link = folder.parent / f".latest.{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(folder.name, target_is_directory=True)
    link.replace(folder.parent / "latest")
