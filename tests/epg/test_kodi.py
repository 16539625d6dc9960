import re
from xml.etree import ElementTree

import pytest

from titleclf.epg.genres import Genre
from titleclf.epg.kodi import genres_file, genres_xml
from titleclf.epg.profiles import PROFILES
from titleclf.runtime.errors import InputError


def test_the_file_has_the_ten_codes_and_names():
    root = ElementTree.fromstring(genres_xml().encode())
    assert root.tag == "genres"
    assert [child.tag for child in root] == ["name"] + ["genre"] * 10
    codes = {int(genre.attrib["genreId"], 16): genre.text for genre in root.iter("genre")}
    assert codes == {number << 4: genre.value for number, genre in enumerate(Genre, 1)}


def test_every_text_of_the_kodi_profile_is_in_the_file():
    names = {genre.text for genre in ElementTree.fromstring(genres_xml().encode()).iter("genre")}
    for genre in Genre:
        assert set(PROFILES["kodi"].words(genre, is_film=True)) <= names


def test_the_file_is_written_once(tmp_path):
    path = tmp_path / "addon" / "genres.xml"
    assert write_genres(path)
    assert path.read_text(encoding="utf-8") == genres_xml()
    written = path.stat().st_mtime_ns
    assert not write_genres(path)
    assert path.stat().st_mtime_ns == written
    assert list(path.parent.iterdir()) == [path]


def test_a_copy_with_windows_line_ends_is_accepted(tmp_path):
    copy = genres_xml().replace("\n", "\r\n").encode()
    path = tmp_path / "genres.xml"
    path.write_bytes(copy)
    assert not write_genres(path)
    assert path.read_bytes() == copy


def write_genres(path) -> bool:
    with genres_file(path) as is_new:
        return is_new


def test_the_file_is_not_written_if_the_guide_is_not(tmp_path):
    path = tmp_path / "genres.xml"
    with pytest.raises(RuntimeError), genres_file(path):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("own", [b"<genres/>", b"", b"\xff\xfe<\x00"])
def test_another_file_is_never_overwritten(tmp_path, own):
    path = tmp_path / "genres.xml"
    path.write_bytes(own)
    sentence = (
        f"{path} must be the genres.xml that titleclf writes. Got another one. Move it away, or name another path "
        "with --genres."
    )
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        write_genres(path)
    assert path.read_bytes() == own
