"""A run's folder: the configuration that ran, the last epoch to go on from, and the best weights so far."""

import io
import json
import pickle
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from safetensors.torch import save as save_tensors
from torch import nn
from yaml import YAMLError

from titleclf.arguments import program
from titleclf.bundle import tensors_of
from titleclf.config import PretrainConfig, TrainConfig
from titleclf.distributed import is_first
from titleclf.errors import InputError
from titleclf.files import new_run_folder, replacing, write_text
from titleclf.mapping import from_mapping
from titleclf.model import Network
from titleclf.optim import Optimizer

CONFIG, CHECKPOINT, BEST = "config.yaml", "checkpoint.pt", "best.safetensors"

State = dict[str, Any]
History = list[dict[str, float]]  # a row an epoch, or a part of one
Config = TypeVar("Config")


def new_run(config: TrainConfig | PretrainConfig) -> Path:
    """Make and return the folder of a new run, with its configuration."""
    folder = new_run_folder(Path(config.output_dir))
    save_config(folder, config)
    return folder


def save_config(folder: Path, config: Any) -> None:
    """Write config.yaml: everything that shaped the run, but for the data."""
    plain = json.loads(json.dumps(asdict(config)))  # enums become their names
    write_text(folder / CONFIG, OmegaConf.to_yaml(OmegaConf.create(plain)))


def load_config(folder: Path, schema: type[Config]) -> Config:
    """Read the configuration of type `schema` that `save_config` wrote.

    Raises
    ------
    InputError
        If `folder` is no run's folder, or its configuration was changed into something that can't be read.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise InputError(f"{folder} must be the folder of a run. Got no {CONFIG} there. Check the path.")
    try:
        values = OmegaConf.to_container(OmegaConf.load(path))
    except (OmegaConfBaseException, YAMLError, ValueError) as error:
        raise InputError(f"{path} must be YAML. Got: {str(error).splitlines()[0]}. Mend it or train again.") from error
    config: Config = from_mapping(schema, values, str(path))  # type: ignore[arg-type]
    return config


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
