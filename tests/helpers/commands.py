"""Commands, run the way a user runs them."""

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

_SECONDS = 120  # after which a command is taken for hanging


def command(
    module: str,
    *arguments: str,
    cwd: Path,
    input: str | None = None,  # noqa: A002 (as subprocess names it)
) -> subprocess.CompletedProcess[str]:
    """Run `python -m titleclf.<module>`, without standard input unless `input` is given."""
    return subprocess.run(
        [sys.executable, "-m", f"titleclf.{module}", *arguments],
        cwd=cwd,
        input=input,
        stdin=subprocess.DEVNULL if input is None else None,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
        env=_environment(),
    )


def training_command(module: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run `python -m titleclf.<module>` in a fork that need not import torch and its like, which takes five seconds."""
    with tempfile.TemporaryDirectory() as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        output.touch()
        errors.touch()
        job = {
            "module": f"titleclf.{module}",
            "arguments": arguments,
            "cwd": str(cwd),
            "environment": _environment(),
            "streams": [os.devnull, str(output), str(errors)],
            "seconds": _SECONDS,
        }
        server = _forks()
        assert server.stdin is not None
        assert server.stdout is not None
        print(json.dumps(job), file=server.stdin, flush=True)
        code = int(server.stdout.readline())
        return subprocess.CompletedProcess([module, *arguments], code, output.read_text(), errors.read_text())


@functools.cache
def _forks() -> subprocess.Popen[str]:
    """Start the process whose forks run commands; it ends with this one."""
    program = [sys.executable, str(Path(__file__).with_name("forks.py"))]
    server = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_environment())
    atexit.register(server.communicate)
    return server


def _environment() -> dict[str, str]:
    return {**os.environ, "MPLBACKEND": "agg"}


def one_line(text: str) -> str:
    """Assert that `text` is one line, and return it."""
    lines = text.splitlines()
    assert len(lines) == 1, text
    return lines[0]
