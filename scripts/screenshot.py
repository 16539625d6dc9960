"""Take the screenshot of the service's page for the README and the documentation."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import ViewportSize, sync_playwright

from scripts.common.arguments import script_parser

TITLES = ("Match of the Day", "tagesshau", "NEW: Match of the Day (R)", "The Great British Bake Off", "Qwertz")
SIZE = ViewportSize(width=1000, height=960)  # pixels


def main() -> None:
    """Start the service with the shipped model, type titles, and save a screenshot of the page."""
    parser = script_parser("screenshot", __doc__)
    parser.add_argument("path", type=Path, metavar="FILE.png", help="the screenshot, for example docs/images/page.png")
    path: Path = parser.parse_args().path
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "titleclf.serve", "--port", "0", "--model", "shipped"]
        with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as service:  # noqa: S603
            try:
                url = next(word for line in service.stderr or () for word in line.split() if word.startswith("http://"))
                _take(url, path)
            finally:
                service.terminate()


def _take(url: str, path: Path) -> None:
    browser_path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # chromium can't be sandboxed as root
        browser = playwright.chromium.launch(executable_path=browser_path, args=sandbox)
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(url)
        page.get_by_role("textbox").fill("\n".join(TITLES))
        page.locator("#predictions > li").nth(len(TITLES) - 1).wait_for()
        page.locator("#predictions > li .for-4").first.wait_for()  # until the explanations are there, too
        page.evaluate("document.activeElement.blur()")
        page.screenshot(path=path)
        browser.close()


if __name__ == "__main__":
    main()
