"""Character n-grams of a batch, hashed into buckets by array operations."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from titleclf.characters import Ids

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Knuth's multiplicative hashing, TAOCP 3, 6.4
_SHIFT = np.uint64(32)


def ngrams(
    ids: Ids, mask: npt.NDArray[np.bool_], orders: Sequence[int], buckets: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Hash the n-grams of each title in the batch.

    `ids` and `mask` are (batch, length). Returns the buckets of all n-grams, title after title, and (batch,) how many
    of them each title has; a title shorter than every order has none.
    """
    batch, length = ids.shape
    values = ids.astype(np.uint64)
    hashed = np.zeros_like(values)  # (batch, length): hash of the n-gram that starts at each place
    places = []
    inside = []
    for order in range(1, min(max(orders, default=0), length) + 1):
        starts = length - order + 1
        hashed = _mix(hashed[:, :starts] ^ values[:, order - 1 :])
        if order in orders:
            # The last character lies inside the title, so all do. The order goes into the hash once more,
            # so that an n-gram and its beginning differ even where a hash is zero.
            places.append(_pad(_mix(hashed + np.uint64(order)) >> _SHIFT, length))
            inside.append(_pad(mask[:, order - 1 :], length))
    if not places:
        return np.zeros(0, dtype=np.int64), np.zeros(batch, dtype=np.int64)
    present = np.stack(inside, axis=1)  # (batch, orders, length)
    found = np.stack(places, axis=1)[present] % np.uint64(buckets)
    return found.astype(np.int64), present.sum(axis=(1, 2), dtype=np.int64)


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    product = (values + np.uint64(1)) * _MULTIPLIER  # wraps around at 2^64, as intended
    return product ^ (product >> _SHIFT)


def _pad(values: npt.NDArray[np.generic], length: int) -> npt.NDArray[np.generic]:
    return np.pad(values, ((0, 0), (0, length - values.shape[1])))
