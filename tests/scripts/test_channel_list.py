import gzip
import sys
from pathlib import Path

import pytest

from scripts import channel_list
from tests.helpers.titles import write_csv

COLUMNS = ("id", "name", "alt_names", "network", "country", "categories")


def made(tmp_path: Path, *rows: tuple[str, str, str, str, str]) -> list[tuple[str, str, str]]:
    """Return the list that is made of channels (name, alt_names, network, country, categories)."""
    return channel_list.channels(
        channel_list.read_votes(write_csv(tmp_path / "all.csv", [("", *row) for row in rows], COLUMNS))
    )


def test_only_informative_categories_are_kept(tmp_path):
    rows = made(
        tmp_path,
        ("Sky Sports", "", "", "UK", "sports"),
        ("Das Erste", "", "", "DE", "general"),
        ("Unknown", "", "", "DE", ""),
        ("Ten Sport", "", "", "AU", "general;sports"),
    )
    assert rows == [("sky sports", "", "sports"), ("ten sport", "", "general;sports")]


def test_a_majority_decides_and_other_countries_have_rows_of_their_own(tmp_path):
    rows = made(
        tmp_path,
        *(("Fox", "", "", country, "entertainment") for country in ("DE", "GR", "IT", "JP")),
        ("FOX HD", "", "", "ES", "movies"),
        ("Fox", "", "", "US", "general"),
    )
    assert rows == [("fox", "", "entertainment"), ("fox", "es", "movies"), ("fox", "us", "")]


def test_a_name_whose_channels_differ_has_only_its_countries(tmp_path):
    rows = made(tmp_path, ("One", "", "", "CA", "lifestyle"), ("One", "", "", "DE", "series;movies"))
    assert rows == [("one", "ca", "lifestyle"), ("one", "de", "series;movies")]


def test_channels_without_categories_make_a_name_of_one_word_uncertain(tmp_path):
    unknown = [("", "", country, "") for country in ("HR", "HU")]
    rows = made(
        tmp_path,
        *(("RTL 2", *cells) for cells in unknown),
        ("RTL 2", "", "", "FR", "music"),
        *(("Canal Action", *cells) for cells in unknown[:1]),
        ("Canal Action", "", "", "FR", "movies"),
    )
    assert rows == [("canal action", "", "movies"), ("rtl 2", "fr", "music")]


def test_other_names_count_where_no_channel_has_them(tmp_path):
    rows = made(
        tmp_path,
        ("Planet", "Tier TV;Eins;XY", "", "DE", "documentary"),
        ("Eins", "", "", "DE", "news"),
        *((f"KERA-TV {number}.2", "KERADT", "Cozi TV", "US", "series") for number in (13, 14, 15)),
        ("Local", "", "Seen Once", "US", "series"),
        ("HBO Hits Asia", "", "", "SG", "movies"),
    )
    assert rows == [
        ("cozi", "", "series"),
        ("eins", "", "news"),
        ("hbo hits", "", "movies"),
        ("hbo hits asia", "", "movies"),
        ("local", "", "series"),
        ("planet", "", "documentary"),
        ("tier", "", "documentary"),
    ]


def test_a_channel_that_would_be_taken_for_another_is_kept_without_categories(tmp_path):
    rows = made(
        tmp_path,
        ("Eurosport", "", "", "FR", "sports"),
        ("Eurosport 1", "", "", "FR", "sports"),
        ("Eurosport 2", "", "", "FR", "general"),
        ("Eurosport 3", "", "", "FR", "news"),
        ("Other", "", "", "FR", "general"),
    )
    assert rows == [("eurosport", "", "sports"), ("eurosport 2", "", ""), ("eurosport 3", "", "news")]


def test_the_list_is_written_alike_each_time(tmp_path, monkeypatch, capsys):
    text = ",".join(COLUMNS) + "\nA.de,Äther,Luft,,DE,music\nB.fr,Bonne TV HD,,,FR,news;culture\n"
    (tmp_path / "all.csv.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("one.csv", "two.csv"):
        arguments = [str(tmp_path / "all.csv.gz"), "--output", str(tmp_path / name)]
        monkeypatch.setattr(sys, "argv", ["channel_list", *arguments])
        channel_list.main()
    assert capsys.readouterr().out.startswith(f"3 names; wrote {tmp_path / 'one.csv'}\n")
    written = (tmp_path / "one.csv").read_bytes()
    assert written == (tmp_path / "two.csv").read_bytes()
    assert written.decode() == "name,country,categories\nather,,music\nbonne,,news;culture\nluft,,music\n"


@pytest.mark.parametrize(
    ("group", "categories"),
    [
        ([("news",)], ("news",)),
        ([("news",), ("news", "sports"), ("news",)], ("news",)),
        ([("news",), ("sports",)], ()),
        ([("news",), ()], ("news",)),
        ([("news",), (), ()], ()),
        ([], ()),
    ],
)
def test_the_majority_of_a_name_of_two_words(group, categories):
    assert channel_list.majority(group, "two words") == categories
