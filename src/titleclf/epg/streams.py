"""Guides as streams of bytes, read and written in any packing."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, NamedTuple

from tqdm import tqdm

from titleclf.epg.encodings import encoding_of, to_utf8
from titleclf.epg.packings import Packing, packed, unpacked
from titleclf.epg.urls import display_url, is_url
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import replacing

STANDARD = "-"  # standard input or output
_CHUNK = 1 << 20  # bytes
_DECLARATION = 200  # bytes that an XML declaration has at most, in characters of one byte

_COPIES: dict[str, Path] = {}  # of guides that can't be read more than once


class Source(NamedTuple):
    """A guide that is being read: its codec, how it is packed, and its bytes in chunks, unpacked."""

    encoding: str
    packings: Sequence[Packing]  # the outermost first
    raw: Iterator[bytes]

    @property
    def chunks(self) -> Iterator[bytes]:
        """The guide in chunks of UTF-8."""
        return to_utf8(self.raw, self.encoding)


def display_name(guide: str) -> str:
    """Return the name of a guide in errors."""
    if guide == STANDARD:
        return "standard input"
    return display_url(guide) if is_url(guide) else guide


@contextmanager
def rereadable(guide: str) -> Iterator[None]:
    """Let a guide that comes through a pipe or from the web be read more than once, from a temporary copy."""
    if guide in _COPIES or not (guide == STANDARD or is_url(guide) or _is_pipe(Path(guide))):
        yield
        return
    with tempfile.NamedTemporaryFile(prefix="titleclf.") as copy, _opened(guide) as stream:
        shutil.copyfileobj(stream, copy, _CHUNK)
        copy.flush()
        with copied(guide, Path(copy.name)):
            yield


@contextmanager
def copied(guide: str, copy: Path) -> Iterator[None]:
    """Read a file whenever a guide is read, until the block ends."""
    _COPIES[guide] = copy
    try:
        yield
    finally:
        del _COPIES[guide]


@contextmanager
def reading(guide: str) -> Iterator[Source]:
    """Open a guide (a file, a URL, or `-`: standard input), unpacking it as needed; a progress bar counts bytes.

    Raises
    ------
    InputError
        If the file is missing or truncated, or declares an encoding that is not for XML.
    """
    with ExitStack() as stack:
        file = stack.enter_context(_opened(guide))
        size = Path(guide).stat().st_size if Path(guide).is_file() else None
        bar = stack.enter_context(
            tqdm(total=size, unit="B", unit_scale=True, disable=None, leave=False, desc=Path(guide).name)
        )
        name = display_name(guide)
        packings, chunks = unpacked(file, name, _CHUNK)
        raw = _advancing(chunks, lambda: bar.update(file.tell() - bar.n) if size else None)
        start = _start(raw)
        yield Source(encoding_of(b"".join(start), name), packings, chain(start, raw))


@contextmanager
def writing(guide: str, packing: Packing) -> Iterator[Callable[[bytes], object]]:
    """Yield a function that writes chunks of a guide.

    The guide replaces an older file, or goes to standard output (`-`), once the block ends without an error.
    """
    if guide == STANDARD:
        with tempfile.TemporaryFile() as whole:
            yield whole.write
            whole.seek(0)
            sys.stdout.flush()
            shutil.copyfileobj(whole, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        return
    with replacing(Path(guide)) as new, new.open("wb") as file, packed(file, packing) as content:
        yield content.write


def _is_pipe(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


def _start(raw: Iterator[bytes]) -> list[bytes]:
    """Return the first chunks, with enough bytes for a declaration unless the guide is shorter."""
    chunks: list[bytes] = []
    while sum(map(len, chunks)) < _DECLARATION and (chunk := next(raw, b"")):
        chunks.append(chunk)
    return chunks


def _opened(guide: str) -> IO[bytes]:
    if guide in _COPIES:
        return _COPIES[guide].open("rb")
    if guide == STANDARD:
        return sys.stdin.buffer
    if is_url(guide):
        from titleclf.epg.web import fetch  # here: slow to import, and few guides are URLs

        return fetch(guide)
    path = Path(guide)
    if not path.exists():
        raise InputError(f"{guide}: no such file. Check the path.")
    if path.is_dir():
        raise InputError(f"{guide} must be a file. Got a folder. Name a file in it.")
    return path.open("rb")


def _advancing(chunks: Iterator[bytes], advance: Callable[[], object]) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk
        advance()
