"""Character n-grams of a batch, hashed into buckets by array operations."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from titleclf.characters import SPACE, Ids

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Knuth's multiplicative hashing, TAOCP 3, 6.4
_SHIFT = np.uint64(32)

Bools = npt.NDArray[np.bool_]


def ngrams(
    ids: Ids, mask: Bools, orders: Sequence[int], buckets: int, *, across_words: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Hash the n-grams of each title in the batch.

    `ids` and `mask` are (batch, length). Unless `across_words`, a space may only be the first or last character of an
    n-gram. Returns the buckets of all n-grams, title after title, and (batch,) how many of them each title has; a title
    shorter than every order has none.
    """
    batch, length = ids.shape
    values = ids.astype(np.uint64)
    hashed = np.zeros_like(values)  # (batch, length): hash of the n-gram that starts at each place
    split = np.zeros_like(mask)  # (batch, length): has that n-gram a space inside?
    found = []
    wanted = []
    for order in range(1, min(max(orders, default=0), length) + 1):
        starts = length - order + 1
        hashed = _mix(hashed[:, :starts] ^ values[:, order - 1 :])
        split = split[:, :starts]
        if order > 2 and not across_words:
            split = split | (ids[:, order - 2 : -1] == SPACE)  # the last but one, now that another one follows
        if order in orders:
            # The order goes into the hash once more, so that an n-gram and its beginning differ in any case.
            found.append(_pad(_mix(hashed + np.uint64(order)) >> _SHIFT, length))
            # If its last character lies inside the title, so do all.
            wanted.append(_pad(mask[:, order - 1 :] & ~split, length))
    if not found:
        return np.zeros(0, dtype=np.int64), np.zeros(batch, dtype=np.int64)
    kept = np.stack(wanted, axis=1)  # (batch, orders, length)
    hashes = np.stack(found, axis=1)[kept] % np.uint64(buckets)
    return hashes.astype(np.int64), kept.sum(axis=(1, 2), dtype=np.int64)


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    product = (values + np.uint64(1)) * _MULTIPLIER  # wraps around at 2^64, as intended
    return product ^ (product >> _SHIFT)


def _pad(values: npt.NDArray[Any], length: int) -> npt.NDArray[Any]:
    return np.pad(values, ((0, 0), (0, length - values.shape[1])))
