import pytest

from titleclf.epg.channels import GuideChannel, channels
from titleclf.epg.console import channels_summary, channels_table
from titleclf.runtime.errors import InputError
from titleclf.runtime.text.channels import Channel, ChannelList

GUIDE = """<tv>
  <channel id="SkySports.uk"><display-name>Sky Sports HD</display-name><display-name>Other</display-name></channel>
  <channel id="Eurosport.de"><display-name>Something else</display-name></channel>
  <channel id="x"><display-name>Never heard of</display-name></channel>
  <channel id="mtv"><display-name/></channel>
  <programme start="20260101120000" channel="SkySports.uk"><title>a</title></programme>
  <programme start="20260101130000" channel="SkySports.uk"><title>b</title></programme>
  <programme start="20260101120000" channel="x"><title>c</title></programme>
  <programme start="20260101120000" channel="BBC.News.uk"><title>d</title></programme>
</tv>
"""
LISTED = ChannelList(
    {
        "skysports": ("sky sports", "sports"),
        "eurosport": ("eurosport", "sports"),
        "mtv": ("mtv", ""),
        "bbcnews": ("bbc news", "news;general"),
    }
)


@pytest.fixture
def guide(tmp_path):
    path = tmp_path / "guide.xml"
    path.write_text(GUIDE)
    return str(path)


def test_channels_are_looked_up_by_name_then_id_and_keep_their_order(guide):
    assert channels([guide], LISTED).channels == [
        GuideChannel("SkySports.uk", "Sky Sports HD", Channel("sky sports", ("sports",)), 2),
        GuideChannel("Eurosport.de", "Something else", Channel("eurosport", ("sports",)), 0),
        GuideChannel("x", "Never heard of", None, 1),
        GuideChannel("mtv", "", Channel("mtv", ()), 0),
        GuideChannel("BBC.News.uk", "", Channel("bbc news", ("news", "general")), 1),
    ]


def test_guides_are_counted_together_and_the_first_name_is_kept(guide, tmp_path):
    other = tmp_path / "other.xml"
    other.write_text(
        '<tv><channel id="mtv"><display-name>MTV</display-name></channel>'
        '<channel id="x"><display-name>Another</display-name></channel>'
        '<programme start="20260101120000" channel="mtv"><title>a</title></programme></tv>'
    )
    found = {channel.id: channel for channel in channels([guide, str(other)], LISTED).channels}
    assert len(found) == 5
    assert found["mtv"] == GuideChannel("mtv", "MTV", Channel("mtv", ()), 1)
    assert found["x"].name == "Never heard of"


def test_a_channel_has_its_first_name_that_is_not_empty(tmp_path):
    path = tmp_path / "guide.xml"
    names = "".join(f"<display-name>{name}</display-name>" for name in ("", "MTV", "", "Another"))
    path.write_text(f'<tv><channel id="m">{names}</channel><channel id="n"><display-name/></channel></tv>')
    assert channels([str(path)], LISTED).channels == [
        GuideChannel("m", "MTV", Channel("mtv", ()), 0),
        GuideChannel("n", "", None, 0),
    ]


def test_the_table_and_the_summary_of_a_guide(guide):
    result = channels([guide], LISTED)
    assert channels_table(result).splitlines() == [
        "channel       name            in the list  categories",
        "--------------------------------------------------------",
        "SkySports.uk  Sky Sports HD   sky sports   sports",
        "Eurosport.de  Something else  eurosport    sports",
        "x             Never heard of  -            -",
        "mtv           -               mtv          -",
        "BBC.News.uk   -               bbc news     news, general",
    ]
    assert channels_summary(result) == ("4 of 5 channels matched, 3 with a category; 3 of 4 programmes are on these")


def test_a_guide_without_channels_has_none(tmp_path):
    path = tmp_path / "guide.xml"
    path.write_text("<tv/>")
    result = channels([str(path)], LISTED)
    assert result.channels == []
    assert channels_summary(result) == "0 of 0 channels matched, 0 with a category; 0 of 0 programmes are on these"


def test_a_file_that_is_no_guide_is_refused(tmp_path):
    path = tmp_path / "guide.xml"
    path.write_text("<html/>")
    with pytest.raises(InputError, match=r"must be an XMLTV guide. Got an HTML page in place of <tv>."):
        channels([str(path)], LISTED)
