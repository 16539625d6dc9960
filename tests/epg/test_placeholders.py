"""Titles that name no programme, in many languages and by their shape."""

import pytest

from tests.helpers.guides import KNOWN, filler_of, guide, programme
from titleclf.epg.fill import Outcome, fill
from titleclf.epg.genres import Genre, GenreTable
from titleclf.epg.harvest import harvest
from titleclf.epg.placeholders import is_placeholder
from titleclf.runtime import files
from titleclf.runtime.text.plain_titles import plain_title
from titleclf.runtime.text.title_keys import key_of

LISTED = files.shipped("data/placeholders.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("title", LISTED)
def test_what_is_listed_is_a_placeholder(title):
    assert is_placeholder(title, None)
    assert is_placeholder(f"..{title.casefold()}...", "BBC One")


@pytest.mark.parametrize(
    "title",
    [
        "-",
        "...",
        "–",
        "?",
        "20:15",
        " 7:05 ",
        "TBA",
        "(tba)",
        "NULL",
        "SENDESCHLUSS",
        "Titulo no disponible",
        "BBC ONE",
        "bbc one",
    ],
)
def test_marks_times_and_the_channels_name_are_placeholders(title):
    assert is_placeholder(plain_title(title), "BBC One")


@pytest.mark.parametrize(
    "title",
    ["1917", "24", "9-1-1", "M*A*S*H", "BBC One News", "The Unknown", "Closer", "日本沈没", "À la carte", "24:00:01"],
)
def test_titles_are_no_placeholders(title):
    assert not is_placeholder(title, "BBC One")
    assert not is_placeholder(title, None)


def test_the_list_has_each_placeholder_once():
    keys = [key_of(title) for title in LISTED]
    assert len(set(keys)) == len(keys)


def test_placeholders_are_left_alone(tmp_path):
    titles = ["Heat", "To be announced", "Channel One", "20:15"]
    (tmp_path / "in.xml").write_text(guide(*(programme(title=f"<title>{title}</title>") for title in titles)))
    everything = dict.fromkeys(titles, Genre.movie) | KNOWN
    tally = fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler_of(everything))
    assert tally.outcomes == {Outcome.filled: 1, Outcome.untitled: 3}


def test_placeholders_do_not_vote(tmp_path):
    labelled = (programme("<category>News</category>", title=f"<title>{title}</title>") for title in ("TBA", "Heute"))
    (tmp_path / "in.xml").write_text(guide(*labelled))
    rows = list(harvest([str(tmp_path / "in.xml")], GenreTable.shipped()).rows())
    assert [row.programme.title for row in rows] == ["Heute"]


def test_a_channel_that_is_called_like_its_only_show_is_not_left_alone_where_the_guide_says_what_it_is(tmp_path):
    named = '<channel id="one"><display-name>Never Heard Of</display-name></channel>'
    airing = programme("<category>Krimi</category>", title="<title>Never Heard Of</title>")
    (tmp_path / "in.xml").write_text(guide(airing).replace("<tv>", f"<tv>{named}", 1))
    assert [row.programme.title for row in harvest([str(tmp_path / "in.xml")], GenreTable.shipped()).rows()]
    (tmp_path / "in.xml").write_text(
        guide(programme(title="<title>Never Heard Of</title>")).replace("<tv>", f"<tv>{named}", 1)
    )
    assert fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler_of()).outcomes == {Outcome.untitled: 1}
