"""Measure the latency and the memory of the service under the load of many clients."""

import asyncio
import csv
import itertools
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd

from scripts.common.arguments import report_parser
from scripts.common.report import as_table, made_by, write_report
from titleclf.runtime.arguments import count
from titleclf.runtime.errors import InputError, exit_codes

_HEAD = b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_ADDRESS = re.compile(rb"serving: http://127\.0\.0\.1:(\d+)/")
_MEMORY = re.compile(r"^titleclf_resident_memory_bytes (\S+)", re.MULTILINE)
_TIMEOUT_SECONDS = 5
_WARM_UP_SECONDS = 3.0  # until all buffers have their final size
# What misbehaving clients send, and for how many seconds they then wait.
_MISBEHAVIOUR = (
    (b"", 30.0),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", 30.0),
    (b"POST /api/guides HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n<tv>", 30.0),
    (b"POST /api/guides HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n<tv>", 1.0),
    (_HEAD % 3_000_000 + b'{"titles": [' + b'"a",' * 500_000, 1.0),
    (_HEAD % 9 + b'{"titles"', 0.0),
    (b"\x16\x03\x01\x02\x00\x01" * 20, 0.0),
)
_MISBEHAVING_CLIENTS = 2 * _MISBEHAVIOUR


@dataclass
class Latencies:
    """The seconds of all responses, and the number of errors."""

    seconds: list[float] = field(default_factory=list)
    errors: int = 0
    filled_guides: int = 0

    def milliseconds(self, quantile: float) -> float:
        """Return a quantile of the latencies, NaN without any."""
        return float(np.quantile(self.seconds, quantile)) * 1000 if self.seconds else float("nan")


async def request_titles(port: int, titles: Sequence[str], pause: float, end: float, latencies: Latencies) -> None:
    """Request one title after the other on one connection, about every `pause` seconds, until `end`."""
    generator = np.random.default_rng(abs(hash(titles[0])))
    await asyncio.sleep(pause * generator.random())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for title in itertools.cycle(titles):
        started = time.perf_counter()
        if started > end:
            break
        body = json.dumps({"titles": [title]}).encode()
        writer.write(_HEAD % len(body) + body)
        try:
            latencies.errors += not await _is_correct(reader, title)
        except (OSError, EOFError):
            latencies.errors += 1
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        seconds = time.perf_counter() - started
        latencies.seconds.append(seconds)
        await asyncio.sleep(max(0.0, pause * generator.uniform(0.5, 1.5) - seconds))
    writer.close()


async def _is_correct(reader: asyncio.StreamReader, title: str) -> bool:
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    body = await reader.readexactly(int(length[1])) if length else b""
    return head.startswith(b"HTTP/1.1 200 ") and json.loads(body)["predictions"][0]["title"] == title


async def misbehave(port: int, content: bytes, wait: float, end: float) -> None:
    """Send an invalid or incomplete request and keep the connection open, again and again until `end`."""
    while time.perf_counter() < end:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(content)
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1 << 16), max(0.5, min(wait, end - time.perf_counter())))
            writer.close()
        await asyncio.sleep(0.1)


async def fill_guides(port: int, guide: bytes, end: float, latencies: Latencies) -> None:
    """Have a guide filled again and again until `end`."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/fill", data=guide, method="POST")
    while time.perf_counter() < end:
        await asyncio.to_thread(lambda: urllib.request.urlopen(request).read())  # noqa: S310 (our own service)
        latencies.filled_guides += 1


async def measure(
    port: int, titles: Sequence[str], clients: int, pause: float, seconds: float, guide: bytes | None = None
) -> dict[str, float]:
    """Let clients request titles; with a guide, it is filled meanwhile, and other clients misbehave."""
    latencies, memory_before = Latencies(), resident_megabytes(port)
    end = time.perf_counter() + seconds
    tasks = [request_titles(port, titles[number::clients], pause, end, latencies) for number in range(clients)]
    if guide is not None:
        tasks.append(fill_guides(port, guide, end, latencies))
        tasks += [misbehave(port, content, wait, end) for content, wait in _MISBEHAVING_CLIENTS]
    await asyncio.gather(*tasks)
    return {
        "requests per second": len(latencies.seconds) / seconds,
        "errors": latencies.errors,
        "p50, ms": latencies.milliseconds(0.5),
        "p99, ms": latencies.milliseconds(0.99),
        "longest, ms": latencies.milliseconds(1.0),
        "guides filled": latencies.filled_guides,
        "memory before, MB": memory_before,
        "after, MB": resident_megabytes(port),
    }


@asynccontextmanager
async def service(folder: str) -> AsyncIterator[int]:
    """Run a service with the shipped model until the block ends, and yield its port.

    Raises
    ------
    InputError
        If it exits before it has an address.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "titleclf.serve", "--port", "0", "--model", "shipped"),
        *("--timeout", str(_TIMEOUT_SECONDS)),
        cwd=folder,
        stderr=subprocess.PIPE,
    )
    stderr = cast("asyncio.StreamReader", process.stderr)
    try:
        output = b""
        while not (address := _ADDRESS.search(output)):
            line = await stderr.readline()
            if not line:
                raise InputError(f"The service must start. Got: {output.decode()}. Fix that first.")
            output += line
        yield int(address[1])
    finally:
        with suppress(ProcessLookupError):  # it has already exited
            process.terminate()
        await process.wait()


def resident_megabytes(port: int) -> float:
    """Return the resident memory of the service."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
        text = response.read().decode()
    return float(_MEMORY.findall(text)[0]) / 1e6


def guide_of(titles: Sequence[str]) -> bytes:
    """Return a guide with these titles."""
    times = 'start="20260101120000 +0000" stop="20260101123000 +0000" channel="one"'
    programmes = "\n".join(f"<programme {times}><title>{escape(title)}</title></programme>" for title in titles)
    return f"<tv>\n{programmes}\n</tv>\n".encode()


async def measure_all(titles: Sequence[str], clients: int, pause: float, seconds: float) -> pd.DataFrame:
    """Measure three kinds of load, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        async with service(folder) as port:
            await measure(port, titles, clients, pause, min(_WARM_UP_SECONDS, seconds))
            rows = {
                f"one request every {pause:g} s": await measure(port, titles, clients, pause, seconds),
                f"the same, while guides are filled and {len(_MISBEHAVING_CLIENTS)} others misbehave": await measure(
                    port, titles, clients, pause, seconds, guide_of([*titles] * 4)
                ),
                "the next request at once": await measure(port, titles, clients, 0.0, seconds),
            }
    return pd.DataFrame(rows).T.rename_axis("clients")


@exit_codes
def main() -> None:
    """Measure, print and write."""
    parser = report_parser("speed_serve", __doc__)
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="seconds per load (%(default)s)")
    parser.add_argument("--clients", type=count, default=200, metavar="N", help="clients (%(default)s)")
    parser.add_argument("--pause", type=float, default=0.2, metavar="S", help="seconds between requests (%(default)s)")
    parser.add_argument(
        "--titles", type=Path, default=Path("data/titles.csv"), metavar="FILE", help="titles to request (%(default)s)"
    )
    arguments = parser.parse_args()
    provenance = made_by("speed_serve")
    with arguments.titles.open(encoding="utf-8", newline="") as file:
        titles = [row["title"] for row in csv.DictReader(file)]
    rows = asyncio.run(measure_all(titles, arguments.clients, arguments.pause, arguments.seconds))
    cells = rows.map("{:,.0f}".format)
    for name in ("p50, ms", "p99, ms"):
        cells[name] = rows[name].map("{:,.1f}".format)
    text = f"""\
# The service under load

{arguments.clients} clients on loopback, each with its own connection, request one title after the other for
{arguments.seconds:g} seconds: {len(titles):,} titles, none repeated before all have been requested. The clients share
one process beside the service; latencies include their own time. Any response but the title's prediction is an error.

Misbehaving clients send nothing, stop in the middle of a head or a body, announce 100 GB, send too much, or send
something other than HTTP.

Made by {provenance}.

{as_table(cells)}"""
    write_report(arguments.output, text)


if __name__ == "__main__":
    main()
