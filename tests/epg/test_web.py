"""Guides on the web: fetched whole or not at all, and not again while the server says that they are unchanged."""

import base64
import gzip
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.commands import one_line
from tests.helpers.guides import GUIDES, filler_of
from titleclf.epg import web
from titleclf.epg.fill import fill
from titleclf.epg.parser import airings
from titleclf.epg.urls import display_url, is_url
from titleclf.runtime.errors import InputError

PLAIN = GUIDES["many"]
Respond = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """A web server on this computer whose paths answer as a test says; it records the headers of requests."""

    def __init__(self) -> None:
        self.paths: dict[str, Respond] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append((self.path, dict(self.headers)))
                outer.paths[self.path](self)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server(monkeypatch, tmp_path) -> Iterator[Server]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


def sending(content: bytes, status: int = 200, /, **headers: str) -> Respond:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in ({"Content_Length": str(len(content))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)

    return respond


def fetched(url: str) -> bytes:
    with web.fetch(url) as file:
        return file.read()


def refused(url: str) -> str:
    with pytest.raises(InputError) as caught:
        fetched(url)
    return one_line(str(caught.value))


def test_a_guide_is_filled_from_its_url_and_fetched_once(server, tmp_path):
    server.paths["/g.xml.gz?key=1"] = sending(gzip.compress(PLAIN), ETag='"one"')
    fill(f"{server.url}/g.xml.gz?key=1", str(tmp_path / "out.xml"), filler_of())
    assert (tmp_path / "out.xml").read_bytes().count(b"<category>") == 300
    assert len(server.requests) == 1
    assert server.requests[0][1]["User-Agent"].startswith("titleclf/")


def test_other_verbs_read_urls_too(server):
    server.paths["/g.xml"] = sending(PLAIN)
    assert sum(1 for _ in airings(f"{server.url}/g.xml")) == 300


@pytest.mark.parametrize(
    ("validator", "value", "condition"),
    [("ETag", 'W/"one"', "If-None-Match"), ("Last_Modified", "Fri, 27 Nov 2026 05:00:00 GMT", "If-Modified-Since")],
)
def test_an_unchanged_guide_is_not_sent_again(server, tmp_path, validator, value, condition):
    url = f"{server.url}/g.xml"
    server.paths["/g.xml"] = sending(PLAIN, **{validator: value})
    assert fetched(url) == PLAIN
    server.paths["/g.xml"] = sending(b"", 304)
    assert fetched(url) == PLAIN
    assert server.requests[1][1][condition] == value
    server.paths["/g.xml"] = sending(b"<tv/>", **{validator: "other"})
    assert fetched(url) == b"<tv/>"
    assert condition in server.requests[2][1]
    (cached,) = (tmp_path / "cache" / "titleclf" / "guides").iterdir()
    assert cached.parent.stat().st_mode & 0o777 == 0o700
    assert "127.0.0.1" not in cached.name
    server.paths["/g.xml"] = sending(b"", 304)
    assert fetched(url) == b"<tv/>"


def test_a_guide_without_validators_is_not_kept(server, tmp_path):
    server.paths["/g.xml"] = sending(PLAIN)
    for _ in range(2):
        assert fetched(f"{server.url}/g.xml") == PLAIN
    assert "If-None-Match" not in server.requests[1][1]
    assert not (tmp_path / "cache").exists()


def test_guides_that_nobody_asks_for_leave_the_cache(server, tmp_path):
    for name in ("/a.xml", "/b.xml"):
        server.paths[name] = sending(PLAIN, ETag='"one"')
    fetched(f"{server.url}/a.xml")
    (old,) = (tmp_path / "cache" / "titleclf" / "guides").iterdir()
    os.utime(old, (0, 0))
    fetched(f"{server.url}/b.xml")
    (left,) = (tmp_path / "cache" / "titleclf" / "guides").iterdir()
    assert left != old


@pytest.mark.parametrize("cache", ["file", "broken"])
def test_a_cache_that_is_of_no_use_stops_nothing(server, tmp_path, monkeypatch, cache):
    server.paths["/g.xml"] = sending(PLAIN, ETag='"one"')
    if cache == "file":
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    else:
        fetched(f"{server.url}/g.xml")
        (path,) = (tmp_path / "cache" / "titleclf" / "guides").iterdir()
        path.write_text("[")
    assert fetched(f"{server.url}/g.xml") == PLAIN


def test_a_relative_cache_folder_is_not_used(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setenv("HOME", str(tmp_path))
    cache = web._cache_path("http://a.de/g.xml")
    assert cache is not None
    assert cache.parent == tmp_path / ".cache" / "titleclf" / "guides"


def test_a_user_and_a_password_are_sent_to_their_host_alone(server):
    server.paths["/g.xml"] = sending(b"", 302, Location="/other.xml")
    server.paths["/other.xml"] = sending(PLAIN)
    host = server.url.removeprefix("http://")
    assert fetched(f"http://me:p%40ss@{host}/g.xml") == PLAIN
    login = server.requests[0][1]["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(login) == b"me:p@ss"
    assert "Authorization" not in server.requests[1][1]


def test_blanks_and_umlauts_of_an_address_are_quoted(server):
    server.paths["/f%C3%BCr%20mich.xml?a=b%2Fc"] = sending(PLAIN)
    assert fetched(f"{server.url}/für mich.xml?a=b%2Fc") == PLAIN


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/g.xml", "data:text/xml,<tv/>"])
def test_a_redirect_to_something_else_is_refused(server, target):
    server.paths["/g.xml"] = sending(b"", 302, Location=target)
    assert refused(f"{server.url}/g.xml") == (
        f"{server.url}/g.xml must be there. Got: 302 Found - Redirection to url '{target}' is not allowed. "
        "Check the address."
    )


def test_endless_redirects_are_refused(server):
    server.paths["/g.xml"] = sending(b"", 302, Location="/g.xml")
    assert refused(f"{server.url}/g.xml").startswith(f"{server.url}/g.xml must be there. Got: 302 ")
    assert len(server.requests) < 20


@pytest.mark.parametrize(
    ("status", "advice"), [(404, "Not Found. Check the address."), (503, "Service Unavailable. Try again later.")]
)
def test_an_error_of_the_server_is_named(server, status, advice):
    server.paths["/g.xml?key=secret"] = sending(b"<html/>", status)
    url = f"{server.url}/g.xml"
    assert refused(f"{url}?key=secret") == f"{url} must be there. Got: {status} {advice}"


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/g.xml", "file:///etc/passwd", "https:///g.xml", "http://[::1/g.xml"])
def test_other_urls_are_refused(url):
    assert refused(url) == (
        f"a guide must be a file, or an http or https URL. Got {url}. Check it, or download the guide."
    )


def test_nobody_at_the_address():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    sentence = refused(f"http://me:secret@127.0.0.1:{port}/g.xml")
    assert sentence == (
        f"http://127.0.0.1:{port}/g.xml must be reachable. Got: [Errno 111] Connection refused. "
        "Check the address and the network."
    )
    assert refused(f"http://{'a' * 70}.de/g.xml").endswith("Check the address and the network.")
    assert refused("http://127.0.0.1:port/g.xml").endswith("Check the address and the network.")


def test_a_guide_that_breaks_off_is_refused_and_not_kept(server, tmp_path):
    server.paths["/g.xml"] = sending(PLAIN[:5000], Content_Length=str(len(PLAIN)), ETag='"one"')
    url = f"{server.url}/g.xml"
    assert refused(url) == (
        f"{url} must come whole. Got 5,000 of {len(PLAIN):,} bytes. Check the network, and try again."
    )
    server.paths["/c.xml"] = sending(b"8\r\n<tv><pro", Content_Length="", Transfer_Encoding="chunked")
    assert refused(f"{server.url}/c.xml").startswith(f"{server.url}/c.xml must be reachable. Got: IncompleteRead")
    assert not (tmp_path / "cache").exists()


def test_a_server_that_says_nothing_or_too_much_or_drips_is_left(server, monkeypatch):
    ended = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        sending(b"", Content_Length="1000000")(handler)
        while not ended.is_set():
            try:
                handler.wfile.write(b" ")
            except OSError:
                return
            time.sleep(0.01)

    server.paths |= {"/g.xml": sending(PLAIN), "/drip.xml": drip, "/silent.xml": lambda _: ended.wait(10)}
    monkeypatch.setattr(web, "_MAX_BYTES", 5000)
    assert refused(f"{server.url}/g.xml") == (
        f"{server.url}/g.xml must have at most 0 GB. Got more. Download it yourself."
    )
    monkeypatch.setattr(web, "_MAX_SECONDS", 0.1)
    assert refused(f"{server.url}/drip.xml").endswith("Got a part of it. Try again later.")
    monkeypatch.setattr(web, "_TIMEOUT_SECONDS", 0.1)
    assert refused(f"{server.url}/silent.xml").endswith("Got: timed out. Check the address and the network.")
    ended.set()


def test_names_of_urls():
    assert [name for name in ("http://a/b", "HTTPS://a/b", "ftp://a", "g.xml", "C:\\g.xml", "-") if is_url(name)] == [
        *("http://a/b", "HTTPS://a/b", "ftp://a")
    ]
    assert display_url("https://me:secret@a.de:80/g.xml?key=secret#x") == "https://a.de:80/g.xml"


def test_a_url_cannot_be_filled_in_place():
    with pytest.raises(InputError) as caught:
        fill("https://a.de/g.xml", None, filler_of())
    assert str(caught.value) == ("--in-place must be used with a file. Got a URL. Name the guide, or pass -o OUT.")
    assert not Path("https:").exists()
