import gzip
import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from titleclf.runtime.errors import InputError
from titleclf.runtime.tables import Record, is_utf8, read_records

ROWS = [{"title": 'Say "Yes", then\nno', "category": "Show"}, {"title": "日本沈没", "category": "Film"}]


def write(path: Path, kind: str) -> Path:
    frame = pd.DataFrame(ROWS)
    match kind:
        case "csv":
            frame.to_csv(path, index=False)
        case "tsv":
            frame.to_csv(path, index=False, sep="\t")
        case "jsonl":
            path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "\n", encoding="utf-8")
        case "parquet":
            frame.to_parquet(path)
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_all_formats_give_the_same_rows(tmp_path, kind):
    records = list(read_records(write(tmp_path / f"a.{kind}", kind), ["title", "category"]))
    assert [record.cells for record in records] == ROWS


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_gzipped_files_give_the_same_rows(tmp_path, kind):
    plain = write(tmp_path / f"a.{kind}", kind)
    gzipped = tmp_path / f"b.{kind}.gz"
    gzipped.write_bytes(gzip.compress(plain.read_bytes()))
    assert list(read_records(gzipped, ["title"])) == list(read_records(plain, ["title"]))


def test_a_record_has_the_line_where_its_row_starts(tmp_path):
    records = list(read_records(write(tmp_path / "a.csv", "csv"), ["title"]))
    assert [record.line for record in records] == [2, 4]


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbftitle,category\r\nTatort,Film\r\n\r\n")
    assert list(read_records(path, ["title"])) == [Record(2, {"title": "Tatort", "category": "Film"})]


@pytest.mark.parametrize(("first", "delimiter"), [("sep=;", ";"), ('"sep=;"', ";"), ("sep=,", ","), ("sep=\t", "\t")])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_first_line_may_name_the_delimiter(tmp_path, first, delimiter, end):
    path = tmp_path / "a.csv"
    lines = [first, f"title{delimiter}category", f"Tatort{delimiter}Film", "bad"]
    path.write_bytes("".join(line + end for line in lines).encode("utf-8-sig"))
    good, bad = read_records(path, ["title"])
    assert good == Record(3, {"title": "Tatort", "category": "Film"})
    assert (bad.line, bad.problem) == (4, "must have 2 cells, like the first line. Got 1. Add the missing cells.")


def test_columns_that_differ_by_case_are_two(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("Title,title\nA,b\n")
    assert [record.cells["title"] for record in read_records(path, ["title"])] == ["b"]
    assert [record.cells["Title"] for record in read_records(path, ["Title"])] == ["A"]


def test_bad_rows_have_a_line_and_a_problem_and_reading_continues(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("title,category\nA,B,C\nA\nTatort,Film\n")
    ragged, short, fine = read_records(path, ["title"])
    assert ragged.line == 2
    assert ragged.problem == "must have 2 cells, like the first line. Got 3. Quote cells that contain the delimiter."
    assert short.problem == "must have 2 cells, like the first line. Got 1. Add the missing cells."
    assert fine.problem is None
    path = tmp_path / "a.jsonl"
    path.write_text('{"title": "A"}\n[1]\n{"name": "B"}\nnonsense\n')
    problems = [record.problem or "" for record in read_records(path, ["title"])]
    assert problems[0] == ""
    assert problems[1] == problems[2].replace('{"name": "B"}', "[1]")
    assert problems[1] == "must be one JSON object with the key title. Got [1]. Fix the line."
    assert problems[3] == problems[1].replace("[1]", "nonsense")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (
            "a.xlsx",
            b"",
            "a.xlsx must be one of .csv, .tsv, .jsonl (also with .gz), .parquet. Got .xlsx. Convert or rename it.",
        ),
        ("a", b"", "Got no ending. Convert or rename it."),
        ("a.csv", b"", "a.csv is empty. Give it a first line with the column title."),
        ("a.csv.gz", gzip.compress(b""), "a.csv.gz is empty. Give it a first line with the column title."),
        ("a.csv", b"\nA\n", "a.csv must have the column title. Got none. Rename yours."),
        ("a.csv", b"title,lang,title\n", "a.csv must name each column once. Got title twice. Rename one of them."),
        ("a.csv", b"sep=;\n", "a.csv is empty. Give it a first line with the column title."),
        ("a.csv", b"name,genre\n", "a.csv must have the column title. Got name, genre. Rename yours."),
        (
            "a.csv",
            b"title;genre\nA;B\n",
            "a.csv must have commas between its columns. Got semicolons. Save it with commas.",
        ),
        ("a.csv", b"title\tgenre\n", "a.csv must have commas between its columns. Got tabs. Save it with commas."),
        ("a.tsv", b"title,genre\n", "a.tsv must have tabs between its columns. Got commas. Save it with tabs."),
        ("a.csv", "title\nÄ".encode("utf-16"), "must be UTF-8. Got other bytes in its first line."),
        ("a.csv", b'title\n"open', "a.csv:2: must be well-formed CSV. Got: unexpected end of data. Check the quotes."),
        ("a.csv.gz", b"plain", "a.csv.gz must be a complete gzip file. Got another kind of file. Download or"),
        (
            "a.csv.gz",
            gzip.compress(b"title\nA\n" * 99)[:-9],
            "a.csv.gz must be a complete gzip file. Got a damaged or truncated one.",
        ),
        ("a.parquet", b"PAR", "a.parquet must be a Parquet file. Got: "),
        ("a.parquet", b"", "a.parquet must be a Parquet file. Got: Parquet file size is 0 bytes. Write it again."),
    ],
)
def test_unreadable_files_are_refused_in_one_line(tmp_path, name, content, sentence):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        list(read_records(path, ["title"]))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a"])
def test_missing_files_are_refused(tmp_path, name):
    with pytest.raises(InputError, match=rf"{name}: no such file. Check the path."):
        list(read_records(tmp_path / name, ["title"]))


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a"])
def test_a_folder_is_refused(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=r"must be a file. Got a folder. Name a file in it."):
        list(read_records(tmp_path / name, ["title"]))


def test_parquet_without_pyarrow_names_the_extra_to_install(tmp_path, monkeypatch):
    path = write(tmp_path / "a.parquet", "parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"Install it in the checkout: pip install '.\[parquet\]'."):
        list(read_records(path, ["title"]))


def test_text_decoded_from_other_bytes_is_not_utf8():
    assert is_utf8("日本沈没")
    assert not is_utf8(b"\xff".decode(errors="surrogateescape"))
