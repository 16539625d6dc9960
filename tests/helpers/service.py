"""A service that runs beside the tests, on a port of its own, and clients that behave badly."""

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from titleclf.epg.fill import When
from titleclf.serve import fill_worker as filling
from titleclf.serve.__main__ import server
from titleclf.serve.guides import Options
from titleclf.serve.security import Limits
from titleclf.serve.service import Service, Settings

MODEL = "shipped"
PLAIN = Options(None, When.missing.value, is_marked=False)


def settings(folder: Path, **changes: Any) -> Settings:
    """Return settings for a service whose files are in `folder`; those of `Limits` may be among the changes."""
    limits = {name: changes.pop(name) for name in list(changes) if name in Limits.__dataclass_fields__}
    limits = {"upload_bytes": 8 << 20, "patience_seconds": 5.0, "look_seconds": 0.2} | limits
    values = {
        "model": MODEL,
        "precision": 0.9,
        "overrides": folder / "overrides.csv",
        "watch": [],
        "options": PLAIN,
        "names": frozenset(),
        "limits": Limits(**limits),
    }
    return Settings(**(values | changes))


@contextmanager
def serving(folder: Path, **changes: Any) -> Iterator[httpx.Client]:
    """Run a service until the block ends, and yield a client of it."""
    service = Service(settings(folder, **changes))
    served = server(service)
    # The cores of tests are never idle: who takes only the time that is left over might wait for ever.
    with socket.create_server(("127.0.0.1", 0)) as listener, patch.object(filling, "_step_back"):
        thread = threading.Thread(target=served.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            wait_for(lambda: served.started)
            # A connection that is kept might be given up by the service in the moment in which it is used again.
            limits = httpx.Limits(max_keepalive_connections=0)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with httpx.Client(base_url=url, timeout=60, limits=limits) as client:
                yield client
        finally:
            served.should_exit = True
            thread.join()
    assert not service._folder.exists()  # nothing is left of what was uploaded


def wait_for(is_so: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Wait until something is so, and return it."""
    ends = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < ends
        time.sleep(0.02)
    return found


def said_to(client: httpx.Client, parts: Iterable[bytes], pause_seconds: float = 0.0) -> bytes:
    """Send bytes as they are, and return all that comes back until the service ends the connection."""
    with closing(socket.create_connection((client.base_url.host, client.base_url.port))) as connection:
        connection.settimeout(30)
        for part in parts:
            try:
                connection.sendall(part)
            except (BrokenPipeError, ConnectionResetError):
                break  # it has had enough
            time.sleep(pause_seconds)
        found = b""
        try:
            while some := connection.recv(1 << 16):
                found += some
        except ConnectionResetError:
            pass  # it did not read all that was sent
        return found


def sentence(answer: httpx.Response, status: int) -> str:
    """Assert that a request was refused with a status, and return what was said."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["error"]
    return answer.json()["error"]
