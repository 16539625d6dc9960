"""Commands, run the way a user runs them."""

import os
import subprocess
import sys
from pathlib import Path


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
        timeout=120,
        check=False,
        env={**os.environ, "MPLBACKEND": "agg"},
    )


def one_line(text: str) -> str:
    """Assert that `text` is one line, and return it."""
    lines = text.splitlines()
    assert len(lines) == 1, text
    return lines[0]
