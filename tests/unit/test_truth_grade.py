"""A user's own map: read, held against real outlets, printed; and the table of real outlets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from scripts.errors import ReferenceSnapshotError, ScoreError
from scripts.geo import snapshot
from scripts.scorers.truth.earth import read_density
from scripts.scorers.truth.grade import Grade, document_of, table_of
from scripts.scorers.truth.judgement import judge
from scripts.scorers.truth.own_map import Columns, rank_in_network, read_map
from scripts.scorers.truth.ranges import STATISTICS_SCHEMA, read_statistics, real_ranges, sources_of
from scripts.scorers.truth.real_sets import density_csv, index_of, provenance
from scripts.tables import to_json_bytes

SNAPSHOT = Path("resources/reference")


def _csv(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "map.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_usual_names_are_known(tmp_path: Path):
    sites = read_map(
        _csv(tmp_path, "Brand,country,lng,latitude\nb,NA,17,-22\na,FR,2,48\nb,NA,16,-22\n")
    )
    assert sites.lon.tolist() == [17.0, 2.0, 16.0]
    assert sites.lat.tolist() == [-22.0, 48.0, -22.0]
    assert sites.merchant[0] == sites.merchant[2] != sites.merchant[1]
    assert sites.country[0] == sites.country[2] != sites.country[1]
    assert sites.order.tolist() == [2, 1, 1]


def test_columns_can_be_named(tmp_path: Path):
    path = _csv(tmp_path, "m,c,e,n,lon\n1,FR,2,48,99\n")
    sites = read_map(path, Columns("m", "c", "e", "n"))
    assert (sites.lon[0], sites.lat[0]) == (2.0, 48.0)


def test_sites_without_a_merchant_are_alone(tmp_path: Path):
    sites = read_map(
        _csv(tmp_path, "chain,country,lon,lat\n,FR,2,48\nx,FR,2,48\n,FR,2,48\nx,FR,3,48\n")
    )
    assert len(np.unique(sites.merchant)) == 3
    alone = read_map(_csv(tmp_path, "country,lon,lat\nFR,2,48\nFR,2,48\n"))
    assert len(np.unique(alone.merchant)) == 2


def test_ids_of_the_egress_stay(tmp_path: Path):
    ids = np.array([2**64 - 1, 5, 5], dtype=np.uint64)
    table = pa.table(
        {
            "merchant_id": ids,
            "legal_country_iso": ["FR", "FR", "FR"],
            "site_order": np.array([1, 2, 1], dtype=np.int32),
            "lon_deg": [2.0, 3.0, 4.0],
            "lat_deg": [48.0, 48.0, 48.0],
        }
    )
    pq.write_table(table, tmp_path / "sites.parquet")
    sites = read_map(tmp_path / "sites.parquet")
    assert sites.merchant.tolist() == ids.tolist()
    assert sites.order.tolist() == [1, 2, 1]


NO_KEY = object()


def _geoparquet(path: Path, crs: object = NO_KEY) -> Path:
    points = shapely.to_wkb(shapely.points([[2.0, 48.0], [3.0, 49.0]]))
    column: dict[str, object] = {"encoding": "WKB", "geometry_types": ["Point"]}
    if crs is not NO_KEY:
        column["crs"] = crs
    geo = {"version": "1.1.0", "primary_column": "where", "columns": {"where": column}}
    table = pa.table({"chain": ["a", "b"], "country": ["FR", "FR"], "where": points.tolist()})
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), path)
    return path


def test_points_of_geoparquet(tmp_path: Path):
    sites = read_map(_geoparquet(tmp_path / "a.geoparquet"))
    assert sites.lon.tolist() == [2.0, 3.0]
    assert sites.lat.tolist() == [48.0, 49.0]


METRES = {"id": {"authority": "EPSG", "code": 3857}}


def _geographic(datum: str, unit: str = "degree") -> dict[str, object]:
    system = {"axis": [{"unit": unit}, {"unit": unit}]}
    return {"type": "GeographicCRS", "datum": {"name": datum}, "coordinate_system": system}


@pytest.mark.parametrize(
    ("crs", "told"),
    [
        (METRES, "EPSG:3857"),
        (None, "an unknown"),
        ("OGC:CRS84", "an unknown"),
        ({"type": "ProjectedCRS", "name": "of our own"}, "an unknown"),
        (_geographic("European Datum 1950"), "an unknown"),
        (_geographic("World Geodetic System 1984", "grad"), "an unknown"),
    ],
)
def test_geoparquet_in_another_reference_system_is_refused(tmp_path: Path, crs: object, told: str):
    with pytest.raises(ScoreError, match=f"ES41 .*geometry is in {told}"):
        read_map(_geoparquet(tmp_path / "a.parquet", crs))


def test_geoparquet_in_wgs84_needs_no_code(tmp_path: Path):
    crs = _geographic("World Geodetic System 1984")
    assert read_map(_geoparquet(tmp_path / "a.parquet", crs)).lon.tolist() == [2.0, 3.0]


def test_geometry_is_not_looked_at_beside_columns_of_degrees(tmp_path: Path):
    path = _geoparquet(tmp_path / "a.parquet", METRES)
    table = pq.read_table(path)
    for name, values in (("e", [4.0, 5.0]), ("n", [48.0, 49.0])):
        table = table.append_column(name, pa.array(values))
    pq.write_table(table, path)
    assert read_map(path, Columns(lon="e", lat="n")).lon.tolist() == [4.0, 5.0]


@pytest.mark.parametrize(
    "geo",
    [
        "{",
        "[]",
        "{}",
        '{"primary_column": "a", "columns": {}}',
        '{"primary_column": "x", "columns": {"x": {}}}',
    ],
)
def test_geoparquet_whose_metadata_name_no_column_is_refused(tmp_path: Path, geo: str):
    path = _geoparquet(tmp_path / "a.parquet")
    pq.write_table(pq.read_table(path).replace_schema_metadata({"geo": geo}), path)
    with pytest.raises(ScoreError, match=r"ES40 .*geometry column"):
        read_map(path)


@pytest.mark.parametrize("values", [[b"no", b"points"], ["POINT (2 48)", "POINT (3"], [1, 2]])
def test_geoparquet_without_points_is_refused(tmp_path: Path, values: list[object]):
    path = _geoparquet(tmp_path / "a.parquet")
    table = pq.read_table(path)
    pq.write_table(table.set_column(2, "where", pa.array(values)), path)
    with pytest.raises(ScoreError, match=r"ES41 .*where"):
        read_map(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chain,lon,lat\na,2,48\n", "ES40 .*no country"),
        ("chain,country,lat\na,FR,48\n", "ES40 .*no lon"),
        ("chain,country,lon,lat\na,France,2,48\n", "ES41 .*row 0: country 'France'"),
        ("chain,country,lon,lat\na,FR,2,48\na,,2,48\n", "ES41 .*row 1: country None"),
        ("chain,country,lon,lat\na,A1,2,48\n", "ES41 .*row 0: country 'A1'"),
        ("chain,country,lon,lat,site_order\na,FR,2,48,first\n", "ES41 .*site_order"),
        ("chain,country,lon,lat,site_order\na,FR,2,48,1\na,FR,2,48,\n", "ES41 .*site_order"),
        ("chain,country,lon,lat\na,FR,2,48\na,FR,181,48\n", "ES41 .*row 1: position"),
        ("chain,country,lon,lat\na,FR,2,\n", "ES41 .*row 0: position"),
        ("chain,country,lon,lat\na,FR,east,48\n", "ES41 .*positions"),
        ("chain,country,lon,lat,lon\na,FR,2,48,3\n", "ES40 .*column 'lon' stands twice"),
    ],
)
def test_what_is_no_map_is_told_in_one_line(tmp_path: Path, text: str, message: str):
    with pytest.raises(ScoreError, match=message) as error:
        read_map(_csv(tmp_path, text))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "code"),
    [("chain,country,lon,lat\ncafé,FR,2,48\n", "ES41"), ("café,country\na,FR\n", "ES40")],
)
def test_text_in_latin_1_is_told_in_one_line(tmp_path: Path, text: str, code: str):
    path = tmp_path / "map.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ScoreError, match=f"{code} .*UTF-8"):
        read_map(path)


@pytest.mark.parametrize("chain", [["a"], {"name": "a"}, b"caf\xe9"])
def test_merchants_that_are_no_names_are_refused(tmp_path: Path, chain: object):
    table = pa.table({"chain": [chain], "country": ["FR"], "lon": [2.0], "lat": [48.0]})
    pq.write_table(table, tmp_path / "map.parquet")
    with pytest.raises(ScoreError, match=r"ES41 .*merchants: ") as error:
        read_map(tmp_path / "map.parquet")
    assert "\n" not in str(error.value)


def test_a_merchant_that_is_not_a_number_is_alone(tmp_path: Path):
    values = [1.0, float("nan"), float("nan")]
    table = pa.table({"chain": values, "country": ["FR"] * 3, "lon": [2.0] * 3, "lat": [48.0] * 3})
    pq.write_table(table, tmp_path / "map.parquet")
    assert len(np.unique(read_map(tmp_path / "map.parquet").merchant)) == 3


def test_a_file_that_is_not_there(tmp_path: Path):
    for name in ("none.csv", "none.parquet"):
        with pytest.raises(ScoreError, match="ES40"):
            read_map(tmp_path / name)


def test_rank_in_network_is_that_of_positions():
    merchant = np.array([1, 1, 2, 1], dtype=np.uint64)
    country = np.array([4, 4, 4, 5], dtype=np.int16)
    rank = rank_in_network(merchant, country, np.array([9.0, 8.0, 1.0, 1.0]), np.zeros(4))
    assert rank.tolist() == [2, 1, 1, 1]


def _statistics(tmp_path: Path, *rows: str) -> pa.Table:
    path = tmp_path / "statistics.csv"
    path.write_text("\n".join([",".join(STATISTICS_SCHEMA.names), *rows]) + "\n", encoding="utf-8")
    return read_statistics(path)


def test_ranges_are_by_country_where_the_test_is(tmp_path: Path):
    table = _statistics(
        tmp_path,
        "a,source,CC0,,300,T1,.9,300",
        *(
            f"a,source,CC0,{iso},100,T1,{value},100"
            for iso, value in zip("ABC", (0.1, 0.2, 0.3), strict=True)
        ),
        "a,source,CC0,,300,T6,.3,300",
        "b,other,MIT,,10,T6,.5,10",
    )
    ranges = real_ranges(table)
    assert (ranges["T1"].median, ranges["T1"].values) == (0.2, 3)
    assert ranges["T6"].p10 == pytest.approx(0.32)
    assert "T8" not in ranges
    assert sources_of(table) == [("a", "source", "CC0"), ("b", "other", "MIT")]


def test_a_statistics_file_without_a_column_is_refused(tmp_path: Path):
    (tmp_path / "bad.csv").write_text("dataset\na\n", encoding="utf-8")
    with pytest.raises(ReferenceSnapshotError, match="ER01"):
        read_statistics(tmp_path / "bad.csv")


def _grade(tmp_path: Path) -> Grade:
    table = _statistics(tmp_path, "a,source,CC0,FR,100,T1,.1,100", "a,source,CC0,DE,100,T1,.6,100")
    rows = [judge("T1", 0.3, 100), judge("T3", 0.5, 100), judge("T9", 0.0, 3, "3 outlets")]
    return Grade(100, 1, rows, real_ranges(table), sources_of(table))


def test_a_grade_holds_when_what_was_measured_passes(tmp_path: Path):
    grade = _grade(tmp_path)
    assert not grade.holds
    assert Grade(1, 1, [grade.rows[0], grade.rows[2]], {}, []).holds


def test_the_table_of_a_grade(tmp_path: Path):
    lines = table_of(_grade(tmp_path), colours=False)
    assert "0.15 to 0.55 (2)" in lines[1]
    assert lines[1].endswith("holds, margin 60%")
    assert lines[2].endswith("FAILS: 0.5 is above 0.24")
    assert lines[3].endswith("not measured: 3 outlets")
    assert "1 of 2 measured tests hold; 100 sites in 1 country" in lines
    assert "  source (CC0)" in lines
    assert any("\033[31m" in line for line in table_of(_grade(tmp_path), colours=True))


def test_the_document_of_a_grade(tmp_path: Path):
    document = json.loads(to_json_bytes(document_of(_grade(tmp_path))))
    assert document["holds"] is False
    assert document["rows"][0]["real"]["median"] == 0.35
    assert document["rows"][1]["real"] is None
    assert document["sources"][0]["licence"] == "CC0"


def test_the_shipped_tables_are_readable():
    density = read_density(SNAPSHOT / snapshot.OUTLET_DENSITY)
    assert 30_000 < density.sum() < 36_000
    ranges = real_ranges(read_statistics(SNAPSHOT / snapshot.OUTLET_STATISTICS))
    assert ranges["T1"].values > 50
    assert all(set(vars(row)) for row in ranges.values())


def test_the_reference_density_is_the_mean_of_seeds(tmp_path: Path):
    files = []
    for name, isos in (("a", ["FR", "FR", "NA"]), ("b", ["FR", "FR", "FR", "DE"])):
        files.append(tmp_path / f"{name}.parquet")
        pq.write_table(pa.table({"legal_country_iso": isos}), files[-1])
    assert density_csv(files) == "country_iso,sites\nFR,2\n"


def test_an_index_names_its_sets(tmp_path: Path):
    (tmp_path / "INDEX.csv").write_text("name,raw,source\nx,3,somewhere (MIT)\n", encoding="utf-8")
    rows = index_of(tmp_path)
    assert provenance(rows[0]).content == "somewhere (MIT)"
    (tmp_path / "INDEX.csv").write_text("name\nx\n", encoding="utf-8")
    with pytest.raises(ScoreError, match=r"ES42 .*no column source"):
        index_of(tmp_path)
