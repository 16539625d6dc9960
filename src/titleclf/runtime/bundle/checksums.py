"""SHA256SUMS: a bundle's files as they were written, checked by `sha256sum -c` and on loading."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from titleclf.runtime.errors import InputError

SUMS = "SHA256SUMS"


def sums_of(files: Mapping[str, bytes]) -> bytes:
    """Return a line for each file."""
    return "".join(f"{_digest(content)}  {name}\n" for name, content in sorted(files.items())).encode()


def check_sums(files: Mapping[str, bytes], sums: bytes, folder: Path) -> None:
    """Refuse a folder whose files differ from its `sums`.

    This detects truncated, mixed and edited files, not edits of both file and sums. Files that are not in `files`
    aren't checked.

    Raises
    ------
    InputError
        If a file is not as it was written.
    """
    written = dict(line.split("  ", 1)[::-1] for line in sums.decode(errors="replace").splitlines() if "  " in line)
    for name, content in files.items():
        if written.get(name) != _digest(content):
            raise InputError(
                f"{folder / name} must be as it was written. Got other bytes than {SUMS} lists. Copy it again."
            )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
