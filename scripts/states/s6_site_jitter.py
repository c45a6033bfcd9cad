"""S6: where in its tile each site stands.

Sites are placed by the laws of :mod:`scripts.states.jitter_law`. An attempt draws four uniforms of
family ``in_cell_jitter``, keyed by (merchant, country, site_order, attempt); it is accepted when
the coordinate that S7 will publish lies strictly inside the tile and, unless the tile is wholly
covered, inside the country's polygon. Open sites are tried again, all at once, up to
``max_attempts``; a site that is open then stops the run. Every attempt is logged.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts import countries
from scripts.contracts import write_dataset, write_object
from scripts.entry import run
from scripts.errors import ConfigError, StateError
from scripts.geo.grid import Grid
from scripts.geo.polygons import contains_points
from scripts.geo.snapshot import Countries, load_countries, load_places
from scripts.policies import load_policy
from scripts.progress import track
from scripts.randomness import keyed_uniforms
from scripts.states.jitter_law import COMPONENTS, Cells, JitterLaw, Places, make_cells
from scripts.states.sites import (
    Codes,
    CountryTally,
    SiteKeys,
    absolute_deg,
    coverage_of,
    read_sites,
    require_sorted,
    rng_metadata,
    used_cells,
    workers_for,
)

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
FAMILY = "in_cell_jitter"
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
    """Whether published coordinates lie strictly in their tile and in their country."""
    lon, lat = absolute_deg(cells.lon[cell], cells.lat[cell], delta_lon, delta_lat)
    inside = (
        (lon > cells.west[cell])
        & (lon < cells.east[cell])
        & (lat > cells.south[cell])
        & (lat < cells.north[cell])
    )
    border = np.flatnonzero(inside & (cells.coverage[cell] < 1.0))
    inside[border] = contains_points(
        polygons, cells.country[cell[border]], lon[border], lat[border]
    )
    return inside


def jitter_chunk(
    sites: SiteKeys,
    cell: npt.NDArray[np.integer],
    law: JitterLaw,
    polygons: Countries,
    seed: int,
    namespace: str,
    max_attempts: int,
) -> tuple[Jitter, AttemptLog]:
    """Place some sites; see :func:`jitter`."""
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


def jitter(
    sites: SiteKeys,
    cell: npt.NDArray[np.integer],
    law: JitterLaw,
    polygons: Countries,
    seed: int,
    namespace: str,
    max_attempts: int,
    workers: int = 1,
) -> tuple[Jitter, AttemptLog]:
    """Place every site in its cell.

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
    workers
        Threads; the result does not depend on it.

    Raises
    ------
    StateError
        ``E613`` naming the first site that has no point after ``max_attempts``.
    """
    chunks = [slice(start, start + _CHUNK) for start in range(0, len(sites), _CHUNK)]

    def place(rows: slice) -> tuple[Jitter, AttemptLog]:
        some = SiteKeys(sites.merchant[rows], sites.country[rows], sites.order[rows])
        return jitter_chunk(some, cell[rows], law, polygons, seed, namespace, max_attempts)

    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(place, chunks))
    made = Jitter(
        *(
            np.concatenate([getattr(part, name) for part, _ in parts])
            for name in ("delta_lon", "delta_lat", "component", "placed_by")
        )
    )
    log = AttemptLog(
        np.concatenate(
            [log.site + rows.start for rows, (_, log) in zip(chunks, parts, strict=True)]
        ),
        np.concatenate([log.attempt for _, log in parts]),
        np.concatenate([log.u for _, log in parts]),
        np.concatenate([log.accepted for _, log in parts]),
    )
    return made, log


def check_weights(policy: Any, where: str | Path) -> None:
    """Refuse component weights that do not sum to one (``EC11``)."""
    if policy["mode"] != "mixture_v2":
        return
    total = sum(policy["mixture"][name]["weight"] for name in COMPONENTS[1:4])
    if abs(total - 1.0) > 1e-9:
        raise ConfigError("EC11", where, f"mixture: weights sum to {total:g}", "1")


@dataclass
class JitterTally:
    """Sums of S6 that a report is made of; the sums of parts are those of the whole.

    ``cells`` and ``border_cells`` count cells in use, ``drawn`` and ``placed_by`` sites by
    component, ``attempts`` sites by number of attempts.
    """

    cells: int = 0
    border_cells: int = 0
    drawn: I64 = field(default_factory=lambda: np.zeros(len(COMPONENTS), dtype=np.int64))
    placed_by: I64 = field(default_factory=lambda: np.zeros(len(COMPONENTS), dtype=np.int64))
    attempts: I64 = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    countries: CountryTally = field(default_factory=CountryTally)

    def add_components(self, component: Any, placed_by: Any) -> None:
        """Count some sites by component drawn and by what placed them."""
        self.drawn += np.bincount(component, minlength=len(COMPONENTS))
        self.placed_by += np.bincount(placed_by, minlength=len(COMPONENTS))

    def add_attempts(self, country: Codes, attempts: I64) -> None:
        """Count some sites by country, and their numbers of attempts."""
        tries = np.bincount(attempts, minlength=len(self.attempts))
        tries[: len(self.attempts)] += self.attempts
        self.attempts = tries
        self.countries.add(country, sites=None, attempts=attempts)

    def report(self, wildcards: Any, policy: Mapping[str, Any]) -> dict[str, Any]:
        """The report of S6."""
        seed = int(wildcards.seed)
        sites = int(self.drawn.sum())
        events = int((np.arange(len(self.attempts)) * self.attempts).sum())
        return {
            "state": "S6",
            "identity": {
                "run_id": wildcards.run_id,
                "seed": seed,
                "policy_version": policy["policy_version"],
            },
            "counts": {
                "sites_total": sites,
                "tiles_in_use": self.cells,
                "border_tiles_in_use": self.border_cells,
                "rng_events_emitted": events,
                "resamples_total": events - sites,
            },
            "mode": policy["mode"],
            "rng": rng_metadata(seed, policy["namespace"], FAMILY),
            "component_share": component_shares(policy, self.drawn, self.placed_by),
            "attempt_histogram": {str(k): int(n) for k, n in enumerate(self.attempts) if n},
            "by_country": self.countries.report(),
        }


def component_shares(policy: Any, drawn: I64, placed_by: I64) -> dict[str, Any]:
    """Weights of the policy beside the shares that were drawn and that placed the sites.

    ``drawn`` and ``placed_by`` are sites by component, shape (5,).
    """
    n = max(int(drawn.sum()), 1)

    def shares(counts: I64) -> dict[str, float]:
        return {
            name: round(count / n, 9)
            for name, count in zip(COMPONENTS, counts.tolist(), strict=True)
        }

    if policy["mode"] == "mixture_v2":
        weights = {name: policy["mixture"][name]["weight"] for name in COMPONENTS[1:4]}
    else:
        weights = {"uniform": 1.0}
    return {"policy": weights, "drawn": shares(drawn), "placed_by": shares(placed_by)}


def cells_in_use(
    key: I64, tile_index: str | Path, grid: Grid, code: str, where: str | Path
) -> Cells:
    """Geometry and coverage of the cells; ``code`` when one is not in the tile index."""
    coverage = coverage_of(tile_index, key)
    cells = make_cells(key, coverage, grid)
    if np.isnan(coverage).any():
        bad = int(np.argmax(np.isnan(coverage)))
        iso = countries.decode_one(int(cells.country[bad]))
        raise StateError(
            code, where, f"tile {cells.tile[bad]} of {iso} is not in tile_index", "a tile of S1"
        )
    return cells


def read_places(path: str | Path) -> Places:
    """Places with their country as a code."""
    table = load_places(path, ["country_iso", "lon_deg", "lat_deg", "population"])
    return Places(
        countries.encode(table.column("country_iso")),
        table.column("lon_deg").to_numpy(),
        table.column("lat_deg").to_numpy(),
        table.column("population").to_numpy().astype(np.float64),
    )


def place_sites(
    inputs: Any,
    policy: Mapping[str, Any],
    sites: SiteKeys,
    tile_id: npt.NDArray[np.uint64],
    seed: int,
) -> tuple[dict[str, Any], dict[str, Any], JitterTally]:
    """Columns of ``s6_site_jitter`` and of the log for some sites of S5, and their tally."""
    grid = Grid(load_policy(inputs.tile_policy)["resolution_arcmin"])
    require_sorted(sites, "E605", inputs.assignment)
    key, cell = used_cells(sites.country, tile_id)
    cells = cells_in_use(key, inputs.tile_index, grid, "E606", inputs.assignment)
    polygons = load_countries(inputs.countries)
    law = JitterLaw(policy, cells, read_places(inputs.places), polygons, grid)
    made, log = jitter(
        sites,
        cell,
        law,
        polygons,
        seed,
        policy["namespace"],
        policy["max_attempts"],
        workers_for(len(sites)),
    )
    tally = JitterTally(len(cells), int((cells.coverage < 1.0).sum()))
    attempts = np.bincount(log.site, minlength=len(sites))
    tally.add_components(made.component, made.placed_by)
    tally.add_attempts(sites.country, attempts)
    logged = SiteKeys(sites.merchant[log.site], sites.country[log.site], sites.order[log.site])
    placed = {
        **sites.columns(),
        "tile_id": tile_id,
        "delta_lon_deg": made.delta_lon,
        "delta_lat_deg": made.delta_lat,
        "component": made.component,
        "placed_by": made.placed_by,
    }
    events = {
        **logged.columns(),
        "attempt": log.attempt,
        "u_component": log.u[:, 0],
        "u_anchor": log.u[:, 1],
        "u_lon": log.u[:, 2],
        "u_lat": log.u[:, 3],
        "accepted": log.accepted,
    }
    return placed, events, tally


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``s6_site_jitter``."""
    policy = load_policy(inputs.policy)
    check_weights(policy, inputs.policy)
    seed = int(wildcards.seed)
    sites, columns = read_sites("s5_site_tile_assignment", inputs.assignment, ("tile_id",))
    placed, events, tally = place_sites(inputs, policy, sites, columns["tile_id"], seed)
    write_dataset("s6_site_jitter", outputs.jitter, pa.table(placed))
    metadata = rng_metadata(seed, policy["namespace"], FAMILY)
    write_dataset(
        "rng_event_in_cell_jitter",
        outputs.rng_log,
        pa.table(events).replace_schema_metadata(metadata),
    )
    write_object("s6_run_report", outputs.report, tally.report(wildcards, policy))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
