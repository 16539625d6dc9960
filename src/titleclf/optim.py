"""Optimiser: which parameters decay, which are sparse, and how the learning rate moves."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from titleclf.config import OptimConfig
from titleclf.errors import InputError


@dataclass
class Groups:
    """The trainable parameters of a network, each in exactly one group; frozen ones are in none."""

    matrices: list[nn.Parameter]
    tables: list[nn.Parameter]
    sparse_tables: list[nn.Parameter]
    undecayed: list[nn.Parameter]

    def __iter__(self) -> Iterator[nn.Parameter]:
        return chain(self.matrices, self.tables, self.sparse_tables, self.undecayed)


def group_parameters(network: nn.Module, skip: Sequence[str]) -> Groups:
    """Sort the parameters: only matrices and n-gram tables outside the modules named in `skip` decay.

    Tables with sparse gradients are apart, and don't decay: that would touch every row at every step.

    Raises
    ------
    InputError
        If `skip` names no module of the network.
    """
    named = dict(network.named_parameters())
    modules = {part for name in named for part in name.split(".")[:-1]}
    unknown = sorted(set(skip) - modules)
    if unknown:
        options = ", ".join(sorted(modules))
        raise InputError(f"optim.skip must name modules of the model: {options}. Got {', '.join(unknown)}.")
    tables = {id(module.weight): module for module in network.modules() if isinstance(module, nn.EmbeddingBag)}
    groups = Groups([], [], [], [])
    for name, parameter in named.items():
        table = tables.get(id(parameter))
        if not parameter.requires_grad:
            continue
        if table is not None and table.sparse:
            groups.sparse_tables.append(parameter)
        elif parameter.ndim < 2 or set(name.split(".")) & set(skip):
            groups.undecayed.append(parameter)
        elif table is not None:
            groups.tables.append(parameter)
        else:
            groups.matrices.append(parameter)
    return groups


class Optimizer:
    """AdamW for the dense parameters and SparseAdam for the sparse tables, stepped and saved as one."""

    def __init__(self, network: nn.Module, config: OptimConfig, steps: int) -> None:
        groups = group_parameters(network, config.skip)
        betas = (config.betas[0], config.betas[1])
        dense = [
            {"params": groups.matrices, "weight_decay": config.weight_decay},
            {"params": groups.tables, "weight_decay": config.table_decay},
            {"params": groups.undecayed, "weight_decay": 0.0},
        ]
        self._optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(dense, lr=config.lr, betas=betas, fused=True)
        ]
        if groups.sparse_tables:
            self._optimizers.append(torch.optim.SparseAdam(groups.sparse_tables, lr=config.lr, betas=betas))
        warmup = math.ceil(config.warmup_fraction * steps)
        self._schedules = [LambdaLR(one, lambda step: lr_factor(step, warmup, steps)) for one in self._optimizers]
        self._parameters = list(groups)
        self._clip_norm = config.clip_norm

    def step(self, loss: Tensor) -> None:
        """Go one step down the gradient of `loss`, clipped, and move the learning rate on."""
        for optimizer in self._optimizers:
            optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        clip_gradients(self._parameters, self._clip_norm)
        for optimizer, schedule in zip(self._optimizers, self._schedules, strict=True):
            optimizer.step()
            schedule.step()

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next step depends on."""
        return {
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
            "schedules": [schedule.last_epoch for schedule in self._schedules],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to where `state_dict` was taken."""
        for optimizer, saved in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        for schedule, step in zip(self._schedules, state["schedules"], strict=True):
            schedule.last_epoch = step


def lr_factor(step: int, warmup: int, steps: int) -> float:
    """Return the share of the learning rate at `step`: up in a line, then down to zero along half a cosine."""
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def clip_gradients(parameters: Sequence[nn.Parameter], clip_norm: float) -> None:
    """Scale all gradients so that their common norm is at most `clip_norm`.

    As `torch.nn.utils.clip_grad_norm_`, which refuses sparse gradients (torch 2.13).
    """
    values = []
    for parameter in parameters:
        if parameter.grad is not None and parameter.grad.is_sparse:
            # Rows that occur twice in a batch must be added before they are squared.
            parameter.grad = parameter.grad.coalesce()
            values.append(parameter.grad.values())
        elif parameter.grad is not None:
            values.append(parameter.grad)
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(value) for value in values]))
    scale = (clip_norm / (norm + 1e-6)).clamp(max=1.0)
    for value in values:
        value.mul_(scale)
