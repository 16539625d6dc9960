"""The device that tensors live on: the one that was asked for, or the best that this machine has."""

import os

import torch

from titleclf.errors import InputError
from titleclf.kinds import Device


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
