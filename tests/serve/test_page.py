"""The page in a real browser: by keyboard, on a phone, in light and dark."""

import gzip
import os
import re
import shutil
from itertools import product
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.helpers.guides import guide, programme
from tests.helpers.service import serving, wait_for
from titleclf.epg.overrides import Overrides
from titleclf.serve import filled_titles

ATTACK = "<img src=x onerror=\"document.title='taken over'\">"
ESCAPED = ATTACK.replace("<", "&lt;").replace(">", "&gt;")
GUIDE = guide(
    *(programme() for _ in range(3)),
    programme("<category>News</category>", title="<title>Tagesthemen</title>"),
    *(programme(title=f"<title>{title}</title>") for title in ("Qwertz zz", "Qwertzz zz", "Qwertz zz", ESCAPED)),
)
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
TITLES, FILE, PROFILE = (
    "Type or paste titles, one per line",
    "Drop an XMLTV guide here or choose a file",
    "Category names for",
)
expect.set_options(timeout=20_000)  # milliseconds: other tests may keep the cores busy


@pytest.fixture(scope="module")
def browser():
    """Start the system's browser; Playwright's own would need a download."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert path, "the tests of the page need a browser. Got none. Run scripts/install_browser.sh."
    with sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # chromium can't be sandboxed as root
        chromium = playwright.chromium.launch(executable_path=path, args=sandbox)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def service(folder):
    (folder / "watched.xml").write_text(GUIDE)
    with serving(folder, in_process=True, watch=[folder / "watched.xml"]) as client:
        yield client


@pytest.fixture
def client(service):
    """Return the shared service; corrections are removed after each test."""
    yield service
    for row in service.get("/api/corrections").json()["corrections"]:
        service.delete("/api/corrections", params={"title": row["title"]}).raise_for_status()


@pytest.fixture(scope="module")
def kinds_client(tmp_path_factory, kinds_run):
    """Return a client for a service with a model that uses fields."""
    with serving(tmp_path_factory.mktemp("kinds"), in_process=True, model=str(kinds_run), precision=0.5) as client:
        yield client


@pytest.fixture
def open_page(browser, client):
    """Open the page; at the end, assert that it logged no error and made no request to another site.

    Pages of a model that uses fields may be refused their fields.
    """
    contexts, errors = [], []
    base_urls = [str(client.base_url)]
    refused = "the server responded with a status of 422"

    def record_message(message) -> None:
        if message.type in ("error", "warning") and (len(base_urls) == 1 or refused not in message.text):
            errors.append(message.text)

    def record_request(request) -> None:
        if not request.url.removeprefix("blob:").startswith(tuple(base_urls)):
            errors.append(request.url)

    def open_it(of=client, **options) -> Page:
        if of is not client:
            base_urls.append(str(of.base_url))
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", record_message)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", record_request)
        page.goto(str(of.base_url))
        expect(page.locator("#about")).to_contain_text("titleclf")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def path(tmp_path):
    (tmp_path / "guide.xml.gz").write_bytes(gzip.compress(GUIDE.encode()))
    return tmp_path / "guide.xml.gz"


def test_titles_are_predicted_and_explained_while_typing(open_page):
    page = open_page()
    page.get_by_label(TITLES).fill(f"Match of teh Day\n\n{ATTACK}\nTagesschau")
    rows = page.locator("#predictions > li")
    expect(rows).to_have_count(3)
    expect(page.locator("#titles-status")).to_contain_text("3 titles, ")
    expect(rows.nth(0).locator(".facts")).to_have_text(re.compile(r"Sports \(?\d\d%\)?$"))
    expect(rows.nth(0).locator(".for-4").first).to_be_visible()
    expect(rows.nth(1).locator(".name .hidden")).to_have_text(ATTACK)
    expect(rows.locator("img")).to_have_count(0)
    assert page.title() == "titleclf"
    rows.nth(0).get_by_text("Why?").click()
    expect(rows.nth(0).locator("details")).to_contain_text("“match” +")
    page.get_by_label(TITLES).fill("Match of teh Day!")
    expect(rows).to_have_count(1)
    expect(rows.nth(0).locator("details")).to_have_attribute("open", "")
    page.get_by_label(TITLES).fill("")
    expect(rows).to_have_count(0)


def test_fields_apply_to_all_titles_and_are_explained(open_page, kinds_client):
    page = open_page(kinds_client)
    expect(page.locator("#corrections-status")).not_to_be_empty()  # else the page predicts once more when it is
    requests = []
    page.on("request", lambda request: requests.append(request.post_data_json) if request.post_data else None)
    page.get_by_label(TITLES).fill("Qwertz\nHeat")
    rows = page.locator("#predictions > li")
    expect(rows.locator("details")).to_have_count(2)
    assert requests == [{"titles": ["Qwertz", "Heat"], "explain": flag} for flag in (False, True)]
    expect(page.get_by_label("Channel", exact=True)).to_be_hidden()
    page.get_by_text("More", exact=True).click()
    expect(page.locator("#fields-hint")).to_contain_text("With several titles, it applies to all of them.")

    requests.clear()
    page.get_by_label("Channel", exact=True).fill(" sport.one ")
    rows.nth(1).get_by_text("Why?").click()
    terms = rows.nth(1).locator("dt")
    expect(terms.get_by_text("channel", exact=True)).to_be_visible()
    fields = {"channel": "sport.one"}
    programmes = [{"title": title, **fields} for title in ("Qwertz", "Heat")]
    assert requests == [{"programmes": programmes, "explain": flag} for flag in (False, True)]

    page.get_by_label("Description").fill("All goals of the match")
    page.get_by_label("Minutes").fill("100")
    for name in ("description", "channel", "minutes"):
        expect(terms.get_by_text(name, exact=True)).to_be_visible()
    expect(rows.nth(0).locator(".facts")).to_have_text(re.compile(r"^Sports \d\d+%$"))
    page.locator("#fields-summary").click()
    expect(page.locator("#fields-summary")).to_have_text("More: description, channel, minutes")
    page.locator("#fields-summary").click()
    for name in ("Description", "Channel", "Minutes"):
        page.get_by_label(name, exact=True).fill("")
    expect(terms.get_by_text("channel", exact=True)).to_have_count(0)
    assert requests[-1] == {"titles": ["Qwertz", "Heat"], "explain": True}


def test_a_wrong_field_is_reported_beside_it(open_page, kinds_client):
    page = open_page(kinds_client)
    page.get_by_text("More", exact=True).click()
    page.get_by_label(TITLES).fill("Qwertz")
    minutes = page.get_by_label("Minutes")
    minutes.fill("1:30")
    problem = page.get_by_role("alert")
    expect(problem).to_have_text("minutes must be minutes, 0 or more, or empty. Got '1:30'. Write a number.")
    expect(problem).to_have_id("minutes-problem")
    expect(minutes).to_have_attribute("aria-invalid", "true")
    expect(minutes).to_be_focused()
    expect(page.locator("#predictions > li")).to_have_count(0)
    page.locator("#fields-summary").click()
    page.get_by_label(TITLES).fill("Qwertz!")
    expect(minutes).to_be_visible()  # folded out again, since nothing is predicted until it is right
    minutes.fill("90")
    expect(page.locator("#predictions > li")).to_have_count(1)
    expect(problem).to_be_hidden()
    expect(minutes).to_have_attribute("aria-invalid", "false")
    page.get_by_label("Description").fill("x" * 5001)
    expect(problem).to_have_id("description-problem")
    expect(problem).to_contain_text("description must have at most 5000 characters.")


def test_fields_are_filled_in_by_keyboard(open_page, kinds_client):
    page = open_page(kinds_client)
    page.get_by_label(TITLES).focus()
    page.keyboard.type("Qwertz")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    for name, text in (("description", "All goals of the match"), ("channel", "sport.one"), ("minutes", "100")):
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_id(name)
        assert page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2
        page.keyboard.type(text)
    expect(page.locator("#predictions .facts")).to_have_text(re.compile(r"^Sports \d\d+%$"))
    expect(page.locator("#minutes")).to_be_focused()


def test_fields_that_the_model_does_not_use_are_hidden(open_page, kinds_client):
    page = open_page(kinds_client)

    def use(*names: str) -> None:
        about = kinds_client.get("/api/about").json() | {"fields": list(names)}
        page.route("**/api/about", lambda route: route.fulfill(json=about))
        page.reload()
        expect(page.locator("#about")).to_contain_text("titleclf")

    use("channel", "year")
    page.get_by_text("More", exact=True).click()
    expect(page.get_by_label("Channel", exact=True)).to_be_visible()
    expect(page.get_by_label("Description")).to_be_hidden()
    expect(page.get_by_label("Minutes")).to_be_hidden()
    for names in ((), ("year",)):
        use(*names)
        expect(page.get_by_text("More", exact=True)).to_be_hidden()


@pytest.mark.parametrize("options", [{"viewport": {"width": 1000, "height": 800}}, PHONE], ids=["desktop", "phone"])
def test_the_fields_are_accessible(open_page, kinds_client, options):
    page = open_page(kinds_client, **options)
    page.get_by_label(TITLES).fill("Qwertz")
    page.get_by_text("More", exact=True).click()
    page.get_by_label("Description").fill("All goals of the match")
    page.locator("#predictions summary").click()
    check_in_light_and_dark(page)
    page.get_by_label("Minutes").fill("1:30")
    expect(page.get_by_role("alert")).to_be_visible()
    check_in_light_and_dark(page)


def test_many_titles_can_be_pasted(open_page):
    page = open_page()
    page.get_by_label(TITLES).fill("\n".join(f"Title {number}" for number in range(1100)))
    expect(page.locator("#titles-status")).to_contain_text("1,000 titles, ")
    expect(page.locator("#titles-status")).to_contain_text("900 not shown.")
    expect(page.locator("#predictions > li")).to_have_count(200)


def test_a_guide_is_dropped_corrected_and_downloaded(open_page, path, tmp_path, client, folder):
    page = open_page()
    transfer = page.evaluate_handle(
        """content => {
            const transfer = new DataTransfer()
            transfer.items.add(new File([new Uint8Array(content)], "guide.xml.gz"))
            return transfer
        }""",
        list(path.read_bytes()),
    )
    for event in ("dragenter", "dragover", "drop"):
        page.dispatch_event("#drop", event, {"dataTransfer": transfer})
    summary = page.locator("#summary")
    expect(summary).to_have_text(
        "8 programmes, 7 without a category. Filled: 3. Unsure: 4 (6 hours). Decided by: the model 3."
    )
    channel = page.locator("#channels tr")
    assert page.locator("#file").evaluate("file => file.files[0].name") == "guide.xml.gz"
    expect(channel.locator("td").first).to_have_text("Channel One")
    expect(channel.locator("td.n")).to_have_text(["7", "3", "4", "6 hours", "8"])
    doubts = page.locator("#doubts > li")
    expect(doubts.locator(".name")).to_have_text(["Qwertz zz", ATTACK, "Qwertzz zz"])  # longest airtime first
    expect(doubts.nth(0)).to_contain_text("2 showings, 3 hours – maybe ")
    expect(page.locator("#doubts img")).to_have_count(0)

    page.get_by_label("Correct “Qwertz zz”").select_option("Leisure hobbies")
    expect(doubts.nth(0)).to_contain_text("✓ Leisure hobbies")
    expect(doubts.nth(2)).to_contain_text("✓ follows a correction")  # a similar spelling
    expect(summary).to_contain_text("Filled: 6. Unsure: 1 (1.5 hours). Decided by: your corrections 3, the model 3.")
    page.get_by_label(f"Correct “{ATTACK}”").select_option("No category: leave unchanged")
    expect(summary).to_contain_text("Filled: 6. Unsure: 0 (0 hours). Decided by: your corrections 4, the model 3.")

    with page.expect_download() as download:
        page.get_by_role("link", name="Download the filled guide").click()
    assert download.value.suggested_filename == "guide.filled.xml.gz"
    download.value.save_as(tmp_path / "downloaded.xml.gz")
    text = gzip.decompress((tmp_path / "downloaded.xml.gz").read_bytes()).decode()
    assert text.count("<category>Leisure hobbies</category>") == 3
    assert re.sub("<category>(Sports|Leisure hobbies)</category>", "", text) == GUIDE
    categories = client.get("/api/about").json()["categories"]
    overrides = Overrides.read(folder / "overrides.csv", categories).find(["Qwertz zz", ATTACK])
    assert [row.category for row in overrides.values()] == ["Leisure hobbies", ""]

    page.locator("#corrections").get_by_role("button", name="Undo the correction of “Qwertz zz”").click()
    expect(summary).to_contain_text("Unsure: 3 (4.5 hours). Decided by: your corrections 1, the model 3.")
    expect(page.get_by_label("Correct “Qwertz zz”")).to_have_value("-")


def test_everything_works_by_keyboard(open_page, path):
    page = open_page()
    expect(page.locator("#corrections-status")).not_to_be_empty()  # else the page predicts once more when it is
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.id || document.activeElement.tagName")
        reached.append(focused)
        if focused == "titles" and len(reached) < 5:
            page.keyboard.type("Qwertz zz")
            # Not that of a part of the title, which the next prediction replaces.
            expect(page.locator("#predictions").get_by_label("Correct “Qwertz zz”")).to_be_visible()
        elif focused == "file" and page.locator("#guide").is_hidden():
            page.locator(":focus").set_input_files(path)  # in place of the browser's own dialog
            expect(page.locator("#summary")).to_contain_text("8 programmes")
        elif focused == "doubt-Qwertz zz":
            page.keyboard.type("Leis")  # selects the first option with this prefix
            page.keyboard.press("Tab")
            expect(page.locator("#doubts > li").nth(0)).to_contain_text("✓ Leisure hobbies")
            break
    order = ["titles", "prediction-0", "file", "download"]
    assert [name for name in reached if name in order] == order
    expect(page.locator("#predictions .facts")).to_have_text("Leisure hobbies – your correction")


def test_the_focus_is_visible(open_page):
    page = open_page()
    for _ in range(3):
        page.keyboard.press("Tab")
        width = page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)")
        assert width >= 2


def test_a_category_is_chosen_on_enter_or_when_the_list_loses_the_focus(open_page):
    page = open_page()
    page.get_by_label(TITLES).fill("Qwertz zz\nHeat")
    select = page.get_by_label("Correct “Qwertz zz”")
    expect(page.locator("#predictions details")).to_have_count(2)
    posted = []
    page.on("request", lambda request: posted.append(request.post_data_json) if request.method == "POST" else None)
    select.focus()
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    fourth = select.input_value()
    assert fourth != "-"
    page.keyboard.press("Escape")
    expect(select).to_have_value("-")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    third = select.input_value()
    assert third not in ("-", fourth)
    with page.expect_response(lambda response: (response.request.post_data_json or {}).get("explain")):
        page.evaluate("document.dispatchEvent(new Event('corrected'))")  # the rows are drawn again
    expect(select).to_have_value(third)
    expect(select).to_be_focused()
    assert [body for body in posted if "category" in body] == []
    page.keyboard.press("Enter")
    expect(page.locator("#predictions .facts").first).to_have_text(f"{third} – your correction")
    expect(select).to_be_focused()
    expect(select).to_have_value(third)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    expect(page.locator("#predictions .facts").first).to_have_text(f"{fourth} – your correction")
    corrections = [body for body in posted if "category" in body]
    assert corrections == [{"title": "Qwertz zz", "category": category} for category in (third, fourth)]


def test_a_correction_is_undone_beside_its_row(open_page, path, client):
    page = open_page()
    page.get_by_label(TITLES).fill("QWERTZ ZZ")
    undo = page.locator("#predictions").get_by_role("button", name="Undo the correction of “QWERTZ ZZ”")
    expect(page.locator("#predictions > li")).to_have_count(1)
    expect(undo).to_be_hidden()
    client.post("/api/corrections", json={"title": "Qwertz zz", "category": "Sports"}).raise_for_status()
    page.get_by_label("Correct “QWERTZ ZZ”").select_option("Leisure hobbies")
    expect(page.locator("#corrections .name")).to_have_text("Qwertz zz")  # the same title as in the file
    undo.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#predictions .facts")).to_contain_text("unsure – maybe ")
    expect(undo).to_be_hidden()
    expect(page.get_by_label("Correct “QWERTZ ZZ”")).to_be_focused()
    expect(page.get_by_label("Correct “QWERTZ ZZ”")).to_have_value("-")
    assert client.get("/api/corrections").json()["corrections"] == []

    page.get_by_label(TITLES).fill("")
    expect(page.locator("#predictions > li")).to_have_count(0)
    page.get_by_label(FILE).set_input_files(path)
    row = page.locator("#doubts > li").first
    page.get_by_label("Correct “Qwertz zz”").select_option("No category: leave unchanged")
    expect(row).to_contain_text("✓ left unchanged")
    row.get_by_role("button", name="Undo the correction of “Qwertz zz”").click()
    expect(row).to_contain_text("2 showings, 3 hours – maybe ")
    expect(page.get_by_label("Correct “Qwertz zz”")).to_be_focused()


def test_rows_for_channels_are_counted_and_kept(open_page, client, folder):
    file = folder / "overrides.csv"
    file.write_text("title,channel,category\n,Sky*,Sports\n")
    wait_for(lambda: client.get("/api/corrections").json()["channels"])
    page = open_page()
    expect(page.locator("#corrections-status")).to_have_text("1 channel rule. Similar spellings follow.")
    page.get_by_label(TITLES).fill("Qwertz zz")
    page.get_by_label("Correct “Qwertz zz”").select_option("Leisure hobbies")
    expect(page.locator("#corrections-status")).to_have_text("1 title, 1 channel rule. Similar spellings follow.")
    assert file.read_text().splitlines()[1:] == [",Sky*,Sports", "Qwertz zz,,Leisure hobbies"]
    file.unlink()
    wait_for(lambda: not client.get("/api/corrections").json()["channels"])


def test_a_correction_that_fails_can_be_repeated(open_page):
    page = open_page()
    page.get_by_label(TITLES).fill("Qwertz zz")
    select = page.get_by_label("Correct “Qwertz zz”")
    expect(page.locator("#corrections-status")).not_to_be_empty()
    page.route("**/api/corrections", lambda route: route.fulfill(status=200, body="{"), times=1)
    select.select_option("Sports")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(select).to_have_value("-")
    select.select_option("Sports")
    expect(page.locator("#predictions .facts")).to_have_text("Sports – your correction")
    expect(page.get_by_role("alert")).to_be_hidden()


def open_filled(page: Page, path) -> Locator:
    """Upload a guide, and return the rows of its filled titles."""
    page.get_by_label(FILE).set_input_files(path)
    expect(page.locator("#guide")).to_be_visible()
    page.get_by_role("tab", name="Filled").click()
    rows = page.locator("#filled > li")
    expect(rows.first).to_be_visible()
    return rows


def test_filled_titles_are_searched_and_sorted(open_page, tmp_path):
    second = programme(title="<title>Tagesschau</title>").replace('"one"', '"Café two"').replace("133000", "120500")
    goals = [programme(category, title="<title>Żeta</title>") for category in ("<category>Fußball</category>", "")]
    (tmp_path / "g.xml").write_text(guide(programme(), programme(), second, *goals))
    page = open_page()
    rows = open_filled(page, tmp_path / "g.xml")
    names = rows.locator(".name")
    expect(page.get_by_role("tab", name="Filled")).to_have_text("Filled (4)")
    expect(page.locator("#filled-status")).to_have_text("3 titles")
    expect(names.last).to_have_text("Żeta")  # what the guide says is sure
    expect(rows.last.locator(".facts")).to_have_text(
        "Sports – the same title elsewhereChannel One: 1 showing, 1.5 hours"
    )
    match = rows.filter(has_text="Match of the Day").locator(".facts")
    expect(match).to_have_text(re.compile(r"^Sports \d\d% – the modelChannel One: 2 showings, 3 hours$"))
    for order, titles in {
        "title": ["Match of the Day", "Tagesschau", "Żeta"],
        "longest airtime first": ["Match of the Day", "Żeta", "Tagesschau"],
        "channel": ["Tagesschau"],
        "category": ["Tagesschau"],
        "what decided": ["Match of the Day", "Tagesschau", "Żeta"],
    }.items():
        page.get_by_label("Sort by").select_option(order)
        expect(names.first).to_have_text(titles[0])
        assert names.all_text_contents()[: len(titles)] == titles
    for text, found in {"zeta": ["Żeta"], "cafe  TAG": ["Tagesschau"], "news": ["Tagesschau"], "nothing": []}.items():
        page.get_by_label("Search").fill(text)
        expect(names).to_have_text(found)
    expect(page.locator("#filled-status")).to_have_text("0 titles")


def test_filled_titles_are_corrected_where_they_are(open_page, tmp_path, client):
    titles = ("Match of the Day", "Tagesschau", ESCAPED)
    client.post("/api/corrections", json={"title": ATTACK, "category": "Sports"}).raise_for_status()
    other = programme().replace('"one"', '"two"')
    (tmp_path / "g.xml").write_text(guide(other, *(programme(title=f"<title>{title}</title>") for title in titles)))
    page = open_page()
    rows = open_filled(page, tmp_path / "g.xml")
    page.get_by_label("Sort by").select_option("title")
    names = [ATTACK, "Match of the Day", "Match of the Day", "Tagesschau"]
    expect(rows.locator(".name")).to_have_text(names)
    expect(page.locator("#filled img")).to_have_count(0)
    expect(rows.nth(0).get_by_role("button", name="Undo")).to_be_visible()  # it was corrected before

    select = rows.nth(1).get_by_label("Correct “Match of the Day”")
    select.select_option("Leisure hobbies")
    for place in (1, 2):  # on both channels
        expect(rows.nth(place).locator(".facts")).to_contain_text("Leisure hobbies – your corrections")
        expect(rows.nth(place).get_by_role("button", name="Undo")).to_be_visible()
    rows.nth(3).get_by_label("Correct “Tagesschau”").select_option("No category: leave unchanged")
    expect(rows.nth(3).locator(".facts")).to_have_text("✓ left unchanged")
    expect(page.locator("#summary")).to_contain_text("Filled: 3. Unsure: 0")
    expect(rows.locator(".name")).to_have_text(names)

    rows.nth(3).get_by_role("button", name="Undo").click()
    expect(rows.nth(3).locator(".facts")).to_contain_text("News / Current affairs")
    rows.nth(2).get_by_role("button", name="Undo").click()
    for place in (1, 2):
        expect(rows.nth(place).locator(".facts")).to_contain_text("the model")
        expect(rows.nth(place).get_by_role("button", name="Undo")).to_be_hidden()
        expect(rows.nth(place).locator("select")).to_have_value("-")
    expect(rows.nth(2).locator("select")).to_be_focused()


def test_a_second_guide_has_filled_titles_of_its_own(open_page, path, tmp_path):
    page = open_page()
    rows = open_filled(page, path)
    page.get_by_label("Search").fill("match")
    expect(rows.locator(".name")).to_have_text(["Match of the Day"])
    (tmp_path / "second.xml").write_text(guide(programme(title="<title>Tagesschau</title>")))
    page.get_by_label(FILE).set_input_files(tmp_path / "second.xml")
    expect(rows.locator(".name")).to_have_text(["Tagesschau"])
    expect(page.get_by_label("Search")).to_have_value("")


def test_tabs_are_changed_by_arrow_keys(open_page, path):
    page = open_page()
    page.get_by_label(FILE).set_input_files(path)
    unsure, filled = page.get_by_role("tab", name="Unsure"), page.get_by_role("tab", name="Filled")
    unsure.focus()
    page.keyboard.press("ArrowRight")
    expect(filled).to_be_focused()
    expect(filled).to_have_attribute("aria-selected", "true")
    expect(page.locator("#filled > li")).to_have_count(1)
    expect(page.locator("#unsure-panel")).to_be_hidden()
    page.keyboard.press("ArrowRight")
    expect(unsure).to_be_focused()
    expect(page.locator("#filled-panel")).to_be_hidden()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Search")).to_be_focused()


def test_of_many_filled_titles_the_least_sure_are_listed(open_page, tmp_path, monkeypatch):
    monkeypatch.setattr(filled_titles, "_MAX_TITLES", 210)
    titles = (f"<title>Match of the Day {word}</title>" for word in map("".join, product("abcdefghij", repeat=3)))
    (tmp_path / "g.xml").write_text(guide(*(programme(title=title) for title in titles)))
    page = open_page()
    rows = open_filled(page, tmp_path / "g.xml")
    expect(page.locator("#filled-status")).to_have_text("210 titles; search to see more than the first 200")
    expect(page.locator("#filled-more")).to_contain_text("more, surer ones are not listed.")
    expect(rows.nth(20)).to_be_hidden()
    page.locator("#filled-all").click()
    expect(rows.nth(199)).to_be_visible()
    expect(rows).to_have_count(200)
    expect(rows.nth(20).locator("select")).to_be_focused()


def test_a_broken_guide_is_reported(open_page, tmp_path):
    page = open_page(**PHONE)
    page.get_by_label(TITLES).fill("Tagesschau\n" * 20)
    expect(page.locator("#predictions > li")).to_have_count(20)
    (tmp_path / "<b>.xml").write_bytes(b"<tv><programme>")
    page.get_by_label(FILE).set_input_files(tmp_path / "<b>.xml")
    expect(page.get_by_role("alert")).to_contain_text("_b_.xml:1: ")
    expect(page.get_by_role("alert")).to_be_in_viewport()  # although the page is scrolled
    expect(page.locator("#guide")).to_be_hidden()
    expect(page.locator("#work")).to_be_hidden()


def test_a_guide_that_is_too_large_is_not_uploaded(open_page, tmp_path):
    page = open_page()
    with (tmp_path / "large.xml").open("wb") as file:
        file.truncate((8 << 20) + 1)
    page.get_by_label(FILE).set_input_files(tmp_path / "large.xml")
    expect(page.get_by_role("alert")).to_have_text(
        "large.xml must be at most 8 MB. Got 9 MB. Run titleclf epg fill instead."
    )


def test_changed_options_fill_the_guide_again(open_page, path):
    page = open_page()
    page.get_by_label(FILE).set_input_files(path)
    expect(page.locator("#summary")).to_contain_text("8 programmes")
    expect(page.get_by_text("genres.xml for Kodi")).to_be_hidden()
    page.get_by_label(PROFILE).select_option("kodi")
    expect(page.get_by_text("genres.xml for Kodi")).to_be_visible()


def test_a_second_guide_replaces_the_first_at_any_time(open_page, path, tmp_path):
    page = open_page()
    (tmp_path / "second.xml").write_text(guide(programme()))
    page.get_by_label(FILE).set_input_files(path)
    page.get_by_label(FILE).set_input_files(tmp_path / "second.xml")
    expect(page.locator("#guide-name")).to_have_text("second.xml")
    expect(page.locator("#summary")).to_contain_text("1 programmes")
    expect(page.locator("#work")).to_be_hidden()
    expect(page.get_by_role("alert")).to_be_hidden()


def test_long_lists_are_collapsed(open_page, tmp_path):
    page = open_page()
    programmes = (programme(title=f"<title>{number} qx {number * 7919 % 1000} zw</title>") for number in range(60))
    (tmp_path / "long.xml").write_text(guide(*programmes))
    page.get_by_label(FILE).set_input_files(tmp_path / "long.xml")
    doubts = page.locator("#doubts > li")
    expect(page.locator("#summary")).to_contain_text("60 programmes")
    assert doubts.count() > 20
    expect(doubts.nth(20)).to_be_hidden()
    page.locator("#doubts-all").click()
    expect(doubts.nth(20)).to_be_visible()
    expect(page.locator("#doubts-all")).to_be_hidden()


def test_watched_guides_are_listed(open_page, client):
    wait_for(lambda: client.get("/guides/watched.xml").status_code == 200)
    page = open_page()
    expect(page.locator("#watched-guides .facts")).to_have_text("8 programmes, 3 filled")
    link = page.get_by_role("link", name=f"{client.base_url}/guides/watched.xml")  # as entered in a player
    assert link.get_attribute("href") == "/guides/watched.xml"


def test_watched_guides_are_updated(open_page, client):
    page = open_page()
    page.clock.install()
    page.reload()
    client.post("/api/corrections", json={"title": "Qwertz zz", "category": "Sports"}).raise_for_status()
    wait_for(lambda: client.get("/guides/watched.xml").text.count("<category>Sports") == 6)
    link = page.locator("#watched-guides a")
    link.focus()
    page.clock.run_for(6000)
    expect(page.locator("#watched-guides .facts")).to_have_text("8 programmes, 6 filled")
    expect(link).to_be_focused()


def test_a_broken_watched_guide_is_reported(open_page, client, folder):
    (folder / "watched.xml").write_text("<tv>")
    problem = wait_for(lambda: client.get("/health").json()["watched"][0]["problem"])
    page = open_page()
    facts = page.locator("#watched-guides .facts")
    expect(facts).to_contain_text(f"This is the last good copy: {problem}")
    expect(facts).to_have_class("facts problem")
    check_in_light_and_dark(page)
    (folder / "watched.xml").write_text(GUIDE)
    wait_for(lambda: client.get("/health").json()["status"] == "ok")


def test_the_ignored_end_of_a_long_title_is_marked(open_page):
    page = open_page()
    title = " ".join(f"part {number}" for number in range(60))
    page.get_by_label(TITLES).fill(title)
    ignored = page.locator("#predictions .ignored")
    expect(ignored).to_have_text(re.compile(r"part 59$"))
    expect(page.locator("#predictions .painted")).to_have_text(title)
    page.locator("#predictions summary").click()
    start = f"everything after the first {len(title) - len(ignored.text_content())} characters"
    expect(page.locator("#predictions dl")).to_contain_text(start)


def test_an_unreachable_service_is_reported(browser, client):
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(str(client.base_url))
        expect(page.locator("#about")).to_contain_text("titleclf")
        context.set_offline(True)
        page.get_by_label(TITLES).fill("Tagesschau")
        expect(page.get_by_role("alert")).to_have_text(
            "The service is not reachable. Got no response. Check that it is still running."
        )
        context.set_offline(False)
        page.get_by_label(TITLES).fill("Tagesschau!")
        expect(page.locator("#predictions > li")).to_have_count(1)
        expect(page.get_by_role("alert")).to_be_hidden()


@pytest.mark.parametrize("options", [{"viewport": {"width": 1000, "height": 800}}, PHONE], ids=["desktop", "phone"])
def test_the_page_is_accessible(open_page, path, options):
    page = open_page(**options)
    check_in_light_and_dark(page)
    page.get_by_label(TITLES).fill("Match of teh Day\nQwertz zz")
    expect(page.locator("#predictions .for-4").first).to_be_visible()
    page.locator("#predictions summary").first.click()
    page.get_by_label(FILE).set_input_files(path)
    expect(page.locator("#summary")).to_contain_text("8 programmes")
    page.get_by_label("Correct “Qwertz zz”").last.select_option("Leisure hobbies")
    expect(page.locator("#corrections > li")).to_have_count(1)
    check_in_light_and_dark(page)
    page.get_by_role("tab", name="Filled").click()
    expect(page.locator("#filled > li").first).to_be_visible()
    check_in_light_and_dark(page)


def check_in_light_and_dark(page: Page) -> None:
    """Assert that the page has no accessibility violations and that nothing is clipped."""
    schemes: list[tuple[Literal["light", "dark"], str]] = [
        ("light", "rgb(251, 251, 253)"),
        ("dark", "rgb(20, 23, 29)"),
    ]
    for scheme, paper in schemes:
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == paper
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
        for box in ("document.documentElement", "document.querySelector('.wide')"):
            assert page.evaluate(f"{box}.scrollWidth <= {box}.clientWidth")
