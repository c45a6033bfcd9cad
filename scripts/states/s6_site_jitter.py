"""S6: where about its tile each site stands.

Sites are placed by the laws of :mod:`scripts.states.jitter_law`. An attempt draws four uniforms of
family ``in_cell_jitter``, keyed by (merchant, country, site_order, attempt); it is accepted when
the coordinate that S7 will publish lies on the site's tile or one that touches it and inside the
country's polygon, which a wholly covered tile needs no test for. Open sites are tried again, all
at once, up to ``max_attempts``; a site that is open then stops the run. Every attempt is logged.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts import countries
from scripts.contracts import dataset_stream, read_dataset, write_object
from scripts.entry import run
from scripts.errors import StateError
from scripts.geo.grid import Grid
from scripts.geo.polygons import contains_points
from scripts.geo.snapshot import Countries, Places, load_countries, read_places
from scripts.policies import load_policy
from scripts.progress import track
from scripts.randomness import keyed_uniforms
from scripts.states.jitter_law import COMPONENTS, Cells, JitterLaw, make_cells
from scripts.states.sites import (
    JITTER_FAMILY,
    KEY,
    SiteKeys,
    absolute_deg,
    map_ahead,
    require_sorted,
    rng_metadata,
    site_keys,
    workers_for,
)
from scripts.states.tallies import Tally, add, by_country
from scripts.states.tiles import coverage_of, read_grid, used_cells

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Jitter:
    """Accepted offsets, degrees, with the component drawn and what placed the site; shape (n,)."""

    delta_lon: F64
    delta_lat: F64
    component: npt.NDArray[np.int8]
    placed_by: npt.NDArray[np.int8]


@dataclass(frozen=True)
class AttemptLog:
    """Attempts sorted by site and attempt.

    ``site`` row of the site; ``attempt`` from zero; ``u`` shape (a, 4): component, anchor, lon,
    lat; ``accepted`` true on the last attempt of a site.
    """

    site: I64
    attempt: npt.NDArray[np.int16]
    u: F64
    accepted: Mask


def is_inside(
    cells: Cells,
    polygons: Countries,
    cell: npt.NDArray[np.integer],
    delta_lon: F64,
    delta_lat: F64,
) -> Mask:
    """Whether published coordinates lie on their tile or one about it, and in their country."""
    lon, lat = absolute_deg(cells.lon[cell], cells.lat[cell], delta_lon, delta_lat)
    # Not so of a direct cell of which the country covers no area: it has no point.
    where = cells.grid.around(cells.tile[cell], lon, lat)
    inside: Mask = (where >= 0) & (np.abs(lat) < 90.0)
    border = np.flatnonzero(inside & ((cells.covered[cell] >> np.maximum(where, 0)) & 1 == 0))
    inside[border] = contains_points(
        polygons, cells.country[cell[border]], lon[border], lat[border]
    )
    return inside


def jitter(
    sites: SiteKeys,
    cell: npt.NDArray[np.integer],
    law: JitterLaw,
    polygons: Countries,
    seed: int,
    namespace: str,
    max_attempts: int,
) -> tuple[Jitter, AttemptLog]:
    """Place some sites in their cells.

    Parameters
    ----------
    sites
        Keys, shape (n,).
    cell
        Row of each site's cell in ``law.cells``, shape (n,).
    law
        Where attempts fall.
    polygons
        Land of every country.
    seed, namespace
        Key of the draws.
    max_attempts
        Attempts that a site has.

    Raises
    ------
    StateError
        ``E613`` naming the first site that has no point after ``max_attempts``.
    """
    n = len(sites)
    made = Jitter(np.empty(n), np.empty(n), np.empty(n, np.int8), np.empty(n, np.int8))
    anchor_u = np.empty(n)
    attempts = np.zeros(n, dtype=np.int64)
    rounds: list[tuple[I64, F64]] = []
    open_sites = np.arange(n)
    for attempt in track(range(max_attempts), "rounds of attempts", max_attempts):
        u = keyed_uniforms(
            seed,
            namespace,
            sites.merchant[open_sites],
            sites.country[open_sites],
            sites.order[open_sites],
            attempt,
        )
        if attempt == 0:
            made.component[:] = law.component(u[:, 0])
            anchor_u[:] = u[:, 1]
        where = cell[open_sites]
        delta_lon, delta_lat, placed = law.positions(
            where, made.component[open_sites], anchor_u[open_sites], attempt, u
        )
        rounds.append((open_sites, u))
        attempts[open_sites] += 1
        inside = is_inside(law.cells, polygons, where, delta_lon, delta_lat)
        done = open_sites[inside]
        made.delta_lon[done], made.delta_lat[done] = delta_lon[inside], delta_lat[inside]
        made.placed_by[done] = placed[inside]
        open_sites = open_sites[~inside]
        if not len(open_sites):
            break
    if len(open_sites):
        row = int(open_sites[0])
        raise StateError(
            "E613",
            f"{sites.name(row)} tile {int(law.cells.tile[cell[row]])}",
            f"no point inside after {max_attempts} attempts ({len(open_sites)} such sites)",
            "raise max_attempts or direct_below_coverage",
        )
    return made, _assemble(attempts, rounds)


def _assemble(attempts: I64, rounds: list[tuple[I64, F64]]) -> AttemptLog:
    """Log rows in order of site and attempt from the rounds."""
    first = np.cumsum(attempts) - attempts
    site = np.repeat(np.arange(len(attempts)), attempts)
    u = np.empty((len(site), 4))
    for attempt, (rows, drawn) in enumerate(rounds):
        u[first[rows] + attempt] = drawn
    accepted = np.zeros(len(site), dtype=bool)
    accepted[first + attempts - 1] = True
    return AttemptLog(site, (np.arange(len(site)) - first[site]).astype(np.int16), u, accepted)


@dataclass(frozen=True)
class Earth:
    """What S6 knows of the Earth; ``coverage`` gives the covered fraction of cells by key."""

    grid: Grid
    polygons: Countries
    places: Places
    coverage: Callable[[I64], F64]


@dataclass(frozen=True)
class Placed:
    """Sites with their tiles and offsets, and every attempt."""

    sites: SiteKeys
    tile_id: npt.NDArray[np.uint64]
    jitter: Jitter
    log: AttemptLog

    def table(self) -> pa.Table:
        """The table ``s6_site_jitter``."""
        return pa.table(
            {
                **self.sites.columns(),
                "tile_id": self.tile_id,
                "delta_lon_deg": self.jitter.delta_lon,
                "delta_lat_deg": self.jitter.delta_lat,
                "component": self.jitter.component,
                "placed_by": self.jitter.placed_by,
            }
        )

    def events(self) -> pa.Table:
        """The table ``rng_event_in_cell_jitter``."""
        log = self.log
        return pa.table(
            {
                **self.sites[log.site].columns(),
                "attempt": log.attempt,
                "u_component": log.u[:, 0],
                "u_anchor": log.u[:, 1],
                "u_lon": log.u[:, 2],
                "u_lat": log.u[:, 3],
                "accepted": log.accepted,
            }
        )


def require_known(cells: Cells, where: str | Path) -> None:
    """Refuse a cell that S1 does not have (``E606``)."""
    unknown = np.isnan(cells.coverage)
    if unknown.any():
        bad = int(np.argmax(unknown))
        iso = countries.decode_one(int(cells.country[bad]))
        raise StateError(
            "E606", where, f"tile {cells.tile[bad]} of {iso} is not in tile_index", "a tile of S1"
        )


def place(
    sites: SiteKeys,
    tile_id: npt.NDArray[np.uint64],
    earth: Earth,
    policy: Mapping[str, Any],
    seed: int,
    where: str | Path,
) -> tuple[Cells, Iterator[Placed]]:
    """Place the sites of S5 by the law of the policy.

    Parameters
    ----------
    sites, tile_id
        The assignment, sorted by key, shape (n,).
    earth
        Grid, polygons, places and coverage.
    policy
        The S6 policy.
    seed
        Of the draws, with the policy's namespace.
    where
        File of the assignment, for messages.

    Returns
    -------
    The cells in use, and the sites in their order, some at a time: the next ones are placed while
    the caller has some at hand.

    Raises
    ------
    StateError
        ``E605`` keys out of order, ``E606`` a tile that S1 does not have, ``E613`` a site without a
        point.
    """
    require_sorted(sites, "E605", where)
    key, cell = used_cells(sites.country, tile_id)
    cells = make_cells(key, earth.coverage, earth.grid)
    require_known(cells, where)
    law = JitterLaw(policy, cells, earth.places, earth.polygons)

    def some(rows: slice) -> Placed:
        made, log = jitter(
            sites[rows],
            cell[rows],
            law,
            earth.polygons,
            seed,
            policy["namespace"],
            policy["max_attempts"],
        )
        return Placed(sites[rows], tile_id[rows], made, log)

    starts = range(0, max(len(sites), 1), _CHUNK)
    chunks = (slice(start, start + _CHUNK) for start in starts)
    return cells, map_ahead(some, chunks, workers_for(len(sites)))


def tally_of_cells(cells: Cells) -> Tally:
    """Tiles in use, and those that their country does not cover."""
    return {"tiles": len(cells), "border_tiles": int((cells.coverage < 1.0).sum())}


def tally(placed: Placed) -> Tally:
    """Sites by component, by number of attempts and by country."""
    made = placed.jitter
    attempts = np.bincount(placed.log.site, minlength=len(placed.sites))
    tried = np.bincount(attempts)
    return {
        "drawn": _by_component(made.component),
        "placed_by": _by_component(made.placed_by),
        "attempts": {str(number): int(tried[number]) for number in np.flatnonzero(tried)},
        "by_country": by_country(placed.sites.country, sites=None, attempts=attempts),
    }


def _by_component(component: npt.NDArray[np.int8]) -> dict[str, int]:
    counts = np.bincount(component, minlength=len(COMPONENTS))
    return dict(zip(COMPONENTS, counts.tolist(), strict=True))


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``s6_site_jitter``."""
    policy, seed = load_policy(inputs.policy), int(wildcards.seed)
    table = read_dataset("s5_site_tile_assignment", inputs.assignment, (*KEY, "tile_id"))
    earth = Earth(
        read_grid(inputs.tile_policy),
        load_countries(inputs.countries),
        read_places(inputs.places),
        functools.partial(coverage_of, inputs.tile_index),
    )
    cells, parts = place(
        site_keys(table, inputs.assignment),
        table.column("tile_id").to_numpy(),
        earth,
        policy,
        seed,
        inputs.assignment,
    )
    tallies = [tally_of_cells(cells)]
    metadata = rng_metadata(seed, policy["namespace"], JITTER_FAMILY)
    with (
        dataset_stream("s6_site_jitter", outputs.jitter) as sites,
        dataset_stream("rng_event_in_cell_jitter", outputs.draws, metadata) as events,
    ):
        for placed in parts:
            sites.write(placed.table())
            events.write(placed.events())
            tallies.append(tally(placed))
    write_object("s6_tally", outputs.tally, add(tallies))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
