"""Every check of S9 against the one violation that it exists for."""

import functools
import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from scripts import countries
from scripts.contracts import arrow_schema, check_object, write_dataset
from scripts.errors import ContractError, StateError
from scripts.geo import metrics
from scripts.geo.snapshot import Countries
from scripts.ordering import run_starts
from scripts.records.bundle import verify_bundle
from scripts.records.identity import manifest_fingerprint, parameter_hash
from scripts.states import s6_site_jitter, s9_passed_flag, s9_validation
from scripts.states.jitter_law import DIRECT, JitterLaw
from scripts.states.pair_counts import (
    PairCounts,
    read_homes,
)
from scripts.states.s5_site_tile_assignment import draw_order, draws
from scripts.states.s9_validation import read_allowed
from scripts.states.sites import (
    SiteKeys,
    absolute_deg,
    read_site_blocks,
)
from scripts.states.validation_checks import CHECKS, REALISM, evaluate, listed_name, plan_replay
from scripts.states.validation_evidence import AttemptTable, computed_once, match_keys
from scripts.tables import read_json, write_parquet
from tests.unit import s5_s9_world
from tests.unit.s5_s9_world import GRID, RUN_ID, SEED

BUNDLE = {
    "manifest": "MANIFEST.json",
    "summary": "s9_summary.json",
    "rng_accounting": "rng_accounting.json",
    "egress_checksums": "egress_checksums.json",
    "parameter_hash": "parameter_hash_resolved.json",
    "manifest_fingerprint": "manifest_fingerprint_resolved.json",
    "index": "index.json",
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return s5_s9_world.build(tmp_path_factory.mktemp("s9"))


@pytest.fixture(scope="module")
def valid(path):
    return evidence(path)


def evidence(path):
    """The evidence of all countries in one."""
    (whole,) = read(path)
    return whole


def read(path):
    """The evidence, part by part."""
    run = s9_validation.read_run(files_of(path), RUN_ID, SEED)
    return s9_validation.read_evidence(files_of(path), run)


def files_of(path):
    """Files of S9 by the names of the world's."""
    return s9_validation.Files(
        **{field.name: path[field.name] for field in fields(s9_validation.Files)}
    )


def fresh(e, **changes):
    """The evidence with some fields replaced and nothing computed yet."""
    return replace(e, **changes)


def failing(e):
    return [row["check"] for row in evaluate([e]).rows if row["status"] == "FAIL"]


def pick(keys, rows):
    return SiteKeys(keys.merchant[rows], keys.country[rows], keys.order[rows])


def with_rows(e, table, rows):
    """One table reduced, extended or reordered to the given rows."""
    changes = {
        "keys": {**e.keys, table: pick(e.keys[table], rows)},
        "tables": {**e.tables, table: {k: v[rows] for k, v in e.tables[table].items()}},
    }
    if table == "egress":
        changes["geometry"] = tuple(axis[rows] for axis in e.geometry)
    return fresh(e, **changes)


def with_value(e, table, column, row, value):
    """One value of one table changed; the egress takes its geometry along."""
    values = e.tables[table][column].copy()
    values[row] = value
    tables = {**e.tables, table: {**e.tables[table], column: values}}
    if table != "egress":
        return fresh(e, tables=tables)
    lon, lat = (tables["egress"][name] for name in ("lon_deg", "lat_deg"))
    on_earth = (np.abs(lon) <= 180.0) & (np.abs(lat) <= 90.0)
    geometry = tuple(
        np.where(on_earth, new, old) for new, old in zip((lon, lat), e.geometry, strict=True)
    )
    return fresh(e, tables=tables, geometry=geometry)


def with_attempts(e, rows=None, u=None):
    """The log of S6 reduced to rows, or with other uniforms."""
    log = e.attempts
    rows = np.arange(len(log.attempt)) if rows is None else rows
    return fresh(
        e,
        attempts=AttemptTable(
            pick(log.keys, rows),
            log.attempt[rows],
            [axis[rows] for axis in (log.u if u is None else u)],
            log.accepted[rows],
        ),
    )


def with_realism(e, **limits):
    policy = e.policies["validation"]
    policy = {**policy, "realism": {**policy["realism"], **limits}}
    return fresh(e, policies={**e.policies, "validation": policy})


def carry_on(e, sites, tile):
    """Everything after S5, honestly made from other sites or tiles."""
    e = fresh(
        e,
        keys=dict.fromkeys(e.keys, sites),
        tables={**e.tables, "assignment": {"tile_id": tile}},
    )
    namespace = e.policies["jitter"]["namespace"]
    law = JitterLaw(e.policies["jitter"], e.cells, e.places, e.polygons)
    made, log = s6_site_jitter.jitter(sites, e.cell, law, e.polygons, SEED, namespace, 64)
    lon, lat = absolute_deg(*GRID.centre_deg(tile), made.delta_lon, made.delta_lat)
    jitter = {
        "tile_id": tile,
        "delta_lon_deg": made.delta_lon,
        "delta_lat_deg": made.delta_lat,
        "component": made.component,
        "placed_by": made.placed_by,
    }
    u = draws(sites, SEED, e.policies["assignment"]["namespace"])
    return fresh(
        e,
        tables={
            "assignment": {"tile_id": tile},
            "jitter": jitter,
            "synthesis": {"tile_id": tile, "lon_deg": lon, "lat_deg": lat},
            "egress": {"lon_deg": lon, "lat_deg": lat},
            "assignment_log": {"u": u},
        },
        attempts=AttemptTable(pick(sites, log.site), log.attempt, list(log.u.T), log.accepted),
        geometry=(lon, lat),
    )


def _whole_cells(e):
    return (e.cells.coverage == 1.0)[e.cell]


def _pairs(e):
    keys = e.keys["assignment"]
    return run_starts(keys.merchant, keys.country)


def other_receipt(e):
    return fresh(e, receipt={**e.receipt, "seed": SEED + 1})


def unlisted_policy(e):
    policies = {k: v for k, v in e.receipt["policies"].items() if k != "policy.s6.jitter.yaml"}
    receipt = {**e.receipt, "policies": policies, "parameter_hash": parameter_hash(policies)}
    return fresh(e, receipt=receipt)


def other_ledger(e):
    outputs = dict(e.receipt["outputs"])
    name = next(name for name in outputs if name.endswith("/jitter/1-of-1.parquet"))
    return fresh(e, receipt={**e.receipt, "outputs": {**outputs, name: "0" * 64}})


def missing_egress(e):
    return with_rows(e, "egress", np.delete(np.arange(len(e.sites)), 100))


def extra_egress(e):
    e = with_rows(e, "egress", np.append(np.arange(len(e.sites)), len(e.sites) - 1))
    keys = e.keys["egress"]
    order = keys.order.copy()
    order[-1] += 1
    return fresh(e, keys={**e.keys, "egress": SiteKeys(keys.merchant, keys.country, order)})


def repeated_egress(e):
    return with_rows(e, "egress", np.append(np.arange(len(e.sites)), len(e.sites) - 1))


def unsorted_egress(e):
    rows = np.arange(len(e.sites))
    rows[[50, 51]] = [51, 50]
    return with_rows(e, "egress", rows)


def jitter_without_a_site(e):
    return with_rows(e, "jitter", np.delete(np.arange(len(e.sites)), 7))


def gap_in_site_order(e):
    starts = _pairs(e)
    pair = int(np.argmax(np.diff(starts) > 1))
    keys, tile = e.keys["assignment"], e.tables["assignment"]["tile_id"].copy()
    order = keys.order.copy()
    rows = np.arange(starts[pair], starts[pair + 1])
    order[rows[-1]] += 1
    sites = SiteKeys(keys.merchant, keys.country, order)
    u = draws(pick(sites, rows), SEED, e.policies["assignment"]["namespace"])
    tile[rows[draw_order(np.array([0, len(rows)]), u)]] = np.sort(tile[rows])
    return carry_on(e, sites, tile)


def off_the_earth(e):
    return with_value(e, "egress", "lon_deg", 3, np.nan)


def unknown_tile(e):
    cell = e.cell[np.flatnonzero(_whole_cells(e))[0]]
    key = e._used[0][cell]
    coverage = e.coverage
    return fresh(e, coverage=lambda keys: np.where(keys == key, np.nan, coverage(keys)))


def changed_tile(e):
    row = 20
    return with_value(e, "synthesis", "tile_id", row, e.tables["synthesis"]["tile_id"][row] + 1)


def far_tile(e):
    """A site moved two cells to the east, on land of its own country."""
    lon, lat = e.tables["egress"]["lon_deg"] + 2.0 * GRID.cell_deg, e.tables["egress"]["lat_deg"]
    row = np.searchsorted(e.polygons.code, e.sites.country)
    on_land = shapely.contains_xy(e.polygons.geometry[row], lon, lat)
    far = GRID.around(e.tables["assignment"]["tile_id"], lon, lat) < 0
    chosen = int(np.flatnonzero(on_land & far)[0])
    return with_value(e, "egress", "lon_deg", chosen, lon[chosen])


def lost_land(e):
    """A lake opens under a site on a wholly covered tile."""
    direct = np.unique(e.sites.country[e.tables["jitter"]["placed_by"] == DIRECT])
    candidates = _whole_cells(e) & ~np.isin(e.sites.country, direct)
    if not candidates.any():
        candidates = _whole_cells(e)
    row = int(np.flatnonzero(candidates)[0])
    lon, lat = (e.tables["egress"][name][row] for name in ("lon_deg", "lat_deg"))
    at = int(np.searchsorted(e.polygons.code, e.sites.country[row]))
    geometry = e.polygons.geometry.copy()
    geometry[at] = geometry[at].difference(shapely.Point(lon, lat).buffer(1e-7))
    return fresh(e, polygons=Countries(e.polygons.code, geometry))


def shifted_synthesis(e):
    lon = e.tables["synthesis"]["lon_deg"][30] + 1e-10
    e = with_value(e, "synthesis", "lon_deg", 30, lon)
    return with_value(e, "egress", "lon_deg", 30, lon)


def shifted_egress(e):
    lat = e.tables["egress"]["lat_deg"][30]
    return with_value(e, "egress", "lat_deg", 30, np.nextafter(lat, 90.0))


def shifted_geometry(e):
    lon = e.geometry[0].copy()
    lon[30] = np.nextafter(lon[30], 180.0)
    return fresh(e, geometry=(lon, e.geometry[1]))


def moved_quota(e):
    n = e.plan.n_sites.copy()
    starts = run_starts(e.plan.merchant, e.plan.country)
    pair = next(
        k for k in range(len(starts) - 1) if starts[k + 1] - starts[k] > 1 and n[starts[k]] > 1
    )
    n[starts[pair]] -= 1
    n[starts[pair] + 1] += 1
    moved = replace(e.plan, n_sites=n)
    return fresh(e, plan=moved, plan_anew=lambda pairs: moved)


def other_plan(e):
    """A draw puts a site on the next tile."""
    tile = e.plan.tile_id.copy()
    tile[7] += 1
    return fresh(e, plan_anew=lambda pairs: replace(e.plan, tile_id=tile))


def other_requirement(e):
    n = e.requirements.n_sites.copy()
    n[4] += 1
    requirements = replace(e.requirements, n_sites=n)
    return fresh(e, requirements=requirements, plan_anew=lambda pairs: e.plan)


def lost_outlet(e):
    n = e.upstream.n_sites.copy()
    n[4] += 1
    return fresh(e, upstream=replace(e.upstream, n_sites=n))


def missing_event(e):
    return with_rows(e, "assignment_log", np.delete(np.arange(len(e.sites)), 9))


def other_draw(e):
    u = e.tables["assignment_log"]["u"]
    return with_value(e, "assignment_log", "u", 9, np.nextafter(u[9], 1.0))


def swapped_tiles(e):
    starts, tile = _pairs(e), e.tables["assignment"]["tile_id"].copy()
    first = next(a for a, b in itertools.pairwise(starts) if b - a > 1 and tile[a] != tile[a + 1])
    tile[[first, first + 1]] = tile[[first + 1, first]]
    return carry_on(e, e.keys["assignment"], tile)


def _tried_twice(e):
    """First log row of a site with two attempts."""
    starts = e.attempt_starts
    return int(starts[:-1][np.diff(starts) == 2][0])


def unfinished_attempts(e):
    return with_attempts(e, np.delete(np.arange(len(e.attempts.attempt)), _tried_twice(e) + 1))


def other_attempt_draw(e):
    u = [axis.copy() for axis in e.attempts.u]
    u[3][_tried_twice(e)] *= 0.5
    return with_attempts(e, u=u)


def other_component(e):
    component = e.tables["jitter"]["component"]
    return with_value(e, "jitter", "component", 12, component[12] % 3 + 1)


def needless_rejection(e, attempt=0):
    """S6 run by hand with a test that turns a good point of one site away."""
    honest = s6_site_jitter.is_inside
    calls = []

    def strict(*args):
        inside = honest(*args)
        if len(calls) == attempt:
            inside[np.flatnonzero(inside)[0]] = False
        calls.append(1)
        return inside

    s6_site_jitter.is_inside = strict
    try:
        return carry_on(e, e.keys["assignment"], e.tables["assignment"]["tile_id"])
    finally:
        s6_site_jitter.is_inside = honest


def with_floors(e, **shares):
    """Other floors of some regions in S2's policy."""
    mass = e.policies["weights"]["country_mass"]
    floors = {**mass["region_floor_share"], **shares}
    weights = {**e.policies["weights"], "country_mass": {**mass, "region_floor_share": floors}}
    return fresh(e, policies={**e.policies, "weights": weights})


def without_a_candidate(e):
    """The candidate set without a pair that has sites."""
    pair = (e.allowed.merchant == e.sites.merchant[0]) & (e.allowed.country == e.sites.country[0])
    kept = [values[~pair] for values in vars(e.allowed).values()]
    return fresh(e, allowed=PairCounts(*kept))


def unbounded_moves(e):
    """A policy of S4 that lets the guard move nothing."""
    plan = {**e.policies["plan"], "max_moved_share": 0.0}
    return fresh(e, policies={**e.policies, "plan": plan})


def moves_of_no_guard(e):
    """The guard is off, and yet its ledger holds moves."""
    plan = e.policies["plan"]
    off = {
        name: {**plan[name], "enabled": False} for name in ("reroute", "residual_redistribution")
    }
    return fresh(e, policies={**e.policies, "plan": {**plan, **off}})


def with_steering(e, **changes):
    """Another bound of S3's policy."""
    weights = e.policies["weights"]
    steering = {**weights["steering"], **changes}
    return fresh(e, policies={**e.policies, "weights": {**weights, "steering": steering}})


def sent_abroad(e):
    """Moves of S3 that put a site of the merchant abroad, which no policy lets them."""
    taken, given = e.whole.steering
    home = e.homes.of(taken.merchant)
    steering = [replace(taken, country=home), replace(given, country=(home + 1).astype(np.int16))]
    none = with_steering(e, max_home_legal_mismatch=0.0)
    return fresh(none, whole=replace(e.whole, steering=steering))


def sent_beyond(e):
    """The same where the policy lets those that were abroad before be there, and no more."""
    pairs = e.whole.upstream
    abroad = pairs.n_sites[pairs.country != e.homes.of(pairs.merchant)].sum()
    return with_steering(sent_abroad(e), max_home_legal_mismatch=abroad / pairs.n_sites.sum())


VIOLATIONS = {
    "candidate_countries": without_a_candidate,
    "moves_within_bounds": unbounded_moves,
    "identity": other_receipt,
    "ledger": other_ledger,
    "egress_missing_rows": missing_egress,
    "egress_extra_rows": extra_egress,
    "egress_duplicate_keys": repeated_egress,
    "egress_schema": lambda e: fresh(e, egress_fault="columns are a, b"),
    "egress_sorted": unsorted_egress,
    "chain_keys": jitter_without_a_site,
    "site_orders": gap_in_site_order,
    "egress_bounds": off_the_earth,
    "tiles_known": unknown_tile,
    "tiles_agree": changed_tile,
    "point_near_tile": far_tile,
    "point_in_country": lost_land,
    "synthesis": shifted_synthesis,
    "egress_coordinates": shifted_egress,
    "egress_geometry": shifted_geometry,
    "quotas": moved_quota,
    "requirements": other_requirement,
    "plan_replay": other_plan,
    "conservation": lost_outlet,
    "assignment_log_accounting": missing_event,
    "assignment_log_replay": other_draw,
    "assignment_permutation": swapped_tiles,
    "jitter_log_accounting": unfinished_attempts,
    "jitter_log_replay": other_attempt_draw,
    "jitter_positions": other_component,
    "jitter_rejections": needless_rejection,
    "country_gini": lambda e: with_realism(e, country_gini_max=-0.01),
    "top1_share": lambda e: with_realism(e, top1_share_max=0.08),
    "top5_share": lambda e: with_realism(e, top5_share_max=0.08),
    "top10_share": lambda e: with_realism(e, top10_share_max=0.16),
    "eligible_country_nonzero_share": lambda e: with_realism(
        e, eligible_country_nonzero_share_min=1.01
    ),
    "southern_hemisphere_share": lambda e: with_realism(e, southern_hemisphere_share_min=0.7),
    "region_floors": lambda e: with_floors(e, Asia=0.9),
    "nn_tail_ratio": lambda e: with_realism(e, nn_tail_ratio_max=1.5),
    "collapse": lambda e: with_realism(
        e, collapse={**e.policies["validation"]["realism"]["collapse"], "distinct_ratio_min": 1.1}
    ),
}


def test_the_small_world_is_valid(valid):
    assert failing(valid) == []


def test_every_check_has_its_violation_and_ids_and_codes_are_unique():
    assert set(VIOLATIONS) == {check.id for check in CHECKS}
    assert (
        len({check.id for check in CHECKS}) == len({check.code for check in CHECKS}) == len(CHECKS)
    )
    assert all(check.violation and check.run.__doc__ for check in CHECKS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_exactly_the_check_of_a_violation_fails(valid, check):
    assert failing(VIOLATIONS[check.id](valid)) == [check.id]


def test_tables_of_1a_without_rows_allow_nobody(tmp_path):
    for name in ("s3_candidate_set", "outlet_catalogue"):
        write_dataset(name, tmp_path / name, arrow_schema(name).empty_table())
    assert len(read_allowed(tmp_path / "s3_candidate_set").merchant) == 0
    assert len(read_homes(tmp_path / "outlet_catalogue").merchant) == 0


def test_a_tile_beyond_the_grid_is_a_violation(valid):
    beyond = with_value(valid, "assignment", "tile_id", 20, GRID.ntiles + 5)
    assert {"tiles_known", "synthesis"} <= set(failing(beyond))


@pytest.mark.parametrize(
    ("violation", "expected"),
    [
        (
            lambda e: fresh(e, receipt={**e.receipt, "parameter_hash": "0" * 64}),
            "identity",
        ),
        (
            lambda e: fresh(e, receipt={**e.receipt, "manifest_fingerprint": "0" * 64}),
            "identity",
        ),
        (
            lambda e: fresh(
                e, policy_digests={**e.policy_digests, "policy.s6.jitter.yaml": "0" * 64}
            ),
            "identity",
        ),
        (unlisted_policy, "identity"),
        (lambda e: fresh(e, receipt={**e.receipt, "outputs": {}}), "ledger"),
        (lambda e: fresh(e, geometry=None), "egress_geometry"),
        (lambda e: with_rows(e, "jitter", np.append(np.arange(len(e.sites)), 0)), "chain_keys"),
        (lambda e: with_rows(e, "jitter", np.arange(len(e.sites))[::-1]), "chain_keys"),
        (lambda e: with_value(e, "jitter", "tile_id", 3, 12), "tiles_agree"),
        (lambda e: with_value(e, "jitter", "placed_by", 3, 0), "jitter_positions"),
        (
            lambda e: fresh(e, log_metadata={**e.log_metadata, "jitter_log": {}}),
            "jitter_log_accounting",
        ),
        (
            lambda e: fresh(
                e,
                log_metadata={
                    **e.log_metadata,
                    "assignment_log": {**e.log_metadata["assignment_log"], "rng.seed": "43"},
                },
            ),
            "assignment_log_accounting",
        ),
        (
            lambda e: with_attempts(
                e,
                np.flatnonzero(
                    np.repeat(np.arange(len(e.attempt_starts) - 1) != 8, np.diff(e.attempt_starts))
                ),
            ),
            "jitter_log_accounting",
        ),
        (
            lambda e: with_attempts(
                e,
                np.append(
                    np.arange(len(e.attempts.attempt)), np.flatnonzero(e.attempts.attempt == 0)[0]
                ),
            ),
            "jitter_log_accounting",
        ),
        (
            lambda e: with_rows(
                e, "assignment_log", np.append(np.arange(len(e.sites)), len(e.sites) - 1)
            ),
            "assignment_log_accounting",
        ),
        (
            lambda e: fresh(
                e,
                steering=[replace(e.steering[0], n_sites=e.steering[0].n_sites * 2), e.steering[1]],
            ),
            "conservation",
        ),
        (lambda e: with_steering(e, enabled=False), "moves_within_bounds"),
        (lambda e: with_steering(e, max_moved_share=0.0), "moves_within_bounds"),
        (sent_abroad, "moves_within_bounds"),
        (sent_beyond, "moves_within_bounds"),
        (moves_of_no_guard, "moves_within_bounds"),
        (lambda e: needless_rejection(e, attempt=1), "jitter_rejections"),
    ],
)
def test_other_forms_of_the_violations(valid, violation, expected):
    assert failing(violation(valid)) == [expected]


@pytest.mark.parametrize(
    "name",
    [
        *("requirements", "steering_ledger", "reroute_ledger", "plan", "assignment"),
        *("assignment_log", "jitter", "jitter_log", "synthesis", "site_locations", "tile_index"),
        "tile_weights",
    ],
)
def test_each_table_is_held_against_the_ledger(path, valid, name):
    file = path[name] if isinstance(path[name], str) else path[name][0]
    outputs = valid.receipt["outputs"]
    outputs = {**outputs, listed_name(file, outputs): "0" * 64}
    assert failing(fresh(valid, receipt={**valid.receipt, "outputs": outputs})) == ["ledger"]


def test_a_nudged_offset_and_a_dropped_site_of_s5_do_not_pass(valid):
    delta = valid.tables["jitter"]["delta_lon_deg"][4]
    nudged = with_value(valid, "jitter", "delta_lon_deg", 4, np.nextafter(delta, 1.0))
    assert "jitter_positions" in failing(nudged)
    dropped = with_rows(valid, "assignment", np.delete(np.arange(len(valid.sites)), 4))
    assert {"chain_keys", "quotas"} <= set(failing(dropped))


def realism_rows(e, sites):
    e = fresh(e)
    e.__dict__["egress_sites"] = sites
    return {row["check"]: row for row in evaluate([e]).rows if row["kind"] == REALISM}


def test_realism_gates_see_unreal_maps_and_fail_closed(valid):
    sites = valid.egress_sites
    north = replace(sites, lat=np.abs(sites.lat))
    assert realism_rows(valid, north)["southern_hemisphere_share"]["status"] == "FAIL"
    piled = sites.take(np.zeros(len(sites), dtype=np.int64))
    rows = realism_rows(valid, piled)
    assert rows["nn_tail_ratio"]["observed"] is None
    assert {row["check"] for row in rows.values() if row["status"] == "FAIL"} == {
        "top1_share",
        "top5_share",
        "top10_share",
        "country_gini",
        "eligible_country_nonzero_share",
        "southern_hemisphere_share",
        "region_floors",
        "nn_tail_ratio",
        "collapse",
    } - ({"southern_hemisphere_share"} if sites.lat[0] < 0 else set())
    line = replace(sites, lat=np.full(len(sites), 10.0) + sites.lon * 1e-3)
    assert "flagged" in realism_rows(valid, line)["collapse"]["reason"]
    nothing = metrics.Sites(*(column[:0] for column in vars(sites).values()))
    assert all(
        row["status"] == "FAIL"
        for row in realism_rows(valid, nothing).values()
        if row["check"] != "collapse"
    )


def test_a_region_may_lack_its_floor_by_the_slack_alone(valid):
    codes = countries.encode(valid.facts.column("country_iso")).tolist()
    region_of = dict(zip(codes, valid.facts.column("macro_region").to_pylist(), strict=True))
    share = metrics.region_shares(valid.map.counts, region_of)["Asia"]
    floors = valid.policies["weights"]["country_mass"]["region_floor_share"]
    short = with_floors(valid, **{**dict.fromkeys(floors, 0.0), "Asia": share + 0.004})
    assert failing(with_realism(short, region_floor_slack=0.005)) == []
    assert failing(with_realism(short, region_floor_slack=0.003)) == ["region_floors"]


def test_a_realism_check_that_fails_fails_the_run(path, valid):
    run = s9_validation.read_run(files_of(path), RUN_ID, SEED)
    findings = evaluate([with_realism(valid, top1_share_max=0.01)])
    assert s9_validation.summarise(run, findings)["verdict"] == "FAIL"


def test_report_mode_reports_realism_and_enforces_structure(valid):
    lax = with_realism(missing_egress(valid), mode="report", top1_share_max=0.01)
    status = {row["check"]: row["status"] for row in evaluate([lax]).rows}
    assert status["top1_share"] == "REPORTED"
    assert status["egress_missing_rows"] == "FAIL"


def run_s9(path, folder):
    outputs = SimpleNamespace(**{key: str(folder / name) for key, name in BUNDLE.items()})
    wildcards = SimpleNamespace(run_id=RUN_ID, seed=str(SEED))
    s9_validation.main(SimpleNamespace(**path), outputs, None, wildcards)
    flag = SimpleNamespace(flag=str(folder / "_passed.flag"))
    s9_passed_flag.main(outputs, flag, None, wildcards)


def test_the_bundle_is_complete_reproducible_and_flagged(path, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        run_s9(path, tmp_path / name)
    assert verify_bundle(tmp_path / "a") == verify_bundle(tmp_path / "b")
    for dataset_id, name in (
        ("validation_summary_1B", "summary"),
        ("validation_manifest_1B", "manifest"),
        ("rng_accounting_1B", "rng_accounting"),
        ("egress_checksums_1B", "egress_checksums"),
        ("parameter_hash_resolved_1B", "parameter_hash"),
        ("manifest_fingerprint_resolved_1B", "manifest_fingerprint"),
        ("validation_bundle_index_1B", "index"),
    ):
        check_object(dataset_id, read_json(tmp_path / "a" / BUNDLE[name]))
    summary = read_json(tmp_path / "a" / "s9_summary.json")
    assert summary["verdict"] == "PASS"
    assert [row["check"] for row in summary["checks"]] == [check.id for check in CHECKS]


def test_a_failed_run_leaves_its_evidence_and_no_flag(path, tmp_path, capsys):
    table = pq.read_table(path["site_locations"])
    changed = dict(path, site_locations=str(tmp_path / "site_locations.parquet"))
    write_parquet(changed["site_locations"], table.slice(1))
    with pytest.raises(StateError, match=r"E910 .*E926 ledger, E901 egress_missing_rows"):
        run_s9(changed, tmp_path)
    assert "E901 egress_missing_rows: merchant" in capsys.readouterr().err
    assert read_json(tmp_path / "s9_summary.json")["verdict"] == "FAIL"
    assert (tmp_path / "index.json").is_file()
    assert not (tmp_path / "_passed.flag").exists()


def test_a_failed_check_withholds_the_flag_whatever_the_verdict_says():
    row = {"check": "quotas", "code": "E923", "status": "FAIL", "reason": "x"}
    with pytest.raises(StateError, match=r"E910 .*E923 quotas"):
        s9_passed_flag.refuse_failure({"verdict": "PASS", "checks": [row]}, "summary")


def _column(name, values):
    def change(table):
        return table.set_column(
            table.schema.get_field_index(name), name, values(table.column(name))
        )

    return change


@pytest.mark.parametrize(
    ("change", "also"),
    [
        (lambda t: t.cast(t.schema.set(2, pa.field("site_order", pa.int64()))), set()),
        (lambda t: t.append_column("rank", pa.array(np.arange(len(t)))), set()),
        (
            _column("lon_deg", lambda c: pa.array([None, *c.to_pylist()[1:]], pa.float64())),
            {"egress_bounds"},
        ),
    ],
)
def test_an_egress_of_another_schema_is_judged_all_the_same(path, tmp_path, change, also):
    changed = dict(path, site_locations=str(tmp_path / "site_locations.parquet"))
    write_parquet(changed["site_locations"], change(pq.read_table(path["site_locations"])))
    assert set(failing(evidence(changed))) == {"ledger", "egress_schema"} | also


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        ("jitter", lambda t: t.drop_columns(["component"]), "EX10 .*'component' is missing"),
        ("plan", lambda t: t.cast(t.schema.set(3, pa.field("n_sites_tile", pa.int32()))), "EX10 "),
        (
            "requirements",
            _column("n_sites", lambda c: pa.array([None, *c.to_pylist()[1:]], c.type)),
            "EX11 .*null",
        ),
        (
            "assignment",
            _column("legal_country_iso", lambda c: pa.array(["xx", *c.to_pylist()[1:]])),
            "EX11 .*'xx' is no country code",
        ),
    ],
)
def test_an_input_that_is_no_table_of_the_chain_is_named(path, tmp_path, table, change, message):
    broken, original = str(tmp_path / "x.parquet"), path[table]
    in_parts = isinstance(original, list)
    changed = dict(path, **{table: [broken] if in_parts else broken})
    write_parquet(broken, change(pq.read_table(original[0] if in_parts else original)))
    with pytest.raises(ContractError, match=message):
        evidence(changed)
    (tmp_path / "x.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(ContractError, match="EX01"):
        evidence(changed)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda t: t.append_column("rank", pa.array(np.arange(len(t)))), "columns are"),
        (lambda t: t.cast(t.schema.set(2, pa.field("site_order", pa.int64()))), "has type int64"),
        (lambda t: t.replace_schema_metadata({}), "GeoParquet"),
        (lambda t: t.replace_schema_metadata({"geo": "{}"}), "GeoParquet"),
        (
            lambda t: t.set_column(3, "lon_deg", pa.array([None] + [0.0] * (len(t) - 1))),
            "holds a null",
        ),
    ],
)
def test_a_wrong_egress_schema_is_told(path, tmp_path, change, fault):
    write_parquet(tmp_path / "x.parquet", change(pq.read_table(path["site_locations"])))
    assert fault in s9_validation.egress_fault(tmp_path / "x.parquet")
    assert s9_validation.egress_fault(path["site_locations"]) == ""


def test_a_fall_between_two_blocks_is_out_of_order(path, tmp_path, monkeypatch):
    in_blocks = functools.partial(read_site_blocks, rows=64)
    monkeypatch.setattr(s9_validation, "read_site_blocks", in_blocks)
    table = pq.read_table(path["site_locations"])
    assert s9_validation.order_fault(path["site_locations"]) == ""
    swapped = pa.concat_tables([table.slice(64, 64), table.slice(0, 64), table.slice(128)])
    write_parquet(tmp_path / "x.parquet", swapped)
    assert "out of order" in s9_validation.order_fault(str(tmp_path / "x.parquet"))


def test_groups_are_validated_like_one_job(path, tmp_path):
    grouped = s5_s9_world.build(tmp_path / "world", groups=7)
    parts = list(read(grouped))
    assert len(parts) == 7
    assert sum(len(part.sites) for part in parts) == sum(len(part.sites) for part in read(path))
    assert all(part.matches["jitter"].row is None for part in parts)
    one, seven = (
        (s9_validation.read_run(files_of(world), RUN_ID, SEED), evaluate(read(world)))
        for world in (path, grouped)
    )
    assert [row for row in seven[1].rows if row["status"] == "FAIL"] == []
    whole = s9_validation.summarise(*one)
    assert s9_validation.summarise(*seven) == {
        **whole,
        "identity": {
            **whole["identity"],
            "parameter_hash": seven[0]["receipt"]["parameter_hash"],
        },
    }
    assert s9_validation.accounting(one[1]) == s9_validation.accounting(seven[1])
    other = pq.read_table(grouped["jitter_log"][3])
    write_parquet(grouped["jitter_log"][3], other.replace_schema_metadata({"rng.seed": "1"}))
    found = {row["check"]: row for row in evaluate(read(grouped)).rows}
    assert found["jitter_log_accounting"]["status"] == "FAIL"
    assert found["ledger"]["observed"] == 1.0


@pytest.mark.parametrize(
    ("change", "checks"),
    [
        (lambda t: t.slice(1), {"egress_missing_rows"}),
        (lambda t: pa.concat_tables([t, t.slice(t.num_rows - 1)]), {"egress_duplicate_keys"}),
        (lambda t: t.take(np.arange(t.num_rows)[::-1]), {"egress_sorted"}),
        (
            lambda t: t.set_column(1, "legal_country_iso", pa.array(["ZZ", *t[1].to_pylist()[1:]])),
            {"egress_missing_rows", "egress_extra_rows"},
        ),
    ],
)
def test_groups_find_what_one_job_finds_in_the_egress(path, tmp_path, change, checks):
    grouped = s5_s9_world.build(tmp_path / "world", groups=7)
    observed = []
    for world, folder in ((path, tmp_path / "one"), (grouped, tmp_path / "seven")):
        changed = dict(world, site_locations=str(folder / "site_locations.parquet"))
        table = pq.read_table(world["site_locations"])
        write_parquet(changed["site_locations"], change(table))
        rows = {row["check"]: row for row in evaluate(read(changed)).rows}
        assert {name for name, row in rows.items() if row["status"] == "FAIL"} >= checks
        observed.append({name: rows[name]["observed"] for name in sorted(checks)})
    if "egress_sorted" not in checks:
        assert observed[0] == observed[1]


def test_threads_that_ask_for_the_same_wait_for_the_first():
    class Asked:
        computed = 0

        @computed_once
        def answer(self):
            self.computed += 1
            time.sleep(0.05)
            return object()

    asked = Asked()
    with ThreadPoolExecutor(3) as pool:
        assert len(set(pool.map(lambda _: asked.answer, range(3)))) == 1
    assert asked.computed == 1


def test_keys_are_matched_in_any_order():
    base = SiteKeys(
        np.array([1, 2**64 - 1, 2**64 - 1], dtype=np.uint64),
        np.array([0, 3, 3], dtype=np.int16),
        np.array([1, 1, 2], dtype=np.int32),
    )
    other = pick(base, np.array([2, 0, 0]))
    match = match_keys(base, other)
    assert match.row.tolist() == [1, -1, 0]
    assert (match.missing.tolist(), match.extra.tolist(), match.repeated.tolist()) == ([1], [], [2])
    assert match_keys(other, base).extra.tolist() == [1]
    assert match_keys(base, base).row is None
    empty = pick(base, np.array([], dtype=np.int64))
    assert match_keys(base, empty).missing.tolist() == [0, 1, 2]
    assert match_keys(empty, base).extra.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("assignment", ["chain_keys", "quotas", "jitter_log_accounting"]),
        ("jitter", ["chain_keys"]),
        (
            "synthesis",
            ["egress_extra_rows", "chain_keys", "conservation", "assignment_log_accounting"],
        ),
        ("assignment_log", ["assignment_log_accounting"]),
    ],
)
def test_a_table_without_rows_gets_a_verdict(valid, table, expected):
    assert failing(with_rows(valid, table, np.arange(0))) == expected


def test_an_egress_without_rows_gets_a_verdict(valid):
    found = failing(with_rows(valid, "egress", np.arange(0)))
    assert found[0] == "egress_missing_rows"
    assert "eligible_country_nonzero_share" in found


def test_a_plan_is_made_anew_of_what_is_wanted_but_not_without_end(valid):
    def wants(n_sites):
        n = valid.requirements.n_sites.copy()
        n[4] = n_sites
        return fresh(valid, requirements=replace(valid.requirements, n_sites=n))

    one_more = wants(valid.requirements.n_sites[4] + 1)
    assert failing(one_more) == ["requirements", "plan_replay"]
    without_end = wants(1 << 40)
    assert failing(without_end) == ["requirements", "plan_replay"]
    assert plan_replay(without_end).reason.endswith("not made anew")


def test_a_log_of_attempts_without_rows_gets_a_verdict(valid):
    assert failing(with_attempts(valid, np.arange(0))) == ["jitter_log_accounting"]


def extremes(values):
    """Values that no law gives, and the ends of a type."""
    if values.dtype.kind == "f":
        return [np.nan, np.inf, -np.inf, 0.0, -1e308, 181.0, 5e-324]
    if values.dtype.kind == "b":
        return [True, False]
    ends = np.iinfo(values.dtype)
    return [0, 1, ends.max, ends.min, min(ends.max, 7_000_000_000)]


def with_column(e, table, column, values):
    if table == "attempts":
        return fresh(e, attempts=replace(e.attempts, **{column: values}))
    if table in e.tables:
        return fresh(e, tables={**e.tables, table: {**e.tables[table], column: values}})
    return fresh(e, **{table: replace(getattr(e, table), **{column: values})})


def columns_of(e):
    """Numeric columns of the evidence by table and name."""
    found = {(table, name): v for table, held in e.tables.items() for name, v in held.items()}
    for table, name in (
        ("attempts", "attempt"),
        ("attempts", "accepted"),
        ("plan", "tile_id"),
        ("plan", "n_sites"),
        ("requirements", "n_sites"),
        ("upstream", "n_sites"),
    ):
        found[table, name] = getattr(getattr(e, table), name)
    return found


def test_an_extreme_value_in_any_column_gets_a_verdict(valid):
    for (table, column), values in columns_of(valid).items():
        for extreme in extremes(values):
            for rows in (len(values) // 2, slice(None)):
                changed = values.copy()
                changed[rows] = extreme
                found = failing(with_column(valid, table, column, changed))
                same = np.array_equal(changed, values)
                assert same or found, f"{table}.{column} {extreme} in {rows}"


@pytest.mark.parametrize(
    "name",
    [
        *("upstream/outlet_catalogue", "upstream/candidate_set"),
        *("reference/countries", "reference/places", "reference/facts"),
    ],
)
def test_what_s0_sealed_is_held_against_the_receipt(valid, name):
    sealed = {**valid.receipt["sealed_inputs"], name: "0" * 64}
    receipt = {
        **valid.receipt,
        "sealed_inputs": sealed,
        "manifest_fingerprint": manifest_fingerprint(sealed),
    }
    assert failing(fresh(valid, receipt=receipt)) == ["ledger"]
