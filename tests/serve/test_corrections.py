"""Corrections: one CSV file for the service, `epg fill` and an editor; confirmed ones survive a crash."""

import asyncio
import csv
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.service import error_sentence, metric, serving, wait_for
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
    """Apply corrections one by one; a category of None withdraws one."""
    corrections = Corrections(path, CATEGORIES)

    async def correct() -> None:
        for title, category in pairs:
            await (corrections.withdraw(title) if category is None else corrections.correct(title, category))

    asyncio.run(correct())
    return corrections


def test_the_first_correction_creates_a_file_that_epg_fill_reads(path):
    assert len(Corrections(path, CATEGORIES)) == 0
    assert not path.exists()
    corrections = corrected(path, ("Heat", Genre.movie), (' "Quoted", \n twice ', Genre.news), ("日本沈没", ""))
    assert rows(path) == [
        ["title", "category"],
        ["Heat", "Movie / Drama"],
        ['"Quoted", twice', "News / Current affairs"],
        ["日本沈没", ""],
    ]
    assert Overrides.read(path, CATEGORIES).titles == corrections.overrides.titles
    assert (len(corrections), corrections.revision) == (3, 3)


def test_a_later_correction_replaces_an_earlier_one(path):
    corrected(path, ("Heat", Genre.movie), ("Other", Genre.news), ("HEAT (1995)", Genre.sports))
    assert rows(path)[1:] == [["Heat", "Sports"], ["Other", "News / Current affairs"]]
    corrected(path, ("heat", None))
    assert rows(path)[1:] == [["Other", "News / Current affairs"]]


def test_patterns_and_other_columns_are_preserved(path):
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


def test_rows_for_some_channels_are_preserved(path):
    header = ["title", "channel", "category"]
    kept = [["Heat", "Sky*", "Sports"], ["", "Sky*", "Sports"]]
    path.write_text("\n".join(map(",".join, [header, *kept])) + "\n", encoding="utf-8")
    corrections = corrected(path, ("Heat", Genre.movie), ("New", Genre.news))
    assert rows(path) == [header, *kept, ["Heat", "", "Movie / Drama"], ["New", "", "News / Current affairs"]]
    assert len(corrections) == 4
    corrected(path, ("heat", None), ("New", None))
    assert rows(path) == [header, *kept]
    with pytest.raises(Refused, match=r"title must have a correction\. Got 'Heat'"):
        corrected(path, ("Heat", None))


def test_a_file_of_channels_gets_a_column_for_titles(path):
    path.write_text("channel,category\nSky*,Sports\n", encoding="utf-8")
    corrected(path, ("Heat", Genre.movie))
    assert rows(path) == [["channel", "category", "title"], ["Sky*", "Sports", ""], ["", "Movie / Drama", "Heat"]]


def test_a_file_of_patterns_gets_a_column_for_titles(path):
    path.write_text("pattern,category\nNFL *,Sports\n", encoding="utf-8")
    corrected(path, ("Heat", Genre.movie))
    assert rows(path) == [["pattern", "category", "title"], ["NFL *", "Sports", ""], ["", "Movie / Drama", "Heat"]]


def test_edits_of_the_file_take_effect_and_are_not_overwritten(path):
    corrections = corrected(path, ("Heat", Genre.movie))
    path.write_text("title,category\nHeat,Sports\nOther,Sports\n", encoding="utf-8")
    asyncio.run(corrections.correct("New", Genre.news))
    assert [row[0] for row in rows(path)[1:]] == ["Heat", "Other", "New"]
    path.write_text("title,category\nHeat,Leisure hobbies\n", encoding="utf-8")
    corrections.read()
    assert corrections.overrides.find(["Heat"])["Heat"].category == "Leisure hobbies"
    path.unlink()
    corrections.read()
    assert len(corrections) == 0


def test_a_broken_file_is_not_changed_and_the_last_good_rows_stay_in_effect(path):
    corrections = corrected(path, ("Heat", Genre.movie))
    path.write_text("title,category\nHeat,no such thing\n", encoding="utf-8")
    corrections.read()
    assert (corrections.problem or "").startswith(f"{path}:2: category must be empty or one of ")
    assert corrections.overrides.find(["Heat"])["Heat"].category == Genre.movie
    with pytest.raises(Refused) as caught:
        asyncio.run(corrections.correct("New", Genre.news))
    assert (caught.value.status_code, caught.value.detail) == (409, corrections.problem)
    assert rows(path)[1:] == [["Heat", "no such thing"]]
    path.write_text("title,category\nHeat,Sports\n", encoding="utf-8")
    asyncio.run(corrections.correct("New", Genre.news))
    assert corrections.problem is None


def test_a_file_that_is_broken_at_the_start_is_refused(path):
    path.write_text("title,category\nHeat,no such thing\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"my\.csv:2: category must be empty or one of "):
        Corrections(path, CATEGORIES)


def test_a_file_in_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        Corrections(tmp_path / "gone" / "my.csv", CATEGORIES)
    assert str(caught.value) == f"{tmp_path / 'gone'}: no such folder. Create it, or check the path."


def test_other_file_types_are_refused(tmp_path):
    path = tmp_path / "my.tsv"
    with pytest.raises(InputError) as caught:
        Corrections(path, CATEGORIES)
    assert str(caught.value) == f"--overrides must be a .csv file. Got {path}. Convert or rename it."


@pytest.mark.parametrize(
    ("title", "category", "status", "expected"),
    [
        (" \n", Genre.news, 422, r"title must not be blank. Got ' \n'. Name the title to correct."),
        ("Heat", None, 404, "title must have a correction. Got 'Heat'. Reload the page."),
        ("Heat", "Film", 422, f"category must be empty or one of {'; '.join(Genre)}. Got Film. Copy one of these."),
    ],
)
def test_invalid_corrections_are_refused(path, title, category, status, expected):
    with pytest.raises(Refused) as caught:
        corrected(path, (title, category))
    assert (caught.value.status_code, caught.value.detail) == (status, expected)
    assert not path.exists()


def test_a_full_disk_and_an_unreadable_file_are_reported(path, monkeypatch):
    corrections = corrected(path, ("Heat", Genre.movie))

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(Refused) as caught:
            asyncio.run(corrections.correct("New", Genre.news))
    assert (caught.value.status_code, caught.value.detail) == (
        503,
        f"{path} must be writable. Got: No space left on device. Check permissions and free space.",
    )
    assert rows(path)[1:] == [["Heat", "Movie / Drama"]]
    path.write_text("title,category\n", encoding="utf-8")
    monkeypatch.setattr(Overrides, "read", fail)
    corrections.read()
    assert corrections.problem == f"{path} must be readable. Got: No space left on device. Check permissions."
    assert len(corrections) == 1


def test_concurrent_corrections_are_all_kept(path):
    corrections = Corrections(path, CATEGORIES)

    async def correct() -> None:
        await asyncio.gather(*(corrections.correct(f"Title number {letter}", Genre.news) for letter in "abcdefgh"))

    asyncio.run(correct())
    assert len(rows(path)) == 9


_WRITER = """
import asyncio, sys
from pathlib import Path
from titleclf.serve.corrections import Corrections

async def main():
    corrections = Corrections(Path(sys.argv[1]), ["News", "Sports"])
    for number in range(int(sys.argv[2]), 100_000):
        title = "".join("abcdefghij"[int(digit)] for digit in str(number))
        await corrections.correct(title, "News")
        print(title, flush=True)

asyncio.run(main())
"""


def test_a_crash_loses_no_confirmed_correction(path):
    confirmed: set[str] = set()
    for crash in range(4):
        arguments = [sys.executable, "-c", _WRITER, str(path), str(1 + 1000 * crash)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout
            for _ in range(10 + 7 * crash):
                confirmed.add(writer.stdout.readline().strip())
            writer.send_signal(signal.SIGKILL)
            confirmed.update(line.strip() for line in writer.stdout if line.endswith("\n"))
        overrides = Overrides.read(path, ["News", "Sports"])
        assert confirmed <= set(overrides.titles)
        assert (
            len(overrides.titles) <= len(confirmed) + crash + 1
        )  # each crash may have hit one before it was confirmed
    assert len(confirmed) >= 10 + 17 + 24 + 31


def test_a_correction_is_synced_before_it_is_confirmed(path, monkeypatch):
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    corrected(path, ("Heat", Genre.movie))
    file, folder = synced
    assert (file.parent, folder) == (path.parent, path.parent)  # the content, then its name


def test_corrections_over_http(tmp_path):
    path = tmp_path / "overrides.csv"
    path.write_text("pattern,channel,category\nNFL *,,Sports\n,Sky*,Sports\n", encoding="utf-8")
    with serving(tmp_path) as client:
        assert client.post("/api/corrections", json={"title": "Heat", "category": Genre.movie}).json() == {
            "title": "Heat",
            "category": "Movie / Drama",
            "revision": 2,
        }
        listed = client.get("/api/corrections").json()
        assert listed["corrections"] == [{"title": "Heat", "category": "Movie / Drama"}]
        assert listed["patterns"] == [{"pattern": "NFL *", "category": "Sports"}]
        assert listed["channels"] == [{"title": "", "pattern": "", "channel": "Sky*", "category": "Sports"}]
        programmes = [{"title": "Qwertz", "channel": channel} for channel in ("sky one", "BBC One")]
        predicted = client.post("/api/predict", json={"programmes": programmes}).json()["predictions"]
        assert [row["correction"] for row in predicted] == [{"text": "Sky*", "category": "Sports"}, None]
        table = client.get("/corrections.csv")
        assert table.headers["content-disposition"].startswith('attachment; filename="corrections.csv"')
        (tmp_path / "again.csv").write_bytes(table.content)
        overrides = Overrides.read(tmp_path / "again.csv", CATEGORIES)
        assert overrides.find(["nfl x", "HEAT"]).keys() == {"nfl x", "HEAT"}
        assert overrides.covers(("sky one",))
        for body in ({"title": "x" * 1001, "category": ""}, {"title": "a"}, {"category": ""}):
            assert error_sentence(client.post("/api/corrections", json=body), 422)
        path.write_text("title,category\nOther,Leisure hobbies\n", encoding="utf-8")
        wait_for(lambda: client.get("/api/corrections").json()["corrections"][0]["title"] == "Other")
        assert client.delete("/api/corrections", params={"title": "other"}).json()["revision"] == 4
        assert client.get("/api/corrections").json()["corrections"] == []
        path.write_text("title\n", encoding="utf-8")
        health = wait_for(lambda: degraded(client))
        assert health["problems"][0].startswith(f"{path}")
        assert metric(client, "titleclf_corrections_readable") == 0


def degraded(client) -> dict[str, Any] | None:
    health = client.get("/health").json()
    return health if health["status"] == "degraded" else None
