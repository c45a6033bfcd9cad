import csv
import json
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from scripts import countries
from scripts.contracts import write_dataset
from scripts.errors import ContractError
from scripts.exports import export_sites
from scripts.states.s8_site_locations import geoparquet_metadata

PAGE = Path(__file__).resolve().parents[2] / "docs/sites.md"


@pytest.fixture
def sites(tmp_path):
    rng = np.random.default_rng(11)
    n = 40
    lon, lat = rng.uniform(-180, 180, n), rng.uniform(-90, 90, n)
    merchant = np.repeat(np.arange(1, 9, dtype=np.uint64), 5)
    iso = countries.decode(np.full(n, countries.encode_one("NA")))
    table = pa.table(
        {
            "merchant_id": merchant,
            "legal_country_iso": iso,
            "site_order": np.tile(np.arange(1, 6, dtype=np.int32), 8),
            "lon_deg": lon,
            "lat_deg": lat,
            "geometry": pa.array(shapely.to_wkb(shapely.points(lon, lat)), pa.binary()),
        }
    ).replace_schema_metadata(geoparquet_metadata([lon.min(), lat.min(), lon.max(), lat.max()]))
    path = tmp_path / "site_locations.parquet"
    write_dataset("site_locations", path, table)
    return path, table


def export(source, target):
    export_sites.main(
        SimpleNamespace(site_locations=str(source)),
        SimpleNamespace(sites=str(target)),
        None,
        SimpleNamespace(suffix=target.suffix[1:]),
    )


def test_csv_reads_back_exactly(sites, tmp_path):
    path, table = sites
    export(path, tmp_path / "sites.csv")
    with open(tmp_path / "sites.csv", newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0]) == export_sites.COLUMNS
    assert [float(row["lon_deg"]) for row in rows] == table["lon_deg"].to_pylist()
    assert [int(row["merchant_id"]) for row in rows] == table["merchant_id"].to_pylist()
    assert {row["legal_country_iso"] for row in rows} == {"NA"}


def test_geojson_is_a_collection_of_points(sites, tmp_path):
    path, table = sites
    export(path, tmp_path / "sites.geojson")
    document = json.loads((tmp_path / "sites.geojson").read_text(encoding="utf-8"))
    assert document["type"] == "FeatureCollection"
    found = [feature["geometry"]["coordinates"] for feature in document["features"]]
    columns = (table["lon_deg"].to_pylist(), table["lat_deg"].to_pylist())
    assert found == [list(pair) for pair in zip(*columns, strict=True)]
    assert len(geopandas.read_file(tmp_path / "sites.geojson")) == table.num_rows


@pytest.mark.parametrize("suffix", ["csv", "geojson"])
def test_text_is_written_without_reading_geometry(sites, tmp_path, suffix):
    path, table = sites
    pq.write_table(table.drop_columns(["geometry"]), path)
    export(path, tmp_path / f"sites.{suffix}")
    assert (tmp_path / f"sites.{suffix}").stat().st_size


def test_geopackage_holds_points_ids_and_no_clock(sites, tmp_path):
    path, table = sites
    for name in ("a", "b"):
        export(path, tmp_path / name / "sites.gpkg")
    first = (tmp_path / "a/sites.gpkg").read_bytes()
    assert first == (tmp_path / "b/sites.gpkg").read_bytes()
    frame = geopandas.read_file(tmp_path / "a/sites.gpkg")
    assert frame.crs.to_epsg() == 4326
    assert np.array_equal(frame.geometry.x, table["lon_deg"])
    assert frame["merchant_id"].tolist() == table["merchant_id"].to_pylist()
    with sqlite3.connect(tmp_path / "a/sites.gpkg") as base:
        assert base.execute("select last_change from gpkg_contents").fetchall() == [
            (export_sites._LAST_CHANGE,)
        ]
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["sites.gpkg"]


def test_geopackage_refuses_ids_that_it_cannot_hold():
    with pytest.raises(ContractError, match=r"EX22 site_locations: merchant_id row 1 is"):
        export_sites.signed_ids(np.array([1, 1 << 63], dtype=np.uint64))


def test_geopackage_without_its_library_says_what_to_install(sites, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyogrio", None)
    with pytest.raises(ContractError, match=r"EX21 .*make export FORMAT=gpkg"):
        export(sites[0], tmp_path / "sites.gpkg")
    assert not (tmp_path / "sites.gpkg").exists()


def one_liners():
    lines = re.findall(r'^python -c "(.+site_locations\.parquet.+)"$', PAGE.read_text(), re.M)
    return [line.replace("\\$", "$") for line in lines]


def test_the_page_shows_both_libraries():
    text = " ".join(one_liners())
    assert "geopandas" in text
    assert "duckdb" in text


@pytest.mark.parametrize("line", one_liners())
def test_one_liner_of_the_page_runs(line, sites):
    result = subprocess.run(
        [sys.executable, "-c", line],
        cwd=sites[0].parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "NA" in result.stdout
