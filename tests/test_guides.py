import gzip

import pytest

from guides import read_guide, tagged_titles
from titleclf.errors import InputError


def programme(title: str, *categories: str, language: str = "en") -> str:
    named = "".join(f"<category lang='en'>{category}</category>" for category in categories)
    return f"<programme><title lang='{language}'>{title}</title>{named}</programme>"


def guide(path, *programmes: str):
    text = f"<tv><channel id='a'/>{''.join(programmes)}</tv>"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["guide.xml", "guide.xml.gz"])
def test_programmes_have_titles_languages_and_categories(tmp_path, name):
    path = guide(
        tmp_path / name,
        programme("  Heat \n 2 [New]", "Movie", " Action  film", "", language="de"),
        programme("Talk", "News|Talk"),
        "<programme/>",
    )
    assert list(read_guide(path)) == [
        ("Heat 2", "de", {"Movie", "Action film"}),
        ("Talk", "en", {"News/Talk"}),
        ("", "", set()),
    ]


def test_a_title_has_the_tags_of_all_its_programmes_in_all_guides(tmp_path):
    one = guide(tmp_path / "a.xml", programme("Heat", "Movie"), programme("Heat", "Action"), programme("Zoo", "Movie"))
    other = guide(tmp_path / "b.xml", programme("Heat", "Crime"), programme("", "Movie"), programme("Jaws", "Movie"))
    found = tagged_titles([one, other], least=1)
    assert found.to_numpy().tolist() == [
        ["Heat", "Action|Crime|Movie", "en"],
        ["Zoo", "Movie", "en"],
        ["Jaws", "Movie", "en"],
    ]


def test_rare_tags_are_left_out_with_the_titles_that_have_no_other(tmp_path):
    programmes = [
        programme("Heat", "Movie", "Crime"),
        programme("Jaws", "Movie"),
        programme("Jaws", "Movie"),
        programme("Zoo", "Animals"),
    ]
    found = tagged_titles([guide(tmp_path / "a.xml", *programmes)], least=2)
    assert found.to_numpy().tolist() == [["Heat", "Movie", "en"], ["Jaws", "Movie", "en"]]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.xml", b""),
        ("a.xml", b"<tv><programme>"),
        ("a.xml.gz", b"no gzip"),
        ("a.xml.gz", gzip.compress(b"<tv></tv>")[:-9]),
        ("a.xml.gz", gzip.compress(b"<tv></tv>" * 9)[:12] + b"????????"),
    ],
)
def test_what_is_no_whole_guide_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        list(read_guide(tmp_path / name))
    assert str(caught.value).startswith(f"{tmp_path / name} must be a whole XMLTV guide. Got: ")
    assert str(caught.value).endswith(". Fetch it again.")
