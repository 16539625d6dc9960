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
    """The n-grams of a batch, each array (ngrams,): row of the title, bucket, first position, and order."""

    titles: Ids
    buckets: Ids
    starts: Ids
    orders: Ids


def ngrams(ids: Ids, mask: Bools, orders: Sequence[int], buckets: int, *, across_words: bool) -> tuple[Ids, Ids]:
    """Hash the n-grams of each title in the batch.

    `ids` and `mask` are (batch, length). Unless `across_words`, a space may only be the first or last character of an
    n-gram. Returns the buckets of all n-grams, title by title, and the number of n-grams of each title (batch,), which
    is 0 if the title is shorter than every order.
    """
    hashes, is_ngram = _hashes(ids, mask, orders, across_words=across_words)
    return _buckets(hashes[is_ngram], buckets), is_ngram.sum(axis=(1, 2), dtype=np.int64)


def located(ids: Ids, mask: Bools, orders: Sequence[int], buckets: int, *, across_words: bool) -> Located:
    """Return the n-grams that `ngrams` returns, in the same order, with their positions."""
    hashes, is_ngram = _hashes(ids, mask, orders, across_words=across_words)
    titles, order_indices, starts = np.nonzero(is_ngram)
    return Located(titles, _buckets(hashes[is_ngram], buckets), starts, np.sort(np.asarray(orders))[order_indices])


def along(
    ids: Ids, counts: Ids, orders: Sequence[int], buckets: int, *, across_words: bool
) -> Iterator[tuple[Ids, Ids]]:
    """Yield the n-grams of concatenated titles, one order after the other, in increasing order.

    `ids` (positions,) belong to titles with `counts` (titles,) ids each. Yields the bucket of the n-gram that starts at
    each position (positions - order + 1,), which is `buckets` where none does, and the number of n-grams of each title
    (titles,). The next step overwrites the first of the two.
    """
    filled = counts[counts > 0][:, None]
    ends = filled.cumsum()[:, None]
    spaces = (ids == SPACE).cumsum()
    for order, hashes in _rolling_hashes(ids, orders):
        starting = _buckets(hashes, buckets)
        late = np.maximum(ends - np.arange(1, order), ends - filled)  # too close to the end of their title
        starting[late[late < len(starting)]] = buckets
        ngram_counts = np.maximum(counts - order + 1, 0)
        if not across_words and order > 2:
            inside = spaces[order - 2 : -1] - spaces[: len(starting)]
            starting[inside > 0] = buckets
            ngram_counts = np.zeros_like(counts)
            is_ngram = np.pad(starting < buckets, (0, order - 1))
            ngram_counts[counts > 0] = np.add.reduceat(is_ngram, (ends - filled)[:, 0], dtype=np.int64)
        yield starting, ngram_counts


def rolling_buckets(
    ids: Hashes, counts: Ids, orders: Sequence[int], buckets: int, *, across_words: bool = True
) -> tuple[Ids, Ids]:
    """Hash the n-grams of concatenated sequences, such as words; `ids` (positions,) are any numbers.

    `counts` (sequences,) are the ids of each. Returns the buckets of all n-grams, by the position that they start at
    and then by order, and the number of n-grams of each sequence (sequences,).
    """
    columns = np.full((len(ids), len(orders)), buckets, dtype=np.int64)
    ngram_counts = np.zeros_like(counts)
    grams = along(ids.view(np.int64), counts, orders, buckets, across_words=across_words)
    for column, (starting, found) in enumerate(grams):
        columns[: len(starting), column] = starting
        ngram_counts += found
    return columns[columns < buckets], ngram_counts


def _hashes(ids: Ids, mask: Bools, orders: Sequence[int], *, across_words: bool) -> tuple[Hashes, Bools]:
    # Both (batch, orders, length), in increasing order: the hash of the n-gram at each start, and whether there is one.
    batch, length = ids.shape
    spaces = (ids == SPACE).cumsum(axis=1)
    all_hashes = np.zeros((len(orders), batch * length), dtype=np.uint64)
    is_ngram = np.zeros((batch, len(orders), length), dtype=np.bool_)
    for index, (order, hashes) in enumerate(_rolling_hashes(ids.ravel(), orders)):
        all_hashes[index, : len(hashes)] = hashes
        starts = max(length - order + 1, 0)  # n-grams that start later would end in the next title
        # If its last character is inside the title, so are all others.
        is_ngram[:, index, :starts] = mask[:, order - 1 :]
        if not across_words and order > 2:
            is_ngram[:, index, :starts] &= spaces[:, order - 2 : -1] == spaces[:, :starts]
    return all_hashes.reshape(len(orders), batch, length).swapaxes(0, 1), is_ngram


def _rolling_hashes(ids: Ids, orders: Sequence[int]) -> Iterator[tuple[int, Hashes]]:
    """Yield each order, increasing, and the hash of the n-gram that starts at each position (positions - order + 1,).

    The next step overwrites the hashes: reusing memory is faster than allocating it.
    """
    values = ids.astype(np.uint64)
    state, hashes, scratch = (np.zeros_like(values) for _ in range(3))
    for order in range(1, min(max(orders, default=0), len(values)) + 1):
        starts = len(values) - order + 1
        state, hashes, scratch = state[:starts], hashes[:starts], scratch[:starts]
        np.bitwise_xor(state, values[order - 1 :], out=state)
        _mix(state, scratch)
        if order in orders:
            # Hash the order, too, so that an n-gram always differs from its own prefix.
            np.add(state, np.uint64(order), out=hashes)
            _mix(hashes, scratch)
            np.right_shift(hashes, _SHIFT, out=hashes)
            yield order, hashes


def _buckets(hashes: Hashes, buckets: int) -> Ids:
    """Return the buckets of hashes, in the memory of the hashes."""
    if buckets & (buckets - 1) == 0:  # a power of two: the mask is ten times as fast as the remainder
        np.bitwise_and(hashes, np.uint64(buckets - 1), out=hashes)
    else:
        np.remainder(hashes, np.uint64(buckets), out=hashes)
    return hashes.view(np.int64)


def _mix(values: Hashes, scratch: Hashes) -> None:
    values += np.uint64(1)
    values *= _MULTIPLIER  # wraps around at 2^64, as intended
    np.right_shift(values, _SHIFT, out=scratch)
    values ^= scratch
