"""A small world on nasty land for the tests of S5 to S9, run through the states as files."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
import yaml

from scripts import countries
from scripts.contracts import arrow_schema, write_dataset, write_object
from scripts.geo.grid import Grid
from scripts.geo.snapshot import FACTS_SCHEMA, PLACES_SCHEMA, Countries
from scripts.ordering import run_starts
from scripts.policies import load_policy, parse_yaml
from scripts.records.identity import manifest_fingerprint, parameter_hash
from scripts.scorers.fidelity import population_points
from scripts.states import (
    s4_alloc_plan,
    s5_site_tile_assignment,
    s6_site_jitter,
    s7_site_synthesis,
    s8_site_locations,
)
from scripts.states.allocation_law import group_by_country
from scripts.states.groups import members, part_names
from scripts.states.pairs import Pairs
from scripts.states.s1_tile_index import build_tile_index
from scripts.states.spread import spreads_of
from scripts.tables import file_digest, write_json, write_parquet

RUN_ID = "0" * 32
SEED = 42
POLICIES = Path(__file__).resolve().parents[2] / "config/layer1/1B/policy"
GRID = Grid(5)
_REGIONS = ("Africa", "Asia", "Europe") * 3 + ("North America", "South America", "Oceania")


def _blob(lon: float, lat: float, radius: float, seed: int) -> shapely.Polygon:
    """A rugged island."""
    rng = np.random.default_rng(seed)
    angle = np.linspace(0.0, 2.0 * np.pi, 90, endpoint=False)
    reach = radius * rng.uniform(0.7, 1.0, len(angle))
    return shapely.Polygon(np.c_[lon + reach * np.cos(angle), lat + reach * np.sin(angle)])


def make_countries() -> Countries:
    """Twelve countries: ten rugged ones, one with a lake, parts and a sliver, one on 180 E."""
    shapes = {}
    for k in range(10):
        lat = (-35.0, 12.0, 48.0, -8.0, 61.0)[k % 5]
        shapes[f"A{chr(65 + k)}"] = _blob(-150.0 + 30.0 * k + 0.013, lat + 0.007, 0.6, k)
    lake = _blob(20.0, -20.0, 0.6, 20).difference(shapely.box(19.9, -20.1, 20.12, -19.93))
    islet = shapely.box(21.3, -20.0, 21.3 + 0.003, -19.9975)
    sliver = shapely.box(21.5, -20.4, 21.5 + 1e-6, -20.1)
    shapes["BA"] = shapely.union_all([lake, islet, sliver])
    line = _blob(180.0, -17.0, 0.6, 21)
    east = shapely.intersection(line, shapely.box(179.0, -20.0, 180.0, -10.0))
    west = shapely.intersection(
        shapely.affinity.translate(line, -360.0), shapely.box(-180.0, -20.0, -179.0, -10.0)
    )
    shapes["BB"] = shapely.union_all([east, west])
    codes = sorted(shapes)
    return Countries(
        np.array([countries.encode_one(iso) for iso in codes], dtype=np.int16),
        np.array([shapely.multipolygons(shapely.get_parts(shapes[iso])) for iso in codes]),
    )


def _edit(name: str, folder: Path, **changes: object) -> str:
    policy = parse_yaml(POLICIES / name)
    for path, value in changes.items():
        node = policy
        *parents, last = path.split("__")
        for parent in parents:
            node = node[parent]
        node[last] = value
    target = folder / name
    target.write_text(yaml.safe_dump(policy), encoding="utf-8")
    return str(target)


def write_reference(folder: Path) -> dict[str, str]:
    """Reference files and policies of the small world."""
    land = make_countries()
    path = {
        "countries": str(folder / "countries.parquet"),
        "facts": str(folder / "country_facts.csv"),
        "places": str(folder / "places.parquet"),
        "tile_index": str(folder / "tile_index.parquet"),
        "tile_weights": str(folder / "tile_weights.parquet"),
        "points": str(folder / "points.parquet"),
    }
    write_parquet(
        path["countries"],
        pa.table({"country_iso": land.iso, "geometry": shapely.to_wkb(land.geometry)}),
    )
    header = ",".join(FACTS_SCHEMA.names)
    rows = [
        f"{iso},{iso}X,{iso},r,s,i,{region},1000000,test,1000,{10000}"
        for iso, region in zip(land.iso, _REGIONS, strict=True)
    ]
    Path(path["facts"]).write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    rng = np.random.default_rng(3)
    code, lon, lat = [], [], []
    for iso, polygon in zip(land.iso, land.geometry, strict=True):
        west, south, east, north = shapely.bounds(polygon)
        x, y = rng.uniform(west, east, 400), rng.uniform(south, north, 400)
        inside = np.flatnonzero(shapely.contains_xy(polygon, x, y))[:40]
        code += [iso] * len(inside)
        lon, lat = [*lon, *x[inside]], [*lat, *y[inside]]
    population = np.rint(10.0 ** rng.uniform(2.7, 6.0, len(code))).astype(np.int64)
    columns = {
        "geoname_id": np.arange(len(code)),
        "country_iso": code,
        "name": code,
        "lon_deg": lon,
        "lat_deg": lat,
        "population": population,
        "timezone": ["UTC"] * len(code),
    }
    write_parquet(path["places"], pa.table(columns, schema=PLACES_SCHEMA))
    index = build_tile_index(land, GRID)
    write_dataset("tile_index", path["tile_index"], index)
    weights = {
        "country_iso": index.column("country_iso"),
        "tile_id": index.column("tile_id"),
        "weight_fp": np.ones(len(index), dtype=np.int64),
        "dp": np.ones(len(index), dtype=np.int8),
    }
    write_dataset("tile_weights", path["tile_weights"], pa.table(weights))
    people = population_points(
        countries.encode(index.column("country_iso")),
        index.column("tile_id").to_numpy(),
        np.ones(len(index)),
        GRID,
        land,
        512,
    )
    points = {
        "country_iso": countries.decode(people.country),
        "rank": people.rank,
        "lon_deg": people.lon,
        "lat_deg": people.lat,
    }
    write_dataset("fidelity_points", path["points"], pa.table(points))
    floors = {
        "Africa": 0.2,
        "Asia": 0.2,
        "Europe": 0.2,
        "North America": 0.05,
        "Oceania": 0.05,
        "South America": 0.05,
    }
    path |= {
        "tile_policy": _edit("policy.s1.tile_index.yaml", folder, resolution_arcmin=5),
        "weights_policy": _edit(
            "policy.s2.tile_weights.yaml",
            folder,
            country_mass__region_floor_share=floors,
            # Homes are drawn by chance, so most sites are abroad.
            steering__max_home_legal_mismatch=1.0,
        ),
        "plan_policy": _edit(
            "policy.s4.alloc_plan.yaml",
            folder,
            outlets__national={"few": 1.0, "many": 1.0, "half_way": 1.0},
            outlets__company__rounds=0,
        ),
        "assignment_policy": _edit("policy.s5.assignment.yaml", folder),
        "jitter_policy": _edit("policy.s6.jitter.yaml", folder),
        "policy": _edit("policy.s9.validation.yaml", folder, realism__nn_tail_ratio_max=500.0),
    }
    return path


def write_part_of_plan(folder: Path, part: str, merchant, country, tile, n_sites) -> None:
    """A part of the plan, with its spreads and its tally."""
    starts = run_starts(merchant, country)
    pair = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    first = starts[:-1]
    total = np.bincount(pair, weights=n_sites).astype(np.int64)
    capacity = np.full(len(first), 1000)
    ids, owner = np.unique(merchant[first], return_inverse=True)
    pairs = Pairs(owner, country[first].astype(np.int64), total)
    plan = s4_alloc_plan.Plan(pair, tile, n_sites, capacity)
    table = s4_alloc_plan.plan_table(plan, pairs, ids)
    write_dataset("s4_alloc_plan", folder / f"plan/{part}.parquet", table)
    spreads = spreads_of(total, capacity, pair, n_sites)
    write_dataset("s4_spread", folder / f"plan/spread/{part}.parquet", spreads.table())
    tally = s4_alloc_plan.tally(plan, pairs)
    write_object("s4_tally", folder / f"plan/tally/{part}.json", tally)


def write_plan(
    folder: Path, path: dict[str, Any], sites_per_country: int = 120, groups: int = 1
) -> dict[str, Any]:
    """Upstream outlets, two ledgers, requirements and a plan that uses border tiles a lot."""
    land = make_countries()
    index = pa.parquet.read_table(path["tile_index"])
    rng = np.random.default_rng(5)
    merchant = rng.integers(1, 41, (len(land.code), sites_per_country)).astype(np.uint64)
    merchant, country = merchant.ravel() * np.uint64(977), np.repeat(land.code, sites_per_country)
    wanted, n = np.unique(np.rec.fromarrays([merchant, country]), return_counts=True)
    ids, owner = np.unique(wanted["f0"], return_inverse=True)
    pairs = Pairs(owner, wanted["f1"].astype(np.int64), n)
    home = wanted["f1"][np.searchsorted(owner, np.arange(len(ids)))]
    weights = group_by_country(
        countries.encode(index.column("country_iso")),
        index.column("tile_id").to_numpy(),
        np.ones(len(index), dtype=np.int64),
    )
    policy = load_policy(path["plan_policy"])
    plan = s4_alloc_plan.allocate(
        pairs,
        pairs.country != home[owner],
        ids,
        weights,
        policy,
        s4_alloc_plan.read_ground(path["places"], GRID, policy),
        SEED,
        "tiles",
        pairs.total,
    )
    merchant, country = ids[owner[plan.pair]], wanted["f1"][plan.pair]
    tile, n = plan.tile_id, plan.n_sites
    files = {
        name: str(folder / f"{name}.parquet")
        for name in (
            *("requirements", "steering_ledger", "reroute_ledger"),
            *("outlet_catalogue", "candidate_set"),
        )
    }
    by_country = np.bincount(country, weights=n)
    guard = {
        "merchants_total": 40,
        "sites_rerouted": 1,
        "distance_before": 0.5,
        "distance": 0.25,
        "concentration": {"wanted": {}, "before": {}, "after": {}},
        "by_country": {
            countries.decode_one(int(code)): int(by_country[code])
            for code in np.flatnonzero(by_country)
        },
    }
    files["summary"] = str(folder / "summary.json")
    write_object("s4_guard_summary", files["summary"], guard)
    for part in part_names(groups):
        mine = members(guard["by_country"], part)[country]
        write_part_of_plan(folder, part, merchant[mine], country[mine], tile[mine], n[mine])
    pair, inverse = np.unique(np.rec.fromarrays([merchant, country]), return_inverse=True)
    sites = np.bincount(inverse, weights=n).astype(np.int64)
    pair_merchant, pair_country = pair["f0"], pair["f1"]
    # One site of a merchant's second country came from its first, one of its third by reroute.
    owner = np.flatnonzero(pair_merchant == pair_merchant[0])[:3]
    moved = {
        "merchant_id": pair_merchant[:1],
        "from_country_iso": countries.decode(pair_country[owner[:1]]),
        "n_sites": np.array([1]),
    }
    upstream, needed = sites.copy(), sites.copy()
    for name, dataset_id, target in (
        ("steering_ledger", "s3_steering_ledger", owner[1]),
        ("reroute_ledger", "s4_reroute_ledger", owner[2]),
    ):
        to = countries.decode(pair_country[[target]])
        table = pa.table({**moved, "to_country_iso": to})
        write_dataset(dataset_id, files[name], table.cast(table.schema))
        upstream[owner[0]] += 1
        upstream[target] -= 1
    needed[owner[0]] += 1
    needed[owner[2]] -= 1
    kept = needed > 0
    write_dataset(
        "s3_requirements",
        files["requirements"],
        pa.table(
            {
                "merchant_id": pair_merchant[kept],
                "legal_country_iso": countries.decode(pair_country[kept]),
                "n_sites": needed[kept],
            }
        ),
    )
    row = np.repeat(np.arange(len(upstream)), upstream)
    write_parquet(
        files["outlet_catalogue"],
        pa.table(
            {
                "merchant_id": pair_merchant[row],
                "home_country_iso": countries.decode(
                    home[np.searchsorted(ids, pair_merchant[row])]
                ),
                "legal_country_iso": countries.decode(pair_country[row]),
            }
        ),
    )
    everywhere = countries.decode(land.code)
    write_parquet(
        files["candidate_set"],
        pa.table(
            {
                "merchant_id": np.repeat(ids, len(land.code)),
                "country_iso": pa.array(everywhere.to_pylist() * len(ids)),
            }
        ),
    )
    return files


def write_receipt(folder: Path, path: dict[str, str]) -> str:
    """The receipt of everything in the folder."""
    policies = {
        Path(path[key]).name: file_digest(path[key]) for key in path if key.endswith("policy")
    }
    sealed = {
        **{f"upstream/{name}": path[name] for name in ("outlet_catalogue", "candidate_set")},
        **{f"reference/{name}": path[name] for name in ("countries", "places", "facts")},
    }
    sealed = {name: file_digest(file) for name, file in sealed.items()}
    outputs = {
        f"{folder.name}/{file.relative_to(folder).as_posix()}": file_digest(file)
        for file in sorted(folder.rglob("*.parquet"))
    }
    receipt = {
        "run_id": RUN_ID,
        "name": "small",
        "posture": "p4",
        "upstream_run_id": "1" * 32,
        "upstream_kind": "builtin",
        "tiles_id": "2" * 32,
        "seed": SEED,
        "parameter_hash": parameter_hash(policies),
        "manifest_fingerprint": manifest_fingerprint(sealed),
        "policies": policies,
        "sealed_inputs": sealed,
        "rule_versions": {},
        "outputs": outputs,
    }
    write_json(folder / "receipt.json", receipt)
    return str(folder / "receipt.json")


def part_files(folder: Path, part: str) -> dict[str, str]:
    """Files of a part by what they hold."""
    return {
        "plan": str(folder / f"plan/{part}.parquet"),
        "spread": str(folder / f"plan/spread/{part}.parquet"),
        "s4_tally": str(folder / f"plan/tally/{part}.json"),
        "assignment": str(folder / f"assignment/{part}.parquet"),
        "assignment_log": str(folder / f"assignment/draws/{part}.parquet"),
        "s5_tally": str(folder / f"assignment/tally/{part}.json"),
        "jitter": str(folder / f"jitter/{part}.parquet"),
        "jitter_log": str(folder / f"jitter/draws/{part}.parquet"),
        "s6_tally": str(folder / f"jitter/tally/{part}.json"),
        "synthesis": str(folder / f"synthesis/{part}.parquet"),
        "s7_tally": str(folder / f"synthesis/tally/{part}.json"),
    }


def run_part(path: dict[str, Any], made: dict[str, str], part: str) -> None:
    """S5 to S7 of a part."""
    wildcards = SimpleNamespace(run_id=RUN_ID, seed=str(SEED), part=part)
    s5_site_tile_assignment.main(
        SimpleNamespace(plan=made["plan"], policy=path["assignment_policy"]),
        SimpleNamespace(
            assignment=made["assignment"], draws=made["assignment_log"], tally=made["s5_tally"]
        ),
        None,
        wildcards,
    )
    s6_site_jitter.main(
        SimpleNamespace(**{**path, **made, "policy": path["jitter_policy"]}),
        SimpleNamespace(jitter=made["jitter"], draws=made["jitter_log"], tally=made["s6_tally"]),
        None,
        wildcards,
    )
    s7_site_synthesis.main(
        SimpleNamespace(**{**path, **made}),
        SimpleNamespace(synthesis=made["synthesis"], tally=made["s7_tally"]),
        None,
        wildcards,
    )


def gather(folder: Path, path: dict[str, Any], parts: list[dict[str, str]]) -> str:
    """S8 of all parts: the egress."""
    files = {name: [part[name] for part in parts] for name in parts[0]}
    reports = {
        "s4_run_report": "s4.json",
        "s5_run_report": "s5.json",
        "s6_run_report": "s6.json",
        "s7_run_summary": "s7.json",
        "s8_run_summary": "s8.json",
    }
    egress = str(folder / "site_locations.parquet")
    s8_site_locations.main(
        SimpleNamespace(
            synthesis=files["synthesis"],
            guard=path["summary"],
            spreads=files["spread"],
            **{f"s{k}_tallies": files[f"s{k}_tally"] for k in range(4, 8)},
            s4_policy=str(POLICIES / "policy.s4.alloc_plan.yaml"),
            s5_policy=path["assignment_policy"],
            s6_policy=path["jitter_policy"],
        ),
        SimpleNamespace(
            site_locations=egress, **{name: str(folder / file) for name, file in reports.items()}
        ),
        None,
        SimpleNamespace(run_id=RUN_ID, seed=str(SEED)),
    )
    return egress


def run_states(folder: Path, path: dict[str, Any], groups: int = 1) -> dict[str, Any]:
    """S5 to S8 on the files of the world; lists of parts, and the egress."""
    parts = []
    for part in part_names(groups):
        parts.append(part_files(folder, part))
        run_part(path, parts[-1], part)
    egress = gather(folder, path, parts)
    return {
        **{name: [part[name] for part in parts] for name in parts[0]},
        "site_locations": egress,
    }


def build(folder: Path, groups: int = 1) -> dict[str, Any]:
    """The whole small world in one folder; paths by input name of S9, parts as lists."""
    path: dict[str, Any] = write_reference(folder)
    path |= write_plan(folder, path, groups=groups)
    path |= run_states(folder, path, groups)
    path["receipt"] = write_receipt(folder, path)
    return path


def report_of(folder: Path, state: str) -> dict:
    """A state's report."""
    return json.loads((folder / f"{state}.json").read_text(encoding="utf-8"))


def empty_table(dataset_id: str) -> pa.Table:
    """A table of a dataset without rows."""
    return arrow_schema(dataset_id).empty_table()
