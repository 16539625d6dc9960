"""A folded table gives the same scores and sums however it is asked."""

from dataclasses import replace

import numpy as np
import pytest

from titleclf.runtime import score_table, speedups
from titleclf.runtime.bundle.folding import COARSE, LEVELS, SCALES, SCORES, USED
from titleclf.runtime.bundle.packing import Array
from titleclf.runtime.score_table import ScoreTable

PREFIX = "fields.channel."
MOST = 8


def parts(rows: int = 300, columns: int = 5, *, used: Array | None = None, seed: int = 1) -> dict[str, Array]:
    """Return a folded table with codes of all sizes."""
    draw = np.random.default_rng(seed)
    found: dict[str, Array] = {
        SCORES: draw.integers(-128, 128, (rows, columns)).astype(np.int8),
        SCALES: (draw.random((2, columns)) + 0.1).astype(np.float32) / 1000,
        COARSE: np.packbits(draw.random(rows) < 0.1),
    }
    if used is not None:
        found[USED] = np.packbits(used)
    return {f"{PREFIX}{name}": array for name, array in found.items()}


def table_of(weights: dict[str, Array] | None = None, buckets: int = 300) -> ScoreTable:
    return ScoreTable.of(parts() if weights is None else weights, PREFIX, buckets, MOST)


def bags(count: int, largest: int, buckets: int = 300) -> tuple[Array, Array]:
    """Return the features of so many bags, some of them empty, with at most `largest` each."""
    draw = np.random.default_rng(count + largest)
    counts = draw.integers(0, largest + 1, count)
    counts[:: max(1, count // 3)] = 0
    return draw.integers(0, buckets, int(counts.sum())), counts.astype(np.int64)


def summed(table: ScoreTable, buckets: Array, counts: Array) -> Array:
    """Return the sums from the whole table, one bag after the other."""
    starts = counts.cumsum() - counts
    rows = [table.table[buckets[start : start + count]] for start, count in zip(starts, counts, strict=True)]
    return np.array([found.sum(axis=0, dtype=np.int64) for found in rows]).reshape(-1, table.width)


@pytest.fixture(params=["compiled", "numpy"])
def implementation(request, monkeypatch):
    """Compute with compiled functions, and without."""
    assert speedups.compiled is not None
    if request.param == "numpy":
        monkeypatch.setattr(speedups, "compiled", None)
    return request.param


@pytest.mark.usefixtures("implementation")
@pytest.mark.parametrize("largest", [1, 7, 8, 9, 200])
@pytest.mark.parametrize("columns", [1, 5, 8, 11])
def test_cold_and_warm_tables_have_the_same_sums(columns, largest):
    weights = parts(columns=columns)
    buckets, counts = bags(50, largest)
    cold, warm = table_of(weights), table_of(weights)
    expected = summed(warm, buckets, counts)  # decodes its table
    for table in (cold, warm):
        sums = table.sums(buckets, counts)
        assert sums.dtype == np.int32
        assert np.array_equal(sums, expected)
    assert "table" not in vars(cold)
    assert not sums[counts == 0].any()
    assert cold.width % 8 == 0
    assert cold.width >= columns
    assert not sums[:, columns:].any()


def test_compiled_sums_and_tables_are_those_of_numpy(monkeypatch):
    used = np.random.default_rng(2).random(1000) < 0.4
    weights = parts(int(used.sum()), used=used)
    buckets, counts = bags(200, 30, buckets=1000)
    found = table_of(weights, 1000)
    compiled = found.table, found.sums(buckets, counts)
    monkeypatch.setattr(speedups, "compiled", None)
    expected = table_of(weights, 1000)
    assert np.array_equal(compiled[0], expected.table)
    assert np.array_equal(compiled[1], expected.sums(buckets, counts))
    assert expected.sums(buckets, counts).any()


@pytest.mark.usefixtures("implementation")
def test_a_table_becomes_warm_and_its_sums_stay(monkeypatch):
    monkeypatch.setattr(score_table, "_FEW_ROWS", 100)
    table, (buckets, counts) = table_of(), bags(50, 9)
    sums = [table.sums(buckets, counts) for _ in range(3)]
    assert table.is_warm
    assert "table" in vars(table)
    assert np.array_equal(sums[0], sums[1])
    assert np.array_equal(sums[0], sums[2])


@pytest.mark.usefixtures("implementation")
def test_scores_are_levels_times_scales():
    weights = parts()
    table = table_of(weights)
    codes, coarse = weights[f"{PREFIX}{SCORES}"], np.unpackbits(weights[f"{PREFIX}{COARSE}"], count=300)
    scores = LEVELS[codes.view(np.uint8)] * weights[f"{PREFIX}{SCALES}"][coarse]
    assert np.abs(table.table[:300, :5] * table.unit - scores).max() <= table.unit / 2 * 1.001
    assert np.array_equal(table.table[:-1], table_of(weights).look_up(np.arange(300)))
    assert not table.table[-1].any()


@pytest.mark.usefixtures("implementation")
def test_buckets_without_a_row_add_nothing():
    used = np.zeros(300, dtype=np.bool_)
    used[7] = True
    cold, warm = (table_of(parts(1, used=used)) for _ in range(2))
    assert np.flatnonzero(warm.table.any(axis=1)).tolist() == [7]
    for table in (cold, warm):
        sums = table.sums(np.array([0, 7, 299, 300, 7, 7]), np.array([1, 2, 0, 3]))
        assert not sums[[0, 2]].any()
        assert np.array_equal(sums[3], 2 * sums[1])


@pytest.mark.usefixtures("implementation")
def test_an_empty_table_adds_nothing():
    weights = parts(0, used=np.zeros(300, dtype=np.bool_))
    cold, warm = table_of(weights), table_of(weights)
    assert not warm.table.any()
    for table in (cold, warm):
        assert not table.sums(np.array([1, 2, 3]), np.array([3])).any()


@pytest.mark.usefixtures("implementation")
@pytest.mark.parametrize("counts", [[], [0], [0, 0, 0]])
def test_no_features_have_no_sums(counts):
    cold, warm = table_of(), table_of()
    assert warm.table.any()
    for table in (cold, warm):
        sums = table.sums(np.zeros(0, dtype=np.int64), np.array(counts, dtype=np.int64))
        assert sums.shape == (len(counts), table.width)
        assert not sums.any()


@pytest.mark.usefixtures("implementation")
@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_scores_do_not_overflow(sign):
    weights = parts()
    extreme = {**weights, f"{PREFIX}{SCORES}": np.full((300, 5), sign * 127, dtype=np.int8)}
    table, warm = table_of(extreme), table_of(extreme)
    for count in (MOST, 1000):
        assert np.array_equal(warm.table[:-1].any(axis=1), np.ones(300, dtype=np.bool_))
        for one in (table, warm):
            sums = one.sums(np.zeros(count, dtype=np.int64), np.array([count]))
            assert np.array_equal(sums[0], count * warm.table[0].astype(np.int32))
            assert (np.sign(sums[0, :5]) == sign).all()
    assert np.abs(warm.table.astype(np.int64)).max() * MOST < 2**15


def test_a_larger_score_elsewhere_makes_the_unit_larger():
    weights = parts()
    assert ScoreTable.of(weights, PREFIX, 300, MOST, largest=100.0).unit > table_of(weights).unit
    assert ScoreTable.of(weights, PREFIX, 300, 2 * MOST).unit == pytest.approx(2 * table_of(weights).unit)


def test_scores_are_looked_up_in_memory_that_is_given():
    table, buckets = table_of(), np.array([3, 300, 3, 0])
    replaced = replace(table)
    assert replaced.table.any()
    room = np.empty((4, table.width), dtype=np.int16)
    replaced._served = score_table._FEW_ROWS
    found = replaced.look_up(buckets, room)
    assert found is room
    assert np.array_equal(found, table.look_up(buckets))
    assert not found[1].any()
