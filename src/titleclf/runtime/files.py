"""Files that are either whole or not there, and the folders that runs are written to."""

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
SHIPPED = "shipped"  # what a user writes for the titles and the model that come with the package


def shipped(name: str) -> Path:
    """Return where `name` (conf, data/titles.csv, data/model) lies: inside a package, or at the top of a checkout."""
    inside = PACKAGE / "shipped" / name
    return inside if inside.exists() else CHECKOUT / name


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary neighbour that takes the place of `path` when the block ends, and is gone if it fails.

    What stood at `path` before stays until the new file is whole and on the disk; so do its rights and its owner, and
    the links that lead to it.

    Raises
    ------
    InputError
        If something else than a file stands at `path`.
    """
    import tempfile  # only now, here and below: who predicts writes nothing, and it takes long to be imported

    if path.exists() and not path.is_file():  # /dev/null is no place for a file
        raise InputError(f"{path} must be a file, or not there yet. Got {_other(path)}. Name another one.")
    path = path.resolve()
    before = path.stat() if path.exists() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        _take_over(before, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def keep(path: Path) -> Path:
    """Copy a file to its neighbour `<name>.bak`, which takes the place of an older one, and return that."""
    import shutil

    backup = path.with_name(f"{path.name}.bak")
    with replacing(backup) as temporary:
        shutil.copyfile(path, temporary)
    shutil.copymode(path, backup)
    return backup


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def reconfigure(stream: TextIO, **options: Any) -> None:
    """Set the encoding and line ends of a standard stream; a stream without them stays as it is."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(**options)


def _take_over(before: os.stat_result | None, temporary: Path) -> None:
    if before is None:
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes private files
        return
    with suppress(PermissionError):  # only root may give files away
        os.chown(temporary, before.st_uid, before.st_gid)
    temporary.chmod(stat.S_IMODE(before.st_mode))


def _other(path: Path) -> str:
    return "a folder" if path.is_dir() else "a device or pipe"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
