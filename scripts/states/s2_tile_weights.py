"""S2: how dense each tile is within its country, and how much each country should hold.

Inside a country the density of a tile is a blend of the uniform law, covered area (m2) and modelled
population to ``population_exponent``, each normalised within the country. Tiles of fewer than
``min_people_per_km2`` have none, unless all tiles of a country are such. The density is published
as fixed-point integers in units of ``10**-dp`` with an exact sum of ``10**dp`` per country, by
largest remainder (Hamilton apportionment; ties go to the lower tile_id). ``legacy_basis_only``
takes one basis alone.

Between countries the governed share is :func:`scripts.states.country_mass.govern`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts import countries
from scripts.apportionment import largest_remainder
from scripts.contracts import read_dataset, write_dataset, write_object
from scripts.entry import run
from scripts.errors import StateError
from scripts.geo.blocks import country_blocks
from scripts.geo.snapshot import MACRO_REGIONS, load_facts
from scripts.ordering import run_starts
from scripts.policies import load_policy
from scripts.states.country_mass import CountryMass, govern
from scripts.tabulated import power

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


def tile_density(
    starts: I64, area_m2: F64, population: F64, policy: Mapping[str, Any]
) -> tuple[F64, list[int]]:
    """Density of every tile, summing to 1 in each country.

    Parameters
    ----------
    starts
        Group boundaries of the countries, from :func:`scripts.ordering.run_starts`.
    area_m2, population
        Shape (tiles,).
    policy
        The S2 policy.

    Returns
    -------
    Density, shape (tiles,), and the groups whose basis had no mass and that fell back to area.
    """
    lengths = np.diff(starts)
    group = np.repeat(np.arange(len(lengths)), lengths)

    def within(values: F64) -> tuple[F64, npt.NDArray[np.bool_]]:
        totals = np.add.reduceat(values, starts[:-1])
        empty = totals <= 0
        return values / np.where(empty, 1.0, totals)[group], empty

    if policy["mode"] == "legacy_basis_only":
        mix = {"uniform": 0.0, "area_m2": 0.0, "population": 0.0, policy["legacy_basis"]: 1.0}
        exponent, least = 1.0, 0.0
    else:
        law = policy["tile_density"]
        mix, exponent = law["basis_mix"], law["population_exponent"]
        least = law["min_people_per_km2"] / 1e6
    settled = population >= least * area_m2
    settled |= ~np.logical_or.reduceat(settled, starts[:-1])[group]
    uniform, _ = within(settled.astype(np.float64))
    area, _ = within(np.where(settled, area_m2, 0.0))
    people, nobody = within(np.where(settled & (population > 0), power(population, exponent), 0.0))
    people = np.where(nobody[group], area, people)
    density = mix["uniform"] * uniform + mix["area_m2"] * area + mix["population"] * people
    fallback = np.flatnonzero(nobody).tolist() if mix["population"] > 0 else []
    return density, fallback


def quantise(starts: I64, density: F64, dp: int) -> I64:
    """Largest-remainder integers that sum to ``10**dp`` in every country.

    Raises
    ------
    StateError
        ``E105`` when a country's integers cannot be made to sum exactly.
    """
    unit = 10**dp
    lengths = np.diff(starts)
    group = np.repeat(np.arange(len(lengths)), lengths)
    weight, _, left = largest_remainder(
        density * unit, group, np.full(len(lengths), unit), decimals=12
    )
    if (left < 0).any() or (left > lengths).any():
        bad = int(np.flatnonzero((left < 0) | (left > lengths))[0])
        raise StateError(
            "E105", f"country group {bad}", "weights do not sum to one", "a lower dp in the policy"
        )
    return weight


def tile_weights(
    starts: I64, area_m2: F64, people: F64, policy: Mapping[str, Any]
) -> tuple[I64, list[int]]:
    """Weights of tiles, shape (tiles,), and the groups that fell back to area.

    Countries are independent of each other: they are worked on in blocks, so that memory stays near
    the size of the result.
    """
    weight = np.empty(len(area_m2), dtype=np.int64)
    fallback: list[int] = []
    for groups, rows in country_blocks(starts):
        edges = starts[groups.start : groups.stop + 1] - rows.start
        density, nobody = tile_density(edges, area_m2[rows], people[rows], policy)
        fallback += [groups.start + g for g in nobody]
        weight[rows] = quantise(edges, density, policy["dp"])
    return weight, fallback


def country_table(
    code: npt.NDArray[np.int16],
    starts: I64,
    area_m2: F64,
    population: F64,
    facts: pa.Table,
    policy: Mapping[str, Any],
    where: str,
) -> tuple[pa.Table, CountryMass]:
    """Governed mass of every country with tiles; zero where nobody lives."""
    present = code[starts[:-1]]
    area = np.add.reduceat(area_m2, starts[:-1])
    people = np.add.reduceat(population, starts[:-1])
    eligible = people > 0
    region_of = dict(
        zip(
            countries.encode(facts["country_iso"]).tolist(),
            facts["macro_region"].to_pylist(),
            strict=True,
        )
    )
    names = list(MACRO_REGIONS)
    region = np.array([names.index(region_of[int(c)]) for c in present[eligible]], dtype=np.int64)
    mass = govern(area[eligible], people[eligible], region, names, policy["country_mass"], where)
    raw, governed = np.zeros(len(present)), np.zeros(len(present))
    raw[eligible], governed[eligible] = mass.raw_share, mass.mass_share
    binding = np.full(len(present), "uninhabited", dtype=object)
    binding[eligible] = mass.binding
    table = pa.table(
        {
            "country_iso": countries.decode(present),
            "region": pa.array([region_of[int(c)] for c in present]),
            "raw_share": raw,
            "mass_share": governed,
            "binding": pa.array(binding.tolist()),
        }
    )
    return table, mass


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``s2_tile_weights``."""
    policy = load_policy(inputs.policy)
    index = read_dataset("tile_index", inputs.tile_index, ["country_iso", "tile_id", "area_m2"])
    population = read_dataset("tile_population", inputs.tile_population, ["population"])
    facts = load_facts(inputs.facts)

    code = countries.encode(index["country_iso"])
    area_m2 = index["area_m2"].to_numpy()
    people = population["population"].to_numpy()
    starts = run_starts(code)

    dp = policy["dp"]
    weight, fallback = tile_weights(starts, area_m2, people, policy)
    table, mass = country_table(code, starts, area_m2, people, facts, policy, str(inputs.policy))

    country_iso = index["country_iso"]
    write_dataset(
        "tile_weights",
        outputs.tile_weights,
        pa.table(
            {
                "country_iso": country_iso,
                "tile_id": index["tile_id"],
                "weight_fp": weight,
                "dp": np.full(len(weight), dp, dtype=np.int8),
            }
        ),
    )
    write_dataset("country_mass", outputs.country_mass, table)
    write_object(
        "s2_run_report",
        outputs.report,
        {
            "state": "S2",
            "identity": {"run_id": wildcards.run_id, "policy_version": policy["policy_version"]},
            "counts": {
                "rows_emitted": len(weight),
                "countries_total": len(starts) - 1,
                "zero_weight_tiles": int((weight == 0).sum()),
                "zero_mass_fallback": [
                    countries.decode_one(int(code[starts[g]])) for g in fallback
                ],
            },
            "dp": dp,
            "mode": policy["mode"],
            **mass.diagnostics,
        },
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
