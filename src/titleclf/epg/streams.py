"""Guides as streams of bytes, read and written in any packing."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from typing import IO, NamedTuple

from tqdm import tqdm

from titleclf.epg.encodings import encoding_of, to_utf8
from titleclf.epg.packings import Packing, packed, unpacked
from titleclf.epg.repairs import Repairs, repaired
from titleclf.epg.urls import display_url, is_url
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import replacing

STANDARD = "-"  # standard input or output
_CHUNK = 1 << 20  # bytes
_DECLARATION = 200  # bytes that an XML declaration has at most, in characters of one byte


class _Copy(NamedTuple):
    """A file that is read in place of a guide; if it is unpacked, with the guide's own packings."""

    path: Path
    packings: Sequence[Packing] = ()


_COPIES: dict[str, _Copy] = {}  # of guides that can't be read more than once, or are repaired


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
    if guide in _COPIES or not _is_stream(guide):
        yield
        return
    with tempfile.NamedTemporaryFile(prefix="titleclf.") as copy, _opened(guide) as stream:
        shutil.copyfileobj(stream, copy, _CHUNK)
        copy.flush()
        with copied(guide, Path(copy.name)):
            yield


@contextmanager
def repairing(guide: str) -> Iterator[Repairs]:
    """Let a guide be read with its faults replaced, from a temporary file, and yield what was replaced.

    Raises
    ------
    InputError
        If it can't be read.
    """
    repairs = Repairs()
    with tempfile.TemporaryDirectory(prefix="titleclf.") as folder:
        copy = Path(folder) / "guide"
        with reading(guide) as source, writing(str(copy), Packing.none) as write:
            for chunk in repaired(source.raw, source.encoding, display_name(guide), repairs):
                write(chunk)
        with copied(guide, copy, source.packings) if repairs.counts or _is_stream(guide) else nullcontext():
            yield repairs


def is_repaired(guide: str) -> bool:
    """Return whether a guide on disk is read with repairs."""
    return guide in _COPIES and not _is_stream(guide)


@contextmanager
def copied(guide: str, copy: Path, packings: Sequence[Packing] = ()) -> Iterator[None]:
    """Read a file whenever a guide is read, until the block ends; it may be unpacked, unlike the guide."""
    earlier = _COPIES.get(guide)
    _COPIES[guide] = _Copy(copy, packings)
    try:
        yield
    finally:
        del _COPIES[guide]
        if earlier is not None:
            _COPIES[guide] = earlier


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
        packings: Sequence[Packing]
        packings, chunks = unpacked(file, name, _CHUNK)
        if guide in _COPIES:
            packings = _COPIES[guide].packings or packings
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


def _is_stream(guide: str) -> bool:
    """Return whether a guide can be read only once, or is in the web."""
    path = Path(guide)
    return guide == STANDARD or is_url(guide) or (path.exists() and not path.is_file() and not path.is_dir())


def _start(raw: Iterator[bytes]) -> list[bytes]:
    """Return the first chunks, with enough bytes for a declaration unless the guide is shorter."""
    chunks: list[bytes] = []
    while sum(map(len, chunks)) < _DECLARATION and (chunk := next(raw, b"")):
        chunks.append(chunk)
    return chunks


def _opened(guide: str) -> IO[bytes]:
    if guide in _COPIES:
        return _COPIES[guide].path.open("rb")
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
