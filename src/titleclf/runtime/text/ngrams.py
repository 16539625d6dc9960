"""Character n-grams of a batch, hashed into buckets by array operations."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from titleclf.runtime.arrays import Bools
from titleclf.runtime.text.characters import SPACE, Ids

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Knuth's multiplicative hashing, TAOCP 3, 6.4
_SHIFT = np.uint64(32)

Hashes = npt.NDArray[np.uint64]


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


def along(
    ids: Ids, counts: Ids, orders: Sequence[int], buckets: int, *, across_words: bool
) -> Iterator[tuple[Ids, Ids]]:
    """Yield the n-grams of titles that stand one after the other, one of the orders after the other, rising.

    `ids` (places,) are those of titles with `counts` (titles,) each. Yields the bucket of the n-gram that starts at
    each place (places - order + 1,), `buckets` where there is none, and how many each title has (titles,). The next
    step writes over the first of the two.
    """
    filled = counts[counts > 0][:, None]
    ends = filled.cumsum()[:, None]
    spaces = (ids == SPACE).cumsum()
    for order, hashes in _rolled(ids, orders):
        found = _buckets(hashes, buckets)
        late = np.maximum(ends - np.arange(1, order), ends - filled)  # from there on, a title has too few places left
        found[late[late < len(found)]] = buckets
        numbers = np.maximum(counts - order + 1, 0)
        if not across_words and order > 2:
            inside = spaces[order - 2 : -1] - spaces[: len(found)]
            found[inside > 0] = buckets
            numbers = np.zeros_like(counts)
            is_ngram = np.pad(found < buckets, (0, order - 1))
            numbers[counts > 0] = np.add.reduceat(is_ngram, (ends - filled)[:, 0], dtype=np.int64)
        yield found, numbers


def _hashes(ids: Ids, mask: Bools, orders: Sequence[int], *, across_words: bool) -> tuple[Hashes, Bools]:
    # Both (batch, orders, length), the orders rising: the hash of the n-gram that starts there, and whether one does.
    batch, length = ids.shape
    spaces = (ids == SPACE).cumsum(axis=1)
    found = np.zeros((len(orders), batch * length), dtype=np.uint64)
    wanted = np.zeros((batch, len(orders), length), dtype=np.bool_)
    for number, (order, hashes) in enumerate(_rolled(ids.ravel(), orders)):
        found[number, : len(hashes)] = hashes
        starts = max(length - order + 1, 0)  # those that begin later, and end in the next title, are never wanted
        # If its last character lies inside the title, so do all.
        wanted[:, number, :starts] = mask[:, order - 1 :]
        if not across_words and order > 2:
            wanted[:, number, :starts] &= spaces[:, order - 2 : -1] == spaces[:, :starts]
    return found.reshape(len(orders), batch, length).swapaxes(0, 1), wanted


def _rolled(ids: Ids, orders: Sequence[int]) -> Iterator[tuple[int, Hashes]]:
    """Yield each of the orders, rising, and the hashes (places - order + 1,) of what starts at each place of a line.

    The next step writes over the hashes: memory that is at hand is faster than new memory.
    """
    values = ids.astype(np.uint64)
    hashed, mixed, spare = (np.zeros_like(values) for _ in range(3))
    for order in range(1, min(max(orders, default=0), len(values)) + 1):
        starts = len(values) - order + 1
        hashed, mixed, spare = hashed[:starts], mixed[:starts], spare[:starts]
        np.bitwise_xor(hashed, values[order - 1 :], out=hashed)
        _mix(hashed, spare)
        if order in orders:
            # The order goes into the hash once more, so that an n-gram and its beginning differ in any case.
            np.add(hashed, np.uint64(order), out=mixed)
            _mix(mixed, spare)
            np.right_shift(mixed, _SHIFT, out=mixed)
            yield order, mixed


def _buckets(hashes: Hashes, buckets: int) -> Ids:
    """Return buckets in the memory of the hashes."""
    if buckets & (buckets - 1) == 0:  # a power of two, as most are: then this is the remainder, in a tenth of the time
        np.bitwise_and(hashes, np.uint64(buckets - 1), out=hashes)
    else:
        np.remainder(hashes, np.uint64(buckets), out=hashes)
    return hashes.view(np.int64)


def _mix(values: Hashes, spare: Hashes) -> None:
    values += np.uint64(1)
    values *= _MULTIPLIER  # wraps around at 2^64, as intended
    np.right_shift(values, _SHIFT, out=spare)
    values ^= spare
