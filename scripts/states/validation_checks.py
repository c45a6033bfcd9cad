"""The checks of S9: one list, each entry with the one violation that it exists for.

A check gives what it observed against a threshold. *Structural* checks look at the
:class:`~scripts.states.validation_evidence.Evidence` of some countries after the other and count
violations, of which none is allowed. *Realism* checks hold a metric of the egress, its
:class:`~scripts.states.validation_evidence.MapEvidence`, against the S9 policy; a metric that
cannot be measured fails. All checks run, whatever the others found.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from scripts import countries
from scripts.geo import metrics
from scripts.geo.collapse import CollapseLimits, collapse_sentinel
from scripts.geo.distance import blocks, on_earth
from scripts.ordering import in_order
from scripts.progress import track
from scripts.records.identity import manifest_fingerprint, parameter_hash
from scripts.states.pair_counts import (
    Homes,
    PairCounts,
    outside,
    sum_pairs,
    unbalanced,
)
from scripts.states.s5_site_tile_assignment import Plan
from scripts.states.sites import (
    ASSIGN_FAMILY,
    JITTER_FAMILY,
    SiteKeys,
    absolute_deg,
    falls,
    rng_metadata,
    workers_for,
)
from scripts.states.tallies import Tally, add
from scripts.states.validation_evidence import Evidence, MapEvidence
from scripts.tables import published

STRUCTURAL, REALISM = "structural", "realism"
PASS, FAIL, REPORTED = "PASS", "FAIL", "REPORTED"
# Sites per outlet of 1A beyond which a plan is not made anew: it would have no room in memory.
_MOST_WANTED = 2.0


@dataclass(frozen=True)
class Outcome:
    """What a check observed; ``reason`` is empty when the check holds."""

    observed: float
    threshold: float
    reason: str

    def __add__(self, other: Outcome) -> Outcome:
        """Violations of some countries and of others, told by the first."""
        total = self.observed + other.observed
        return Outcome(total, self.threshold, self.reason or other.reason)


@dataclass(frozen=True)
class Check:
    """One check: stable id, error code, kind, and the violation that it exists for.

    ``once``: it looks at what is the same for all countries of a run.
    """

    id: str
    code: str
    kind: str
    violation: str
    run: Callable[[Any], Outcome]
    once: bool


CHECKS: list[Check] = []
Looks = TypeVar("Looks", Evidence, MapEvidence)


def _check(
    code: str, kind: str, violation: str, once: bool = False
) -> Callable[[Callable[[Looks], Outcome]], Callable[[Looks], Outcome]]:
    def register(function: Callable[[Looks], Outcome]) -> Callable[[Looks], Outcome]:
        CHECKS.append(Check(function.__name__, code, kind, violation, function, once))
        return function

    return register


def _none(count: int, reason: str) -> Outcome:
    """No violation is allowed."""
    return Outcome(float(count), 0.0, reason if count else "")


def _rows(rows: npt.NDArray[Any], keys: SiteKeys, rule: str) -> Outcome:
    """Violations at rows of a table, told by the first."""
    return _none(len(rows), f"{keys.name(int(rows[0]))}: {rule}" if len(rows) else "")


def _where(mask: npt.NDArray[np.bool_], keys: SiteKeys, rule: str) -> Outcome:
    return _rows(np.flatnonzero(mask), keys, rule)


def _pairs(wrong: PairCounts, rule: str) -> Outcome:
    if not len(wrong.n_sites):
        return _none(0, "")
    return _none(len(wrong.n_sites), f"{wrong.name(0)}: {rule} by {int(wrong.n_sites[0]):+d}")


@_check(
    "E905",
    STRUCTURAL,
    "a receipt that belongs to another run, policy set or sealed inputs",
    once=True,
)
def identity(e: Evidence) -> Outcome:
    """The receipt is of this run and seed, and its hashes follow from what it lists."""
    receipt = e.receipt
    faults = []
    if receipt["run_id"] != e.run_id or int(receipt["seed"]) != e.seed:
        faults.append(f"receipt of run {receipt['run_id']} seed {receipt['seed']}")
    if parameter_hash(receipt["policies"]) != receipt["parameter_hash"]:
        faults.append("parameter_hash does not follow from the policies listed")
    if manifest_fingerprint(receipt["sealed_inputs"]) != receipt["manifest_fingerprint"]:
        faults.append("manifest_fingerprint does not follow from the sealed inputs listed")
    faults += [
        f"policy {name} is not the one listed"
        for name, digest in sorted(e.policy_digests.items())
        if receipt["policies"].get(name) != digest
    ]
    return _none(len(faults), "; ".join(faults))


def listed_name(path: str, listed: Container[str]) -> str:
    """Name that a receipt gives a file, below the runs root; the file's own where it lists none."""
    parts = path.split("/")
    tails = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((tail for tail in tails if tail in listed), parts[-1])


@_check("E926", STRUCTURAL, "a table that changed after the receipt was written", once=True)
def ledger(e: Evidence) -> Outcome:
    """Every table has the digest that the receipt holds for it, as an output or as sealed by S0."""
    listed = e.receipt["outputs"]
    wrong = [
        path
        for path, digest in sorted(e.input_digests.items())
        if listed.get(listed_name(path, listed)) != digest
    ]
    sealed = e.receipt["sealed_inputs"]
    wrong += [name for name, digest in e.sealed_digests.items() if sealed.get(name) != digest]
    return _none(len(wrong), f"{wrong[0]} is not as the receipt says" if wrong else "")


@_check("E901", STRUCTURAL, "a site of S7 that the egress lacks")
def egress_missing_rows(e: Evidence) -> Outcome:
    """Every site of S7 is in the egress."""
    return _rows(e.matches["egress"].missing, e.sites, "is not in site_locations")


@_check("E902", STRUCTURAL, "a site of the egress that S7 does not know")
def egress_extra_rows(e: Evidence) -> Outcome:
    """Every site of the egress is in S7."""
    return _rows(e.matches["egress"].extra, e.keys["egress"], "is not in S7")


@_check("E903", STRUCTURAL, "a site that stands twice in the egress")
def egress_duplicate_keys(e: Evidence) -> Outcome:
    """No key of the egress repeats."""
    return _rows(e.matches["egress"].repeated, e.keys["egress"], "stands twice")


@_check(
    "E904", STRUCTURAL, "an egress with another column, type, null or geometry metadata", once=True
)
def egress_schema(e: Evidence) -> Outcome:
    """Columns, types and GeoParquet metadata are those of the contract."""
    return _none(1 if e.egress_fault else 0, e.egress_fault)


@_check("E906", STRUCTURAL, "an egress whose rows are out of order")
def egress_sorted(e: Evidence) -> Outcome:
    """Rows ascend by merchant, country and site_order."""
    if e.egress_order:
        return _none(1, e.egress_order)
    return _rows(falls(e.keys["egress"]), e.keys["egress"], "is out of order")


@_check("E921", STRUCTURAL, "a site that S5 or S6 has and S7 has not, or the other way round")
def chain_keys(e: Evidence) -> Outcome:
    """S5, S6 and S7 hold the same sites once each, in order."""
    for name in ("assignment", "jitter"):
        match = e.matches[name]
        for rows, keys, rule in (
            (match.missing, e.sites, f"is in S7 and not in the {name}"),
            (match.extra, e.keys[name], f"is in the {name} and not in S7"),
            (match.repeated, e.keys[name], f"stands twice in the {name}"),
        ):
            if len(rows):
                return _rows(rows, keys, rule)
        if match.row is not None and len(match.row) and (np.diff(match.row) < 0).any():
            return _none(1, f"the {name} is out of order")
    return _none(0, "")


@_check("E928", STRUCTURAL, "a site_order that does not count from 1 within its pair")
def site_orders(e: Evidence) -> Outcome:
    """Within each (merchant, country) site_order runs 1, 2, ..., n."""
    k, n_sites = e.sites, e.site_pairs.n_sites
    expected = np.arange(len(k)) - np.repeat(np.cumsum(n_sites) - n_sites, n_sites) + 1
    return _where(k.order != expected, k, "site_order is not contiguous from 1")


@_check("E914", STRUCTURAL, "a coordinate that is not finite or not on the Earth")
def egress_bounds(e: Evidence) -> Outcome:
    """Longitudes lie in [-180, 180], latitudes in [-90, 90]."""
    return _where(e.present("egress") & ~e.in_bounds, e.sites, "coordinate is not on the Earth")


@_check("E927", STRUCTURAL, "a tile that S1 does not give to the country")
def tiles_known(e: Evidence) -> Outcome:
    """Every tile in use is a tile of its country in the tile index."""
    unknown = np.flatnonzero(np.isnan(e.cells.coverage))
    if not len(unknown):
        return _none(0, "")
    iso = countries.decode_one(int(e.cells.country[unknown[0]]))
    return _none(len(unknown), f"tile {int(e.cells.tile[unknown[0]])} is not a tile of {iso}")


@_check("E929", STRUCTURAL, "a tile that changed between S5, S6 and S7")
def tiles_agree(e: Evidence) -> Outcome:
    """S6 and S7 carry the tile of S5."""
    tile = e.column("assignment", "tile_id")
    both = e.present("assignment")
    wrong = both & (e.column("synthesis", "tile_id") != tile)
    wrong |= both & e.present("jitter") & (e.column("jitter", "tile_id") != tile)
    return _where(wrong, e.sites, "is on another tile than S5 gave it")


@_check("E917", STRUCTURAL, "a site far from its tile")
def point_near_tile(e: Evidence) -> Outcome:
    """Every egress coordinate lies on the tile of S5 or one that touches it."""
    outside = e.in_bounds & e.present("assignment") & ~e.near_tile
    return _where(outside, e.sites, "lies beyond the tiles that touch its own")


@_check("E918", STRUCTURAL, "a site outside its country")
def point_in_country(e: Evidence) -> Outcome:
    """Every egress coordinate lies inside its country's polygon, wholly covered tiles included."""
    return _where(e.in_bounds & ~e.in_country, e.sites, "lies outside its country")


@_check(
    "E922", STRUCTURAL, "a coordinate of S7 that is not the tile's centre plus the offset of S6"
)
def synthesis(e: Evidence) -> Outcome:
    """S7 is centre plus offset, bit for bit."""
    tile = e.column("assignment", "tile_id")
    offset = e.column("jitter", "delta_lon_deg"), e.column("jitter", "delta_lat_deg")
    published_lon, published_lat = (e.column("synthesis", name) for name in ("lon_deg", "lat_deg"))
    wrong = e.present("assignment", "jitter")
    for rows in blocks(len(wrong)):
        lon, lat = absolute_deg(*e.grid.centre_deg(tile[rows]), offset[0][rows], offset[1][rows])
        wrong[rows] &= (lon != published_lon[rows]) | (lat != published_lat[rows])
    return _where(wrong, e.sites, "S7 is not centre plus offset")


@_check("E915", STRUCTURAL, "an egress coordinate, near its tile, that is not that of S7")
def egress_coordinates(e: Evidence) -> Outcome:
    """Egress coordinates are those of S7, bit for bit."""
    differs = (e.column("egress", "lon_deg") != e.column("synthesis", "lon_deg")) | (
        e.column("egress", "lat_deg") != e.column("synthesis", "lat_deg")
    )
    return _where(differs & e.near_tile, e.sites, "coordinate differs from S7")


@_check("E916", STRUCTURAL, "a geometry that is not the point of lon_deg and lat_deg")
def egress_geometry(e: Evidence) -> Outcome:
    """The geometry column repeats the coordinates, bit for bit."""
    if e.geometry is None:
        return _none(1, "geometry is not little-endian WKB points")
    egress = e.tables["egress"]
    lon, lat = egress["lon_deg"], egress["lat_deg"]
    differs = (e.geometry[0] != lon) | (e.geometry[1] != lat)
    return _where(differs & on_earth(lon, lat), e.keys["egress"], "geometry is not the coordinate")


@_check("E923", STRUCTURAL, "a tile that got more or fewer sites of a pair than S4 planned")
def quotas(e: Evidence) -> Outcome:
    """Sites per (merchant, country, tile) are those of the plan."""
    keys, tile = e.keys["assignment"], e.tables["assignment"]["tile_id"]
    first, n_sites = e.assignment_replay.first, e.assignment_replay.n_sites
    if (
        len(first) == len(e.plan.n_sites)
        and np.array_equal(keys.merchant[first], e.plan.merchant)
        and np.array_equal(keys.country[first], e.plan.country)
        and np.array_equal(tile[first], e.plan.tile_id)
    ):
        wrong = np.flatnonzero(n_sites != e.plan.n_sites)
        return _rows(first[wrong], keys, "tile does not hold the planned number of sites")
    excess = abs(len(first) - len(e.plan.n_sites))
    return _none(excess or 1, "tiles in use per pair are not those of the plan")


@_check("E924", STRUCTURAL, "a plan that does not add up to the requirements and the reroutes")
def requirements(e: Evidence) -> Outcome:
    """Per pair: planned sites = requirements of S3 + moves of S4."""
    return _pairs(e.unplanned, "plan minus requirements and moves is off")


@_check("E936", STRUCTURAL, "a plan that its law and its draws do not give")
def plan_replay(e: Evidence) -> Outcome:
    """The plan made anew from requirements, reroutes, weights and keys is the plan, row by row."""
    wanted = float(np.maximum(e.wanted.n_sites, 0).sum(dtype=np.float64))
    outlets = int(e.whole.upstream.n_sites.sum())
    if wanted > _MOST_WANTED * outlets:
        return _none(1, f"{wanted:.3g} sites are wanted of {outlets} outlets: not made anew")
    anew = e.plan_anew(e.wanted)
    if all(map(np.array_equal, _columns(anew), _columns(e.plan))):
        return _none(0, "")
    made, plan = _ordered(anew), _ordered(e.plan)
    if len(made[0]) != len(plan[0]):
        excess = abs(len(made[0]) - len(plan[0]))
        return _none(excess, f"{len(plan[0])} rows, {len(made[0])} made anew")
    differs = functools.reduce(
        np.logical_or, (new != old for new, old in zip(made, plan, strict=True))
    )
    wrong = np.flatnonzero(differs)
    if not len(wrong):
        return _none(0, "")
    merchant, country = plan[0][wrong[0]], countries.decode_one(int(plan[1][wrong[0]]))
    where = f"merchant {int(merchant)} country {country}"
    return _none(len(wrong), f"{where}: its sites stand on other tiles than its draws give")


def _columns(plan: Plan) -> tuple[npt.NDArray[Any], ...]:
    return plan.merchant, plan.country, plan.tile_id, plan.n_sites


def _ordered(plan: Plan) -> list[npt.NDArray[Any]]:
    """Columns of a plan by merchant, country and tile, whatever its parts are."""
    rows = in_order(plan.merchant, plan.country, plan.tile_id)
    return [column[rows] for column in _columns(plan)]


@_check("E925", STRUCTURAL, "an outlet of 1A that has no site, or a site without an outlet")
def conservation(e: Evidence) -> Outcome:
    """Per pair: outlets of 1A + both ledgers = sites of S7."""
    wrong = unbalanced([e.site_pairs], [e.upstream, *e.steering, *e.reroute])
    return _pairs(wrong, "sites minus outlets and moves is off")


@_check("E937", STRUCTURAL, "a site in a country where its merchant may not stand")
def candidate_countries(e: Evidence) -> Outcome:
    """Every (merchant, country) of S7 is in the candidate set of 1A."""
    absent = outside(sum_pairs([e.site_pairs]), e.allowed)
    return _pairs(absent, "stands where 1A has no candidate of it")


@_check(
    "E938", STRUCTURAL, "more sites moved, or sent abroad, than their policy lets it", once=True
)
def moves_within_bounds(e: Evidence) -> Outcome:
    """Moves of S3 and of S4's guard keep ``max_moved_share`` and ``max_home_legal_mismatch``."""
    steering, plan = e.policies["weights"]["steering"], e.policies["plan"]
    guarded = plan["reroute"]["enabled"] or plan["residual_redistribution"]["enabled"]
    pairs, faults = e.whole.upstream, []
    for state, moves, share in (
        ("S3", e.whole.steering, steering["max_moved_share"] * steering["enabled"]),
        ("S4", e.whole.reroute, plan["max_moved_share"] * guarded),
    ):
        total, abroad = int(pairs.n_sites.sum()), _abroad(pairs, e.homes)
        moved, allowed = int(moves[1].n_sites.sum()), int(share * total)
        pairs = sum_pairs([pairs, *moves])
        sent, bound = _abroad(pairs, e.homes), int(steering["max_home_legal_mismatch"] * total)
        if moved > allowed:
            faults.append(f"{state} moved {moved} sites of at most {allowed}")
        if sent > max(abroad, bound):
            faults.append(f"{state} left {sent} sites abroad of at most {max(abroad, bound)}")
    return _none(len(faults), "; ".join(faults))


def _abroad(pairs: PairCounts, homes: Homes) -> int:
    """Sites outside their merchant's home country."""
    return int(pairs.n_sites[pairs.country != homes.of(pairs.merchant)].sum())


@_check("E907", STRUCTURAL, "a site of S5 without its event, an event without a site, another key")
def assignment_log_accounting(e: Evidence) -> Outcome:
    """One event per site of S5, under the seed and namespace of the run."""
    wanted = rng_metadata(e.seed, e.policies["assignment"]["namespace"], ASSIGN_FAMILY)
    found = e.log_metadata["assignment_log"]
    if any(found.get(key) != value for key, value in wanted.items()):
        return _none(1, "the log's metadata do not name the seed and namespace of the run")
    log, sites = e.matches["assignment_log"], e.matches["assignment"]
    faults = len(np.setdiff1d(log.missing, sites.missing)) + len(log.extra) + len(log.repeated)
    return _none(faults, f"{faults} sites without one event, or events without a site")


@_check("E930", STRUCTURAL, "a logged uniform of S5 that its key does not give")
def assignment_log_replay(e: Evidence) -> Outcome:
    """Every u of S5 is that of its key, bit for bit."""
    rule = "u is not the draw of its key"
    return _rows(e.assignment_replay.other_draw, e.keys["assignment"], rule)


@_check("E931", STRUCTURAL, "a site of S5 on a tile that its draw does not give")
def assignment_permutation(e: Evidence) -> Outcome:
    """Within a pair, sites in order of u hold tiles in ascending order."""
    rule = "its draw gives it another tile of its pair"
    return _rows(e.assignment_replay.out_of_order, e.keys["assignment"], rule)


@_check("E932", STRUCTURAL, "attempts of S6 that are not 0, 1, ... with the last alone accepted")
def jitter_log_accounting(e: Evidence) -> Outcome:
    """Every site has attempts from zero without a gap, and only its last is accepted."""
    wanted = rng_metadata(e.seed, e.policies["jitter"]["namespace"], JITTER_FAMILY)
    found = e.log_metadata["jitter_log"]
    if any(found.get(key) != value for key, value in wanted.items()):
        return _none(1, "the log's metadata do not name the seed and namespace of the run")
    match = e.attempt_sites
    if len(match.missing):
        return _rows(match.missing, e.keys["assignment"], "has no attempt")
    first = e.attempt_starts[:-1]
    if len(match.extra) or len(match.repeated):
        run = (match.extra if len(match.extra) else match.repeated)[:1]
        return _rows(first[run], e.attempts.keys, "has attempts of no site, or apart")
    return _rows(
        first[~e.complete_run], e.attempts.keys, "attempts are not 0, 1, ... up to the accepted"
    )


@_check("E933", STRUCTURAL, "a logged uniform of S6 that its key does not give")
def jitter_log_replay(e: Evidence) -> Outcome:
    """Every uniform of every attempt is that of its key, bit for bit."""
    return _rows(e.jitter_replay.other_draw, e.attempts.keys, "a uniform is not that of its key")


@_check("E934", STRUCTURAL, "an offset or component that the accepted attempt does not give")
def jitter_positions(e: Evidence) -> Outcome:
    """The accepted attempt gives offset, component and law of S6, bit for bit."""
    return _rows(
        e.jitter_replay.other_position,
        e.keys["assignment"],
        "the accepted attempt gives another position",
    )


@_check("E935", STRUCTURAL, "an attempt of S6 that was rejected though it lay inside")
def jitter_rejections(e: Evidence) -> Outcome:
    """Every rejected attempt lay beyond the tiles about the site's or outside the country."""
    return _rows(
        e.jitter_replay.needless_rejection, e.attempts.keys, "a rejected attempt lay inside"
    )


def _at_most(observed: float, threshold: float, what: str) -> Outcome:
    holds = observed <= threshold
    return Outcome(observed, threshold, "" if holds else f"{what} {observed:.6g} > {threshold:g}")


def _at_least(observed: float, threshold: float, what: str) -> Outcome:
    holds = observed >= threshold
    return Outcome(observed, threshold, "" if holds else f"{what} {observed:.6g} < {threshold:g}")


def _limit(e: MapEvidence, name: str) -> Any:
    return e.policies["validation"]["realism"][name]


@_check("E940", REALISM, "sites concentrated on few countries")
def country_gini(e: MapEvidence) -> Outcome:
    """Gini of sites by country, the worse of all eligible and of active countries."""
    return _at_most(e.concentration["country_gini"]["gate"], _limit(e, "country_gini_max"), "Gini")


def _top(e: MapEvidence, name: str) -> Outcome:
    return _at_most(e.concentration[name]["gate"], _limit(e, f"{name}_max"), "share")


@_check("E941", REALISM, "one country in a hundred with too large a share")
def top1_share(e: MapEvidence) -> Outcome:
    """Share of sites in the top 1 % of countries."""
    return _top(e, "top1_share")


@_check("E942", REALISM, "one country in twenty with too large a share")
def top5_share(e: MapEvidence) -> Outcome:
    """Share of sites in the top 5 % of countries."""
    return _top(e, "top5_share")


@_check("E943", REALISM, "one country in ten with too large a share")
def top10_share(e: MapEvidence) -> Outcome:
    """Share of sites in the top 10 % of countries."""
    return _top(e, "top10_share")


@_check("E944", REALISM, "eligible countries without a site")
def eligible_country_nonzero_share(e: MapEvidence) -> Outcome:
    """Share of eligible countries that hold a site."""
    observed = metrics.eligible_country_nonzero_share(e.counts, e.eligible)
    return _at_least(observed, _limit(e, "eligible_country_nonzero_share_min"), "share")


@_check("E945", REALISM, "a southern hemisphere with too few sites")
def southern_hemisphere_share(e: MapEvidence) -> Outcome:
    """Share of sites south of the equator."""
    return _at_least(
        e.southern_hemisphere_share, _limit(e, "southern_hemisphere_share_min"), "share"
    )


@_check("E946", REALISM, "a region below its floor in the S2 policy")
def region_floors(e: MapEvidence) -> Outcome:
    """Smallest difference between a region's share of sites and its floor."""
    codes = countries.encode(e.facts.column("country_iso")).tolist()
    region_of = dict(zip(codes, e.facts.column("macro_region").to_pylist(), strict=True))
    shares = metrics.region_shares(e.counts, region_of)
    floors = e.policies["weights"]["country_mass"]["region_floor_share"]
    slack = {
        region: shares.get(region, 0.0) - floor
        for region, floor in sorted(floors.items())
        if floor > 0.0
    }
    if not slack:
        return Outcome(math.nan, 0.0, "the S2 policy sets no region floor")
    worst = min(slack, key=lambda region: (slack[region] >= 0.0, slack[region]))
    outcome = _at_least(slack[worst], -_limit(e, "region_floor_slack"), "")
    reason = f"{worst} holds {shares.get(worst, 0.0):.6g}, its floor is {floors[worst]:g}"
    return Outcome(outcome.observed, outcome.threshold, reason if outcome.reason else "")


@_check("E947", REALISM, "a long tail of lonely sites, or half of the sites on one another")
def nn_tail_ratio(e: MapEvidence) -> Outcome:
    """p99 / p50 of nearest-neighbour distances at the reference density."""
    return _at_most(metrics.tail_ratio(e.nearest_m), _limit(e, "nn_tail_ratio_max"), "p99/p50")


@_check("E948", REALISM, "a country whose sites collapse to a line, a corridor or a pile")
def collapse(e: MapEvidence) -> Outcome:
    """Countries that the collapse sentinel flags."""
    land = np.zeros(countries.CODES)
    codes = countries.encode(e.facts.column("country_iso"))
    land[codes] = e.facts.column("land_area_km2").to_numpy() * 1e6
    limits = CollapseLimits(**_limit(e, "collapse"))
    flagged = [
        row["country_iso"]
        for row in collapse_sentinel(e.sites, e.rank, e.counts, e.people, land, limits)
        if row["flagged"]
    ]
    return _none(len(flagged), f"flagged: {', '.join(flagged)}")


@dataclass(frozen=True)
class Findings:
    """What all checks found: rows of the summary in the order of the registry.

    ``map`` is that of all countries, ``tally`` the sum of :attr:`Evidence.tally`, ``log_metadata``
    what the parts of each log have in common.
    """

    rows: list[dict[str, Any]]
    map: MapEvidence
    tally: Tally
    log_metadata: Mapping[str, Mapping[str, str]]


def _run(checks: Sequence[Check], part: Evidence) -> list[Outcome]:
    """What the checks find, some of them at a time; the map is made ready beside them."""
    with ThreadPoolExecutor(workers_for(len(part.sites))) as pool:
        pool.submit(getattr, part, "map")
        found = pool.map(lambda check: check.run(part), checks)
        return list(track(found, "structural checks", len(checks)))


def evaluate(parts: Iterable[Evidence]) -> Findings:
    """Run every check on the evidence of all countries, which comes in one part or several.

    Violations of the parts add up, the first is told. One part is in memory at a time. A realism
    check that does not hold is ``REPORTED`` instead of ``FAIL`` when the policy says so.
    """
    outcomes: dict[str, Outcome] = {}
    maps, tallies, metadata = [], [], []
    for part in parts:
        mine = [
            check
            for check in CHECKS
            if check.kind == STRUCTURAL and not (check.once and check.id in outcomes)
        ]
        for check, found in zip(mine, _run(mine, part), strict=True):
            so_far = outcomes.get(check.id)
            outcomes[check.id] = found if so_far is None else so_far + found
        maps.append(part.map)
        tallies.append(part.tally)
        metadata.append(part.log_metadata)
        # Not held while the next is read.
        del part
    whole = MapEvidence.joined(maps)
    realism = [check for check in CHECKS if check.kind == REALISM]
    with ThreadPoolExecutor(workers_for(int(whole.counts.sum()))) as pool:
        judged = track(pool.map(lambda check: check.run(whole), realism), "realism", len(realism))
        outcomes |= dict(zip((check.id for check in realism), judged, strict=True))
    report_only = whole.policies["validation"]["realism"]["mode"] == "report"
    rows = []
    for check in CHECKS:
        outcome = outcomes[check.id]
        status = PASS
        if outcome.reason:
            status = REPORTED if report_only and check.kind == REALISM else FAIL
        rows.append(
            {
                "check": check.id,
                "code": check.code,
                "kind": check.kind,
                "status": status,
                "observed": published(outcome.observed),
                "threshold": published(outcome.threshold),
                "reason": outcome.reason,
            }
        )
    shared = {
        name: dict(set.intersection(*(set(logs[name].items()) for logs in metadata)))
        for name in metadata[0]
    }
    return Findings(rows, whole, add(tallies), shared)
