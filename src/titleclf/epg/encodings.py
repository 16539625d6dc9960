"""Encodings of guides: their bytes as UTF-8 for the parser, and cut at places of that text."""

import codecs
import re
import warnings
from collections.abc import Iterable, Iterator
from itertools import tee
from typing import Any

from titleclf.runtime.errors import InputError

UTF8 = "utf-8"
# UTF-32 goes first: its mark begins with that of UTF-16.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WITHOUT_MARK = (
    (b"<\x00\x00\x00", "utf-32-le"),
    (b"\x00\x00\x00<", "utf-32-be"),
    (b"<\x00", "utf-16-le"),
    (b"\x00<", "utf-16-be"),
)
_DECLARED = re.compile(rb"""\s*<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._:-]+)["']""")
_ASCII = b"<?xml"
# Labels that browsers know (https://encoding.spec.whatwg.org/#names-and-labels) and Python does not, by codec; those
# that only have "x-" before a name that Python knows are left out.
_BROWSER_LABELS = {
    UTF8: "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8",
    "utf-16": "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff unicodefffe",
    "iso8859-6": "csiso88596e csiso88596i iso-8859-6-e iso-8859-6-i",
    "iso8859-7": "sun_eu_greek",
    "iso8859-8": "csiso88598e csiso88598i iso-8859-8-e iso-8859-8-i logical visual",
    "iso8859-15": "csisolatin9",
    **{f"iso8859-{part}": f"iso8859{part}" for part in (1, 2, 3, 4, 5, 9, 10, 11, 13, 14)},
    "koi8-r": "koi koi8",
    "koi8-u": "koi8-ru",
    "mac-roman": "csmacintosh mac",
    "mac-cyrillic": "x-mac-ukrainian",
    "cp874": "dos-874 windows-874",
    "cp932": "windows-31j",
    "cp949": "cseuckr csksc56011987 iso-ir-149 ks_c_5601-1989 ksc_5601 windows-949",
    "euc_jp": "cseucpkdfmtjapanese",
    "gbk": "csgb2312 gb_2312 gb_2312-80",
    "big5": "cn-big5 x-x-big5",
}
_CODECS = {label: codec for codec, labels in _BROWSER_LABELS.items() for label in labels.split()}
# Browsers read these as the larger sets that Windows has under the same name, and so guides are written.
_LARGER = {"big5": "cp950", "euc_kr": "cp949", "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932"}


def encoding_of(start: bytes, guide: str) -> str:
    """Return the codec of a guide that begins with these bytes; errors and warnings name it by `guide`.

    Raises
    ------
    InputError
        If it declares an encoding that no codec reads as XML.
    """
    for mark, encoding in (*_BYTE_ORDER_MARKS, *_WITHOUT_MARK):
        if start.startswith(mark):
            return encoding
    match = _DECLARED.match(start)
    label = match.group(1).decode() if match else UTF8
    codec = _codec(label)
    if codec.startswith(("utf-16", "utf-32")):  # it is not, since the declaration is readable as ASCII
        warnings.warn(
            f"{guide}:1: declares the encoding {label}, but has bytes of 8 bits. Read as UTF-8.", stacklevel=2
        )
        return UTF8
    if not _is_possible(codec):
        raise InputError(f"{guide}:1: must declare an encoding for XML. Got {label}. Save it as UTF-8.")
    return codec


def to_utf8(raw: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yield a guide's bytes as UTF-8, which is checked, so that the parser never sees invalid bytes.

    Raises
    ------
    UnicodeError
        At a place that is not in the encoding, after all before it.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    for chunk in raw:
        state = decoder.getstate()
        try:
            text = decoder.decode(chunk)
        except UnicodeDecodeError as error:
            error.encoding = encoding  # some codecs are all called "charmap"
            decoder.setstate(state)
            good = chunk[: max(0, error.start - (len(error.object) - len(chunk)))]  # the object begins with the state
            yield decoder.decode(good).encode()
            raise
        yield chunk if encoding == UTF8 else text.encode()
    decoder.decode(b"", final=True)


class Utf8Bytes:
    """The bytes of a guide in UTF-8, which is what the parser sees."""

    def kept(self, content: bytes) -> bytes:
        """Return the guide's own bytes of the content that comes next."""
        return content

    def replaced(self, _: bytes, new: bytes) -> bytes:
        """Return the bytes that replace the content that comes next."""
        return new

    def rest(self) -> bytes:
        """Return the bytes behind the last character."""
        return b""


class OwnBytes:
    """The bytes of a guide in another encoding, cut where its text is cut.

    They are never encoded again: several sequences of bytes may stand for one character, or none for any.
    """

    def __init__(self, raw: Iterable[bytes], encoding: str, guide: str) -> None:
        self._cutter = Cutter(raw, encoding, guide)

    def kept(self, content: bytes) -> bytes:
        """Return the guide's own bytes of the content that comes next."""
        return self._cutter.take(len(content.decode()))

    def replaced(self, content: bytes, new: bytes) -> bytes:
        """Return the bytes that replace the content that comes next."""
        return self._cutter.replaced(len(content.decode()), new.decode())

    def rest(self) -> bytes:
        """Return the bytes behind the last character."""
        return self._cutter.rest()


def decoded_and_own(raw: Iterator[bytes], encoding: str, guide: str) -> tuple[Iterator[bytes], Utf8Bytes | OwnBytes]:
    """Return a guide as UTF-8, and its own bytes, of which those are kept that were decoded and not yet cut."""
    if encoding == UTF8:
        return to_utf8(raw, encoding), Utf8Bytes()
    decoded, own = tee(raw)
    return to_utf8(decoded, encoding), OwnBytes(own, encoding, guide)


class Cutter:
    """Cuts bytes in any encoding after a number of characters."""

    def __init__(self, raw: Iterable[bytes], encoding: str, guide: str) -> None:
        self._raw, self._encoding, self._guide = iter(raw), encoding, guide
        self._decoder, self._probe = (codecs.getincrementaldecoder(encoding)() for _ in range(2))
        self._chunk, self._place = b"", 0

    def take(self, count: int) -> bytes:
        """Return the bytes of the next characters."""
        taken = []
        while count > 0:
            if self._place == len(self._chunk):
                self._chunk, self._place = next(self._raw), 0
            # A character has at least one byte, so that this never takes too many.
            size = max(1, count - len(self._decoder.getstate()[0]))
            part = self._chunk[self._place : self._place + size]
            self._place += len(part)
            count -= len(self._decoder.decode(part))
            taken.append(part)
        return b"".join(taken)

    def replaced(self, count: int, new: str) -> bytes:
        """Return the bytes that stand for `new` in place of the next characters.

        Raises
        ------
        InputError
            If there are none that leave the characters behind them as they are.
        """
        state: Any = self._decoder.getstate()
        self.take(count)
        if self._decoder.getstate() == state:
            # Characters that the encoding lacks, or that it reads back as others, are written as references.
            for text in (new, new.encode("ascii", "xmlcharrefreplace").decode()):
                encoded = self._encoded(text, state)
                if encoded is not None:
                    return encoded
        raise InputError(
            f"{self._guide} must be in an encoding that can be changed in one place. Got {self._encoding}, where what "
            "follows depends on it. Save it as UTF-8."
        )

    def rest(self) -> bytes:
        """Return all bytes that are left."""
        return b"".join([self._chunk[self._place :], *self._raw])

    def _encoded(self, text: str, state: Any) -> bytes | None:
        """Return the bytes that are read as a text, and leave the decoder in the state that it is in."""
        try:
            encoded = text.encode(self._encoding)
            self._probe.setstate(state)
            is_same = self._probe.decode(encoded) == text and self._probe.getstate() == state
        except UnicodeError:
            return None
        return encoded if is_same and not state[0] else None


def _codec(label: str) -> str:
    """Return the name of the codec for a label, or nothing."""
    label = label.lower()
    for name in (_CODECS.get(label, label), label.removeprefix("x-")):
        try:
            codec = codecs.lookup(name).name
        except LookupError:
            continue
        return UTF8 if codec == "utf-8-sig" else _LARGER.get(codec, codec)
    return ""


def _is_possible(codec: str) -> bool:
    """Return whether a codec is for text, reads and writes ASCII as it stands, and has no escapes of Python."""
    try:
        text = (_ASCII + b"\\u0041").decode(codec)
        is_read = text.startswith(_ASCII.decode()) and len(text) == len(_ASCII) + 6
        return is_read and _ASCII.decode().encode(codec, "xmlcharrefreplace") == _ASCII
    except (LookupError, UnicodeError):
        return False
