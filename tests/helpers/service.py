"""A service in a thread of the tests, on a free port, and clients for it."""

import asyncio
import json
import math
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
from prometheus_client.parser import text_string_to_metric_families

from titleclf.epg.fill import When
from titleclf.serve import guides
from titleclf.serve.__main__ import server
from titleclf.serve.fill_worker import FillJob, FillReport, fill_guide
from titleclf.serve.guides import FillOptions
from titleclf.serve.security import Limits
from titleclf.serve.service import Service, Settings

OPTIONS = FillOptions(None, When.missing.value, is_marked=False)


def settings(folder: Path, **changes: Any) -> Settings:
    """Return settings for a service with its files in `folder`; changes may name fields of `Limits`, too."""
    limits = {name: changes.pop(name) for name in list(changes) if name in Limits.__dataclass_fields__}
    # Other tests keep the cores busy: a fill with a lower priority would make a test wait for them.
    limits = {"upload_bytes": 8 << 20, "timeout_seconds": 5.0, "poll_seconds": 0.1, "fill_niceness": 0} | limits
    values: dict[str, Any] = {
        "model": "shipped",
        "precision": 0.9,
        "overrides": folder / "overrides.csv",
        "watch": [],
        "options": OPTIONS,
        "host_names": frozenset(),
        "limits": Limits(**limits),
    }
    return Settings(**(values | changes))


@contextmanager
def serving(folder: Path, *, in_process: bool = False, **changes: Any) -> Iterator[httpx.Client]:
    """Run a service until the block ends, and yield a client for it.

    With `in_process`, guides are filled in a thread, which saves starting a process for each of them.
    """
    service = Service(settings(folder, **changes))
    service_server = server(service)
    filling = patch.object(guides, "run_job", _run_job_in_thread) if in_process else nullcontext()
    with socket.create_server(("127.0.0.1", 0)) as listener, filling:
        thread = threading.Thread(target=service_server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            wait_for(lambda: service_server.started)
            # Without keep-alive: the service might close an idle connection just as a test uses it again.
            limits = httpx.Limits(max_keepalive_connections=0)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with httpx.Client(base_url=url, timeout=60, limits=limits) as client:
                yield client
        finally:
            service_server.should_exit = True
            thread.join()
    assert not service._folder.exists()  # all uploads are deleted


async def _run_job_in_thread(job: FillJob, _: float, __: int, on_progress: Callable[[int], None]) -> FillReport:
    received = FillJob(**json.loads(json.dumps(asdict(job))))
    filling = asyncio.create_task(asyncio.to_thread(fill_guide, received, on_progress))
    try:
        return json.loads(json.dumps(await asyncio.shield(filling)))
    finally:
        await asyncio.wait([filling])  # a thread can't be cancelled: let it finish before its files are deleted


def wait_for(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Wait until a condition returns a true value, and return that."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return value


def exchange(client: httpx.Client, parts: Iterable[bytes], pause_seconds: float = 0.0) -> bytes:
    """Send raw bytes, and return the response until the service closes the connection."""
    with closing(connect(client)) as connection:
        connection.settimeout(30)
        for part in parts:
            try:
                connection.sendall(part)
            except (BrokenPipeError, ConnectionResetError):
                break
            time.sleep(pause_seconds)
        received = b""
        try:
            while chunk := connection.recv(1 << 16):
                received += chunk
        except ConnectionResetError:
            pass  # the service has not read everything
        return received


def connect(client: httpx.Client) -> socket.socket:
    """Return a raw connection to the service."""
    return socket.create_connection((client.base_url.host, client.base_url.port))


def error_sentence(response: httpx.Response, status: int) -> str:
    """Assert that a request was refused with this status, and return the sentence."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert list(response.json()) == ["error"]
    return response.json()["error"]


def metric(client: httpx.Client, name: str, **labels: str) -> float:
    """Return the value of a metric; NaN, which equals nothing, if it has no such sample."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = (sample for family in families for sample in family.samples)
    return next((sample.value for sample in samples if (sample.name, sample.labels) == (name, labels)), math.nan)
