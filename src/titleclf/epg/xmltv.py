"""A guide in pieces: its programmes with their places among its bytes, which stay as they are but for edits.

What is put in or taken out is cut into the original bytes at such a place; all others are copied: no channel, comment,
attribute or blank can change, because nothing is written anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from titleclf.runtime.text.programmes import Programme as TitleProgramme

_BLANKS = b" \t\r\n"
Edit = tuple[int, int, bytes]  # the bytes from here to there become these


class Text(NamedTuple):
    """An element with text, and the places in the guide where it and its end tag begin."""

    text: str
    start: int
    end: int


@dataclass(slots=True)
class Programme:
    """A programme; its title is the first that is not empty, `lang` what that says of itself.

    `follows` is the place of what comes after its categories, or would, and `model` that of the child before, if any.
    """

    channel: str
    start: str
    stop: str
    title: str = ""
    lang: str | None = None
    is_episode: bool = False
    categories: list[Text] = field(default_factory=list)  # without those that are empty
    keywords: list[Text] = field(default_factory=list)
    model: int = -1
    follows: int = -1

    @property
    def minutes(self) -> float | None:
        """How long it lasts, as far as it says so."""
        start, stop = self.start.split(), self.stop.split()
        if start[1:] == stop[1:]:  # any name of a zone will do, if both have it
            start, stop = start[:1], stop[:1]
        try:
            length = _time(*stop) - _time(*start)
        except (TypeError, ValueError):
            return None
        return length / timedelta(minutes=1) if length > timedelta(0) else None

    @property
    def programme(self) -> TitleProgramme:
        """What a model may use of it."""
        return TitleProgramme(self.title, self.channel or None, self.minutes)


class Piece(NamedTuple):
    """A piece of a guide: bytes of UTF-8 that begin at `start`; the programmes in them, and the names of channels."""

    content: bytes
    start: int
    programmes: list[Programme]
    channels: dict[str, str]  # by their ids, the first name of each

    def edited(self, edits: Sequence[Edit]) -> bytes:
        """Return the content with edits that don't overlap."""
        kept, done = [], 0
        for start, end, new in sorted(edits):
            kept += [self.content[done : start - self.start], new]
            done = end - self.start
        return b"".join([*kept, self.content[done:]])

    def addition(self, programme: Programme, elements: Sequence[tuple[str, str]], *, first: bool = False) -> Edit:
        """Return the edit that adds elements (name, text) after a programme's categories, or before if `first`.

        They are set apart from each other like the programme's children, and have the language of its title.
        """
        model, place = programme.model, programme.follows
        if first and programme.categories:
            model = place = programme.categories[0].start
        blank = self._blank(model if model >= 0 else place)
        lang = "" if programme.lang is None else f" lang={quoteattr(programme.lang)}"
        new = b"".join(blank + f"<{name}{lang}>{escape(text)}</{name}>".encode() for name, text in elements)
        place -= len(self._blank(place))
        return place, place, new

    def removal(self, element: Text) -> Edit:
        """Return the edit that takes an element out, with the blanks that `addition` set before it."""
        end = self.content.index(b">", element.end - self.start) + 1 + self.start
        return element.start - len(self._blank(element.start)), end, b""

    def _blank(self, place: int) -> bytes:
        # What stands between a place and the markup or text before it.
        end = begin = place - self.start
        while begin and self.content[begin - 1] in _BLANKS:
            begin -= 1
        return self.content[begin:end]


def _time(digits: str, zone: str = "+0000") -> datetime:
    # Seconds, or all behind the day, may be missing.
    digits += "00000000000000"[len(digits) :]
    return datetime.fromisoformat(f"{digits[:8]}T{digits[8:]}{zone}")
