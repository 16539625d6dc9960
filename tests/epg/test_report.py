"""Reports on guides and their page, lint and harvest, and their output on a terminal."""

import csv
import io
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from tests.helpers.guides import filler_of, guide, programme
from titleclf.epg.console import harvest_summary, lint_summary, report_summary, unfamiliar_warning
from titleclf.epg.decisions import Basis
from titleclf.epg.edits import undo
from titleclf.epg.fill import When, fill
from titleclf.epg.genres import Genre, GenreTable
from titleclf.epg.harvest import Harvest, harvest
from titleclf.epg.html_report import html_page
from titleclf.epg.lint import lint
from titleclf.epg.overrides import Override, Overrides
from titleclf.epg.profiles import PROFILES
from titleclf.epg.report import Report, report
from titleclf.runtime.bundle.familiarity import Familiarity

HEAT = "<title>Heat</title>"
ODD = "<title>&lt;script&gt;alert(1)&lt;/script&gt;</title>"


def on(channel: str, element: str) -> str:
    return element.replace('channel="one"', f'channel="{channel}"')


@pytest.fixture
def reported(tmp_path) -> Report:
    channels = "".join(
        f"<channel id='{name}'><display-name>{title}</display-name></channel>"
        for name, title in {"a": "Alpha &amp; Co", "b": "&lt;b&gt;Beta"}.items()
    )
    programmes = [
        on("a", programme(title=HEAT)),
        on("a", programme("<category>Sports</category>")),
        on("b", programme(title=ODD)),
        on("b", programme(title=ODD).replace("133000", "123000")),
        on("b", programme(title="<title>Long</title>").replace("133000", "200000")),
        on("b", programme()),
        on("c", programme(title="")),
    ]
    (tmp_path / "g.xml").write_text(guide(channels, *programmes))
    filler = filler_of()
    filler.decider.overrides = Overrides(
        {"match of the day": Override(2, Genre.arts, "match of the day"), "no": Override(3, "", "no")}, []
    )
    return report(str(tmp_path / "g.xml"), filler)


def test_channels_by_outcome(reported):
    assert [(part.name, part.programmes, part.missing) for part in reported.gaps()] == [
        ("<b>Beta", 4, 4),
        ("Alpha & Co", 2, 1),
        ("c", 1, 1),
    ]
    beta, alpha, gamma = reported.gaps()
    assert beta.outcomes == {"unsure": 3, "filled": 1}
    assert (beta.unsure_minutes, beta.confidence, beta.bases) == (90 + 30 + 480, 1.0, {Basis.override: 1})
    assert alpha.confidence == pytest.approx(0.95)
    assert gamma.confidence is None
    assert reported.whole.programmes == 7
    assert reported.categories == {Genre.movie: 1, Genre.arts: 1}


def test_channels_whose_categories_the_player_does_not_understand_are_listed(tmp_path):
    (tmp_path / "g.xml").write_text(guide(programme("<category>a</category>")))
    result = report(str(tmp_path / "g.xml"), filler_of(when=When.untranslated, profile=PROFILES["kodi"]))
    assert [(part.missing, part.attempted) for part in result.gaps()] == [(0, 1)]


def test_unsure_titles_are_sorted_by_airtime(reported):
    unsure = [(title.title, title.showings, title.minutes) for title in reported.worst_titles()]
    assert unsure == [("Long", 1, 480), ("<script>alert(1)</script>", 2, 120)]


def test_a_report_predicts_the_outcomes_of_fill(tmp_path, reported):
    filler = filler_of()
    filler.decider.overrides = Overrides({"match of the day": Override(2, Genre.arts, "match of the day")}, [])
    assert fill(str(tmp_path / "g.xml"), str(tmp_path / "out.xml"), filler).outcomes == reported.whole.outcomes


def test_unused_overrides_are_reported(reported):
    assert reported.unused_overrides == [3]


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.sources: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [value for name, value in attributes if name in ("src", "href", "action")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_is_well_formed_loads_nothing_and_escapes_titles(reported):
    html = html_page(reported)
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    assert reader.sources == []
    assert not {"script", "img", "link", "iframe", "b"} & set(reader.tags)
    assert "url(" not in html
    for text in ("Alpha & Co", "<b>Beta", "<script>alert(1)</script>", "7 programmes, 6 without a category", "10.0 h"):
        assert text in reader.text


def test_the_table_of_the_page_is_valid_and_guesses_no_category(tmp_path, reported):
    (text,) = re.findall(r"<textarea[^>]*>(.*?)</textarea>", html_page(reported), re.DOTALL)
    reader = Reader()
    reader.feed(f"<p>{text}</p>")
    rows = list(csv.reader(io.StringIO(reader.text)))
    assert [row[0] for row in rows] == ["title", "Long", "<script>alert(1)</script>"]
    (tmp_path / "my.csv").write_text(reader.text)
    assert Overrides.read(tmp_path / "my.csv", list(Genre)).find(["long"])["long"].category == ""


def test_the_page_of_a_guide_without_gaps(tmp_path):
    (tmp_path / "g.xml").write_text(guide(programme("<category>a</category>")))
    result = report(str(tmp_path / "g.xml"), filler_of())
    assert "No channel lacks a category." in html_page(result)
    assert report_summary(result) == (
        "1 programmes, 0 without a category. 0 would be filled (mean confidence –), 0 are unsure (0.0 h)."
    )


def test_the_summary_of_a_report(reported):
    lines = report_summary(reported).splitlines()
    assert lines[0] == (
        "7 programmes, 6 without a category. 2 would be filled (mean confidence 98%), "
        "3 are unsure (10.0 h). Decided by: override 1, model 1."
    )
    assert [re.split(r"  +", line)[0] for line in lines[4:7]] == ["<b>Beta", "Alpha & Co", "c"]
    assert any(re.match(r"Long +8\.0 h +1 ", line) for line in lines)


# Lint


def linted(tmp_path, name: str, *programmes: str):
    (tmp_path / "g.xml").write_text(guide(*programmes))
    return lint(str(tmp_path / "g.xml"), PROFILES[name], GenreTable.shipped())


def test_lint_counts_categories_and_suggests_better_ones(tmp_path):
    result = linted(
        tmp_path,
        "tvheadend",
        programme("<category>Movie</category>", title=HEAT),
        programme("<category>movie / drama</category><category>Movie</category>"),
        programme("<category>Children's / Youth programmes</category>"),
        programme("<category>zzz</category>"),
        programme(),
    )
    assert result.understood == {"movie / drama": 1}
    worst = {text: (finding.count, finding.problem, dict(finding.better)) for text, finding in result.worst()}
    assert worst == {
        "Movie": (2, "unknown to tvheadend", {"Movie / Drama": 2}),
        "Children's / Youth programmes": (
            1,
            "'programmes' must be 'programs'",
            {"Children's / Youth programs": 1},
        ),
        "zzz": (1, "unknown to tvheadend", {}),
    }
    assert next(iter(worst)) == "Movie"
    assert result.findings["Movie"].example == "Heat"
    assert (result.programmes, result.placed, result.without, result.blind, result.others) == (5, 1, 1, 2, 1)


def test_a_genre_outside_the_vocabulary_does_not_count_as_blind(tmp_path):
    result = linted(tmp_path, "jellyfin", programme("<category>Music</category>"))
    assert (result.blind, result.worst()[0][1].better) == (0, {})


def test_a_reader_of_only_the_first_category_is_blind_to_the_second(tmp_path):
    element = programme("<category>Fußball</category><category>Sports</category>")
    assert linted(tmp_path, "enigma2", element).blind == 1
    assert linted(tmp_path, "jellyfin", element).blind == 0


@pytest.mark.parametrize("name", PROFILES)
def test_filled_guides_pass_lint(tmp_path, name):
    titles = {f"Title {genre.name}": genre for genre in Genre}
    programmes = [programme(title=f"<title>{title}</title>") for title in titles]
    (tmp_path / "in.xml").write_text(guide(*programmes))
    fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler_of(titles, profile=PROFILES[name]))
    assert lint(str(tmp_path / "out.xml"), PROFILES[name], GenreTable.shipped()).blind == 0


def test_lint_judges_texts_as_the_player_reads_them(tmp_path):
    texts = ["Sports", " Sports", "\n  Sports\n", "sports", "Comedy,Sports", "Comedy, Sports", "<![CDATA[Sports]]>"]
    programmes = [programme(f"<category>{text}</category>") for text in texts]
    expected = {
        "kodi": {
            " Sports": "extra space in it",
            "\n  Sports\n": "line end in it",
            "Comedy, Sports": "space at a comma",
        },
        "mythtv": {
            "Sports": "upper case",
            " Sports": "upper case",
            "\n  Sports\n": "upper case",
            "Comedy,Sports": "unknown to mythtv",
            "Comedy, Sports": "unknown to mythtv",
        },
        "tvheadend": {
            "\n  Sports\n": "line end in it",
            "Comedy,Sports": "unknown to tvheadend",
            "Comedy, Sports": "unknown to tvheadend",
        },
    }
    for name, problems in expected.items():
        findings = linted(tmp_path, name, *programmes).findings
        assert {text: finding.problem for text, finding in findings.items()} == problems


def test_a_text_that_the_player_does_not_read_is_filled_again_and_undone(tmp_path):
    element = programme("<category>\n Sports </category>")
    (tmp_path / "in.xml").write_text(guide(element))
    for name in ("kodi", "enigma2"):
        filler = filler_of(profile=PROFILES[name], when=When.untranslated, with_keywords=True)
        fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler)
        assert "<category>Sports</category>" in (tmp_path / "out.xml").read_text()
        assert lint(str(tmp_path / "out.xml"), PROFILES[name], GenreTable.shipped()).blind == 0
        undo(str(tmp_path / "out.xml"), str(tmp_path / "back.xml"))
        assert (tmp_path / "back.xml").read_text() == guide(element)


def test_the_sums_of_lint_agree(tmp_path):
    sports, film = "<category>Sports</category>", "<category>Movie</category>"
    elements = ["", sports, sports * 2, film * 2, film + sports, "<category>zzz</category>", "<category> </category>"]
    for name in PROFILES:
        result = linted(tmp_path, name, *map(programme, elements))
        assert result.programmes == len(elements) == result.placed + result.without + result.blind + result.others
        assert result.without == 2
        assert all(finding.count <= result.programmes for finding in result.findings.values())
    assert linted(tmp_path, "tvheadend", programme(film * 2)).findings["Movie"].count == 1
    assert linted(tmp_path, "enigma2", programme("<category>zzz</category>" + film)).findings.keys() == {"zzz"}


def test_the_summary_of_lint(tmp_path):
    text = lint_summary(linted(tmp_path, "kodi", programme("<category>Sport</category>")), "kodi")
    assert re.search(r"^Sport +1  .*  Sports +Match of the Day$", text, re.MULTILINE)
    assert text.endswith(
        "kodi understands 0 of 1 categories. Programmes: 1; placed: 0; without a category: 0; genre under other names: "
        "1; other or unknown genre: 0."
    )
    fine = lint_summary(linted(tmp_path, "kodi", programme("<category>sports</category>")), "kodi")
    assert fine == (
        "kodi understands 1 of 1 categories. Programmes: 1; placed: 1; without a category: 0; genre under other names: "
        "0; other or unknown genre: 0."
    )


def test_the_summary_of_lint_lists_the_most_frequent_and_shows_spaces(tmp_path):
    result = linted(
        tmp_path, "kodi", *[programme("<category> Sports</category>")] * 2, programme("<category>b</category>")
    )
    lines = lint_summary(result, "kodi", top=1).splitlines()
    assert lines[2].startswith('" Sports"')
    assert lines[3:5] == ["... and 1 more: --top 2", ""]
    assert "... and" not in lint_summary(result, "kodi", top=2)


def test_the_words_that_matter_are_never_cut_off(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    long = programme("<category>Social/Political issues/Economics</category>", title=f"<title>{'long ' * 20}</title>")
    text = lint_summary(linted(tmp_path, "kodi", long), "kodi")
    assert "must be 'Social / Political issues / Economics'" in text
    assert "long lo…" in text


# Harvest


def titles_of(result: Harvest) -> list[tuple[str, Genre, str]]:
    return [(row.programme.title, row.genre, row.lang) for row in result.rows()]


def harvested(tmp_path, *programmes: str) -> Harvest:
    (tmp_path / "g.xml").write_text(guide(*programmes))
    return harvest([str(tmp_path / "g.xml")], GenreTable.shipped())


def test_titles_get_the_genre_of_most_of_their_programmes(tmp_path):
    news, film = "<category>News</category>", "<category>Movie</category>"
    result = harvested(
        tmp_path,
        programme(film, title="<title lang='en'>Heat</title>"),
        programme(film, title="<title lang='en'>HEAT (1995)</title>"),
        programme(news, title="<title lang='en'>Heat</title>"),
        programme(news, title="<title>Even</title>"),
        programme(film, title="<title>Even</title>"),
        programme("<category>Nobody knows this</category>", title="<title>Odd</title>"),
        programme(film, title=""),
        programme(),
    )
    assert titles_of(result) == [("Heat", Genre.movie, "en")]
    assert (result.programmes, result.labelled, result.mapped) == (8, 6, 5)
    assert result.unknown == {"Nobody knows this": 1}
    assert str(result) == (
        "1 titles from 5 of 6 programmes with categories (8 in all); left out: 1 whose programmes disagree"
    )
    assert re.search(r"^Nobody knows this +1$", harvest_summary(result), re.MULTILINE)


def test_filled_categories_do_not_vote(tmp_path):
    (tmp_path / "in.xml").write_text(guide(programme("<category>News</category>"), programme(title=HEAT)))
    filler = filler_of(with_keywords=True)
    fill(str(tmp_path / "in.xml"), str(tmp_path / "out.xml"), filler)
    result = harvest([str(tmp_path / "out.xml")], GenreTable.shipped())
    assert titles_of(result) == [("Match of the Day", Genre.news, "")]


def test_several_guides_vote_together(tmp_path):
    for name, label in {"a": "News", "b": "Movie", "c": "Movie"}.items():
        (tmp_path / f"{name}.xml").write_text(guide(programme(f"<category>{label}</category>")))
    result = harvest([str(tmp_path / f"{name}.xml") for name in "abc"], GenreTable.shipped())
    assert titles_of(result) == [("Match of the Day", Genre.movie, "")]


def test_a_guide_unlike_the_training_is_warned_about(tmp_path):
    (tmp_path / "in.xml").write_text(
        guide(*(programme(title=f"<title>Qqx {n}</title>") for n in range(4)), programme())
    )
    filler = filler_of()
    network: Any = filler.decider.models[0][0].network
    nothing = np.zeros(network.model.buckets, dtype=np.bool_)
    result = report(str(tmp_path / "in.xml"), filler)
    assert result.unfamiliar is None
    assert unfamiliar_warning(result) == ""
    network.familiarities["ngrams."] = Familiarity(nothing, 0.5)
    result = report(str(tmp_path / "in.xml"), filler)
    assert result.unfamiliar == 1
    warning = "100% of the titles to fill hardly resemble those that the model learned from, where it is 20%: perhaps "
    assert warning in report_summary(result)
    assert warning in html_page(result)
    network.familiarities["ngrams."] = Familiarity(~nothing, 0.5)
    result = report(str(tmp_path / "in.xml"), filler)
    assert result.unfamiliar == 0
    assert "resemble" not in report_summary(result) + html_page(result)
