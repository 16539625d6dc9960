"""Ask a service for titles with many clients at once, and measure how long they wait and what memory it takes.

python scripts/load_serve.py [--seconds 60] [--clients 200] [--pause 0.2] [--titles data/titles.csv]
    [--output results/serve.md]
"""

import argparse
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
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd

from benchmark_report import as_table, machine, shown
from titleclf.runtime.errors import exit_codes
from titleclf.runtime.files import write_text

_COMMAND = ("python", "scripts/load_serve.py")
_HEAD = b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_TIMEOUT_SECONDS = 5
_MISBEHAVING = (
    (b"", 30.0),  # says nothing
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", 30.0),
    (b"POST /api/guides HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n<tv>", 30.0),
    (b"POST /api/guides HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n<tv>", 1.0),
    (_HEAD % 3_000_000 + b'{"titles": [' + b'"a",' * 500_000, 1.0),
    (_HEAD % 9 + b'{"titles"', 0.0),
    (b"\x16\x03\x01\x02\x00\x01" * 20, 0.0),
)


@dataclass
class Waits:
    """How long each answer took, and how many were none."""

    seconds: list[float] = field(default_factory=list)
    errors: int = 0
    guides: int = 0  # that were filled meanwhile

    def milliseconds(self, share: float) -> float:
        """Return what a share of the answers took at most."""
        return float(np.quantile(self.seconds, share)) * 1000 if self.seconds else float("nan")


async def ask(port: int, titles: Sequence[str], pause: float, ends: float, waits: Waits) -> None:
    """Ask for one title after the other on one connection, with pauses of about so many seconds, until it is time."""
    generator = np.random.default_rng(abs(hash(titles[0])))
    await asyncio.sleep(pause * generator.random())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for title in itertools.cycle(titles):
        began = time.perf_counter()
        if began > ends:
            break
        body = json.dumps({"titles": [title]}).encode()
        writer.write(_HEAD % len(body) + body)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            found = await reader.readexactly(int(_LENGTH.search(head)[1]))
            waits.errors += (
                not head.startswith(b"HTTP/1.1 200 ") or json.loads(found)["predictions"][0]["title"] != title
            )
        except (OSError, EOFError):
            waits.errors += 1
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        took = time.perf_counter() - began
        waits.seconds.append(took)
        await asyncio.sleep(max(0.0, pause * generator.uniform(0.5, 1.5) - took))
    writer.close()


async def misbehave(port: int, said: bytes, wait: float, ends: float) -> None:
    """Say something that is no request, or not all of one, and stay; again and again until it is time."""
    while time.perf_counter() < ends:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1 << 16), max(0.5, min(wait, ends - time.perf_counter())))
            writer.close()
        await asyncio.sleep(0.1)


async def fill(port: int, guide: bytes, ends: float, waits: Waits) -> None:
    """Have a guide filled again and again until it is time."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/fill", data=guide, method="POST")
    while time.perf_counter() < ends:
        await asyncio.to_thread(lambda: urllib.request.urlopen(request).read())  # noqa: S310 (our own service)
        waits.guides += 1


async def measure(
    port: int, titles: Sequence[str], clients: int, pause: float, seconds: float, guide: bytes | None = None
) -> dict[str, float]:
    """Let so many clients ask; with a guide, it is filled meanwhile, and other clients misbehave."""
    waits, before = Waits(), resident_megabytes(port)
    ends = time.perf_counter() + seconds
    tasks = [ask(port, titles[number::clients], pause, ends, waits) for number in range(clients)]
    if guide is not None:
        tasks += [fill(port, guide, ends, waits), *(misbehave(port, *how, ends) for how in _MISBEHAVING * 2)]
    await asyncio.gather(*tasks)
    return {
        "requests a second": len(waits.seconds) / seconds,
        "errors": waits.errors,
        "p50, ms": waits.milliseconds(0.5),
        "p99, ms": waits.milliseconds(0.99),
        "longest, ms": waits.milliseconds(1.0),
        "guides filled": waits.guides,
        "memory before, MB": before,
        "after, MB": resident_megabytes(port),
    }


@asynccontextmanager
async def service(folder: str) -> AsyncIterator[int]:
    """Run a service with the model that ships until the block ends, and yield its port."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "titleclf.serve", "--port", "0", "--model", "shipped"),
        *("--timeout", str(_TIMEOUT_SECONDS)),
        cwd=folder,
        stderr=subprocess.PIPE,
    )
    try:
        said = b""
        while not (found := re.search(rb"serving: http://127\.0\.0\.1:(\d+)/", said)):
            said += await process.stderr.readline()
        yield int(found[1])
    finally:
        process.terminate()
        await process.wait()


def resident_megabytes(port: int) -> float:
    """Return the memory of the service."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        return float(re.search(r"^titleclf_resident_memory_bytes (\S+)", answer.read().decode(), re.MULTILINE)[1]) / 1e6


def guide_of(titles: Sequence[str]) -> bytes:
    """Return a guide with these titles."""
    times = 'start="20260101120000 +0000" stop="20260101123000 +0000" channel="one"'
    programmes = "\n".join(f"<programme {times}><title>{escape(title)}</title></programme>" for title in titles)
    return f"<tv>\n{programmes}\n</tv>\n".encode()


async def run(titles: Sequence[str], clients: int, pause: float, seconds: float) -> pd.DataFrame:
    """Measure three kinds of load, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        async with service(folder) as port:
            await measure(port, titles, clients, pause, min(3.0, seconds))  # until all buffers are as large as they get
            rows = {
                f"each asks every {pause:g} s": await measure(port, titles, clients, pause, seconds),
                "the same, while guides are filled and 14 others misbehave": await measure(
                    port, titles, clients, pause, seconds, guide_of(titles * 4)
                ),
                "each asks again at once": await measure(port, titles, clients, 0.0, seconds),
            }
    return pd.DataFrame(rows).T.rename_axis("clients")


@exit_codes
def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--pause", type=float, default=0.2)
    parser.add_argument("--titles", type=Path, default=Path("data/titles.csv"))
    parser.add_argument("--output", type=Path, default=Path("results/serve.md"))
    arguments = parser.parse_args()
    with arguments.titles.open(encoding="utf-8", newline="") as file:
        titles = [row["title"] for row in csv.DictReader(file)]
    rows = asyncio.run(run(titles, arguments.clients, arguments.pause, arguments.seconds))
    whole = rows.map("{:,.0f}".format)
    for name in ("p50, ms", "p99, ms"):
        whole[name] = rows[name].map("{:,.1f}".format)
    text = f"""# The service under load

{arguments.clients} clients on loopback, each with a connection of its own, ask for one title after the other for
{arguments.seconds:g} seconds: of {len(titles):,} titles, none twice before all have been asked for. The clients run in
one process beside the service, and what they take is waited for, too. An error is any answer but that of its title.

Misbehave: say nothing, stop in the middle of a head or a body, announce 100 GB, send too much, send what is no HTTP.

Made by `{shown(sys.argv[1:], [], _COMMAND)}`, {machine()}.

{as_table(whole)}"""
    write_text(arguments.output, text)
    print(f"{text}\nWrote {arguments.output}")


if __name__ == "__main__":
    main()
