"""Country priors: which share of a world belongs to each country, and how many merchants that is.

``share_c`` is proportional to ``population**a * land_area**b * gdp_per_capita**g`` over a market
list, then bounded by a country cap and region floors. Whole merchants follow by the method of
largest remainders with a floor per country (Balinski and Young, *Fair Representation*, 1982).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts import countries
from scripts.errors import UpstreamError

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
_SLACK = 1e-12


@dataclass(frozen=True)
class Facts:
    """Eligible countries (population above zero), in alphabetical order; arrays of shape (n,)."""

    iso: list[str]
    code: I64
    population: F64
    land_area_km2: F64
    gdp_per_capita_usd: F64
    region: list[str]
    sub_region: list[str]

    def __len__(self) -> int:
        return len(self.iso)


def eligible_facts(table: pa.Table) -> Facts:
    """Eligible rows of the country facts.

    A missing GDP per capita takes the median of the sub-region, of the macro region or of all, in
    that order.
    """
    order = np.argsort(np.array(table.column("country_iso").to_pylist()), kind="stable")
    table = table.take(pa.array(order))
    population = _floats(table, "population", 0.0)
    keep = np.flatnonzero(population > 0)
    table = table.take(pa.array(keep))
    iso = table.column("country_iso").to_pylist()
    region = [value or "" for value in table.column("macro_region").to_pylist()]
    sub_region = [value or "" for value in table.column("sub_region").to_pylist()]
    gdp = _floats(table, "gdp_per_capita_usd", np.nan)
    gdp[~(gdp > 0)] = np.nan
    return Facts(
        iso=iso,
        code=np.array([countries.encode_one(value) for value in iso], dtype=np.int64),
        population=population[keep],
        land_area_km2=_floats(table, "land_area_km2", 0.0),
        gdp_per_capita_usd=_fill_missing(gdp, (sub_region, region)),
        region=region,
        sub_region=sub_region,
    )


def _floats(table: pa.Table, name: str, missing: float) -> F64:
    column = table.column(name).cast(pa.float64())
    values: F64 = column.to_numpy(zero_copy_only=False).copy()
    values[np.isnan(values)] = missing
    return values


def _fill_missing(values: F64, groupings: tuple[list[str], ...]) -> F64:
    known = ~np.isnan(values)
    filled = values.copy()
    for row in np.flatnonzero(~known):
        for groups in groupings:
            peers = known & (np.array(groups) == groups[row])
            if peers.any():
                filled[row] = np.median(values[peers])
                break
        else:
            filled[row] = np.median(values[known])
    return filled


def member_rows(facts: Facts, markets: str | list[str], key: str, where: str) -> I64:
    """Rows of ``facts`` on a market list; ``all`` is every eligible country (``EU01``)."""
    if markets == "all":
        return np.arange(len(facts))
    index = {iso: row for row, iso in enumerate(facts.iso)}
    for iso in markets:
        if iso not in index:
            raise UpstreamError(
                "EU01",
                where,
                f"{key}: {iso!r} is not an eligible country of the snapshot",
                "a country with population above zero in country_facts.csv",
            )
    return np.array(sorted(index[iso] for iso in markets), dtype=np.int64)


def country_weights(facts: Facts, prior: Mapping[str, Any], where: str) -> F64:
    """Bounded shares of the prior over all eligible countries; shape (n,), sum 1.

    Raises
    ------
    UpstreamError
        ``EU01`` unknown market, ``EU02`` floors and cap exclude each other.
    """
    rows = member_rows(facts, prior["markets"], "markets", where)
    raw = (
        np.maximum(facts.population[rows], 1.0) ** prior["population_exponent"]
        * np.maximum(facts.land_area_km2[rows], 0.1) ** prior["land_area_exponent"]
        * facts.gdp_per_capita_usd[rows] ** prior["gdp_per_capita_exponent"]
    )
    shares = np.zeros(len(facts))
    shares[rows] = bounded_shares(
        raw,
        [facts.region[row] for row in rows],
        prior["region_floor_share"],
        prior["country_cap_share"],
        where,
    )
    return shares


def bounded_shares(
    raw: F64, region: list[str], floors: Mapping[str, float], cap: float, where: str
) -> F64:
    """Shares proportional to ``raw`` as far as a country cap and region floors allow.

    Regions below their floor are bound at it, one round after another; within a bound region, and
    among all others, the excess over the cap is spread over the rest in proportion to ``raw``.
    """
    names = np.array(region)
    unknown = sorted(set(floors) - set(region))
    if unknown:
        raise UpstreamError(
            "EU02", where, f"region_floor_share: no market lies in {unknown[0]!r}", "remove it"
        )
    for name, floor in sorted(floors.items()):
        if floor > cap * (names == name).sum() + _SLACK:
            raise UpstreamError(
                "EU02",
                where,
                f"region_floor_share.{name} {floor} exceeds its {(names == name).sum()} markets "
                f"at country_cap_share {cap}",
                "a lower floor or a higher cap",
            )
    bound: set[str] = set()
    shares = np.zeros(len(raw))
    while True:
        free = ~np.isin(names, sorted(bound))
        rest = 1.0 - sum(floors[name] for name in bound)
        if rest < -_SLACK or cap * free.sum() < rest - _SLACK:
            raise UpstreamError(
                "EU02",
                where,
                f"region_floor_share and country_cap_share {cap} leave no room for the rest",
                "lower floors or a higher cap",
            )
        shares[free] = capped_proportions(raw[free], max(rest, 0.0), cap)
        for name in bound:
            members = names == name
            shares[members] = capped_proportions(raw[members], floors[name], cap)
        below = {
            name
            for name, floor in floors.items()
            if name not in bound and shares[names == name].sum() < floor - _SLACK
        }
        if not below:
            return shares
        bound |= below


def capped_proportions(raw: F64, total: float, cap: float) -> F64:
    """Shares of ``total`` proportional to ``raw``, none above ``cap`` (water filling)."""
    shares = np.zeros(len(raw))
    free = np.ones(len(raw), dtype=bool)
    while free.any():
        rest = total - cap * (~free).sum()
        shares[free] = raw[free] * (rest / raw[free].sum())
        over = free & (shares > cap)
        if not over.any():
            break
        shares[over] = cap
        free &= ~over
    return shares


def apportion(shares: F64, total: int, minimum: int = 0) -> I64:
    """Whole numbers that sum to ``total``, follow ``shares`` and give each at least ``minimum``.

    Countries whose quota is below the minimum get the minimum; the others share the rest by largest
    remainders, ties to the earlier one.
    """
    at_minimum = np.zeros(len(shares), dtype=bool)
    while True:
        rest = total - minimum * int(at_minimum.sum())
        weight = np.where(at_minimum, 0.0, shares)
        quota = rest * weight / weight.sum() if weight.sum() > 0 else np.zeros(len(shares))
        below = ~at_minimum & (quota < minimum)
        if not below.any():
            break
        at_minimum |= below
    counts = np.where(at_minimum, minimum, np.floor(quota)).astype(np.int64)
    remainder = np.where(at_minimum, -1.0, quota - np.floor(quota))
    short = total - int(counts.sum())
    counts[np.argsort(-remainder, kind="stable")[:short]] += 1
    return counts
