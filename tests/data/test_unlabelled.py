import gzip
import json
import tracemalloc

import pandas as pd
import pytest

from tests.helpers.titles import rows, write_csv
from titleclf.config.schemas import CharactersConfig
from titleclf.data.unlabelled import Unlabelled, sample_titles
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import shipped
from titleclf.runtime.tables import read_records

TITLES = [title for title, _, _ in rows()]
AS_READ = CharactersConfig(casefold=False, min_count=1)
WRITTEN = ["Tagesschau", "", "x", "Sky, News", "  ", "日本", "a ", " Later... "]
KEPT = ["Tagesschau", "Sky, News", "日本", " Later... "]


def write(folder, name: str, titles: list[str], column: str = "title"):
    """Write titles in the format that the name implies, and return the path."""
    path = folder / name
    match name.removesuffix(".gz").rpartition(".")[2]:
        case "txt":
            text = "".join(f"{title}\n" for title in titles)
        case "csv" | "tsv" as ending:
            pd.DataFrame({"number": range(len(titles)), column: titles}).to_csv(
                path, sep="," if ending == "csv" else "\t", index=False
            )
            return path
        case "jsonl":
            text = "".join(json.dumps({column: title, "n": 1}, ensure_ascii=False) + "\n" for title in titles)
        case "parquet":
            pd.DataFrame({column: titles}).to_parquet(path)
            return path
    data = text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize(
    "name", ["t.txt", "t.TXT.GZ", "t.txt.gz", "t.csv", "t.csv.gz", "t.tsv", "t.jsonl", "t.jsonl.gz", "t.parquet"]
)
def test_titles_that_are_long_enough_are_read_from_every_format(tmp_path, name):
    if name.endswith(".GZ"):
        write(tmp_path, name.lower(), WRITTEN).rename(tmp_path / name)
    else:
        write(tmp_path, name, WRITTEN)
    titles = Unlabelled(str(tmp_path / name), "title")
    assert list(titles) == KEPT
    assert list(titles) == KEPT  # read again


def test_titles_may_be_in_any_column(tmp_path):
    for name in ("t.csv", "t.jsonl", "t.parquet"):
        assert list(Unlabelled(str(write(tmp_path, name, WRITTEN, "Name")), "Name")) == KEPT


def test_line_endings_of_every_system_are_read_and_a_byte_order_mark_is_skipped(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes("\N{ZERO WIDTH NO-BREAK SPACE}Heute\r\nNews\u2028night\rLive\n\r\nLast".encode())
    assert list(Unlabelled(str(path), "title")) == ["Heute", "News\u2028night", "Live", "Last"]
    path.with_suffix(".txt.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert next(iter(Unlabelled(f"{path}.gz", "title"))) == "Heute"


def test_a_pattern_reads_files_of_all_formats_in_sorted_order(tmp_path):
    write(tmp_path, "b.txt", ["second"])
    write(tmp_path, "c.jsonl", ["third"])
    write(tmp_path, "a.csv", ["first"])
    assert list(Unlabelled(str(tmp_path / "*"), "title")) == ["first", "second", "third"]


@pytest.mark.parametrize("column", ["title", "Name"])
def test_the_shipped_titles_are_those_of_the_package(column):
    written = [record.cells["title"] for record in read_records(shipped("data/titles.csv"), ["title"])]
    assert list(Unlabelled("shipped", column)) == [title for title in written if len(title.strip()) > 1]


def test_parts_hold_all_titles_in_order(tmp_path):
    titles = Unlabelled(str(write(tmp_path, "t.txt", ["", *TITLES])), "title")
    parts = list(titles.parts(20))
    assert [len(part) for part in parts] == [20, 20, 10]
    assert [title for part in parts for title in part] == TITLES
    assert [len(part) for part in titles.parts(25)] == [25, 25]
    assert [len(part) for part in titles.parts(99)] == [50]


def test_a_survey_has_the_alphabet_and_the_number_of_titles(tmp_path):
    titles = Unlabelled(str(write(tmp_path, "t.txt", ["ab b", "é", "baC "])), "title")
    survey = titles.survey(AS_READ, boundary=True)
    assert survey.titles == 2
    assert (survey.characters.known, survey.characters.length) == ("Cab", 4 + 2)
    assert (survey.characters.casefold, survey.characters.boundary) == (False, True)
    folded = titles.survey(CharactersConfig(casefold=True, min_count=2), boundary=False).characters
    assert (folded.known, folded.length) == ("ab", 4)


def test_a_fingerprint_depends_on_the_titles_and_not_on_their_file(tmp_path):
    def fingerprint(name: str, titles: list[str]) -> str:
        return Unlabelled(str(write(tmp_path, name, titles)), "title").survey(AS_READ, boundary=True).fingerprint

    first = fingerprint("a.txt", TITLES)
    assert first == fingerprint("b.jsonl", ["", *TITLES])
    changed = [TITLES[:-1], [*TITLES, "New"], [*TITLES[:-1], TITLES[-1] + "x"], TITLES[::-1]]
    assert len({first, *(fingerprint("c.txt", titles) for titles in changed)}) == 1 + len(changed)


@pytest.mark.parametrize(("longest", "length"), [(199, 199), (200, 200), (201, 200), (5000, 200)])
def test_an_overlong_title_does_not_set_the_length_of_all_titles(tmp_path, longest, length):
    path = write(tmp_path, "t.txt", ["Tagesschau", "x" * longest])
    characters = Unlabelled(str(path), "title").survey(AS_READ, boundary=True).characters
    assert characters.length == length + 2
    assert characters.batch(["x" * longest]).ids.shape[1] == length + 2
    assert characters.count_truncated(["x" * longest]) == (longest > 200)


@pytest.mark.parametrize("name", ["t.txt", "t.csv"])
def test_a_file_may_be_larger_than_memory(tmp_path, name):
    count = 12_000
    path = write(tmp_path, name, [f"{number} {'Match of the Day' * 12}" for number in range(count)])
    titles = Unlabelled(str(path), "title")
    next(iter(titles))  # imports on the way don't count
    tracemalloc.start()
    survey = titles.survey(AS_READ, boundary=True)
    assert sum(len(part) for part in titles.parts(100)) == survey.titles == count
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < path.stat().st_size / 8


BAD_CSV = b"number,title\n1,\n2,Heute\n"
TRUNCATED = gzip.compress("".join(f"Folge {number}\n" for number in range(999)).encode())[:-99]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("none.txt", None, "{}: no such file. Check the path."),
        ("none.csv", None, "{}: no such file. Check the path."),
        ("none.parquet", None, "{}: no such file. Check the path."),
        ("*.txt", None, "{} must match one file or more. Got none. Check the pattern."),
        ("empty.txt", b"", "{} must have titles of two characters or more. Got none. Name another file."),
        ("short.csv", b"title\nx\n", "{} must have titles of two characters or more. Got none. Name another file."),
        ("t.xml", b"<a/>", "{} must be one of .txt, .csv, .tsv, .jsonl (also with .gz), .parquet. Got .xml."),
        ("t.txt", b"Heute\nF\xfcnf\n", "{}:2: must be UTF-8. Got other bytes. Convert it, for example with iconv."),
        ("t.txt", "Heute\n".encode("utf-16"), "{}:1: must be UTF-8. Got other bytes. Convert it, for example with"),
        ("t.csv", BAD_CSV + b"3,F\xfcnf\n", "{}:4: title must be UTF-8. Got other bytes. Save the file as UTF-8."),
        (
            "t.csv",
            BAD_CSV + b"3,a,b\n",
            "{}:4: must have 2 cells, like the first line. Got 3. Quote cells that contain the delimiter.",
        ),
        ("t.csv", BAD_CSV + b'3,"a\n', "{}:4: must be well-formed CSV. Got: unexpected end of data. Check the quotes."),
        ("t.tsv", b"Title\nHeute\n", "{} must have the column title. Got Title. Rename yours."),
        ("t.jsonl", b'{"title": "ab"}\n{"title": 24}\n', "{}:2: title must be text. Got 24. Put it in quotes."),
        ("t.jsonl", b'{"title": "ab"}\n{"title', "{}:2: must be one JSON object with the key title. Got "),
        ("t.jsonl", b'{"name": "ab"}\n', '{}:1: must be one JSON object with the key title. Got {{"name": "ab"}}.'),
        ("t.jsonl", rb'{"title": "\ud800ab"}', "{}:1: title must be UTF-8. Got other bytes. Save the file as UTF-8."),
        (
            "t.txt.gz",
            TRUNCATED,
            "{} must be a complete gzip file. Got a damaged or truncated one.",
        ),
        (
            "t.txt.gz",
            b"Heute\n",
            "{} must be a complete gzip file. Got another kind of file. Download or",
        ),
        ("t.parquet", b"Heute\n", "{} must be a Parquet file. Got: "),
    ],
)
def test_an_unreadable_file_is_a_single_sentence(tmp_path, name, content, sentence):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        Unlabelled(str(path), "title").survey(AS_READ, boundary=True)
    assert str(caught.value).startswith(sentence.format(path))
    assert len(str(caught.value).splitlines()) == 1


def test_a_table_without_the_column_and_a_folder_are_refused(tmp_path):
    path = write_csv(tmp_path / "t.csv", rows())
    with pytest.raises(InputError, match=r"must have the column name. Got title, category, lang. Rename yours."):
        list(Unlabelled(str(path), "name"))
    (tmp_path / "f.txt").mkdir()
    with pytest.raises(InputError, match=r"f.txt must be a file. Got a folder. Name a file in it."):
        list(Unlabelled(str(tmp_path / "f.txt"), "title"))


def test_the_sample_is_fixed_and_half_of_it_is_noisy(tmp_path):
    titles = sorted({*TITLES})
    path = str(write(tmp_path, "t.csv", titles))
    sample = sample_titles(path)
    assert sample == sample_titles(path)
    assert len(sample) == len(titles) == 50
    clean = sample[24:]  # two quarters, rounded down, are noisy
    assert len({*clean} & {*titles}) == len(clean)
    assert clean != sorted(clean)
    assert len({*sample[:24]} - {*titles}) > 20


@pytest.mark.parametrize("titles", [["Tagesschau"], ["Tagesschau", "Newsnight", "Swan Lake"]])
def test_a_sample_of_fewer_than_four_titles_is_clean(tmp_path, titles):
    assert sorted(sample_titles(str(write(tmp_path, "t.txt", titles)))) == sorted(titles)


def test_ten_thousand_titles_are_drawn_from_the_whole_file(tmp_path):
    sample = sample_titles(str(write(tmp_path, "t.txt", [f"Title {number}" for number in range(30_000)])))
    assert len(sample) == 10_000
    clean = [int(title.split()[1]) for title in sample[5_000:]]
    assert len({*clean}) == 5_000
    assert 14_000 < sum(clean) / len(clean) < 16_000
    assert len(sample_titles("shipped")) == 10_000


def test_a_sample_of_no_titles_is_refused(tmp_path):
    path = write(tmp_path, "t.txt", ["", "x"])
    with pytest.raises(InputError) as caught:
        sample_titles(str(path))
    assert str(caught.value) == f"{path} must have titles of two characters or more. Got none. Name another file."
