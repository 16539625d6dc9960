"""SHA256SUMS: a bundle's files as they were written, for `sha256sum -c` and for whoever loads them."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from titleclf.runtime.errors import InputError

SUMS = "SHA256SUMS"


def sums_of(files: Mapping[str, bytes]) -> bytes:
    """Return a line for each file."""
    return "".join(f"{_digest(content)}  {name}\n" for name, content in sorted(files.items())).encode()


def check_sums(files: Mapping[str, bytes], sums: bytes, folder: Path) -> None:
    """Refuse files of a folder that are others than its `sums` tell of.

    It finds what was cut short, mixed up or edited, not who edits both. Files that are not asked about may be others.

    Raises
    ------
    InputError
        If one is not as it was written.
    """
    told = dict(line.split("  ", 1)[::-1] for line in sums.decode(errors="replace").splitlines() if "  " in line)
    for name, content in files.items():
        if told.get(name) != _digest(content):
            raise InputError(
                f"{folder / name} must be as it was written. Got other bytes than {SUMS} tells of. Copy it again."
            )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
