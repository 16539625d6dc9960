"""Broken, hostile and huge guides, and failing machines: nothing is lost, and the error is one line."""

import gzip
import lzma
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.commands import command, one_line
from tests.helpers.guides import GUIDES, FixedNetwork, filler_of, guide, programme
from titleclf.epg.edits import undo
from titleclf.epg.fill import Outcome, fill
from titleclf.epg.parser import pieces
from titleclf.runtime.errors import InputError

PLAIN = GUIDES["many"]
ASCII, CP1257 = ('<?xml version="1.0" encoding="ascii"?>', '<?xml version="1.0" encoding="windows-1257"?>\n')
LAUGHS = '<!DOCTYPE tv [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


def refused(tmp_path: Path, content: bytes, name: str = "in.xml") -> str:
    """Return the one-line error for a guide, after checking that the older output stays."""
    source, output = tmp_path / name, tmp_path / "out.xml"
    source.write_bytes(content)
    output.write_bytes(b"older")
    with pytest.raises(InputError) as caught:
        fill(str(source), str(output), filler_of())
    assert output.read_bytes() == b"older"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "out.xml"])
    return one_line(str(caught.value)).removeprefix(str(source))


CUT_OFF = r":\d+:\d+: must end with </tv>. Got '.*' as its end: it is cut off. Fetch it again."
NO_GUIDE = " must be an XMLTV guide. Got {} in place of <tv>. {}"
NEXT = "or use titleclf epg fill --repair."
ADDRESS = "Check its address: the guide may have moved, or need a login."


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (PLAIN[:-20], CUT_OFF),
        (PLAIN[:5000], CUT_OFF),
        (gzip.compress(PLAIN)[:-9], r" must be whole. Got: Compressed file ended .*. Fetch it again."),
        (gzip.compress(PLAIN)[:100], r" must be whole. Got: Compressed file ended .*. Fetch it again."),
        (gzip.compress(PLAIN)[:60] + b"x" * 99, r" must be whole. Got: .*. Fetch it again."),
        (lzma.compress(PLAIN)[:100], r" must be whole. Got: Compressed file ended .*. Fetch it again."),
        (lzma.compress(PLAIN)[:60] + b"x" * 99, r" must be whole. Got: Corrupt input data. Fetch it again."),
    ],
)
def test_truncated_guides_are_refused(tmp_path, content, sentence):
    assert re.fullmatch(sentence, refused(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "got", "remedy"),
    [
        (b"", "an empty file", "Check the program that wrote it."),
        (b"not XML", "'not XML'", "Name a guide."),
        (b"<rss></rss>", "<rss>", "Name a guide."),
        (b"#EXTM3U\n", "an m3u playlist", "Name its guide, often the address behind x-tvg-url in its first line."),
        (b'{"programmes": []}', "JSON", "Convert it to XMLTV, or name a guide."),
        (b"<html></html>", "an HTML page", ADDRESS),
        (b"<!doctype html><html><title>404\nNot Found</title>", "an HTML page, '404 Not Found'", ADDRESS),
        (b"<!DOCTYPE html><html><title>404</title>", "an HTML page, '404'", ADDRESS),
        (
            b"\xef\xbb\xbf#EXTM3U",
            "an m3u playlist",
            "Name its guide, often the address behind x-tvg-url in its first line.",
        ),
    ],
)
def test_files_that_are_no_guides_are_called_what_they_are(tmp_path, content, got, remedy):
    assert re.sub(r"^:1:\d+:", "", refused(tmp_path, content)) == NO_GUIDE.format(got, remedy)


@pytest.mark.parametrize(
    ("text", "column", "sentence"),
    [
        ("R&B", 4, f"must have & written as &amp;. Got '&B</tv>'. Correct it, {NEXT}"),
        ("A & B", 4, f"must have & written as &amp;. Got '& B</tv>'. Correct it, {NEXT}"),
        ("A&nbsp;B", 2, f"must have no entity but those of XML. Got '&nbsp;'. Write the character, {NEXT}"),
        ("A&#8;B", 2, f"must have references to characters that XML allows. Got '&#8;'. Remove it, {NEXT}"),
        ("A\x08B", 2, f"must have no control characters. Got U+0008. Replace it, {NEXT}"),
        ("A\uffffB", 2, f"must have no control characters. Got U+FFFF. Replace it, {NEXT}"),
        ("I <3 B", 4, f"must have < written as &lt; in texts. Got '<3 B</tv>'. Correct it, {NEXT}"),
        ("A ]]> B", 5, f"must have ]]> written as ]]&gt; in texts. Got ']]> B</tv>'. Correct it, {NEXT}"),
        ("</x>", 3, "must end each element before those around it. Got '</x></tv>'. Correct it there."),
        (
            "<x a='1' a='2'/>",
            10,
            "must have each attribute of an element once. Got 'a='2'/></tv>' again. Remove one of them.",
        ),
        ("<x a=1/>", 6, "must be well-formed XML. Got '1/></tv>' behind '<tv> <x a='. Correct it there."),
        (
            "<!-- a" + "b" * 999,
            1,
            f"must end what it begins. Got '<!-- a{'b' * 34}…' without an end. Correct it there.",
        ),
        ("<![CDATA[ a", 17, "must end what it begins. Got '<tv> <![CDATA[ a</tv>' without an end. Correct it there."),
        (
            "<?xml version='1.0'?>",
            1,
            "must have one <?xml, at its beginning. Got another one. Take the guides apart, and name each.",
        ),
    ],
)
@pytest.mark.parametrize("before", ["<tv>\n", ""])
def test_errors_in_the_text_have_their_line_and_column(tmp_path, before, text, column, sentence):
    place = f":2:{column}:"
    if not before:  # a guide in one line
        before, place, sentence = "<tv>", f":1:{column + 4}:", sentence.replace("<tv> <", "<tv><")
    assert refused(tmp_path, f"{before}{text}</tv>".encode()) == f"{place} {sentence}"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            "<tv></tv>\n<?xml version='1.0'?><tv/>",
            ":2:1: must be one guide. Got a second one behind </tv>. Join them with tv_cat, or name each on its own.",
        ),
        (
            "<tv></tv>\n<tv/>",
            ":2:1: must be one guide. Got a second one behind </tv>. Join them with tv_cat, or name each on its own.",
        ),
        ("<tv></tv>\n\0\0", ":2:1: must end with </tv>. Got '\\x00\\x00' behind it. Remove that."),
        ("\n<?xml version='1.0'?><tv/>", f":2:1: must begin with <?xml. Got a blank before it. Remove it, {NEXT}"),
        (
            "<!-- x --><?xml version='1.0'?><tv/>",
            ":1:11: must begin with <?xml. Got '<!-- x -->' before it. Remove it.",
        ),
        (
            "<?xml encoding='utf-8'?><tv/>",
            (
                ":1:7: must be well-formed XML. Got: XML declaration not well-formed, at 'encoding='utf-8'?><tv/>'. "
                "Correct it there."
            ),
        ),
    ],
)
def test_what_is_before_and_behind_a_guide_is_named(tmp_path, content, sentence):
    assert refused(tmp_path, content.encode()) == sentence


@pytest.mark.parametrize(
    ("content", "place", "got"),
    [
        (guide(programme("<desc>für</desc>")).encode("latin-1"), "4:123", "utf-8 with the bytes FC"),
        (guide(programme("<desc>日</desc>"), head=ASCII).encode(), "3:122", "ascii with the bytes E6"),
        (guide(programme())[:-5].encode("utf-16") + b"\n", "5:2", "utf-16-le with the bytes 0A"),
        (
            guide(programme(title="<title>ƒ</title>"), head=CP1257).encode("cp1252"),
            "4:92",
            "cp1257 with the bytes 83",
        ),
    ],
)
@pytest.mark.parametrize("chunk", [1, 1000])
def test_a_byte_that_is_not_in_the_encoding_has_its_line_and_column(tmp_path, monkeypatch, content, place, got, chunk):
    monkeypatch.setattr("titleclf.epg.streams._CHUNK", chunk)
    sentence = (
        f":{place}: must be in the encoding that it declares, or UTF-8. Got {got}. Correct its first line, save it as "
        f"UTF-8, {NEXT}"
    )
    assert refused(tmp_path, content) == sentence


@pytest.mark.parametrize("name", ["no-such-code", "base64", "rot13", "idna", "unicode_escape", "cp037"])
def test_an_encoding_that_is_not_for_xml_is_refused(tmp_path, name):
    content = guide(programme(), head=f'<?xml version="1.0" encoding="{name}"?>').encode()
    expected = f":1: must declare an encoding for XML. Got {name}. Save it as UTF-8."
    assert refused(tmp_path, content) == expected


@pytest.mark.parametrize(
    "doctype",
    [
        LAUGHS,
        '<!DOCTYPE tv [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE tv [<!ENTITY % a SYSTEM "http://127.0.0.1:9/x.dtd"> %a;]>',
    ],
)
def test_entities_are_refused_before_they_act(tmp_path, doctype):
    content = guide(programme(title="<title>&a;</title>"), head=f"<?xml version='1.0'?>\n{doctype}\n")
    expected = r":2:\d+: must not declare entities. Got a, which may be an attack. Fetch the guide elsewhere."
    assert re.fullmatch(expected, refused(tmp_path, content.encode()))


def test_defaults_that_would_fill_the_memory_are_refused(tmp_path):
    declared = f'<!DOCTYPE tv [<!ATTLIST programme clumpidx CDATA "0/1">\n<!ATTLIST icon src CDATA "{"x" * 300}">]>'
    content = guide(programme(title="<title>Heat</title>"), head=f"<?xml version='1.0'?>\n{declared}\n")
    expected = ":3:26: must not declare long defaults of attributes. Got one for icon, which may be an attack."
    assert refused(tmp_path, content.encode()) == f"{expected} Fetch the guide elsewhere."
    (tmp_path / "in.xml").write_text(content.replace("x" * 300, "x" * 30))
    assert fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler_of()).outcomes.total() == 1


def test_a_dtd_is_not_fetched(tmp_path):
    head = '<?xml version="1.0"?>\n<!DOCTYPE tv SYSTEM "http://127.0.0.1:9/xmltv.dtd">\n'
    content = guide(programme(title="<title>Match of the Day</title>"), head=head).encode()
    (tmp_path / "in.xml").write_bytes(content)
    tally = fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler_of())
    assert tally.outcomes == {Outcome.filled: 1}


def test_a_title_of_ten_megabytes_is_truncated_for_the_model(tmp_path):
    title = "Match of the Day " * (10 << 20 >> 4)
    content = guide(programme(title=f"<title>{title}</title>"), programme()).encode()
    (tmp_path / "in.xml").write_bytes(content)
    filler = filler_of()
    network = filler.decider.models[0][0].network
    assert isinstance(network, FixedNetwork)
    tally = fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler)
    assert tally.outcomes == {Outcome.unsure: 1, Outcome.filled: 1}
    assert max(map(len, network.queried)) == 1000
    assert len((tmp_path / "out.xml").read_bytes()) == len(content) + len("<category>Sports</category>")


def test_an_endless_programme_is_refused_before_it_fills_the_memory(tmp_path):
    content = guide(programme(f"<desc>{'x' * (40 << 20)}</desc>")).encode()
    expected = r":\d+:\d+: must have programmes of at most 32 MB. Got a larger one in or before this line. Take it out."
    assert re.fullmatch(expected, refused(tmp_path, content))


def test_memory_does_not_grow_with_the_number_of_channels():
    channels = (f"<channel id='{number}'><display-name>n</display-name></channel>\n" for number in range(100_000))
    content = f"<tv>{''.join(channels)}{programme()}</tv>".encode()
    chunks = (content[at : at + 65_536] for at in range(0, len(content), 65_536))
    buffered = fed = released = 0

    def counted():
        nonlocal fed
        for chunk in chunks:
            fed += len(chunk)
            yield chunk

    names = 0
    for piece in pieces(counted(), "g"):
        released += len(piece.content)
        names += len(piece.channels)
        buffered = max(buffered, fed - released)
    assert (released, names) == (len(content), 100_000)
    assert buffered < 200


def test_guides_without_titles_do_not_change(tmp_path):
    content = guide(*[programme(title="")] * 3, *[programme(title="<title> </title>")] * 2).encode()
    (tmp_path / "in.xml").write_bytes(content)
    tally = fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler_of())
    assert tally.outcomes == {Outcome.untitled: 5}
    assert (tmp_path / "out.xml").read_bytes() == content


@pytest.mark.parametrize("verb", [lambda guide, output: fill(guide, output, filler_of()), undo])
def test_a_guide_is_never_its_own_output(tmp_path, verb):
    source = tmp_path / "in.xml"
    source.write_bytes(PLAIN)
    (tmp_path / "link.xml").symlink_to(source)
    (tmp_path / "twin.xml").hardlink_to(source)
    for name in ("in.xml", "link.xml", "twin.xml"):
        output = tmp_path / name
        expected = (
            f"{output} must not be the guide itself. Got the same file. Name another one, or pass --in-place, which "
            "keeps a backup."
        )
        with pytest.raises(InputError, match=f"^{re.escape(expected)}$"):
            verb(str(source), str(output))
    assert source.read_bytes() == PLAIN


def test_in_place_keeps_a_backup_permissions_links_and_compression(tmp_path):
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "guide.xml", tmp_path / "guide.xml"
    packed = gzip.compress(PLAIN)
    real.write_bytes(packed)  # despite its name
    real.chmod(0o640)
    link.symlink_to(real)
    fill(str(link), None, filler_of(with_keywords=True))
    assert link.is_symlink()
    assert b"titleclf" in gzip.decompress(real.read_bytes())
    assert real.stat().st_mode & 0o777 == 0o640
    backup = tmp_path / "guide.xml.bak"
    assert backup.read_bytes() == packed
    assert backup.stat().st_mode & 0o777 == 0o640
    fill(str(link), None, filler_of(with_keywords=True))  # nothing is left to fill: the backup must stay the original
    assert backup.read_bytes() == packed
    undo(str(link), None)
    assert gzip.decompress(real.read_bytes()) == PLAIN


def test_standard_input_cannot_be_filled_in_place():
    with pytest.raises(InputError) as caught:
        fill("-", None, filler_of())
    assert str(caught.value) == (
        "--in-place must be used with a file. Got standard input. Name the guide, or pass -o OUT."
    )


@pytest.mark.parametrize(("name", "got"), [("folder", "a folder"), ("pipe", "a device or pipe")])
def test_only_files_are_replaced(tmp_path, name, got):
    (tmp_path / "in.xml").write_bytes(PLAIN)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "pipe").symlink_to(tmp_path / "fifo")
    expected = f"{tmp_path / name} must be a file or not exist yet. Got {got}. Choose another path."
    with pytest.raises(InputError, match=f"^{re.escape(expected)}$"):
        fill(str(tmp_path / "in.xml"), str(tmp_path / name), filler_of())


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing.xml", "{}: no such file. Check the path."),
        ("folder", "{} must be a file. Got a folder. Name a file in it."),
    ],
)
def test_a_missing_guide_is_refused(tmp_path, name, sentence):
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=f"^{re.escape(sentence.format(tmp_path / name))}$"):
        fill(str(tmp_path / name), str(tmp_path / "out.xml"), filler_of())


def test_a_full_disk_gives_one_line_and_keeps_the_older_file(tmp_path):
    (tmp_path / "in.xml").write_bytes(PLAIN)
    (tmp_path / "out.xml").write_bytes(b"older")
    line = f"ulimit -f 16; exec {sys.executable} -m titleclf.epg fill in.xml -o out.xml"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:] == [
        "the output must be writable. Got: File too large. Check permissions and free space."
    ]
    assert (tmp_path / "out.xml").read_bytes() == b"older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.xml", "out.xml"]


@pytest.mark.parametrize(
    ("number", "code", "leaves"),
    [(signal.SIGKILL, -signal.SIGKILL, 1), (signal.SIGTERM, 128 + signal.SIGTERM, 0), (signal.SIGINT, 130, 0)],
)
def test_an_interrupted_fill_keeps_the_older_file(tmp_path, number, code, leaves):
    (tmp_path / "out.xml").write_bytes(b"older")
    (tmp_path / "in.xml").write_text(guide(*[programme(f"<desc>{'x' * 1000}</desc>")] * 50_000))
    filling = subprocess.Popen(
        [sys.executable, "-m", "titleclf.epg", "fill", "in.xml", "-o", "out.xml"], cwd=tmp_path, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size for path in tmp_path.glob(".out.xml.*")):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    filling.send_signal(number)  # long before it is done
    _, error = filling.communicate()
    assert filling.returncode == code
    assert b"Traceback" not in error
    assert (tmp_path / "out.xml").read_bytes() == b"older"
    assert len(list(tmp_path.glob(".out.xml.*"))) == leaves


def test_bad_guides_end_commands_with_one_line(tmp_path):
    (tmp_path / "bad.xml").write_bytes(PLAIN[:500])
    for arguments in (["undo", "bad.xml", "-o", "out.xml"], ["lint", "bad.xml", "--profile", "kodi"]):
        done = command("epg", *arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert "must end with </tv>. Got" in one_line(done.stderr)
    done = command("epg", "lint", "-", "--profile", "kodi", cwd=tmp_path, input="")
    assert one_line(done.stderr).startswith("standard input:1:1: must be an XMLTV guide. Got an empty file")
    assert not (tmp_path / "out.xml").exists()
