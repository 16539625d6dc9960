"""Guides as streams of UTF-8, read and written in any encoding and compression."""

import codecs
import gzip
import lzma
import re
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import IO, NamedTuple

from tqdm import tqdm

from titleclf.runtime.errors import InputError
from titleclf.runtime.files import replacing

STANDARD = "-"  # standard input or output
_CHUNK = 1 << 20  # bytes
_GZIP, _XZ = b"\x1f\x8b", b"\xfd7zXZ\x00"
_BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_WITHOUT_MARK = ((b"<\x00", "utf-16-le"), (b"\x00<", "utf-16-be"))
_DECLARED = re.compile(rb"""\s*<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._:-]+)["']""")

_COPIES: dict[str, Path] = {}  # of guides that come through a pipe, while they are read more than once


class Compression(StrEnum):
    """The compression of a file, as the suffix of its name."""

    none = ""
    gz = ".gz"
    xz = ".xz"

    @classmethod
    def of_name(cls, guide: str) -> "Compression":
        """Return the compression that a guide's name implies."""
        suffix = Path(guide).suffix.lower()
        return cls(suffix) if suffix in list(cls) else cls.none


class Source(NamedTuple):
    """A guide that is being read; its content comes in chunks of UTF-8."""

    encoding: str
    compression: Compression
    chunks: Iterator[bytes]


def is_guide(path: Path) -> bool:
    """Return whether a file is a guide, by its name."""
    return path.name.lower().removesuffix(".gz").removesuffix(".xz").endswith((".xml", ".xmltv"))


def display_name(guide: str) -> str:
    """Return the name of a guide in errors."""
    return "standard input" if guide == STANDARD else guide


@contextmanager
def rereadable(guide: str) -> Iterator[None]:
    """Let a guide that comes through a pipe be read more than once: its bytes are kept in a temporary file."""
    if guide != STANDARD and (not Path(guide).exists() or Path(guide).is_file() or Path(guide).is_dir()):
        yield
        return
    with tempfile.NamedTemporaryFile(prefix="titleclf.") as copy, _opened(guide) as pipe:
        shutil.copyfileobj(pipe, copy, _CHUNK)
        copy.flush()
        _COPIES[guide] = Path(copy.name)
        try:
            yield
        finally:
            del _COPIES[guide]


@contextmanager
def reading(guide: str) -> Iterator[Source]:
    """Open a guide (`-`: standard input), decompressing it as needed; a progress bar counts bytes.

    Raises
    ------
    InputError
        If the file is missing, truncated, or not in the encoding that it declares.
    """
    with ExitStack() as stack:
        file = stack.enter_context(_opened(guide))
        size = Path(guide).stat().st_size if Path(guide).is_file() else None
        bar = stack.enter_context(
            tqdm(total=size, unit="B", unit_scale=True, disable=None, leave=False, desc=Path(guide).name)
        )
        compression = _compression(file)
        name = display_name(guide)
        raw = _chunks(_decompressed(file, compression), name, lambda: bar.update(file.tell() - bar.n) if size else None)
        first = next(raw, b"")
        encoding = _encoding_of(first, name)
        yield Source(encoding, compression, _to_utf8(first, raw, encoding, name))


@contextmanager
def writing(guide: str, encoding: str, compression: Compression) -> Iterator[Callable[[bytes], object]]:
    """Yield a function that writes chunks of UTF-8 as a guide in `encoding`.

    The guide replaces an older file, or goes to standard output (`-`), once the block ends without an error.
    """
    if guide == STANDARD:
        with tempfile.TemporaryFile() as whole:
            yield _from_utf8(whole, encoding)
            whole.seek(0)
            sys.stdout.flush()
            shutil.copyfileobj(whole, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        return
    with replacing(Path(guide)) as new, new.open("wb") as file, closing(_compressed(file, compression)) as compressed:
        yield _from_utf8(compressed, encoding)


def _opened(guide: str) -> IO[bytes]:
    if guide in _COPIES:
        return _COPIES[guide].open("rb")
    if guide == STANDARD:
        return sys.stdin.buffer
    path = Path(guide)
    if not path.exists():
        raise InputError(f"{guide}: no such file. Check the path.")
    if path.is_dir():
        raise InputError(f"{guide} must be a file. Got a folder. Name a file in it.")
    return path.open("rb")


def _compression(file: IO[bytes]) -> Compression:
    # The name may be wrong; the first bytes can't be.
    start = file.peek(len(_XZ))  # type: ignore[attr-defined]
    if start.startswith(_GZIP):
        return Compression.gz
    return Compression.xz if start.startswith(_XZ) else Compression.none


def _decompressed(file: IO[bytes], compression: Compression) -> IO[bytes]:
    match compression:
        case Compression.gz:
            return gzip.open(file)  # type: ignore[return-value]
        case Compression.xz:
            return lzma.open(file)
    return file


def _compressed(file: IO[bytes], compression: Compression) -> IO[bytes]:
    match compression:
        case Compression.gz:  # without name and time, so that the same guide gives the same bytes
            return gzip.GzipFile("", "wb", 6, file, mtime=0)  # type: ignore[return-value]
        case Compression.xz:
            return lzma.open(file, "wb", preset=3)
    return file


def _chunks(file: IO[bytes], guide: str, advance: Callable[[], object]) -> Iterator[bytes]:
    try:
        while chunk := file.read(_CHUNK):
            yield chunk
            advance()
    except (gzip.BadGzipFile, lzma.LZMAError, EOFError, zlib.error) as error:
        raise InputError(f"{guide} must be whole. Got: {error}. Fetch it again.") from error


def _encoding_of(start: bytes, guide: str) -> str:
    for mark, encoding in (*_BYTE_ORDER_MARKS, *_WITHOUT_MARK):
        if start.startswith(mark):
            return encoding
    match = _DECLARED.match(start)
    name = match.group(1).decode() if match else "utf-8"
    encoding = ""
    try:
        encoding = codecs.lookup(name).name
        # The declaration is readable as ASCII, so it can't be UTF-16; and the encoding must be able to write any text.
        is_possible = b"<?xml".decode(encoding) == "<?xml" and bool("日".encode(encoding, "xmlcharrefreplace"))
    except (LookupError, UnicodeError):  # no codec, or none for text
        is_possible = False
    if not is_possible:
        raise InputError(f"{guide} must be in the encoding that it declares. Got {name}. Save it as UTF-8.")
    return encoding


def _to_utf8(first: bytes, rest: Iterator[bytes], encoding: str, guide: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk in chain([first], rest):
            text = decoder.decode(chunk)  # UTF-8 too, so that the parser never sees invalid bytes
            yield chunk if encoding == "utf-8" else text.encode()
        decoder.decode(b"", final=True)
    except UnicodeError as error:
        raise InputError(
            f"{guide} must be in the encoding that it declares, or UTF-8. Got {encoding} and: {error}. "
            "Correct its first line, or save it as UTF-8."
        ) from error


def _from_utf8(file: IO[bytes], encoding: str) -> Callable[[bytes], object]:
    if encoding == "utf-8":
        return file.write
    # Added text may have characters that the encoding lacks.
    return lambda chunk: file.write(chunk.decode().encode(encoding, "xmlcharrefreplace"))
