import pytest

from tests.helpers.titles import COLUMNS, write_csv
from titleclf.data.titles import read_all_titles, read_titles
from titleclf.runtime.choices import Task
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.tags import joined, tags_in


def test_tags_are_stripped_and_sorted():
    assert tags_in(" Sports|News / Current affairs ") == ["News / Current affairs", "Sports"]
    assert joined(["b", "a"]) == "a|b"
    assert joined(tags_in("a|b")) == "a|b"


def test_a_bar_separates_tags_only_if_a_title_has_several(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("Heat", " Film | Action ", "en")])
    assert read_titles(path, COLUMNS)["category"].to_list() == ["Film | Action"]
    assert read_titles(path, COLUMNS, Task.multilabel)["category"].to_list() == ["Action|Film"]


def test_bad_tags_are_reported_with_their_lines(tmp_path):
    table = [("A", "Film|", "en"), ("B", "Film | Film", "en"), ("C", "", "en"), ("D", "Film|News", "en")]
    with pytest.raises(InputError) as caught:
        read_titles(write_csv(tmp_path / "a.csv", table), COLUMNS, Task.multilabel)
    assert str(caught.value).replace(f"{tmp_path}/", "").splitlines() == [
        "a.csv:2: category must have a tag on both sides of each |. Got 'Film|'. Remove the bar or fill it.",
        "a.csv:3: category must name each tag once. Got 'Film' again. Remove it.",
        "a.csv:4: category is empty. Remove the row or fill it.",
    ]


def test_titles_of_an_earlier_file_with_the_same_tags_are_dropped(tmp_path):
    write_csv(tmp_path / "a_1.csv", [("Heat", "Film|Action", "en")])
    write_csv(tmp_path / "a_2.csv", [("Heat", "Action | Film", "en"), ("Heat", "Film", "en")])
    titles = read_all_titles(str(tmp_path / "a_*.csv"), COLUMNS, Task.multilabel)
    assert titles["category"].to_list() == ["Action|Film", "Film"]
