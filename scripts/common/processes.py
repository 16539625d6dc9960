"""Time and memory of commands that run in their own processes."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from titleclf.runtime.errors import InputError

# Started from a small process, because a forked child is charged for the memory of its parent.
_LAUNCHER = """
import resource, subprocess, sys, time
with open(sys.argv[1], "w") as output:
    started = time.perf_counter()
    code = subprocess.run(sys.argv[2:], stderr=output, stdout=output).returncode
    seconds = time.perf_counter() - started
print(seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


class Cost(NamedTuple):
    """Seconds, peak resident memory in MB, and the output of a process."""

    seconds: float
    megabytes: float
    output: str


def run(command: list[str | Path], folder: Path) -> Cost:
    """Run a command on one core; its output is kept in `folder`.

    Raises
    ------
    InputError
        If the command fails.
    """
    output = folder / "output"
    process = subprocess.run(  # noqa: S603 (the command is ours)
        [sys.executable, "-c", _LAUNCHER, output, *command],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if process.returncode:
        shown = " ".join(map(str, command[:4]))
        raise InputError(f"{shown} must succeed. Got: {output.read_text()}. Fix that first.")
    seconds, kilobytes = process.stdout.split()
    return Cost(float(seconds), int(kilobytes) / 1024, output.read_text())
