"""The dossier of a small world in a real browser: offline, quiet, a map that moves, tables that
sort, on a phone and on a desk."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.tables import file_digest, read_json
from tests import small_world
from tests.chromium import Browser, executable

pytestmark = pytest.mark.slow

RUNS = Path("runs/fix-data-engine")
REPORTS = RUNS / "segment_1B/reports"
SIZES = {"phone": (390, 844), "desk": (1440, 900)}

needs_chromium = pytest.mark.skipif(
    executable() is None, reason="no Chromium on this machine (apt-get install chromium)"
)


@pytest.fixture(scope="module")
def world(own_copy):
    result = small_world.snakemake(own_copy, "dossier", "--quiet", "rules")
    assert result.returncode == 0, (result.stdout + result.stderr)[-4000:]
    return own_copy


@pytest.fixture(scope="module")
def page(world):
    return world / REPORTS / "segment1b_p5_dossier.html"


@pytest.fixture(params=sorted(SIZES))
def browser(request, page, tmp_path):
    width, height = SIZES[request.param]
    with Browser(tmp_path / "profile") as opened:
        opened.resize(width, height, phone=request.param == "phone")
        opened.open(page.as_uri())
        opened.settle()
        yield opened


def pixels(browser, path):
    browser.settle()
    browser.screenshot(path)
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def map_box(browser):
    browser.evaluate("document.getElementById('map').scrollIntoView({block: 'center'})")
    browser.settle()
    return browser.evaluate(
        "(({x, y, width, height}) => [x, y, width, height])"
        "(document.getElementById('map').getBoundingClientRect())"
    )


@needs_chromium
def test_page_asks_for_nothing_and_complains_of_nothing(browser, page):
    elsewhere = [url for url in browser.requests if not url.startswith("data:")]
    assert elsewhere == [page.as_uri()]
    assert browser.complaints == []


@needs_chromium
def test_page_fits_its_window(browser):
    assert browser.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@needs_chromium
def test_every_picture_is_shown_and_described(browser):
    pictures = browser.evaluate(
        "[...document.images].map(i => [i.naturalWidth, i.alt.length, i.complete])"
    )
    assert len(pictures) == 10 + 2 * len(small_world.SEEDS)
    for width, described, complete in pictures:
        assert width > 200
        assert described > 20
        assert complete


@needs_chromium
def test_map_draws_pans_and_zooms(browser, tmp_path):
    x, y, width, height = map_box(browser)
    middle = (x + width / 2, y + height / 2)
    before = pixels(browser, tmp_path / "a.png")
    tones = before[int(y) + 5 : int(y + height) - 5, int(x) + 60 : int(x + width) - 5]
    assert len(np.unique(tones.reshape(-1, 3), axis=0)) > 20
    centre = browser.evaluate("dossier.map.getCenter().lng")
    browser.drag(middle, (middle[0] - width / 6, middle[1]))
    browser.until(lambda: browser.evaluate("dossier.map.getCenter().lng") > centre + 5)
    assert (pixels(browser, tmp_path / "b.png") != before).mean() > 0.01

    zoom = browser.evaluate("dossier.map.getZoom()")
    browser.evaluate("document.querySelector('.leaflet-control-zoom-in').click()")
    browser.until(lambda: browser.evaluate("dossier.map.getZoom()") == zoom + 1)
    browser.until(lambda: not browser.evaluate("dossier.map._animatingZoom"))
    # The click wakes the wheel; its answer waits for a possible double click.
    for kind in ("mousePressed", "mouseReleased"):
        browser.mouse(kind, *middle, button="left", clickCount=1)
    browser.until(lambda: browser.evaluate("dossier.map.scrollWheelZoom.enabled()"))
    browser.mouse("mouseWheel", *middle, deltaX=0, deltaY=-300)
    browser.until(lambda: browser.evaluate("dossier.map.getZoom()") > zoom + 1.5)
    browser.until(lambda: not browser.evaluate("dossier.map._animatingZoom"))
    browser.evaluate("document.getElementById('map-whole').click()")
    browser.until(lambda: browser.evaluate("dossier.map.getZoom()") == zoom)
    assert browser.complaints == []


@needs_chromium
def test_map_holds_the_sites_of_every_run_and_seed(browser, world):
    certificate = read_json(world / REPORTS / "segment1b_p5_certification.json")
    for seed in certificate["seeds"]:
        browser.evaluate(
            f"(s => {{ s.value = '{seed}'; s.dispatchEvent(new Event('change')); }})"
            "(document.getElementById('map-seed'))"
        )
        measured = certificate["seeds_measured"][str(seed)]["counts"]["sites"]
        assert browser.evaluate("dossier.world.run.n") == measured
        assert f"{measured:,} sites" in browser.evaluate(
            "document.getElementById('map-note').textContent"
        )
    before = browser.evaluate("dossier.world.run.n")
    browser.evaluate(
        "(s => { s.value = 'baseline'; s.dispatchEvent(new Event('change')); })"
        "(document.getElementById('map-run'))"
    )
    assert browser.evaluate("dossier.world.run.n") != before


@needs_chromium
def test_tables_sort_both_ways(browser):
    def column():
        return browser.evaluate(
            "[...document.querySelector('#gates table').tBodies[0].rows]"
            ".map(r => Number(r.cells[1].dataset.value))"
        )

    head = "document.querySelectorAll('#gates table thead th')[1]"
    first = column()
    browser.evaluate(f"{head}.querySelector('button').click()")
    assert column() == sorted(first) != first
    assert browser.evaluate(f"{head}.getAttribute('aria-sort')") == "ascending"
    browser.evaluate(f"{head}.querySelector('button').click()")
    assert column() == sorted(first, reverse=True)
    assert browser.evaluate(f"{head}.getAttribute('aria-sort')") == "descending"


@needs_chromium
def test_dark_page_is_dark_and_print_is_light(browser, tmp_path):
    background = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    browser.scheme("light")
    assert min(browser.evaluate(background)) > 200
    browser.scheme("dark")
    assert max(browser.evaluate(background)) < 60
    browser.scheme("dark", media="print")
    assert min(browser.evaluate(background)) == 255
    browser.pdf(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").stat().st_size > 100_000


def test_page_names_verdict_digests_and_licences(page, world):
    text = page.read_text(encoding="utf-8")
    certificate = read_json(world / REPORTS / "segment1b_p5_certification.json")
    assert certificate["parameter_hash"] in text
    assert certificate["run"]["run_id"] in text
    for reason in certificate["verdict"]["not_a_release_because"]:
        assert reason in text
    for licence in ("CC BY 4.0", "CC BY 3.0 IGO", "BSD-2-Clause", "Volodymyr Agafonkin"):
        assert licence in text
    assert 'src="http' not in text
    assert "url(" not in text.split("<script", 1)[0]


def test_links_of_the_page_lead_to_files_beside_it(page):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r'href="([^"]+)"', text.split("<script", 1)[0])
    files = [link for link in links if not link.startswith("#")]
    assert len(files) == 2 + len(small_world.SEEDS)
    assert all((page.parent / link).is_file() for link in files)
    for link in links:
        assert not link.startswith("#") or f'id="{link[1:]}"' in text


def test_page_can_be_signed(page, world):
    """When, from what, by which name, how to check, what changed, and lines for signatures."""
    text = page.read_text(encoding="utf-8")
    assert re.search(r"made \d{4}-\d\d-\d\d · version [\w.]+ · commit <code>\w+", text)
    (sealed,) = (world / RUNS / "releases").iterdir()
    assert f"segment1b verify {sealed.name}" in text
    assert "No other release is sealed in this runs root." in text
    assert text.count('<th scope="col">Signature</th>') == 1


def test_command_ends_with_the_verdict_and_the_place_of_the_page(world, page):
    page.unlink()
    result = small_world.snakemake(world, "dossier", "--quiet", "rules")
    assert f"open {page.relative_to(world).as_posix()}" in result.stdout
    assert "no release" in result.stdout
    assert "\033" not in result.stdout
    page.unlink()
    quiet = small_world.snakemake(world, "dossier", "--quiet", "all")
    assert quiet.returncode == 0
    assert quiet.stdout == result.stdout


def test_a_report_names_what_it_holds_and_has_every_kind_of_evidence(world):
    """After ``certify`` alone there are no figures of countries; the page does not promise any."""
    for target, promised in (("certify", False), ("dossier", True)):
        name = f"{target}.html"
        result = small_world.snakemake(world, target, "--report", name, "--quiet", "all")
        assert result.returncode == 0, result.stderr[-2000:]
        text = (world / name).read_text(encoding="utf-8")
        assert ("Lorenz curves, the largest countries" in text) == promised
        assert "the certificate and the pinned baseline" in text
        assert "A report on all figures and the dossier is made by" in text
    for category in ("Verdict", "Maps", "Countries", "Distributions", "Fidelity", "Scorecards"):
        assert f'"{category}"' in text, category
    assert '"run": "reopened"' in text
    assert "counted in hexagons of 50 km" in text


@pytest.mark.parametrize("suffix", ["csv", "geojson", "gpkg"])
def test_export_writes_the_declared_file_and_no_other(world, suffix):
    arguments = ("export", "--config", f"format={suffix}", "seeds=[42]", "--quiet", "all")
    result = small_world.snakemake(world, *arguments)
    assert result.returncode == 0, (result.stdout + result.stderr)[-2000:]
    folders = list((world / RUNS / "segment_1B").glob("*/seed=*/exports"))
    assert [folder.parent.name for folder in folders] == ["seed=42"]
    assert (folders[0] / f"site_locations.{suffix}").stat().st_size > 10_000
    assert not [path for path in folders[0].iterdir() if path.name.startswith(".")]


def test_unknown_export_format_is_refused_in_one_line(world):
    result = small_world.snakemake(world, "export", "--config", "format=xls")
    assert result.returncode == 1
    told = result.stdout + result.stderr
    assert "EC10 config/config.yaml: key 'format': 'xls'" in told


def test_figures_and_page_do_not_depend_on_the_moment(page, world):
    produced = sorted((world / REPORTS / "figures").rglob("*.*"))
    produced += sorted(world.glob(f"{RUNS}/segment_1B/*/seed=*/scorecard/*.png"))
    before = {path: file_digest(path) for path in [*produced, page]}
    assert len(before) == 11 + 2 * len(small_world.SEEDS)
    for path in before:
        path.unlink()
    result = small_world.snakemake(world, "dossier", "--quiet", "rules", cores=1)
    assert result.returncode == 0, (result.stdout + result.stderr)[-4000:]
    assert {path: file_digest(path) for path in before} == before
