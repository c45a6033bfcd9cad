"""Tables of one seed of segment 1A, built from the outcome of the chain or from its catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import special

from scripts import countries
from scripts.contracts import arrow_schema
from scripts.ordering import run_starts
from scripts.upstream import laws
from scripts.upstream.generator import (
    CHANNELS,
    ORDINALS,
    Merchants,
    Outcome,
    Policy,
    World,
    activities,
    home_codes,
)
from scripts.upstream.prior import Facts

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

REASONS = ("GLOBAL_MARKET", "SAME_REGION", "SAME_SUB_REGION", "HOME")
# Names of strata, and the stratum of each merchant.
Stratification = tuple[Sequence[Any] | npt.NDArray[Any], npt.NDArray[np.integer[Any]]]
_PI_GROUPS = 10
_LEAST_VARIANCE = 5.0


def _table(dataset_id: str, columns: Mapping[str, Any]) -> pa.Table:
    """A table of the declared types; text may stay in dictionaries, which the writer resolves."""
    fields = arrow_schema(dataset_id)
    arrays = [_array(columns[field.name], field.type) for field in fields]
    types = [field.with_type(array.type) for field, array in zip(fields, arrays, strict=True)]
    return pa.table(arrays, schema=pa.schema(types))


def _array(values: Any, kind: pa.DataType) -> Any:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values if pa.types.is_dictionary(values.type) else values.cast(kind)
    return pa.array(values, type=kind, from_pandas=pa.types.is_floating(kind))


def tables(world: World) -> dict[str, pa.Table]:
    """Every table of the seed by dataset id, as published."""
    rows = merchant_rows(world)
    summary = Summary(world.facts)
    summary.add(world, rows["outlet_catalogue"])
    made = {**rows, **summary.tables(world.merchants, world.policy)}
    return {name: table.cast(arrow_schema(name)) for name, table in made.items()}


def merchant_rows(world: World) -> dict[str, pa.Table]:
    """The tables whose rows belong to one merchant each; those of slices follow one another."""
    catalogue = outlet_catalogue(world)
    return {
        "merchants": merchant_table(world),
        "outlet_catalogue": catalogue,
        "s3_candidate_set": candidate_table(world),
        "s3_integerised_counts": integerised_counts(world),
        "s3_site_sequence": site_sequence(catalogue),
        "merchant_abort_log": abort_log(world.merchants, world.outcome),
        "rng_draw_log_1A": draw_log(world.merchants, world.outcome),
    }


class Summary:
    """What the tables over all merchants and the accounting are made of, slice by slice."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._sites = SiteSums()
        self._multi: list[npt.NDArray[np.bool_]] = []
        self._used: Counter[str] = Counter()

    def add(self, world: World, catalogue: pa.Table) -> None:
        """Take the next slice of merchants in, with its catalogue."""
        self._sites.add(catalogue)
        self._multi.append(world.outcome.multi)
        self._used.update(uniforms_used(world.outcome))

    def tables(self, merchants: Merchants, policy: Policy) -> dict[str, pa.Table]:
        """``sparse_flag`` and ``hurdle_stationarity_tests`` of all merchants."""
        evidence = policy["evidence"]
        groups = strata(merchants, self._facts, policy)
        return {
            "sparse_flag": self._sites.flags(self._facts, evidence["sparse_effective_merchants"]),
            "hurdle_stationarity_tests": stationarity_tests(
                groups, merchants.pi, np.concatenate(self._multi), evidence["test_alpha"]
            ),
        }

    def accounting(self, policy: Policy, seed: int) -> dict[str, Any]:
        """Uniforms used per family; each draw's key is its merchant, with the country if any."""
        used = {"merchant_phase": len(laws.LATTICE), **self._used}
        return {
            "algorithm": "philox4x64-10",
            "seed": seed,
            "families": {
                family: {"namespace": policy["namespaces"][family], "uniforms": used[family]}
                for family in sorted(used)
            },
            "uniforms_total": sum(used.values()),
        }


def merchant_table(world: World) -> pa.Table:
    """The merchant table with the parameters of each merchant's laws."""
    m = world.merchants
    return _table(
        "merchants",
        {
            "merchant_id": m.merchant_id,
            "home_country_iso": countries.names(home_codes(world)),
            "mcc": activities(world.policy)["mcc"][m.activity],
            "channel": pa.DictionaryArray.from_arrays(
                m.channel.astype(np.int32), pa.array(CHANNELS)
            ),
            "gdp_bucket": m.gdp_bucket + 1,
            "openness": m.openness,
            "hurdle_pi": m.pi,
            "mu": m.mu,
            "dispersion_k": m.phi,
            "expected_outlets": m.expected_outlets,
        },
    )


def site_ids(site_order: npt.NDArray[np.integer[Any]]) -> pa.DictionaryArray:
    """Six-digit identifiers of site orders."""
    numbers = pa.array(np.arange(int(site_order.max(initial=0)) + 1))
    names = pc.utf8_lpad(numbers.cast(pa.string()), 6, "0")
    return pa.DictionaryArray.from_arrays(site_order.astype(np.int32), names)


def outlet_catalogue(world: World) -> pa.Table:
    """One row per outlet, sorted by merchant, legal country and site order."""
    m, o = world.merchants, world.outcome
    pair = np.repeat(np.arange(len(o.pair_count)), o.pair_count)
    owner = o.pair_merchant[pair]
    order = laws.position_in_segment(pair) + 1
    return _table(
        "outlet_catalogue",
        {
            "merchant_id": m.merchant_id[owner],
            "site_id": site_ids(order),
            "home_country_iso": countries.names(home_codes(world)[owner]),
            "legal_country_iso": countries.names(o.pair_country[pair]),
            "single_vs_multi_flag": o.multi[owner],
            "raw_nb_outlet_draw": o.n_outlets[owner],
            "final_country_outlet_count": o.pair_count[pair],
            "site_order": order,
            "global_seed": np.full(len(owner), world.seed, dtype=np.uint64),
        },
    )


def candidate_table(world: World) -> pa.Table:
    """Home (rank 0) and foreign candidates of every merchant, sorted by merchant and rank."""
    m, o = world.merchants, world.outcome
    owner = np.sort(np.append(np.arange(len(m)), o.candidate_merchant))
    rank = laws.position_in_segment(owner)
    country, reason = home_codes(world)[owner], np.full(len(owner), REASONS.index("HOME"))
    country[rank > 0], reason[rank > 0] = o.candidate_country, o.candidate_affinity
    offsets = pa.array(np.arange(len(owner) + 1), type=pa.int32())
    return _table(
        "s3_candidate_set",
        {
            "merchant_id": m.merchant_id[owner],
            "country_iso": countries.names(country),
            "candidate_rank": rank,
            "is_home": rank == 0,
            "reason_codes": pa.ListArray.from_arrays(
                offsets, pa.array(REASONS).take(pa.array(reason))
            ),
        },
    )


def integerised_counts(world: World) -> pa.Table:
    """Outlets per (merchant, country) with the rank of the remainder in the split."""
    o = world.outcome
    return _table(
        "s3_integerised_counts",
        {
            "merchant_id": world.merchants.merchant_id[o.pair_merchant],
            "country_iso": countries.names(o.pair_country),
            "count": o.pair_count,
            "residual_rank": o.pair_residual_rank,
        },
    )


def site_sequence(catalogue: pa.Table) -> pa.Table:
    """Site numbers per (merchant, country)."""
    return _table(
        "s3_site_sequence",
        {
            "merchant_id": catalogue.column("merchant_id"),
            "country_iso": catalogue.column("legal_country_iso"),
            "site_order": catalogue.column("site_order"),
            "site_id": catalogue.column("site_id"),
        },
    )


def pairs(catalogue: pa.Table) -> tuple[npt.NDArray[np.uint64], I64, I64]:
    """Merchant, country code and outlets of each (merchant, country) of a sorted catalogue."""
    merchant = catalogue.column("merchant_id").to_numpy()
    country = countries.encode(catalogue.column("legal_country_iso")).astype(np.int64)
    starts = run_starts(merchant, country)
    return merchant[starts[:-1]], country[starts[:-1]], np.diff(starts)


class SiteSums:
    """Merchants, sites and squared sites of each country, gathered over pieces of a catalogue.

    No merchant may be in two pieces.
    """

    def __init__(self) -> None:
        self._sums = np.zeros((3, countries.CODES), dtype=np.int64)

    def add(self, catalogue: pa.Table) -> None:
        """Count a piece."""
        _, country, count = pairs(catalogue)
        for row, weight in enumerate((None, count, count.astype(float) ** 2)):
            total = np.bincount(country, weights=weight, minlength=countries.CODES)
            self._sums[row] += total.astype(np.int64)

    def flags(self, facts: Facts, threshold: float) -> pa.Table:
        """The table ``sparse_flag``: how many merchants the sites of each eligible country rest on.

        The effective number is Kish's ``(sum n)**2 / sum n**2`` over the merchants' sites n in the
        country: 40 sites of one chain are the evidence of one merchant.
        """
        merchants, sites, squares = self._sums[:, facts.code]
        effective = np.divide(
            sites.astype(float) ** 2, squares, out=np.zeros(len(sites)), where=squares > 0
        )
        return _table(
            "sparse_flag",
            {
                "country_iso": pa.array(facts.iso),
                "obs_count": merchants,
                "site_count": sites,
                "effective_merchants": effective,
                "threshold": np.full(len(facts), float(threshold)),
                "is_sparse": effective < threshold,
            },
        )


def abort_log(merchants: Merchants, outcome: Outcome) -> pa.Table:
    """Merchants that were granted fewer foreign countries than they drew."""
    o = outcome
    rows = np.flatnonzero(o.k_granted < o.k_target)
    by_floor = (o.n_outlets - o.floor)[rows] <= o.n_candidates[rows]
    action = np.where(o.k_granted[rows] == 0, "downgraded_domestic", "reduced")
    return _table(
        "merchant_abort_log",
        {
            "merchant_id": merchants.merchant_id[rows],
            "stage": pa.array(["foreign_countries"] * len(rows), type=pa.string()),
            "action": pa.array(action.tolist(), type=pa.string()),
            "reason": pa.array(
                np.where(by_floor, "HOME_FLOOR", "FEW_CANDIDATES").tolist(), type=pa.string()
            ),
            "requested": o.k_target[rows],
            "granted": o.k_granted[rows],
        },
    )


def strata(merchants: Merchants, facts: Facts, policy: Policy) -> dict[str, Stratification]:
    """Strata by subject of a stationarity test: their names, and the stratum of each merchant."""
    m = merchants
    odd = m.merchant_id.astype(np.int64) % ORDINALS % 2
    half = (np.arange(len(m)) >= len(m) // 2).astype(np.int64)
    tenth = np.empty(len(m), dtype=np.int64)
    tenth[np.argsort(m.pi, kind="stable")] = np.arange(len(m)) * _PI_GROUPS // max(len(m), 1)
    regions, region = np.unique(facts.region, return_inverse=True)
    thousands, thousand = np.unique(activities(policy)["mcc"] // 1000, return_inverse=True)
    return {
        "channel": (CHANNELS, m.channel),
        "first_and_second_half": (("first", "second"), half),
        "gdp_bucket": (range(1, int(m.gdp_bucket.max(initial=0)) + 2), m.gdp_bucket),
        "macro_region": (regions, region[m.home]),
        "mcc_thousand": (thousands, thousand[m.activity]),
        "odd_and_even": (("even", "odd"), odd),
        "probability_tenth": (range(1, _PI_GROUPS + 1), tenth),
    }


def stationarity_tests(
    groups: Mapping[str, Stratification],
    pi: F64,
    multi: npt.NDArray[np.bool_],
    alpha: float,
) -> pa.Table:
    """Do realised multi-site merchants follow the hurdle probabilities in every stratum alike?

    For strata s the statistic is ``sum_s (O_s - sum pi)**2 / sum pi (1 - pi)`` (given the
    probabilities, strata are independent), compared with the chi-square quantile at
    ``1 - alpha / tests``. Strata whose variance is below 5 are pooled into one.
    """
    rows = []
    for subject, (labels, index) in sorted(groups.items()):
        held = np.flatnonzero(np.bincount(index, minlength=len(labels)))
        variance = np.bincount(index, weights=pi * (1.0 - pi), minlength=len(labels))[held]
        label_of = np.where(
            variance < _LEAST_VARIANCE, "pooled", np.array(labels)[held].astype(str)
        )
        names, pooled = np.unique(label_of, return_inverse=True)
        row = np.zeros(len(labels), dtype=np.int64)
        row[held] = pooled
        index = row[index]
        excess = np.bincount(index, weights=multi - pi, minlength=len(names))
        variance = np.bincount(index, weights=pi * (1.0 - pi), minlength=len(names))
        z = excess / np.sqrt(np.maximum(variance, 1e-300))
        value, strata_count = float((z**2).sum()), len(names)
        threshold = float(special.chdtri(strata_count, alpha / len(groups)))
        worst = int(np.abs(z).argmax())
        rows.append(
            {
                "test_id": f"hurdle_rate_by_{subject}",
                "subject": subject,
                "metric": "chi_square",
                "strata": strata_count,
                "value": value,
                "threshold": threshold,
                "p_value": float(special.chdtrc(strata_count, value)),
                "passed": value <= threshold,
                "notes": f"largest deviation {z[worst]:+.2f} sd in {names[worst]}",
            }
        )
    return _table("hurdle_stationarity_tests", {k: [row[k] for row in rows] for k in rows[0]})


def draw_log(merchants: Merchants, outcome: Outcome) -> pa.Table:
    """Every uniform of the merchant-level decisions, with its law's parameters and the outcome."""
    o = outcome
    unless_drawn = np.where(o.multi, 1.0, np.nan)
    return _table(
        "rng_draw_log_1A",
        {
            "merchant_id": merchants.merchant_id,
            "u_hurdle": o.u_hurdle,
            "is_multi": o.multi,
            "mu": merchants.mu * unless_drawn,
            "dispersion_k": merchants.phi * unless_drawn,
            "u_outlets": o.u_outlets,
            "n_outlets": o.n_outlets,
            "p_eligible": o.p_eligible,
            "u_eligible": o.u_eligible,
            "is_eligible": o.eligible,
            "u_candidates": o.u_candidates,
            "candidate_count": o.n_candidates,
            "foreign_rate": np.where(o.eligible, o.foreign_rate, np.nan),
            "u_foreign": o.u_foreign,
            "k_target": o.k_target,
            "k_granted": o.k_granted,
            "home_floor": o.floor,
        },
    )


def uniforms_used(outcome: Outcome) -> dict[str, int]:
    """Uniforms that the merchants of an outcome used, by family."""
    o = outcome
    return {
        "hurdle": len(o.u_hurdle),
        "outlets": int(np.isfinite(o.u_outlets).sum()),
        "eligibility": int(np.isfinite(o.u_eligible).sum()),
        "candidates": int(np.isfinite(o.u_candidates).sum()),
        "foreign_countries": int(np.isfinite(o.u_foreign).sum()),
        "selection": o.choice_draws,
    }


def accounting(world: World) -> dict[str, Any]:
    """Uniforms used per family by a whole world."""
    summary = Summary(world.facts)
    summary.add(world, outlet_catalogue(world))
    return summary.accounting(world.policy, world.seed)
