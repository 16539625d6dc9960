from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.helpers.tables import write_parts
from tests.helpers.titles import COLUMNS, write_csv
from titleclf.data.titles import TitlesInMemory, fingerprint, read_all_titles, read_titles, titles_in_memory
from titleclf.runtime.choices import Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.programmes import Programme, Programmes
from titleclf.runtime.text.title_keys import base_title


def test_titles_are_read_and_stripped(tmp_path):
    path = write_csv(tmp_path / "a.csv", [(" Tatort ", "Film", "de"), ("24", "Film", "")])
    assert read_titles(path, COLUMNS).to_dict("list") == {
        "title": ["Tatort", "24"],
        "category": ["Film", "Film"],
        "lang": ["de", "und"],
    }


def test_titles_are_read_plain(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("NEW: Tatort (R)", "Film", "de"), ("Ｔａｔｏｒｔ", "Film", "de")])
    assert list(read_titles(path, COLUMNS)["title"]) == ["Tatort", "Tatort"]


def test_columns_may_have_other_names_and_the_language_may_be_missing(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("Tatort", "Film")], header=("Titel", "Genre"))
    frame = read_titles(path, replace(COLUMNS, title="Titel", category="Genre"))
    assert frame.to_numpy().tolist() == [["Tatort", "Film", "und"]]


def test_bad_rows_are_named_with_their_lines_up_to_ten(tmp_path):
    table = [("", "Film", "en"), ("A", " ", "en"), *[("", "Film", "en")] * 10]
    with pytest.raises(InputError) as caught:
        read_titles(write_csv(tmp_path / "a.csv", table), COLUMNS)
    lines = str(caught.value).replace(str(tmp_path) + "/", "").splitlines()
    assert lines[0] == "a.csv:2: title is empty. Remove the row or fill it."
    assert lines[1] == "a.csv:3: category is empty. Remove the row or fill it."
    assert len(lines) == 11
    assert lines[10] == "a.csv: 2 more bad rows."


def test_a_value_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"title": 24, "category": "Film"}\n')
    with pytest.raises(InputError, match=r"a.jsonl:1: title must be text. Got 24. Put it in quotes."):
        read_titles(path, COLUMNS)


def test_rows_in_another_encoding_are_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("title,category\nTatort,Film\nMünchen,Film\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"a.csv:3: title must be UTF-8. Got other bytes. Save the file as UTF-8."):
        read_titles(path, COLUMNS)


def test_a_table_without_rows_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"must have at least one title. Got none. Add rows below the header."):
        read_titles(write_csv(tmp_path / "a.csv", []), COLUMNS)


@pytest.mark.parametrize(
    ("title", "base"),
    [
        ("Die Simpsons, S12E04", "die simpsons"),
        ("Curioso come George - Stag. 2 Ep. 14", "curioso come george"),
        ("Fixer To Fabulous (S4)", "fixer to fabulous"),
        ("Heat (1995)", "heat"),
        ("LaLiga 2025/26", "laliga"),
        ("Christentum (2/3)", "christentum"),
        ("Planet Earth: Season 2", "planet earth"),
        ("Doctor Who 12x04", "doctor who"),
        ("PAWN STARS", "pawn stars"),
        ("Pawn  Stars!", "pawn stars"),
        ("Los Thundermans (T4): Ep.11", "los thundermans"),
        ("24", "24"),
        ("1917", "1917"),
        ("Stuber", "stuber"),
        ("Tatort: Reifezeugnis", "tatort reifezeugnis"),
        ("🎉", "🎉"),
        ("日本沈没", "日本沈没"),
    ],
)
def test_the_base_title_has_no_case_punctuation_or_episode_markers(title, base):
    assert base_title(title) == base


def test_the_fingerprint_depends_on_the_rows_and_their_order():
    frame = pd.DataFrame([(f"title {number}", "Film", "en") for number in range(5)])
    frame.columns = pd.Index(["title", "category", "lang"])
    assert fingerprint(frame) == fingerprint(frame.copy())
    assert fingerprint(frame) != fingerprint(frame[::-1])
    assert fingerprint(frame) != fingerprint(frame.assign(category="other"))


def test_a_pattern_reads_all_files_in_order_without_titles_of_an_earlier_one(tmp_path):
    assert read_all_titles(write_parts(tmp_path), COLUMNS).to_numpy().tolist() == [
        ["Tatort", "Krimi", "und"],
        ["Heat", "Film", "und"],
        ["Tatort", "Film", "de"],  # another category: kept, as within one file
        ["24", "Film", "de"],
        ["24", "Film", "de"],  # repeated within one file: kept
    ]


def test_the_names_of_columns_do_not_apply_to_the_shipped_titles():
    assert len(read_all_titles("shipped", replace(COLUMNS, title="Titel", category="Genre", lang="Sprache"))) > 6000


def test_a_single_file_keeps_its_repeated_titles(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("24", "Film", "de"), ("24", "Film", "de"), ("Tatort", "Film", "de")])
    assert read_all_titles(str(path), COLUMNS).equals(read_titles(path, COLUMNS))


@pytest.mark.parametrize("name", ["train_[12].csv", "what?.csv", "*.csv"])
def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path, name):
    write_csv(tmp_path / "train_1.csv", [("Heat", "Film", "en")])
    write_csv(tmp_path / name, [("Tatort", "Film", "de")])
    assert read_all_titles(str(tmp_path / name), COLUMNS)["title"].to_list() == ["Tatort"]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("gone", None, "{}: no such file. Check the path."),
        (
            "a.doc",
            "",
            "{} must be one of .xml, .csv, .tsv, .jsonl (also with .gz), .parquet. Got .doc. Convert or rename",
        ),
        (
            "a.csv",
            "Title,Genre\n",
            "{} must have the columns title, category. Got Title, Genre. Rename yours, or name",
        ),
    ],
)
def test_files_that_are_no_tables_of_titles_are_refused(tmp_path, name, content, sentence):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_all_titles(str(path), COLUMNS)
    assert str(caught.value).startswith(sentence.format(path))


def test_a_pattern_that_matches_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"/none_\*.csv must match one file or more. Got none. Check the pattern.$"):
        read_all_titles(str(tmp_path / "none_*.csv"), COLUMNS)


def test_bad_rows_name_their_own_file(tmp_path):
    pattern = write_parts(tmp_path)
    write_csv(tmp_path / "train_05.csv", [("Heat", "Film", "en"), ("", "Film", "en")])
    with pytest.raises(InputError, match=r"/train_05.csv:3: title is empty. Remove the row or fill it.$"):
        read_all_titles(pattern, COLUMNS)


@pytest.mark.parametrize("task", list(Task))
def test_titles_in_memory_become_the_frame_of_a_file_with_the_same(tmp_path, task):
    header = ("title", "category", "lang", "channel", "minutes")
    table = [(" NEW: Tatort ", "Film|Crime", "de", "ARD", "90"), ("24", "Series", "", "", "")]
    path = write_csv(tmp_path / "a.csv", table, header)
    programmes = Programmes.of([Programme(" NEW: Tatort ", "ARD", 90, language="de"), Programme("24")])
    given = TitlesInMemory(programmes, [row[1] for row in table])
    fields = ("channel", "minutes", "language")
    expected, frame = read_titles(path, COLUMNS, task, fields), titles_in_memory(given, "und", task, fields)
    pd.testing.assert_frame_equal(frame, expected)
    assert fingerprint(frame) == fingerprint(expected)


def test_weights_of_titles_in_memory_are_a_column_of_their_own():
    given = TitlesInMemory(Programmes(["Tatort", "24"]), ["Film", "Series"], np.array([0.5, 1.5]))
    assert titles_in_memory(given, "de").to_numpy().tolist() == [
        ["Tatort", "Film", "de", 0.5],
        ["24", "Series", "de", 1.5],
    ]


def test_bad_titles_in_memory_are_named_by_their_row():
    with pytest.raises(InputError) as caught:
        titles_in_memory(TitlesInMemory(Programmes(["Tatort", " ", "24"]), ["Film", "Film", ""]), "und")
    assert str(caught.value).splitlines() == [
        "X:1: title is empty. Remove the row or fill it.",
        "X:2: category is empty. Remove the row or fill it.",
    ]
