"""Repairs: what XML does not allow is replaced and counted, and nothing else changes."""

import random
from collections import Counter

import pytest

from tests.helpers.commands import command
from tests.helpers.guides import GUIDES, filler_of, guide, programme
from tests.helpers.xmltv import parsed
from titleclf.epg import repairs as module
from titleclf.epg.fill import fill
from titleclf.epg.harvest import Harvest, harvest
from titleclf.epg.lint import lint
from titleclf.epg.profiles import PROFILES
from titleclf.epg.repairs import Repairs, repaired
from titleclf.epg.report import report
from titleclf.epg.streams import repairing
from titleclf.runtime.errors import InputError

TABLE = filler_of().table
FAULTS = [
    ("R&B", "R&amp;B", "&"),
    ("A & B", "A &amp; B", "&"),
    ("&unknown;", "&amp;unknown;", "&"),
    ("A&nbsp;B", "A&#160;B", "&nbsp;"),
    ("caf&eacute;", "caf&#233;", "&eacute;"),
    ("a&NotEqualTilde;", "a&#8770;&#824;", "&NotEqualTilde;"),
    ("a\x08b", "a b", "U+0008"),
    ("a\uffffb", "a b", "U+FFFF"),
    ("a&#8;b", "a b", "&#8;"),
    ("a&#x1F;b", "a b", "&#x1F;"),
    ("a&#xD800;b", "a b", "&#xD800;"),
    ("I <3 U", "I &lt;3 U", "<"),
    ("a < b", "a &lt; b", "<"),
    ("a ]]> b", "a ]]&gt; b", "]]>"),
    ("<!-- \x0b & -->", "<!--   & -->", "U+000B"),
    ("<![CDATA[ \x0b & ]]>", "<![CDATA[   & ]]>", "U+000B"),
]


def repair(content: bytes, encoding: str = "utf-8", size: int = 1 << 20) -> tuple[bytes, Repairs]:
    repairs = Repairs()
    chunks = (content[at : at + size] for at in range(0, len(content), size))
    return b"".join(repaired(chunks, encoding, "g.xml", repairs)), repairs


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "cp932", "iso2022_jp", "gb18030"])
@pytest.mark.parametrize(("text", "mended", "name"), FAULTS)
def test_each_fault_is_replaced_counted_and_listed(monkeypatch, text, mended, name, encoding, size):
    monkeypatch.setattr(module, "_WINDOW", size)
    if not text.isascii() and encoding in ("cp932", "iso2022_jp"):
        text, mended, name = FAULTS[0]
    around = guide(programme("<desc>日本 &amp; {}日本</desc>"), head="")
    content = around.replace("{}", text).encode(encoding)
    result, repairs = repair(content, encoding, size)
    assert result.decode(encoding) == around.replace("{}", mended)
    assert (repairs.counts, repairs.lines) == ({name: 1}, {name: [3]})


@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_without_faults_stays_byte_for_byte(name):
    encoding = "utf-16" if name == "UTF-16" else "utf-16-be" if "UTF-16" in name else "utf-8"
    if name in ("Latin-1", "Windows-1252", "Shift-JIS"):
        encoding = {"Latin-1": "iso8859-1", "Windows-1252": "cp1252", "Shift-JIS": "cp932"}[name]
    assert repair(GUIDES[name], encoding, 5) == (GUIDES[name], Repairs())


@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize(
    ("content", "encoding", "expected", "names"),
    [
        (b"<tv>\nf\xfcr \xe2\x82x\xe2", "utf-8", "<tv>\nf\ufffdr \ufffdx\ufffd", ["byte FC", "byte E2 82", "byte E2"]),
        (b"<tv>\n\x87\x20", "cp932", "<tv>\n&#65533; ", ["byte 87"]),
        (b"<tv>\n\x83", "cp1257", "<tv>\n&#65533;", ["byte 83"]),
    ],
)
def test_bytes_that_are_not_in_the_encoding_are_replaced(content, encoding, expected, names, size):
    result, repairs = repair(content, encoding, size)
    assert result.decode(encoding) == expected
    assert list(repairs.counts) == names
    assert all(lines == [2] for lines in repairs.lines.values())


def test_a_blank_before_the_declaration_is_removed():
    content, name = b"\n <?xml version='1.0'?>\n<tv/>", "blank before <?xml"
    assert repair(content, size=2) == (content[2:], Repairs(Counter({name: 1}), {name: [1]}))


def test_a_repaired_guide_is_filled_and_has_a_backup(tmp_path):
    content = guide(programme(title="<title>Tom & Jerry</title>"))
    (tmp_path / "g.xml").write_text(content)
    result = command("epg", "fill", "g.xml", "--in-place", "--repair", cwd=tmp_path)
    assert result.returncode == 0
    assert result.stderr.splitlines()[-4:] == [
        "g.xml: 1 repaired",
        "replaced  times  in lines",
        "-------------------------",
        "&             1  4",
    ]
    assert parsed((tmp_path / "g.xml").read_bytes()).findtext("programme/title") == "Tom & Jerry"
    assert (tmp_path / "g.xml.bak").read_text() == content
    again = command("epg", "lint", "g.xml", "--profile", "kodi", "--repair", cwd=tmp_path)
    assert again.stderr == "g.xml: nothing to repair\n"


def test_a_pipe_is_repaired(tmp_path):
    content = guide(programme(title="<title>Tom & Jerry</title>"))
    result = command("epg", "fill", "-", "-o", "-", "--repair", cwd=tmp_path, input=content)
    assert "<title>Tom &amp; Jerry</title>" in result.stdout
    assert "standard input: 1 repaired" in result.stderr


def mutated(content: bytes, dice: random.Random) -> bytes:
    """Return a guide with one to four random changes."""
    for _ in range(dice.randint(1, 4)):
        at, to = sorted(dice.choices(range(len(content) + 1), k=2))
        to = min(to, at + dice.choice([0, 1, 5, 100, len(content)]))
        new = dice.choice([b"", b"&", b"<", b"\x08", b"\xff", b"&nbsp;", b"<?xml ?>", b"</programme>", b"<!--", b"]]>"])
        content = content[:at] + dice.choice([new, content[at:to] * 2, dice.randbytes(3)]) + content[to:]
    return content


def outcome(name: str, guide: str, output: str) -> str:
    """Return the error of a verb for a guide, or nothing."""
    try:
        match name:
            case "fill":
                fill(guide, output, filler_of())
            case "repair":
                with repairing(guide):
                    fill(guide, output, filler_of())
            case "lint":
                lint(guide, PROFILES["kodi"], TABLE)
            case "report":
                report(guide, filler_of())
            case _:
                assert isinstance(harvest([guide], TABLE), Harvest)
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("seed", range(4))
def test_mutated_guides_are_read_or_refused_with_a_line_by_all_verbs_alike(tmp_path, monkeypatch, seed):
    monkeypatch.setattr("os.fsync", lambda _: None)
    dice = random.Random(seed)
    path = tmp_path / "g.xml"
    before: list[int] = []
    after: list[int] = []
    for _ in range(50):
        path.write_bytes(mutated(dice.choice(list(GUIDES.values())), dice))
        errors = {outcome(name, str(path), str(tmp_path / "o.xml")) for name in ("fill", "lint", "report", "harvest")}
        (error,) = errors
        assert not error or error.startswith(f"{path}:")
        assert not error or error.removeprefix(f"{path}:")[0].isdigit()
        before.append(not error)
        after.append(not outcome("repair", str(path), str(tmp_path / "o.xml")))
    assert 0 < sum(before) < sum(after)
