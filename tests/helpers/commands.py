"""Commands run as a user does."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def command(module: str, *arguments: str, cwd: Path, **how: Any) -> subprocess.CompletedProcess[str]:
    """Run `python -m titleclf.<module>` as a user does."""
    return subprocess.run(
        [sys.executable, "-m", f"titleclf.{module}", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "MPLBACKEND": "agg"},
        **({"stdin": subprocess.DEVNULL} if "input" not in how else {}),
        **how,
    )


def one_line(text: str) -> str:
    """Assert that `text` is one line, and return it."""
    lines = text.splitlines()
    assert len(lines) == 1, text
    return lines[0]
