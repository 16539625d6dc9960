"""XMLTV as pieces with programmes, parsed as it comes: Expat tells where elements begin."""

from collections.abc import Iterator
from xml.parsers import expat

from titleclf.epg.streams import named, reading
from titleclf.epg.xmltv import Piece, Programme, Text
from titleclf.runtime.errors import InputError

# In the DTD's order: what follows a category must not precede it.
_CHILDREN = (
    *("title", "sub-title", "desc", "credits", "date", "category", "keyword", "language", "orig-language", "length"),
    *("icon", "url", "country", "episode-num", "video", "audio", "previously-shown", "premiere", "last-chance", "new"),
    *("subtitles", "rating", "star-rating", "review", "image"),
)
_FOLLOWS_CATEGORY = frozenset(_CHILDREN[_CHILDREN.index("category") + 1 :])
_READ = frozenset(("title", "category", "keyword"))  # whose text is wanted
_OF_EPISODES = frozenset(("sub-title", "episode-num"))
_ROOM = 32 << 20  # bytes: of one programme, and of anything between two


def pieces(content: Iterator[bytes], guide: str) -> Iterator[Piece]:
    """Yield a guide in pieces that together are all of its content; `guide` names it in errors.

    Raises
    ------
    InputError
        If it is no XMLTV, ends in the middle, declares entities, or has a programme of more than 32 MB.
    """
    parser = _Parser(guide)
    for some in content:
        yield parser.feed(some)
    yield parser.close()


def programmes(guide: str) -> Iterator[Programme]:
    """Yield the programmes of a guide, as it is read."""
    with reading(guide) as source:
        for piece in pieces(source.pieces, guide):
            yield from piece.programmes


class _Parser:
    """Expat's events as programmes; between calls it keeps the bytes that are not done with."""

    def __init__(self, guide: str) -> None:
        self._guide = named(guide)
        self._expat = expat.ParserCreate("utf-8")  # whatever is declared: what gets here is UTF-8
        self._expat.buffer_text = True
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.EntityDeclHandler = self._entity
        self._held, self._held_start = bytearray(), 0
        self._depth = 0
        self._done = 0  # all before this place has been seen, and is in no programme that is still open
        self._programme: Programme | None = None
        self._programmes: list[Programme] = []
        self._channel: str | None = None
        self._channels: dict[str, str] = {}
        self._child, self._child_start = "", -1  # the last one of the programme that is open
        self._lang: str | None = None
        self._text: list[str] = []

    def feed(self, some: bytes) -> Piece:
        """Return what is done with after these bytes."""
        self._held += some
        if len(self._held) > _ROOM:
            raise InputError(
                f"{self._guide} must have programmes of at most {_ROOM >> 20} MB. Got a larger one in or before line "
                f"{self._expat.CurrentLineNumber}. Take it out."
            )
        self._parse(some, is_last=False)
        return self._release(self._done)

    def close(self) -> Piece:
        """Return the rest."""
        self._parse(b"", is_last=True)
        return self._release(self._held_start + len(self._held))

    def _parse(self, some: bytes, *, is_last: bool) -> None:
        try:
            self._expat.Parse(some, is_last)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            raise InputError(
                f"{self._guide}:{error.lineno}: must be whole, well-formed XML. Got: {reason}. Fetch it again."
            ) from error

    def _release(self, done: int) -> Piece:
        size = done - self._held_start
        piece = Piece(bytes(memoryview(self._held)[:size]), self._held_start, self._programmes, self._channels)
        del self._held[:size]
        self._held_start, self._programmes, self._channels = done, [], {}
        return piece

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth == 3 and self._programme is not None:
            self._start_child(self._programme, name, attributes)
        elif self._depth == 3 and self._channel is not None and name == "display-name":
            self._listen()
        elif self._depth == 2:
            self._done = self._expat.CurrentByteIndex
            if name == "programme":
                get = attributes.get
                self._programme = Programme(get("channel", ""), get("start", ""), get("stop", ""))
                self._child, self._child_start = "", -1
            elif name == "channel":
                self._channel = attributes.get("id", "")
        elif self._depth == 1 and name != "tv":
            raise InputError(f"{self._guide} must be an XMLTV guide. Got <{name[:40]}> in place of <tv>. Name a guide.")

    def _start_child(self, programme: Programme, name: str, attributes: dict[str, str]) -> None:
        place = self._expat.CurrentByteIndex
        self._mark(programme, place, is_after=name in _FOLLOWS_CATEGORY)
        self._child, self._child_start = name, place
        if name in _READ:
            self._lang = attributes.get("lang")
            self._listen()
        elif name in _OF_EPISODES:
            programme.is_episode = True

    def _mark(self, programme: Programme, place: int, *, is_after: bool) -> None:
        # Categories stay together; in a guide that breaks the order, after the last of them.
        if self._child == "category" or (is_after and programme.follows < 0):
            programme.model, programme.follows = self._child_start, place

    def _end(self, name: str) -> None:
        if self._programme is not None:
            if self._depth == 3 and name in _READ:
                self._end_child(self._programme, name)
            elif self._depth == 2:
                self._done = self._expat.CurrentByteIndex
                self._mark(self._programme, self._done, is_after=True)
                self._programmes.append(self._programme)
                self._programme = None
        elif self._channel is not None:
            if self._depth == 3 and name == "display-name":
                self._channels.setdefault(self._channel, self._heard())
            elif self._depth == 2:
                self._channel = None
        self._depth -= 1

    def _end_child(self, programme: Programme, name: str) -> None:
        text = self._heard()
        if not text:
            return
        if name == "title":
            if not programme.title:
                programme.title, programme.lang = text, self._lang
            return
        found = programme.categories if name == "category" else programme.keywords
        found.append(Text(text, self._child_start, self._expat.CurrentByteIndex))

    def _listen(self) -> None:
        self._text = []
        self._expat.CharacterDataHandler = self._text.append

    def _heard(self) -> str:
        self._expat.CharacterDataHandler = None
        return " ".join("".join(self._text).split())

    def _entity(self, name: str, *_: object) -> None:
        raise InputError(
            f"{self._guide}:{self._expat.CurrentLineNumber}: must not declare entities. Got {name[:40]}, which may be "
            "an attack. Fetch the guide elsewhere."
        )
