import gzip
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.titles import COLUMNS, write_csv
from titleclf.config.schemas import DataConfig
from titleclf.data.splits import learnable, split, split_beside
from titleclf.data.titles import read_all_titles
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.title_keys import base_title

DATA = DataConfig(None, "unused.csv", None, None, COLUMNS, validation_fraction=0.1, test_fraction=0.2)


def titles(count: int, categories: int = 3) -> pd.DataFrame:
    made = [(f"title {'x' * number}", f"category {number % categories}", "en") for number in range(count)]
    return pd.DataFrame(made, columns=["title", "category", "lang"])


def parts(folder: Path) -> str:
    """Write three files that match the returned pattern, and others that don't."""
    write_csv(folder / "train_02.csv", [("Tatort", "Film", "de"), ("24", "Film", "de"), ("24", "Film", "de")])
    write_csv(folder / "train_01.csv", [("Tatort", "Krimi"), ("Heat", "Film")], header=("title", "category"))
    (folder / "train_03.csv.gz").write_bytes(gzip.compress(b"title,category,lang\nHeat,Film,en\nTatort,Krimi,en\n"))
    write_csv(folder / "other.csv", [("", "", "")])
    (folder / "train_04.csv").mkdir()
    return str(folder / "train_*.csv*")


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


def test_the_test_side_may_be_a_pattern(tmp_path):
    sides = split(titles(30), replace(DATA, test_path=parts(tmp_path)), seed=1)
    assert len(sides.test) == 5


def test_too_few_titles_name_the_pattern(tmp_path):
    pattern = parts(tmp_path)
    with pytest.raises(InputError) as caught:
        split(read_all_titles(pattern, COLUMNS), replace(DATA, path=pattern), seed=1)
    assert str(caught.value).startswith(f"{pattern} must have at least 3 programmes a category")
