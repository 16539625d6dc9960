import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.helpers.commands import one_line
from tests.helpers.networks import FIELDS
from tests.helpers.titles import write_csv
from titleclf.runtime.arrays import Labels
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.programmes import (
    EDGES,
    FieldColumns,
    FieldVocabulary,
    Programme,
    Programmes,
    is_duration,
    programmes_in,
)

ROWS = [
    Programme("Heat", "one", 100.0),
    Programme("Heat", "one", 100.0),
    Programme("Heat", None, 100.0),
    Programme("", "two", None),
    Programme("Heat"),
    Programme("Tatort", "one", 90),
    Programme("Heat", "one", 100.0),
]


def random_programmes(seed: int, *, with_channels: bool, with_minutes: bool) -> Programmes:
    """Return up to 30 programmes, many of them equal."""
    draw = np.random.default_rng(seed)
    size = int(draw.integers(0, 31))

    def column(values: list[Any]) -> list[Any]:
        return [values[place] for place in draw.integers(0, len(values), size=size)]

    channels = column(["news.24", "sport.one", "other", None]) if with_channels else None
    minutes = column([None, 0, 4.9, 5, 60, 1440]) if with_minutes else None
    return Programmes(column(["", "Heat", "Tatort"]), channels, minutes)


def ids_of(fields: FieldVocabulary, programmes: Programmes) -> Labels:
    """Return the ids of programmes that have a column of fields."""
    ids = fields.ids(programmes)
    assert ids is not None
    return ids


random_columns = pytest.mark.parametrize(
    ("with_channels", "with_minutes"), [(False, False), (True, False), (False, True), (True, True)]
)
seeds = pytest.mark.parametrize("seed", range(5))


# Rows and columns


def test_a_column_that_no_row_has_is_none():
    assert Programmes.of([Programme("a"), Programme("b")]) == Programmes(["a", "b"])
    assert Programmes.of([Programme("a", "one"), Programme("b")]) == Programmes(["a", "b"], ["one", None])
    assert Programmes.of([Programme("a", None, 5)]) == Programmes(["a"], None, [5])
    assert Programmes.of([]) == Programmes([])


@random_columns
@seeds
def test_rows_and_columns_hold_the_same(seed, with_channels, with_minutes):
    programmes = random_programmes(seed, with_channels=with_channels, with_minutes=with_minutes)
    rows = list(programmes)
    assert len(programmes) == len(rows)
    assert [programmes[row] for row in range(len(programmes))] == rows
    assert list(Programmes.of(rows)) == rows
    assert [row.title for row in rows] == programmes.titles
    assert [row.channel for row in rows] == (programmes.channels or [None] * len(rows))
    assert [row.minutes for row in rows] == (programmes.minutes or [None] * len(rows))


@random_columns
@seeds
def test_rows_are_taken_in_the_given_order(seed, with_channels, with_minutes):
    programmes = random_programmes(seed, with_channels=with_channels, with_minutes=with_minutes)
    order = np.random.default_rng(seed + 100).integers(0, max(1, len(programmes)), size=2 * len(programmes))
    expected = [programmes[row] for row in order]
    assert list(programmes.take(order)) == list(programmes.take(order.tolist())) == expected
    assert (programmes.take(order).channels is None) == (not with_channels)
    assert (programmes.take(order).minutes is None) == (not with_minutes)
    assert len(programmes.take([])) == 0


@random_columns
@seeds
def test_slices_hold_the_rows_of_the_slice(seed, with_channels, with_minutes):
    programmes = random_programmes(seed, with_channels=with_channels, with_minutes=with_minutes)
    for part in (slice(0, 7), slice(7, 14), slice(3, None), slice(40, 50), slice(None, None, -2), slice(-3, None)):
        assert isinstance(programmes[part], Programmes)
        assert list(programmes[part]) == list(programmes)[part]
        assert (programmes[part].channels is None) == (not with_channels)


def test_titles_are_replaced_and_fields_stay():
    programmes = Programmes(["a", "b"], ["one", None], [5, None])
    assert programmes.with_titles(["x", "y"]) == Programmes(["x", "y"], ["one", None], [5, None])
    assert programmes.titles == ["a", "b"]


def test_distinct_programmes_are_those_that_differ_in_any_field_in_order_of_first_occurrence():
    distinct = Programmes.of(ROWS).distinct()
    assert list(distinct) == [ROWS[0], *ROWS[2:6]]
    assert list(Programmes(["b", "a", "b", "", "a"]).distinct()) == [Programme("b"), Programme("a"), Programme("")]


def test_distinct_programmes_without_any_known_field_are_found_by_their_keys():
    programmes = Programmes(["b", "a", "b"], [None, None, None], [None, None, None])
    assert list(programmes.distinct().keys()) == [Programme("b"), Programme("a")]
    assert set(programmes.keys()) == set(programmes.distinct().keys())


@random_columns
@seeds
def test_keys_tell_the_same_programmes_apart_as_rows(seed, with_channels, with_minutes):
    programmes = random_programmes(seed, with_channels=with_channels, with_minutes=with_minutes)
    keys, rows = list(programmes.keys()), list(programmes)
    assert len(keys) == len(rows)
    assert all(
        (keys[one] == keys[two]) == (rows[one] == rows[two]) for one in range(len(rows)) for two in range(len(rows))
    )
    assert list(programmes.distinct()) == list(dict.fromkeys(rows))
    assert set(programmes.distinct().keys()) == set(keys)


def test_the_keys_of_titles_alone_are_the_titles():
    titles = ["a", "b", "a"]
    assert Programmes(titles).keys() is titles


# Fields left out in training


def test_channels_and_durations_are_dropped_independently():
    programmes = Programmes(["a"] * 20_000, ["one"] * 20_000, [5] * 20_000)
    left = programmes.without_fields(0.3, np.random.default_rng(1))
    assert left.titles is programmes.titles
    lost = np.array([[row.channel is None, row.minutes is None] for row in left])
    assert lost.mean(axis=0) == pytest.approx(0.3, abs=0.02)
    assert lost.all(axis=1).mean() == pytest.approx(0.09, abs=0.02)
    assert {row.channel for row in left} == {"one", None}
    assert {row.minutes for row in left} == {5, None}


def test_nothing_is_dropped_or_all_of_it():
    programmes = Programmes.of(ROWS)
    assert programmes.without_fields(0, np.random.default_rng(1)) == programmes
    assert list(programmes.without_fields(1, np.random.default_rng(1))) == [Programme(row.title) for row in ROWS]


def test_dropping_draws_the_same_numbers_whatever_the_columns_are():
    full = Programmes.of(ROWS).without_fields(0.5, np.random.default_rng(7))
    channels_alone = Programmes([row.title for row in ROWS], [row.channel for row in ROWS])
    left = channels_alone.without_fields(0.5, np.random.default_rng(7))
    assert (left.channels, left.minutes) == (full.channels, None)
    titles = Programmes(["a", "b"])
    generator, same = np.random.default_rng(7), np.random.default_rng(7)
    assert titles.without_fields(0.5, generator) == titles
    same.random((2, 2))
    assert generator.random() == same.random()


# What callers pass


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"channels": ["a"]}, "channels must be as many as titles. Got 1 for 2. Pass None for unknown ones."),
        ({"durations": [1, 2, 3]}, "durations must be as many as titles. Got 3 for 2. Pass None for unknown ones."),
        ({"channels": ["a", 5]}, "channels must be text. Got 5. Pass None for unknown ones."),
        ({"durations": [-1, 2]}, "durations must be minutes, 0 or more. Got -1. Pass None for unknown ones."),
        ({"durations": ["5", 2]}, "durations must be minutes, 0 or more. Got '5'. Pass None for unknown ones."),
        ({"durations": [1, True]}, "durations must be minutes, 0 or more. Got True. Pass None for unknown ones."),
        ({"durations": [1, math.nan]}, "durations must be minutes, 0 or more. Got nan. Pass None for unknown ones."),
        ({"durations": [1, math.inf]}, "durations must be minutes, 0 or more. Got inf. Pass None for unknown ones."),
    ],
)
def test_invalid_fields_are_refused(fields, sentence):
    with pytest.raises(InputError) as caught:
        Programmes.checked(["a", "b"], **fields)
    assert one_line(str(caught.value)) == sentence


def test_a_single_title_is_refused():
    with pytest.raises(TypeError, match=r"^titles must be a list of titles\. Got one title\. Pass \['Heat'\]\.$"):
        Programmes.checked("Heat")


def test_lists_become_columns():
    assert Programmes.checked(["a", "b"]) == Programmes(["a", "b"])
    assert Programmes.checked(["a", "b"], ["one", None]) == Programmes(["a", "b"], ["one", None])
    single_precision: Any = np.float32(5)
    assert Programmes.checked(["a"], None, [single_precision]) == Programmes(["a"], None, [5])
    assert Programmes.checked([], [], []) == Programmes([], [], [])


@pytest.mark.parametrize("make", [np.array, pd.Series, tuple])
def test_arrays_and_series_become_columns_too(make):
    programmes = Programmes.checked(["a", "b", "a"], make(["one", "two", "one"]), make([5.5, 60.0, 5.5]))
    assert list(programmes) == [Programme("a", "one", 5.5), Programme("b", "two", 60.0), Programme("a", "one", 5.5)]
    assert programmes[1:] == Programmes(["b", "a"], ["two", "one"], [60.0, 5.5])
    assert len(programmes.distinct()) == 2


@pytest.mark.parametrize(
    ("value", "is_valid"),
    [(0, True), (5.5, True), (np.int64(5), True), (-0.1, False), (True, False), ("5", False), (None, False)],
)
def test_a_duration_is_a_number_of_minutes(value, is_valid):
    assert is_duration(value) == is_valid


# Vocabularies


def test_channels_have_ids_durations_have_spans_and_what_is_unknown_has_0():
    minutes = [None, float("nan"), 0, 4.9, 5, 9.9, 60, 239, 240, 1440]
    ids = ids_of(FIELDS, Programmes([""] * len(minutes), ["sport.one"] * len(minutes), minutes))
    assert ids[:, 0].tolist() == [2] * len(minutes)
    assert ids[:, 1].tolist() == [0, 0, 1, 1, 2, 2, 6, 9, 10, 10]
    assert ids_of(FIELDS, Programmes([""] * 3, ["news.24", "other", None])).tolist() == [[1, 0], [0, 0], [0, 0]]
    none = ids_of(FIELDS, Programmes([], [], []))
    assert none.shape == (0, 2)
    assert none.dtype == np.int64
    assert FIELDS.sizes == (3, len(EDGES) + 1)


def test_titles_alone_have_no_ids():
    assert FIELDS.ids(Programmes(["a", "b"])) is None


def test_a_model_may_use_one_field_alone():
    programmes = Programmes([""], ["sport.one"], [60])
    assert ids_of(FieldVocabulary(FIELDS.channels, []), programmes).tolist() == [[2, 0]]
    assert ids_of(FieldVocabulary([], FIELDS.edges), programmes).tolist() == [[0, 6]]


def test_a_vocabulary_has_the_channels_with_enough_different_titles():
    titles = ["0", "1", "2", *["0"] * 9, "1"]
    channels, minutes = [*["often"] * 3, *["seldom"] * 9, None], [*[5.0] * 12, None]
    edges = list(map(float, EDGES))
    programmes = Programmes(titles, channels, minutes)
    assert FieldVocabulary.from_programmes(programmes, 3) == FieldVocabulary(["often"], edges)
    assert FieldVocabulary.from_programmes(programmes, 1) == FieldVocabulary(["often", "seldom"], edges)
    without_channels, without_minutes = Programmes(titles, None, minutes), Programmes(titles, channels)
    assert FieldVocabulary.from_programmes(without_channels, 1) == FieldVocabulary([], edges)
    assert FieldVocabulary.from_programmes(without_minutes, 1) == FieldVocabulary(["often", "seldom"], [])
    assert FieldVocabulary.from_programmes(Programmes(titles), 1) is None
    ids = ids_of(FieldVocabulary(["often"], []), programmes)
    assert ids[[0, 5, -1]].tolist() == [[1, 0], [0, 0], [0, 0]]


def test_programmes_are_incomplete_without_a_known_value_in_each_field_that_the_model_uses():
    programmes = Programmes([""] * 4, ["news.24", "news.24", "other", None], [15, None, 15, 15])
    assert FIELDS.is_incomplete(programmes).tolist() == [False, True, True, True]
    assert FieldVocabulary(["news.24"], []).is_incomplete(programmes).tolist() == [False, False, True, True]
    assert FieldVocabulary([], FIELDS.edges).is_incomplete(programmes).tolist() == [False, True, False, False]
    assert FIELDS.is_incomplete(Programmes(["a", "b"])).tolist() == [True, True]


@random_columns
@seeds
def test_programmes_as_the_model_distinguishes_them_have_the_same_ids(seed, with_channels, with_minutes):
    programmes = random_programmes(seed, with_channels=with_channels, with_minutes=with_minutes)
    for fields in (FIELDS, FieldVocabulary(["news.24"], []), FieldVocabulary([], [5.0, 60.0])):
        distinguished, ids = fields.as_distinguished(programmes), fields.ids(programmes)
        assert distinguished.titles == programmes.titles
        if ids is None:
            assert distinguished == Programmes(programmes.titles)
            continue
        assert np.array_equal(ids_of(fields, distinguished), ids)
        different = set(zip(programmes.titles, map(tuple, ids.tolist()), strict=True))
        assert len(distinguished.distinct()) == len(different)


def test_random_fields_are_all_that_the_model_knows_and_unknown():
    titles = ["a"] * 2_000
    programmes = FIELDS.with_random_fields(titles, np.random.default_rng(1))
    assert programmes.titles is titles
    for column, size in zip(ids_of(FIELDS, programmes).T, FIELDS.sizes, strict=True):
        assert np.bincount(column, minlength=size).min() > 2_000 / size / 2
    assert FIELDS.with_random_fields(titles, np.random.default_rng(1)) == programmes
    channels = FieldVocabulary(["one"], []).with_random_fields(titles, np.random.default_rng(1))
    assert {row.channel for row in channels} == {"one", None}
    assert {row.minutes for row in channels} == {None}


def test_a_vocabulary_travels_as_a_mapping():
    values = {"channels": ["a", "b"], "edges": [0, 5, 10.5]}
    assert FieldVocabulary.from_mapping(values, "here") == FieldVocabulary(["a", "b"], [0.0, 5.0, 10.5])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"channels": ["b", "a"]}, "here.channels must rise. Got b, a. Train or copy it again."),
        ({"channels": ["a", "a"]}, "here.channels must rise. Got a, a. Train or copy it again."),
        ({"edges": [0, 5, 5]}, "here.edges must rise. Got 0.0, 5.0, 5.0. Train or copy it again."),
        ({"edges": "0"}, "here.edges must be of type list. Got '0'."),
        ({"more": 1}, "here must have the keys channels, edges. Missing or unknown: more."),
    ],
)
def test_a_damaged_vocabulary_is_refused(change, sentence):
    with pytest.raises(InputError) as caught:
        FieldVocabulary.from_mapping({"channels": ["a"], "edges": [0], **change}, "here")
    assert one_line(str(caught.value)) == sentence


# Columns of tables


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        (FIELDS, ["channel", "duration"]),
        (FieldVocabulary(["one"], []), ["channel"]),
        (FieldVocabulary([], [0]), ["duration"]),
    ],
)
def test_the_columns_are_those_that_the_model_uses(fields, names):
    assert fields.columns.names == names


COLUMNS = FieldColumns("station", "length")


@pytest.mark.parametrize(
    ("cells", "programme"),
    [
        ({"station": " one ", "length": "5.5"}, Programme("Heat", "one", 5.5)),
        ({"station": "", "length": " "}, Programme("Heat")),
        ({"station": None, "length": None}, Programme("Heat")),
        ({"length": 90}, Programme("Heat", None, 90.0)),
        ({}, Programme("Heat")),
    ],
)
def test_cells_become_a_programme(cells, programme):
    assert COLUMNS.problem(cells) is None
    assert COLUMNS.programme("Heat", cells) == programme


@pytest.mark.parametrize("cell", ["-5", "soon", "nan", "inf", "1:30", True, -5, math.nan])
def test_a_cell_that_is_no_duration_is_a_problem(cell):
    assert COLUMNS.problem({"length": cell}) == (
        f"length must be minutes, 0 or more, or empty. Got {cell!r}. Write the duration in minutes."
    )
    assert FieldColumns("station", None).problem({"length": cell}) is None
    with pytest.raises(ValueError, match="soon"):
        COLUMNS.programme("Heat", {"length": "soon"})


def test_a_channel_must_be_text():
    assert COLUMNS.problem({"station": 5}) == "station must be text. Got 5. Put it in quotes."
    assert FieldColumns(None, "length").problem({"station": 5}) is None


def test_tables_become_programmes(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("Heat", " one", "100"), ("", "", "")], ("title", "channel", "duration"))
    assert list(programmes_in(path, FIELDS)) == [Programme("Heat", "one", 100.0), Programme("")]
    assert list(programmes_in(path, FieldVocabulary([], [0]))) == [Programme("Heat", None, 100.0), Programme("")]
    bare = write_csv(tmp_path / "b.csv", [("Heat",)], ("title",))
    assert list(programmes_in(bare, FIELDS)) == [Programme("Heat")]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"title": 24}', "title must be text. Got 24. Put it in quotes."),
        ('{"title": "A", "channel": 5}', "channel must be text. Got 5. Put it in quotes."),
        (
            '{"title": "A", "duration": "soon"}',
            "duration must be minutes, 0 or more, or empty. Got 'soon'. Write the duration in minutes.",
        ),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path, content, problem):
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"title": "fine"}}\n{content}\n')
    with pytest.raises(InputError) as caught:
        list(programmes_in(path, FIELDS))
    assert one_line(str(caught.value)) == f"{path}:2: {problem}"
