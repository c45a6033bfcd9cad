"""Every knob of S2, S4 and S6 moves the sites the way its schema says.

The list of knobs is read from the schemas, so a new key without a case fails. Each case turns one
knob on a real world of thirty-two countries, runs the states that it reruns and measures the
egress; nothing is taken from what a state reports about itself.
"""

import copy
import functools
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from scipy.spatial import cKDTree

from scripts import countries
from scripts.errors import ConfigError, StateError
from scripts.geo import metrics
from scripts.geo.distance import unit_vectors
from scripts.geo.snapshot import MACRO_REGIONS, load_facts, load_land_cover
from scripts.geo.urban import look_up, near_urban_mask
from scripts.inequality import gini, top_share
from scripts.policies import check_policy, load_policy, load_schema
from scripts.search import chain
from scripts.search.sensitivity import begins_at
from tests.chain_world import make_sources
from tests.small_world import MERCHANTS, cut_reference

REPOSITORY = Path(__file__).resolve().parents[2]
POLICIES = REPOSITORY / "config/layer1/1B/policy"
FILES = {
    "s1_tile_index": "policy.s1.tile_index.yaml",
    "s2": "policy.s2.tile_weights.yaml",
    "s4": "policy.s4.alloc_plan.yaml",
    "s5": "policy.s5.assignment.yaml",
    "s6": "policy.s6.jitter.yaml",
}
RUN_ID, SEED = "0" * 32, 42
KM = 6371.0088
# Identifies a file; it decides nothing.
NOT_A_KNOB = {"policy_version"}


def knobs_of(state: str) -> set[str]:
    """Dotted keys of a policy's schema that hold a value."""
    schema = load_schema(schema_of(state))

    def leaves(node, trail):
        if "$ref" in node:
            node = {**schema["$defs"][node["$ref"].rsplit("/", 1)[-1]], **node}
        if "properties" not in node:
            return {".".join(trail)}
        return set().union(*(leaves(v, [*trail, k]) for k, v in node["properties"].items()))

    return leaves(schema, []) - NOT_A_KNOB


def schema_of(state: str) -> str:
    return FILES[state].removesuffix(".yaml")


def with_keys(policy, changes):
    """Copy of a policy with dotted keys set."""
    policy = copy.deepcopy(policy)
    for path, value in changes.items():
        *trail, last = path.split(".")
        node = policy
        for key in trail:
            node = node.setdefault(key, {})
        node[last] = value
    return policy


@dataclass(frozen=True)
class Egress:
    """Sites of a finished chain, and what surrounds them."""

    merchant: np.ndarray
    country: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    home: dict
    world: "World" = field(repr=False)

    @functools.cached_property
    def counts(self):
        return metrics.country_counts(self.country)

    @functools.cached_property
    def nn_m(self):
        return metrics.nearest_neighbour_m(self.lon, self.lat)

    @functools.cached_property
    def place_km(self):
        """Distance of every site to the nearest populated place, km."""
        chord, _ = self.world.places_tree.query(unit_vectors(self.lon, self.lat))
        return chord * KM

    def share(self, iso):
        return self.counts[countries.encode_one(iso)] / len(self.country)


class World:
    """Shared inputs, and every chain that was asked for, by the policies that made it."""

    def __init__(self, folder: Path):
        self.folder = folder
        reference = folder / "reference"
        cut_reference(REPOSITORY / "resources/reference", reference)
        upstream = with_keys(
            load_policy(REPOSITORY / "config/layer1/1A/policy/policy.1a.generator.reopened.yaml"),
            {
                "merchants.total": MERCHANTS,
                "home_prior.country_cap_share": 0.06,
                "home_prior.region_floor_share": {},
                "candidates.prior.country_cap_share": 0.1,
            },
        )
        self.sources, made = make_sources(reference, POLICIES, upstream, SEED, folder, RUN_ID)
        catalogue = made["outlet_catalogue"]
        self.home = dict(
            zip(
                catalogue["merchant_id"].to_pylist(),
                countries.encode(catalogue["home_country_iso"]).tolist(),
                strict=True,
            )
        )
        self.near_urban = near_urban_mask(load_land_cover(reference / "land_cover.parquet"))
        places = pq.read_table(self.sources.places, columns=["lon_deg", "lat_deg", "population"])
        where = unit_vectors(places["lon_deg"].to_numpy(), places["lat_deg"].to_numpy())
        self.places_tree = cKDTree(where)
        facts = load_facts(self.sources.facts)
        self.region = np.full(countries.CODES, -1)
        self.region[countries.encode(facts["country_iso"])] = [
            MACRO_REGIONS.index(r) for r in facts["macro_region"].to_pylist()
        ]
        # Wide open, so that each knob binds when its case turns it, whatever the shipped values.
        self.base = {
            "s2": with_keys(
                load_policy(POLICIES / FILES["s2"]),
                {
                    "country_mass.region_floor_share": {},
                    "country_mass.country_cap_share_soft": 0.2,
                    "country_mass.country_cap_share_hard": 0.3,
                    "country_mass.topk_cap_targets": {"top1": 0.4, "top5": 0.6, "top10": 0.8},
                    "country_mass.concentration_penalty_strength": 0.0,
                    "steering.max_moved_share": 0.5,
                    "steering.max_home_legal_mismatch": 0.6,
                },
            ),
            "s4": load_policy(POLICIES / FILES["s4"]),
            "s6": load_policy(POLICIES / FILES["s6"]),
        }
        sources = self.sources
        nothing = dict.fromkeys(("near_urban", "density", "cells", "points", "width"), "")
        files = chain.Files(
            tile_index=sources.tile_index,
            tile_population=sources.tile_population,
            countries=sources.countries,
            facts=sources.facts,
            places=sources.places,
            tile_policy=POLICIES / FILES["s1_tile_index"],
            s5_policy=POLICIES / FILES["s5"],
            **nothing,
        )
        self.fixed = chain.read_fixed(files)
        self.merchants = chain.read_merchants(sources.outlet_catalogue, sources.candidate_set, SEED)
        self.made = {}

    def once(self, state, policies, make):
        """What the states up to one make of some policies, made once."""
        key = (state, yaml.safe_dump(policies))
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]

    def policies(self, changes):
        """The base policies with dotted keys set, by state."""
        policies = {
            state: with_keys(base, changes.get(state, {})) for state, base in self.base.items()
        }
        for state, policy in policies.items():
            check_policy(policy, schema_of(state), state)
        return policies

    def pairs(self, changes):
        """Sites by merchant and country behind the guard of S4."""
        policies = self.policies(changes)
        s2 = policies["s2"]
        density = self.once("S2", s2, lambda: chain.densities(self.fixed, s2))
        pairs = chain.required(self.merchants, density, s2)
        return chain.guarded(pairs, self.merchants, density, policies)

    def egress(self, changes) -> Egress:
        """Sites under the base policies with dotted keys set, by state."""
        policies = self.policies(changes)
        s2, s4, s6 = policies.values()
        density = self.once("S2", s2, lambda: chain.densities(self.fixed, s2))
        assignment = self.once(
            "S5",
            [s2, s4],
            lambda: chain.assigned(self.fixed, self.merchants, density, policies),
        )
        sites = self.once(
            "S7", [s2, s4, s6], lambda: chain.placed(self.fixed, SEED, assignment, s6)
        )
        return Egress(sites.merchant, sites.country, sites.lon, sites.lat, self.home, self)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("knobs"))


def country_gini(e):
    return gini(e.counts[e.counts > 0])


def top1(e):
    return top_share(e.counts[e.counts > 0], 0.01)


def top5(e):
    return top_share(e.counts[e.counts > 0], 0.05)


def top10(e):
    return top_share(e.counts[e.counts > 0], 0.10)


def urban(e):
    return float(look_up(e.world.near_urban, e.lon, e.lat).mean())


def nn_p50(e):
    return float(np.median(e.nn_m))


def nn_p99(e):
    return float(np.quantile(e.nn_m, 0.99))


def tail_ratio(e):
    return metrics.tail_ratio(e.nn_m)


def near_place(e):
    return -float(np.mean(e.place_km))


def far_from_place(e):
    return float(np.quantile(e.place_km, 0.95))


def tiles_used(e):
    cell = np.floor(e.lat * 12) * 4320 + np.floor(e.lon * 12)
    return len(np.unique(cell))


def networks(e, least, most):
    """Unit vectors of the outlets of networks of these sizes."""
    key = e.merchant * np.uint64(1000) + e.country.astype(np.uint64)
    order = np.argsort(key, kind="stable")
    where = unit_vectors(e.lon[order], e.lat[order])
    parts = np.split(where, np.flatnonzero(np.diff(key[order])) + 1)
    return [part for part in parts if least <= len(part) <= most]


def spread(least, most):
    """Median over networks of the median distance of their outlets from the first, km."""

    def spread_km(e):
        medians = [
            np.median(np.linalg.norm(part - part[0], axis=1)) for part in networks(e, least, most)
        ]
        return float(np.median(medians) * KM)

    return spread_km


def with_sibling(e):
    """Share of the sites of networks of two and more with another of them within 5 km."""
    near = []
    for part in networks(e, 2, 10**6):
        near += (cKDTree(part).query(part, k=2)[0][:, 1] * KM <= 5.0).tolist()
    return float(np.mean(near))


def cell_variance(e):
    """Variance over mean of the sites of half-degree cells that hold any."""
    cell = np.floor(e.lat * 2) * 720 + np.floor(e.lon * 2)
    held = np.unique(cell, return_counts=True)[1]
    return float(held.var() / held.mean())


def entries_together(e):
    """Share of the sites abroad, in networks of up to five, in the fullest tile of their country's
    such sites."""
    home = np.array([e.home[m] for m in e.merchant.tolist()])
    key = e.merchant * np.uint64(1000) + e.country.astype(np.uint64)
    _, pair, size = np.unique(key, return_inverse=True, return_counts=True)
    rows = np.flatnonzero((home != e.country) & (size[pair] <= 5))
    cell = np.floor(e.lat[rows] * 4) * 1440 + np.floor(e.lon[rows] * 4)
    fullest = 0
    for country in np.unique(e.country[rows]):
        fullest += np.unique(cell[e.country[rows] == country], return_counts=True)[1].max()
    return float(fullest / len(rows))


def longest_country(e):
    """Ratio of the principal standard deviations of the sites of Chile."""
    here = e.country == countries.encode_one("CL")
    x, y = e.lon[here] * np.cos(np.radians(e.lat[here])), e.lat[here]
    major, minor = np.sort(np.linalg.eigvalsh(np.cov(np.stack([x, y]))))[::-1]
    return float(np.sqrt(major / minor))


def across_tiles(e):
    """Share of nearest pairs under 5 km that share a tile."""
    where = unit_vectors(e.lon, e.lat)
    chord, near = cKDTree(where).query(where, k=2)
    close = chord[:, 1] * KM < 5.0
    cell = np.floor(e.lat * 12) * 4320 + np.floor(e.lon * 12)
    return float((cell == cell[near[:, 1]])[close].mean())


def on_easter_island(e):
    return int(((e.country == countries.encode_one("CL")) & (e.lon < -100.0)).sum())


def abroad(e):
    home = np.array([e.home[m] for m in e.merchant.tolist()])
    return float((home != e.country).mean())


def pair_concentration(e):
    """Sum of squared shares of the (merchant, country) pairs."""
    _, n = np.unique(e.merchant * np.uint64(1000) + e.country.astype(np.uint64), return_counts=True)
    return float(((n / n.sum()) ** 2).sum())


def region_share(name):
    def share(e):
        return float((e.world.region[e.country] == MACRO_REGIONS.index(name)).mean())

    share.__name__ = f"share_of_{name}"
    return share


def share_of(iso):
    def share(e):
        return e.share(iso)

    share.__name__ = f"share_of_{iso}"
    return share


def moved_from_upstream(e):
    """Total variation between the country counts of the egress and of the catalogue."""
    upstream = pq.read_table(e.world.sources.outlet_catalogue, columns=["legal_country_iso"])
    before = metrics.country_counts(countries.encode(upstream["legal_country_iso"]))
    return float(np.abs(before - e.counts).sum() / 2 / e.counts.sum())


@dataclass(frozen=True)
class Case:
    """``high`` against ``low`` moves the metric up (sign 1) or down (-1), by at least ``least``
    of its value at ``low``.

    ``given`` are keys, with their state, that both sides have.
    """

    low: object
    high: object
    metric: object
    sign: int
    least: float = 0.01
    given: dict = field(default_factory=dict)


UNSTEERED = {"s2": {"steering.enabled": False}}
LEGACY = {"s2": {"mode": "legacy_basis_only"}}


def mix(block, uniform, area_m2, population):
    """Changes of a whole blend, whose weights must sum to one."""
    parts = {"uniform": uniform, "area_m2": area_m2, "population": population}
    return {f"{block}.basis_mix.{name}": value for name, value in parts.items()}


density = functools.partial(mix, "tile_density")
mass = functools.partial(mix, "country_mass")


ALL_IN_TOWNS = {"s6": {"towns.open_share": 0.0}}
LOCAL = {"outlets.national.few": 0.0, "outlets.national.many": 0.0}
ALONE = {"s4": {**LOCAL, "outlets.company.rounds": 0, "outlets.shape.draws": 1}}
# Without time zones, which give a long country its width.
LONG = {"s4": {"time_zone_floor.offsets": 1, "outlets.shape.anisotropy_max": 3.0}}
FIELD = {"s4": {"outlets.field.broad.sd": 1.5, "outlets.field.local.sd": 0.0}}
OCEANIA_SHORT = {
    "s2": {
        "steering.enabled": False,
        "country_mass.region_floor_share": {"Oceania": 0.35},
    },
    "s4": {"reroute.enabled": False, "max_moved_share": 0.5},
}

CASES = {
    "s2": {
        "mode": Case("blend_v2", "legacy_basis_only", urban, -1, 0.3),
        "legacy_basis": Case("area_m2", "population", urban, 1, 0.3, LEGACY),
        "dp": Case(3, 12, tiles_used, 1, 0.02),
        "tile_density.basis_mix.uniform": Case(
            density(0, 0, 1), density(0.4, 0, 0.6), urban, -1, 0.1
        ),
        "tile_density.basis_mix.area_m2": Case(
            density(0, 0, 1), density(0, 0.4, 0.6), urban, -1, 0.1
        ),
        "tile_density.basis_mix.population": Case(
            density(0.5, 0.5, 0), density(0, 0, 1), urban, 1, 0.3
        ),
        "tile_density.population_exponent": Case(0.6, 1.0, nn_p50, -1, 0.1),
        "tile_density.min_people_per_km2": Case(0.0, 20.0, far_from_place, -1, 0.02),
        "country_mass.basis_mix.uniform": Case(
            mass(0, 0.5, 0.5), mass(1, 0, 0), country_gini, -1, 0.2
        ),
        "country_mass.basis_mix.area_m2": Case(
            mass(1, 0, 0), mass(0, 1, 0), share_of("CL"), 1, 0.5
        ),
        "country_mass.basis_mix.population": Case(
            mass(1, 0, 0), mass(0, 0, 1), share_of("GH"), 1, 0.5
        ),
        "country_mass.area_exponent": Case(0.2, 0.8, share_of("CL"), 1, 0.1),
        "country_mass.population_exponent": Case(0.2, 0.8, share_of("GH"), 1, 0.1),
        **{
            f"country_mass.region_floor_share.{name}": Case(0.0, floor, region_share(name), 1, 0.05)
            for name, floor in {
                "Africa": 0.45,
                "Asia": 0.25,
                "Europe": 0.25,
                "North America": 0.15,
                "Oceania": 0.20,
                "South America": 0.25,
            }.items()
        },
        "country_mass.country_cap_share_soft": Case(0.02, 0.2, top10, 1, 0.03),
        "country_mass.country_cap_share_hard": Case(
            0.05, 0.3, top1, 1, 0.1, {"s2": {"country_mass.country_cap_share_soft": 0.04}}
        ),
        "country_mass.topk_cap_targets.top1": Case(0.06, 0.4, top1, 1, 0.05),
        "country_mass.topk_cap_targets.top5": Case(
            0.12, 0.6, top5, 1, 0.05, {"s2": {"country_mass.topk_cap_targets.top1": 0.12}}
        ),
        "country_mass.topk_cap_targets.top10": Case(
            0.22,
            0.8,
            top10,
            1,
            0.05,
            {
                "s2": {
                    "country_mass.topk_cap_targets.top1": 0.2,
                    "country_mass.topk_cap_targets.top5": 0.2,
                }
            },
        ),
        "country_mass.concentration_penalty_strength": Case(0.0, 1.0, country_gini, -1, 0.1),
        "steering.enabled": Case(False, True, moved_from_upstream, 1, 0.02),
        "steering.max_moved_share": Case(0.01, 0.5, moved_from_upstream, 1, 0.02),
        "steering.max_home_legal_mismatch": Case(0.14, 0.6, abroad, 1, 0.05),
    },
    "s4": {
        "mode": Case("largest_remainder_v1", "outlets_v3", tiles_used, 1, 0.3),
        "country_share_soft_guard": Case(1.0, 2.0, moved_from_upstream, -1, 0.02, UNSTEERED),
        "reroute.enabled": Case(
            False,
            True,
            moved_from_upstream,
            1,
            0.02,
            {**UNSTEERED, "s4": {"residual_redistribution.enabled": False}},
        ),
        "reroute.order": Case(
            "smallest_pair_first", "largest_pair_first", pair_concentration, -1, 0.001, UNSTEERED
        ),
        "residual_redistribution.enabled": Case(
            False,
            True,
            region_share("Oceania"),
            1,
            0.02,
            OCEANIA_SHORT,
        ),
        "max_moved_share": Case(0.0, 0.05, moved_from_upstream, 1, 0.02, UNSTEERED),
        "outlets.field.broad.sd": Case(0.0, 1.5, cell_variance, 1, 0.1),
        "outlets.field.broad.spacing_deg": Case(0.25, 5.0, cell_variance, -1, 0.1, FIELD),
        "outlets.field.local.sd": Case(0.0, 1.5, cell_variance, 1, 0.05),
        "outlets.field.local.spacing_deg": Case(
            0.25, 5.0, cell_variance, -1, 0.1, {"s4": {"outlets.field.local.sd": 1.5}}
        ),
        "outlets.national.few": Case(0.0, 0.9, spread(2, 4), 1, 0.5),
        "outlets.national.many": Case(0.1, 1.0, spread(20, 10**6), 1, 0.1),
        "outlets.national.half_way": Case(
            1.0, 1000.0, spread(10, 19), -1, 0.1, {"s4": {"outlets.national.many": 1.0}}
        ),
        "outlets.entry.share": Case(0.0, 1.0, entries_together, 1, 0.2),
        "outlets.entry.spread_km": Case(1.0, 60.0, entries_together, -1, 0.05),
        "outlets.entry.max_outlets": Case(0, 5, entries_together, 1, 0.2),
        "outlets.reach.km_per_outlet": Case(1.0, 20.0, spread(5, 19), 1, 0.5, ALONE),
        "outlets.reach.max_attempts": Case(1, 64, with_sibling, -1, 0.01, ALONE),
        "outlets.company.km": Case(20.0, 80.0, nn_p99, 1, 0.2),
        "outlets.company.of_sites": Case(500, 1_000_000, nn_p99, 1, 0.05),
        "outlets.company.rounds": Case(0, 8, nn_p99, -1, 0.1),
        "outlets.shape.min_sites": Case(2, 1_000_000, longest_country, 1, 0.01, LONG),
        "outlets.shape.anisotropy_max": Case(
            2.0, 100.0, longest_country, 1, 0.01, {"s4": {"time_zone_floor.offsets": 1}}
        ),
        "outlets.shape.draws": Case(1, 16, longest_country, -1, 0.01, LONG),
        "time_zone_floor.offsets": Case(1, 2, on_easter_island, 1),
        "time_zone_floor.min_sites": Case(40, 100_000, on_easter_island, -1),
    },
    "s6": {
        "mode": Case("uniform_v1", "towns_v3", near_place, 1, 0.05),
        "direct_after": Case(1, 32, near_place, 1, 0.001, ALL_IN_TOWNS),
        "direct_below_coverage": Case(0.0, 1.0, across_tiles, 1, 0.005),
        "towns.open_share": Case(0.0, 0.9, nn_p50, 1, 0.05),
        "towns.radius_km": Case(0.5, 20.0, near_place, 1, 0.02, ALL_IN_TOWNS),
        "towns.spread_km": Case(0.3, 3.0, nn_p50, 1, 0.05, ALL_IN_TOWNS),
        "towns.spread_exponent": Case(
            0.0,
            1.0,
            near_place,
            1,
            0.005,
            {"s6": {"towns.open_share": 0.0, "towns.spread_km": 2.5}},
        ),
        "towns.spread_min_km": Case(
            0.1,
            3.0,
            near_place,
            -1,
            0.02,
            {"s6": {"towns.open_share": 0.0, "towns.spread_exponent": 1.0}},
        ),
        "towns.spread_max_km": Case(
            0.5, 20.0, nn_p50, 1, 0.02, {"s6": {"towns.open_share": 0.0, "towns.spread_km": 3.0}}
        ),
    },
}

# Their effect is not a metric of the map, so each has a test of its own.
APART = {"s4": {"namespace"}, "s6": {"namespace", "max_attempts"}}


def changed(state, key, side):
    return {state: side if isinstance(side, dict) else {key: side}}


def joined(*parts):
    """Changes by state of several parts; later ones win."""
    found = {}
    for part in parts:
        for state, keys in part.items():
            found[state] = {**found.get(state, {}), **keys}
    return found


@pytest.mark.parametrize("state", sorted(CASES))
def test_every_knob_has_a_case(state):
    assert knobs_of(state) == set(CASES[state]) | APART.get(state, set())


@pytest.mark.parametrize(
    ("state", "key"), [(state, key) for state in sorted(CASES) for key in CASES[state]]
)
def test_a_knob_moves_the_sites(world, state, key):
    case = CASES[state][key]
    low, high = (
        case.metric(world.egress(joined(case.given, changed(state, key, side))))
        for side in (case.low, case.high)
    )
    assert case.sign * (high - low) >= case.least * abs(low), (low, high)


UNCAPPED = {
    "s2": {
        "country_mass.topk_cap_targets.top1": 0.12,
        "country_mass.topk_cap_targets.top5": 0.2,
    }
}
HALVINGS = 6
# Limits that shipped runs do not reach, from a value at which they are idle here towards an end.
IDLE = [
    *(
        ("s2", f"country_mass.region_floor_share.{name}", 0.0, 1.0, {})
        for name in ("Africa", "Asia", "Europe", "North America", "Oceania", "South America")
    ),
    ("s2", "country_mass.country_cap_share_hard", 0.3, 0.06, UNCAPPED),
    ("s2", "country_mass.topk_cap_targets.top5", 0.6, 0.0, UNCAPPED),
    ("s2", "country_mass.topk_cap_targets.top10", 0.8, 0.0, UNCAPPED),
    ("s2", "steering.max_moved_share", 1.0, 0.0, {}),
    ("s4", "country_share_soft_guard", 100.0, 1.0, UNSTEERED),
    ("s4", "max_moved_share", 1.0, 0.0, UNSTEERED),
]


@pytest.mark.parametrize(("state", "key", "idle", "end", "given"), IDLE, ids=lambda v: str(v)[:40])
def test_an_idle_limit_moves_bytes_from_where_it_begins_and_none_before(
    world, state, key, idle, end, given
):
    def asked(value):
        soft = {"s2": {"country_mass.country_cap_share_soft": min(value, 0.2)}}
        room = soft if key.endswith("cap_share_hard") else {}
        return joined(given, room, {state: {key: value}})

    def sites(value):
        e = world.egress(asked(value))
        return np.stack([e.merchant.astype(float), e.lon, e.lat])

    def pairs(value):
        return np.stack(list(vars(world.pairs(asked(value))).values()))

    def changes(value):
        try:
            return not np.array_equal(pairs(value), before)
        except (ConfigError, StateError):
            return None

    before = pairs(idle)
    onset = begins_at(changes, idle, end, HALVINGS)
    assert onset is not None
    step = abs(end - idle) / 2**HALVINGS
    inside = onset + (2.0 * step if idle > end else -2.0 * step)
    assert np.array_equal(sites(inside), sites(idle))
    assert not np.array_equal(sites(onset), sites(idle))


def test_a_lower_floor_is_refilled_only_where_a_region_is_short(world):
    """The refill of S4 is idle while S3 holds the floors, and acts where steering is off."""
    for given, moves in (({}, False), (OCEANIA_SHORT, True)):
        on, off = (
            world.egress(joined(given, {"s4": {"residual_redistribution.enabled": enabled}}))
            for enabled in (True, False)
        )
        assert np.array_equal(on.lon, off.lon) != moves


def test_namespace_of_s4_draws_every_outlet_anew(world):
    first = world.egress({})
    other = world.egress({"s4": {"namespace": "1B.S4.outlets.test"}})
    assert (first.counts == other.counts).all()
    assert np.mean(np.abs(first.lat - other.lat) > 0.1) > 0.5


def test_namespace_draws_every_position_anew(world):
    first = world.egress({})
    other = world.egress({"s6": {"namespace": "1B.S6.in_cell_jitter.test"}})
    assert (first.counts == other.counts).all()
    moved = (first.lon != other.lon) | (first.lat != other.lat)
    assert moved.mean() > 0.99


def test_max_attempts_is_a_ceiling_that_changes_no_accepted_site(world):
    first = world.egress({})
    wide = world.egress({"s6": {"max_attempts": 1024}})
    assert (first.lon == wide.lon).all()
    assert (first.lat == wide.lat).all()
    with pytest.raises(StateError, match="E613"):
        world.egress({"s6": {"max_attempts": 2, "direct_below_coverage": 0.0}})


def test_a_blend_that_does_not_sum_to_one_is_refused(world):
    with pytest.raises(ConfigError, match="EC11"):
        world.egress({"s2": {"tile_density.basis_mix.uniform": 0.5}})
