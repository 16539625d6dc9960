"""Several processes under `torchrun`: each takes a share of every batch, and all make the same step.

Every process draws the same order and the same noise and works out its share of the batch. What the loss needs of the
others' titles is gathered, so that the loss is that of the whole batch, in each process; only the own share has
gradients, and their sum is the gradient of one process. DistributedDataParallel would come to the same for matrices,
but knows no sparse gradients on GPUs (nccl), and the table has nothing else.
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

T = TypeVar("T")
Items = TypeVar("Items", bound=Sized)

_PATIENCE = timedelta(seconds=5)  # for the first process to say what all have found
_TOLD = "titleclf: told"


def joined(device: torch.device) -> torch.device:
    """Meet the other processes, if `torchrun` started any, and return this one's device: its own GPU, else the CPU.

    Raises
    ------
    InputError
        If this machine has more processes than GPUs, or one of the processes didn't come.
    """
    if not dist.is_torchelastic_launched() or os.environ["WORLD_SIZE"] == "1":
        return device
    if device.type == "cuda":
        number, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if number >= gpus:
            raise InputError(
                f"torchrun must start a process a GPU at most. Got process {number + 1} for {gpus}. "
                f"Pass --nproc-per-node {gpus}, or device=cpu."
            )
        device = torch.device("cuda", number)
        torch.cuda.set_device(device)
    else:
        device = torch.device("cpu")  # nothing sends from MPS
    if not dist.is_initialized():  # in a program that trains twice, they have met
        with _together():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return device


def processes() -> int:
    """Return how many processes share the work."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return which of them this is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_first() -> bool:
    """Tell whether this process is the one that judges and writes."""
    return rank() == 0


def from_first(make: Callable[[], T]) -> T:
    """Return in all processes what `make` returns in the first, the only one that calls it."""
    if processes() == 1:
        return make()
    made = [make() if is_first() else None]
    with _together():
        dist.broadcast_object_list(made)
    return made[0]  # type: ignore[return-value]


def check_same(given: dict[str, str]) -> None:
    """Refuse to go on if the processes were given different files, by their fingerprints.

    Raises
    ------
    InputError
        If they were.
    """
    first = from_first(lambda: given)
    differing = [name for name in first if first[name] != given.get(name)]
    if differing:
        raise InputError(
            f"all processes must be given the same {' and '.join(differing)}. Got others in process {rank() + 1}. "
            "Copy the files of one machine to all."
        )


def share(items: Items) -> Items:
    """Return this process's items: as many as the others have, one more or less, in their order."""
    count, number, all_of_them = len(items), rank(), processes()
    return items[count * number // all_of_them : count * (number + 1) // all_of_them]  # type: ignore[index, no-any-return]


def gathered(own: Tensor) -> Tensor:
    """Return the rows of all processes (rows of all, ...), one process after the other; only `own` have gradients."""
    if processes() == 1:
        return own
    parts = _from_all(own.detach())
    return torch.cat([*parts[: rank()], own, *parts[rank() + 1 :]])


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Add up the gradients of all processes, dense and sparse."""
    if processes() == 1:
        return
    with_gradient = [parameter for parameter in parameters if parameter.grad is not None]
    dense = [one.grad for one in with_gradient if one.grad is not None and not one.grad.is_sparse]
    line = torch.cat([gradient.ravel() for gradient in dense])  # one message instead of many
    with _together():
        dist.all_reduce(line)
    for gradient, total in zip(dense, line.split_with_sizes([gradient.numel() for gradient in dense]), strict=True):
        gradient.copy_(total.view_as(gradient))
    for parameter in with_gradient:
        if parameter.grad is not None and parameter.grad.is_sparse:
            own = parameter.grad.coalesce()
            rows, values = (torch.cat(_from_all(one)) for one in (own.indices()[0], own.values()))
            parameter.grad = torch.sparse_coo_tensor(rows[None], values, parameter.shape, check_invariants=False)


@contextmanager
def one_voice() -> Iterator[None]:
    """Let the first process alone print, and only one say why all end; without `torchrun`, change nothing."""
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
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # torchrun passes on a Ctrl-C that the terminal has sent to all
        if not _has_the_word():
            raise SystemExit(INTERRUPTED if isinstance(error, KeyboardInterrupt) else BAD_INPUT) from None
        raise
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _has_the_word() -> bool:
    """Tell whether it is on this process to speak: the first one does, and another where that has nothing to say."""
    where = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
    store = dist.TCPStore(*where, is_master=False)  # type: ignore[attr-defined]
    if os.environ["RANK"] != "0":
        with suppress(dist.DistStoreError):  # nothing came
            store.wait([_TOLD], _PATIENCE)
    return store.add(_TOLD, 1) == 1


def _from_all(own: Tensor) -> list[Tensor]:
    """Return each process's rows (rows, ...), of which each may have another number."""
    count = torch.tensor([len(own)], device=own.device)
    counts = [torch.empty_like(count) for _ in range(processes())]
    with _together():
        dist.all_gather(counts, count)
        numbers = [int(one) for one in counts]
        padded = own.new_zeros(max(numbers), *own.shape[1:])  # gloo and nccl want all alike
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in numbers]
        dist.all_gather(parts, padded)
    return [part[:number] for part, number in zip(parts, numbers, strict=True)]


@contextmanager
def _together() -> Iterator[None]:
    """Tell in a sentence that another process has ended: what torch says then names sockets."""
    try:
        yield
    except RuntimeError as error:
        raise InputError(
            "all processes must go on to the end. Got one that has ended. See what it says, and start all again."
        ) from error


def pick_device(device: Device) -> torch.device:
    """Return the device that was asked for; `auto` is CUDA, else MPS, else the CPU."""
    present = {
        Device.cuda: torch.cuda.is_available(),
        Device.mps: torch.backends.mps.is_available(),
        Device.cpu: True,
    }
    if device is Device.auto:
        device = next(one for one, is_present in present.items() if is_present)
    if not present[device]:
        raise InputError(f"device must be one that this machine has. Got {device}. Use device=auto.")
    if device is Device.cuda:  # on a GPU, the same seed gives the same weights only if asked for
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(mode=True, warn_only=True)
    return torch.device(device.value)


def seeded(*numbers: int) -> np.random.Generator:
    """Return a generator for this seed and part of a run, and seed torch for it too.

    Each part has seeds of its own, so that a resumed run draws as an unbroken one does. Of several processes all have
    this generator, but each hides numbers of its own share (dropout) by other dice.
    """
    sequence = np.random.SeedSequence(numbers)
    torch.manual_seed(int(sequence.generate_state(1)[0]) + rank())
    return np.random.default_rng(sequence)
