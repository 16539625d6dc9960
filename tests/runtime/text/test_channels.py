import csv
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.titles import write_csv
from titleclf.runtime import files
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.channels import Channel, ChannelList, fold_channel, key_of_channel


def listed(*rows: tuple[str, str]) -> ChannelList:
    """Return a list of (folded name, categories); a name may end with its country, as "fox.us"."""
    split = [(name.partition(".")[0], name.partition(".")[2], categories) for name, categories in rows]
    return ChannelList({key_of_channel(name, country): (name, categories) for name, country, categories in split})


def read(tmp_path: Path, *rows: tuple[str, str]) -> ChannelList:
    return ChannelList.read(write_csv(tmp_path / "my.csv", list(rows), ("name", "categories")))


@pytest.fixture(scope="module")
def shipped() -> ChannelList:
    return ChannelList.shipped()


@pytest.mark.parametrize(
    "name",
    [
        *("Sky History", "SKY HISTORY", " sky  history ", "Sky-History", "Ský Hístory", "Ｓｋｙ Ｈｉｓｔｏｒｙ"),
        *(
            "Sky History HD",
            "Sky History FHD",
            "Sky History UHD",
            "Sky History 4K",
            "Sky History (HD)",
            "SKY HISTORYHD",
        ),
        *("Sky History +1", "Sky History+24", "Sky History HD +1h", "Sky History »1«"),
        *("Sky History (UK)", "UK: Sky History", "UK | Sky History", "US - Sky History", "[UK] Sky History"),
        *("FHD | Sky History", "HD: Sky History", "PREMIUM | Sky History", "ZCL• Sky History (HD) »1«"),
        *("Sky History TV", "The Sky History Channel", "Sky History™", "@Sky History"),
        *("SkyHistory.uk", "Sky.HistoryHD.uk", "SkyHistory.uk@SD", "SkyHistory.us2", "SkyHistory.us_locals1"),
    ],
)
def test_spellings_of_a_channel_are_folded_into_one(name):
    assert fold_channel(name) == "sky history"


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("BBCOne.uk", "bbc one"),
        ("BBC.One.HD.uk", "bbc one"),
        ("2 CBS New York", "2 cbs new york"),
        ("5 USA", "5 usa"),
        ("TV 5", "tv 5"),
        ("Channel 4", "channel 4"),
        ("Channel 4+1", "channel 4"),
        ("1+1", "1 plus 1"),
        ("Canal+", "canal plus"),
        ("Canal+ Sport", "canal plus sport"),
        ("Crime + Investigation", "crime plus investigation"),
        ("Film & Arts", "film arts"),
        ("Film and Arts", "film arts"),
        ("Motorvision.tv", "motorvision"),
        ("Novasports1HD", "novasports 1"),
        ("Canal+ Blå", "canal plus bla"),
        ("Óčko", "ocko"),
        ("TVNorge på Øya", "norge pa oya"),
        ("스포츠", "스포츠"),
        ("アニマルプラネット HD", "アニマルプラネット"),
        ("Первый канал", "первый канал"),
        ("قناة الجزيرة", "قناة الجزيرة"),
        ("HD", "hd"),
        ("(HD)", "hd"),
        ("TV", "tv"),
        ("", ""),
        ("!?", ""),
    ],
)
def test_what_is_left_of_a_name(name, folded):
    assert fold_channel(name) == folded


def test_names_of_the_shipped_list_are_folded_already():
    with files.shipped("data/channels.csv").open(encoding="utf-8", newline="") as file:
        names = [row["name"] for row in csv.DictReader(file)]
    assert [name for name in names if fold_channel(name) != name] == []


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("Nat Geo Wild", "nat geo wild"),
        ("NatGeoWild HD", "nat geo wild"),
        ("RTUS", "rtus"),
        ("RT US", None),  # too short to join words
        ("ESPN2", "espn 2"),
        ("HBO East", "hbo"),
        ("HBO HD - Pacific Feed", "hbo"),
        ("HBO Norway (NO,NO)", "hbo"),
        ("HBO Latinoamérica", "hbo"),
        ("501 HBO East HD", "hbo"),
        ("501 HBO", "hbo"),
        ("HBO 7", None),  # too short to leave the number out
        ("Eurosport 9", "eurosport"),
        ("Eurosport 360", None),
        ("Eurosport Extra", None),
        ("Eurosports", None),
        ("Canal 9", None),  # what many channels are called
        ("4 TV", None),
        ("Golden Network", "golden"),
        ("", None),
        ("HBO " * 100, None),
    ],
)
def test_a_name_matches_exactly_or_without_its_region_and_numbers(name, match):
    names = ("nat geo wild", "rtus", "espn 2", "hbo", "eurosport", "canal", "tv", "golden")
    assert listed(*((known, "movies") for known in names)).match(name) == match


def test_a_channel_with_the_number_goes_before_one_without():
    known = listed(("eurosport", "sports"), ("eurosport 2", ""), ("5 usa", "series"), ("usa", "movies"))
    assert known.find("Eurosport 2 HD") == Channel("eurosport 2", ())
    assert known.categories_of("5 USA") == ("series",)
    assert known.categories_of("17 USA") == ("movies",)


@pytest.mark.parametrize("name", ["Fox (US)", "US: Fox", "US | Fox", "Fox.us", "USA - Fox HD", "Fox USA"])
def test_a_country_decides_between_channels_of_one_name(name):
    known = listed(("fox", "entertainment"), ("fox.us", "general"), ("fox.es", "movies;series"))
    assert known.categories_of(name) == ("general",)
    assert known.categories_of("Fox.es") == ("movies", "series")
    assert known.categories_of("Fox.de") == known.categories_of("Fox") == ("entertainment",)


def test_a_name_without_a_country_has_that_of_the_id():
    known = listed(("one.de", "entertainment"), ("one.ca", "lifestyle"), ("two", "news"))
    assert known.find("One HD") is None
    assert known.find("One HD", "One.de") == Channel("one", ("entertainment",))
    assert known.find("One (CA)", "One.de") == Channel("one", ("lifestyle",))
    assert known.find("Something else", "Two.uk") == Channel("two", ("news",))
    assert known.find("Two", "One.de") == Channel("two", ("news",))
    assert known.find() is None


def test_own_channels_go_before_the_list_in_every_country(tmp_path, shipped):
    own = read(tmp_path, ("Fox HD", "Movies; Series"), ("My Church TV", " religious ;religious"), ("MTV", ""))
    merged = shipped.merged(own)
    assert merged.categories_of("FOX") == merged.categories_of("Fox.us") == ("movies", "series")
    assert merged.categories_of("My Church") == ("religious",)
    assert merged.find("MTV") == Channel("mtv", ())
    assert merged.categories_of("Eurosport") == ("sports",)
    assert shipped.match("My Church") is None


@pytest.mark.parametrize(
    ("name", "categories"),
    [
        ("Sky Sports F1 HD", ("sports",)),
        ("BBC News", ("news",)),
        ("KiKA", ("kids",)),
        ("Nickelodeon USA - East Feed", ("kids",)),
        ("Animal Planet Hindi", ("documentary",)),
        ("QVC", ("shop",)),
        ("CANAL+ Sport 4 HD", ("sports",)),
        ("アニマルプラネット", ("documentary",)),
        ("CineLatino.us", ("movies",)),
        ("Channel 4", ()),  # general
        ("Channel 4+1", ()),
        ("TV 5", ()),
        ("Das Erste", ()),
        ("RTL 2", ()),
        ("One", ()),  # of several countries, which differ
        ("Something that no list has", ()),
    ],
)
def test_categories_of_real_channels(shipped, name, categories):
    assert shipped.categories_of(name) == categories


def test_the_shipped_list_is_sorted_small_and_of_known_categories(shipped):
    path = files.shipped("data/channels.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    assert rows == sorted(set(rows))
    assert len({row[:2] for row in rows}) == len(rows) == len(shipped)
    assert path.stat().st_size < 500_000
    categories = {category for row in rows for category in row[2].split(";")}
    assert categories <= {"", "general", "public", "interactive", "xxx"} | {
        *("animation", "auto", "business", "classic", "comedy", "cooking", "culture", "documentary", "education"),
        *("entertainment", "family", "kids", "legislative", "lifestyle", "movies", "music", "news", "outdoor"),
        *("relax", "religious", "science", "series", "shop", "sports", "travel", "weather"),
    }


def test_an_own_list_is_read_from_any_table(tmp_path):
    path = tmp_path / "my.jsonl"
    path.write_text('{"name": "Kanal Süd", "categories": "news"}\n{"name": "Süd 2", "categories": null}\n')
    assert ChannelList.read(path).find("Kanal Sud HD") == Channel("kanal sud", ("news",))
    assert ChannelList.read(path).find("Sud 2") == Channel("sud 2", ())


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (("", "news"), "name must have a letter or a digit. Got ''. Fill it, or remove the row."),
        (("!?", "news"), "name must have a letter or a digit. Got '!?'. Fill it, or remove the row."),
        (("A" * 201, "news"), "name must have at most 200 characters. Got 201. Shorten it."),
        (
            ("one TV HD", "sports"),
            (
                "name must have the categories that it has in line 2. Got 'one TV HD' with others. Make them alike, "
                "or remove one."
            ),
        ),
    ],
)
def test_bad_rows_are_named_with_their_line(tmp_path, row, sentence):
    with pytest.raises(InputError) as caught:
        read(tmp_path, ("One TV", "news"), row)
    assert str(caught.value) == f"{tmp_path / 'my.csv'}:3: {sentence}"


def test_names_that_are_not_text_or_not_utf8_are_named(tmp_path):
    path = tmp_path / "my.jsonl"
    path.write_text('{"name": 5, "categories": "news"}\n')
    with pytest.raises(InputError, match=r"my.jsonl:1: name must be text. Got 5. Put it in quotes."):
        ChannelList.read(path)
    path = tmp_path / "my.csv"
    path.write_bytes(b"name,categories\nS\xfcd,news\n")
    with pytest.raises(InputError, match=r"my.csv:2: name must be UTF-8. Got other bytes. Save the file as UTF-8."):
        ChannelList.read(path)


def test_a_missing_column_or_file_is_refused(tmp_path):
    path = write_csv(tmp_path / "my.csv", [("One",)], ("name",))
    with pytest.raises(InputError, match=r"must have the columns name, categories. Got name."):
        ChannelList.read(path)
    with pytest.raises(InputError, match=r": no such file. Check the path."):
        ChannelList.read(tmp_path / "no.csv")


def test_the_list_is_read_without_the_heavy_packages():
    code = "import sys; from titleclf.runtime.text.channels import *; ChannelList.shipped(); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"torch", "pandas", "sklearn", "hydra", "numpy"} & set(modules)
