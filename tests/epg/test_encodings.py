"""Guides in every encoding: a fill changes no byte outside its insertions, and undo restores the guide."""

import codecs
import encodings
import pkgutil
import random

import pytest

from tests.helpers.commands import command
from tests.helpers.guides import filler_of, guide, programme
from tests.helpers.random_guides import drawn_guide
from titleclf.epg.edits import undo
from titleclf.epg.encodings import Cutter, encoding_of
from titleclf.epg.fill import When, fill
from titleclf.epg.parser import airings
from titleclf.epg.profiles import PROFILES
from titleclf.runtime.errors import InputError

MARKUP = """<?xml version="1.0" encoding='x'?>\n<tv a="&#1;">!</tv>"""
SAMPLE = "Füße für Čapek Войнa Ψ שלום ไทย 日本沈没 한국 ①~\\"
# EBCDIC, escapes of Python and of domain names, and codecs that write < as another byte are no encodings of guides.
REFUSED = {"cp037", "cp1026", "cp1140", "cp273", "cp424", "cp500", "cp875"} | {
    *("punycode", "raw-unicode-escape", "unicode-escape", "mac-arabic", "mac-farsi"),
}
ESCAPES = [
    b"\x1b(B",
    b"\x1b(J",
    b"\x1b$B",
    b"\x1b$@",
    b"\x1b$(D",
    b"\x1b$A",
    b"\x1b$)C",
    b"\x0e",
    b"\x0f",
    b"~{",
    b"~}",
]


def can_hold_xml(name: str) -> bool:
    try:
        is_text = codecs.lookup(name)._is_text_encoding
        return is_text and MARKUP.encode(name, "xmlcharrefreplace").decode(name) == MARKUP
    except UnicodeError:
        return False


MODULES = {module.name for module in pkgutil.iter_modules(encodings.__path__)} - {"aliases", "mbcs", "oem"}
CODECS = sorted({name for name in (codecs.lookup(module).name for module in MODULES) if can_hold_xml(name)})


def head(name: str) -> str:
    return f'<?xml version="1.0" encoding="{name}"?>\n'


def declared(name: str, title: bytes) -> bytes:
    """Return a guide that declares an encoding, with a title in bytes and two programmes around it."""
    content = guide(programme(), programme(title="<title>TITLE</title>"), programme(), head=head(name)).encode()
    return content.replace(b"TITLE", title)


def both_ways(tmp_path, content: bytes, **options) -> bytes:
    """Return the filled guide, after checking that it has all bytes of the guide and that undo restores these."""
    (tmp_path / "in.xml").write_bytes(content)
    fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler_of(with_keywords=True, **options))
    after = (tmp_path / "out.xml").read_bytes()
    left = iter(after)
    assert all(byte in left for byte in content)
    undo(str(tmp_path / "out.xml"), str(tmp_path / "back.xml"))
    assert (tmp_path / "back.xml").read_bytes() == content
    return after


def filled_text(tmp_path, text: str, **options) -> str:
    """Return what a guide in UTF-8 becomes."""
    (tmp_path / "text.xml").write_bytes(text.encode())
    fill(str(tmp_path / "text.xml"), str(tmp_path / "filled.xml"), filler_of(with_keywords=True, **options))
    return (tmp_path / "filled.xml").read_bytes().decode()


def native(dice: random.Random, name: str) -> bytes:
    """Return bytes of a text in an encoding, if possible others than it would be encoded as."""
    found = [content for content in (drawn_fragments(dice) for _ in range(20)) if is_text(content, name)]
    odd = [content for content in found if encoded(content.decode(name), name) != content]
    return dice.choice(odd or found or [encoded(SAMPLE, name).removeprefix(encoded("", name))])


def drawn_fragments(dice: random.Random) -> bytes:
    parts = [
        dice.choice([dice.randbytes(2), dice.randbytes(3), b"\x8f" + dice.randbytes(2), dice.choice(ESCAPES), b"a"])
        for _ in range(dice.randint(1, 3))
    ]
    return b"".join(parts) + dice.choice([b"", b"\x1b(B", b"\x0f", b"~}"])


def is_text(content: bytes, name: str) -> bool:
    """Return whether an encoding reads bytes as a text for an element, and a tag behind them as such."""
    try:
        content.decode(name)
        text = (content + encoded("</", name).removeprefix(encoded("", name))).decode(name)
    except UnicodeError:
        return False
    return text.endswith("</") and text[:-2].isprintable() and not set(text[:-2]) & set("<>&]")


def encoded(text: str, name: str) -> bytes:
    return text.encode(name, "xmlcharrefreplace")


def drawn_bytes(dice: random.Random, name: str) -> bytes:
    """Return a random guide in an encoding, with texts in bytes that it reads but may never write."""
    text = drawn_guide(dice, ["NATIVE", "NATIVE NATIVE", SAMPLE], [head(name)])
    first, *rest = encoded(text, name).split(encoded("NATIVE", name).removeprefix(encoded("", name)))
    return first + b"".join(native(dice, name) + part for part in rest)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("cp932", b"\x87\x90"),  # encoded as 81 E0
        ("Windows-31J", b"\x87\x90"),
        ("x-sjis", b"\x87\x90"),
        ("Shift_JIS", b"\x87\x90"),
        ("EUC-JP", b"\x8f\xa2\xb7"),  # encoded as 7E
        ("Big5", b"\xa2\xcc"),
        ("ISO-2022-JP", b"\x1b$B\x1b$BF|\x1b(B\x1b(B"),
        ("ISO-2022-JP", b"\x1b$BF|\x1b(J~\x1b(B"),
        ("HZ", b"~{CE~}~{CE~}~~"),
        ("utf-8-sig", "ü".encode()),
        ("GB2312", b"\xfe\x50"),
        ("EUC-KR", b"\x81\x41"),
        ("ISO-8859-8-I", b"\xf9\xec\xe5\xed"),
        ("x-mac-roman", b"\x8a\xa7"),
        ("x-mac-ukrainian", b"\x8a\xa7"),
        ("windows-874", b"\xa1\xa2\x80"),
        ("x-cp1251", b"\xcd\xe5\xf2"),
        ("iso88592", b"\xe8\xf8"),
        ("koi", b"\xf7\xcf\xca"),
        ("KS_C_5601-1987", b"\xb0\xa1"),
        ("unicode-1-1-utf-8", "ü".encode()),
    ],
)
def test_bytes_that_would_be_encoded_otherwise_stay(tmp_path, name, title):
    content = declared(name, title)
    after = both_ways(tmp_path, content)
    insertion = b"<category>Sports</category><keyword>titleclf: Sports</keyword>"
    assert after.replace(insertion, b"") == content
    assert after.count(insertion) == 2


@pytest.mark.parametrize(
    ("name", "title", "text"),
    [
        ("Windows-31J", b"\x87\x40\x93\xfa", "①日"),
        ("x-sjis", b"\x87\x40\x93\xfa", "①日"),
        ("ISO-8859-8-I", b"\xf9\xec\xe5\xed", "שלום"),
        ("x-mac-roman", b"\x8a\xa7", "äß"),
        ("x-gbk", b"\x81\x40", "丂"),
        ("utf-8-sig", "ü".encode(), "ü"),
    ],
)
def test_labels_are_read_as_browsers_read_them(tmp_path, name, title, text):
    (tmp_path / "g.xml").write_bytes(declared(name, title))
    assert [airing.title for airing in airings(str(tmp_path / "g.xml"))][1] == text


@pytest.mark.parametrize("name", ["utf-16", "UTF-16LE", "ucs-2", "utf-32"])
def test_sixteen_bits_that_are_eight_are_read_as_utf_8_with_a_note(tmp_path, name):
    content = declared(name, "Die Wüste lebt &amp; lacht".encode())
    note = rf"(in|out)\.xml:1: declares the encoding {name}, but has bytes of 8 bits\. Read as UTF-8\."
    with pytest.warns(UserWarning, match=note):
        after = both_ways(tmp_path, content)
    assert after.count(b"<category>") == 3


def test_the_note_is_one_line_on_standard_error(tmp_path):
    (tmp_path / "g.xml").write_bytes(declared("utf-16", b"Heat"))
    result = command("epg", "lint", "g.xml", "--profile", "kodi", cwd=tmp_path)
    assert result.stderr == "g.xml:1: declares the encoding utf-16, but has bytes of 8 bits. Read as UTF-8.\n"


@pytest.mark.parametrize("name", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_wide_characters_are_found_by_their_first_bytes(name):
    assert encoding_of(guide(head="").encode(name), "g") in (name, f"{name}-le")


def test_an_insertion_that_the_encoding_reads_as_another_text_is_written_as_references(tmp_path):
    title = "<title lang='a¥'>Heat</title>"  # ¥ is encoded as a backslash
    content = guide(programme(title=title.replace("¥", "&#165;")), head=head("shift_jis_2004")).encode()
    (tmp_path / "in.xml").write_bytes(content)
    after = both_ways(tmp_path, content)
    filled = filled_text(tmp_path, content.decode().replace("shift_jis_2004", "utf-8"))
    assert '<category lang="a¥">' in filled
    assert b'<category lang="a&#165;">' in after or after.decode("shift_jis_2004").count('lang="a¥"') == 2


def test_a_change_where_what_follows_depends_on_it_is_refused():
    cutter = Cutter([b"\x1b$BF|K\\\x1b(B"], "iso2022_jp", "g.xml")
    assert cutter.take(1) == b"\x1b$BF|"
    with pytest.raises(
        InputError, match=r"^g\.xml must be in an encoding that can be changed in one place\. Got iso20"
    ):
        cutter.replaced(0, "<category>")


@pytest.mark.parametrize("name", CODECS)
def test_random_guides_in_every_codec_are_restored_or_refused(tmp_path, monkeypatch, name):
    dice = random.Random(name)
    is_filled = False
    monkeypatch.setattr("os.fsync", lambda _: None)
    for _ in range(2):
        content = drawn_bytes(dice, name)
        monkeypatch.setattr("titleclf.epg.streams._CHUNK", dice.choice([1, 3, 10, 1000]))
        options = {"when": dice.choice(list(When)), "profile": dice.choice([None, *PROFILES.values()])}
        options = {} if options["profile"] is None else options
        try:
            after = both_ways(tmp_path, content, **options)
        except InputError:
            assert name in REFUSED
            continue
        codec = encoding_of(content, "g")
        text = content.decode(codec).replace(f'encoding="{name}"', 'encoding="utf-8"')
        assert after.decode(codec).replace(f'encoding="{name}"', 'encoding="utf-8"') == filled_text(
            tmp_path, text, **options
        )
        is_filled = True
    assert is_filled == (name not in REFUSED)
