"""The pages of the built site: `make test-site` builds it, and lets a browser load every page."""

import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

SITE = Path(os.environ.get("LEARNERDSL_SITE", "-"))
BROWSERS = [Path("/usr/bin/chromium"), Path("/usr/bin/google-chrome")]
PAGES = sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*.html") if SITE.is_dir())
SHOWN = [
    "index.html",
    "learners/adam.html",
    "gallery/index.html",
    "tutorial.html",
    "schedules.html",
]
"""Pages that a person should look at: their pictures are in out/screenshots."""
CODE = re.compile(r"<(pre|code)\b.*?</\1>", re.DOTALL)

pytestmark = pytest.mark.skipif(not PAGES, reason="the site is not built; run make test-site")


class Page(HTMLParser):
    """Collects what a page links to and loads."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.loads = {""}, [], []
        self.feed((SITE / path).read_text())

    def handle_starttag(self, tag, attrs):
        own = dict(attrs)
        self.anchors |= {own.get("id"), own.get("name")}
        if tag == "a" and own.get("href"):
            self.links.append(own["href"])
        if tag in ("script", "img", "iframe") and own.get("src"):
            self.loads.append(own["src"])
        if tag == "link" and own.get("rel") in ("stylesheet", "icon"):
            self.loads.append(own["href"])


@pytest.fixture(scope="module")
def parsed():
    return {path: Page(path) for path in PAGES}


def test_no_link_is_broken(parsed):
    broken = []
    for path, page in parsed.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or path == "404.html":
                continue
            place = os.path.normpath(os.path.join(os.path.dirname(path), unquote(parts.path)))
            there = path if not parts.path else place
            if there not in parsed or unquote(parts.fragment) not in parsed[there].anchors:
                broken.append(f"{path}: {link}")
    assert not broken


def test_nothing_is_loaded_from_elsewhere(parsed):
    loads = {load for page in parsed.values() for load in page.loads}
    assert loads
    assert not [load for load in loads if urlsplit(load).scheme or load.startswith("//")]


def test_mathematics_is_typeset():
    for path in PAGES:
        text = CODE.sub("", (SITE / path).read_text())
        assert "arithmatex" not in text, path
        assert "$$" not in text, path
    assert "<math" in (SITE / "learners/adam.html").read_text()


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    found = [path for path in BROWSERS if path.exists()]
    if not found:
        pytest.skip("no browser is installed")
    with playwright.sync_playwright() as run:
        launched = run.chromium.launch(executable_path=str(found[0]), args=["--no-sandbox"])
        yield launched
        launched.close()


def opened(browser, path, **options):
    """Open a page; return it and what went wrong."""
    page, wrong = browser.new_page(**options), []
    page.on("console", lambda text: wrong.append(text.text) if text.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda request: wrong.append(request.url))
    page.goto((SITE / path).absolute().as_uri())
    return page, wrong


def faults_of(browser, path):
    """Return what is wrong with a page on a telephone."""
    page, wrong = opened(browser, path, viewport={"width": 390, "height": 800})
    if page.evaluate("document.documentElement.scrollWidth") > 390:
        wrong.append("wider than the screen")
    page.close()
    return list(wrong)


def test_every_page_loads_and_fits_a_telephone(browser):
    pages = [path for path in PAGES if path != "404.html"]  # which needs a server
    doubtful = [path for path in pages if faults_of(browser, path)]
    # Now and then Chromium reports the icon of a page that is being closed as failed.
    assert not {path: found for path in doubtful if (found := faults_of(browser, path))}


def test_search_works_without_a_server(browser):
    page, wrong = opened(browser, "index.html")
    page.click("input.md-search__input")
    page.keyboard.type("clip_by_global_norm", delay=5)
    page.wait_for_selector(".md-search-result__item a")
    assert not wrong
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_pictures_are_taken(browser, scheme, width):
    folder = SITE.parent / "screenshots"
    folder.mkdir(exist_ok=True)
    for path in SHOWN:
        page, wrong = opened(
            browser, path, color_scheme=scheme, viewport={"width": width, "height": 900}
        )
        shot = page.screenshot(path=folder / f"{path.replace('/', '-')}-{scheme}-{width}.png")
        assert not wrong
        assert len(set(shot)) > 200  # no empty page
        page.close()
