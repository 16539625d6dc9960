import gzip

import pytest
from scripts.common.guides import tagged_titles


def programme(title: str, *categories: str, language: str = "en") -> str:
    named = "".join(f"<category lang='en'>{category}</category>" for category in categories)
    return f"<programme><title lang='{language}'>{title}</title>{named}</programme>"


def guide(path, *programmes: str):
    text = f"<tv><channel id='a'/>{''.join(programmes)}</tv>"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["guide.xml", "guide.xml.gz"])
def test_marks_of_a_day_go_and_a_bar_does_not_part_a_category(tmp_path, name):
    path = guide(
        tmp_path / name,
        programme("  Heat \n 2 [New]", "Movie", " Action  film", "", language="de"),
        programme("Talk", "News|Talk"),
        "<programme/>",
    )
    assert tagged_titles([path], least=1).to_numpy().tolist() == [
        ["Heat 2", "Action film|Movie", "de"],
        ["Talk", "News/Talk", "en"],
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
