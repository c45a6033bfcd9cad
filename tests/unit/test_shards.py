"""Scale-out: planner, streams and the laws of S4 to S8 in shards."""

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
from scripts.contracts import arrow_schema, dataset_stream, write_dataset
from scripts.errors import ContractError, SegmentError
from scripts.policies import load_policy
from scripts.shards import (
    gather_s4_alloc_plan,
    gather_s5_site_tile_assignment,
    gather_s6_site_jitter,
    gather_s7_site_synthesis,
    gather_s8_site_locations,
    s4_part,
    s5_part,
    s6_part,
    s7_part,
    s8_part,
)
from scripts.shards.plan import balance, members, shard_names
from scripts.shards.streams import as_table, merged_blocks, read_members, write_part
from scripts.states import s4_alloc_plan, s7_site_synthesis
from scripts.tables import read_json, to_json_bytes, write_json, write_parquet
from tests.unit import s5_s9_world
from tests.unit.s5_s9_world import RUN_ID, SEED

SHARDS = (1, 2, 7, 32)
LOG = "rng_event_site_tile_assign"


def counts_of(*sites: int) -> np.ndarray:
    counts = np.zeros(countries.CODES, dtype=np.int64)
    counts[3 : 3 + len(sites)] = sites
    return counts


@given(
    st.lists(st.integers(0, 5000), min_size=1, max_size=250), st.sampled_from([1, 2, 3, 7, 32, 300])
)
def test_shards_partition_the_countries_and_are_balanced(sites, shards):
    counts = counts_of(*sites)
    mine = np.array([members(counts, name) for name in shard_names(shards)])
    assert (mine.sum(axis=0) == 1).all()
    loads = mine @ counts
    # Greedy division: what is above the mean came from one country.
    assert max(loads) <= counts.sum() / shards + counts.max()


def test_the_plan_is_the_greedy_one():
    counts = counts_of(5, 9, 5, 1)
    assert balance(counts, 2)[3:7].tolist() == [1, 0, 1, 0]
    assert np.flatnonzero(members(counts, "2-of-2")).tolist() == [3, 5]


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
    st.sampled_from(SHARDS),
    st.integers(1, 30),
)
def test_parts_merge_to_the_whole_whatever_is_held(tmp_path_factory, pairs, shards, rows):
    folder = tmp_path_factory.mktemp("merge")
    whole = sites_table([(*key, n) for key, n in sorted(pairs.items())])
    write_dataset(LOG, folder / "whole.parquet", whole)
    codes = countries.encode(whole["legal_country_iso"])
    shard = balance(np.bincount(codes, minlength=countries.CODES), shards)
    paths = []
    for k in range(shards):
        mine = shard == k
        part = read_members(LOG, folder / "whole.parquet", mine, arrow_schema(LOG).names)
        assert part.num_rows == int(mine[codes].sum())
        paths.append(str(folder / f"{k}.parquet"))
        write_part(LOG, paths[-1], part)
    with dataset_stream(LOG, folder / "merged.parquet") as stream:
        for block in merged_blocks(LOG, paths, rows):
            stream.write(as_table(block, arrow_schema(LOG).names))
    merged, made = (folder / f"{name}.parquet" for name in ("merged", "whole"))
    assert merged.read_bytes() == made.read_bytes()
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
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    return s5_s9_world.build(folder)


def shard_files(folder: Path, world: dict[str, str], shards: int) -> SimpleNamespace:
    """Parts of S5 to S8 of the world in shards; files by role."""
    roles = ("sites", "placed", "events", "cells", "coordinates", "flows", "egress", "extents")
    found = {name: [] for name in roles}
    for name in shard_names(shards):
        wildcards = SimpleNamespace(run_id=RUN_ID, seed=str(SEED), shard=name)
        path = {role: str(folder / name / role) for role in found}
        s5_part.main(
            SimpleNamespace(**{**world, "policy": world["assignment_policy"]}),
            SimpleNamespace(sites=path["sites"]),
            None,
            wildcards,
        )
        s6_part.main(
            SimpleNamespace(**{**world, "policy": world["jitter_policy"]}),
            SimpleNamespace(sites=path["placed"], events=path["events"], cells=path["cells"]),
            None,
            wildcards,
        )
        s7_part.main(
            SimpleNamespace(**world),
            SimpleNamespace(sites=path["coordinates"], flows=path["flows"]),
            None,
            wildcards,
        )
        s8_part.main(
            SimpleNamespace(**world),
            SimpleNamespace(sites=path["egress"], extent=path["extents"]),
            None,
            wildcards,
        )
        for role, file in path.items():
            found[role].append(file)
    return SimpleNamespace(**found)


@pytest.mark.parametrize("shards", SHARDS)
def test_s5_to_s8_in_shards_have_the_bytes_of_one_job(world, tmp_path, shards):
    parts = shard_files(tmp_path, world, shards)
    wildcards = SimpleNamespace(run_id=RUN_ID, seed=str(SEED))
    s5 = {name: str(tmp_path / name) for name in ("assignment", "rng_log", "report")}
    gather_s5_site_tile_assignment.main(
        SimpleNamespace(sites=parts.sites, policy=world["assignment_policy"]),
        SimpleNamespace(**s5),
        None,
        wildcards,
    )
    s6 = {name: str(tmp_path / f"s6_{name}") for name in ("jitter", "rng_log", "report")}
    gather_s6_site_jitter.main(
        SimpleNamespace(
            sites=parts.placed,
            events=parts.events,
            cells=parts.cells,
            policy=world["jitter_policy"],
        ),
        SimpleNamespace(**s6),
        None,
        wildcards,
    )
    s7 = {name: str(tmp_path / f"s7_{name}") for name in ("synthesis", "summary")}
    gather_s7_site_synthesis.main(
        SimpleNamespace(sites=parts.coordinates, flows=parts.flows),
        SimpleNamespace(**s7),
        None,
        wildcards,
    )
    s8 = {name: str(tmp_path / f"s8_{name}") for name in ("site_locations", "summary")}
    gather_s8_site_locations.main(
        SimpleNamespace(sites=parts.egress, extents=parts.extents),
        SimpleNamespace(**s8),
        None,
        wildcards,
    )
    folder = Path(world["assignment"]).parent
    expected = {
        s5["assignment"]: world["assignment"],
        s5["rng_log"]: world["assignment_log"],
        s5["report"]: folder / "s5.json",
        s6["jitter"]: world["jitter"],
        s6["rng_log"]: world["jitter_log"],
        s6["report"]: folder / "s6.json",
        s7["synthesis"]: world["synthesis"],
        s7["summary"]: folder / "s7.json",
        s8["site_locations"]: world["site_locations"],
        s8["summary"]: folder / "s8.json",
    }
    for made, whole in expected.items():
        assert Path(made).read_bytes() == Path(whole).read_bytes(), made
    land = len(s5_s9_world.make_countries().iso)
    for files in (parts.sites, parts.placed, parts.coordinates, parts.egress):
        rows = [pq.read_metadata(file).num_rows for file in files]
        assert sum(rows) == pq.read_metadata(world["synthesis"]).num_rows
        assert np.count_nonzero(rows) == min(shards, land)


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
def test_s7_in_shards_refuses_what_one_job_refuses(world, tmp_path, role, change):
    changed = str(tmp_path / "changed")
    write_parquet(changed, change(pq.read_table(world[role])))
    inputs = SimpleNamespace(**{**world, role: changed})
    wildcards = SimpleNamespace(run_id=RUN_ID, seed=str(SEED))

    def refusal(main: Callable[..., None], job: SimpleNamespace) -> str:
        made = {name: str(tmp_path / name) for name in ("synthesis", "summary", "sites", "flows")}
        try:
            main(inputs, SimpleNamespace(**made), None, job)
        except SegmentError as error:
            assert [path.name for path in tmp_path.iterdir()] == ["changed"]
            return error.code
        for name in ("sites", "flows"):
            Path(made[name]).unlink()
        return ""

    expected = refusal(s7_site_synthesis.main, wildcards)
    parts = {
        refusal(s7_part.main, SimpleNamespace(**vars(wildcards), shard=shard))
        for shard in shard_names(7)
    }
    assert expected.startswith("E7")
    assert expected in parts <= {expected, ""}


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """Curve, weights and guarded pairs of a dozen countries; paths by input name."""
    folder = tmp_path_factory.mktemp("tiles")
    rng = np.random.default_rng(3)
    codes = np.repeat(np.arange(40, 52), rng.integers(20, 400, 12))
    tile_id = np.concatenate(
        [np.sort(rng.choice(5000, (codes == code).sum(), replace=False)) for code in range(40, 52)]
    ).astype(np.uint64)
    weight = rng.integers(1, 10**6, len(codes))
    first = np.searchsorted(codes, codes)
    running = np.concatenate(([0], np.cumsum(weight)))
    shared = {"country_iso": countries.decode(codes), "tile_id": tile_id}
    write_dataset(
        "tile_curve",
        folder / "tile_curve",
        pa.table({**shared, "cumulative_fp": running[1:] - running[first]}),
    )
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
            }
        ),
    )
    empty = arrow_schema("s4_reroute_ledger").empty_table()
    write_dataset("s4_guard_ledger", folder / "ledger", empty)
    summary = {"merchants_total": 59, "sites_rerouted": 0, "distance_before": 0.5, "distance": 0.25}
    write_json(folder / "summary", summary)
    names = ("tile_curve", "tile_weights", "pairs", "ledger", "summary")
    return {
        **{name: str(folder / name) for name in names},
        "places": "resources/reference/places.parquet",
        "tile_policy": "config/layer1/1B/policy/policy.s1.tile_index.yaml",
    }


@pytest.mark.parametrize(
    "policy", ["policy.s4.alloc_plan.yaml", "policy.s4.alloc_plan.legacy.yaml"]
)
@pytest.mark.parametrize("shards", SHARDS)
def test_s4_in_shards_has_the_bytes_of_one_job(tiles, tmp_path, policy, shards):
    policy_file = f"config/layer1/1B/policy/{policy}"
    law = load_policy(policy_file)
    table = pq.read_table(tiles["pairs"])
    ids, pairs = s4_alloc_plan.read_pairs(table)
    name, columns = s4_alloc_plan.tile_table(law)
    weights = pq.read_table(tiles[name], columns=columns)
    ground = s4_alloc_plan.ground_of(SimpleNamespace(**tiles), law)
    plan, spread = s4_alloc_plan.plan_of(ids, pairs, weights, law, ground, name)
    wildcards = SimpleNamespace(run_id=RUN_ID, seed=str(SEED))
    whole = s4_alloc_plan.run_report(
        wildcards,
        law,
        read_json(tiles["summary"]),
        spread,
        plan.num_rows,
        len(np.unique(plan["tile_id"])),
    )
    write_dataset("s4_alloc_plan", tmp_path / "whole", plan)

    inputs = {**tiles, "policy": policy_file}
    parts = {"plans": [], "spreads": []}
    for shard in shard_names(shards):
        made = SimpleNamespace(
            plan=str(tmp_path / f"{shard}.plan"), spread=str(tmp_path / f"{shard}.spread")
        )
        of_shard = SimpleNamespace(**vars(wildcards), shard=shard)
        s4_part.main(SimpleNamespace(**inputs), made, None, of_shard)
        parts["plans"].append(made.plan)
        parts["spreads"].append(made.spread)
    outputs = {name: str(tmp_path / name) for name in ("plan", "ledger", "report")}
    gather_s4_alloc_plan.main(
        SimpleNamespace(**inputs, **parts), SimpleNamespace(**outputs), None, wildcards
    )
    assert (tmp_path / "plan").read_bytes() == (tmp_path / "whole").read_bytes()
    assert (tmp_path / "report").read_bytes() == to_json_bytes(whole)
    assert (tmp_path / "ledger").read_bytes() == Path(tiles["ledger"]).read_bytes()
