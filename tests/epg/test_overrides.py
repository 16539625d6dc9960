import gzip
import re

import pytest

from tests.helpers.titles import write_csv
from titleclf.epg.overrides import Override, Overrides
from titleclf.runtime.errors import InputError

CATEGORIES = ["News", "Sports", "Movie / Drama"]


def read(tmp_path, *rows, header=("title", "pattern", "category")) -> Overrides:
    return Overrides.read(write_csv(tmp_path / "my.csv", list(rows), header), CATEGORIES)


def find(overrides: Overrides, title: str) -> Override | None:
    return overrides.find([title]).get(title)


def category(overrides: Overrides, title: str) -> str:
    row = find(overrides, title)
    assert row is not None, title
    return row.category


@pytest.mark.parametrize("title", ["Tatort", "TATORT", " tatort ", "Tatort (2019)", "Tatort S02E03", "Tátort"])
def test_case_accents_and_episodes_of_a_title_do_not_matter(tmp_path, title):
    overrides = read(tmp_path, ("Tatort", "", "Movie / Drama"), ("Tagesschau", "", "News"))
    assert category(overrides, title) == "Movie / Drama"
    assert find(overrides, "Tatortreiniger") is None


@pytest.mark.parametrize(
    ("pattern", "title", "matches"),
    [
        ("NFL *", "NFL Football [New]", True),
        ("nfl *", "NFL Football", True),
        ("NFL *", "The NFL Show", False),
        ("*", "Anything\nat all", True),
        ("*[New]", "NFL Football [New]", True),
        ("*[New]", "NFL Football N", False),
        ("24?7", "24/7", True),
        ("24?7", "247", False),
        ("a.c", "abc", False),
        ("M*A*S*H", "M*A*S*H", True),
        ("???", "日本沈", True),
    ],
)
def test_patterns_have_only_two_wildcards(tmp_path, pattern, title, matches):
    assert (find(read(tmp_path, ("", pattern, "Sports")), title) is not None) == matches


@pytest.mark.parametrize(
    "title",
    [
        *("Match of teh Day", "Match oft he Day S02E03", "NEW: Match of the Day (R)", "MATCH OF THE DAY - LIVE"),
        *("ᴺᴱᵂ Match of the Day [HD] (OmU)", "LIVE! Match of teh Day (12+)"),
    ],
)
def test_near_copies_follow_the_row_of_a_title(tmp_path, title):
    overrides = read(tmp_path, ("Match of the Day", "", "News"), ("Heat", "", "Movie / Drama"))
    assert find(overrides, title) == Override(2, "News", "Match of the Day")
    assert find(overrides, "Day of the Jackal") is None
    assert find(overrides, "") is None


@pytest.mark.parametrize("title", ["Ｈｅａｔ", "He\u200bat", "[COLOR red]NEW[/COLOR] Heat", "H&#101;at", "ɴᴇᴡ Heat HD"])
def test_titles_follow_overrides_in_other_clothes(tmp_path, title):
    assert category(read(tmp_path, ("Heat", "", "News")), title) == "News"
    assert category(read(tmp_path, ("", "h?at", "News")), title) == "News"


def test_a_row_with_decorations_applies_to_titles_without(tmp_path):
    assert category(read(tmp_path, ("NEW: Heat (R)", "", "News")), "Heat") == "News"


def test_a_pattern_takes_precedence_over_near_copies(tmp_path):
    overrides = read(tmp_path, ("Match of the Day", "", "News"), ("", "* (R)", "Sports"))
    assert category(overrides, "Match of teh Day (R)") == "Sports"
    assert category(overrides, "MATCH OF THE DAY (2026)") == "News"


def test_many_titles_at_once(tmp_path):
    overrides = read(tmp_path, ("Heat", "", "News"), ("", "b*", "Sports"))
    assert {title: row.line for title, row in overrides.find(["heat", "bcd", "x", "heat"]).items()} == {
        "heat": 2,
        "bcd": 3,
    }
    assert overrides.find([]) == {}


def test_titles_take_precedence_over_patterns_and_earlier_patterns_over_later_ones(tmp_path):
    rows = [("", "Sport*", "Sports"), ("", "*schau", "News"), ("Sportschau", "", "Movie / Drama")]
    overrides = read(tmp_path, *rows)
    assert category(overrides, "Sportschau") == "Movie / Drama"
    assert category(read(tmp_path, *rows[:2]), "Sportschau") == "Sports"


def on(overrides: Overrides, title: str, *names: str) -> str | None:
    """Return the category of a title on a channel with these names."""
    row = overrides.find_on([(title, names)]).get((title, names))
    return row and row.category


CHANNEL_HEADER = ("title", "pattern", "channel", "category")


def test_a_row_with_a_channel_applies_on_such_channels_only(tmp_path):
    overrides = read(tmp_path, ("Live", "", "Sky Sports*", "Sports"), header=CHANNEL_HEADER)
    matching: list[tuple[str, ...]] = [("Sky Sports F1 HD", "x"), ("SKY SPORTS",), ("Other name", "sky sports.uk")]
    for names in matching:
        assert on(overrides, "Live", *names) == "Sports"
        assert on(overrides, "LIVE (2026)", *names) == "Sports"
        assert on(overrides, "NEW: Live [HD]", *names) == "Sports"  # a near copy
        assert on(overrides, "Newsnight", *names) is None
    for names in [("Not Sky Sports",), ("BBC One", "bbc1"), ()]:
        assert on(overrides, "Live", *names) is None
    assert find(overrides, "Live") is None


def test_a_row_with_a_channel_alone_applies_to_all_programmes_that_no_title_row_decides(tmp_path):
    rows = [
        ("", "", "Sky Sports*", "Sports"),
        ("Headlines", "", "", "News"),
        ("", "*film", "", "Movie / Drama"),
        ("", "", "Arte", ""),
    ]
    overrides = read(tmp_path, *rows, header=CHANNEL_HEADER)
    assert [on(overrides, title, "Sky Sports 1") for title in ("Anything", "", "To be announced")] == ["Sports"] * 3
    assert [on(overrides, title, "Sky Sports 1") for title in ("headlines", "NEW: Headlines (R)")] == ["News"] * 2
    assert on(overrides, "A film", "Sky Sports 1") == "Movie / Drama"
    assert [on(overrides, title, "arte") for title in ("Anything", "Headlines")] == ["", "News"]
    assert on(overrides, "Anything", "BBC One") is None
    assert [overrides.covers(names) for names in (("sky sports",), ("BBC One", "ARTE"), ("BBC One",), ())] == [
        *(True, True, False, False)
    ]


def test_the_more_specific_row_wins(tmp_path):
    rows = [
        ("", "", "Sky*", "Movie / Drama"),
        ("Match", "", "", "News"),
        ("", "Match*", "Sky*", "Movie / Drama"),
        ("Match", "", "*Sports*", "Sports"),
        ("Match of the Week", "", "", "News"),
        ("Match of the Week", "", "Sky*", "Sports"),
    ]
    overrides = read(tmp_path, *rows, header=CHANNEL_HEADER)
    assert on(overrides, "Match", "Sky Sports") == "Sports"  # a title before a pattern
    assert on(overrides, "Match", "Sky One") == "Movie / Drama"  # a pattern on the channel before a title on every one
    assert on(overrides, "Match", "BBC One") == "News"
    assert on(overrides, "NEW: Mtach of the Week", "Sky One") == "Sports"
    assert on(overrides, "NEW: Mtach of the Week", "BBC One") == "News"
    assert on(overrides, "Other", "Sky Sports") == "Movie / Drama"
    assert overrides.unused() == []


def test_of_several_rules_for_a_channel_the_first_applies(tmp_path):
    rows = [("", "", "Sky Sports*", "Sports"), ("", "", "Sky*", "News"), ("", "", "sky sports*", "Sports")]
    overrides = read(tmp_path, *rows, header=CHANNEL_HEADER)
    assert on(overrides, "a", "Sky Sports 1") == "Sports"
    assert overrides.unused() == [3]
    assert on(overrides, "a", "Sky One") == "News"
    assert overrides.table() == [("", "", "Sky Sports*", "Sports"), ("", "", "Sky*", "News")]


def test_an_empty_category_leaves_a_title_unchanged(tmp_path):
    assert category(read(tmp_path, ("Werbung", "", "")), "Werbung") == ""


def test_unused_rows_are_listed_by_line(tmp_path):
    overrides = read(tmp_path, ("a", "", "News"), ("", "b*", "News"), ("c", "", "News"), ("A", "", "News"))
    assert overrides.unused() == [2, 3, 4]
    find(overrides, "bcd")
    find(overrides, "A (2019)")
    assert overrides.unused() == [4]


def test_either_column_may_be_missing_and_other_columns_are_ignored(tmp_path):
    assert category(read(tmp_path, ("Heat", "News", "x"), header=("title", "category", "note")), "heat") == "News"
    assert category(read(tmp_path, ("H*", "News"), header=("pattern", "category")), "heat") == "News"


def test_a_compressed_table_is_read(tmp_path):
    (tmp_path / "my.tsv.gz").write_bytes(gzip.compress(b"title\tcategory\nHeat\tNews\n"))
    assert category(Overrides.read(tmp_path / "my.tsv.gz", CATEGORIES), "Heat") == "News"


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (
            ("", " ", "News"),
            "a row must have a title, a pattern or a channel. Got none of them. Fill one, or remove the row.",
        ),
        (("a", "b", "News"), "a row must have a title or a pattern. Got both. Fill one of them."),
        (
            ("a", "", "news"),
            "category must be empty or one of News; Sports; Movie / Drama. Got news. Copy its name from there.",
        ),
        (
            ("HEAT", "", "Sports"),
            "title must have one category. Got 'HEAT' again, as in line 2. Remove one of them.",
        ),
    ],
)
def test_bad_rows_are_named_with_their_lines(tmp_path, row, problem):
    with pytest.raises(InputError, match=f"^{re.escape(f'{tmp_path}/my.csv:3: {problem}')}$"):
        read(tmp_path, ("Heat", "", "News"), row)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (("HEAT", "", "sky*", "News"), "title must have one category. Got 'HEAT' again, as in line 2."),
        (("", "", "SKY*", "News"), "channel must have one category. Got 'SKY*' again, as in line 4."),
        (("a", "b", "Sky*", "News"), "a row must have a title or a pattern. Got both. Fill one of them."),
        (("", "", "Sky*", "news"), "category must be empty or one of News; Sports; Movie / Drama. Got news."),
        (("", "", " ", ""), "a row must have a title, a pattern or a channel. Got none of them."),
    ],
)
def test_bad_rows_with_channels_are_named_with_their_lines(tmp_path, row, problem):
    good = [("Heat", "", "Sky*", "Sports"), ("Heat", "", "", "News"), ("", "", "Sky*", "Sports")]
    with pytest.raises(InputError, match=re.escape(f"{tmp_path}/my.csv:5: {problem}")):
        read(tmp_path, *good, row, header=CHANNEL_HEADER)


def test_invalid_utf8_is_named_with_its_line(tmp_path):
    (tmp_path / "my.csv").write_bytes(b"title,category\nM\xfcller,News\n")
    with pytest.raises(InputError) as caught:
        Overrides.read(tmp_path / "my.csv", CATEGORIES)
    assert str(caught.value) == (
        f"{tmp_path}/my.csv:2: title must be text in UTF-8. Got 'M\\udcfcller'. Save the file as UTF-8."
    )


def test_ten_bad_rows_are_named_and_the_rest_counted(tmp_path):
    with pytest.raises(InputError) as caught:
        read(tmp_path, *[("", "", "News")] * 13)
    *named, last = str(caught.value).splitlines()
    assert len(named) == 10
    assert last == f"{tmp_path}/my.csv: 3 more bad rows."


def test_a_table_without_categories_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"my\.csv must have the column category\. Got title\. Rename yours\."):
        read(tmp_path, ("Heat",), header=("title",))
