"""What commands cost that run in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from titleclf.runtime.errors import InputError

# From a process that is small itself: a child is charged for what its parent had when it was forked.
_SMALL = """
import resource, subprocess, sys, time
with open(sys.argv[1], "w") as said:
    started = time.perf_counter()
    code = subprocess.run(sys.argv[2:], stderr=said, stdout=said).returncode
    seconds = time.perf_counter() - started
print(seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


class Cost(NamedTuple):
    """What a process took: seconds, its largest resident memory in MB, and what it said."""

    seconds: float
    megabytes: float
    said: str


def run(arguments: list[str | Path], folder: Path) -> Cost:
    """Run a command on one core; `folder` is for what it says."""
    said = folder / "said"
    done = subprocess.run(  # noqa: S603 (its arguments are ours)
        [sys.executable, "-c", _SMALL, said, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise InputError(f"{' '.join(map(str, arguments[:4]))} must succeed. Got: {said.read_text()}. Mend it.")
    seconds, kilobytes = done.stdout.split()
    return Cost(float(seconds), int(kilobytes) / 1024, said.read_text())
