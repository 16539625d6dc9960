"""Sentences about files that the XML parser refuses: what must be, what is there, and what to do."""

import re
from enum import Enum, auto
from xml.parsers.expat import errors

from titleclf.epg.repairs import FORBIDDEN
from titleclf.runtime.text.characters import printable

CONTEXT = 200  # bytes on either side of an error that are looked at
START = 4096  # bytes of a file's beginning that tell what it is
_SHOWN = 40  # characters of an excerpt
REPAIR = "use titleclf epg fill --repair"
_BARE_AMPERSAND = re.compile(rb"&[^;&<>\s]*\Z")
_ENTITY = re.compile(rb"&[^;&<>\s]*;")
_SECOND_GUIDE = re.compile(rb"(\xef\xbb\xbf)?<(\?xml|tv|!DOCTYPE)\b")
_HTML = re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+)?html\b", re.IGNORECASE | re.DOTALL)
_HTML_TITLE = re.compile(rb"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


class Where(Enum):
    """The part of a guide that an error is in: before <tv>, inside it, or behind </tv>."""

    before = auto()
    inside = auto()
    behind = auto()


def explanation(reason: str, before: bytes, after: bytes, where: Where, start: bytes) -> str:
    """Return sentences for an error of Expat between two pieces of UTF-8, in a file that begins with `start`."""
    match where:
        case Where.before if reason == errors.XML_ERROR_MISPLACED_XML_PI:
            got, remedy = (
                ("a blank", f"Remove it, or {REPAIR}") if not before.strip() else (_shown(before), "Remove it")
            )
            return f"must begin with <?xml. Got {got} before it. {remedy}."
        case Where.before if not _is_xml(start):
            return no_guide(start, _shown(start))
        case Where.behind if _SECOND_GUIDE.match(after):
            return "must be one guide. Got a second one behind </tv>. Join them with tv_cat, or name each on its own."
        case Where.behind:
            return f"must end with </tv>. Got {_shown(after)} behind it. Remove that."
    return _explanation_inside(reason, before, after)


def no_guide(start: bytes, got: str) -> str:
    """Return sentences for a file that is no guide; `got` says what it begins with if that is unknown."""
    start = start.removeprefix(b"\xef\xbb\xbf")
    if _HTML.match(start):
        title = _HTML_TITLE.search(start)
        got = f"an HTML page, {_shown(title.group(1))}" if title else "an HTML page"
        remedy = "Check its address: the guide may have moved, or need a login."
    elif start.lstrip().startswith(b"#EXTM3U"):
        got, remedy = "an m3u playlist", "Name its guide, often the address behind x-tvg-url in its first line."
    elif start.lstrip()[:1] in (b"{", b"["):
        got, remedy = "JSON", "Convert it to XMLTV, or name a guide."
    elif not start.strip():
        got, remedy = "an empty file", "Check the program that wrote it."
    else:
        remedy = "Name a guide."
    return f"must be an XMLTV guide. Got {got} in place of <tv>. {remedy}"


def bad_bytes(error: UnicodeError) -> str:
    """Return sentences for bytes that are not in a guide's encoding."""
    if not isinstance(error, UnicodeDecodeError):
        return f"must be in the encoding that it declares. Got: {error}. Save it as UTF-8."
    got = error.object[error.start : error.end][:4].hex(" ").upper()
    return (
        f"must be in the encoding that it declares, or UTF-8. Got {error.encoding} with the bytes {got}. Correct its "
        f"first line, save it as UTF-8, or {REPAIR}."
    )


def _explanation_inside(reason: str, before: bytes, after: bytes) -> str:
    match reason:
        case errors.XML_ERROR_UNDEFINED_ENTITY:
            entity = _ENTITY.search(after)
            got = _shown(entity.group()) if entity else "another one"
            return f"must have no entity but those of XML. Got {got}. Write the character, or {REPAIR}."
        case errors.XML_ERROR_BAD_CHAR_REF:
            entity = _ENTITY.search(after)
            got = _shown(entity.group()) if entity else "another one"
            return f"must have references to characters that XML allows. Got {got}. Remove it, or {REPAIR}."
        case errors.XML_ERROR_MISPLACED_XML_PI:
            return "must have one <?xml, at its beginning. Got another one. Take the guides apart, and name each."
        case errors.XML_ERROR_TAG_MISMATCH:
            return f"must end each element before those around it. Got {_shown(b'</' + after)}. Correct it there."
        case errors.XML_ERROR_DUPLICATE_ATTRIBUTE:
            return f"must have each attribute of an element once. Got {_shown(after)} again. Remove one of them."
        case errors.XML_ERROR_INVALID_TOKEN:
            return _invalid_token(before, after)
    is_end = reason in (errors.XML_ERROR_NO_ELEMENTS, errors.XML_ERROR_PARTIAL_CHAR, errors.XML_ERROR_UNCLOSED_TOKEN)
    if is_end and len(after) < CONTEXT:
        return f"must end with </tv>. Got {_shown_end(before + after)} as its end: it is cut off. Fetch it again."
    if reason in (errors.XML_ERROR_UNCLOSED_TOKEN, errors.XML_ERROR_UNCLOSED_CDATA_SECTION):
        return f"must end what it begins. Got {_shown(after or before)} without an end. Correct it there."
    return f"must be well-formed XML. Got: {reason}, at {_shown(after)}. Correct it there."


def _invalid_token(before: bytes, after: bytes) -> str:
    character = after[:4].decode(errors="ignore")[:1]
    if FORBIDDEN.match(character):
        return f"must have no control characters. Got U+{ord(character):04X}. Replace it, or {REPAIR}."
    ampersand = _BARE_AMPERSAND.search(before)
    if ampersand:
        return f"must have & written as &amp;. Got {_shown(ampersand.group() + after)}. Correct it, or {REPAIR}."
    if (before.endswith(b"<") and not after.startswith(b"/")) or after.startswith(b"<"):
        got = _shown(b"<" + after.removeprefix(b"<"))
        return f"must have < written as &lt; in texts. Got {got}. Correct it, or {REPAIR}."
    if before.endswith(b"]]") and after.startswith(b">"):
        return f"must have ]]> written as ]]&gt; in texts. Got {_shown(b']]' + after)}. Correct it, or {REPAIR}."
    return f"must be well-formed XML. Got {_shown(after)} behind {_shown_end(before)}. Correct it there."


def _is_xml(start: bytes) -> bool:
    return start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<") and not _HTML.match(start)


def _shown(content: bytes) -> str:
    text = _on_one_line(content) or " "
    return f"'{text}'" if len(text) <= _SHOWN else f"'{text[:_SHOWN]}…'"


def _shown_end(content: bytes) -> str:
    text = _on_one_line(content)
    return f"'{text}'" if len(text) <= _SHOWN else f"'…{text[-_SHOWN:]}'"


def _on_one_line(content: bytes) -> str:
    return printable(" ".join(content.decode(errors="ignore").split()))
