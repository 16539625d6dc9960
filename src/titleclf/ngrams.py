"""Character n-grams of a batch, hashed into buckets by array operations."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from titleclf.arrays import Bools
from titleclf.characters import SPACE, Ids

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Knuth's multiplicative hashing, TAOCP 3, 6.4
_SHIFT = np.uint64(32)


class Located(NamedTuple):
    """The n-grams of a batch, each array (ngrams,): the row of their title, their bucket, first place and order."""

    titles: Ids
    buckets: Ids
    starts: Ids
    orders: Ids


def ngrams(ids: Ids, mask: Bools, orders: Sequence[int], buckets: int, *, across_words: bool) -> tuple[Ids, Ids]:
    """Hash the n-grams of each title in the batch.

    `ids` and `mask` are (batch, length). Unless `across_words`, a space may only be the first or last character of an
    n-gram. Returns the buckets of all n-grams, title after title, and (batch,) how many of them each title has; a title
    shorter than every order has none.
    """
    hashes, kept = _hashes(ids, mask, orders, across_words=across_words)
    return _buckets(hashes[kept], buckets), kept.sum(axis=(1, 2), dtype=np.int64)


def located(ids: Ids, mask: Bools, orders: Sequence[int], buckets: int, *, across_words: bool) -> Located:
    """Return what `ngrams` does, in the same order, with the places that the n-grams come from."""
    hashes, kept = _hashes(ids, mask, orders, across_words=across_words)
    titles, numbers, starts = np.nonzero(kept)
    return Located(titles, _buckets(hashes[kept], buckets), starts, np.sort(np.asarray(orders))[numbers])


def _hashes(
    ids: Ids, mask: Bools, orders: Sequence[int], *, across_words: bool
) -> tuple[npt.NDArray[np.uint64], Bools]:
    # Both (batch, orders, length), the orders rising: the hash of the n-gram that starts there, and whether one does.
    batch, length = ids.shape
    values = ids.astype(np.uint64)
    hashed = np.zeros_like(values)  # (batch, length): hash of the n-gram that starts at each place
    split = np.zeros_like(mask)  # (batch, length): has that n-gram a space inside?
    found = np.zeros((batch, len(orders), length), dtype=np.uint64)
    wanted = np.zeros((batch, len(orders), length), dtype=np.bool_)
    for order in range(1, min(max(orders, default=0), length) + 1):
        starts = length - order + 1
        hashed = _mix(hashed[:, :starts] ^ values[:, order - 1 :])
        split = split[:, :starts]
        if order > 2 and not across_words:
            split = split | (ids[:, order - 2 : -1] == SPACE)  # the last but one, now that another one follows
        if order in orders:
            number = sorted(orders).index(order)
            # The order goes into the hash once more, so that an n-gram and its beginning differ in any case.
            found[:, number, :starts] = _mix(hashed + np.uint64(order)) >> _SHIFT
            # If its last character lies inside the title, so do all.
            wanted[:, number, :starts] = mask[:, order - 1 :] & ~split
    return found, wanted


def _buckets(hashes: npt.NDArray[np.uint64], buckets: int) -> Ids:
    return (hashes % np.uint64(buckets)).astype(np.int64)


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    product = (values + np.uint64(1)) * _MULTIPLIER  # wraps around at 2^64, as intended
    return product ^ (product >> _SHIFT)
