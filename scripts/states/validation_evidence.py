"""What S9 looks at: every table of a run, brought to the rows of S7, and the replay of every draw.

Tables are compared site by site. As long as two of them hold the same keys in the same order no
index is built; otherwise rows are matched by key, and what has no partner is reported by the check
that counts missing and extra rows, while the other checks go on with the rows that match.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts import countries
from scripts.geo import metrics
from scripts.geo.collapse import sites_judged
from scripts.geo.distance import on_earth
from scripts.geo.grid import Grid
from scripts.geo.people import Points
from scripts.geo.polygons import contains_points
from scripts.geo.snapshot import Countries, Places
from scripts.geo.thinning import (
    NEIGHBOUR_MAPS_AT_MOST,
    Rank,
    lowest_by_country,
    maps_at,
    nearest_in_maps_m,
    thinning_rank,
)
from scripts.ordering import distinct, run_starts
from scripts.randomness import keyed_uniforms
from scripts.states.jitter_law import Cells, JitterLaw, make_cells
from scripts.states.pair_counts import (
    Flows,
    Homes,
    PairCounts,
    count_pairs,
    sum_pairs,
    unbalanced,
)
from scripts.states.s5_site_tile_assignment import Plan, draw_order, draws
from scripts.states.s6_site_jitter import is_inside
from scripts.states.sites import (
    SiteKeys,
    first_difference,
    workers_for,
)
from scripts.states.tallies import Tally, by_country
from scripts.states.tiles import used_cells

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_CHUNK = 1 << 18
Made = TypeVar("Made")


class computed_once(functools.cached_property[Made]):  # noqa: N801
    """A cached property of which threads that ask for it at the same time wait for the first."""

    def __init__(self, compute: Callable[[Any], Made]) -> None:
        super().__init__(compute)
        self._computing = threading.RLock()

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> Made: ...

    def __get__(self, instance: object | None, owner: type | None = None) -> Any:
        with self._computing:
            return super().__get__(instance, owner)


def _at(values: npt.NDArray[Any], row: I64) -> npt.NDArray[Any]:
    """Values of rows; any value for row -1, also of a table without rows."""
    return values[row] if len(values) else np.zeros(len(row), dtype=values.dtype)


@dataclass(frozen=True)
class Match:
    """Rows of another table for the rows of S7.

    ``row`` is the other table's row for every row of S7, -1 where it has none; None means the two
    tables have the same keys in the same order. ``missing`` rows of S7, ``extra`` and
    ``repeated`` rows of the other table have no partner.
    """

    row: I64 | None
    missing: I64
    extra: I64
    repeated: I64

    def take(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Values of the other table in the order of S7; any value where there is none."""
        return values if self.row is None else _at(values, self.row)

    def partners(self, rows: I64) -> I64:
        """Rows of the other table for some rows of S7, -1 where there is none."""
        return rows if self.row is None else self.row[rows]

    def present(self, n: int) -> Mask:
        """Rows of S7 that have a partner; shape (n,)."""
        return np.ones(n, dtype=bool) if self.row is None else self.row >= 0


def _key_codes(parts: list[SiteKeys]) -> list[npt.NDArray[np.uint64]]:
    """One integer per key, comparable across the parts."""
    merchants = np.unique(np.concatenate([part.merchant for part in parts]))
    return [
        (
            np.searchsorted(merchants, part.merchant).astype(np.uint64) * np.uint64(countries.CODES)
            + part.country.astype(np.uint64)
        )
        << np.uint64(31)
        | part.order.astype(np.uint64)
        for part in parts
    ]


def match_keys(base: SiteKeys, other: SiteKeys) -> Match:
    """Partners of the rows of ``base`` among those of ``other``."""
    none = np.empty(0, dtype=np.int64)
    if len(base) == len(other) and first_difference(base, other) is None:
        return Match(None, none, none, none)
    base_code, other_code = _key_codes([base, other])
    order = np.argsort(other_code, kind="stable")
    ranked = other_code[order]
    again = np.zeros(len(ranked), dtype=bool)
    again[1:] = ranked[1:] == ranked[:-1]
    at = np.minimum(np.searchsorted(ranked, base_code), max(len(ranked) - 1, 0))
    hit = ranked[at] == base_code if len(ranked) else np.zeros(len(base_code), dtype=bool)
    row = np.where(hit, order[at], -1) if len(ranked) else np.full(len(base_code), -1)
    extra = np.flatnonzero(~np.isin(other_code, base_code))
    return Match(row, np.flatnonzero(~hit), extra, np.sort(order[again]))


@dataclass(frozen=True)
class AttemptTable:
    """The log of S6: keys per attempt, ``attempt``, ``u`` (component, anchor, lon, lat), flags."""

    keys: SiteKeys
    attempt: npt.NDArray[np.int16]
    u: Sequence[F64]
    accepted: Mask


@dataclass(frozen=True)
class AssignmentReplay:
    """What the replay of S5 found in its rows.

    Rows with an ``other_draw`` in the log, and those ``out_of_order``, whose tile is below that of
    the draw before in their pair. By pair and tile the ``first`` row on each tile, in the order of
    draws, and the ``n_sites`` there.
    """

    other_draw: I64
    out_of_order: I64
    first: I64
    n_sites: I64


@dataclass(frozen=True)
class JitterReplay:
    """What the replay of S6 found: rows of the log, or of S7, that break a rule."""

    other_draw: I64
    other_position: I64
    needless_rejection: I64


def _joined(parts: Iterable[tuple[I64, ...]], columns: int) -> list[I64]:
    """Columns of what the replay of all chunks found."""
    none = np.empty(0, dtype=np.int64)
    return [np.concatenate(column) for column in zip((none,) * columns, *parts, strict=True)]


@dataclass
class Evidence:
    """What the checks look at in some or all countries; see
    :func:`scripts.states.s9_validation.read_evidence`.

    ``tables`` holds numeric columns by table and name: ``assignment`` (tile_id), ``jitter``
    (tile_id, delta_lon_deg, delta_lat_deg, component, placed_by), ``synthesis`` (tile_id, lon_deg,
    lat_deg), ``egress`` (lon_deg, lat_deg), ``assignment_log`` (u). ``keys`` holds the keys of the
    same tables. ``plan_anew`` gives what the law of S4 makes of pairs; ``allowed`` are the
    candidate countries of each merchant. ``whole`` has the outlets and moves of all countries,
    ``world_sites`` counts their egress; these may be some of them.
    """

    seed: int
    run_id: str
    policies: Mapping[str, Mapping[str, Any]]
    grid: Grid
    polygons: Countries
    places: Places
    facts: pa.Table
    people: Points
    tile_countries: npt.NDArray[np.int16]
    coverage: Callable[[I64], F64]
    receipt: Mapping[str, Any]
    policy_digests: Mapping[str, str]
    input_digests: Mapping[str, str]
    sealed_digests: Mapping[str, str]
    homes: Homes
    allowed: PairCounts
    whole: Flows
    upstream: PairCounts
    requirements: PairCounts
    steering: list[PairCounts]
    reroute: list[PairCounts]
    plan: Plan
    plan_anew: Callable[[PairCounts], Plan]
    keys: dict[str, SiteKeys]
    tables: dict[str, dict[str, npt.NDArray[Any]]]
    attempts: AttemptTable
    log_metadata: dict[str, Mapping[str, str]]
    egress_fault: str
    egress_order: str
    world_sites: int
    geometry: tuple[F64, F64] | None

    @property
    def sites(self) -> SiteKeys:
        """The rows to which everything is brought: the keys of S7."""
        return self.keys["synthesis"]

    @computed_once
    def matches(self) -> dict[str, Match]:
        """Partners of S7's rows in every other table."""
        return {
            name: match_keys(self.sites, keys)
            for name, keys in self.keys.items()
            if name != "synthesis"
        }

    def column(self, table: str, name: str) -> npt.NDArray[Any]:
        """A column in the order of S7; any value where the table lacks the row."""
        values = self.tables[table][name]
        return values if table == "synthesis" else self.matches[table].take(values)

    def present(self, *tables: str) -> Mask:
        """Rows of S7 that all the tables hold."""
        mask = np.ones(len(self.sites), dtype=bool)
        for table in tables:
            mask &= self.matches[table].present(len(self.sites))
        return mask

    @computed_once
    def _used(self) -> tuple[I64, npt.NDArray[np.int32]]:
        # The tile behind the last stands for all that the grid has not.
        tile = np.minimum(self.tables["assignment"]["tile_id"], np.uint64(self.grid.ntiles))
        return used_cells(self.keys["assignment"].country, tile)

    @property
    def cell(self) -> npt.NDArray[np.int32]:
        """Cell of each row of S5, by its own country and tile."""
        return self._used[1]

    @computed_once
    def cells(self) -> Cells:
        """The cells in use; coverage is NaN where S1 has no such tile."""
        return make_cells(self._used[0], self.coverage, self.grid)

    @computed_once
    def in_bounds(self) -> Mask:
        """Rows of S7 whose egress coordinates are finite and on the Earth."""
        lon, lat = self.column("egress", "lon_deg"), self.column("egress", "lat_deg")
        return on_earth(lon, lat) & self.present("egress")

    @computed_once
    def near_tile(self) -> Mask:
        """Rows of S7 whose egress coordinates lie on the tile of S5 or one that touches it."""
        lon, lat = self.column("egress", "lon_deg"), self.column("egress", "lat_deg")
        where = self.grid.around(self.column("assignment", "tile_id"), lon, lat)
        return (where >= 0) & self.in_bounds & self.present("assignment")

    @computed_once
    def in_country(self) -> Mask:
        """Rows of S7 in bounds whose egress coordinates lie inside their country's polygon."""
        country = self.sites.country
        lon, lat = self.column("egress", "lon_deg"), self.column("egress", "lat_deg")
        has_polygon = np.zeros(countries.CODES, dtype=bool)
        has_polygon[self.polygons.code] = True
        known = self.in_bounds & has_polygon[country]
        workers = workers_for(len(country))
        if known.all():
            return contains_points(self.polygons, country, lon, lat, workers)
        inside = np.zeros(len(country), dtype=bool)
        inside[known] = contains_points(
            self.polygons, country[known], lon[known], lat[known], workers
        )
        return inside

    @computed_once
    def wanted(self) -> PairCounts:
        """Sites that S4 is to place: requirements of S3 and moves of the guard."""
        return sum_pairs([self.requirements, *self.reroute])

    @computed_once
    def unplanned(self) -> PairCounts:
        """Pairs of which the plan holds another number of sites than wanted, by how many."""
        planned = PairCounts(self.plan.merchant, self.plan.country, self.plan.n_sites)
        return unbalanced([planned], [self.wanted])

    @computed_once
    def site_pairs(self) -> PairCounts:
        """Sites of S7 by (merchant, country)."""
        return count_pairs(self.sites.merchant, self.sites.country)

    @computed_once
    def assignment_replay(self) -> AssignmentReplay:
        """Every draw of S5 made anew, and the tiles of every pair in the order of its draws."""
        keys = self.keys["assignment"]
        starts = run_starts(keys.merchant, keys.country)
        to_log = match_keys(keys, self.keys["assignment_log"])
        # Whole pairs, some at a time.
        bounds = distinct(
            np.append(np.searchsorted(starts, np.arange(0, len(keys), _CHUNK)), len(starts) - 1)
        )

        def replay(first: int, last: int) -> tuple[I64, ...]:
            return self._replay_pairs(starts[first : last + 1], to_log)

        with ThreadPoolExecutor(workers_for(len(keys))) as pool:
            return AssignmentReplay(*_joined(pool.map(replay, bounds[:-1], bounds[1:]), 4))

    def _replay_pairs(self, starts: I64, to_log: Match) -> tuple[I64, ...]:
        """Columns of the replay for some pairs of S5, given their first rows and the row behind."""
        rows = slice(starts[0], starts[-1])
        u = draws(
            self.keys["assignment"][rows], self.seed, self.policies["assignment"]["namespace"]
        )
        tile = self.tables["assignment"]["tile_id"][rows]
        logged = self.tables["assignment_log"]["u"]
        partner = to_log.partners(np.arange(rows.start, rows.stop))
        other = (_at(logged, partner) != u) & (partner >= 0)
        begin = starts - rows.start
        pair = np.repeat(np.arange(len(begin) - 1), np.diff(begin))
        order = draw_order(begin, u)
        ranked = tile[order]
        fallen = order[np.flatnonzero((ranked[1:] < ranked[:-1]) & (pair[1:] == pair[:-1])) + 1]
        if len(fallen):
            order = np.lexsort((tile, pair))
            ranked = tile[order]
        runs = run_starts(pair, ranked)
        found = np.flatnonzero(other), fallen, order[runs[:-1]]
        return *(rows.start + row for row in found), np.diff(runs)

    @computed_once
    def attempt_starts(self) -> I64:
        """First row of each site's run in the log of S6, and the row count at the end."""
        keys = self.attempts.keys
        return run_starts(keys.merchant, keys.country, keys.order)

    @computed_once
    def attempt_sites(self) -> Match:
        """Partners of the rows of S5 among the runs of the log of S6."""
        first = self.attempt_starts[:-1]
        keys = self.attempts.keys
        runs = SiteKeys(keys.merchant[first], keys.country[first], keys.order[first])
        return match_keys(self.keys["assignment"], runs)

    @computed_once
    def complete_run(self) -> Mask:
        """Runs of the log of S6 that count from zero and accept their last attempt only."""
        starts, log = self.attempt_starts, self.attempts
        first, last = starts[:-1], starts[1:] - 1
        complete: Mask = (log.attempt[first] == 0) & log.accepted[last]
        gap = np.diff(log.attempt.astype(np.int32)) != 1
        gap[first[1:] - 1] = False
        early = log.accepted.copy()
        early[last] = False
        for faults in (np.flatnonzero(gap) + 1, np.flatnonzero(early)):
            complete[np.searchsorted(starts, faults, side="right") - 1] = False
        return complete

    @computed_once
    def jitter_replay(self) -> JitterReplay:
        """Every draw of S6 made anew, every attempt placed anew.

        Uniforms come from the key of each log row. Positions come from these uniforms, the tile of
        S5 and the law: the accepted attempt must give what S6 published, all others must fall
        beyond the tiles about the site's or outside the country. Runs that are not complete are not
        placed.
        """
        law = JitterLaw(self.policies["jitter"], self.cells, self.places, self.polygons)
        n = len(self.keys["assignment"])
        starts = self.attempt_starts
        run = self.attempt_sites.partners(np.arange(n))
        to_jitter = match_keys(self.keys["assignment"], self.keys["jitter"])
        # A tile that S1 does not know has no law; its check tells.
        placed = np.flatnonzero((run >= 0) & ~np.isnan(self.cells.coverage)[self.cell])
        late = np.diff(starts)[run[placed]] > law.direct_after
        law.prepare(self.cell[placed[late]])
        chunks = [placed[a : a + _CHUNK] for a in range(0, len(placed), _CHUNK)]

        def replay(sites: I64) -> tuple[I64, ...]:
            return self._replay_sites(law, sites, run, to_jitter)

        with ThreadPoolExecutor(workers_for(n)) as pool:
            return JitterReplay(*_joined(pool.map(replay, chunks), 3))

    def _replay_sites(
        self, law: JitterLaw, sites: I64, run: I64, to_jitter: Match
    ) -> tuple[I64, ...]:
        """Columns of the replay for some rows of S5 that have a run in the log."""
        log = self.attempts
        first, last = self.attempt_starts[run[sites]], self.attempt_starts[run[sites] + 1]
        length = last - first
        owner = np.repeat(np.arange(len(sites)), length)
        begin = np.cumsum(length) - length
        ordinal = np.arange(len(owner)) - begin[owner]
        row = first[owner] + ordinal
        # A slice of neighbours, which they are unless something is missing, is not copied.
        logged = slice(first[0], last[-1]) if np.array_equal(first[1:], last[:-1]) else row
        u = keyed_uniforms(
            self.seed,
            self.policies["jitter"]["namespace"],
            log.keys.merchant[logged],
            log.keys.country[logged],
            log.keys.order[logged],
            log.attempt[logged].astype(np.int64) & 0x7FFF,
        )
        same = np.ones(len(row), dtype=bool)
        for k, column in enumerate(log.u):
            same &= column[logged] == u[:, k]
        component = law.component(u[begin, 0])
        cell = self.cell[sites]
        delta_lon, delta_lat, placed = law.positions(
            cell[owner], component[owner], u[begin, 1][owner], ordinal, u
        )
        final = begin + length - 1
        complete = self.complete_run[run[sites]]
        jitter = self.tables["jitter"]
        partner = to_jitter.partners(sites)
        agrees = (
            (_at(jitter["delta_lon_deg"], partner) == delta_lon[final])
            & (_at(jitter["delta_lat_deg"], partner) == delta_lat[final])
            & (_at(jitter["component"], partner) == component)
            & (_at(jitter["placed_by"], partner) == placed[final])
        )
        rejected = complete[owner]
        rejected[final] = False
        tried = np.flatnonzero(rejected)
        inside = is_inside(
            self.cells, self.polygons, cell[owner[tried]], delta_lon[tried], delta_lat[tried]
        )
        return row[~same], sites[~agrees & (partner >= 0) & complete], row[tried[inside]]

    @computed_once
    def egress_sites(self) -> metrics.Sites:
        """The egress rows that are on the Earth, for the metrics."""
        keys, egress = self.keys["egress"], self.tables["egress"]
        lon, lat = egress["lon_deg"], egress["lat_deg"]
        sites = metrics.Sites(keys.merchant, keys.country, keys.order, lon, lat)
        usable = on_earth(lon, lat)
        return sites if usable.all() else sites.take(np.flatnonzero(usable))

    @property
    def tally(self) -> Tally:
        """What is counted of these countries: sizes, draws and replays by log, sites by country."""
        events, attempts = len(self.keys["assignment_log"]), len(self.attempts.keys)
        return {
            "sizes": {
                "outlets_1A": int(self.upstream.n_sites.sum()),
                "plan_rows": len(self.plan.n_sites),
                "sites_s5": len(self.keys["assignment"]),
                "sites_s6": len(self.keys["jitter"]),
                "sites_s7": len(self.sites),
                "sites_s8": len(self.keys["egress"]),
            },
            "families": {
                "assignment_log": {
                    "events_total": events,
                    "uniforms_total": events,
                    "sites_without_event": len(self.matches["assignment_log"].missing),
                    "replay_failures": len(self.assignment_replay.other_draw),
                },
                "jitter_log": {
                    "events_total": attempts,
                    "uniforms_total": 4 * attempts,
                    "sites_without_event": len(self.attempt_sites.missing),
                    "replay_failures": len(self.jitter_replay.other_draw),
                },
            },
            "by_country": by_country(self.keys["egress"].country, sites=None),
        }

    @computed_once
    def map(self) -> MapEvidence:
        """What the realism checks look at, of these countries."""
        sites = self.egress_sites
        counts = metrics.country_counts(sites.country)
        rank = thinning_rank(sites, self.seed)
        reference = self.policies["validation"]["realism"]["reference_sites"]
        # A quarter more than the maps are made of.
        share = 1.25 * NEIGHBOUR_MAPS_AT_MOST * reference / max(self.world_sites, 1)
        kept = rank * 2.0**-64 <= share
        kept[lowest_by_country(sites.country, rank, sites_judged(counts, self.people))] = True
        rows = np.flatnonzero(kept)
        return MapEvidence(
            policies=self.policies,
            facts=self.facts,
            people=self.people,
            tile_countries=self.tile_countries,
            counts=counts,
            south=int((sites.lat < 0.0).sum()),
            sites=sites.take(rows),
            rank=rank[rows],
        )


@dataclass
class MapEvidence:
    """The map as the realism checks look at it.

    ``counts`` of all sites by country code, shape (676,), and ``south`` of those south of the
    equator; ``sites`` of the lowest ranks, enough for what is measured on thinned maps, with their
    keyed ``rank``.
    """

    policies: Mapping[str, Mapping[str, Any]]
    facts: pa.Table
    people: Points
    tile_countries: npt.NDArray[np.int16]
    counts: I64
    south: int
    sites: metrics.Sites
    rank: Rank

    @staticmethod
    def joined(parts: Sequence[MapEvidence]) -> MapEvidence:
        """The map of all countries, whatever its parts and their order are."""
        sites = metrics.Sites.joined(part.sites for part in parts)
        order = np.lexsort((sites.order, sites.country, sites.merchant))
        return replace(
            parts[0],
            counts=np.sum([part.counts for part in parts], axis=0),
            south=sum(part.south for part in parts),
            sites=sites.take(order),
            rank=np.concatenate([part.rank for part in parts])[order],
        )

    @computed_once
    def eligible(self) -> Mask:
        """Countries with people and with tiles, by code; shape (676,)."""
        return metrics.eligible_countries(
            countries.encode(self.facts.column("country_iso")),
            self.facts.column("population").to_numpy(),
            self.tile_countries,
        )

    @computed_once
    def concentration(self) -> dict[str, dict[str, float]]:
        """Gini and top shares of sites by country."""
        return metrics.concentration(self.counts, self.eligible)

    @property
    def southern_hemisphere_share(self) -> float:
        """Share of sites south of the equator; NaN without sites."""
        total = int(self.counts.sum())
        return self.south / total if total else math.nan

    @computed_once
    def nearest_m(self) -> F64:
        """Distance of every site to its nearest other site, at the reference density, metres."""
        size = self.policies["validation"]["realism"]["reference_sites"]
        return nearest_in_maps_m(maps_at(self.sites, self.rank, size))
