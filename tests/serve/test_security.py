"""Foreign hosts and origins are refused."""

import pytest

from tests.helpers.service import error_sentence, serving
from titleclf.serve.security import readable_size


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("service"), host_names=frozenset(["nas.local"])) as client:
        yield client


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "", "127.0.0.1.evil.example"]
)
def test_foreign_hosts_are_refused(client, host):
    got = host.partition(":")[0] or "none"
    assert error_sentence(client.get("/", headers={"Host": host}), 400) == (
        f"Host must be an IP address, localhost or a name given with --name. Got {got}. "
        "Start the service with --name for that host."
    )


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:1", "[::1]:8000", "192.168.1.5", "nas.local"])
def test_addresses_and_given_names_are_accepted(client, host):
    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1"])
def test_other_sites_cannot_write(client, origin):
    corrected = {"title": "Heat", "category": "Sports"}
    response = client.post("/api/corrections", json=corrected, headers={"Origin": origin})
    expected = f"Origin must be the service's own page. Got {origin}. Open the page itself."
    assert error_sentence(response, 403) == expected
    assert client.get("/api/corrections").json()["corrections"] == []


def test_the_own_page_can_write(client):
    headers = {"Origin": str(client.base_url).rstrip("/")}
    assert client.post("/api/predict", json={"titles": []}, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("size", "expected"),
    [(0, "0 bytes"), (1023, "1,023 bytes"), (1024, "1 KB"), (5 << 20, "5 MB"), (4096 << 30, "4,096 GB")],
)
def test_readable_sizes(size, expected):
    assert readable_size(size) == expected
