import gzip
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import COLUMNS, write_csv
from titleclf.config import DataConfig
from titleclf.errors import InputError
from titleclf.titles import base_title, fingerprint, learnable, read_all_titles, read_titles, split, split_beside

DATA = DataConfig(None, "unused.csv", None, COLUMNS, validation_fraction=0.1, test_fraction=0.2)


def titles(count: int, categories: int = 3) -> pd.DataFrame:
    made = [(f"title {'x' * number}", f"category {number % categories}", "en") for number in range(count)]
    return pd.DataFrame(made, columns=["title", "category", "lang"])


def test_reads_and_strips_titles(tmp_path):
    path = write_csv(tmp_path / "a.csv", [(" Tatort ", "Film", "de"), ("24", "Film", "")])
    assert read_titles(path, COLUMNS).to_dict("list") == {
        "title": ["Tatort", "24"],
        "category": ["Film", "Film"],
        "lang": ["de", "und"],
    }


def test_columns_may_have_other_names_and_no_language(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("Tatort", "Film")], header=("Titel", "Genre"))
    frame = read_titles(path, replace(COLUMNS, title="Titel", category="Genre"))
    assert frame.loc[0].to_list() == ["Tatort", "Film", "und"]


def test_bad_rows_are_named_with_their_lines_up_to_ten(tmp_path):
    table = [("", "Film", "en"), ("A", " ", "en"), *[("", "Film", "en")] * 10]
    with pytest.raises(InputError) as caught:
        read_titles(write_csv(tmp_path / "a.csv", table), COLUMNS)
    lines = str(caught.value).replace(str(tmp_path) + "/", "").splitlines()
    assert lines[0] == "a.csv:2: title is empty. Remove the row or fill it."
    assert lines[1] == "a.csv:3: category is empty. Remove the row or fill it."
    assert len(lines) == 11
    assert lines[10] == "a.csv: 2 more bad rows."


def test_values_that_are_no_text(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"title": 24, "category": "Film"}\n')
    with pytest.raises(InputError, match=r"a.jsonl:1: title must be text. Got 24. Put it in quotes."):
        read_titles(path, COLUMNS)


def test_rows_in_another_encoding_are_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("title,category\nTatort,Film\nMünchen,Film\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"a.csv:3: title must be UTF-8. Got other bytes. Save the file as UTF-8."):
        read_titles(path, COLUMNS)


def test_a_header_alone_is_not_enough(tmp_path):
    with pytest.raises(InputError, match=r"must have at least one titled row. Got none. Add rows below the header."):
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
def test_base_title(title, base):
    assert base_title(title) == base


def test_no_programme_is_on_two_sides_and_none_is_lost():
    seasons = pd.concat([titles(90), titles(90).assign(title=titles(90)["title"] + " S2")], ignore_index=True)
    sides = split(seasons, DATA, seed=5)
    bases = [set(side["title"].map(base_title)) for side in sides]
    assert not bases[0] & bases[1]
    assert not bases[0] & bases[2]
    assert not bases[1] & bases[2]
    assert sorted(pd.concat(sides)["title"]) == sorted(seasons["title"])


def test_the_split_is_stratified_and_seeded():
    sides = split(titles(300), DATA, seed=5)
    for side, each in zip(sides, (70, 10, 20), strict=True):
        assert side["category"].value_counts().to_list() == [each] * 3
    again, other = split(titles(300), DATA, seed=5), split(titles(300), DATA, seed=6)
    assert again.test.equals(sides.test)
    assert not other.test.equals(sides.test)


def test_the_smallest_category_is_on_every_side():
    for fractions in ((0.01, 0.01), (0.5, 0.49), (0.01, 0.98), (0.98, 0.01)):
        config = replace(DATA, validation_fraction=fractions[0], test_fraction=fractions[1])
        assert [side["category"].nunique() for side in split(titles(9), config, seed=1)] == [3, 3, 3]


def test_a_test_file_of_ones_own(tmp_path):
    own = write_csv(tmp_path / "test.csv", [("Tatort", "category 1", "de")])
    sides = split(titles(30), replace(DATA, test_path=str(own)), seed=1)
    assert sides.test["title"].to_list() == ["Tatort"]
    assert len(sides.train) + len(sides.validation) == 30


def test_test_titles_that_are_read_already():
    own = titles(4)
    sides = split_beside(titles(30), own, DATA, seed=1)
    assert sides.test is own
    assert len(sides.train) + len(sides.validation) == 30


def test_only_categories_of_three_programmes_can_be_learnt():
    three, two = [f"title {number}" for number in range(3)], ["other 1", "other 2", "Other 2 (2019)"]
    frame = pd.DataFrame({"title": two + three, "category": ["A"] * 3 + ["B"] * 3, "lang": "en"})
    assert learnable(frame)["title"].to_list() == three
    assert list(learnable(frame).index) == [0, 1, 2]


def test_one_category_only():
    with pytest.raises(InputError, match=r"must have at least two categories. Got only 'category 0'. Add titles of"):
        split(titles(9, categories=1), DATA, seed=1)


def test_fewer_titles_than_sides():
    with pytest.raises(InputError, match=r"must have at least 3 programmes a category.*Got 'category 1' \(2\)"):
        split(titles(5, categories=2), DATA, seed=1)


def test_the_fingerprint_tells_titles_and_their_order_apart():
    frame = titles(5)
    assert fingerprint(frame) == fingerprint(frame.copy())
    assert fingerprint(frame) != fingerprint(frame[::-1])
    assert fingerprint(frame) != fingerprint(frame.assign(category="other"))


def parts(folder: Path) -> str:
    """Write three files that match the returned pattern, and others that don't."""
    write_csv(folder / "train_02.csv", [("Tatort", "Film", "de"), ("24", "Film", "de"), ("24", "Film", "de")])
    write_csv(folder / "train_01.csv", [("Tatort", "Krimi"), ("Heat", "Film")], header=("title", "category"))
    (folder / "train_03.csv.gz").write_bytes(gzip.compress(b"title,category,lang\nHeat,Film,en\nTatort,Krimi,en\n"))
    write_csv(folder / "other.csv", [("", "", "")])
    (folder / "train_04.csv").mkdir()
    return str(folder / "train_*.csv*")


def test_a_pattern_is_all_its_files_in_order_without_what_an_earlier_one_has(tmp_path):
    assert read_all_titles(parts(tmp_path), COLUMNS).to_numpy().tolist() == [
        ["Tatort", "Krimi", "und"],
        ["Heat", "Film", "und"],
        ["Tatort", "Film", "de"],  # another category: kept, as within one file
        ["24", "Film", "de"],
        ["24", "Film", "de"],  # within one file, nothing is left out
    ]


def test_the_shipped_titles_have_columns_of_their_own():
    assert len(read_all_titles("shipped", replace(COLUMNS, title="Titel", category="Genre", lang="Sprache"))) > 6000


def test_one_file_is_read_as_it_is(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("24", "Film", "de"), ("24", "Film", "de"), ("Tatort", "Film", "de")])
    assert read_all_titles(str(path), COLUMNS).equals(read_titles(path, COLUMNS))


@pytest.mark.parametrize("name", ["train_[12].csv", "what?.csv", "*.csv"])
def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path, name):
    write_csv(tmp_path / "train_1.csv", [("Heat", "Film", "en")])
    write_csv(tmp_path / name, [("Tatort", "Film", "de")])
    assert read_all_titles(str(tmp_path / name), COLUMNS)["title"].to_list() == ["Tatort"]


def test_a_pattern_that_matches_nothing(tmp_path):
    with pytest.raises(InputError, match=r"/none_\*.csv must match one file or more. Got none. Check the pattern.$"):
        read_all_titles(str(tmp_path / "none_*.csv"), COLUMNS)


def test_bad_rows_name_their_own_file(tmp_path):
    pattern = parts(tmp_path)
    write_csv(tmp_path / "train_05.csv", [("Heat", "Film", "en"), ("", "Film", "en")])
    with pytest.raises(InputError, match=r"/train_05.csv:3: title is empty. Remove the row or fill it.$"):
        read_all_titles(pattern, COLUMNS)


def test_the_test_side_may_be_a_pattern(tmp_path):
    sides = split(titles(30), replace(DATA, test_path=parts(tmp_path)), seed=1)
    assert len(sides.test) == 5


def test_too_few_titles_name_the_pattern(tmp_path):
    pattern = parts(tmp_path)
    with pytest.raises(InputError) as caught:
        split(read_all_titles(pattern, COLUMNS), replace(DATA, path=pattern), seed=1)
    assert str(caught.value).startswith(f"{pattern} must have at least 3 programmes a category")
