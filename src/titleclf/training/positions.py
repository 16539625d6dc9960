"""Positional codes: vectors that depend on a character's position in the title."""

import torch
from torch import Tensor, nn

from titleclf.runtime.choices import Combine, Positions


def alternating(length: int, dim: int) -> Tensor:
    """Return the code (length, dim) that is cos(position / (d + 1)) at even positions and sin at odd ones."""
    angles = torch.arange(length)[:, None] / (torch.arange(dim)[None, :] + 1)
    even = (torch.arange(length) % 2 == 0)[:, None]
    return torch.where(even, angles.cos(), angles.sin())


def sinusoidal(length: int, dim: int) -> Tensor:
    """Return the code (length, dim) of "Attention Is All You Need" (Vaswani et al. 2017, section 3.5)."""
    columns = torch.arange(dim)
    angles = torch.arange(length)[:, None] / 10_000 ** ((columns - columns % 2) / dim)[None, :]
    return torch.where(columns % 2 == 0, angles.sin(), angles.cos())


class PositionalCode(nn.Module):
    """Combines characters with the codes of their positions: (..., dim) in and out."""

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
                neutral = torch.ones if combine is Combine.multiply else torch.zeros
                self.table = nn.Parameter(neutral(length, dim))
            case Positions.none:
                self.table = None

    def forward(self, characters: Tensor, places: Tensor) -> Tensor:
        """Combine characters (..., places, dim) with the codes of their `places` (places,)."""
        if self.table is None:
            return characters
        code = self.table[places]  # (places, dim)
        return characters * code if self.combine is Combine.multiply else characters + code
