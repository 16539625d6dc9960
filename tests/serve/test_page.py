"""The page, driven by a real browser: by keyboard, on a phone, in light and dark."""

import gzip
import os
import re
import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect, sync_playwright

from tests.helpers.guides import guide, programme
from tests.helpers.service import serving, wait_for
from titleclf.epg.overrides import Overrides

ATTACK = "<img src=x onerror=\"document.title='taken over'\">"
ESCAPED = ATTACK.replace("<", "&lt;").replace(">", "&gt;")
GUIDE = guide(
    *(programme() for _ in range(3)),
    programme("<category>News</category>"),
    *(programme(title=f"<title>{title}</title>") for title in ("Qwertz zz", "Qwertzz zz", "Qwertz zz", ESCAPED)),
)
expect.set_options(timeout=20_000)  # milliseconds: cores may have other things to do
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}


@pytest.fixture(scope="module")
def browser():
    """Start the system's browser: Playwright's own would have to be downloaded."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert path, "the page must be tested in a browser. Got none. Install it with scripts/install_browser.sh."
    with sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # chromium refuses to sandbox what root runs
        chromium = playwright.chromium.launch(executable_path=path, args=sandbox)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def service(folder):
    (folder / "watched.xml").write_text(GUIDE)
    with serving(folder, watch=[folder / "watched.xml"]) as client:
        yield client


@pytest.fixture
def client(service):
    """Return the service that all tests share; what one of them has corrected, the next one does not find."""
    yield service
    for row in service.get("/api/corrections").json()["corrections"]:
        service.delete("/api/corrections", params={"title": row["title"]}).raise_for_status()


@pytest.fixture
def opened(browser, client):
    """Return what opens the page; nothing may go wrong in it, and nothing may be asked for elsewhere."""
    contexts, wrong = [], []

    def open_page(**how) -> Page:
        context = browser.new_context(**how)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if not _is_own(request.url, client) else None)
        page.goto(str(client.base_url))
        expect(page.locator("#about")).to_contain_text("titleclf")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def _is_own(url: str, client) -> bool:
    return url.startswith((str(client.base_url), f"blob:{client.base_url}"))


@pytest.fixture
def path(tmp_path):
    (tmp_path / "guide.xml.gz").write_bytes(gzip.compress(GUIDE.encode()))
    return tmp_path / "guide.xml.gz"


def test_titles_are_told_as_they_are_typed_with_what_speaks_for_them(opened):
    page = opened()
    page.get_by_label("Type or paste titles, one a line").fill(f"Match of teh Day\n\n{ATTACK}\nTagesschau")
    rows = page.locator("#answers > li")
    expect(rows).to_have_count(3)
    expect(page.locator("#titles-status")).to_contain_text("3 titles, ")
    expect(rows.nth(0).locator(".facts")).to_have_text(re.compile(r"^Sports \d\d\s%$"))
    expect(rows.nth(0).locator(".for-4").first).to_be_visible()
    expect(rows.nth(1).locator(".name .hidden")).to_have_text(ATTACK)
    expect(rows.locator("img")).to_have_count(0)
    assert page.title() == "titleclf"
    rows.nth(0).get_by_text("Why?").click()
    expect(rows.nth(0).locator("details")).to_contain_text("“match” +")
    page.get_by_label("Type or paste titles, one a line").fill("")
    expect(rows).to_have_count(0)


def test_many_titles_can_be_pasted(opened):
    page = opened()
    page.get_by_label("Type or paste titles, one a line").fill("\n".join(f"Title {number}" for number in range(1500)))
    expect(page.locator("#titles-status")).to_contain_text("1,000 titles, ")
    expect(page.locator("#titles-status")).to_contain_text("1,300 are not shown.")
    expect(page.locator("#answers > li")).to_have_count(200)


def test_a_guide_is_dropped_corrected_and_downloaded(opened, path, tmp_path, client, folder):
    page = opened()
    with path.open("rb") as file:
        content = list(file.read())
    transfer = page.evaluate_handle(
        """content => {
            const transfer = new DataTransfer()
            transfer.items.add(new File([new Uint8Array(content)], "guide.xml.gz"))
            return transfer
        }""",
        content,
    )
    for event in ("dragenter", "dragover", "drop"):
        page.dispatch_event("#drop", event, {"dataTransfer": transfer})
    summary = page.locator("#summary")
    expect(summary).to_contain_text("8 programmes, 7 without a category. 3 are filled; 4 are unsure (6")
    channel = page.locator("#channels tr")
    assert page.locator("#file").evaluate("file => file.files[0].name") == "guide.xml.gz"
    expect(channel.locator("td").first).to_have_text("Channel One")
    expect(channel.locator("td.n")).to_have_text(["7", "3", "4", re.compile("6.h"), "8"])
    doubts = page.locator("#doubts > li")
    expect(doubts.locator(".name")).to_have_text(["Qwertz zz", ATTACK, "Qwertzz zz"])  # most airtime first
    expect(page.locator("#doubts img")).to_have_count(0)

    page.get_by_label("Correct “Qwertz zz”").select_option("Leisure hobbies")
    expect(doubts.nth(0)).to_contain_text("✓ Leisure hobbies")
    expect(doubts.nth(2)).to_contain_text("✓ follows a correction")  # a near copy
    expect(summary).to_contain_text("6 are filled, 3 decided by you; 1 are unsure")
    page.get_by_label(f"Correct “{ATTACK}”").select_option("None: leave it alone")
    expect(summary).to_contain_text("6 are filled, 4 decided by you; 0 are unsure")

    with page.expect_download() as download:
        page.get_by_role("link", name="Download the filled guide").click()
    assert download.value.suggested_filename == "guide.filled.xml.gz"
    download.value.save_as(tmp_path / "downloaded.xml.gz")
    text = gzip.decompress((tmp_path / "downloaded.xml.gz").read_bytes()).decode()
    assert text.count("<category>Leisure hobbies</category>") == 3
    assert re.sub("<category>(Sports|Leisure hobbies)</category>", "", text) == GUIDE
    categories = client.get("/api/about").json()["categories"]
    found = Overrides.read(folder / "overrides.csv", categories).find(["Qwertz zz", ATTACK])
    assert [row.category for row in found.values()] == ["Leisure hobbies", ""]

    page.get_by_role("button", name="Take back the correction of “Qwertz zz”").click()
    expect(summary).to_contain_text("1 decided by you; 3 are unsure")
    expect(page.get_by_label("Correct “Qwertz zz”")).to_have_value("-")


def test_all_of_it_works_by_keyboard(opened, path):
    page = opened()
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        here = page.evaluate("document.activeElement.id || document.activeElement.tagName")
        reached.append(here)
        if here == "titles" and len(reached) < 5:
            page.keyboard.type("Qwertz zz")
            expect(page.locator("#answers select")).to_be_visible()
        elif here == "file" and page.locator("#guide").is_hidden():
            page.locator(":focus").set_input_files(
                path
            )  # which window to choose from opens now, is the browser's matter
            expect(page.locator("#summary")).to_contain_text("8 programmes")
        elif here == "doubt-Qwertz zz":
            page.keyboard.type("Leis")  # what begins so is chosen
            page.keyboard.press("Tab")
            expect(page.locator("#doubts > li").nth(0)).to_contain_text("✓ Leisure hobbies")
            break
    assert [name for name in reached if name in ("titles", "answer-0", "file", "download")] == [
        *("titles", "answer-0", "file", "download")
    ]
    expect(page.locator("#answers .facts")).to_have_text("Leisure hobbies – your correction")


def test_what_has_the_focus_is_outlined(opened):
    page = opened()
    for _ in range(3):
        page.keyboard.press("Tab")
        width = page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)")
        assert width >= 2


def test_arrow_keys_pass_by_categories_without_choosing_them(opened, client):
    page = opened()
    page.get_by_label("Type or paste titles, one a line").fill("Qwertz zz")
    before = client.get("/api/corrections").json()["revision"]
    select = page.get_by_label("Correct “Qwertz zz”")
    select.evaluate(
        """select => {
            for (const place of [1, 2, 3, 4]) {
                select.selectedIndex = place
                select.dispatchEvent(new Event("change"))
            }
        }"""
    )
    wait_for(lambda: client.get("/api/corrections").json()["corrections"])
    assert client.get("/api/corrections").json()["revision"] == before + 1


def test_a_broken_guide_is_told_of(opened, tmp_path):
    page = opened(**PHONE)
    page.get_by_label("Type or paste titles, one a line").fill("Tagesschau\n" * 20)
    expect(page.locator("#answers > li")).to_have_count(20)
    (tmp_path / "<b>.xml").write_bytes(b"<tv><programme>")
    page.get_by_label("Drop an XMLTV guide here, or choose one").set_input_files(tmp_path / "<b>.xml")
    expect(page.get_by_role("alert")).to_have_text(
        "_b_.xml:1: must be whole, well-formed XML. Got: no element found. Fetch it again."
    )
    expect(page.get_by_role("alert")).to_be_in_viewport()  # though the page is scrolled
    expect(page.locator("#guide")).to_be_hidden()
    expect(page.locator("#work")).to_be_hidden()


def test_a_guide_that_is_too_large_is_not_even_sent(opened, tmp_path):
    page = opened()
    with (tmp_path / "large.xml").open("wb") as file:
        file.truncate((8 << 20) + 1)
    page.get_by_label("Drop an XMLTV guide here, or choose one").set_input_files(tmp_path / "large.xml")
    expect(page.get_by_role("alert")).to_have_text(
        "large.xml must be at most 8 MB. Got 8 MB. Fill it with titleclf epg fill."
    )


def test_options_fill_it_again_and_kodi_gets_its_genres(opened, path):
    page = opened()
    page.get_by_label("Drop an XMLTV guide here, or choose one").set_input_files(path)
    expect(page.locator("#summary")).to_contain_text("8 programmes")
    expect(page.get_by_text("genres.xml for Kodi")).to_be_hidden()
    page.get_by_label("In words that are read by").select_option("kodi")
    expect(page.get_by_text("genres.xml for Kodi")).to_be_visible()


def test_long_lists_are_folded(opened, tmp_path):
    page = opened()
    programmes = (programme(title=f"<title>{number} qx {number * 7919 % 1000} zw</title>") for number in range(30))
    (tmp_path / "long.xml").write_text(guide(*programmes))
    page.get_by_label("Drop an XMLTV guide here, or choose one").set_input_files(tmp_path / "long.xml")
    unsure = page.locator("#doubts > li")
    expect(page.locator("#summary")).to_contain_text("30 programmes")
    count = unsure.count()
    assert count > 20
    expect(unsure.nth(20)).to_be_hidden()
    page.locator("#doubts-all").click()
    expect(unsure.nth(20)).to_be_visible()
    expect(page.locator("#doubts-all")).to_be_hidden()


def test_watched_guides_are_listed(opened, client):
    wait_for(lambda: client.get("/guides/watched.xml").status_code == 200)
    page = opened()
    expect(page.locator("#watched-guides .facts")).to_have_text("8 programmes, 3 filled")
    link = page.get_by_role("link", name=f"{client.base_url}/guides/watched.xml")  # to be given to a player
    assert link.get_attribute("href") == "/guides/watched.xml"


def test_watched_guides_are_told_of_as_they_change(opened, client):
    page = opened()
    page.clock.install()
    page.reload()
    client.post("/api/corrections", json={"title": "Qwertz zz", "category": "Sports"}).raise_for_status()
    wait_for(lambda: client.get("/guides/watched.xml").text.count("<category>Sports") == 6)
    link = page.locator("#watched-guides a")
    link.focus()
    page.clock.run_for(6000)
    expect(page.locator("#watched-guides .facts")).to_have_text("8 programmes, 6 filled")
    expect(link).to_be_focused()


def test_what_is_not_read_of_a_long_title_is_shown_as_such(opened):
    page = opened()
    title = " ".join(f"part {number}" for number in range(60))
    page.get_by_label("Type or paste titles, one a line").fill(title)
    rest = page.locator("#answers .unread")
    expect(rest).to_have_text(re.compile(r"part 59$"))
    expect(page.locator("#answers .said")).to_have_text(title)
    page.locator("#answers summary").click()
    expect(page.locator("#answers dl")).to_contain_text(f"all after the first {len(title) - len(rest.text_content())}")


def test_a_service_that_has_gone_is_told_of(browser, client):
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(str(client.base_url))
        expect(page.locator("#about")).to_contain_text("titleclf")
        context.set_offline(True)
        page.get_by_label("Type or paste titles, one a line").fill("Tagesschau")
        expect(page.get_by_role("alert")).to_have_text(
            "The service must be reachable. Got no answer. Is it still running?"
        )
        context.set_offline(False)
        page.get_by_label("Type or paste titles, one a line").fill("Tagesschau!")
        expect(page.locator("#answers > li")).to_have_count(1)
        expect(page.get_by_role("alert")).to_be_hidden()


@pytest.mark.parametrize("size", [{"viewport": {"width": 1000, "height": 800}}, PHONE], ids=["wide", "phone"])
def test_everybody_can_use_it(opened, path, size):
    page = opened(**size)
    check_in_light_and_dark(page)
    page.get_by_label("Type or paste titles, one a line").fill("Match of teh Day\nQwertz zz")
    expect(page.locator("#answers .for-4").first).to_be_visible()
    page.locator("#answers summary").first.click()
    page.get_by_label("Drop an XMLTV guide here, or choose one").set_input_files(path)
    expect(page.locator("#summary")).to_contain_text("8 programmes")
    page.get_by_label("Correct “Qwertz zz”").last.select_option("Leisure hobbies")
    expect(page.locator("#corrections > li")).to_have_count(1)
    check_in_light_and_dark(page)


def check_in_light_and_dark(page: Page) -> None:
    """Assert that nothing on the page keeps anybody out, and that nothing is cut off."""
    for scheme, paper in {"light": "rgb(251, 251, 253)", "dark": "rgb(20, 23, 29)"}.items():
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == paper
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        for box in ("document.documentElement", "document.querySelector('.wide')"):
            assert page.evaluate(f"{box}.scrollWidth <= {box}.clientWidth")
