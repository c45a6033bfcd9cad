"""Memory and time that the rules ask for, by the number of sites of a world.

A demand is a plane over sites and tiles, fitted from above to the peaks of docs/scale.md and, for
finer grids, of docs/benchmarks.md. A job that a cluster killed asks for twice as much when it is
tried again.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.errors import SegmentError
from scripts.policies import load_policy
from scripts.settings import Settings
from scripts.tables import row_count


@dataclass(frozen=True)
class Demand:
    """Megabytes and minutes of a job: a base, and what each million sites adds; megabytes, too, for
    each million tiles beyond those of the shipped grid.

    ``grouped`` demands add the share of one group of countries, at least the largest country's: a
    country is never divided.
    """

    mb: float = 500.0
    mb_per_million: float = 0.0
    minutes: float = 15.0
    minutes_per_million: float = 5.0
    grouped: bool = False
    mb_per_million_tiles: float = 0.0

    def share(self, groups: int) -> float:
        """Share of the sites that a job holds."""
        if not self.grouped:
            return 1.0
        return min(1.0, max(1.25 / groups, LARGEST_COUNTRY))

    def mem_mb(self, sites: float, tiles: float, groups: int, attempt: int) -> int:
        """Megabytes, in steps of 100."""
        wanted = self.mb + self.mb_per_million * sites / 1e6 * self.share(groups)
        wanted += self.mb_per_million_tiles * max(0.0, tiles / 1e6 - SHIPPED_TILES)
        return math.ceil(wanted * (1 << (attempt - 1)) / 100.0) * 100

    def runtime(self, sites: float, groups: int, attempt: int) -> int:
        """Minutes."""
        wanted = self.minutes + self.minutes_per_million * sites / 1e6 * self.share(groups)
        return math.ceil(wanted) * (1 << (attempt - 1))


# No shipped policy lets a country hold more of the sites.
LARGEST_COUNTRY = 0.1
# Millions of tiles at 5 arc-minutes; land takes a third of the Earth's cells.
SHIPPED_TILES, LAND = 3.2, 0.34
DEMANDS = {
    **dict.fromkeys(
        ("s1_tile_index", "s1_population_surface", "fidelity_reference", "s2_tile_weights"),
        Demand(2000, minutes=30, minutes_per_million=0, mb_per_million_tiles=120),
    ),
    "generate_1a": Demand(700, 20),
    "ingest_1a": Demand(500, 20),
    "validate_1a": Demand(600, 30),
    "score_1a": Demand(400, 20),
    "s0_gate": Demand(500, 50),
    "s3_requirements": Demand(400, 40),
    "s4_guard": Demand(400, 30),
    "s4_alloc_plan": Demand(500, 150, grouped=True, mb_per_million_tiles=100),
    "s5_site_tile_assignment": Demand(500, 250, grouped=True),
    "s6_site_jitter": Demand(800, 50, grouped=True),
    "s7_site_synthesis": Demand(500, 60, grouped=True),
    "s8_site_locations": Demand(900, 30),
    "s9_validation": Demand(500, 450, 30, 10, grouped=True, mb_per_million_tiles=80),
    "scorecard": Demand(1200, 40, 30, 10, mb_per_million_tiles=80),
    "site_map": Demand(2000, 300),
    "figures": Demand(2000, 500),
    "release_dossier": Demand(2000, 300),
    "export": Demand(1000, 1000),
    "search_attempt": Demand(2000, 1500, 30, 20),
}


@functools.cache
def _sites_of_policy(policy: str, merchants_total: int) -> float:
    merchants = load_policy(policy)["merchants"]
    return float((merchants_total or merchants["total"]) * merchants["mean_outlets"])


def expected_sites(settings: Settings, wildcards: Any) -> float:
    """Sites to expect of a job's world: the builtin policy's, or the external catalogue's rows.

    A job without a run of its own, such as the dossier's, is about the candidate.
    """
    candidate = settings.run_named(settings.candidate)
    identity = wildcards.get("run_id", candidate.run_id)
    known = settings.runs.get(identity)
    upstream = settings.upstreams[known.upstream_id if known else identity]
    if upstream.kind == "builtin":
        return _sites_of_policy(upstream.policy, settings.merchants_total)
    seed = wildcards.get("seed", str(settings.seeds[0]))
    path = Path(settings.external_root, f"seed={seed}", "outlet_catalogue.parquet")
    return float(row_count(path)) if path.is_file() else 0.0


def expected_tiles(settings: Settings, wildcards: Any) -> float:
    """Tiles to expect of a job's grid."""
    tiles_id = wildcards.get("tiles_id")
    run = settings.runs.get(wildcards.get("run_id")) or settings.run_named(settings.candidate)
    policy = settings.tile_sets[tiles_id or run.tiles_id].policies["s1_tile_index"]
    return LAND * _cells_of_policy(policy)


@functools.cache
def _cells_of_policy(policy: str) -> float:
    """Cells of the grid of S1; none for a policy that S1 refuses."""
    try:
        rows = 10_800.0 / load_policy(policy)["resolution_arcmin"]
    except SegmentError:
        return 0.0
    return 2.0 * rows * rows


def demand(settings: Settings, job: str) -> dict[str, Callable[[Any, int], int]]:
    """Resource functions of a kind of job, by the sites and the grid of its world."""
    wanted = DEMANDS[job]

    def mem_mb(wildcards: Any, attempt: int) -> int:
        sites, tiles = expected_sites(settings, wildcards), expected_tiles(settings, wildcards)
        return wanted.mem_mb(sites, tiles, settings.groups, attempt)

    def runtime(wildcards: Any, attempt: int) -> int:
        return wanted.runtime(expected_sites(settings, wildcards), settings.groups, attempt)

    return {"mem_mb": mem_mb, "runtime": runtime}
