"""Several processes under `torchrun`: each computes a shard of every batch, and all make the same step.

Every process draws the same order and the same noise. Each gathers the logits of the other shards, so it has the loss
of the whole batch, but gradients only for its own shard; their sum is the gradient of a single process.
DistributedDataParallel would do the same for matrices, but it lacks sparse gradients on GPUs (nccl), which the n-gram
table needs.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from titleclf.runtime.choices import Device
from titleclf.runtime.errors import BAD_INPUT, INTERRUPTED, InputError
from titleclf.runtime.text.programmes import Programmes
from titleclf.training.network import TorchNetwork

T = TypeVar("T")
Items = TypeVar("Items", bound=Sized)

_REPORT_TIMEOUT = timedelta(seconds=5)  # for process 0 to report an error that occurs in all processes
_REPORTED = "titleclf: error reported"


def init_process_group(device: torch.device) -> torch.device:
    """Join the other processes, if `torchrun` started any, and return this one's device: its own GPU or the CPU.

    Raises
    ------
    InputError
        If this machine has more processes than GPUs, or a process did not start.
    """
    if not dist.is_torchelastic_launched() or os.environ["WORLD_SIZE"] == "1":
        return device
    if device.type == "cuda":
        number, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if number >= gpus:
            raise InputError(
                f"torchrun must start at most one process per GPU. Got process {number + 1} for {gpus} GPUs. "
                f"Pass --nproc-per-node {gpus}, or device=cpu."
            )
        device = torch.device("cuda", number)
        torch.cuda.set_device(device)
    else:
        device = torch.device("cpu")  # no backend sends tensors from MPS
    if not dist.is_initialized():  # a program that trains twice has already joined
        with _collective():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return device


def processes() -> int:
    """Return the number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return the number of this process, counted from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_rank0() -> bool:
    """Return whether this process is the one that evaluates and writes."""
    return rank() == 0


def broadcast_from_rank0(make: Callable[[], T]) -> T:
    """Call `make` in process 0 only, and return its result in all processes."""
    if processes() == 1:
        return make()
    values = [make() if is_rank0() else None]
    with _collective():
        dist.broadcast_object_list(values)
    return values[0]  # type: ignore[return-value]


def check_same(fingerprints: dict[str, str]) -> None:
    """Compare the files of all processes by their fingerprints.

    Raises
    ------
    InputError
        If this process has different files than process 0.
    """
    expected = broadcast_from_rank0(lambda: fingerprints)
    differing = [name for name in expected if expected[name] != fingerprints.get(name)]
    if differing:
        raise InputError(
            f"all processes must be given the same {' and '.join(differing)}. "
            f"Got different ones in process {rank() + 1}. Copy the files of one machine to all."
        )


def shard(items: Items) -> Items:
    """Return this process's items in order; the sizes of the processes' shards differ by at most one."""
    count, number, shards = len(items), rank(), processes()
    return items[count * number // shards : count * (number + 1) // shards]  # type: ignore[index, no-any-return]


def all_gather_rows(own: Tensor) -> Tensor:
    """Return the rows of all processes (all rows, ...), in order of rank; only `own` has gradients."""
    if processes() == 1:
        return own
    parts = _from_all(own.detach())
    return torch.cat([*parts[: rank()], own, *parts[rank() + 1 :]])


class Sharded:
    """A network that computes this process's shard of a batch, and returns the views of the whole batch."""

    def __init__(self, network: TorchNetwork) -> None:
        self.network = network

    def __call__(self, programmes: Programmes) -> Tensor:
        """Return logits (programmes, views, outputs); only those of this process's shard have gradients."""
        return all_gather_rows(self.network.views(self.network.inputs(shard(programmes))))


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Add up the gradients of all processes, dense and sparse."""
    if processes() == 1:
        return
    with_gradient = [parameter for parameter in parameters if parameter.grad is not None]
    gradients = (parameter.grad for parameter in with_gradient)
    dense = [gradient for gradient in gradients if gradient is not None and not gradient.is_sparse]
    flat = torch.cat([gradient.ravel() for gradient in dense])  # one message instead of many
    with _collective():
        dist.all_reduce(flat)
    for gradient, total in zip(dense, flat.split_with_sizes([gradient.numel() for gradient in dense]), strict=True):
        gradient.copy_(total.view_as(gradient))
    for parameter in with_gradient:
        if parameter.grad is not None and parameter.grad.is_sparse:
            own = parameter.grad.coalesce()
            rows, values = (torch.cat(_from_all(tensor)) for tensor in (own.indices()[0], own.values()))
            parameter.grad = torch.sparse_coo_tensor(rows[None], values, parameter.shape, check_invariants=False)


@contextmanager
def rank0_output() -> Iterator[None]:
    """Let only process 0 print, and only one process report an error; without `torchrun`, do nothing."""
    if not dist.is_torchelastic_launched():
        yield
        return
    try:
        with ExitStack() as stack:
            if os.environ["RANK"] != "0":
                nowhere = stack.enter_context(Path(os.devnull).open("w"))
                stack.enter_context(redirect_stdout(nowhere))
                stack.enter_context(redirect_stderr(nowhere))
            yield
    except (InputError, OSError, KeyboardInterrupt) as error:
        # torchrun forwards a Ctrl-C that the terminal has already sent to every process.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if not _reports_error():
            raise SystemExit(INTERRUPTED if isinstance(error, KeyboardInterrupt) else BAD_INPUT) from None
        raise
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _reports_error() -> bool:
    """Return whether this process reports the error: process 0, or any other if process 0 has none."""
    where = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
    store = dist.TCPStore(*where, is_master=False)  # type: ignore[attr-defined]
    if os.environ["RANK"] != "0":
        with suppress(dist.DistStoreError):  # process 0 has nothing to report
            store.wait([_REPORTED], _REPORT_TIMEOUT)
    return store.add(_REPORTED, 1) == 1


def _from_all(own: Tensor) -> list[Tensor]:
    """Return the rows (rows, ...) of each process; row counts may differ."""
    count = torch.tensor([len(own)], device=own.device)
    counts = [torch.empty_like(count) for _ in range(processes())]
    with _collective():
        dist.all_gather(counts, count)
        sizes = [int(size) for size in counts]
        padded = own.new_zeros(max(sizes), *own.shape[1:])  # gloo and nccl need equal shapes
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
    return [part[:size] for part, size in zip(parts, sizes, strict=True)]


@contextmanager
def _collective() -> Iterator[None]:
    """Report in a sentence that another process has ended; torch's message is about sockets."""
    try:
        yield
    except RuntimeError as error:
        raise InputError(
            "all processes must run to the end. Got one that has ended. Read its message, and start all again."
        ) from error


def pick_device(device: Device) -> torch.device:
    """Return the configured device; `auto` is CUDA, else MPS, else the CPU."""
    present = {
        Device.cuda: torch.cuda.is_available(),
        Device.mps: torch.backends.mps.is_available(),
        Device.cpu: True,
    }
    if device is Device.auto:
        device = next(candidate for candidate, is_present in present.items() if is_present)
    if not present[device]:
        raise InputError(f"device must be one that this machine has. Got {device}. Use device=auto.")
    if device is Device.cuda:  # by default, the same seed may give different weights on a GPU
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(mode=True, warn_only=True)
    return torch.device(device.value)


def seed_everything(*numbers: int) -> np.random.Generator:
    """Return a generator for this seed and part of a run, and seed torch with them too.

    Each part has its own seed, so that a resumed run draws what an uninterrupted one draws. All processes share
    this generator; dropout is seeded per rank.
    """
    sequence = np.random.SeedSequence(numbers)
    torch.manual_seed(int(sequence.generate_state(1)[0]) + rank())
    return np.random.default_rng(sequence)
