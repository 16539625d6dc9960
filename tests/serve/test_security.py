"""Oversized, malformed and slow requests have to go, and nobody else notices."""

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.helpers.guides import guide, programme
from tests.helpers.service import said_to, sentence, serving, wait_for

PATIENCE = 1.0  # seconds
HOST = b"Host: localhost\r\n"
POST = b"POST /api/predict HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    limits = {"patience_seconds": PATIENCE, "upload_bytes": 1 << 20, "json_bytes": 10 << 10, "connections": 20}
    with serving(tmp_path_factory.mktemp("service"), **limits) as client:
        yield client


@pytest.fixture(autouse=True)
def _others_are_answered(client):
    yield
    assert client.post("/api/predict", json={"titles": ["Tagesschau"]}).status_code == 200


def refused(answer: bytes) -> tuple[int, str]:
    """Return the status and the sentence of an answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]


def test_a_head_that_does_not_come_is_not_waited_for(client):
    began = time.monotonic()
    with ThreadPoolExecutor() as threads:
        answers = threads.map(lambda begun: said_to(client, [begun]), (b"", b"GET / HT", b"GET / HTTP/1.1\r\n" + HOST))
        said = "the head of a request must come within 1 seconds. Got a part. Send it at once."
        assert [refused(answer) for answer in answers] == [(408, said)] * 3
    assert time.monotonic() - began > PATIENCE * 0.9


def test_a_head_that_drips_has_no_longer(client):
    drops = iter([b"GET / HTTP/1.1\r\n", HOST, *[b"X-A: b\r\n"] * 300])
    found = said_to(client, drops, pause_seconds=0.1)
    assert next(drops, None)  # it has not waited for all of them
    assert not found or refused(found)[0] == 408


def test_a_second_request_on_a_connection_has_no_longer_either(client):
    whole = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
    found = said_to(client, [whole, b"GET /health HT"], pause_seconds=0.3)
    assert found.startswith(b"HTTP/1.1 200 OK")
    assert b"HTTP/1.1 408 Request Timeout" in found


def test_an_endless_head_is_cut_off(client):
    lines = [b"GET / HTTP/1.1\r\n" + HOST, *[b"X-A: " + b"b" * 30_000 + b"\r\n"] * 20]
    found = said_to(client, lines, pause_seconds=0.02)
    assert not found or refused(found) == (
        431,
        "the head of a request must be at most 64 KB. Got more. Send less.",
    )


def test_a_body_that_does_not_come_is_not_waited_for(client):
    status, said = refused(said_to(client, [POST + b"Content-Length: 100\r\n\r\n{"]))
    assert status == 408
    assert said == "a body must come with 16 KB a second. Got 1 bytes in 1 seconds. Send it faster."


def test_a_body_that_drips_is_given_what_it_has_earned(client):
    upload = b"POST /api/guides HTTP/1.1\r\n" + HOST + b"Content-Length: 100000\r\n\r\n"
    drops = iter([upload, *[b" " * 100] * 300])
    found = said_to(client, drops, pause_seconds=0.1)
    assert next(drops, None)
    assert not found or refused(found)[0] == 408
    assert "titleclf_uploaded_guides 0\n" in client.get("/metrics").text


def test_a_body_that_is_too_large_is_refused_before_it_comes(client):
    status, said = refused(said_to(client, [POST + b"Content-Length: 11000\r\n\r\n"]))
    assert (status, said) == (413, "a body must be at most 10 KB. Got 10 KB or more. Send less.")
    status, said = refused(
        said_to(client, [b"POST /api/fill HTTP/1.1\r\n" + HOST + b"Content-Length: 9999999999\r\n\r\n"])
    )
    assert (status, said) == (413, "a body must be at most 1 MB. Got 9 GB or more. Send less.")


def test_a_body_that_does_not_tell_its_size_is_counted(client):
    def chunks():
        for _ in range(200):
            yield b" " * 100

    answer = client.post("/api/predict", content=chunks(), headers={"Content-Type": "application/json"})
    assert sentence(answer, 413).startswith("a body must be at most 10 KB. Got ")


def test_what_is_no_http_is_refused(client):
    for nonsense in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9, b"GET\r\n\r\n", b"BREW / HTTP/1.1\r\n\r\n"):
        assert said_to(client, [nonsense]).startswith(b"HTTP/1.1 400 Bad Request")


def test_a_client_that_leaves_early_leaves_nothing(client):
    head = b"POST /api/guides HTTP/1.1\r\n" + HOST + b"Content-Length: 100000\r\n\r\n"
    with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
        connection.sendall(head + b"<tv>")
    for begun in (b"GET / HTTP/1.1\r\n", POST + b"Content-Length: 30\r\n\r\n{"):
        with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
            connection.sendall(begun)
    wait_for(lambda: "titleclf_uploaded_guides 0\n" in client.get("/metrics").text)


def test_a_client_that_reads_nothing_is_left(tmp_path):
    many = guide(*(programme(f"<desc>{'x' * 90_000}</desc>") for _ in range(200))).encode()
    given_up = 'titleclf_http_request_seconds_count{path="/api/guides/{number}/file"} 1\n'
    with serving(tmp_path, patience_seconds=PATIENCE, upload_bytes=1 << 30) as client:
        number = client.post("/api/guides", content=many).json()["id"]
        wait_for(lambda: client.get(f"/api/guides/{number}").json()["state"] == "filled")
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect((client.base_url.host, client.base_url.port))
            connection.sendall(b"GET /api/guides/%b/file HTTP/1.1\r\n%b\r\n" % (number.encode(), HOST))
            wait_for(lambda: given_up in client.get("/metrics").text)
            connection.settimeout(10)
            got = 0
            try:
                while some := connection.recv(1 << 20):
                    got += len(some)
            except ConnectionResetError:
                pass
            assert got < len(many)


def test_more_clients_than_there_is_room_for_are_told_so(client):
    held = [socket.create_connection((client.base_url.host, client.base_url.port)) for _ in range(20)]
    try:
        status, said = refused(said_to(client, []))
        assert (status, said) == (503, "clients must be at most 20. Got one more. Try again later.")
    finally:
        for one in held:
            one.close()
    wait_for(lambda: _is_answered(client))


def _is_answered(client):
    try:
        return client.get("/health").status_code == 200
    except httpx.HTTPError:
        return False


def test_only_so_many_guides_are_uploaded_at_once(tmp_path):
    with serving(tmp_path, uploads=1) as client:
        head = b"POST /api/guides HTTP/1.1\r\n" + HOST + b"Content-Length: 100000\r\n\r\n<tv>"
        with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
            connection.sendall(head)
            answer = wait_for(lambda: _unless_accepted(client))
            assert sentence(answer, 503) == "at most 1 guides must be uploaded at once. Got one more. Try again."
            assert answer.headers["retry-after"] == "5"


def _unless_accepted(client):
    answer = client.post("/api/guides", content=b"<tv/>")
    return None if answer.status_code == 202 else answer


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "", "127.0.0.1.evil.example"]
)
def test_a_name_that_is_not_ours_is_refused(client, host):
    said = sentence(client.get("/", headers={"Host": host}), 400)
    got = host.partition(":")[0] or "none"
    assert said == (
        f"Host must be an address, localhost, or a name that the service knows. Got {got}. "
        "Start it with --name for that name."
    )


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:1", "[::1]:8000", "192.168.1.5", "nas.local"])
def test_addresses_and_given_names_are_ours(tmp_path_factory, host):
    with serving(tmp_path_factory.mktemp("named"), names=frozenset(["nas.local"])) as client:
        assert client.get("/", headers={"Host": host}).status_code == 200


def test_other_sites_can_t_make_a_browser_write(client):
    corrected = {"title": "Heat", "category": "Sports"}
    for origin in ("http://evil.example", "null", "http://localhost:1"):
        answer = client.post("/api/corrections", json=corrected, headers={"Origin": origin})
        said = f"Origin must be the service's own page. Got {origin}. Open the page itself."
        assert sentence(answer, 403) == said
    own = str(client.base_url).rstrip("/")
    assert client.post("/api/predict", json={"titles": []}, headers={"Origin": own}).status_code == 200


def test_single_titles_do_not_wait_for_large_batches(client):
    titles = [f"A title with a number, {number}" for number in range(300)]
    done: list[float] = []

    def ask_for_many() -> None:
        with httpx.Client(base_url=client.base_url, timeout=60) as other:
            found = other.post("/api/predict", json={"titles": titles}).json()["predictions"]
            assert [one["title"] for one in found] == titles
            done.append(time.monotonic())

    askers = [threading.Thread(target=ask_for_many) for _ in range(6)]
    for asker in askers:
        asker.start()
    singles = []
    while len(done) < len(askers):
        (answer,) = client.post("/api/predict", json={"titles": ["Tagesschau"]}).json()["predictions"]
        assert answer["title"] == "Tagesschau"
        singles.append(time.monotonic())
    for asker in askers:
        asker.join()
    assert sum(moment < max(done) for moment in singles) > 1  # the model is fast
