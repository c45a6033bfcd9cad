"""S7: the absolute coordinates of every site, one to one with the upstream outlets.

A coordinate is the tile's centre plus the offset of S6, in float64. Per (merchant, country) the
upstream outlets plus the moves of the two ledgers (S3 steering, S4 reroute) must equal the sites.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts.contracts import DatasetStream, dataset_stream, write_object
from scripts.entry import run
from scripts.errors import StateError
from scripts.geo.grid import Grid
from scripts.policies import load_policy
from scripts.states.sites import (
    CountryTally,
    PairCounts,
    SiteKeys,
    absolute_deg,
    count_pairs,
    first_difference,
    read_ledger,
    read_outlets,
    read_site_blocks,
    require_sorted,
    sum_pairs,
    unbalanced,
)
from scripts.tables import ROW_GROUP

F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Tiles = npt.NDArray[np.uint64]


def synthesise(tile_id: Tiles, delta_lon: F64, delta_lat: F64, grid: Grid) -> tuple[F64, F64, Mask]:
    """Longitude, latitude (degrees) and whether each lies strictly in its tile; shape (n,)."""
    lon, lat = absolute_deg(*grid.centre_deg(tile_id), delta_lon, delta_lat)
    west, south, east, north = grid.bounds(tile_id)
    return lon, lat, (lon > west) & (lon < east) & (lat > south) & (lat < north)


def require_same_sites(
    assigned: SiteKeys,
    jittered: SiteKeys,
    assigned_tile: Tiles,
    jittered_tile: Tiles,
    where: Any,
    first_row: int = 0,
) -> None:
    """Refuse jitter that is not row by row the assignment (E701 to E703, E709).

    ``first_row`` is the row of the file that these rows start with.
    """
    require_sorted(assigned, "E703", where)
    row = first_difference(assigned, jittered)
    if row is not None:
        missing = len(jittered) <= row or len(assigned) > len(jittered)
        named = assigned if missing or row < len(assigned) else jittered
        raise StateError(
            "E701" if missing else "E702",
            where,
            f"row {first_row + row}: {named.name(row)} is in only one of S5 and S6",
            "the same sites in both",
        )
    if (assigned_tile != jittered_tile).any():
        row = int(np.argmax(assigned_tile != jittered_tile))
        raise StateError(
            "E709",
            where,
            f"{assigned.name(row)}: tile {jittered_tile[row]}",
            f"tile {assigned_tile[row]} of S5",
        )


def require_conservation(
    upstream: PairCounts, moves: list[PairCounts], sites: PairCounts, where: str | Path
) -> None:
    """Refuse pairs where upstream outlets plus moves are not the sites (E708)."""
    wrong = unbalanced([upstream, *moves], [sites])
    if len(wrong.n_sites):
        excess = int(wrong.n_sites[0])
        raise StateError(
            "E708",
            where,
            f"{wrong.name(0)}: upstream outlets plus ledger moves are {abs(excess)} "
            f"{'above' if excess > 0 else 'below'} the sites ({len(wrong.n_sites)} such pairs)",
            "1A + moves = S7",
        )


@dataclass(frozen=True)
class Flows:
    """What sites must add up to: outlets of 1A, and what each ledger takes and gives."""

    upstream: PairCounts
    steering: list[PairCounts]
    reroute: list[PairCounts]

    def counts(self) -> dict[str, int]:
        """What the report says of them; the counts of parts sum to those of the whole."""
        return {
            "outlets_upstream": int(self.upstream.n_sites.sum()),
            "pairs_upstream": len(self.upstream.n_sites),
            "sites_steered": int(self.steering[1].n_sites.sum()),
            "sites_rerouted": int(self.reroute[1].n_sites.sum()),
        }


def read_flows(inputs: Any, mine: Mask | None = None) -> Flows:
    """Flows of all countries, or of some given by code, shape (676,)."""

    def ledger(dataset_id: str, path: str) -> list[PairCounts]:
        return [moves.within(mine) for moves in read_ledger(dataset_id, path)]

    return Flows(
        read_outlets(inputs.outlet_catalogue, mine),
        ledger("s3_steering_ledger", inputs.steering_ledger),
        ledger("s4_reroute_ledger", inputs.reroute_ledger),
    )


def paired_blocks(inputs: Any, rows: int) -> Iterator[tuple[SiteKeys, Tiles, F64, F64]]:
    """Sites, tiles and offsets of S5 and S6 side by side, in blocks of so many rows."""
    assigned = read_site_blocks("s5_site_tile_assignment", inputs.assignment, ("tile_id",), rows)
    jittered = read_site_blocks(
        "s6_site_jitter", inputs.jitter, ("tile_id", "delta_lon_deg", "delta_lat_deg"), rows
    )
    nothing = SiteKeys(np.empty(0, np.uint64), np.empty(0, np.int16), np.empty(0, np.int32))
    ended: tuple[SiteKeys, dict[str, npt.NDArray[Any]]] = (
        nothing,
        {"tile_id": np.empty(0, np.uint64)},
    )
    first_row = 0
    for (sites, tiles), (others, offsets) in itertools.zip_longest(
        assigned, jittered, fillvalue=ended
    ):
        require_same_sites(
            sites, others, tiles["tile_id"], offsets["tile_id"], inputs.jitter, first_row
        )
        yield sites, tiles["tile_id"], offsets["delta_lon_deg"], offsets["delta_lat_deg"]
        first_row += len(sites)


def write_sites(
    stream: DatasetStream,
    inputs: Any,
    flows: Flows,
    mine: Mask | None = None,
    rows: int = ROW_GROUP,
) -> CountryTally:
    """Write the sites and hold them against the flows, block by block in bounded memory.

    Parameters
    ----------
    stream
        Takes the sites.
    inputs
        Files of S5 and S6, policy of the tiles.
    flows
        What the sites must add up to.
    mine
        Which country codes to write, shape (676,); None for all.
    rows
        Rows of S5 and S6 in memory at a time.

    Returns
    -------
    Sites by country.

    Raises
    ------
    StateError
        ``E701`` to ``E703``, ``E709`` S5 and S6 differ, ``E707`` a point outside its tile, ``E708``
        sites that are not the flows.
    """
    grid = Grid(load_policy(inputs.tile_policy)["resolution_arcmin"])
    tally, held = CountryTally(), []
    for sites, tile_id, delta_lon, delta_lat in paired_blocks(inputs, rows):
        if mine is not None:
            kept = mine[sites.country]
            sites, tile_id = sites[kept], tile_id[kept]
            delta_lon, delta_lat = delta_lon[kept], delta_lat[kept]
        lon, lat, inside = synthesise(tile_id, delta_lon, delta_lat, grid)
        if not inside.all():
            row = int(np.argmin(inside))
            raise StateError(
                "E707",
                inputs.jitter,
                f"{sites.name(row)}: ({lon[row]!r}, {lat[row]!r}) is not in tile {tile_id[row]}",
                "a point strictly inside its tile",
            )
        stream.write(
            pa.table({**sites.columns(), "tile_id": tile_id, "lon_deg": lon, "lat_deg": lat})
        )
        tally.add(sites.country, sites=None)
        held.append(count_pairs(sites.merchant, sites.country))
    require_conservation(
        flows.upstream,
        [*flows.steering, *flows.reroute],
        sum_pairs(held),
        inputs.outlet_catalogue,
    )
    return tally


def run_summary(
    wildcards: Any, rows: int, flows: Mapping[str, int], countries_report: Mapping[str, Any]
) -> dict[str, Any]:
    """The report of S7 from the number of sites, counts of the flows, and sites by country."""
    return {
        "state": "S7",
        "identity": {"run_id": wildcards.run_id, "seed": int(wildcards.seed)},
        "counts": {"sites_total": rows, **flows},
        "by_country": countries_report,
    }


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``s7_site_synthesis``: block by block, so that memory does not grow with the sites."""
    flows = read_flows(inputs)
    with dataset_stream("s7_site_synthesis", outputs.synthesis) as stream:
        tally = write_sites(stream, inputs, flows)
    summary = run_summary(wildcards, stream.rows, flows.counts(), tally.report())
    write_object("s7_run_summary", outputs.summary, summary)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
