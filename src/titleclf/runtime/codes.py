"""The positional codes of `positions` in numpy.

Training keeps those of torch: cosines differ in their last bit, and with them all that was measured would change.
"""

import numpy as np

from titleclf.arrays import Bools, Floats
from titleclf.kinds import Positions


def codes_of(kind: Positions, length: int, dim: int) -> Floats | None:
    """Return the code of each place (length, dim), None where there is none; learned ones are among the weights."""
    # At single precision, as in training: what is nearer to the formula would be further from what was learnt.
    places, columns = np.arange(length, dtype=np.float32)[:, None], np.arange(dim, dtype=np.float32)[None, :]
    match kind:
        case Positions.alternating:
            return _waves(places / (columns + 1), places % 2 == 0)
        case Positions.sinusoidal:
            return _waves(places / np.float32(10_000) ** ((columns - columns % 2) / np.float32(dim)), columns % 2 == 1)
    return None


def _waves(angles: Floats, is_cosine: Bools) -> Floats:
    return np.where(is_cosine, np.cos(angles), np.sin(angles))
