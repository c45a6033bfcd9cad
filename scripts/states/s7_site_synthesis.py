"""S7: the absolute coordinates of every site, one to one with the upstream outlets.

A coordinate is the tile's centre plus the offset of S6, in float64. Per (merchant, country) the
upstream outlets plus the moves of the two ledgers (S3 steering, S4 reroute) must equal the sites.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts.contracts import dataset_stream, write_object
from scripts.entry import run
from scripts.errors import StateError
from scripts.geo.grid import Grid
from scripts.states.groups import members
from scripts.states.merging import PART_ROWS
from scripts.states.pair_counts import (
    Flows,
    PairCounts,
    count_pairs,
    read_ledger,
    read_outlets,
    sum_pairs,
    unbalanced,
)
from scripts.states.sites import (
    SiteKeys,
    absolute_deg,
    first_difference,
    read_site_blocks,
    require_sorted,
)
from scripts.states.tallies import Tally, add, by_country
from scripts.states.tiles import read_grid
from scripts.tables import read_json

F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Tiles = npt.NDArray[np.uint64]


def synthesise(tile_id: Tiles, delta_lon: F64, delta_lat: F64, grid: Grid) -> tuple[F64, F64, Mask]:
    """Longitude, latitude (degrees), and whether each lies on its tile or one about it; (n,)."""
    lon, lat = absolute_deg(*grid.centre_deg(tile_id), delta_lon, delta_lat)
    return lon, lat, (grid.around(tile_id, lon, lat) >= 0) & (np.abs(lat) < 90.0)


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
            "as many sites as 1A has outlets, after the moves of the guard",
        )


@dataclass(frozen=True)
class Offsets:
    """Sites with their tiles and offsets from the tiles' centres, degrees; shape (n,)."""

    sites: SiteKeys
    tile_id: Tiles
    delta_lon: F64
    delta_lat: F64


def read_offsets(assignment: str, jitter: str) -> Iterator[Offsets]:
    """Sites of S6, held against those of S5, in blocks of equally many rows."""
    assigned = read_site_blocks("s5_site_tile_assignment", assignment, ("tile_id",))
    jittered = read_site_blocks(
        "s6_site_jitter", jitter, ("tile_id", "delta_lon_deg", "delta_lat_deg")
    )
    nothing = SiteKeys(np.empty(0, np.uint64), np.empty(0, np.int16), np.empty(0, np.int32))
    ended: tuple[SiteKeys, dict[str, npt.NDArray[Any]]]
    ended = (nothing, {"tile_id": np.empty(0, np.uint64)})
    first_row = 0
    for (sites, tiles), (others, offsets) in itertools.zip_longest(
        assigned, jittered, fillvalue=ended
    ):
        require_same_sites(sites, others, tiles["tile_id"], offsets["tile_id"], jitter, first_row)
        yield Offsets(sites, tiles["tile_id"], offsets["delta_lon_deg"], offsets["delta_lat_deg"])
        first_row += len(sites)


def coordinates(placed: Offsets, grid: Grid, where: str | Path) -> tuple[F64, F64]:
    """Longitude and latitude of sites; ``E707`` names one that is far from its tile."""
    lon, lat, near = synthesise(placed.tile_id, placed.delta_lon, placed.delta_lat, grid)
    if not near.all():
        row = int(np.argmin(near))
        raise StateError(
            "E707",
            where,
            f"{placed.sites.name(row)}: ({lon[row]!r}, {lat[row]!r}) is not near tile "
            f"{placed.tile_id[row]}",
            "a point on its tile or one that touches it",
        )
    return lon, lat


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``s7_site_synthesis``: block by block, so that memory does not grow with the sites."""
    grid = read_grid(inputs.tile_policy)
    mine = members(read_json(inputs.summary)["by_country"], wildcards.part)
    flows = Flows(
        read_outlets(inputs.outlet_catalogue, mine),
        read_ledger("s3_steering_ledger", inputs.steering_ledger, mine),
        read_ledger("s4_reroute_ledger", inputs.reroute_ledger, mine),
    )
    held, counted = [], []
    with dataset_stream("s7_site_synthesis", outputs.synthesis, row_group=PART_ROWS) as stream:
        for placed in read_offsets(inputs.assignment, inputs.jitter):
            lon, lat = coordinates(placed, grid, inputs.jitter)
            sites = placed.sites
            columns = {"tile_id": placed.tile_id, "lon_deg": lon, "lat_deg": lat}
            stream.write(pa.table({**sites.columns(), **columns}))
            held.append(count_pairs(sites.merchant, sites.country))
            counted.append({"by_country": by_country(sites.country, sites=None)})
        # Refused inside the block, so that nothing is published.
        require_conservation(
            flows.upstream,
            [*flows.steering, *flows.reroute],
            sum_pairs(held),
            inputs.outlet_catalogue,
        )
    nowhere: Tally = {"by_country": {}}
    write_object("s7_tally", outputs.tally, add([nowhere, flows.tally(), *counted]))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
