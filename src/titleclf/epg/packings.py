"""Packed guides: gzip, bzip2, xz, zstd, and a zip that holds one; read by their first bytes, written by their names."""

import bz2
import functools
import gzip
import logging
import lzma
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from itertools import chain
from typing import IO, Any, NamedTuple, Protocol

from titleclf.runtime.errors import InputError, require_extra
from titleclf.runtime.text.characters import printable

_BLOCK = 1 << 16  # bytes that are read at a time
_STEP = 1 << 20  # bytes that are unpacked at a time, however well they are packed
# Limits for hostile files: the largest guides known are a quarter of this, and packed once, or twice by mistake.
_MAX_UNPACKED = 4 << 30  # bytes
_MAX_PACKINGS = 3
_MAX_XZ_MEMORY = 128 << 20  # bytes; xz -9 takes 65 MB
_MAX_ZIP_DIRECTORY = 1 << 20  # bytes: 10,000 files and more

_ZIP_MEMBER = "guide.xml"
_ZIP_OF_MACOS = "__MACOSX/"  # a folder with a shadow of each file
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_ZIP_END, _ZIP_END_SIZE, _MAX_ZIP_COMMENT = b"PK\x05\x06", 22, 0xFFFF
_LISTED = 5  # files of a zip
_ENCRYPTED = 1  # a bit of a zip member's flags

_LOG = logging.getLogger(__name__)


class Packing(StrEnum):
    """How a file is packed, as the suffix of its name."""

    none = ""
    gz = ".gz"
    bz2 = ".bz2"
    xz = ".xz"
    zst = ".zst"
    zip = ".zip"

    @classmethod
    def of_name(cls, name: str) -> "Packing":
        """Return the packing that a file's name implies."""
        return next((packing for packing in cls if packing and name.lower().endswith(packing)), cls.none)

    @classmethod
    def of_start(cls, start: bytes) -> "Packing":
        """Return the packing that a file's first bytes show: its name may be wrong."""
        return next((packing for packing, magic in _MAGIC.items() if start.startswith(magic)), cls.none)


_MAGIC = {
    Packing.gz: (b"\x1f\x8b",),
    Packing.bz2: (b"BZh",),
    Packing.xz: (b"\xfd7zXZ\x00",),
    Packing.zst: (b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18"),  # a frame, or one to be skipped, as pzstd puts first
    Packing.zip: (b"PK\x03\x04", _ZIP_END),
}
_MAGIC_SIZE = max(len(magic) for each in _MAGIC.values() for magic in each)


class Unpacked(NamedTuple):
    """The content of a file, and how it was packed, the outermost packing first."""

    packings: list[Packing]
    chunks: Iterator[bytes]


def unpacked_name(name: str) -> str:
    """Return a guide's name without its packing: guide.xml for guide.xml.gz and for guide.zip."""
    packing = Packing.of_name(name)
    name = name[: len(name) - len(packing)]
    return f"{name}.xml" if packing is Packing.zip and not name.lower().endswith((".xml", ".xmltv")) else name


def is_guide(name: str) -> bool:
    """Return whether a file is a guide, packed or not, by its name."""
    return unpacked_name(name.lower()).endswith((".xml", ".xmltv"))


def unpacked(file: IO[bytes], name: str, chunk_bytes: int) -> Unpacked:
    """Unpack a file; all chunks but the last have `chunk_bytes`, however slowly they come. Errors name it by `name`.

    Bytes behind the end of the packed data are ignored as gunzip does: with a warning, unless they are zeros.

    Raises
    ------
    InputError
        If it is truncated or damaged, is a zip without exactly one guide, or unpacks to more than 4 GB.
    """
    blocks, packings = _blocks(file), list[Packing]()
    while True:
        start, blocks = _peeked(blocks)
        packing = Packing.of_start(start)
        if packing is Packing.none:
            return Unpacked(packings, _merged(blocks, chunk_bytes))
        if len(packings) == _MAX_PACKINGS:
            raise InputError(f"{name} must be packed at most {_MAX_PACKINGS} times. Got one more. Unpack it first.")
        packings.append(packing)
        blocks = _bounded(_unzipped(blocks, name) if packing is Packing.zip else _members(blocks, packing, name), name)


@contextmanager
def packed(file: IO[bytes], packing: Packing) -> Iterator[IO[bytes]]:
    """Yield a file whose content is packed into `file`; the same content always gives the same bytes."""
    with ExitStack() as stack:
        match packing:
            case Packing.none:
                yield file
            case Packing.gz:
                yield stack.enter_context(gzip.GzipFile("", "wb", 6, file, mtime=0))  # type: ignore[arg-type]
            case Packing.bz2:
                yield stack.enter_context(bz2.open(file, "wb"))
            case Packing.xz:
                yield stack.enter_context(lzma.open(file, "wb", preset=3))
            case Packing.zst:
                zstd = _zstd()
                with_checksum = {zstd.CompressionParameter.checksum_flag: 1}  # as the program zstd does
                yield stack.enter_context(zstd.open(file, "wb", options=with_checksum))
            case Packing.zip:
                archive = stack.enter_context(zipfile.ZipFile(file, "w"))
                member = zipfile.ZipInfo(_ZIP_MEMBER)
                member.compress_type = zipfile.ZIP_DEFLATED
                yield stack.enter_context(archive.open(member, "w", force_zip64=True))


class _Decompressor(Protocol):
    """What bz2, lzma and zstd have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Gunzip:
    """zlib's decompressor with the interface of the others."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self._is_full = False  # zlib may hold more output, though it has taken all of its input

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail and not self._is_full

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        output = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self._is_full = len(output) == max_length
        return output


def _decompressor(packing: Packing) -> Callable[[], _Decompressor]:
    match packing:
        case Packing.gz:
            return _Gunzip
        case Packing.bz2:
            return bz2.BZ2Decompressor
        case Packing.xz:
            return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _MAX_XZ_MEMORY)
    decompressor: Callable[[], _Decompressor] = _zstd().ZstdDecompressor
    return decompressor


def _zstd() -> Any:
    with require_extra("zstd"):
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            import backports.zstd as zstd
    return zstd


def _members(blocks: Iterator[bytes], packing: Packing, name: str) -> Iterator[bytes]:
    """Yield the content of members that follow one another, as in the output of cat and of parallel packers."""
    new = _decompressor(packing)
    rest = next(blocks)
    while rest.startswith(_MAGIC[packing]):
        member = new()
        while not member.eof:
            if member.needs_input and not rest and not (rest := next(blocks, b"")):
                raise _damaged(name, "Compressed file ended before the end-of-stream marker was reached")
            try:
                content = member.decompress(rest, _STEP)
            except Exception as error:  # each packing has its own, and bzip2 that of a failing disk
                raise _damaged(name, error) from error
            rest = b""
            if content:
                yield content
        rest = _start_behind(member, blocks)
    if rest:
        _warn_once(f"note: {name}: what follows the end of its {packing[1:]} data is ignored")


def _start_behind(member: _Decompressor, blocks: Iterator[bytes]) -> bytes:
    """Return the first bytes behind a member, without the zeros that tapes and some downloads append."""
    start = member.unused_data.lstrip(b"\0")
    while len(start) < _MAGIC_SIZE and (block := next(blocks, b"")):
        start = (start + block).lstrip(b"\0")
    return start


def _unzipped(blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    with tempfile.TemporaryFile() as file:  # its list of files is at its end
        file.writelines(blocks)
        _check_zip_directory(file, name)
        try:
            with zipfile.ZipFile(file) as archive, archive.open(_zip_member(archive, name)) as guide:
                yield from _blocks(guide)
        except InputError:
            raise
        except Exception as error:  # zipfile's own, and those of what it unpacks with
            raise _damaged(name, error) from error


def _check_zip_directory(file: IO[bytes], name: str) -> None:
    """Refuse a list of files that would fill the memory."""
    file.seek(max(0, file.tell() - _ZIP_END_SIZE - _MAX_ZIP_COMMENT))
    tail = file.read()
    end = tail.rfind(_ZIP_END)
    size = int.from_bytes(tail[end + 12 : end + 16], "little") if end >= 0 else 0
    if size > _MAX_ZIP_DIRECTORY:
        raise InputError(f"{name} must hold one guide. Got a zip of many thousand files. Unpack the guide first.")


def _zip_member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """Return the only guide of a zip.

    Raises
    ------
    InputError
        If it holds none or several, or one that can't be read.
    """
    files = [member for member in archive.infolist() if not member.is_dir()]
    guides = [file for file in files if is_guide(file.filename) and not file.filename.startswith(_ZIP_OF_MACOS)]
    if len(guides) != 1:
        listed = guides or files
        names = ", ".join(printable(member.filename[-40:]) for member in listed[:_LISTED]) or "no file"
        more = f" and {len(listed) - _LISTED:,} more" if len(listed) > _LISTED else ""
        advice = "Unpack the one you want." if guides else "Name another file."
        raise InputError(f"{name} must hold one guide (.xml or .xmltv). Got {names}{more}. {advice}")
    (guide,) = guides
    if guide.flag_bits & _ENCRYPTED:
        raise InputError(f"{name} must not be encrypted. Got a zip with a password. Unpack it first.")
    if guide.compress_type not in _ZIP_METHODS:
        got = f"compression method {guide.compress_type}"
        raise InputError(f"{name} must be deflated, as zips usually are. Got {got}. Unpack it first.")
    return guide


def _damaged(name: str, got: object) -> InputError:
    return InputError(f"{name} must be whole. Got: {got}. Fetch it again.")


def _bounded(blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    size = 0
    for block in blocks:
        size += len(block)
        if size > _MAX_UNPACKED:
            raise InputError(f"{name} must unpack to at most {_MAX_UNPACKED >> 30} GB. Got more. Unpack it first.")
        yield block


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    return iter(functools.partial(file.read, _BLOCK), b"")


def _peeked(blocks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return enough first bytes to know a packing, and all blocks: a slow pipe gives one byte at first."""
    start = b""
    for block in blocks:
        start += block
        if len(start) >= _MAGIC_SIZE:
            break
    return start, chain([start] if start else [], blocks)


def _merged(blocks: Iterator[bytes], chunk_bytes: int) -> Iterator[bytes]:
    buffer = bytearray()
    for block in blocks:
        buffer += block
        while len(buffer) >= chunk_bytes:
            yield bytes(memoryview(buffer)[:chunk_bytes])
            del buffer[:chunk_bytes]
    if buffer:
        yield bytes(buffer)


@functools.cache
def _warn_once(sentence: str) -> None:
    """Warn on standard error; `fill` reads a guide twice."""
    _LOG.warning(sentence)
