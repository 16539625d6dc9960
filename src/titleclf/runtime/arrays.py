"""The arrays that pass between modules, by what is in them."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
