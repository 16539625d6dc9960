"""Repairs of guides: what XML does not allow in their texts is replaced, and counted."""

import codecs
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.entities import html5
from itertools import chain, tee

from titleclf.epg.encodings import Cutter

FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # characters, by the XML standard
_OF_XML = frozenset(("&amp;", "&lt;", "&gt;", "&quot;", "&apos;"))
_REPLACEMENT = "\ufffd"
_WINDOW = 4096  # bytes that are decoded again after each bad one
MOST_LINES = 3
_LONGEST = 32 << 20  # characters of a comment or CDATA section
_TOKENS = re.compile(
    r"(?P<section><!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>)"
    r"|(?P<open><!--|<!\[CDATA\[|<\?)"
    r"|(?P<cut>(?:&[#A-Za-z0-9]{0,40}|<!?[-\[A-Z]{0,7}|\]{1,2})\Z)"
    r"|(?P<reference>&(?:[A-Za-z][A-Za-z0-9]{0,40}|#[0-9]{1,9}|#x[0-9A-Fa-f]{1,8});)"
    r"|(?P<text>&|<(?![/!A-Za-z_:]|[^\x00-\x7f])|\]\]>)"
    rf"|(?P<forbidden>{FORBIDDEN.pattern})",
    re.DOTALL,
)
_BLANK = re.compile(r"(\ufeff?)(\s+)(?=<\?xml\s)")
_TEXTS = {"&": "&amp;", "<": "&lt;", "]]>": "]]&gt;"}

Fault = tuple[int, int, str, str]  # start and end in a text, what replaces it, and what it is called


@dataclass
class Repairs:
    """How often each thing was replaced, and the first lines where."""

    counts: Counter[str] = field(default_factory=Counter)
    lines: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, name: str, line: int) -> None:
        """Count a repair."""
        self.counts[name] += 1
        if len(self.lines[name]) < MOST_LINES and line not in self.lines[name]:
            self.lines[name].append(line)


def repaired(raw: Iterator[bytes], encoding: str, guide: str, repairs: Repairs) -> Iterator[bytes]:
    """Yield a guide's own bytes with repairs, and count these; errors name the guide by `guide`.

    Raises
    ------
    InputError
        If a place of the guide can't be changed in its encoding.
    """
    decoded, own = tee(_decodable(raw, encoding, repairs))
    cutter = Cutter(own, encoding, guide)
    decoder = codecs.getincrementaldecoder(encoding)()
    line, text = 1, ""
    is_start = True
    for chunk in chain(decoded, [b""]):
        text += decoder.decode(chunk, final=not chunk)
        done = 0
        faults, end = _faults(text, is_start=is_start, is_end=not chunk)
        parts = []
        for start, stop, new, name in faults:
            line += text.count("\n", done, start)
            repairs.add(name, line)
            parts += [cutter.take(start - done), cutter.replaced(stop - start, new)]
            line += text.count("\n", start, stop)
            done = stop
        parts.append(cutter.take(end - done))
        line += text.count("\n", done, end)
        text, is_start = text[end:], is_start and not end
        yield b"".join(parts)
    yield cutter.rest()


def _decodable(raw: Iterator[bytes], encoding: str, repairs: Repairs) -> Iterator[bytes]:
    """Yield bytes with U+FFFD in place of those that are not in the encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    new = _REPLACEMENT.encode(encoding, "xmlcharrefreplace")
    line, rest = 1, b""
    for window in chain(_windows(raw), [b""]):
        content = rest + window
        while True:
            state = decoder.getstate()[1]
            decoder.setstate((b"", state))
            try:
                text = decoder.decode(content, final=not window)
            except UnicodeDecodeError as error:
                decoder.setstate((b"", state))
                line += decoder.decode(content[: error.start]).count("\n")
                repairs.add(f"byte {content[error.start : error.end].hex(' ').upper()}", line)
                yield content[: error.start] + new
                content = content[error.end :]
            else:
                break
        line += text.count("\n")
        rest = decoder.getstate()[0]
        if len(content) > len(rest):  # an empty one would be the end
            yield content[: len(content) - len(rest)]


def _windows(raw: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in raw:
        yield from (chunk[at : at + _WINDOW] for at in range(0, len(chunk), _WINDOW))


def _faults(text: str, *, is_start: bool, is_end: bool) -> tuple[list[Fault], int]:
    """Return the faults of a text, and the place up to which more text can't change what they are."""
    faults: list[Fault] = []
    if is_start and not is_end and len(text.lstrip("\ufeff \t\r\n")) < len("<?xml "):
        return [], 0
    if is_start and (blank := _BLANK.match(text)):
        faults.append((*blank.span(2), "", "blank before <?xml"))
    for token in _TOKENS.finditer(text):
        start, stop, found = *token.span(), token.group()
        match token.lastgroup:
            case "section":
                faults += [_forbidden(match) for match in FORBIDDEN.finditer(text, start, stop)]
            case "open":  # an unending section is refused by the parser
                return faults, len(text) if is_end or len(text) - start > _LONGEST else start
            case "cut":
                return faults, len(text) if is_end else start
            case "reference" if found not in _OF_XML:
                faults += _reference(start, stop, found)
            case "text":
                faults.append((start, stop, _TEXTS[found], found))
            case "forbidden":
                faults.append(_forbidden(token))
    return faults, len(text)


def _forbidden(match: re.Match[str]) -> Fault:
    return *match.span(), " ", f"U+{ord(match.group()):04X}"


def _reference(start: int, stop: int, found: str) -> list[Fault]:
    """Return the fault of a reference that XML does not have, or nothing."""
    if found[1] == "#":
        code = int(found[3:-1], 16) if found[2] == "x" else int(found[2:-1])
        is_allowed = code <= 0x10FFFF and not FORBIDDEN.match(chr(code))
        return [] if is_allowed else [(start, stop, " ", found)]
    characters = html5.get(found[1:])
    if characters is None:
        return [(start, start + 1, "&amp;", "&")]
    return [(start, stop, "".join(f"&#{ord(char)};" for char in characters), found)]
