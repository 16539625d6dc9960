"""The optimizer: which parameters decay, how tables are updated row by row, and how the learning rate changes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from titleclf.config.schemas import OptimConfig
from titleclf.runtime.bundle.folding import field_table
from titleclf.runtime.choices import Field
from titleclf.runtime.errors import InputError
from titleclf.training.distributed import sum_gradients

_EPSILON = 1e-8  # as in torch.optim.AdamW


@dataclass
class Groups:
    """The trainable parameters of a network, each in exactly one group; frozen ones in none.

    Tables are of n-grams, of fields whose vocabulary is open, and of those whose vocabulary is closed.
    """

    matrices: list[nn.Parameter]
    tables: list[nn.Parameter]
    open_tables: list[nn.Parameter]
    closed_tables: list[nn.Parameter]
    undecayed: list[nn.Parameter]

    def __iter__(self) -> Iterator[nn.Parameter]:
        return chain(self.matrices, self.tables, self.open_tables, self.closed_tables, self.undecayed)


def group_parameters(network: nn.Module, skip: Sequence[str]) -> Groups:
    """Group the parameters: tables with sparse gradients, other matrices, and those without decay (`skip` and vectors).

    Raises
    ------
    InputError
        If `skip` names a module that the network lacks, or a table, which has its own decay.
    """
    embeddings = (module for module in network.modules() if isinstance(module, nn.Embedding | nn.EmbeddingBag))
    tables = {id(module.weight) for module in embeddings if module.sparse}
    named = dict(network.named_parameters())
    modules = {
        part for name, parameter in named.items() if id(parameter) not in tables for part in name.split(".")[:-1]
    }
    unknown = sorted(set(skip) - modules)
    if unknown:
        options = ", ".join(sorted(modules))
        raise InputError(f"optim.skip must name modules of the model: {options}. Got {', '.join(unknown)}.")
    groups = Groups([], [], [], [], [])
    fields = {field_table(field): groups.open_tables if field.is_open else groups.closed_tables for field in Field}
    for name, parameter in named.items():
        if not parameter.requires_grad:
            continue
        if id(parameter) in tables:
            fields.get(name.removeprefix("network."), groups.tables).append(parameter)
        elif parameter.ndim < 2 or set(name.split(".")) & set(skip):
            groups.undecayed.append(parameter)
        else:
            groups.matrices.append(parameter)
    return groups


class RowAdamW(torch.optim.Optimizer):
    """AdamW for tables with sparse gradients: updates only the batch's rows, and decays all rows to their start.

    The start of a new table is zero. A pre-trained table decays to its loaded values, so that training on few labels
    does not forget them (L2-SP: Li et al. 2018, Explicit inductive bias for transfer learning, equation 2). The moments
    of a row come from the batches that contain it. Decay is applied once every DECAY_STEPS steps, so that steps
    cost no more for larger tables. `torch.optim.SparseAdam` has no decay, and takes three times as long (torch 2.13).
    """

    DECAY_STEPS = 16

    def __init__(
        self, tables: Sequence[nn.Parameter], lr: float, betas: tuple[float, float], weight_decay: float
    ) -> None:
        super().__init__(tables, {"lr": lr, "betas": betas, "weight_decay": weight_decay, "steps": 0, "kept": 1.0})
        self._starts = [table.detach().clone() if table.any() else None for table in tables]

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Update the rows that have a gradient, and decay all rows when that is due."""
        for group in self.param_groups:
            group["steps"] += 1
            group["kept"] *= 1 - group["lr"] * group["weight_decay"]
            for table, start in zip(group["params"], self._starts, strict=True):
                if group["steps"] % self.DECAY_STEPS == 0 and group["kept"] != 1.0:
                    table.mul_(group["kept"])
                    if start is not None:
                        table.add_(start, alpha=1 - group["kept"])
                if table.grad is not None:
                    self._update_rows(table, group)
            if group["steps"] % self.DECAY_STEPS == 0:
                group["kept"] = 1.0

    def _update_rows(self, table: nn.Parameter, group: dict[str, Any]) -> None:
        state = self.state[table]
        if not state:
            state.update(mean=torch.zeros_like(table), square=torch.zeros_like(table))
        gradient = cast("Tensor", table.grad).coalesce()
        rows, values = gradient.indices()[0], gradient.values()  # (rows,), (rows, dim)
        first, second = group["betas"]
        mean = state["mean"][rows].mul_(first).add_(values, alpha=1 - first)
        square = state["square"][rows].mul_(second).addcmul_(values, values, value=1 - second)
        state["mean"].index_copy_(0, rows, mean)
        state["square"].index_copy_(0, rows, square)
        root = square.div_(1 - second ** group["steps"]).sqrt_().add_(_EPSILON)
        step = mean.div_(root).mul_(-group["lr"] / (1 - first ** group["steps"]))
        table.index_copy_(0, rows, step.add_(table[rows]))


class Optimizer:
    """AdamW for matrices and vectors, and RowAdamW for tables, stepped and saved together."""

    def __init__(self, network: nn.Module, config: OptimConfig, steps: int) -> None:
        groups = group_parameters(network, config.skip)
        betas = (config.betas[0], config.betas[1])
        dense = [
            {"params": groups.matrices, "weight_decay": config.weight_decay},
            {"params": groups.undecayed, "weight_decay": 0.0},
        ]
        self._optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(dense, lr=config.lr, betas=betas, fused=True)
        ]
        loaded = [table for table in groups.tables if table.any()]
        new = [table for table in groups.tables if not table.any()]
        for tables, lr, decay in (
            (new, config.table_lr, config.table_decay),
            (groups.open_tables, config.table_lr, config.field_decay),
            (groups.closed_tables, config.table_lr, 0.0),
            (loaded, config.loaded_lr, config.loaded_decay),
        ):
            if tables:
                self._optimizers.append(RowAdamW(tables, lr, betas, decay))
        warmup = math.ceil(config.warmup_fraction * steps)
        self._schedules = [
            LambdaLR(optimizer, lambda step: lr_factor(step, warmup, steps)) for optimizer in self._optimizers
        ]
        self._parameters = list(groups)
        self._clip_norm = config.clip_norm

    def step(self, loss: Tensor) -> None:
        """Take one step down the clipped gradient of `loss`, and advance the learning rate."""
        for optimizer in self._optimizers:
            optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        sum_gradients(self._parameters)
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
        """Restore the state that `state_dict` returned."""
        for optimizer, saved in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        for schedule, step in zip(self._schedules, state["schedules"], strict=True):
            schedule.last_epoch = step


def lr_factor(step: int, warmup: int, steps: int) -> float:
    """Return the factor of the learning rate at `step`: a linear warmup, then half a cosine down to zero."""
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def clip_gradients(parameters: Sequence[nn.Parameter], clip_norm: float) -> None:
    """Scale all gradients so that their common norm is at most `clip_norm`.

    This is `torch.nn.utils.clip_grad_norm_`, which does not accept sparse gradients (torch 2.13).
    """
    values = []
    for parameter in parameters:
        if parameter.grad is not None and parameter.grad.is_sparse:
            # The gradients of a row that occurs twice in a batch must be added before they are squared.
            parameter.grad = parameter.grad.coalesce()
            values.append(parameter.grad.values())
        elif parameter.grad is not None:
            values.append(parameter.grad)
    if not values:
        return
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(value) for value in values]))
    scale = (clip_norm / (norm + 1e-6)).clamp(max=1.0)
    for value in values:
        value.mul_(scale)
