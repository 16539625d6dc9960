"""The days that a player asks for: a guide without the programmes that start on others."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from titleclf.epg.encodings import decoded_and_own
from titleclf.epg.packings import Packing
from titleclf.epg.parser import BUFFER_LIMIT
from titleclf.epg.streams import copied, display_name, reading, writing
from titleclf.epg.times import seconds_of

Part = tuple[bytes, bool]  # and whether it is in the days


class Days(NamedTuple):
    """From the midnight (of this computer) at which days begin to that at which they end, if they do, as Unix times."""

    first: float
    last: float | None

    @classmethod
    def of(cls, offset: int, count: int | None) -> "Days":
        """Return `count` days, or all, from `offset` days after today on."""
        last = None if count is None else _midnight(offset + count)
        return cls(_midnight(offset), last)

    def has(self, start: str) -> bool:
        """Return whether a programme starts in these days, or at a time that can't be read."""
        at = seconds_of(start)
        return at is None or (self.first <= at and (self.last is None or at < self.last))


@contextmanager
def only_days(guide: str, days: Days) -> Iterator[None]:
    """Read only these days of a guide, until the block ends; all other bytes stay.

    Raises
    ------
    InputError
        If the guide can't be read.
    """
    with tempfile.TemporaryDirectory(prefix="titleclf.") as folder:
        copy = Path(folder, "guide")
        with copied(guide, copy) if _is_written(guide, copy, days) else nullcontext():
            yield


def _is_written(guide: str, copy: Path, days: Days) -> bool:
    """Write these days of a guide; return whether its text could be read: if not, its own reader names the place."""
    try:
        with reading(guide) as source, writing(str(copy), Packing.none) as write:
            content, own = decoded_and_own(source.raw, source.encoding, display_name(guide))
            for part, is_in in within(content, days):
                write(own.kept(part) if is_in else own.replaced(part, b""))
            write(own.rest())
    except UnicodeError:
        return False
    return True


def within(chunks: Iterator[bytes], days: Days) -> Iterator[Part]:
    """Yield a guide in UTF-8 in parts, the programmes of other days apart; from an error on, all of it is in."""
    cutter = _Cutter(days)
    for chunk in chunks:
        try:
            yield from cutter.feed(chunk)
        except (expat.ExpatError, _NotForUsError):
            yield from cutter.rest()
            yield from ((rest, True) for rest in chunks)
            return
    yield from cutter.rest()


class _NotForUsError(Exception):
    """A guide that its reader refuses."""


class _Cutter:
    """Cuts programmes out of a guide; between calls it buffers the bytes from `_start` on."""

    def __init__(self, days: Days) -> None:
        self._buffer = bytearray()
        self._days, self._start, self._depth = days, 0, 0
        self._cut: int | None = None  # where an open programme to be cut begins
        self._parts: list[Part] = []
        self._expat = expat.ParserCreate("utf-8")
        self._expat.StartElementHandler = self._open
        self._expat.EndElementHandler = self._close
        self._expat.EntityDeclHandler = self._entity

    def feed(self, chunk: bytes) -> list[Part]:
        """Return what is complete after these bytes."""
        self._buffer += chunk
        if len(self._buffer) > BUFFER_LIMIT:
            raise _NotForUsError
        self._expat.Parse(chunk)
        self._take(self._expat.CurrentByteIndex if self._cut is None else self._cut, is_in=True)
        complete, self._parts = self._parts, []
        return complete

    def rest(self) -> list[Part]:
        """Return what no call has returned."""
        return [*self._parts, (bytes(self._buffer), True)]

    def _take(self, end: int, *, is_in: bool) -> None:
        if end > self._start:
            self._parts.append((bytes(memoryview(self._buffer)[: end - self._start]), is_in))
            del self._buffer[: end - self._start]
            self._start = end

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 2 and name == "programme" and not self._days.has(attributes.get("start", "")):
            self._cut = self._expat.CurrentByteIndex

    def _close(self, _: str) -> None:
        if self._depth == 2 and self._cut is not None:
            end = self._expat.CurrentByteIndex
            if end > self._cut:  # else it is an empty element, which no player shows
                self._take(self._cut, is_in=True)
                self._take(self._buffer.index(b">", end - self._start) + 1 + self._start, is_in=False)
            self._cut = None
        self._depth -= 1

    def _entity(self, *_: object) -> None:
        raise _NotForUsError


def _midnight(days: int) -> float:
    return datetime.combine(date.today() + timedelta(days=days), time()).timestamp()
