"""Guides as streams of UTF-8, read and written in any encoding and packing."""

import codecs
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, NamedTuple

from tqdm import tqdm

from titleclf.epg.packings import Packing, packed, unpacked
from titleclf.epg.urls import display_url, is_url
from titleclf.runtime.errors import InputError
from titleclf.runtime.files import replacing

STANDARD = "-"  # standard input or output
_CHUNK = 1 << 20  # bytes
_BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_WITHOUT_MARK = ((b"<\x00", "utf-16-le"), (b"\x00<", "utf-16-be"))
_DECLARED = re.compile(rb"""\s*<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._:-]+)["']""")

_COPIES: dict[str, Path] = {}  # of guides that can't be read more than once


class Source(NamedTuple):
    """A guide that is being read; its content comes in chunks of UTF-8."""

    encoding: str
    packings: Sequence[Packing]  # the outermost first
    chunks: Iterator[bytes]


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
        If the file is missing, truncated, or not in the encoding that it declares.
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
        first = next(raw, b"")
        encoding = _encoding_of(first, name)
        yield Source(encoding, packings, _to_utf8(first, raw, encoding, name))


@contextmanager
def writing(guide: str, encoding: str, packing: Packing) -> Iterator[Callable[[bytes], object]]:
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
    with replacing(Path(guide)) as new, new.open("wb") as file, packed(file, packing) as content:
        yield _from_utf8(content, encoding)


def _is_pipe(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


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
