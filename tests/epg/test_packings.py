"""Packed guides: read whatever their names say, written as their names say, and bounded when they are hostile."""

import bz2
import gzip
import io
import lzma
import os
import random
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import pytest

from tests.helpers.commands import one_line
from tests.helpers.guides import GUIDES, filler_of
from titleclf.epg import packings
from titleclf.epg.edits import undo
from titleclf.epg.fill import fill
from titleclf.epg.packings import Packing, is_guide, packed, unpacked, unpacked_name
from titleclf.epg.parser import airings
from titleclf.runtime.errors import InputError

PLAIN = GUIDES["many"]
CHUNK = 1000


def pack(content: bytes, *packings: Packing) -> bytes:
    """Return content packed by each packing in turn, the innermost first."""
    for packing in packings:
        file = io.BytesIO()
        with packed(file, packing) as whole:
            whole.write(content)
        content = file.getvalue()
    return content


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def read(content: bytes, chunk_bytes: int = CHUNK) -> bytes:
    return b"".join(unpacked(io.BytesIO(content), "g", chunk_bytes).chunks)


def refused(content: bytes) -> str:
    with pytest.raises(InputError) as caught:
        read(content)
    return one_line(str(caught.value))


READ = {
    "plain": (PLAIN, []),
    "gzip": (gzip.compress(PLAIN), [Packing.gz]),
    "bzip2": (bz2.compress(PLAIN), [Packing.bz2]),
    "xz": (lzma.compress(PLAIN), [Packing.xz]),
    "zstd": (pack(PLAIN, Packing.zst), [Packing.zst]),
    "zip": (zipped({"guide.xml": PLAIN}), [Packing.zip]),
    "zip, stored": (zipped({"guide.xml": PLAIN}, compression=zipfile.ZIP_STORED), [Packing.zip]),
    "zip, bzip2": (zipped({"guide.xml": PLAIN}, compression=zipfile.ZIP_BZIP2), [Packing.zip]),
    "zip with more": (
        zipped({"readme.txt": b"x", "epg/": b"", "epg/Guide.XMLTV": PLAIN, "__MACOSX/epg/._Guide.xmltv": b"x"}),
        [Packing.zip],
    ),
    "zip of gzip": (zipped({"guide.xml.gz": gzip.compress(PLAIN)}), [Packing.zip, Packing.gz]),
    "gzip of zip": (gzip.compress(zipped({"guide.xml": PLAIN})), [Packing.gz, Packing.zip]),
    "gzip of gzip": (gzip.compress(gzip.compress(PLAIN)), [Packing.gz, Packing.gz]),
    "gzip members": (gzip.compress(PLAIN[:3000]) + gzip.compress(b"") + gzip.compress(PLAIN[3000:]), [Packing.gz]),
    "bzip2 streams": (bz2.compress(PLAIN[:3000]) + bz2.compress(PLAIN[3000:]), [Packing.bz2]),
    "xz streams": (lzma.compress(PLAIN[:3000]) + bytes(8) + lzma.compress(PLAIN[3000:]), [Packing.xz]),
    "zstd frames": (pack(PLAIN[:3000], Packing.zst) + pack(PLAIN[3000:], Packing.zst), [Packing.zst]),
    "zstd, skipped frame": (b"\x50\x2a\x4d\x18\4\0\0\0abcd" + pack(PLAIN, Packing.zst), [Packing.zst]),
    "trailing zeros": (gzip.compress(PLAIN) + bytes(100_000), [Packing.gz]),
    "zeros between": (gzip.compress(PLAIN[:3000]) + bytes(70_000) + gzip.compress(PLAIN[3000:]), [Packing.gz]),
    "empty": (b"", []),
    "packed nothing": (gzip.compress(b""), [Packing.gz]),
}


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("block", [1, 7, 1 << 16])
def test_every_packing_is_read_by_its_bytes(monkeypatch, name, block):
    monkeypatch.setattr(packings, "_BLOCK", block)
    content, expected = READ[name]
    found, chunks = unpacked(io.BytesIO(content), "g", CHUNK)
    listed = list(chunks)
    assert found == expected
    assert b"".join(listed) == (b"" if name in ("empty", "packed nothing") else PLAIN)
    assert {len(chunk) for chunk in listed[:-1]} <= {CHUNK}


@pytest.mark.parametrize("step", [1, 100, 5000])
@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd", "gzip members", "zstd frames"])
def test_output_that_waits_within_a_decompressor_is_not_lost(monkeypatch, name, step):
    monkeypatch.setattr(packings, "_STEP", step)
    assert read(READ[name][0]) == PLAIN


@pytest.mark.parametrize("packing", [Packing.gz, Packing.bz2, Packing.xz, Packing.zst])
def test_garbage_behind_the_packed_data_is_ignored_with_a_warning(caplog, tmp_path, packing):
    source = tmp_path / f"in.xml{packing}"
    source.write_bytes(pack(PLAIN, packing) + bytes(3) + b"<!-- page generated in 0.1 s -->")
    fill(str(source), str(tmp_path / "out.xml"), filler_of())
    assert (tmp_path / "out.xml").read_bytes().count(b"<category>") == 300
    (record,) = caplog.records  # though the guide is read twice
    assert record.message == f"note: {source}: what follows the end of its {packing[1:]} data is ignored"


def test_zeros_behind_the_packed_data_need_no_warning(caplog):
    assert read(gzip.compress(PLAIN) + bytes(1000)) == PLAIN
    assert caplog.records == []


@pytest.mark.parametrize("packing", list(Packing))
def test_outputs_are_packed_as_their_names_say(tmp_path, packing):
    (tmp_path / "in.xml").write_bytes(PLAIN)
    output = tmp_path / f"out.xml{packing.upper()}"
    fill(str(tmp_path / "in.xml"), str(output), filler_of(with_keywords=True))
    first = output.read_bytes()
    assert Packing.of_start(first) is packing
    assert sum(1 for airing in airings(str(output)) if airing.categories) == 300
    fill(str(tmp_path / "in.xml"), str(output), filler_of(with_keywords=True))
    assert output.read_bytes() == first
    undo(str(output), str(tmp_path / "back.xml"))
    assert (tmp_path / "back.xml").read_bytes() == PLAIN


def test_a_zip_holds_the_guide_under_a_name_that_readers_know(tmp_path):
    (tmp_path / "in.xml").write_bytes(PLAIN)
    fill(str(tmp_path / "in.xml"), str(tmp_path / "out.zip"), filler_of())
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.namelist() == ["guide.xml"]
        assert archive.testzip() is None


@pytest.mark.parametrize("packing", [Packing.bz2, Packing.xz, Packing.zst])
def test_in_place_keeps_the_packing(tmp_path, packing):
    path = tmp_path / "guide.xml"  # despite its packing
    path.write_bytes(pack(PLAIN, packing))
    fill(str(path), None, filler_of())
    assert Packing.of_start(path.read_bytes()) is packing
    assert read(path.read_bytes()).count(b"<category>") == 300


@pytest.mark.parametrize(("name", "got"), [("zip", "a zip"), ("zip of gzip", "a zip"), ("gzip of gzip", "2 packings")])
def test_what_cannot_be_packed_again_as_it_was_is_not_filled_in_place(tmp_path, name, got):
    path = tmp_path / "guide.xml"
    path.write_bytes(READ[name][0])
    with pytest.raises(InputError) as caught:
        fill(str(path), None, filler_of())
    sentence = f"{path} must be plain or packed once to be filled in place. Got {got}. Pass -o OUT."
    assert str(caught.value) == sentence
    assert path.read_bytes() == READ[name][0]
    assert [path.name for path in tmp_path.iterdir()] == ["guide.xml"]


@pytest.mark.parametrize("name", ["plain", "gzip", "bzip2", "xz", "zstd", "zip"])
def test_a_pipe_whose_first_read_is_one_byte(tmp_path, name):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = READ[name][0]

    def write() -> None:
        with pipe.open("wb", buffering=0) as file:
            for part in (content[:1], content[1:3], content[3:]):
                file.write(part)
                time.sleep(0.05)

    writer = threading.Thread(target=write)
    writer.start()
    fill(str(pipe), str(tmp_path / "out.xml"), filler_of())
    writer.join()
    assert (tmp_path / "out.xml").read_bytes().count(b"<category>") == 300


BOMB = zlib.compressobj(9, wbits=31)
BOMB_CONTENT = b"".join([*(BOMB.compress(bytes(1 << 20)) for _ in range(64)), BOMB.flush()])


@pytest.mark.parametrize(
    "content",
    [BOMB_CONTENT, gzip.compress(BOMB_CONTENT), zipped({"g.xml": bytes(64 << 20)}), pack(bytes(64 << 20), Packing.zst)],
    ids=["gzip", "gzip of gzip", "zip", "zstd"],
)
def test_a_bomb_is_refused_before_it_is_unpacked_whole(monkeypatch, content):
    monkeypatch.setattr(packings, "_MAX_UNPACKED", 32 << 20)
    assert len(content) < 200_000
    chunks = unpacked(io.BytesIO(content), "g", 1 << 20).chunks
    for _ in range(31):
        assert next(chunks) == bytes(1 << 20)
    with pytest.raises(InputError, match=r"^g must unpack to at most 0 GB\. Got more\. Unpack it first\.$"):
        list(chunks)


def test_a_file_that_unpacks_to_itself_forever_is_refused():
    content = PLAIN
    for _ in range(4):
        content = gzip.compress(content)
    assert refused(content) == "g must be packed at most 3 times. Got one more. Unpack it first."


def test_a_file_of_very_many_members_is_read():
    member = gzip.compress(b"")
    assert read(member * 100_000 + gzip.compress(PLAIN)) == PLAIN


def test_a_dictionary_that_would_fill_the_memory_is_refused():
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}]
    packer = lzma.LZMACompressor(filters=[filters[0] | {"dict_size": 1 << 12}])
    content = bytearray(packer.compress(PLAIN) + packer.flush())
    # The size of the dictionary is a byte of the block header, which has a checksum of its own.
    start, size = 12, (content[12] + 1) * 4
    content[start + 4] = 36  # 1 GB
    content[start + size - 4 : start + size] = zlib.crc32(content[start : start + size - 4]).to_bytes(4, "little")
    assert refused(bytes(content)) == "g must be whole. Got: Memory usage limit exceeded. Fetch it again."


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({}, "Got no file. Name another file."),
        ({"readme.txt": b"x", "b/logo.png": b"x"}, "Got readme.txt, b/logo.png. Name another file."),
        ({"a.xml": PLAIN, "b.xml": PLAIN}, "Got a.xml, b.xml. Unpack the one you want."),
        (
            {f"{number}.xml.gz": b"" for number in range(1200)},
            "Got 0.xml.gz, 1.xml.gz, 2.xml.gz, 3.xml.gz, 4.xml.gz and 1,195 more. Unpack the one you want.",
        ),
        ({"\x1b[2J.txt": b""}, r"Got \x1b[2J.txt. Name another file."),
    ],
    ids=["none", "no guide", "two", "many", "control characters"],
)
def test_a_zip_without_exactly_one_guide_is_refused(members, sentence):
    assert refused(zipped(members)) == f"g must hold one guide (.xml or .xmltv). {sentence}"


def test_a_zip_of_very_many_files_is_refused_before_they_are_listed(monkeypatch):
    content = zipped({f"{number}": b"" for number in range(25_000)}, compression=zipfile.ZIP_STORED)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    assert refused(content) == "g must hold one guide. Got a zip of many thousand files. Unpack the guide first."


def test_a_zip_that_is_encrypted_or_packed_oddly_is_refused():
    content = bytearray(zipped({"g.xml": PLAIN}))
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 8] |= 1
    assert refused(bytes(content)) == "g must not be encrypted. Got a zip with a password. Unpack it first."
    content[directory + 8] &= ~1
    content[directory + 10] = 14  # LZMA
    expected = "g must be deflated, as zips usually are. Got compression method 14. Unpack it first."
    assert refused(bytes(content)) == expected


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd", "zip", "gzip of gzip", "gzip members"])
def test_damaged_files_are_refused_or_whole(name):
    content, dice = READ[name][0], random.Random(name)
    outcomes = Counter[bool]()
    for _ in range(150):
        damaged = bytearray(content)
        if dice.random() < 0.5:
            damaged = damaged[: dice.randint(8, len(damaged) - 1)]
        else:
            damaged[dice.randrange(8, len(damaged))] ^= 1 << dice.randrange(8)
        outcomes[is_whole(bytes(damaged))] += 1
    assert outcomes[False] > 75
    assert refused(content[:-20]).startswith("g must be whole. Got: ")


def is_whole(content: bytes) -> bool:
    """Return whether a file is read as it was, or else is refused."""
    try:
        after = read(content)
    except InputError:
        return False
    assert after in (PLAIN, PLAIN[:3000])  # ... if the start of the second member is damaged, it is garbage
    return True


def test_zstd_names_its_extra_where_it_is_missing(tmp_path):
    (tmp_path / "g.xml.zst").write_bytes(READ["zstd"][0])
    hide = "import sys; sys.modules.update({'backports': None, 'backports.zstd': None, 'compression': None})"
    program = f"{hide}; from titleclf.epg.__main__ import main; main()"
    arguments = ["lint", "g.xml.zst", "--profile", "kodi"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert one_line(done.stderr).startswith("titleclf needs the extra zstd. Got no module named ")
    assert done.stderr.endswith("Install it in the checkout: pip install '.[zstd]'.\n")


def test_names_of_guides():
    names = ["a.xml", "A.XML.GZ", "a.xmltv.bz2", "a.xml.xz", "a.xml.zst", "a.zip", "a.xml.zip"]
    assert [name for name in [*names, "a.csv", "a.gz", "xml", "a.xml.bak"] if is_guide(name)] == names
    assert [unpacked_name(name) for name in names] == [
        *("a.xml", "A.XML", "a.xmltv", "a.xml", "a.xml", "a.xml", "a.xml")
    ]
    assert Packing.of_name(str(Path("folder.gz") / "a.xml")) is Packing.none
