"""The shipped titles: their number, variety and quality are as the datasheet states."""

import sys

import pandas as pd
import pytest

from scripts import check_titles
from tests.helpers.titles import COLUMNS, write_csv
from titleclf.data.titles import read_titles
from titleclf.runtime.files import shipped


@pytest.fixture(scope="module")
def titles() -> pd.DataFrame:
    return read_titles(shipped("data/titles.csv"), COLUMNS)


def test_there_are_enough_titles_of_each_category_and_language(titles):
    assert len(titles) >= 6000
    assert set(titles["category"]) == set(check_titles.CATEGORIES)
    assert titles["category"].value_counts().min() >= 300
    languages = titles["lang"].value_counts()
    for language, minimum in {"en": 3500, "de": 700, "fr": 400, "es": 400}.items():
        assert languages[language] >= minimum


def test_there_are_no_duplicates_or_unknown_categories(titles):
    assert check_titles.duplicates(titles) == []
    assert check_titles.unknown_categories(titles) == []


def test_the_datasheet_states_the_counts(titles):
    sheet = shipped("data/README.md").read_text()
    assert f"{len(titles):,} titles" in sheet
    for category, count in titles["category"].value_counts().items():
        assert f"| {category} | {count:,} |" in sheet
    for language, count in titles["lang"].value_counts().items():
        assert f"| {language} | {count:,} |" in sheet


def check(monkeypatch, capsys, *arguments: str) -> str:
    monkeypatch.setattr(sys, "argv", ["check_titles", *arguments])
    check_titles.main()
    return capsys.readouterr().out


def test_the_check_finds_duplicates_unknown_categories_and_similar_titles(monkeypatch, capsys, tmp_path):
    table = [
        ("Heat", "Movie / Drama", "en"),
        ("HEAT (1995)", "Movie / Drama", "en"),
        ("Tagesschau", "Nachrichten", "de"),
        ("The Antiques Roadshow", "Leisure hobbies", "en"),
        ("Antiques Roadshow", "Leisure hobbies", "en"),
    ]
    path = write_csv(tmp_path / "t.csv", table)
    monkeypatch.setattr(sys, "argv", ["check_titles", str(path), "--similarity", "0.8"])
    with pytest.raises(SystemExit) as caught:
        check_titles.main()
    out = capsys.readouterr().out
    assert caught.value.code == 2
    assert "duplicate: Heat = HEAT (1995)" in out
    assert "unknown category 'Nachrichten': Tagesschau" in out
    assert "similar: The Antiques Roadshow ~ Antiques Roadshow" in out
    assert "2 duplicates or unknown categories, 1 similar pairs" in out


def test_agreement_counts_shared_titles_by_majority_and_language(monkeypatch, capsys, tmp_path):
    movie, news = "Movie / Drama", "News / Current affairs"
    ours = write_csv(tmp_path / "a.csv", [("Heat", movie, "en"), ("Nu", news, "de"), ("Own", news, "en")])
    theirs = write_csv(
        tmp_path / "b.csv",
        [("HEAT", movie, "en"), ("Heat (1995)", movie, "en"), ("Heat", news, "en"), ("Nu", movie, "fr")],
    )
    unnamed = write_csv(tmp_path / "c.csv", [("Heat", movie), ("Nu", movie)], header=("title", "category"))
    out = check(monkeypatch, capsys, str(ours), "--against", str(theirs), str(unnamed), "--disagreements")
    assert "b.csv: 1 shared titles, 1 in the same category (100.0%)" in out
    assert "c.csv: 2 shared titles, 1 in the same category (50.0%)" in out
    assert f"  Nu [de]: {news}; there {movie}" in out
