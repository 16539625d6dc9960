"""Files that are either whole or not there, and the folders that runs are written to."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

PACKAGE = Path(__file__).parent
CHECKOUT = PACKAGE.parent.parent
SHIPPED = "shipped"  # what a user writes for the titles and the model that come with the package


def shipped(name: str) -> Path:
    """Return where `name` (conf, data/titles.csv, data/model) lies: inside a package, or at the top of a checkout."""
    inside = PACKAGE / name
    return inside if inside.exists() else CHECKOUT / name


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary neighbour that takes the place of `path` when the block ends, and is gone if it fails.

    What stood at `path` before stays until the new file is whole and on the disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes private files
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def new_run_folder(parent: Path) -> Path:
    """Make and return a folder named after the present second; runs of the same second get -2, -3, ..."""
    parent.mkdir(parents=True, exist_ok=True)
    stamp = f"{datetime.now().astimezone():%Y-%m-%d_%H-%M-%S}"
    number = 1
    while True:
        folder = parent / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            folder.mkdir()  # fails if another process was faster: that is what keeps runs apart
        except FileExistsError:
            number += 1
        else:
            return folder


def point_latest(folder: Path) -> None:
    """Let the link `latest` beside `folder` point to it, in one step."""
    link = folder.parent / f".latest.{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(folder.name, target_is_directory=True)
    link.replace(folder.parent / "latest")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
