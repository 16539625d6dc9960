"""Guides on disk, served filled whatever happens to them."""

import asyncio
import gzip
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.guides import guide, programme
from tests.helpers.service import OPTIONS, error_sentence, metric, serving, wait_for
from titleclf.epg.fill import When
from titleclf.runtime.errors import InputError
from titleclf.serve.guides import FillOptions, FillQueue, Guide
from titleclf.serve.watched import WatchedGuide, check_served_names

FIRST, SECOND = guide(programme()), guide(programme(), programme(title="<title>Tagesschau</title>"))
FILLED = FIRST.replace("</title>", "</title><category>Sports</category>")
URL = "/guides/my guide.xml"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("watched") / "my guide.xml.gz"


@pytest.fixture(scope="module")
def service(path):
    path.write_bytes(gzip.compress(FIRST.encode()))
    with serving(path.parent, in_process=True, watch=[path]) as client:
        yield client


@pytest.fixture
def client(service, path):
    """Return the shared service, with the first guide filled and no corrections."""
    wait_for(lambda: state_of(service)["state"] != "waiting")
    for row in service.get("/api/corrections").json()["corrections"]:
        service.delete("/api/corrections", params={"title": row["title"]}).raise_for_status()
    filled_at = state_of(service)["filled_at"]
    replace(path, gzip.compress(FIRST.encode()))
    wait_for(lambda: state_of(service)["filled_at"] != filled_at)
    wait_for(lambda: service.get(URL).text == FILLED and status_of(service) == "ok")
    return service


def replace(path, content: bytes) -> None:
    """Replace a file atomically, as good grabbers do."""
    (path.parent / "new").write_bytes(content)
    (path.parent / "new").replace(path)


def status_of(client) -> str:
    return client.get("/health").json()["status"]


def state_of(client) -> dict[str, Any]:
    return client.get("/health").json()["watched"][0]


def test_a_guide_is_served_plain_with_content_encoding_or_as_a_file(client):
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


def test_conditional_requests(client):
    full = client.get(URL)
    for name, value in (
        ("If-None-Match", full.headers["etag"]),
        ("If-None-Match", f'"other", W/{full.headers["etag"]}'),
        ("If-None-Match", "*"),
        ("If-Modified-Since", full.headers["last-modified"]),
    ):
        response = client.get(URL, headers={name: value})
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == full.headers["etag"]
    for name, value in (
        ("If-None-Match", '"other"'),
        ("If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("If-Modified-Since", "no date"),
    ):
        assert client.get(URL, headers={name: value}).text == FILLED
    head = client.head(URL)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", full.headers["etag"])


def test_a_changed_guide_is_filled_again(client, path):
    etag = client.get(URL).headers["etag"]
    replace(path, gzip.compress(SECOND.encode()))
    wait_for(lambda: client.get(URL).headers["etag"] != etag)
    assert client.get(URL).text.count("<category>") == 2
    assert status_of(client) == "ok"
    good = metric(client, "titleclf_watched_guide_filled_time_seconds", guide="my guide.xml")
    assert good == state_of(client)["filled_at"]


def test_an_identical_copy_keeps_its_headers(client, path):
    before = client.get(URL).headers
    filled_at = state_of(client)["filled_at"]
    replace(path, gzip.compress(FIRST.encode(), mtime=1))
    wait_for(lambda: state_of(client)["filled_at"] != filled_at)
    after = client.get(URL).headers
    assert (after["etag"], after["last-modified"]) == (before["etag"], before["last-modified"])


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (gzip.compress(SECOND.encode())[:100], ""),
        (b"<html/>", "Got an HTML page"),
        (None, "must be a readable file. Got: No such file or directory. Check the path."),
    ],
    ids=["truncated", "HTML", "missing"],
)
def test_the_last_good_copy_outlives_a_broken_guide(client, path, content, got):
    if content is None:
        path.unlink()
    else:
        replace(path, content)
    wait_for(lambda: status_of(client) == "degraded")
    state = state_of(client)
    assert (state["state"], state["whole"]["programmes"]) == ("broken", 1)
    assert state["problem"].startswith("my guide.xml.gz")
    assert got in state["problem"]
    assert client.get("/health").json()["problems"] == [state["problem"]]
    assert metric(client, "titleclf_watched_guide_good", guide="my guide.xml") == 0
    assert client.get(URL).text == FILLED
    replace(path, gzip.compress(SECOND.encode()))
    wait_for(lambda: status_of(client) == "ok")
    assert client.get(URL).text.count("<category>") == 2
    assert metric(client, "titleclf_watched_guide_good", guide="my guide.xml") == 1


def test_each_problem_and_its_end_are_logged_once(tmp_path, capsys):
    guide_path = tmp_path / "g.xml"
    guide_path.write_text(FIRST)
    with serving(tmp_path, in_process=True, watch=[guide_path]) as client:
        wait_for(lambda: client.get("/guides/g.xml").text == FILLED)
        guide_path.unlink()
        wait_for(lambda: status_of(client) == "degraded")
        replace(guide_path, b"<html/>")
        wait_for(lambda: "HTML page" in (state_of(client)["problem"] or ""))
        replace(guide_path, SECOND.encode())
        wait_for(lambda: status_of(client) == "ok")
        filled_at = state_of(client)["filled_at"]
        replace(guide_path, FIRST.encode())
        wait_for(lambda: state_of(client)["filled_at"] != filled_at)
    page = (
        "g.xml:1:1: must be an XMLTV guide. Got an HTML page in place of <tv>. Check its address: the guide may have "
    )
    page += "moved, or need a login."
    assert capsys.readouterr().err.splitlines() == [
        "g.xml must be a readable file. Got: No such file or directory. Check the path.",
        page,
        "g.xml is filled again. Nothing to do.",
    ]


def test_corrections_take_effect(client):
    client.post("/api/corrections", json={"title": "match of the day", "category": "Leisure hobbies"})
    wait_for(lambda: "<category>Leisure hobbies</category>" in client.get(URL).text)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_a_folder_or_pipe_does_not_block_other_guides(tmp_path, make):
    first, second = tmp_path / "first.xml", tmp_path / "second.xml"
    make(first)
    second.write_text(FIRST)
    with serving(tmp_path, in_process=True, watch=[first, second]) as client:
        wait_for(lambda: client.get("/guides/second.xml").status_code == 200)
        assert client.get("/health").json()["problems"] == [
            "first.xml must be a readable file. Got: a folder, a pipe or a device. Check the path."
        ]
        shutil.rmtree(first) if first.is_dir() else first.unlink()
        first.write_text(FIRST)
        wait_for(lambda: client.get("/guides/first.xml").text == FILLED)


def test_an_unfilled_guide_is_unavailable(tmp_path):
    (tmp_path / "empty.xml.gz").write_bytes(b"")
    with serving(tmp_path, in_process=True, watch=[tmp_path / "empty.xml.gz"]) as client:
        problem = wait_for(lambda: state_of(client)["problem"])
        response = client.get("/guides/empty.xml")
        assert error_sentence(response, 503) == (
            f"empty.xml must be filled before it is served. Got no copy yet. {problem}"
        )
        assert response.headers["retry-after"] == "5"
        sentence = error_sentence(client.get("/guides/empty"), 404)
        assert sentence == "the guide must be a watched one: empty.xml. Got empty. Choose one of these."


def test_watched_guides_are_filled_with_the_options_of_the_service(tmp_path):
    (tmp_path / "g.xml").write_text(FIRST)
    options = FillOptions("plex", When.missing.value, is_marked=True)
    with serving(tmp_path, watch=[tmp_path / "g.xml"], options=options) as client:
        wait_for(lambda: client.get("/guides/g.xml").status_code == 200)
        assert "<keyword>titleclf: Sports</keyword>" in client.get("/guides/g.xml").text
        assert client.get("/api/about").json()["options"] == {"profile": "plex", "when": "missing", "mark": True}


def test_duplicate_names_are_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        check_served_names([tmp_path / "a" / "g.xml", tmp_path / "b" / "g.xml.gz"])
    assert str(caught.value) == "--watch guides must have different names. Got g.xml twice. Rename one of them."


class RecordingQueue(FillQueue):
    """A queue that records the sizes of the guides instead of filling them."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.has_new_corrections = False

    def is_current(self, guide: Guide) -> bool:  # noqa: ARG002 - the base's parameter
        return not self.has_new_corrections

    async def fill(self, guide: Guide) -> None:
        self.sizes.append(guide.source.stat().st_size)


def test_a_guide_is_filled_once_it_is_completely_written(tmp_path):
    queue, path = RecordingQueue(), tmp_path / "g.xml"
    path.write_bytes(b"")
    watched = WatchedGuide(path, tmp_path, OPTIONS)

    def refresh() -> list[int]:
        asyncio.run(watched.refresh(queue))
        return queue.sizes

    assert refresh() == [0]  # at the start of the service, a guide is assumed to be complete
    for _ in range(3):
        with path.open("ab") as file:
            file.write(b"part")
        assert refresh() == [0]
    assert refresh() == [0, 12]
    assert refresh() == [0, 12]
    queue.has_new_corrections = True
    assert refresh() == [0, 12, 12]
