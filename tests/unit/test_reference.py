import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from scripts import countries as country_codes
from scripts.errors import ReferenceSnapshotError
from scripts.geo import snapshot
from scripts.geo.grid import polygon_area_m2
from scripts.reference import choices
from scripts.reference.build_reference import areas_of, require_same, settle
from scripts.reference.countries import iso_of_features, land_polygon, split_by_iso
from scripts.reference.facts import gdp_per_capita, m49, macro_region, population, to_csv
from scripts.reference.outlets import copy_outlets, outlet_entries
from scripts.reference.places import build_places, snap_to_land
from scripts.reference.sources import Source
from scripts.reference.validate_reference import Regions, compare, join_regions

SNAPSHOT = Path(__file__).resolve().parents[2] / "resources" / "reference"


@pytest.fixture(scope="module")
def land():
    return snapshot.load_countries(SNAPSHOT / snapshot.COUNTRIES)


@pytest.fixture(scope="module")
def facts():
    table = snapshot.load_facts(SNAPSHOT / snapshot.FACTS)
    return {row["country_iso"]: row for row in table.to_pylist()}


def country_at(land, lon, lat):
    inside = shapely.contains_xy(land.geometry, lon, lat)
    return [land.iso[i] for i in np.flatnonzero(inside)]


# The snapshot that is shipped


def test_the_files_are_those_of_the_manifest():
    manifest = snapshot.verify_snapshot(SNAPSHOT)
    assert sorted(manifest["files"]) == sorted(snapshot.DATA_FILES)
    assert manifest["choices"] == json.loads(json.dumps(choices.described()))
    assert sum(path.stat().st_size for path in SNAPSHOT.iterdir()) < 18_000_000
    for entry in manifest["files"].values():
        assert entry["licence"]
        for source in entry["sources"]:
            assert source["attribution"]
            assert len(source["sha256"]) == 64


def test_every_iso_country_has_valid_land(land, facts):
    assert len(land.code) == len(facts) == 249
    assert land.iso == list(facts)
    assert shapely.is_valid(land.geometry).all()
    assert (shapely.get_type_id(land.geometry) == shapely.GeometryType.MULTIPOLYGON).all()
    west, south, east, north = shapely.total_bounds(land.geometry)
    assert (west, south, east) == (-180.0, -90.0, 180.0)
    assert north < 84


@pytest.mark.parametrize(
    ("lon", "lat", "expected"),
    [
        (34.10, 44.95, ["UA"]),
        (-13.19, 27.13, ["EH"]),
        (33.0, -1.0, []),
        (20.9, 42.6, ["RS"]),
        (-53.0, 4.0, ["GF"]),
        (55.5, -21.1, ["RE"]),
        (16.0, 78.5, ["SJ"]),
        (-68.27, 12.2, ["BQ"]),
        (105.65, -10.47, ["CX"]),
        (121.0, 24.0, ["TW"]),
        (17.08, -22.57, ["NA"]),
        (179.0, -16.7, ["FJ"]),
        (-179.93, -16.82, ["FJ"]),
        (-30.0, 0.0, []),
    ],
)
def test_points_lie_in_the_country_they_should(land, lon, lat, expected):
    assert country_at(land, lon, lat) == expected


def test_countries_hardly_overlap(land):
    tree = shapely.STRtree(land.geometry)
    first, second = tree.query(land.geometry, predicate="overlaps")
    once = first < second
    shared = shapely.intersection(land.geometry[first[once]], land.geometry[second[once]])
    assert shapely.area(shared).sum() < 1e-3


def test_facts_are_plausible(facts):
    people = {iso: row["population"] for iso, row in facts.items()}
    assert 8.20e9 < sum(people.values()) < 8.26e9
    assert sorted(iso for iso, n in people.items() if n == 0) == list(choices.UNINHABITED)
    assert facts["NA"]["name"] == "Namibia"
    assert facts["RS"]["population"] > 8_000_000
    assert {row["macro_region"] for row in facts.values()} == set(snapshot.MACRO_REGIONS)
    assert facts["BR"]["macro_region"] == "South America"
    assert facts["MX"]["macro_region"] == facts["CU"]["macro_region"] == "North America"
    assert facts["AQ"]["macro_region"] == "Other"
    assert all(row["gdp_per_capita_usd"] > 0 for row in facts.values() if row["population"])


def test_land_area_is_that_of_the_polygons(land, facts):
    area = polygon_area_m2(land.geometry) / 1e6
    stated = np.array([row["land_area_km2"] for row in facts.values()])
    assert np.allclose(area, stated, rtol=0, atol=2e-6)


def test_every_place_stands_on_land_of_its_country(land):
    table = snapshot.load_places(SNAPSHOT / snapshot.PLACES)
    code = country_codes.encode(table["country_iso"])
    lon, lat = table["lon_deg"].to_numpy(), table["lat_deg"].to_numpy()
    people = table["population"].to_numpy()
    assert people.min() > 0
    for own, shape in zip(land.code, land.geometry, strict=True):
        shapely.prepare(shape)
        here = code == own
        assert shapely.contains_xy(shape, lon[here], lat[here]).all()
    order = np.lexsort((table["geoname_id"].to_numpy(), -people, code))
    assert np.array_equal(order, np.arange(len(code)))


def test_land_cover_has_the_classes_of_igbp():
    cover = snapshot.load_land_cover(SNAPSHOT / snapshot.LAND_COVER)
    assert cover.shape == (3600, 7200)
    assert np.count_nonzero(cover == snapshot.IGBP_URBAN) == 26_961
    assert cover[int((90 - 48.86) / 0.05), int((180 + 2.35) / 0.05)] == snapshot.IGBP_URBAN


# Reading a snapshot


def write_countries(path, iso, shapes):
    wkb = [None if s is None else shapely.to_wkb(s) for s in shapes]
    pq.write_table(pa.table({"country_iso": iso, "geometry": pa.array(wkb, pa.binary())}), path)


@pytest.mark.parametrize(
    ("iso", "shapes", "message"),
    [
        (["BB", "AA"], [shapely.box(0, 0, 1, 1)] * 2, "ER03 .*row 1 is out of order"),
        (["AA", "AA"], [shapely.box(0, 0, 1, 1)] * 2, "ER03"),
        (["AA", "b1"], [shapely.box(0, 0, 1, 1)] * 2, "ER02 .*'b1'"),
        (["AA", "BB"], [shapely.box(0, 0, 1, 1), shapely.Polygon()], "ER04 .*BB has no land"),
        (["AA"], [None], "ER04 .*AA has no land"),
    ],
)
def test_wrong_countries_are_refused(tmp_path, iso, shapes, message):
    path = tmp_path / "countries.parquet"
    write_countries(path, iso, shapes)
    with pytest.raises(ReferenceSnapshotError, match=message):
        snapshot.load_countries(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("Africa,Northern", "Africa,Northern"), None),
        (("DZ,", "D,"), "ER02"),
        ((",Africa,47", ",Atlantis,47"), "ER05 .*macro_region row 0 is 'Atlantis'"),
        ((",47435312,", ",-1,"), "ER05 .*population row 0 is -1"),
        ((",2316559.0", ",inf"), "ER05 .*land_area_km2 row 0 is inf"),
        ((",4000.0,", ",nan,"), "ER05 .*gdp_per_capita_usd row 0 is nan"),
        (("country_iso,", "\ufeffcountry_iso,"), None),
        ((",47435312,", ",many,"), "ER01"),
        (("gdp_per_capita_usd", "gdp"), "ER01"),
    ],
)
def test_wrong_facts_are_refused(tmp_path, change, message):
    text = (
        "country_iso,alpha3,name,region,sub_region,intermediate_region,macro_region,population,"
        "population_source,gdp_per_capita_usd,land_area_km2\n"
        "DZ,DZA,Algeria,Africa,Northern Africa,,Africa,47435312,UN,4000.0,2316559.0\n"
    )
    path = tmp_path / "facts.csv"
    path.write_text(text.replace(*change))
    if message is None:
        assert snapshot.load_facts(path).num_rows == 1
    else:
        with pytest.raises(ReferenceSnapshotError, match=message):
            snapshot.load_facts(path)


def test_a_missing_or_broken_file_is_refused(tmp_path):
    with pytest.raises(ReferenceSnapshotError, match="ER01"):
        snapshot.load_places(tmp_path / "places.parquet", ["lon_deg"])
    broken = tmp_path / "land_cover.parquet"
    broken.write_bytes(b"PAR1 not really")
    with pytest.raises(ReferenceSnapshotError, match="ER01"):
        snapshot.load_land_cover(broken)
    pq.write_table(pa.table({"igbp": pa.array([0, 1], pa.uint8())}), broken)
    with pytest.raises(ReferenceSnapshotError, match="ER06"):
        snapshot.load_land_cover(broken)


def test_a_changed_file_is_named(tmp_path):
    folder = tmp_path / "reference"
    shutil.copytree(SNAPSHOT, folder)
    require_same(folder, SNAPSHOT)
    with open(folder / snapshot.FACTS, "a") as handle:
        handle.write("\n")
    with pytest.raises(ReferenceSnapshotError, match=f"ER10 .*{snapshot.FACTS}"):
        snapshot.verify_snapshot(folder)
    with pytest.raises(ReferenceSnapshotError, match=f"ER11 .*rebuilt {snapshot.FACTS} differs"):
        require_same(folder, SNAPSHOT)


# Building a snapshot


def test_the_last_bits_of_an_area_are_those_in_force():
    in_force = areas_of(SNAPSHOT)
    assert len(in_force) == 249
    built = {iso: area * (1.0 + 2e-12) for iso, area in in_force.items()}
    built["FR"] = in_force["FR"] + 0.001
    assert settle(built, in_force) == {**in_force, "FR": built["FR"]}
    assert settle(built, {}) == built


def test_a_source_must_be_installed_in_its_version():
    absent = Source("no-such-distribution", "1.0", "x", "", "", "")
    with pytest.raises(ReferenceSnapshotError, match="ER20 no-such-distribution: is not installed"):
        absent.path()
    with pytest.raises(ReferenceSnapshotError, match="ER20 numpy: is of version"):
        Source("numpy", "0.0.1", "x", "", "", "").path()
    version = np.__version__
    with pytest.raises(ReferenceSnapshotError, match="ER21 numpy: has no file nowhere"):
        Source("numpy", version, "nowhere", "", "", "").path()


def test_areas_without_a_code_go_where_the_choices_say():
    iso = iso_of_features(["FR", "-99", "-99", "XK", "TW"], ["FRA", "ESB", "SCR", "KOS", "TWN"])
    assert iso == ["FR", "CY", None, "RS", "TW"]


def test_territories_leave_their_multipolygon():
    france = shapely.multipolygons(
        [
            shapely.box(0, 45, 5, 50),
            shapely.box(-54, 3, -52, 5),
            shapely.box(55.2, -21.3, 55.8, -21),
        ]
    )
    other = shapely.box(-54, 3, -52, 5)
    parts = split_by_iso(np.array([france, other], dtype=object), ["FR", "BR"])
    assert {iso: len(p) for iso, p in parts.items()} == {"BR": 1, "FR": 1, "GF": 1, "RE": 1}


def test_lakes_are_cut_and_coordinates_lie_on_the_grid():
    lake = shapely.box(2.0, 2.0, 3.0, 3.0)
    continent = shapely.box(-10, -10, 10, 10).difference(lake)
    found = land_polygon(np.array([shapely.box(0.1, 0.1, 4.7, 4.7)], dtype=object), continent)
    assert found.is_valid
    assert found.area == pytest.approx(4.6**2 - 1.0, abs=1e-3)
    steps = shapely.get_coordinates(found) / choices.COORDINATE_STEP_DEG
    assert np.array_equal(steps, np.rint(steps))


def test_regions_follow_m49():
    natural_earth = {"KE": ("Africa", "Eastern Africa"), "VN": ("Asia", "South-Eastern Asia")}
    assert m49("KE", natural_earth) == ("Africa", "Sub-Saharan Africa", "Eastern Africa")
    assert m49("VN", natural_earth) == ("Asia", "South-eastern Asia", "")
    assert m49("GF", {}) == ("Americas", "Latin America and the Caribbean", "South America")
    assert macro_region("Americas", "South America") == "South America"
    assert macro_region("Americas", "Caribbean") == "North America"
    assert macro_region("Antarctica", "") == "Other"


def test_a_total_does_not_count_a_territory_twice():
    names = ("AX", "FI", "CC", "CX", "NF", "AU", "SJ", "NO", "HM")
    countries = {iso: {"isonumeric": i, "population": 10} for i, iso in enumerate(names)}
    un = {names.index("FI"): 1000, names.index("AU"): 500, names.index("NO"): 300}
    found = population(countries, un)
    assert found["FI"] == (990, "UN WPP 2024")
    assert found["AU"][0] == 470
    assert found["AX"] == (10, "GeoNames")
    assert found["HM"] == (0, "uninhabited")


def test_gdp_is_mended_by_the_sub_region():
    known = {"AA": (10.0, 1e3), "AB": (30.0, 1e3), "AC": (20.0, 1e3), "AD": (0.0, 50.0)}
    sub = dict.fromkeys(["AA", "AB", "AC", "AD", "AE"], "X") | {"BV": "X", "ZZ": "Y"}
    found = gdp_per_capita(known, sub)
    assert found["AA"] == 10_000.0
    assert found["AD"] == found["AE"] == 20_000.0
    assert found["BV"] == found["ZZ"] == 0.0


def test_facts_are_written_plainly():
    assert to_csv([{"a": "NA", "b": "x, y"}]) == 'a,b\nNA,"x, y"\n'


def test_offshore_points_move_to_the_nearest_land_and_no_others():
    land = shapely.multipolygons([shapely.box(0, 0, 1, 1), shapely.box(3, 0, 4, 1)])
    snapped = snap_to_land(land, np.array([0.5, 1.01, 2.9]), np.array([0.5, 0.5, 1.2]))
    assert (snapped.lon_deg[0], snapped.lat_deg[0], snapped.moved_m[0]) == (0.5, 0.5, 0.0)
    assert shapely.contains_xy(land, snapped.lon_deg, snapped.lat_deg).all()
    assert snapped.lon_deg[1] == pytest.approx(1.0, abs=2e-4)
    assert snapped.lon_deg[2] == pytest.approx(3.0, abs=2e-4)
    assert snapped.moved_m[1] == pytest.approx(0.01 * 111_195, rel=0.02)


def test_places_are_sorted_merged_and_dropped_when_far_off():
    def record(number, iso, lon, people):
        return {
            "geonameid": number,
            "name": f"p{number}",
            "latitude": 0.5,
            "longitude": lon,
            "countrycode": iso,
            "population": people,
            "timezone": "UTC",
        }

    rows = [
        record(1, "RS", 0.5, 10),
        record(2, "XK", 0.6, 30),
        record(3, "RS", 5.0, 99),
        record(4, "RS", 0.4, 0),
        record(5, "AN", 0.4, 7),
        record(6, "RS", 0.3, 10),
    ]
    table, counts = build_places(
        {str(i): r for i, r in enumerate(rows)},
        {"RS": shapely.multipolygons([shapely.box(0, 0, 1, 1)])},
    )
    assert table["geoname_id"].to_pylist() == [2, 1, 6]
    assert table.schema == snapshot.PLACES_SCHEMA
    assert counts["places_dropped"] == 2
    assert counts["population_dropped"] == 106


# Validating the surface


def test_census_regions_are_joined_and_compared():
    def feature(name, region, box):
        geometry = json.loads(shapely.to_geojson(shapely.box(*box)))
        properties = {"adm0_a3": "FRA" if region else "DEU", "name": name, "region": region}
        return {"properties": properties, "geometry": geometry}

    features = [
        feature("Nord", "Hauts", (0, 0, 1, 1)),
        feature("Aisne", "Hauts", (1, 0, 2, 1)),
        feature("Bayern", None, (5, 5, 6, 6)),
        feature("Berlin", None, (6, 5, 7, 6)),
    ]
    census = {("FRA", "Hauts"): 6.0, ("DEU", "Bayern"): 13.0, ("DEU", "Berlin"): 4.0}
    regions = join_regions(features, census)
    assert regions.name.tolist() == ["Bayern", "Berlin", "Hauts"]
    assert shapely.area(regions.geometry).tolist() == [1.0, 1.0, 2.0]
    with pytest.raises(ReferenceSnapshotError, match="ER23"):
        join_regions(features, census | {("DEU", "Nowhere"): 1.0})

    regions = Regions(
        np.array(["A", "A", "B", "B"]),
        np.array(list("wxyz")),
        regions.geometry,
        np.array([1.0, 3, 2, 6]),
    )
    exact = compare(regions, np.array([10.0, 30.0, 1.0, 3.0]))
    assert exact["median_relative_error"] == exact["people_misplaced"] == 0.0
    assert exact["spearman_population"] == pytest.approx(1.0)
    off = compare(regions, np.array([19.0, 21.0, 1.0, 3.0]))
    assert off["people_misplaced"] == pytest.approx(0.225 * 4 / 12)
    assert off["countries"]["A"]["median_relative_error"] == pytest.approx((0.9 + 0.3) / 2)


# Tables of real outlets


def test_the_manifest_tells_where_outlets_are_from():
    entries = snapshot.verify_snapshot(SNAPSHOT)["files"]
    assert {name: entries[name] for name in snapshot.OUTLET_FILES} == outlet_entries(SNAPSHOT)


def test_points_are_passed_on_where_their_licence_lets_them():
    entry = outlet_entries(SNAPSHOT)[snapshot.OUTLET_SAMPLES]
    assert entry["licence"] == "CC0 1.0; Licence Ouverte 2.0; IODL 2.0"


def test_outlets_without_provenance_are_refused(tmp_path):
    copy_outlets(SNAPSHOT, tmp_path)
    samples = tmp_path / snapshot.OUTLET_SAMPLES
    samples.write_text(
        samples.read_text(encoding="utf-8") + "other,,FR,2.0,48.0\n", encoding="utf-8"
    )
    with pytest.raises(ReferenceSnapshotError, match=r"ER24 .*'other'"):
        outlet_entries(tmp_path)


def test_outlets_stay_where_they_are():
    before = outlet_entries(SNAPSHOT)
    copy_outlets(SNAPSHOT, SNAPSHOT)
    assert outlet_entries(SNAPSHOT) == before
