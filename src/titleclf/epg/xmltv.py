"""A guide in pieces: airings with their places among its bytes, and edits that leave all other bytes as they are.

Nothing is serialized again, so that no channel, comment, attribute or space can change.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from titleclf.epg.encodings import OwnBytes, Utf8Bytes
from titleclf.epg.placeholders import is_placeholder
from titleclf.epg.times import minutes_between
from titleclf.runtime.text.plain_titles import plain_title
from titleclf.runtime.text.programmes import Programme

_MAX_LENGTH = 1000  # characters of a title that are read
_WHITESPACE = b" \t\r\n"
Edit = tuple[int, int, bytes]  # start, end and the bytes that replace what lies between
Showing = tuple[str, str | None]  # title and channel


class EpisodeNumber(NamedTuple):
    """The number of an episode, or an id of a programme, and the system that it is written in."""

    system: str | None
    text: str


class TextElement(NamedTuple):
    """An element's text without needless spaces and as it stands, and where the element and its end tag begin."""

    text: str
    start: int
    end: int
    raw: str


@dataclass(slots=True)
class Airing:
    """A programme as a guide lists it; title, sub-title and description are the first of each that is not empty.

    `lang` is the title's language, `channel_name` the first name of the channel if the guide gave it before. `length`
    are the minutes of the `<length>`, or else until the next start on the channel, as far as they are known. New
    categories go to `insertion`, and are indented like the child element at `sibling` (-1: there is none).
    """

    channel: str
    start: str
    stop: str
    title: str = ""
    lang: str | None = None
    translations: list[tuple[str, str | None]] = field(default_factory=list)  # other titles, with their languages
    channel_name: str | None = None
    sub_title: str | None = None
    description: str | None = None
    date: str | None = None
    length: float | None = None
    episode_numbers: list[EpisodeNumber] = field(default_factory=list)  # without empty ones
    categories: list[TextElement] = field(default_factory=list)  # without empty ones
    keywords: list[TextElement] = field(default_factory=list)
    sibling: int = -1
    insertion: int = -1
    # What takes longest to find, and is asked for several times.
    _plain_title: str | None = field(default=None, init=False, repr=False, compare=False)
    _is_titled: bool | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def minutes(self) -> float | None:
        """The duration: from start to stop, or else its `length`."""
        minutes = minutes_between(self.start, self.stop) if self.stop else None
        return self.length if minutes is None else minutes

    @property
    def channel_title(self) -> str | None:
        """The channel's name, or else its id."""
        return self.channel_name or self.channel or None

    @property
    def plain_title(self) -> str:
        """The title's plain form."""
        if self._plain_title is None:
            self._plain_title = plain_title(self.title[:_MAX_LENGTH])
        return self._plain_title

    @property
    def is_titled(self) -> bool:
        """Whether its title names a programme."""
        if self._is_titled is None:
            # Channels of a single show are called like it, and their guides say what it is.
            name_that_says_nothing = None if self.categories else self.channel_name
            self._is_titled = bool(self.title) and not is_placeholder(self.plain_title, name_that_says_nothing)
        return self._is_titled

    @property
    def showing(self) -> Showing:
        """The plain title and the channel, which models decide on."""
        return self.plain_title, self.channel_title

    @property
    def programme(self) -> Programme:
        """What a model may use of it."""
        return Programme(
            self.plain_title,
            self.channel_title,
            self.minutes,
            self.description,
            self.sub_title,
            _year(self.date),
            self.lang,
        )

    @property
    def versions(self) -> list["Airing"]:
        """The same under each of its titles that name a programme, beginning with itself."""
        if not self.translations:  # the usual case
            return [self]
        others = [replace(self, title=title, lang=lang, translations=[]) for title, lang in self.translations]
        return [self, *(airing for airing in others if airing.is_titled)]


class Piece(NamedTuple):
    """A piece of a guide: UTF-8 bytes that begin at `start`, with the airings and the channels' names in them."""

    content: bytes
    start: int
    airings: list[Airing]
    channels: dict[str, str]  # the first name of each, by id

    def edited(self, edits: Sequence[Edit], own: Utf8Bytes | OwnBytes) -> bytes:
        """Return the content in the guide's own bytes, after edits that don't overlap."""
        parts, done = [], 0
        for start, end, new in sorted(edits):
            begin = start - self.start
            parts.append(own.kept(self.content[done:begin]))
            done = end - self.start
            parts.append(own.replaced(self.content[begin:done], new))
        return b"".join([*parts, own.kept(self.content[done:])])

    def addition(self, airing: Airing, elements: Sequence[tuple[str, str]], *, first: bool = False) -> Edit:
        """Return the edit that adds elements (name, text) after an airing's categories, or before them if `first`.

        They are indented like the airing's other children, and are in the language of its title.
        """
        sibling, place = airing.sibling, airing.insertion
        if first and airing.categories:
            sibling = place = airing.categories[0].start
        indent = self._whitespace_before(sibling if sibling >= 0 else place)
        new = b"".join(indent + _element(name, text, airing.lang) for name, text in elements)
        place -= len(self._whitespace_before(place))
        return place, place, new

    def removal(self, element: TextElement) -> Edit:
        """Return the edit that removes an element together with its indentation."""
        end = self.content.index(b">", element.end - self.start) + 1 + self.start
        return element.start - len(self._whitespace_before(element.start)), end, b""

    def _whitespace_before(self, place: int) -> bytes:
        end = begin = place - self.start
        while begin and self.content[begin - 1] in _WHITESPACE:
            begin -= 1
        return self.content[begin:end]


@lru_cache(maxsize=4096)  # a guide gets few different ones
def _element(name: str, text: str, lang: str | None) -> bytes:
    language = "" if lang is None else f" lang={quoteattr(lang)}"
    return f"<{name}{language}>{escape(text)}</{name}>".encode()


def _year(date: str | None) -> int | None:
    digits = (date or "")[:4]
    return int(digits) if len(digits) == 4 and digits.isascii() and digits.isdigit() else None
