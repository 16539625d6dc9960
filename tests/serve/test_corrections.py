"""Corrections: one CSV for the service, `epg fill` and an editor; what was confirmed survives a crash."""

import asyncio
import csv
import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.service import sentence, serving, wait_for
from titleclf.epg.genres import Genre
from titleclf.epg.overrides import Overrides
from titleclf.runtime.errors import InputError
from titleclf.serve.corrections import Corrections
from titleclf.serve.security import Refused

CATEGORIES = list(Genre)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "my.csv"


def rows(path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def corrected(path, *pairs: tuple[str, str | None]) -> Corrections:
    """Correct titles one after the other (None: take back), and return what was asked."""
    found = Corrections(path, CATEGORIES)

    async def correct() -> None:
        for title, category in pairs:
            await (found.withdraw(title) if category is None else found.correct(title, category))

    asyncio.run(correct())
    return found


def test_the_file_is_made_with_the_first_one_and_epg_fill_reads_it(path):
    assert len(Corrections(path, CATEGORIES)) == 0
    assert not path.exists()
    found = corrected(path, ("Heat", Genre.movie), (' "Quoted", \n twice ', Genre.news), ("日本沈没", ""))
    assert rows(path) == [
        ["title", "category"],
        ["Heat", "Movie / Drama"],
        ['"Quoted", twice', "News / Current affairs"],
        ["日本沈没", ""],
    ]
    assert Overrides.read(path, CATEGORIES).titles == found.overrides.titles
    assert (len(found), found.revision) == (3, 3)


def test_a_later_correction_takes_the_place_of_an_earlier_one(path):
    corrected(path, ("Heat", Genre.movie), ("Other", Genre.news), ("HEAT (1995)", Genre.sports))
    assert rows(path)[1:] == [["Heat", "Sports"], ["Other", "News / Current affairs"]]
    corrected(path, ("heat", None))
    assert rows(path)[1:] == [["Other", "News / Current affairs"]]


def test_what_the_user_has_in_the_file_stays(path):
    path.write_bytes(
        "\ufeffnote,pattern,category,title\r\nmine,NFL *,Sports,\r\n,,Sports,Heat\r\n,,Sports,heat\r\n".encode()
    )
    corrected(path, ("Heat", Genre.movie), ("New", Genre.news))
    assert rows(path) == [
        ["note", "pattern", "category", "title"],
        ["mine", "NFL *", "Sports", ""],
        ["", "", "Movie / Drama", "Heat"],
        ["", "", "News / Current affairs", "New"],
    ]


def test_a_file_of_patterns_gets_a_column_for_titles(path):
    path.write_text("pattern,category\nNFL *,Sports\n", encoding="utf-8")
    corrected(path, ("Heat", Genre.movie))
    assert rows(path) == [["pattern", "category", "title"], ["NFL *", "Sports", ""], ["", "Movie / Drama", "Heat"]]


def test_a_file_that_is_edited_acts_at_once_and_what_was_edited_is_not_overwritten(path):
    found = corrected(path, ("Heat", Genre.movie))
    path.write_text("title,category\nHeat,Sports\nOther,Sports\n", encoding="utf-8")
    asyncio.run(found.correct("New", Genre.news))
    assert [row[0] for row in rows(path)[1:]] == ["Heat", "Other", "New"]
    path.write_text("title,category\nHeat,Leisure hobbies\n", encoding="utf-8")
    found.read()
    assert found.overrides.find(["Heat"])["Heat"].category == "Leisure hobbies"
    path.unlink()
    found.read()
    assert len(found) == 0


def test_a_file_that_has_become_broken_is_left_alone_and_the_last_good_one_acts(path):
    found = corrected(path, ("Heat", Genre.movie))
    path.write_text("title,category\nHeat,no such thing\n", encoding="utf-8")
    found.read()
    assert found.problem.startswith(f"{path}:2: category must be empty or one of ")
    assert found.overrides.find(["Heat"])["Heat"].category == Genre.movie
    with pytest.raises(Refused) as caught:
        asyncio.run(found.correct("New", Genre.news))
    assert (caught.value.status_code, caught.value.detail) == (409, found.problem)
    assert rows(path)[1:] == [["Heat", "no such thing"]]
    path.write_text("title,category\nHeat,Sports\n", encoding="utf-8")
    asyncio.run(found.correct("New", Genre.news))
    assert found.problem is None


def test_a_file_that_is_broken_at_the_start_or_no_csv_is_refused(path, tmp_path):
    path.write_text("title,category\nHeat,no such thing\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"my\.csv:2: category must be empty or one of "):
        Corrections(path, CATEGORIES)
    with pytest.raises(InputError) as caught:
        Corrections(tmp_path / "my.tsv", CATEGORIES)
    assert str(caught.value) == f"--overrides must be a .csv. Got {tmp_path / 'my.tsv'}. Convert or rename it."


@pytest.mark.parametrize(
    ("title", "category", "status", "said"),
    [
        (" \n", Genre.news, 422, "title must have characters. Got none. Name the title to correct."),
        ("Heat", None, 404, "title must be one that was corrected. Got 'Heat'. Reload the page."),
        (
            *("Heat", "Film", 422),
            f"category must be empty or one of {'; '.join(Genre)}. Got Film. Write it as it stands there.",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(path, title, category, status, said):
    with pytest.raises(Refused) as caught:
        corrected(path, (title, category))
    assert (caught.value.status_code, caught.value.detail) == (status, said)
    assert not path.exists()


def test_a_disk_that_is_full_or_a_file_that_is_closed_is_told_of(path, monkeypatch):
    found = corrected(path, ("Heat", Genre.movie))

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(Refused) as caught:
            asyncio.run(found.correct("New", Genre.news))
    assert (caught.value.status_code, caught.value.detail) == (
        503,
        f"{path} must be writable. Got: No space left on device. Check permissions and free space.",
    )
    assert rows(path)[1:] == [["Heat", "Movie / Drama"]]
    path.write_text("title,category\n", encoding="utf-8")
    monkeypatch.setattr(Overrides, "read", refuse)
    found.read()
    assert found.problem == f"{path} must be readable. Got: No space left on device. Check permissions."
    assert len(found) == 1


def test_many_at_once_are_all_kept(path):
    found = Corrections(path, CATEGORIES)

    async def correct() -> None:
        await asyncio.gather(*(found.correct(f"Title number {'abcdefgh'[n]}", Genre.news) for n in range(8)))

    asyncio.run(correct())
    assert len(rows(path)) == 9


_WRITER = """
import asyncio, sys
from pathlib import Path
from titleclf.serve.corrections import Corrections

async def main():
    found = Corrections(Path(sys.argv[1]), ["News", "Sports"])
    for number in range(int(sys.argv[2]), 100_000):
        title = "".join("abcdefghij"[int(digit)] for digit in str(number))
        await found.correct(title, "News")
        print(title, flush=True)

asyncio.run(main())
"""


def test_a_crash_loses_nothing_that_was_confirmed(path):
    told: set[str] = set()
    for round_ in range(4):
        arguments = [sys.executable, "-c", _WRITER, str(path), str(1 + 1000 * round_)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as writer:
            for _ in range(10 + 7 * round_):
                told.add(writer.stdout.readline().strip())
            writer.send_signal(signal.SIGKILL)
            told.update(line.strip() for line in writer.stdout if line.endswith("\n"))
        found = Overrides.read(path, ["News", "Sports"])
        assert told <= set(found.titles)
        assert len(found.titles) <= len(told) + round_ + 1  # the last one may have been written and not told
    assert len(told) >= 10 + 17 + 24 + 31


def test_they_are_on_the_disk_before_they_are_confirmed(path, monkeypatch):
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(Path(f"/proc/self/fd/{handle}").readlink()))
    corrected(path, ("Heat", Genre.movie))
    file, folder = synced
    assert (file.parent, folder) == (path.parent, path.parent)  # the content, and then its name


def test_the_routes_take_list_and_withdraw_them(tmp_path):
    (tmp_path / "overrides.csv").write_text("pattern,category\nNFL *,Sports\n", encoding="utf-8")
    with serving(tmp_path) as client:
        assert client.post("/api/corrections", json={"title": "Heat", "category": Genre.movie}).json() == {
            "title": "Heat",
            "category": "Movie / Drama",
            "revision": 2,
        }
        found = client.get("/api/corrections").json()
        assert found["corrections"] == [{"title": "Heat", "category": "Movie / Drama"}]
        assert found["patterns"] == [{"pattern": "NFL *", "category": "Sports"}]
        table = client.get("/corrections.csv")
        assert table.headers["content-disposition"].startswith('attachment; filename="corrections.csv"')
        (tmp_path / "again.csv").write_bytes(table.content)
        assert Overrides.read(tmp_path / "again.csv", CATEGORIES).find(["nfl x", "HEAT"]).keys() == {"nfl x", "HEAT"}
        for body in ({"title": "x" * 1001, "category": ""}, {"title": "a"}, {"category": ""}):
            assert sentence(client.post("/api/corrections", json=body), 422)
        (tmp_path / "overrides.csv").write_text("title,category\nOther,Leisure hobbies\n", encoding="utf-8")
        wait_for(lambda: client.get("/api/corrections").json()["corrections"][0]["title"] == "Other")
        assert client.delete("/api/corrections", params={"title": "other"}).json()["revision"] == 4
        assert client.get("/api/corrections").json()["corrections"] == []
        (tmp_path / "overrides.csv").write_text("title\n", encoding="utf-8")
        wait_for(lambda: client.get("/health").json()["status"] == "degraded")
        assert json.loads(client.get("/health").text)["problems"][0].endswith("or name the columns to read.")
        assert "titleclf_corrections_readable 0\n" in client.get("/metrics").text
