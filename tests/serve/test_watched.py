"""Guides on the disk that are served filled, whatever becomes of them."""

import gzip
import os
import shutil
import time
from pathlib import Path

import pytest

from tests.helpers.guides import guide, programme
from tests.helpers.service import sentence, serving, wait_for
from titleclf.epg.fill import When
from titleclf.runtime.errors import InputError
from titleclf.serve.guides import Options
from titleclf.serve.watched import check_names

FIRST, SECOND = guide(programme()), guide(programme(), programme(title="<title>Tagesschau</title>"))
FILLED = FIRST.replace("</title>", "</title><category>Sports</category>")


@pytest.fixture
def path(tmp_path):
    (tmp_path / "my guide.xml.gz").write_bytes(gzip.compress(FIRST.encode()))
    return tmp_path / "my guide.xml.gz"


@pytest.fixture
def client(tmp_path, path):
    with serving(tmp_path, watch=[path]) as client:
        wait_for(lambda: client.get(URL).status_code == 200)
        yield client


URL = "/guides/my guide.xml"


def replace(path, content: bytes) -> None:
    """Do what grabbers do that know their trade."""
    (path.parent / "new").write_bytes(content)
    (path.parent / "new").replace(path)


def state_of(client):
    health = client.get("/health").json()
    return health["status"], health["watched"][0]


def test_a_guide_is_served_plain_packed_on_its_way_or_as_a_file(client):
    plain = client.get(URL, headers={"Accept-Encoding": "identity"})
    assert (plain.text, plain.headers["content-type"]) == (FILLED, "application/xml")
    assert "content-encoding" not in plain.headers
    packed = client.get(URL, headers={"Accept-Encoding": "gzip, deflate"})
    assert (packed.text, packed.headers["content-encoding"]) == (FILLED, "gzip")
    file = client.get(f"{URL}.gz")
    assert (gzip.decompress(file.content).decode(), file.headers["content-type"]) == (FILLED, "application/gzip")
    assert "content-encoding" not in file.headers
    assert {plain.headers["vary"], packed.headers["vary"]} == {"Accept-Encoding"}
    assert plain.headers["etag"] != packed.headers["etag"]


def test_a_player_that_has_it_already_is_told_so(client):
    found = client.get(URL)
    for name, value in (
        ("If-None-Match", found.headers["etag"]),
        ("If-None-Match", f'"other", W/{found.headers["etag"]}'),
        ("If-None-Match", "*"),
        ("If-Modified-Since", found.headers["last-modified"]),
    ):
        again = client.get(URL, headers={name: value})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == found.headers["etag"]
    for name, value in (
        ("If-None-Match", '"other"'),
        ("If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("If-Modified-Since", "no date"),
    ):
        assert client.get(URL, headers={name: value}).text == FILLED
    head = client.head(URL)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", found.headers["etag"])


def test_it_is_filled_again_when_it_changes(client, path):
    tag = client.get(URL).headers["etag"]
    replace(path, gzip.compress(SECOND.encode()))
    wait_for(lambda: client.get(URL).headers["etag"] != tag)
    assert client.get(URL).text.count("<category>") == 2
    assert state_of(client)[0] == "ok"


def test_what_is_the_same_again_costs_players_nothing(client, path):
    found = client.get(URL)
    filled_at = state_of(client)[1]["filled_at"]
    replace(path, gzip.compress(FIRST.encode(), mtime=1))
    wait_for(lambda: state_of(client)[1]["filled_at"] != filled_at)
    again = client.get(URL)
    assert (again.headers["etag"], again.headers["last-modified"]) == (
        found.headers["etag"],
        found.headers["last-modified"],
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (gzip.compress(SECOND.encode())[:100], "my guide.xml.gz must be whole. Got: "),
        (b"<html/>", "my guide.xml.gz must be an XMLTV guide. Got <html> in place of <tv>. Name a guide."),
        (None, "my guide.xml.gz must be a file that can be read. Got: No such file or directory. Check the path."),
    ],
)
def test_the_last_good_one_stays_when_a_new_one_is_broken(client, path, content, problem):
    path.unlink()
    if content is not None:
        replace(path, content)
    wait_for(lambda: state_of(client)[0] == "degraded")
    _, state = state_of(client)
    assert (state["state"], state["whole"]["programmes"]) == ("broken", 1)
    assert state["problem"].startswith(problem)
    assert client.get("/health").json()["problems"] == [state["problem"]]
    assert 'titleclf_watched_guide_good{guide="my guide.xml"} 0\n' in client.get("/metrics").text
    assert client.get(URL).text == FILLED
    replace(path, gzip.compress(SECOND.encode()))
    wait_for(lambda: state_of(client)[0] == "ok")
    assert client.get(URL).text.count("<category>") == 2
    assert 'titleclf_watched_guide_good{guide="my guide.xml"} 1\n' in client.get("/metrics").text


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_not_waited_for(tmp_path, path, make):
    other = tmp_path / "other.xml"
    make(other)
    with serving(tmp_path, watch=[other, path]) as client:
        wait_for(lambda: client.get(URL).status_code == 200)
        assert client.get("/health").json()["problems"] == [
            "other.xml must be a file that can be read. Got: a folder, a pipe or a device. Check the path."
        ]
        shutil.rmtree(other) if other.is_dir() else other.unlink()
        other.write_text(FIRST)
        wait_for(lambda: client.get("/guides/other.xml").text == FILLED)


def test_a_guide_that_is_still_being_written_is_given_time(client, path):
    failed = "titleclf_guides_failed_total 0\n"
    content = SECOND.encode()
    with path.open("wb") as file:
        for place in range(0, len(content), 40):
            file.write(content[place : place + 40])
            file.flush()
            time.sleep(0.05)
    wait_for(lambda: client.get(URL).text.count("<category>") == 2)
    assert failed in client.get("/metrics").text


def test_corrections_act_on_it(client):
    client.post("/api/corrections", json={"title": "match of the day", "category": "Leisure hobbies"})
    wait_for(lambda: "<category>Leisure hobbies</category>" in client.get(URL).text)


def test_until_it_has_been_filled_once_it_is_asked_for_in_vain(tmp_path, path):
    path.write_bytes(b"")
    with serving(tmp_path, watch=[path]) as client:
        answer = wait_for(lambda: _with_problem(client))
        assert sentence(answer, 503) == (
            "my guide.xml must have been filled once. Got none yet. "
            "my guide.xml.gz:1: must be whole, well-formed XML. Got: no element found. Fetch it again."
        )
        assert answer.headers["retry-after"] == "5"
        assert sentence(client.get("/guides/my guide"), 404).startswith(
            "a guide must be one that is watched: my guide.xml."
        )


def _with_problem(client):
    answer = client.get(URL)
    return answer if "well-formed" in answer.text else None


def test_it_is_filled_as_the_service_was_told(tmp_path, path):
    options = Options("plex", When.missing.value, is_marked=True)
    with serving(tmp_path, watch=[path], options=options) as client:
        wait_for(lambda: client.get(URL).status_code == 200)
        assert "<keyword>titleclf: Sports</keyword>" in client.get(URL).text
        assert client.get("/api/about").json()["options"] == {"profile": "plex", "when": "missing", "mark": True}


def test_two_guides_of_one_name_are_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        check_names([tmp_path / "a" / "g.xml", tmp_path / "b" / "g.xml.gz"])
    assert str(caught.value) == "--watch must be given guides of different names. Got g.xml twice. Rename one."
