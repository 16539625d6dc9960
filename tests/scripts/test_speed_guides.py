import pandas as pd

from scripts import speed_guides
from tests.helpers.guides import guide, programme
from titleclf.epg.parser import airings


def test_a_guide_is_repeated_without_its_categories(tmp_path):
    source, path = tmp_path / "guide.xml", tmp_path / "repeated.xml"
    source.write_text(guide(programme("<category>Movie</category>"), programme(title="<title>Heat</title>")))
    parts = speed_guides.without_categories(source)
    assert b"".join(parts) == source.read_bytes().replace(b"<category>Movie</category>", b"")
    speed_guides.write_repeated(parts, 1, path)
    assert 0.9e6 < path.stat().st_size < 1.1e6
    titles = [airing.title for airing in airings(str(path))]
    assert titles == ["Match of the Day", "Heat"] * (len(titles) // 2)


def test_ratios_are_computed_from_the_numbers_beside_them():
    measured = {"megabytes": 125.0, "programmes": 3000, "filled": 2000, "seconds": 4.0, "memory": 100.0}
    table = speed_guides.as_markdown(pd.DataFrame([{**measured, "lxml_seconds": 2.0, "lxml_memory": 20.0}]))
    assert "\n| 125 | 3,000 | 2,000 | 4.0 | 750 | 100 | 2.0 x | 20 |\n" in table
