"""Groups of countries: the division, the merge of the parts, and S4 to S8 in any number of them."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts import countries
from scripts.contracts import arrow_schema, dataset_stream, write_dataset, write_object
from scripts.errors import ContractError, SegmentError
from scripts.states import s4_alloc_plan, s7_site_synthesis
from scripts.states.groups import balance, group_of, members, part_names, read_members
from scripts.states.merging import join, merged_sites
from scripts.states.s8_site_locations import drop_other_parts
from scripts.states.spread import distinct_spreads
from scripts.tables import read_json, write_parquet
from tests.unit import s5_s9_world
from tests.unit.s5_s9_world import RUN_ID, SEED

GROUPS = (1, 2, 7, 32)
LOG = "rng_event_site_tile_assign"


def counts_of(*sites: int) -> dict[str, int]:
    return {countries.decode_one(3 + k): n for k, n in enumerate(sites)}


@given(
    st.lists(st.integers(0, 5000), min_size=1, max_size=250), st.sampled_from([1, 2, 3, 7, 32, 300])
)
def test_groups_partition_the_countries_and_are_balanced(sites, groups):
    counts = np.zeros(countries.CODES, dtype=np.int64)
    counts[3 : 3 + len(sites)] = sites
    group = balance(counts, groups)
    loads = np.bincount(group, weights=counts, minlength=groups)
    assert len(loads) == groups
    # Greedy division: what is above the mean came from one country.
    assert max(loads) <= counts.sum() / groups + counts.max()
    assert loads[0] > 0 or not counts.sum()
    last = part_names(groups)[-1]
    assert (members(counts_of(*sites), last) == (group == groups - 1)).all()


def test_the_division_is_the_greedy_one():
    counts = np.zeros(countries.CODES, dtype=np.int64)
    counts[3:7] = 5, 9, 5, 1
    assert balance(counts, 2)[3:7].tolist() == [1, 0, 1, 0]
    assert np.flatnonzero(members(counts_of(5, 9, 5, 1), "2-of-2")).tolist() == [3, 5]
    assert group_of("2-of-7") == (1, 7)


def sites_table(pairs: list[tuple[int, int, int]]) -> pa.Table:
    """Sites of (merchant, country code, number of sites)."""
    merchant, code, n = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    order = np.concatenate([np.arange(1, k + 1) for k in n])
    return pa.table(
        {
            "merchant_id": np.repeat(merchant, n).astype(np.uint64),
            "legal_country_iso": countries.decode(np.repeat(code, n)),
            "site_order": order.astype(np.int32),
            "u": (np.arange(len(order)) + 1) / (len(order) + 1),
        }
    )


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.integers(1, 40), st.integers(0, 40)), st.integers(1, 9), min_size=1
    ),
    st.sampled_from(GROUPS),
    st.integers(1, 30),
)
def test_parts_merge_to_the_whole_whatever_is_held(tmp_path_factory, pairs, groups, rows):
    folder = tmp_path_factory.mktemp("merge")
    whole = sites_table([(*key, n) for key, n in sorted(pairs.items())])
    lon = whole["u"].to_numpy() * 100.0
    whole = whole.drop_columns("u").append_column(
        "tile_id", pa.array(np.arange(len(lon)), "uint64")
    )
    whole = whole.append_column("lon_deg", [lon]).append_column("lat_deg", [-lon / 2.0])
    codes = countries.encode(whole["legal_country_iso"])
    group = balance(np.bincount(codes, minlength=countries.CODES), groups)[codes]
    paths = []
    for k in range(groups):
        paths.append(str(folder / f"{k}.parquet"))
        write_dataset("s7_site_synthesis", paths[-1], whole.filter(pa.array(group == k)))
    merged = join(list(merged_sites(paths, rows)))
    assert merged.sites.merchant.tolist() == whole["merchant_id"].to_pylist()
    assert merged.sites.country.tolist() == codes.tolist()
    assert merged.sites.order.tolist() == whole["site_order"].to_pylist()
    assert merged.lon.tolist() == lon.tolist()
    assert merged.lat.tolist() == (-lon / 2.0).tolist()
    shutil.rmtree(folder)


@pytest.mark.parametrize("metadata", [None, {"b": "1", "a": "2"}])
@pytest.mark.parametrize("rows", [0, 1, 30_000])
def test_a_stream_has_the_bytes_of_the_whole_however_it_is_cut(tmp_path, rows, metadata):
    table = sites_table([(m, 5, 3) for m in range(1, 10_001)]).slice(0, rows)
    table = table.replace_schema_metadata(metadata)
    write_dataset(LOG, tmp_path / "whole.parquet", table)
    with dataset_stream(LOG, tmp_path / "stream.parquet", metadata) as stream:
        for start in range(0, rows, 7001):
            stream.write(table.slice(start, 7001))
    assert (tmp_path / "stream.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_row_groups_are_those_of_the_whole(tmp_path):
    table = sites_table([(m, 5, 1) for m in range(1, 2501)])
    with dataset_stream(LOG, tmp_path / "a.parquet", row_group=1000) as stream:
        for start in range(0, 2500, 300):
            stream.write(table.slice(start, 300))
    metadata = pq.read_metadata(tmp_path / "a.parquet")
    assert [metadata.row_group(k).num_rows for k in range(metadata.num_row_groups)] == [
        1000,
        1000,
        500,
    ]


def test_a_stream_out_of_order_is_refused_and_leaves_nothing(tmp_path):
    table = sites_table([(1, 5, 4)])

    def publish() -> None:
        with dataset_stream(LOG, tmp_path / "a.parquet") as stream:
            stream.write(table)
            stream.write(table.slice(0, 2))

    with pytest.raises(ContractError, match=r"EX12 .*from row 4 on"):
        publish()
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """S4's plan to S8 of the small world in every number of groups: folder and files."""
    made = {}
    for groups in GROUPS:
        folder = tmp_path_factory.mktemp(f"groups{groups}")
        made[groups] = (folder, s5_s9_world.build(folder, groups))
    return made


@pytest.mark.parametrize("groups", GROUPS)
def test_egress_and_reports_do_not_depend_on_the_groups(worlds, groups):
    whole, _ = worlds[1]
    folder, path = worlds[groups]
    for name in ("site_locations.parquet", *(f"s{k}.json" for k in range(5, 9))):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name
    land = len(s5_s9_world.make_countries().iso)
    for files in (path["plan"], path["assignment"], path["jitter"], path["synthesis"]):
        rows = [pq.read_metadata(file).num_rows for file in files]
        assert np.count_nonzero(rows) == min(groups, land)
    s4, expected = read_json(folder / "s4.json"), read_json(whole / "s4.json")
    assert s4 == expected


def test_an_earlier_division_leaves_nothing(tmp_path):
    for path in ("1-of-2.parquet", "2-of-2.parquet", "tally/2-of-2.json", "1-of-1.parquet"):
        (tmp_path / "s5" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "s5" / path).touch()
    (tmp_path / "s5/s5_run_report.json").touch()
    drop_other_parts([tmp_path / "s5"], {"1-of-1"})
    left = sorted(path.name for path in tmp_path.rglob("*.*"))
    assert left == ["1-of-1.parquet", "s5_run_report.json"]


def swap_neighbours(table: pa.Table) -> pa.Table:
    """Two neighbouring rows of one merchant in different countries, exchanged."""
    codes = countries.encode(table["legal_country_iso"])
    merchant = table["merchant_id"].to_numpy()
    row = int(np.argmax((codes[1:] != codes[:-1]) & (merchant[1:] == merchant[:-1])))
    order = np.arange(len(table))
    order[[row, row + 1]] = row + 1, row
    return table.take(order)


def shifted(column: str, by: float) -> Callable[[pa.Table], pa.Table]:
    """A change of one value in the middle of a column."""

    def change(table: pa.Table) -> pa.Table:
        values = table[column].to_numpy().copy()
        values[len(values) // 2] += by
        place = table.schema.get_field_index(column)
        return table.set_column(place, column, pa.array(values, table.schema.field(column).type))

    return change


@pytest.mark.parametrize(
    ("role", "change"),
    [
        ("jitter", lambda table: table.slice(1)),
        ("jitter", swap_neighbours),
        ("jitter", shifted("tile_id", 1)),
        ("jitter", shifted("delta_lat_deg", 0.9)),
        ("assignment", lambda table: table.slice(0, len(table) - 1)),
        ("outlet_catalogue", lambda table: table.slice(1)),
        ("steering_ledger", lambda table: table.slice(1)),
        ("reroute_ledger", shifted("n_sites", 1)),
    ],
)
def test_s7_in_groups_refuses_what_one_job_refuses(worlds, tmp_path, role, change):
    def refusals(groups: int) -> set[str]:
        """Codes of all parts; the second part's own file is the one that is changed."""
        _, path = worlds[groups]
        found = set()
        for k, part in enumerate(part_names(groups)):
            files = {
                name: value[k] if isinstance(value, list) else value for name, value in path.items()
            }
            if not isinstance(path[role], list) or k == min(1, groups - 1):
                files[role] = str(tmp_path / "changed")
                original = path[role][k] if isinstance(path[role], list) else path[role]
                write_parquet(files[role], change(pq.read_table(original)))
            made = SimpleNamespace(
                synthesis=str(tmp_path / "synthesis"), tally=str(tmp_path / "tally")
            )
            job = SimpleNamespace(run_id=RUN_ID, seed=str(SEED), part=part)
            try:
                s7_site_synthesis.main(SimpleNamespace(**files), made, None, job)
            except SegmentError as error:
                assert {path.name for path in tmp_path.iterdir()} <= {"changed"}
                found.add(error.code)
            else:
                Path(made.synthesis).unlink()
                Path(made.tally).unlink()
        return found

    whole = refusals(1)
    assert len(whole) == 1
    assert whole == refusals(7)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """Weights and guarded pairs of a dozen countries; paths by input name."""
    folder = tmp_path_factory.mktemp("tiles")
    rng = np.random.default_rng(3)
    codes = np.repeat(np.arange(40, 52), rng.integers(20, 400, 12))
    tile_id = np.concatenate(
        [np.sort(rng.choice(5000, (codes == code).sum(), replace=False)) for code in range(40, 52)]
    ).astype(np.uint64)
    weight = rng.integers(1, 10**6, len(codes))
    shared = {"country_iso": countries.decode(codes), "tile_id": tile_id}
    scale = np.array([weight[codes == code].sum() for code in codes])
    fixed = (weight / scale * 10**9).astype(np.int64)
    fixed[np.unique(codes, return_index=True)[1]] += 10**9 - np.array(
        [fixed[codes == code].sum() for code in range(40, 52)]
    )
    dp = pa.array(np.full(len(codes), 9), arrow_schema("tile_weights").field("dp").type)
    columns = {**shared, "weight_fp": fixed, "dp": dp}
    extra = [n for n in arrow_schema("tile_weights").names if n not in columns]
    assert not extra
    write_dataset("tile_weights", folder / "tile_weights", pa.table(columns))
    merchant = np.sort(rng.integers(1, 60, 300))
    pair = np.unique(np.stack([merchant, rng.integers(40, 52, 300)]), axis=1)
    write_dataset(
        "s4_guarded_pairs",
        folder / "pairs",
        pa.table(
            {
                "merchant_id": pair[0].astype(np.uint64),
                "legal_country_iso": countries.decode(pair[1]),
                "n_sites": rng.integers(1, 40, pair.shape[1]),
                "abroad": rng.random(pair.shape[1]) < 0.4,
            }
        ),
    )
    held = np.bincount(pair[1], minlength=countries.CODES)
    summary = {
        "merchants_total": 59,
        "sites_rerouted": 0,
        "distance_before": 0.5,
        "distance": 0.25,
        "concentration": {"wanted": {}, "before": {}, "after": {}},
        "by_country": {countries.decode_one(int(c)): int(held[c]) for c in np.flatnonzero(held)},
    }
    write_object("s4_guard_summary", folder / "summary", summary)
    names = ("tile_weights", "pairs", "summary")
    return {
        **{name: str(folder / name) for name in names},
        "places": "resources/reference/places.parquet",
        "tile_policy": "config/layer1/1B/policy/policy.s1.tile_index.yaml",
    }


@pytest.mark.parametrize(
    "policy", ["policy.s4.alloc_plan.yaml", "policy.s4.alloc_plan.legacy.yaml"]
)
@pytest.mark.parametrize("groups", [1, 7, pytest.param(32, marks=pytest.mark.slow)])
def test_s4_in_groups_plans_what_one_job_plans(tiles, tmp_path, policy, groups):
    inputs = SimpleNamespace(**tiles, policy=f"config/layer1/1B/policy/{policy}")

    def plan(parts: list[str]) -> tuple[pa.Table, object, int]:
        """Plan, spreads and rows of all parts."""
        for part in parts:
            outputs = SimpleNamespace(
                plan=str(tmp_path / f"{part}.plan"),
                spread=str(tmp_path / f"{part}.spread"),
                tally=str(tmp_path / f"{part}.tally"),
            )
            s4_alloc_plan.main(inputs, outputs, None, SimpleNamespace(part=part, seed="42"))
        tables = [pq.read_table(tmp_path / f"{part}.plan") for part in parts]
        keys = ["merchant_id", "legal_country_iso", "tile_id"]
        whole = pa.concat_tables(tables).sort_by([(key, "ascending") for key in keys])
        spreads = [pq.read_table(tmp_path / f"{part}.spread") for part in parts]
        tallies = [read_json(tmp_path / f"{part}.tally") for part in parts]
        rows, active = (sum(tally[name] for tally in tallies) for name in ("rows", "active_tiles"))
        return whole, distinct_spreads(spreads).table(), (rows, active)

    one, many = plan(["1-of-1"]), plan(part_names(groups))
    assert one[0].equals(many[0])
    assert one[1].equals(many[1])
    assert one[2] == many[2]
    assert one[2][0] == one[0].num_rows


def test_members_are_read_from_a_table_of_all_countries(tiles):
    mine = members(read_json(tiles["summary"])["by_country"], "2-of-3")
    names = ["country_iso", "tile_id", "weight_fp"]
    found = read_members("tile_weights", tiles["tile_weights"], mine, names)
    table = pq.read_table(tiles["tile_weights"])
    kept = mine[countries.encode(table["country_iso"])]
    assert 0 < kept.sum() < len(kept)
    assert found["tile_id"].tolist() == table["tile_id"].to_numpy()[kept].tolist()
    nobody = read_members("tile_weights", tiles["tile_weights"], np.zeros(676, dtype=bool), names)
    assert [len(column) for column in nobody.values()] == [0, 0, 0]
    assert arrow_schema("tile_weights").field("tile_id").type == pa.uint64()
