"""A run's folder: its configuration, the history of its epochs, a checkpoint to resume from, and the best weights."""

import io
import os
import pickle
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save as save_tensors
from torch import nn

from titleclf.config.saved import BEST, CHECKPOINT, load_config, save_config
from titleclf.config.schemas import PretrainConfig, TrainConfig
from titleclf.runtime.arguments import program
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import replacing
from titleclf.training.distributed import broadcast_from_rank0, check_same, is_rank0
from titleclf.training.network import TorchNetwork
from titleclf.training.optimizer import Optimizer
from titleclf.training.trained_model import load_weights, tensors_of
from titleclf.training.validation import score, scores_line, write_scores

History = list[dict[str, float]]  # one row per epoch, or per part of one
Fingerprints = dict[str, str]  # hashes of all inputs that determine the weights, by content
Config = TypeVar("Config", TrainConfig, PretrainConfig)


def resumed(config: Config, result: str) -> Config:
    """Return the configuration of the run to resume, or `config` itself if it resumes none.

    Raises
    ------
    InputError
        If the folder holds no run, or one that has finished, and so has its `result`.
    """
    if config.resume is None:
        return config
    folder = Path(config.resume)
    started = replace(load_config(folder, type(config)), resume=config.resume)
    if (folder / result).exists():
        raise InputError(f"resume must be a run that has not finished. Got {folder}, which has its {result}. Use that.")
    return started


@dataclass
class Run:
    """A run that trains `modules` with `optimizer`; both are set by `begin`."""

    folder: Path
    is_new: bool
    history: History = field(default_factory=list)
    fingerprints: Fingerprints = field(default_factory=dict)
    modules: nn.Module | None = None
    optimizer: Optimizer | None = None

    @classmethod
    def start_or_resume(cls, config: TrainConfig | PretrainConfig) -> "Run":
        """Make the folder of a new run with its configuration, or use that of the run to resume."""
        if config.resume is not None:
            return cls(Path(config.resume), is_new=False)
        return cls(broadcast_from_rank0(lambda: _new_folder(config)), is_new=True)

    def begin(self, fingerprints: Fingerprints, modules: nn.Module, optimizer: Optimizer) -> None:
        """Set what is trained; a resumed run restores it from its last checkpoint.

        Raises
        ------
        InputError
            If the checkpoint is missing or damaged, or was made from other files; or if processes have different files.
        """
        check_same(fingerprints)
        self.fingerprints, self.modules, self.optimizer = fingerprints, modules, optimizer
        if self.is_new:
            return
        state = load_checkpoint(self.folder)
        others = [name for name in fingerprints if state.get("given", {}).get(name) != fingerprints[name]]
        if others:
            raise InputError(
                f"resume must be given the same {' and '.join(others)}. Got {self.folder}, started with others. "
                "Train again."
            )
        modules.load_state_dict(state["modules"])
        optimizer.load_state_dict(state["optimizer"])
        self.history = state["history"]

    def epochs(self, count: int, patience: int) -> Iterator[int]:
        """Yield the remaining epochs, until none of the last `patience` was the best."""
        for epoch in range(len(self.history) + 1, count + 1):
            if epoch - self.best_epoch > patience:
                return
            yield epoch

    @property
    def best_epoch(self) -> int:
        """The first epoch with the best score, 0 before any."""
        best = max(self.history, key=score, default={"epoch": 0})
        return int(best["epoch"])

    def finish_epoch(self, row: dict[str, float], network: TorchNetwork, started: float) -> None:
        """Add an epoch to the history, keep its weights if they are the best, and save a checkpoint."""
        self.history.append(row)
        if is_rank0() and self.best_epoch == row["epoch"]:
            with replacing(self.folder / BEST) as temporary:
                temporary.write_bytes(save_tensors(tensors_of(network)))
        self.checkpoint()
        seconds = time.perf_counter() - started
        losses = f"loss {row['training_loss']:.3f}  validation: loss {row['validation_loss']:.3f}"
        print(f"epoch {row['epoch']:>3.0f}  {losses}  {scores_line(row)}  ({seconds:.1f} s)", flush=True)

    def keep_best(self, network: TorchNetwork, fingerprint: str) -> None:
        """Load the weights of the best epoch into the network, and write that epoch's scores."""
        write_scores(self.folder, fingerprint, self.history[self.best_epoch - 1])
        load_weights(network, self.folder / BEST)

    def checkpoint(self) -> None:
        """Write the state after an epoch or a part of one, replacing the previous one."""
        if not is_rank0() or self.modules is None or self.optimizer is None:
            return
        state = {
            "given": self.fingerprints,
            "history": self.history,
            "modules": self.modules.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        buffer = io.BytesIO()
        torch.save(state, buffer)  # writing directly to a full disk would fail without a reason
        with replacing(self.folder / CHECKPOINT) as temporary:
            temporary.write_bytes(buffer.getbuffer())

    @contextmanager
    def resumable(self, verb: str) -> Iterator[None]:
        """Report how to resume on Ctrl-C; remove a new run that has no checkpoint yet."""
        try:
            yield
        except KeyboardInterrupt:
            if self.is_new and not (self.folder / CHECKPOINT).exists():
                if is_rank0():
                    shutil.rmtree(self.folder)  # this run created it, and it holds only the configuration
                raise KeyboardInterrupt("There was no checkpoint yet: the run was removed.") from None
            raise KeyboardInterrupt(f"Resume with: {program(verb)} resume={self.folder}") from None

    def point_latest(self) -> None:
        """Point the link `latest`, beside the folder, to it atomically."""
        folder = self.folder.resolve()  # the run may be resumed through that link
        link = folder.parent / f".latest.{os.getpid()}"
        link.unlink(missing_ok=True)
        link.symlink_to(folder.name, target_is_directory=True)
        link.replace(folder.parent / "latest")


def load_checkpoint(folder: Path) -> dict[str, Any]:
    """Read a run's checkpoint; it holds tensors and plain values, no code.

    Raises
    ------
    InputError
        If there is none, or it is damaged.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        raise InputError(f"{folder} has no {CHECKPOINT}. Its first epoch was not finished: train again.")
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(f"{path} must be a whole checkpoint. Got a damaged one. Train again.") from error
    return state


def _new_folder(config: TrainConfig | PretrainConfig) -> Path:
    """Make a folder named after the current second, with the configuration; runs of the same second get -2, -3, ..."""
    parent = Path(config.output_dir)
    parent.mkdir(parents=True, exist_ok=True)
    stamp = f"{datetime.now().astimezone():%Y-%m-%d_%H-%M-%S}"
    number = 1
    while True:
        folder = parent / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            folder.mkdir()  # fails if another process was faster, which keeps runs separate
        except FileExistsError:
            number += 1
        else:
            save_config(folder, config)
            return folder
