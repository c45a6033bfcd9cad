import json
from pathlib import Path
from types import SimpleNamespace

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from scripts.errors import ContractError, StateError
from scripts.states import s7_site_synthesis
from scripts.states.pair_counts import (
    PairCounts,
    sum_pairs,
)
from scripts.states.s7_site_synthesis import require_conservation, synthesise
from scripts.states.s8_site_locations import bounding_box, point_coordinates, wkb_points
from scripts.states.sites import absolute_deg
from scripts.tables import write_parquet
from tests.unit import s5_s9_world
from tests.unit.s5_s9_world import GRID, RUN_ID, SEED

WILDCARDS = SimpleNamespace(run_id=RUN_ID, seed=str(SEED), part="1-of-1")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("egress")
    return folder, s5_s9_world.build(folder)


def test_worked_example_and_edges():
    tile = GRID.tile_id(np.array([0, 1079, 2159]), np.array([0, 4319, 2160]))
    lon, lat, near = synthesise(
        tile, np.array([0.01, 0.02, 0.0]), np.array([-0.01, 0.08, 0.13]), GRID
    )
    assert lon == pytest.approx([-180 + 1 / 24 + 0.01, 180 - 1 / 24 + 0.02, 1 / 24])
    assert lat == pytest.approx([90 - 1 / 24 - 0.01, 1 / 24 + 0.08, -90 + 1 / 24 + 0.13])
    assert near.tolist() == [True, True, False]


def test_longitudes_wrap():
    lon, _ = absolute_deg(
        np.array([179.9, -179.9]), np.zeros(2), np.array([0.2, -0.2]), np.zeros(2)
    )
    assert lon == pytest.approx([-179.9, 179.9])
    assert absolute_deg(np.array([179.5]), np.zeros(1), np.array([0.5]), np.zeros(1))[0] == [-180.0]


def test_pairs_are_summed_whatever_their_order():
    part = PairCounts(
        np.array([2, 1, 2, 2], dtype=np.uint64),
        np.array([5, 5, 4, 5], dtype=np.int16),
        np.array([1, 2, 3, -1]),
    )
    total = sum_pairs([part])
    assert list(zip(total.merchant, total.country, total.n_sites, strict=True)) == [
        (1, 5, 2),
        (2, 4, 3),
    ]


def _inputs(path, folder, **changes):
    """S7 on the world's files, some of them replaced by changed copies."""
    path = {name: file[0] if isinstance(file, list) else file for name, file in path.items()}
    for name, change in changes.items():
        table = change(pq.read_table(path[name]))
        path[name] = str(folder / f"changed_{name}.parquet")
        write_parquet(path[name], table)
    return SimpleNamespace(**path)


def _set(column, row, value):
    def change(table):
        values = table.column(column).to_numpy(zero_copy_only=False).copy()
        values[row] = value
        place = table.schema.get_field_index(column)
        return table.set_column(place, column, pa.array(values, table.schema.field(column).type))

    return change


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"jitter": lambda t: t.slice(1)}, "E701"),
        ({"assignment": lambda t: t.slice(0, len(t) - 1)}, "E702"),
        ({"assignment": lambda t: t.take([0, *range(len(t))])}, "E703"),
        ({"jitter": _set("tile_id", 5, 77)}, "E709"),
        ({"jitter": _set("delta_lat_deg", 5, 0.9)}, "E707"),
        ({"outlet_catalogue": lambda t: t.slice(1)}, "E708"),
        ({"reroute_ledger": _set("n_sites", 0, 2)}, "E708"),
        ({"steering_ledger": lambda t: t.slice(1)}, "E708"),
    ],
)
def test_a_broken_chain_is_refused_and_nothing_written(world, tmp_path, changes, code):
    _, path = world
    outputs = SimpleNamespace(synthesis=str(tmp_path / "x.parquet"), tally=str(tmp_path / "x"))
    with pytest.raises(StateError) as caught:
        s7_site_synthesis.main(_inputs(path, tmp_path, **changes), outputs, None, WILDCARDS)
    assert caught.value.code == code
    assert not list(tmp_path.glob("x*"))
    assert "merchant" in str(caught.value)


def test_a_part_that_was_cut_is_refused_by_name(world, tmp_path):
    _, path = world
    cut = tmp_path / "1-of-1.parquet"
    cut.write_bytes(Path(path["synthesis"][0]).read_bytes()[:-50])
    with pytest.raises(ContractError, match=r"EX01 .*1-of-1\.parquet"):
        bounding_box([*path["synthesis"], cut])


def test_the_unbalanced_pair_is_named():
    one = PairCounts(np.array([9], dtype=np.uint64), np.array([0], dtype=np.int16), np.array([3]))
    two = PairCounts(one.merchant, one.country, np.array([2]))
    with pytest.raises(StateError, match=r"E708 .*merchant 9 country AA: .* 1 above the sites"):
        require_conservation(one, [], two, "catalogue")


def test_ledgers_carry_the_outlets_to_the_sites(world):
    folder, _ = world
    counts = s5_s9_world.report_of(folder, "s7")["counts"]
    assert counts["outlets_upstream"] == counts["sites_total"] == 12 * 120
    assert counts["sites_steered"] == counts["sites_rerouted"] == 1


def test_geopandas_opens_the_egress_and_the_geometry_is_the_coordinates(world):
    _, path = world
    frame = geopandas.read_parquet(path["site_locations"])
    assert list(frame.columns) == [
        "merchant_id",
        "legal_country_iso",
        "site_order",
        "lon_deg",
        "lat_deg",
        "geometry",
    ]
    assert frame.crs.to_string() == "OGC:CRS84"
    assert (frame.geometry.x == frame.lon_deg).all()
    assert (frame.geometry.y == frame.lat_deg).all()
    geo = json.loads(pq.read_schema(path["site_locations"]).metadata[b"geo"])
    assert geo["columns"]["geometry"]["bbox"] == pytest.approx(list(frame.total_bounds), abs=0)


def test_the_egress_has_the_same_bytes_every_time(world, tmp_path):
    folder, path = world
    again = s5_s9_world.gather(tmp_path, path, [s5_s9_world.part_files(folder, "1-of-1")])
    with open(path["site_locations"], "rb") as old, open(again, "rb") as new:
        assert old.read() == new.read()


def test_wkb_is_shapelys_and_reads_back():
    lon, lat = np.array([0.1, -179.99999]), np.array([-45.0, 89.5])
    made = wkb_points(lon, lat)
    assert made.to_pylist() == shapely.to_wkb(shapely.points(lon, lat), byte_order=1).tolist()
    x, y = point_coordinates(pa.chunked_array([made.slice(1)]))
    assert (x.tolist(), y.tolist()) == ([lon[1]], [lat[1]])
    assert point_coordinates(pa.array([b"123"])) is None
    line = shapely.to_wkb(shapely.LineString([(0, 0), (1, 1)]), byte_order=1)
    assert point_coordinates(pa.array([line])) is None
    big_endian = shapely.to_wkb(shapely.Point(1, 2), byte_order=0)
    assert point_coordinates(pa.array([big_endian])) is None
    assert point_coordinates(pa.array([None], pa.binary())) is None
