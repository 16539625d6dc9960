"""Oversized, malformed and slow requests are refused without effects on other clients."""

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.helpers.guides import guide, programme
from tests.helpers.service import connect, error_sentence, exchange, metric, serving, wait_for

TIMEOUT_SECONDS = 1.0
HOST = b"Host: localhost\r\n"
POST = b"POST /api/predict HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
UPLOAD = b"POST /api/guides HTTP/1.1\r\n" + HOST + b"Content-Length: 100000\r\n\r\n"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    limits: dict[str, Any] = {"upload_bytes": 1 << 20, "json_bytes": 10 << 10, "connections": 20, "uploads": 1}
    folder = tmp_path_factory.mktemp("service")
    with serving(folder, timeout_seconds=TIMEOUT_SECONDS, **limits) as client:
        yield client


@pytest.fixture(autouse=True)
def _serve_others(client):
    yield
    assert client.post("/api/predict", json={"titles": ["Tagesschau"]}).status_code == 200


def refusal(response: bytes) -> tuple[int, str]:
    """Return the status and the sentence of a raw response."""
    head, _, body = response.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]


def test_an_incomplete_head_times_out(client):
    started = time.monotonic()
    with ThreadPoolExecutor() as threads:
        starts = (b"", b"GET / HT", b"GET / HTTP/1.1\r\n" + HOST)
        responses = threads.map(lambda start: exchange(client, [start]), starts)
        sentence = "the request head must arrive within 1 seconds. Got only a part. Send it faster."
        assert [refusal(response) for response in responses] == [(408, sentence)] * 3
    assert time.monotonic() - started > TIMEOUT_SECONDS * 0.9


def test_a_trickling_head_times_out(client):
    parts = iter([b"GET / HTTP/1.1\r\n", HOST, *[b"X-A: b\r\n"] * 300])
    response = exchange(client, parts, pause_seconds=0.1)
    assert next(parts, None)  # refused before the end
    assert not response or refusal(response)[0] == 408


def test_the_second_head_of_a_connection_times_out(client):
    complete = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
    response = exchange(client, [complete, b"GET /health HT"], pause_seconds=0.3)
    assert response.startswith(b"HTTP/1.1 200 OK")
    assert b"HTTP/1.1 408 Request Timeout" in response


def test_an_oversized_head_is_refused(client):
    parts = [b"GET / HTTP/1.1\r\n" + HOST, *[b"X-A: " + b"b" * 30_000 + b"\r\n"] * 20]
    response = exchange(client, parts, pause_seconds=0.02)
    assert not response or refusal(response) == (
        431,
        "the request head must be at most 64 KB. Got more. Send less.",
    )


def test_an_incomplete_body_times_out(client):
    status, sentence = refusal(exchange(client, [POST + b"Content-Length: 100\r\n\r\n{"]))
    assert status == 408
    assert sentence == ("the request body must arrive at 16 KB per second. Got 1 bytes in 1 seconds. Send it faster.")


def test_a_trickling_body_times_out(client):
    parts = iter([UPLOAD, *[b" " * 100] * 300])
    response = exchange(client, parts, pause_seconds=0.1)
    assert next(parts, None)
    assert not response or refusal(response)[0] == 408
    assert metric(client, "titleclf_uploaded_guides") == 0


def test_an_oversized_body_is_refused_before_it_arrives(client):
    response = exchange(client, [POST + b"Content-Length: 11000\r\n\r\n"])
    assert refusal(response) == (413, "the request body must be at most 10 KB. Got 10 KB or more. Send less.")
    response = exchange(client, [b"POST /api/fill HTTP/1.1\r\n" + HOST + b"Content-Length: 9999999999\r\n\r\n"])
    assert refusal(response) == (413, "the request body must be at most 1 MB. Got 9 GB or more. Send less.")


def test_an_oversized_body_without_a_length_is_refused(client):
    chunks = (b" " * 100 for _ in range(200))
    response = client.post("/api/predict", content=chunks, headers={"Content-Type": "application/json"})
    assert error_sentence(response, 413).startswith("the request body must be at most 10 KB. Got ")


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9, b"GET\r\n\r\n", b"BREW / HTTP/1.1\r\n\r\n"]
)
def test_other_protocols_are_refused(client, data):
    assert exchange(client, [data]).startswith(b"HTTP/1.1 400 Bad Request")


def test_disconnected_clients_leave_nothing_behind(client):
    for start in (UPLOAD + b"<tv>", b"GET / HTTP/1.1\r\n", POST + b"Content-Length: 30\r\n\r\n{"):
        with connect(client) as connection:
            connection.sendall(start)
    wait_for(lambda: metric(client, "titleclf_uploaded_guides") == 0)


def test_a_client_that_stops_reading_is_disconnected(tmp_path):
    large = guide(*(programme(f"<desc>{'x' * 90_000}</desc>") for _ in range(200))).encode()
    path = "/api/guides/{number}/file"
    limits = {"timeout_seconds": TIMEOUT_SECONDS, "upload_bytes": 1 << 30}
    with serving(tmp_path, in_process=True, **limits) as client:
        guide_id = client.post("/api/guides", content=large).json()["id"]
        wait_for(lambda: client.get(f"/api/guides/{guide_id}").json()["state"] == "filled")
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect((client.base_url.host, client.base_url.port))
            connection.sendall(b"GET /api/guides/%b/file HTTP/1.1\r\n%b\r\n" % (guide_id.encode(), HOST))
            wait_for(lambda: metric(client, "titleclf_http_request_seconds_count", path=path) == 1)
            connection.settimeout(10)
            received = 0
            try:
                while chunk := connection.recv(1 << 20):
                    received += len(chunk)
            except ConnectionResetError:
                pass
            assert received < len(large)


def test_the_number_of_clients_is_limited(client):
    connections = [connect(client) for _ in range(20)]
    try:
        expected = "at most 20 clients may be connected. Got one more. Try again later."
        assert refusal(exchange(client, [])) == (503, expected)
    finally:
        for connection in connections:
            connection.close()
    wait_for(lambda: is_available(client))


def is_available(client) -> bool:
    try:
        return client.get("/health").status_code == 200
    except httpx.HTTPError:
        return False


def test_the_number_of_simultaneous_uploads_is_limited(client):
    with connect(client) as connection:
        connection.sendall(UPLOAD + b"<tv>")
        response = wait_for(lambda: refused_upload(client))
        expected = "at most 1 guides may be uploaded at once. Got one more. Try again soon."
        assert error_sentence(response, 503) == expected
        assert response.headers["retry-after"] == "5"


def refused_upload(client) -> httpx.Response | None:
    response = client.post("/api/guides", content=b"<tv/>")
    if response.status_code != 202:
        return response
    client.delete(f"/api/guides/{response.json()['id']}").raise_for_status()
    return None


def test_single_titles_do_not_wait_for_large_batches(client):
    titles = [f"A title with a number, {number}" for number in range(300)]
    finished: list[float] = []

    def request_batch() -> None:
        with httpx.Client(base_url=client.base_url, timeout=60) as own_client:
            received = own_client.post("/api/predict", json={"titles": titles}).json()["predictions"]
            assert [row["title"] for row in received] == titles
            finished.append(time.monotonic())

    threads = [threading.Thread(target=request_batch) for _ in range(6)]
    for thread in threads:
        thread.start()
    singles = []
    while len(finished) < len(threads):
        (row,) = client.post("/api/predict", json={"titles": ["Tagesschau"]}).json()["predictions"]
        assert row["title"] == "Tagesschau"
        singles.append(time.monotonic())
    for thread in threads:
        thread.join()
    assert sum(moment < max(finished) for moment in singles) > 1
