"""Text tables that fit the terminal."""

import pytest

from titleclf.epg.text_table import table, width


@pytest.fixture
def columns(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    return lambda count: monkeypatch.setenv("COLUMNS", str(count))


def test_cells_are_truncated_and_without_control_characters(columns):
    columns(200)
    text = table(["a", "#b"], [("x" * 100, "1"), ("\x1b[31mred", "12,345")])
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) == 40 + 2 + 6


@pytest.mark.parametrize("count", [40, 60, 80, 120])
def test_a_table_fits_the_terminal(columns, count):
    columns(count)
    rows = [("x" * 60, "1,000", "日" * 60, "y"), ("short", "1", "", "z" * 30)]
    lines = table(["a", "#b", "c", "d"], rows).splitlines()
    assert max(map(width, lines)) <= count


def test_some_columns_are_never_cut(columns):
    columns(20)
    assert "x" * 60 in table(["!a", "b"], [("x" * 60, "y" * 60)])
    assert "yyyyyyy…" in table(["!a", "b"], [("x" * 60, "y" * 60)])


@pytest.mark.usefixtures("columns")
def test_nothing_but_long_cells_is_cut_without_a_terminal():
    assert len(table(list("abcdef"), [["x" * 40] * 6]).splitlines()[0]) <= 6 * 42
    assert "…" not in table(list("abcdef"), [["x" * 40] * 6])


@pytest.mark.parametrize("text", ["日本沈没", "Ｈｅａｔ", "뉴스", "Cafe\u0301", "e\u0301e\u0301", "Ελλάδα", "नमस्ते"])
def test_columns_line_up_whatever_the_script(columns, text):
    columns(80)
    lines = table(["title", "!next"], [(text, "|"), ("plain", "|")]).splitlines()
    assert {width(line[: line.index("|")]) for line in lines[2:]} == {max(width(text), 5) + 2}


def test_widths_of_texts():
    assert [width(text) for text in ("Heat", "日本", "Ａ", "e\u0301", "é", "…")] == [4, 4, 2, 1, 1, 1]
