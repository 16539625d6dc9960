"""A streaming parser of XMLTV: Expat reports where elements begin, and the guide comes out in pieces."""

from collections.abc import Iterator
from contextlib import suppress
from xml.parsers import expat

from titleclf.epg.open_ends import OpenEnds
from titleclf.epg.streams import display_name, reading
from titleclf.epg.times import minutes_of_length
from titleclf.epg.xml_errors import CONTEXT, START, Where, bad_bytes, explanation, no_guide
from titleclf.epg.xmltv import Airing, EpisodeNumber, Piece, TextElement
from titleclf.runtime.collector import paused_collector
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.characters import printable

# A programme's children in the DTD's order: those that follow a category must not precede it.
_CHILDREN = (
    *("title", "sub-title", "desc", "credits", "date", "category", "keyword", "language", "orig-language", "length"),
    *("icon", "url", "country", "episode-num", "video", "audio", "previously-shown", "premiere", "last-chance", "new"),
    *("subtitles", "rating", "star-rating", "review", "image"),
)
_FOLLOWS_CATEGORY = frozenset(_CHILDREN[_CHILDREN.index("category") + 1 :])
# Children that are always read.
_READ = frozenset(("title", "sub-title", "category", "keyword", "episode-num", "length"))
_TEXTS = {"sub-title": "sub_title", "desc": "description", "date": "date"}
_MAX_TRANSLATIONS = 3  # more say no more, and a hostile guide may have thousands
BUFFER_LIMIT = 32 << 20  # bytes
_MAX_DEFAULTS = 200  # characters: XMLTV's own DTD has a few


def pieces(content: Iterator[bytes], guide: str, *, with_texts: bool = False) -> Iterator[Piece]:
    """Yield a guide in pieces that together are all of its content; errors name it by `guide`.

    Only `with_texts` do airings have descriptions and dates.

    Raises
    ------
    InputError
        If it is not XMLTV, is not in its encoding, is cut off, declares entities, or has a programme of more than
        32 MB.
    """
    parser = _Parser(guide, _READ | _TEXTS.keys() if with_texts else _READ)
    try:
        for chunk in content:
            yield parser.feed(chunk)
    except UnicodeError as error:
        raise InputError(f"{parser.place_of_next()} {bad_bytes(error)}") from error
    yield parser.close()


def airings(guide: str, *, with_texts: bool = False) -> Iterator[Airing]:
    """Yield the airings of a guide as it is read, as `pieces` does.

    One without an end comes once the next start on its channel is known.
    """
    ends = OpenEnds()
    with reading(guide) as source:
        for piece in pieces(source.chunks, guide, with_texts=with_texts):
            yield from ends.closed(piece.airings)
    yield from ends.rest()


class _Parser:
    """Turns Expat's events into airings; between calls it buffers the bytes from `_done` on."""

    def __init__(self, guide: str, read: frozenset[str]) -> None:
        self._guide, self._read = display_name(guide), read
        self._expat = expat.ParserCreate("utf-8")  # whatever the guide declares: `reading` yields UTF-8
        self._expat.buffer_text = True
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.EntityDeclHandler = self._entity
        self._expat.AttlistDeclHandler = self._attribute_declaration
        self._buffer, self._buffer_start = bytearray(), 0
        self._depth = 0
        self._has_root = False
        self._done = 0  # everything before this place is parsed, and belongs to no open programme
        self._airing: Airing | None = None
        self._airings: list[Airing] = []
        self._channel: str | None = None
        self._channels: dict[str, str] = {}  # of the piece
        self._names: dict[str, str] = {}  # of all channels so far
        self._defaults = 0  # characters of the attributes that each element gets without having them
        self._child, self._child_start = "", -1  # the last one of the open programme
        self._has_category = False  # so far
        self._lang: str | None = None
        self._attribute: str | None = None  # that says how to read the text: a system, or units
        self._text: list[str] = []

    def feed(self, chunk: bytes) -> Piece:
        """Return what is complete after these bytes."""
        self._buffer += chunk
        if len(self._buffer) > BUFFER_LIMIT:
            raise InputError(
                f"{self._error_place()} must have programmes of at most {BUFFER_LIMIT >> 20} MB. Got a larger one in "
                "or before this line. Take it out."
            )
        self._parse(chunk, is_last=False)
        return self._release(self._done)

    def close(self) -> Piece:
        """Return the rest."""
        self._parse(b"", is_last=True)
        return self._release(self._buffer_start + len(self._buffer))

    def place_of_next(self) -> str:
        """Return the place where the content that comes next would begin; nothing can be parsed afterwards."""
        with suppress(expat.ExpatError):
            self._expat.Parse(b"\xff", False)  # which is in no text: only an error has this place
        return self._error_place()

    def _parse(self, chunk: bytes, *, is_last: bool) -> None:
        try:
            with paused_collector():
                self._expat.Parse(chunk, is_last)
        except expat.ExpatError as error:
            raise InputError(f"{self._error_place()} {self._explanation(error)}") from error

    def _explanation(self, error: expat.ExpatError) -> str:
        place = max(0, self._expat.ErrorByteIndex - self._buffer_start)
        before, after = self._buffer[max(0, place - CONTEXT) : place], self._buffer[place : place + CONTEXT]
        where = Where.inside if self._depth else Where.behind if self._has_root else Where.before
        return explanation(expat.ErrorString(error.code), bytes(before), bytes(after), where, self._start_of_file())

    def _start_of_file(self) -> bytes:
        """Return the start of the file, while the parser is there."""
        return bytes(self._buffer[:START])

    def _error_place(self) -> str:
        return f"{self._guide}:{self._expat.ErrorLineNumber}:{self._expat.ErrorColumnNumber + 1}:"

    def _release(self, done: int) -> Piece:
        size = done - self._buffer_start
        piece = Piece(bytes(memoryview(self._buffer)[:size]), self._buffer_start, self._airings, self._channels)
        del self._buffer[:size]
        self._buffer_start, self._airings, self._channels = done, [], {}
        return piece

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 3 and self._airing is not None:
            self._start_child(self._airing, name, attributes)
        elif self._depth == 3 and self._channel is not None and name == "display-name":
            self._start_text()
        elif self._depth == 2:
            self._done = self._expat.CurrentByteIndex
            if name == "programme":
                get = attributes.get
                self._airing = Airing(get("channel", ""), get("start", ""), get("stop", ""))
                self._airing.channel_name = self._names.get(self._airing.channel)
                self._child, self._child_start, self._has_category = "", -1, False
            elif name == "channel":
                self._channel = attributes.get("id", "")
        elif self._depth == 1:
            self._has_root = True
            if name != "tv":
                sentences = no_guide(self._start_of_file(), f"<{printable(name[:40])}>")
                raise InputError(f"{self._error_place()} {sentences}")

    def _start_child(self, airing: Airing, name: str, attributes: dict[str, str]) -> None:
        place = self._expat.CurrentByteIndex
        if self._child == "category" or (airing.insertion < 0 and name in _FOLLOWS_CATEGORY):
            self._place_categories(airing, place)
        elif name == "title" and not self._has_category:
            airing.sibling = airing.insertion = -1  # behind the title, even if an icon is before it
        self._child, self._child_start = name, place
        if name in self._read:
            self._lang = attributes.get("lang")
            if name == "category":
                self._has_category = True
            elif name == "episode-num":
                self._attribute = attributes.get("system")
            elif name == "length":
                self._attribute = attributes.get("units")
            self._start_text()

    def _place_categories(self, airing: Airing, place: int) -> None:
        # Categories stay together: in a guide that breaks the DTD's order, new ones follow the last old one.
        airing.sibling, airing.insertion = self._child_start, place

    def _end(self, name: str) -> None:
        if self._airing is not None:
            if self._depth == 3 and name in self._read:
                self._end_child(self._airing, name)
            elif self._depth == 2:
                self._done = self._expat.CurrentByteIndex
                if self._child == "category" or self._airing.insertion < 0:
                    self._place_categories(self._airing, self._done)
                self._airings.append(self._airing)
                self._airing = None
        elif self._channel is not None:
            if self._depth == 3 and name == "display-name":
                self._add_name(self._channel, " ".join(self._end_text().split()))
            elif self._depth == 2:
                self._channel = None
        self._depth -= 1

    def _end_child(self, airing: Airing, name: str) -> None:
        raw = self._end_text()
        text = " ".join(raw.split())
        if not text:
            return
        if name == "title":
            if not airing.title:
                airing.title, airing.lang = text, self._lang
            elif len(airing.translations) < _MAX_TRANSLATIONS and text != airing.title:
                airing.translations.append((text, self._lang))
            return
        if attribute := _TEXTS.get(name):
            if getattr(airing, attribute) is None:
                setattr(airing, attribute, text)
            return
        if name == "episode-num":
            airing.episode_numbers.append(EpisodeNumber(self._attribute, text))
            return
        if name == "length":
            airing.length = airing.length or minutes_of_length(text, self._attribute)
            return
        elements = airing.categories if name == "category" else airing.keywords
        elements.append(TextElement(text, self._child_start, self._expat.CurrentByteIndex, raw))

    def _add_name(self, channel: str, name: str) -> None:
        if not self._names.get(channel):
            self._names[channel] = self._channels[channel] = name

    def _start_text(self) -> None:
        self._text = []
        self._expat.CharacterDataHandler = self._text.append

    def _end_text(self) -> str:
        self._expat.CharacterDataHandler = None
        return "".join(self._text)

    def _entity(self, name: str, *_: object) -> None:
        raise InputError(
            f"{self._error_place()} must not declare entities. Got {name[:40]}, which may be "
            "an attack. Fetch the guide elsewhere."
        )

    def _attribute_declaration(self, element: str, attribute: str, _type: str, default: str | None, _: object) -> None:
        self._defaults += len(attribute) + len(default) if default is not None else 0
        if self._defaults > _MAX_DEFAULTS:
            raise InputError(
                f"{self._error_place()} must not declare long defaults of attributes. Got one for {element[:40]}, "
                "which may be an attack. Fetch the guide elsewhere."
            )
