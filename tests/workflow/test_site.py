"""The documentation as a reader has it: a folder of pages, opened from disk, without a network."""

import re
from pathlib import Path

import pytest
import yaml
from mkdocs.commands.build import build
from mkdocs.config import load_config

from scripts.docs.reference import policy_names
from tests.chromium import Browser, executable

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PHONE_PX = 390

needs_chromium = pytest.mark.skipif(
    executable() is None, reason="no Chromium on this machine (apt-get install chromium)"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built strictly: a broken link or anchor fails here."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), strict=True))
    return folder


@pytest.fixture(scope="module")
def pages(site):
    return sorted(path for path in site.rglob("*.html") if path.name != "404.html")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser that reaches nothing but the disk."""
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        opened.send("Network.setBlockedURLs", urls=["http://*", "https://*", "ws://*", "wss://*"])
        yield opened


def test_pages_load_nothing_from_elsewhere(pages):
    assert len(pages) > 40
    for path in pages:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r'<(?:script|img|iframe)[^>]+src="https?:', text), path
        assert not re.search(r'<link[^>]+rel="stylesheet"[^>]+href="https?:', text), path


def test_every_page_is_in_the_navigation(site):
    def addresses(entries):
        for entry in entries:
            (value,) = entry.values()
            yield from addresses(value) if isinstance(value, list) else [value]

    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(addresses(yaml.safe_load(text)["nav"]))
    pages = {path.relative_to(site).with_suffix(".md").as_posix() for path in site.rglob("*.html")}
    assert pages - {"404.md"} == named
    assert {f"reference/policies/{name}.md" for name in policy_names()} <= named


def test_generated_parts_are_filled_in(pages, site):
    for path in pages:
        text = path.read_text(encoding="utf-8")
        assert "<!-- inputs" not in text, path
        assert 'class="arithmatex"' not in text, path
    for state in ("s2", "s4", "s6"):
        text = (site / f"states/{state}.html").read_text(encoding="utf-8")
        assert text.count('<div class="formula"><math') >= 4
    policy = (site / "reference/policies/policy.s9.validation.html").read_text(encoding="utf-8")
    assert re.search(r"reruns <a[^>]+>S9</a>: [^.]*<code>s9_validation</code>", policy)
    made = (site / "reference/datasets.html").read_text(encoding="utf-8")
    assert "Made by <code>s8_site_locations</code>; read by" in made
    s4 = (site / "states/s4.html").read_text(encoding="utf-8")
    for told in ("s3_requirements", "outlets.company.km", "E417", "country_mass"):
        assert told in s4


@needs_chromium
def test_search_finds_pages_from_disk(browser, site):
    browser.resize(1280, 900)
    browser.open((site / "index.html").as_uri())
    browser.until(lambda: bool(browser.evaluate("!!document.querySelector('.md-search__input')")))
    browser.evaluate("document.querySelector('.md-search__input').focus()")
    browser.send("Input.insertText", text="spread_exponent")
    browser.send("Input.dispatchKeyEvent", type="keyUp", key="t")
    links = "[...document.querySelectorAll('.md-search-result__link')].map(link => link.href)"
    browser.until(lambda: bool(browser.evaluate(links)))
    found = browser.evaluate(links)
    assert any("policy.s6.jitter.html" in link for link in found), found
    assert all(link.startswith(site.as_uri()) for link in found)
    browser.open(next(link for link in found if "policy.s6" in link))
    assert "spread_exponent" in browser.evaluate("document.body.textContent")


@needs_chromium
def test_no_page_is_wider_than_a_phone(browser, pages):
    browser.resize(PHONE_PX, 844, phone=True)
    wide = {}
    for path in pages:
        browser.open(path.as_uri())
        browser.settle()
        width = browser.evaluate("document.scrollingElement.scrollWidth")
        if width > PHONE_PX:
            wide[path.name] = width
    assert wide == {}


@needs_chromium
def test_formulae_have_their_font(browser, site):
    browser.open((site / "states/s4.html").as_uri())
    browser.evaluate("document.fonts.ready.then(() => true)")
    assert browser.evaluate("document.fonts.check('16px \"STIX Two Math\"')")
    high = browser.evaluate(
        "Math.max(...[...document.querySelectorAll('math mfrac')]"
        ".map(e => e.getBoundingClientRect().height))"
    )
    assert high > 30


@needs_chromium
def test_nothing_was_asked_of_a_network(browser, site):
    """Runs last: what the browser asked for while the tests above looked at every page."""
    elsewhere = [url for url in browser.requests if not url.startswith(("file:", "data:", "blob:"))]
    assert elsewhere == []
    assert browser.complaints == []
