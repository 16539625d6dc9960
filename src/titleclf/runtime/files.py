"""Atomic writes, shipped files and standard streams."""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from titleclf.runtime.errors import InputError

PACKAGE = Path(__file__).parent.parent
CHECKOUT = PACKAGE.parent.parent
SHIPPED = "shipped"  # stands for the package's own titles, embeddings or model in place of a path


def shipped(name: str) -> Path:
    """Return the path of `name` (conf, data/titles.csv, data/model) in the installed package or in a checkout."""
    inside = PACKAGE / "shipped" / name
    return inside if inside.exists() else CHECKOUT / name


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file in the same folder that replaces `path` when the block ends, or is removed if it fails.

    The old file stays until the new one is complete and on disk. Its permissions, its owner and links to it are kept.

    Raises
    ------
    InputError
        If `path` exists and is not a file.
    """
    import tempfile  # here and below: slow to import, and not needed to predict

    if path.exists() and not path.is_file():  # for example /dev/null, which must not be replaced
        kind = "a folder" if path.is_dir() else "a device or pipe"
        raise InputError(f"{path} must be a file or not exist yet. Got {kind}. Choose another path.")
    path = path.resolve()
    old = path.stat() if path.exists() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        _copy_permissions(old, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_parent(path: Path) -> None:
    """Refuse a file to write in a folder that doesn't exist: its name may be misspelt.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder. Create it, or check the path.")


def same_file(path: Path, other: Path) -> bool:
    """Return whether two paths are one file, by whatever links, or would be if it existed."""
    if path.exists() and other.exists():
        return path.samefile(other)
    return path.resolve() == other.resolve()


def keep(path: Path) -> Path:
    """Copy a file to `<name>.bak` beside it, replacing an older copy, and return the path of the copy."""
    import shutil

    backup = path.with_name(f"{path.name}.bak")
    with replacing(backup) as temporary:
        shutil.copyfile(path, temporary)
    shutil.copymode(path, backup)
    return backup


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, completely or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def reconfigure(stream: TextIO, **options: Any) -> None:
    """Set the encoding and newlines of a standard stream, if it is a text file."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(**options)


def _copy_permissions(old: os.stat_result | None, temporary: Path) -> None:
    if old is None:
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files private
        return
    with suppress(PermissionError):  # only root may change owners
        os.chown(temporary, old.st_uid, old.st_gid)
    temporary.chmod(stat.S_IMODE(old.st_mode))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
