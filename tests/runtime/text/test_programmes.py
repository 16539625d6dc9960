import math
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.helpers.commands import one_line
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.programmes import COLUMNS, Programme, Programmes, is_duration, programme_of

ROWS = [
    Programme("Heat", "one", 100.0, description="A thief."),
    Programme("Heat", "one", 100.0, description="A thief."),
    Programme("Heat", None, 100.0),
    Programme("", "two", None, "", language="en"),
    Programme("Heat"),
    Programme("Tatort", "one", 90, None, "Im Wald", 1999, "de"),
    Programme("Heat", "one", 100.0, description="A thief."),
]
VALUES: dict[str, list[Any]] = {
    "channel": ["news.24", "sport.one", None],
    "minutes": [None, 0, 4.9, 1440],
    "description": ["A thief.", "a thief.", None],
    "sub_title": [None, "2"],
    "year": [None, 0, 1999],
    "language": ["de", None],
}


def random_programmes(seed: int, names: tuple[str, ...]) -> Programmes:
    """Return up to 30 programmes with these columns, many of them equal."""
    draw = np.random.default_rng(seed)
    size = int(draw.integers(0, 31))

    def column(values: list[Any]) -> list[Any]:
        return [values[place] for place in draw.integers(0, len(values), size=size)]

    return Programmes(column(["", "Heat", "Tatort"]), {name: column(VALUES[name]) for name in names})


columns = pytest.mark.parametrize("names", [(), ("channel",), ("year", "minutes"), tuple(reversed(COLUMNS))])
seeds = pytest.mark.parametrize("seed", range(5))


# Rows and columns


def test_the_columns_are_all_but_the_title():
    assert COLUMNS == ("channel", "minutes", "description", "sub_title", "year", "language")


def test_rows_have_no_column_that_none_of_them_has():
    assert Programmes.of([Programme("a"), Programme("b")]) == Programmes(["a", "b"])
    assert Programmes.of([Programme("a", "one"), Programme("b")]) == Programmes(["a", "b"], {"channel": ["one", None]})
    assert Programmes.of([Programme("a", year=0)]) == Programmes(["a"], {"year": [0]})
    assert Programmes.of([]) == Programmes.of(iter([])) == Programmes([])


@columns
@seeds
def test_rows_and_columns_hold_the_same(seed, names):
    programmes = random_programmes(seed, names)
    rows = list(programmes)
    assert len(programmes) == len(rows)
    assert [programmes[row] for row in range(len(programmes))] == rows
    assert list(Programmes.of(rows)) == rows
    assert [row.title for row in rows] == programmes.titles
    for name in COLUMNS:
        assert [getattr(row, name) for row in rows] == programmes.columns.get(name, [None] * len(rows))


@columns
@seeds
def test_rows_are_taken_in_the_given_order(seed, names):
    programmes = random_programmes(seed, names)
    order = np.random.default_rng(seed + 100).integers(0, max(1, len(programmes)), size=2 * len(programmes))
    expected = [programmes[row] for row in order]
    assert list(programmes.take(order)) == list(programmes.take(order.tolist())) == expected
    assert set(programmes.take(order).columns) == set(names)
    assert len(programmes.take([])) == 0


@columns
@seeds
def test_slices_hold_the_rows_of_the_slice(seed, names):
    programmes = random_programmes(seed, names)
    for part in (slice(0, 7), slice(7, 14), slice(3, None), slice(40, 50), slice(None, None, -2), slice(-3, None)):
        assert isinstance(programmes[part], Programmes)
        assert list(programmes[part]) == list(programmes)[part]
        assert set(programmes[part].columns) == set(names)


def test_titles_are_replaced_and_the_columns_stay():
    programmes = Programmes(["a", "b"], {"channel": ["one", None]})
    assert programmes.with_titles(["x", "y"]) == Programmes(["x", "y"], {"channel": ["one", None]})
    assert programmes == Programmes(["a", "b"], {"channel": ["one", None]})


@columns
@seeds
def test_only_the_named_columns_are_left(seed, names):
    programmes = random_programmes(seed, names)
    for wanted in ((), ("channel",), ("minutes", "language"), COLUMNS):
        left = programmes.only(wanted)
        assert left.titles is programmes.titles
        assert left.columns == {name: programmes.columns[name] for name in names if name in wanted}
    assert programmes.only(COLUMNS) is programmes


def test_distinct_programmes_are_those_that_differ_in_any_field_in_order_of_first_occurrence():
    distinct = Programmes.of(ROWS).distinct()
    assert list(distinct) == [ROWS[0], *ROWS[2:6]]
    assert list(Programmes(["b", "a", "b", "", "a"]).distinct()) == [Programme("b"), Programme("a"), Programme("")]


def test_distinct_programmes_without_any_known_field_are_found_by_their_keys():
    programmes = Programmes(["b", "a", "b"], {"channel": [None] * 3, "year": [None] * 3})
    assert list(programmes.distinct()) == [Programme("b"), Programme("a")]
    assert set(programmes.keys()) == set(programmes.distinct().keys())


@columns
@seeds
def test_keys_tell_the_same_programmes_apart_as_rows(seed, names):
    programmes = random_programmes(seed, names)
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


def test_programmes_have_fields_if_any_of_them_is_known():
    assert Programmes.of(ROWS).has_fields().tolist() == [True, True, True, True, False, True, True]
    assert Programmes(["a", "b"]).has_fields().tolist() == [False, False]
    assert Programmes(["a", "b"], {"year": [None, 0], "minutes": [None, None]}).has_fields().tolist() == [False, True]
    assert Programmes([], {"year": []}).has_fields().tolist() == []


# Fields left out in training


def test_fields_are_dropped_independently():
    programmes = Programmes(["a"] * 20_000, {"channel": ["one"] * 20_000, "minutes": [5] * 20_000})
    left = programmes.without_fields(0.3, np.random.default_rng(1))
    assert left.titles is programmes.titles
    lost = np.array([[row.channel is None, row.minutes is None] for row in left])
    assert lost.mean(axis=0) == pytest.approx(0.3, abs=0.02)
    assert lost.all(axis=1).mean() == pytest.approx(0.09, abs=0.02)
    assert {row.channel for row in left} == {"one", None}
    assert {row.minutes for row in left} == {5, None}
    assert programmes.without_fields(0.3, np.random.default_rng(1)) == left


def test_nothing_is_dropped_or_all_of_it():
    programmes = Programmes.of(ROWS)
    assert programmes.without_fields(0, np.random.default_rng(1)) == programmes
    assert list(programmes.without_fields(1, np.random.default_rng(1))) == [Programme(row.title) for row in ROWS]
    titles = Programmes(["a", "b"])
    assert titles.without_fields(0.5, np.random.default_rng(7)) == titles


def test_hiding_fields_of_titles_alone_draws_nothing():
    generator = np.random.default_rng(1)
    Programmes(["a", "b"]).without_fields(0.5, generator)
    assert generator.random() == np.random.default_rng(1).random()


# What callers pass


@pytest.mark.parametrize(
    ("programme", "problem"),
    [
        (5, " must be a title, or a programme with a title. Got 5. Pass text."),
        (b"Heat", " must be a title, or a programme with a title. Got b'Heat'. Decode it."),
        (("Heat", "one"), " must be a title, or a programme with a title. Got ('Heat', 'one'). Pass text."),
        ({"name": "Heat"}, " must have a title. Got none. Pass text, or None if there is no title."),
        ({"title": 24}, " must be a title, or a programme with a title. Got 24. Pass text."),
        ({"channel": 5}, ": channel must be UTF-8 text. Got 5. Put it in quotes, or leave it empty."),
        ({"description": ["a"]}, ": description must be UTF-8 text. Got ['a']. Put it in quotes, or leave it empty."),
        ({"sub_title": b"a"}, ": sub_title must be UTF-8 text. Got b'a'. Put it in quotes, or leave it empty."),
        ({"language": True}, ": language must be UTF-8 text. Got True. Put it in quotes, or leave it empty."),
        ({"channel": "\udc80"}, r": channel must be UTF-8 text. Got '\udc80'. Put it in quotes, or leave it empty."),
        ({"minutes": -1}, ": minutes must be minutes, 0 or more, or empty. Got -1. Write a number."),
        ({"minutes": "soon"}, ": minutes must be minutes, 0 or more, or empty. Got 'soon'. Write a number."),
        ({"minutes": "nan"}, ": minutes must be minutes, 0 or more, or empty. Got 'nan'. Write a number."),
        ({"minutes": True}, ": minutes must be minutes, 0 or more, or empty. Got True. Write a number."),
        ({"minutes": math.inf}, ": minutes must be minutes, 0 or more, or empty. Got inf. Write a number."),
        ({"minutes": [5]}, ": minutes must be minutes, 0 or more, or empty. Got [5]. Write a number."),
        ({"year": -1}, ": year must be a year, 0 or more, or empty. Got -1. Write a number."),
        ({"year": "1999-01-01"}, ": year must be a year, 0 or more, or empty. Got '1999-01-01'. Write a number."),
        ({"year": "inf"}, ": year must be a year, 0 or more, or empty. Got 'inf'. Write a number."),
    ],
)
def test_invalid_programmes_are_refused(programme, problem):
    if isinstance(programme, dict) and not programme.keys() & {"title", "name"}:
        programme = {"title": "Heat", **programme}
    with pytest.raises(InputError) as caught:
        Programmes.checked(["a", programme])
    assert one_line(str(caught.value)) == f"programmes[1]{problem}"
    if isinstance(programme, dict) and isinstance(programme.get("title"), str):
        with pytest.raises(InputError) as caught:
            Programmes.checked([Programme(**programme)])
        assert one_line(str(caught.value)) == f"programmes[0]{problem}"


@pytest.mark.parametrize("name", ["minutes", "year"])
def test_a_number_too_large_for_any_programme_is_refused(name):
    sentence = rf"^programmes\[0\]: {name} must be .*, or empty\. Got 1000*\. Write a number\.$"
    with pytest.raises(InputError, match=sentence):
        Programmes.checked([{"title": "Heat", name: 10**400}])


@pytest.mark.parametrize("cell", [np.array([1, 2]), np.array(["a", "b"])])
@pytest.mark.parametrize("name", ["minutes", "channel"])
def test_an_array_in_place_of_a_value_is_refused(name, cell):
    with pytest.raises(InputError, match=rf"^programmes\[0\]: {name} must be .* Got array\("):
        Programmes.checked([{"title": "Heat", name: cell}])


@pytest.mark.parametrize("single", ["Heat", Programme("Heat", "one")])
def test_a_single_programme_is_refused(single):
    with pytest.raises(TypeError) as caught:
        Programmes.checked(single)
    assert one_line(str(caught.value)) == f"programmes must be a list. Got a single one. Pass [{single!r}]."


def test_titles_alone_are_taken_as_they_are():
    titles = ["a", "b"]
    assert Programmes.checked(titles).titles is titles
    programmes = Programmes(titles, {"channel": ["one", None]})
    assert Programmes.checked(programmes) is programmes
    for same in (tuple(titles), np.array(titles), pd.Series(titles), iter(titles)):
        assert Programmes.checked(same) == Programmes(titles)
    assert Programmes.checked([]) == Programmes([])


def test_titles_programmes_and_mappings_may_be_mixed():
    mixed = ["a", Programme("b", " one ", 5, year=1999), {"title": "c", "minutes": "5.5", "colour": 1, "sub_title": ""}]
    assert list(Programmes.checked(mixed)) == [
        Programme("a"),
        Programme("b", "one", 5.0, year=1999),
        Programme("c", minutes=5.5),
    ]
    assert list(Programmes.checked({"title": name} for name in "ab")) == [Programme("a"), Programme("b")]


@pytest.mark.parametrize("nothing", [None, "", "  ", math.nan, np.float32("nan"), pd.NaT, pd.NA])
@pytest.mark.parametrize("name", COLUMNS)
def test_none_nan_and_empty_text_stand_for_what_is_not_known(name, nothing):
    assert list(Programmes.checked([{"title": "a", name: nothing}])) == [Programme("a")]


@pytest.mark.parametrize(
    ("cells", "programme"),
    [
        ({"channel": " one ", "minutes": "5.5"}, Programme("Heat", "one", 5.5)),
        ({"minutes": 90}, Programme("Heat", minutes=90.0)),
        ({"minutes": np.float32(5)}, Programme("Heat", minutes=5.0)),
        ({"year": "1999"}, Programme("Heat", year=1999)),
        ({"year": 1999.0}, Programme("Heat", year=1999)),
        ({"year": np.int64(1999)}, Programme("Heat", year=1999)),
        ({"year": " 1999 "}, Programme("Heat", year=1999)),
        ({"language": "pt-BR", "sub_title": "\t2\n", "more": 5}, Programme("Heat", sub_title="2", language="pt-BR")),
        ({"channel": np.str_("one")}, Programme("Heat", "one")),
        ({}, Programme("Heat")),
    ],
)
def test_cells_become_a_programme(cells, programme):
    found = programme_of("Heat", cells)
    assert found == programme
    assert type(found.minutes) in (float, type(None))
    assert type(found.year) in (int, type(None))


def test_the_rows_of_a_data_frame_are_programmes():
    frame = pd.DataFrame(
        {
            "id": [1, 2, 3],
            "year": [1999, None, 2001],
            "title": ["a", "b", "c"],
            "minutes": [5.5, math.nan, 60],
            "channel": ["one", None, ""],
        },
        index=[7, 7, 7],
    )
    expected = [Programme("a", "one", 5.5, year=1999), Programme("b"), Programme("c", minutes=60.0, year=2001)]
    assert list(Programmes.checked(frame)) == expected
    assert list(Programmes.checked(frame.convert_dtypes())) == expected  # pandas' own types, whose missing value is NA
    assert list(Programmes.checked(frame[["title"]])) == [Programme("a"), Programme("b"), Programme("c")]
    assert list(Programmes.checked(frame[:0])) == []


def test_a_data_frame_that_does_not_fit_is_refused():
    with pytest.raises(InputError) as caught:
        Programmes.checked(pd.DataFrame({"name": ["a"], "channel": ["one"]}))
    assert one_line(str(caught.value)) == (
        "the DataFrame must have a column title. Got name, channel. Rename the column of titles."
    )
    with pytest.raises(InputError) as caught:
        Programmes.checked(pd.DataFrame({"title": ["a", "b"], "minutes": [5, -5]}))
    sentence = "row 1: minutes must be minutes, 0 or more, or empty. Got -5. Write a number."
    assert one_line(str(caught.value)) == sentence
    with pytest.raises(InputError) as caught:
        Programmes.checked(pd.DataFrame({"title": ["a", 5]}))
    assert one_line(str(caught.value)).startswith("row 1 must be a title, or a programme with a title. Got 5.")


@pytest.mark.parametrize("nothing", [None, math.nan, pd.NA, np.float32("nan"), ""])
def test_none_and_nan_are_no_title(nothing):
    expected = [Programme("a"), Programme(""), Programme("", "one")]
    assert list(Programmes.checked(["a", nothing, {"title": nothing, "channel": "one"}])) == expected
    assert list(Programmes.checked([Programme(nothing)])) == [Programme("")]
    assert list(Programmes.checked(pd.DataFrame({"title": ["a", nothing]}))) == expected[:2]
    assert list(Programmes.checked(pd.Series(["a", nothing]))) == expected[:2]


@pytest.mark.parametrize("make", [iter, tuple, np.array, pd.Series, lambda titles: (title for title in titles)])
def test_any_iterable_of_titles_is_a_list(make):
    assert list(Programmes.checked(make(["a", "b"]))) == [Programme("a"), Programme("b")]


@pytest.mark.parametrize(
    ("programmes", "got"),
    [
        ("Heat", "a single one. Pass ['Heat']"),
        (b"Heat", "a single one. Pass [b'Heat']"),
        ({"title": "Heat"}, "a single one. Pass [{'title': 'Heat'}]"),
        (None, "None. Pass titles or programmes"),
        (24, "24. Pass titles or programmes"),
    ],
)
def test_what_is_no_list_of_programmes_is_refused(programmes, got):
    with pytest.raises(TypeError) as caught:
        Programmes.checked(programmes)
    assert str(caught.value) == f"programmes must be a list. Got {got}."


@pytest.mark.parametrize(
    ("value", "is_valid"),
    [
        (0, True),
        (5.5, True),
        (np.int64(5), True),
        (-0.1, False),
        (math.nan, False),
        (math.inf, False),
        pytest.param(10**400, False, id="large"),
        (True, False),
        (Decimal(5), False),
        ("5", False),
        (None, False),
    ],
)
def test_a_duration_is_a_number_of_minutes(value, is_valid):
    assert is_duration(value) == is_valid
