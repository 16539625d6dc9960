"""Reading guides in pieces, and edits that change nothing else."""

import gzip
import io
import lzma
import random
from typing import TYPE_CHECKING

import pytest

from tests.helpers.guides import GUIDES, INVALID, KNOWN, filler_of, guide, programme
from tests.helpers.random_guides import drawn_guide
from tests.helpers.xmltv import is_valid, parsed
from titleclf.epg.edits import undo
from titleclf.epg.fill import Outcome, When, fill
from titleclf.epg.overrides import Override, Overrides
from titleclf.epg.parser import airings, pieces
from titleclf.epg.profiles import PROFILES
from titleclf.epg.streams import reading
from titleclf.epg.xmltv import Airing

if TYPE_CHECKING:
    from collections.abc import Callable

each_guide = pytest.mark.parametrize("name", GUIDES)


def read(path) -> list[Airing]:
    return list(airings(str(path)))


def filled(tmp_path, content: bytes, **options) -> bytes:
    (tmp_path / "in.xml").write_bytes(content)
    fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler_of(**options))
    return (tmp_path / "out.xml").read_bytes()


def texts(element, name: str) -> list[str]:
    children = (" ".join("".join(child.itertext()).split()) for child in element.findall(name))
    return [text for text in children if text]


@each_guide
def test_airings_are_the_programmes_that_lxml_reads(tmp_path, name):
    (tmp_path / "g.xml").write_bytes(GUIDES[name])
    elements = parsed(GUIDES[name]).findall("programme")
    for airing, element in zip(read(tmp_path / "g.xml"), elements, strict=True):
        assert airing.title == (texts(element, "title") or [""])[0]
        assert [text for text, *_ in airing.categories] == texts(element, "category")
        assert [text for text, *_ in airing.keywords] == texts(element, "keyword")
        assert airing.channel == element.get("channel", "")
        assert (airing.sub_title or "") == (texts(element, "sub-title") or [""])[0]
        assert [text for _, text in airing.episode_numbers] == texts(element, "episode-num")


@pytest.mark.parametrize("size", [1, 7, 100])
@pytest.mark.parametrize("name", [name for name, content in GUIDES.items() if len(content) < 2000])
def test_the_size_of_the_chunks_does_not_matter(tmp_path, name, size):
    (tmp_path / "g.xml").write_bytes(GUIDES[name])
    with reading(str(tmp_path / "g.xml")) as source:
        content = b"".join(source.chunks)
    parts = list(pieces((content[at : at + size] for at in range(0, len(content), size)), "g"))
    assert b"".join(piece.content for piece in parts) == content
    assert [airing for piece in parts for airing in piece.airings] == read(tmp_path / "g.xml")
    starts = [piece.start for piece in parts]
    assert starts == [sum(len(piece.content) for piece in parts[:number]) for number in range(len(parts))]


@each_guide
def test_a_guide_with_nothing_to_fill_stays_byte_for_byte_the_same(tmp_path, name):
    assert filled(tmp_path, GUIDES[name], genre_by_title={}) == GUIDES[name]


@each_guide
def test_sure_titles_without_a_category_get_one_and_nothing_else_changes(tmp_path, name):
    before, after = parsed(GUIDES[name]), parsed(filled(tmp_path, GUIDES[name]))
    for old, new in zip(before.findall("programme"), after.findall("programme"), strict=True):
        (title, *_) = texts(old, "title") or [""]
        own = texts(old, "category")
        assert texts(new, "category") == (own if own or title not in KNOWN else [KNOWN[title]])
        if not own and title in KNOWN:
            added = next(child for child in new.findall("category") if (child.text or "").strip())
            named = next(child for child in old.findall("title") if "".join(child.itertext()).strip())
            assert dict(added.attrib) == dict(named.attrib)
            new.remove(added)
    assert list(map(shape, before.iter())) == list(map(shape, after.iter()))


def shape(element):
    return element.tag, dict(element.attrib), (element.text or "").strip()


@each_guide
def test_a_filled_guide_follows_the_dtd_where_the_guide_did(tmp_path, name):
    assert is_valid(GUIDES[name]) == (name not in INVALID)
    for with_keywords in (False, True):
        assert is_valid(filled(tmp_path, GUIDES[name], with_keywords=with_keywords)) == (name not in INVALID)


@each_guide
def test_fill_then_undo_gives_the_guide_back_byte_for_byte(tmp_path, name):
    after = filled(tmp_path, GUIDES[name], with_keywords=True)
    count = undo(str(tmp_path / "out.xml"), str(tmp_path / "back.xml"))
    assert (tmp_path / "back.xml").read_bytes() == GUIDES[name]
    assert (count > 0) == (after != GUIDES[name])


def test_validation_notices_a_misplaced_category():
    assert not is_valid(guide(programme("<icon src='i'/><category>a</category>")).encode())
    assert not is_valid(guide(programme("<keyword>k</keyword><category>a</category>")).encode())
    assert not is_valid(guide(programme("<category eit='0x10'>a</category>")).encode())
    assert is_valid(guide(programme("<category>a</category><keyword>k</keyword><icon src='i'/>")).encode())


def test_a_category_is_indented_like_the_child_before_it(tmp_path):
    after = filled(tmp_path, GUIDES["pretty"]).decode()
    assert (
        "    <date>1953</date>\n"
        "    <!-- no category so far -->\n"
        '    <category lang="de">Education / Science / Factual topics</category>\n'
        "    <icon src='a>b.png'/>\n"
    ) in after
    assert "<desc>d</desc><category>News / Current affairs</category></programme>" in after


def test_categories_stay_together_in_a_guide_that_breaks_the_order(tmp_path):
    content = guide(programme("<icon src='i'/><category>a</category><date>1</date><url>u</url>")).encode()
    (tmp_path / "in.xml").write_bytes(content)
    after = filled(tmp_path, content, when=When.untranslated, profile=PROFILES["kodi"]).decode()
    assert "<category>a</category><category>Sports</category><date>1</date>" in after


def test_a_category_goes_behind_the_title_even_if_an_icon_is_before_it(tmp_path):
    element = programme("<desc>d</desc><url>u</url>", title="<icon src='i'/><title>Heat</title>")
    after = filled(tmp_path, guide(element).encode()).decode()
    assert "<icon src='i'/><title>Heat</title><desc>d</desc><category>Movie / Drama</category><url>u</url>" in after
    element = programme(title="<category/><icon src='i'/><title>Heat</title>")
    after = filled(tmp_path, guide(element).encode()).decode()
    assert "<category/><category>Movie / Drama</category><icon src='i'/><title>Heat</title>" in after


def test_characters_outside_the_encoding_are_written_as_references(tmp_path):
    content = guide(programme(), head='<?xml version="1.0" encoding="ISO-8859-1"?>').encode("iso-8859-1")
    (tmp_path / "in.xml").write_bytes(content)
    filler = filler_of()
    filler.decider.overrides = Overrides({"match of the day": Override(2, "Спорт", "match of the day")}, [])
    fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler)
    after = (tmp_path / "out.xml").read_bytes()
    assert b"&#1057;&#1087;" in after
    assert parsed(after).findtext("programme/category") == "Спорт"


@pytest.mark.parametrize("ending", [".xml", ".xml.gz", ".xml.xz"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_compression_follows_the_bytes_of_the_guide_and_the_name_of_the_output(tmp_path, ending, pack):
    (tmp_path / "guide").write_bytes(pack(GUIDES["pretty"]))
    output = tmp_path / f"out{ending}"
    tally = fill(str(tmp_path / "guide"), str(output), filler_of())
    assert tally.outcomes == {Outcome.filled: 2}
    unpack: dict[str, Callable[[bytes], bytes]] = {
        ".xml": bytes,
        ".xml.gz": gzip.decompress,
        ".xml.xz": lzma.decompress,
    }
    assert unpack[ending](output.read_bytes()) == filled(tmp_path, GUIDES["pretty"])


def test_compressed_output_is_reproducible(tmp_path):
    (tmp_path / "in.xml").write_bytes(GUIDES["many"])
    for name in ("a.gz", "b.gz"):
        fill(str(tmp_path / "in.xml"), str(tmp_path / name), filler_of())
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_a_channel_has_the_first_of_its_names(tmp_path):
    channels = (
        "<channel id='a'><display-name> A\n1 </display-name><display-name>X</display-name></channel><channel id='b'/>"
    )
    (tmp_path / "g.xml").write_text(f"<tv>{channels}{programme()}</tv>")
    with reading(str(tmp_path / "g.xml")) as source:
        names = {}
        for piece in pieces(source.chunks, "g"):
            names.update(piece.channels)
    assert names == {"a": "A 1"}


def test_standard_input_and_output(tmp_path, monkeypatch, capfdbinary):
    class Standard:
        buffer = io.BufferedReader(io.BytesIO(gzip.compress(GUIDES["pretty"])))

    monkeypatch.setattr("sys.stdin", Standard)
    fill("-", "-", filler_of())
    assert capfdbinary.readouterr().out == filled(tmp_path, GUIDES["pretty"])


# Random guides


@pytest.mark.parametrize("seed", range(5))
def test_a_random_guide_is_filled_validly_and_restored_by_undo(tmp_path, monkeypatch, seed):
    dice = random.Random(seed)
    changed = 0
    for _ in range(60):
        content = drawn_guide(dice).encode()
        monkeypatch.setattr("titleclf.epg.streams._CHUNK", dice.choice([1, 3, 10, 1000]))
        when, profile = dice.choice(list(When)), dice.choice([None, *PROFILES.values()])
        after = filled(tmp_path, content, when=when, profile=profile, with_keywords=True)
        assert is_valid(after) or not is_valid(content)
        undo(str(tmp_path / "out.xml"), str(tmp_path / "back.xml"))
        assert (tmp_path / "back.xml").read_bytes() == content
        changed += after != content
    assert changed > 10
