"""Positional codes: where in the title a character stands."""

import torch
from torch import Tensor, nn

from titleclf.runtime.choices import Combine, Positions


def alternating(length: int, dim: int) -> Tensor:
    """Return the code of the founding notes as (length, dim): cos(pos/(d+1)) at even positions, sin at odd ones."""
    angles = torch.arange(length)[:, None] / (torch.arange(dim)[None, :] + 1)
    even = (torch.arange(length) % 2 == 0)[:, None]
    return torch.where(even, angles.cos(), angles.sin())


def sinusoidal(length: int, dim: int) -> Tensor:
    """Return the code of "Attention Is All You Need" (Vaswani et al. 2017, section 3.5) as (length, dim)."""
    places = torch.arange(dim)
    angles = torch.arange(length)[:, None] / 10_000 ** ((places - places % 2) / dim)[None, :]
    return torch.where(places % 2 == 0, angles.sin(), angles.cos())


class PositionalCode(nn.Module):
    """Combines characters with the code of their places: (..., dim) in and out."""

    def __init__(self, kind: Positions, combine: Combine, length: int, dim: int) -> None:
        super().__init__()
        self.combine = combine
        self.table: Tensor | None
        match kind:
            case Positions.alternating:
                self.register_buffer("table", alternating(length, dim), persistent=False)
            case Positions.sinusoidal:
                self.register_buffer("table", sinusoidal(length, dim), persistent=False)
            case Positions.learned:
                # Starts neutral: times one, or plus zero.
                start = torch.ones if combine is Combine.multiply else torch.zeros
                self.table = nn.Parameter(start(length, dim))
            case Positions.none:
                self.table = None

    def forward(self, characters: Tensor, places: Tensor) -> Tensor:
        """Multiply or add the code of `places`, which are those of the last but one axis of `characters`."""
        if self.table is None:
            return characters
        code = self.table[places]  # (places, dim)
        return characters * code if self.combine is Combine.multiply else characters + code
