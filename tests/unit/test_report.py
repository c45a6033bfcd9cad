import base64
import json
import re

import numpy as np
import pytest
import shapely
from jinja2 import Environment, StrictUndefined
from PIL import Image

from scripts import countries
from scripts.contracts import dataset
from scripts.geo.metrics import Sites
from scripts.inequality import gini
from scripts.report import (
    comparison,
    dossier_tables,
    embedding,
    figure_close_ups,
    figure_countries,
    release_dossier,
    site_map,
    style,
)
from scripts.report.figure_distributions import share_by_bin
from scripts.report.figure_fidelity import cell_counts, sites_by_population
from scripts.report.projection import EARTH_RADIUS_M, equal_earth, lambert_azimuthal
from scripts.scorers import companions
from scripts.scorers.fidelity import DEGREE_GRID, Cells


def area(x, y):
    return float(shapely.area(shapely.polygons(np.column_stack([x, y]))))


def small_square(lon, lat, half=0.05, n=20):
    side = np.linspace(-half, half, n)
    edge = np.full(n, half)
    return (
        lon + np.concatenate([side, edge, side[::-1], -edge]),
        lat + np.concatenate([-edge, side, edge, side[::-1]]),
    )


def on_sphere(lat, half=0.05):
    south, north = np.radians([lat - half, lat + half])
    return np.radians(2 * half) * (np.sin(north) - np.sin(south))


@pytest.mark.parametrize("lat", [-75.0, -30.0, 0.0, 20.0, 60.0, 82.0])
@pytest.mark.parametrize("lon", [-170.0, 0.0, 95.0])
def test_equal_earth_keeps_areas(lon, lat):
    assert area(*equal_earth(*small_square(lon, lat))) == pytest.approx(on_sphere(lat), rel=1e-3)


@pytest.mark.parametrize("centre", [(0.0, 0.0), (179.9, -17.0), (-60.0, 80.0)])
def test_lambert_keeps_areas_and_its_centre(centre):
    x, y = lambert_azimuthal(*small_square(centre[0] + 3.0, centre[1] - 4.0), *centre)
    truth = on_sphere(centre[1] - 4.0) * EARTH_RADIUS_M**2
    assert area(x, y) == pytest.approx(truth, rel=1e-3)
    assert np.allclose(lambert_azimuthal(*centre, *centre), 0.0, atol=1e-6)


def test_lorenz_encloses_half_the_gini():
    counts = np.random.default_rng(7).poisson(4.0, 200)
    x, y = figure_countries.lorenz(counts)
    assert (x[0], y[0], x[-1], y[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert (np.diff(y) >= 0).all()
    assert 1.0 - 2.0 * np.trapezoid(y, x) == pytest.approx(gini(counts))


def test_mean_shares_count_a_country_that_a_seed_lacks_as_zero():
    tables = [
        [{"country_iso": "FR", "share": 0.5}, {"country_iso": "DE", "share": 0.5}],
        [{"country_iso": "FR", "share": 1.0}],
    ]
    assert figure_countries.mean_shares(tables) == {"DE": 0.25, "FR": 0.75}


def test_share_by_bin_sums_to_one_and_weighs():
    edges = np.array([0.0, 10.0, 20.0])
    values = np.array([1.0, 2.0, 15.0])
    assert share_by_bin(values, edges).tolist() == pytest.approx([2 / 3, 1 / 3])
    assert share_by_bin(values, edges, np.array([1.0, 1.0, 2.0])).tolist() == [0.5, 0.5]


def make_sites(country, lon, lat):
    n = len(lon)
    return Sites(
        np.arange(n, dtype=np.uint64),
        np.array([countries.encode_one(iso) for iso in country], dtype=np.int16),
        np.ones(n, dtype=np.int32),
        np.array(lon, dtype=np.float64),
        np.array(lat, dtype=np.float64),
    )


def test_cell_counts_know_country_and_cell():
    lon, lat = np.array([2.5, 2.6, 7.5, 2.5]), np.array([48.5, 48.4, 48.5, 48.5])
    sites = make_sites(["FR", "FR", "FR", "DE"], lon, lat)
    cell = DEGREE_GRID.tile_at(np.array([2.5, 7.5]), np.array([48.5, 48.5])).astype(np.int64)
    code = np.full(2, countries.encode_one("FR"), dtype=np.int16)
    rows = np.argsort(cell)
    one = np.ones(2)
    counts = cell_counts(sites, Cells(code, cell[rows], one, one, one))
    assert counts[np.argsort(rows)].tolist() == [2, 1]


def test_sites_by_population_leaves_out_empty_cells():
    people, mean = sites_by_population(np.array([0.0, 100.0, 101.0, 1e6]), np.array([9, 1, 3, 8.0]))
    assert len(people) == 2
    assert mean.tolist() == [2.0, 8.0]
    assert 100 < people[0] < 200


def test_close_ups_take_most_sites_and_least_area():
    counts = {"US": 50, "FR": 40, "MC": 5, "VA": 2, "SM": 4}
    code = np.repeat([countries.encode_one(iso) for iso in counts], list(counts.values()))
    extent = np.full(countries.CODES, np.inf)
    for iso, km2 in (("US", 9e6), ("FR", 5e5), ("MC", 2.0), ("VA", 0.4), ("SM", 60.0)):
        extent[countries.encode_one(iso)] = km2
    original = figure_close_ups.LARGEST
    try:
        figure_close_ups.LARGEST = 2
        largest, small = figure_close_ups.chosen(code.astype(np.int16), extent)
    finally:
        figure_close_ups.LARGEST = original
    assert [countries.decode_one(c) for c in largest] == ["US", "FR"]
    assert [countries.decode_one(c) for c in small] == ["MC", "SM"]


@pytest.mark.parametrize(("width", "bar"), [(3000.0, 1000.0), (2900.0, 500.0), (700.0, 200.0)])
def test_scale_bar_is_a_round_third(width, bar):
    assert figure_close_ups.scale_bar_m(width) == bar


def unzigzag(data):
    values, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            values.append((value >> 1) ^ -(value & 1))
            value, shift = 0, 0
    return values


def test_zigzag_reads_back():
    rng = np.random.default_rng(3)
    values = np.concatenate(
        [np.arange(-300, 300), rng.integers(-(1 << 40), 1 << 40, 500), [0, 63, -64, 64, 8191, 8192]]
    ).astype(np.int64)
    assert unzigzag(embedding.zigzag(values).tolist()) == values.tolist()


def test_embedded_sites_read_back_within_half_a_step():
    rng = np.random.default_rng(5)
    lon, lat = rng.uniform(-180, 180, 300), rng.uniform(-90, 90, 300)
    lon[0], lat[0], lon[1], lat[1] = 180.0, 90.0, -180.0, -90.0
    iso = rng.choice(["AD", "FR", "ZW"], 300)
    sites = make_sites(iso, lon, lat)
    packed = embedding.embed_sites(sites)
    data = np.frombuffer(base64.b64decode(packed["points"]), dtype=np.uint8).reshape(-1, 2, 3)
    steps = data @ np.array([1, 1 << 8, 1 << 16])
    found = (steps + 0.5) / embedding.STEPS * 360.0 - 180.0
    order = np.lexsort((sites.order, sites.merchant, sites.country))
    truth = np.column_stack([lon, lat])[order]
    assert np.abs(found - truth).max() <= 360.0 / embedding.STEPS
    assert packed["n"] == 300
    assert dict(packed["countries"]) == {c: int((iso == c).sum()) for c in ("AD", "FR", "ZW")}


def test_embedded_land_follows_the_outline():
    shape = shapely.box(10.0, -5.0, 10.5, -4.25)
    values = unzigzag(base64.b64decode(embedding.embed_land(np.array([shape], dtype=object))))
    assert values[0] == 5
    ring = np.cumsum(np.array(values[1:]).reshape(-1, 2), axis=0) / embedding.LAND_STEPS_A_DEGREE
    assert shapely.equals(shapely.polygons(ring), shape)


def draw(path, save):
    with style.figure(figsize=(3, 2)) as (drawn, axes):
        axes.plot([0, 1], [2, 3], color=style.RELEASE, label="release")
        axes.set_title("title")
        axes.legend()
        save(drawn, path)


@pytest.mark.parametrize(
    ("suffix", "save"),
    [("svg", style.save_svg), ("png", style.save_png), ("png", style.save_full)],
)
def test_figures_are_the_same_bytes_twice(tmp_path, suffix, save):
    draw(tmp_path / f"a.{suffix}", save)
    draw(tmp_path / f"b.{suffix}", save)
    first = (tmp_path / f"a.{suffix}").read_bytes()
    assert first == (tmp_path / f"b.{suffix}").read_bytes()
    assert b"atplotlib v" not in first
    assert not re.search(rb"20\d\d-\d\d-\d\dT", first)


def test_svg_follows_a_dark_page(tmp_path):
    draw(tmp_path / "a.svg", style.save_svg)
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert "prefers-color-scheme: dark" in text
    for tone in (style.PAPER, style.INK, style.RELEASE):
        assert f'style*="fill: {tone}"' in text


def row(**changes):
    base = {
        "gate": "country_gini",
        "metric": "country_gini",
        "family": "concentration",
        "grade": "B",
        "seed": 7,
        "observed": 0.5,
        "threshold": 0.6,
        "direction": "at_most",
        "interval": None,
        "margin": 0.1,
        "passed": True,
        "reason": "",
        "accepted": None,
    }
    return {**base, **changes}


def test_gate_rows_pair_the_grades():
    rows = [row(threshold=0.68, margin=0.18), row(grade="BPLUS", interval=[0.45, 0.55])]
    (line,) = dossier_tables.gate_rows(rows)
    assert (line["b"], line["bplus"]) == ("≤ 0.68", "≤ 0.6")
    assert line["relative"] == pytest.approx(0.1 / 0.6)
    assert line["interval"] == "0.4500 to 0.5500"


def test_margin_of_a_broken_gate_is_negative_and_of_a_yes_or_no_gate_none():
    assert dossier_tables.relative_margin(row(margin=-0.3)) == pytest.approx(-0.5)
    assert dossier_tables.relative_margin(row(margin=None, observed=None, passed=False)) is None
    assert dossier_tables.relative_margin(row(family="structural", margin=0.0)) is None
    assert dossier_tables.relative_margin(row(threshold=0.0, margin=0.0)) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "undefined"), (1.0, "1"), (0.52373, "0.5237"), (2669.6, "2,669.6"), (33445, "33,445")],
)
def test_numbers_read_well(value, text):
    assert dossier_tables.number(value) == text


def test_a_value_beyond_its_interval_is_marked():
    outside = row(observed=0.5, interval=[0.52, 0.55])
    rows = [outside, {**outside, "grade": "BPLUS"}]
    end = {"gate": "country_gini_interval", "observed": 0.55}
    rows += [{**one, **end} for one in rows]
    rows += [
        row(gate="top1_share", metric="top1_share", grade=g, interval=[0.4, 0.6])
        for g in ("B", "BPLUS")
    ]
    marked = {line["label"]: line["outside"] for line in dossier_tables.gate_rows(rows)}
    assert marked == {
        "Gini of countries": True,
        "Gini of countries, interval end": True,
        "Share of the top 1 % of countries": False,
    }


def test_what_is_true_or_not_is_shown_in_words():
    passed = row(gate="s9_passed", metric="s9", family="validation", observed=1.0, threshold=1.0)
    (line,) = dossier_tables.gate_rows([passed, {**passed, "grade": "BPLUS"}])
    assert (line["observed"], line["b"], line["bplus"]) == ("yes", "yes", "yes")
    failed = {**passed, "observed": 0.0, "passed": False}
    (line,) = dossier_tables.gate_rows([failed, {**failed, "grade": "BPLUS"}])
    assert line["observed"] == "no"


def certificate(*rows):
    metrics = {"country_gini": 0.5}
    return {
        "run": {"name": "reopened"},
        "seeds": [7, 42],
        "verdict": {"grade": "B"},
        "rows": [*rows],
        "fidelity_rows": [],
        "baseline_metrics": {"7": {"country_gini": 0.9}, "42": {"country_gini": 0.7}},
        "seeds_measured": {"7": {"metrics": metrics}, "42": {"metrics": metrics}},
    }


def test_every_gate_is_once_on_the_page_and_the_thinnest_margin_first():
    wide = {"gate": "top1_share", "metric": "top1_share", "observed": 0.1, "margin": 0.5}
    rows = [
        row(seed=seed, grade=grade, **more)
        for seed in (7, 42)
        for grade in ("B", "BPLUS")
        for more in (wide, {}, {"gate": "country_gini_interval", "observed": 0.58, "margin": 0.02})
    ]
    lines = dossier_tables.thinnest(certificate(*rows))
    assert [line["label"] for line in lines] == [
        "Gini of countries",
        "Share of the top 1 % of countries",
    ]
    assert lines[0]["baseline"] == "0.8000"
    assert [(one["text"], one["interval"]) for one in lines[0]["cells"]] == [("0.5800", True)] * 2
    assert lines[0]["margin"] == "+3.3 %"


def sealed(folder, share):
    """A sealed release as ``comparison`` reads it."""
    made = {**certificate(row()), "verdict": {"grade": "A"}}
    return comparison.Side(folder.name, made, {"policy.s6.jitter.yaml": "a: 1"}, {"FR": share})


def test_changes_are_those_since_the_newest_other_release(tmp_path, monkeypatch):
    monkeypatch.setattr(comparison, "sealed_side", lambda folder: sealed(folder, 4.0))
    policy, shares = tmp_path / "policy.s6.jitter.yaml", tmp_path / "share.csv"
    policy.write_text("a: 2\n", encoding="utf-8")
    row_of = dict.fromkeys(dataset("segment1b_country_share").column_names, "")
    companions.write_csv(
        "segment1b_country_share", shares, [{**row_of, "country_iso": "FR", "site_count": 6}]
    )
    folders = [tmp_path / name for name in ("now-1", "before-2", "older-3")]
    found = release_dossier.changes(
        certificate(row()), "now-1", folders, [str(policy)], [str(shares)]
    )
    assert found["release"] == "before-2"
    told = {section["title"]: section["rows"] for section in found["sections"]}
    assert told["policies that differ"] == [("policy.s6.jitter: a", "1", "2")]
    assert told["grade"] == [("grade", "A", "B")]
    assert told["sites by country, mean over seeds: 1 differ"] == [("FR", "4", "6")]
    alone = release_dossier.changes(certificate(row()), "now-1", folders[:1], [], [])
    assert alone == {"release": "", "sections": []}


def test_addresses_of_files_beside_the_page_are_relative():
    found = release_dossier.beside("runs/a/reports/page.html", {"x": "runs/a/r/seed=7/x.json"})
    assert found == [("x", "../r/seed=7/x.json")]


def test_no_place_of_a_world_map_is_too_dense_to_be_told_apart(tmp_path):
    """One site, ten and a thousand at one place differ in tone."""
    land = np.array([shapely.box(-10.0, -10.0, 60.0, 40.0)], dtype=object)
    lon = np.repeat([0.0, 20.0, 40.0], [1, 10, 1000])
    site_map.draw(str(tmp_path / "map.png"), lon, np.zeros(len(lon)), land, "three places")
    picture = np.asarray(Image.open(tmp_path / "map.png").convert("RGB")).astype(int)
    blue = (picture[:, :, 2] > picture[:, :, 0] + 15) & (picture[:, :, 0] < 150)
    x, _ = equal_earth(np.array([0.0, 20.0, 40.0]), np.zeros(3))
    wide = picture.shape[1] / (2.0 * (equal_earth(np.array([180.0]), np.zeros(1))[0][0] + 0.01))
    columns = np.rint(picture.shape[1] / 2 + x * wide).astype(int)
    tones = [
        picture[:, at - 3 : at + 4][blue[:, at - 3 : at + 4] | dark(picture[:, at - 3 : at + 4])]
        for at in columns
    ]
    light = [tone.sum(axis=1).min() for tone in tones]
    assert light[0] > light[1] + 60 > light[2] + 120


def dark(picture):
    return picture.sum(axis=2) < 150


def test_nothing_inlined_can_close_its_element():
    text = str(release_dossier._inline(json.dumps({"name": "</script><b>"})))
    assert "</" not in text
    assert json.loads(text) == {"name": "</script><b>"}


def test_library_refers_to_no_file():
    folder = release_dossier.Path(__file__).resolve().parents[2] / "resources/vendor/leaflet"
    parts = release_dossier.library(str(folder))
    assert "url(" not in parts["leaflet_css"]
    assert "sourceMappingURL" not in parts["leaflet_js"]
    assert "Copyright" in parts["leaflet_licence"]


def test_template_compiles_and_names_no_address():
    root = release_dossier.Path(__file__).resolve().parents[2] / "scripts/report/pages"
    text = (root / "dossier.html.jinja").read_text(encoding="utf-8")
    Environment(autoescape=True, undefined=StrictUndefined).from_string(text)
    assert "default-src 'none'" in text
    for name in ("dossier.html.jinja", "dossier.css", "dossier.js"):
        assert not re.search(r"https?://", (root / name).read_text(encoding="utf-8"))
