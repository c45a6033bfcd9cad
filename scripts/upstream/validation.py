"""Validation of one sealed seed of segment 1A: what every table must say, and the evidence.

Each check is a named verdict with what was observed. Tables are judged by what they hold; the
generator's laws enter through the replay of the whole chain from the keys and through the test
that realised outlet counts are as dispersed as the log says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import special

from scripts import countries
from scripts.contracts import check_table
from scripts.errors import ContractError
from scripts.ordering import in_order, is_among
from scripts.upstream import laws
from scripts.upstream.egress import pairs, sparse_flags
from scripts.upstream.prior import Facts

F64 = np.ndarray[Any, np.dtype[np.float64]]
EXTERNAL_ALPHA = 1e-4
_DISPERSION_STRATA = 4


def check_contracts(tables: Mapping[str, pa.Table]) -> dict[str, Any]:
    """Every table keeps its schema, key and sort order."""
    broken = {}
    for dataset_id in sorted(tables):
        try:
            check_table(dataset_id, tables[dataset_id])
        except ContractError as error:
            broken[dataset_id] = str(error)
    return {"passed": not broken, "broken": broken}


def identity_anomalies(catalogue: pa.Table) -> dict[str, int]:
    """Six counts that are all zero in a catalogue of unique, contiguous, well-named sites."""
    merchant = catalogue.column("merchant_id").to_numpy()
    country = countries.encode(catalogue.column("legal_country_iso")).astype(np.int64)
    order = catalogue.column("site_order").to_numpy().astype(np.int64)
    names = catalogue.column("site_id")
    orders, site = (_encoded(catalogue.column(name)) for name in ("site_order", "site_id"))
    padded = pc.utf8_lpad(orders.dictionary.cast(pa.string()), 6, "0")
    expected = padded.take(orders.indices)
    by_order = _duplicates(merchant, country, order)
    by_name = _duplicates(merchant, country, site.indices.to_numpy().astype(np.int64))
    position = in_order(merchant, country, order)
    m, c, o = merchant[position], country[position], order[position]
    start = np.r_[True, (m[1:] != m[:-1]) | (c[1:] != c[:-1])] if len(m) else np.empty(0, bool)
    scope = np.cumsum(start) - 1
    wrong = np.where(start, o != 1, np.r_[0, np.diff(o)] != 1) if len(m) else start
    return {
        "primary_key_duplicate_groups": by_order[0],
        "primary_key_excess_rows": by_order[1],
        "site_id_duplicate_groups": by_name[0],
        "site_id_excess_rows": by_name[1],
        "site_order_scopes_not_contiguous": len(np.unique(scope[wrong])),
        "site_id_not_padded_site_order": int(pc.sum(pc.not_equal(names, expected)).as_py() or 0),
    }


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """Distinct values of a column, and which of them each row has."""
    encoded = pc.dictionary_encode(column).combine_chunks()
    return encoded.chunk(0) if isinstance(encoded, pa.ChunkedArray) else encoded


def _duplicates(*keys: Any) -> tuple[int, int]:
    """Groups of equal keys with more than one row, and the rows beyond the first of each."""
    if not len(keys[0]):
        return 0, 0
    order = in_order(*keys)
    same = np.ones(len(keys[0]) - 1, dtype=bool)
    for key in keys:
        same &= key[order][1:] == key[order][:-1]
    run_starts = same & ~np.r_[False, same[:-1]]
    return int(run_starts.sum()), int(same.sum())


def check_catalogue(catalogue: pa.Table, seed: int) -> dict[str, Any]:
    """Counts, flags, home and seed of the catalogue are consistent row by row."""
    merchant = catalogue.column("merchant_id").to_numpy()
    home = countries.encode(catalogue.column("home_country_iso")).astype(np.int64)
    legal = countries.encode(catalogue.column("legal_country_iso")).astype(np.int64)
    flag = catalogue.column("single_vs_multi_flag").to_numpy(zero_copy_only=False)
    raw = catalogue.column("raw_nb_outlet_draw").to_numpy()
    final = catalogue.column("final_country_outlet_count").to_numpy()
    _, index, total = np.unique(merchant, return_inverse=True, return_counts=True)
    pair = index * countries.CODES + legal
    _, pair_index, pair_total = np.unique(pair, return_inverse=True, return_counts=True)
    first_home = np.zeros(len(total), dtype=np.int64)
    first_home[index[::-1]] = home[::-1]
    has_home = np.zeros(len(total), dtype=bool)
    has_home[index[home == legal]] = True
    counts = {
        "raw_nb_outlet_draw_not_rows_of_merchant": int((raw != total[index]).sum()),
        "final_country_outlet_count_not_rows_of_pair": int((final != pair_total[pair_index]).sum()),
        "single_vs_multi_flag_not_more_than_one": int((flag != (raw > 1)).sum()),
        "home_country_varies_in_merchant": int((home != first_home[index]).sum()),
        "merchants_without_home_outlet": int((~has_home).sum()),
        "global_seed_is_not_the_seed": int(
            (catalogue.column("global_seed").to_numpy() != np.uint64(seed)).sum()
        ),
    }
    return {"passed": not any(counts.values()), **counts}


def check_candidates(candidates: pa.Table, catalogue: pa.Table) -> dict[str, Any]:
    """Ranks are contiguous from the home country, and every country with an outlet is one."""
    merchant = candidates.column("merchant_id").to_numpy()
    code = countries.encode(candidates.column("country_iso")).astype(np.int64)
    rank = candidates.column("candidate_rank").to_numpy().astype(np.int64)
    is_home = candidates.column("is_home").to_numpy(zero_copy_only=False)
    ids, index = np.unique(merchant, return_inverse=True)
    key = np.sort(index * countries.CODES + code)
    pair_merchant, pair_country, _ = pairs(catalogue)
    pair_row = np.searchsorted(ids, pair_merchant)
    known = ids[np.minimum(pair_row, len(ids) - 1)] == pair_merchant
    pair_key = pair_row * countries.CODES + pair_country
    home_of = np.full(len(ids), -1)
    home_of[index[rank == 0]] = code[rank == 0]
    home = countries.encode(catalogue.column("home_country_iso")).astype(np.int64)
    owner = catalogue.column("merchant_id").to_numpy()
    row = np.minimum(np.searchsorted(ids, owner), len(ids) - 1)
    counts = {
        "rank_not_contiguous": int((rank != laws.position_in_segment(index)).sum()),
        "is_home_not_rank_zero": int((is_home != (rank == 0)).sum()),
        "country_twice_for_a_merchant": int((key[1:] == key[:-1]).sum()),
        "outlet_country_not_a_candidate": int((~known | ~is_among(key, pair_key)).sum()),
        "rank_zero_not_home_country": int(((ids[row] != owner) | (home_of[row] != home)).sum()),
    }
    return {"passed": not any(counts.values()), **counts}


def check_derived(tables: Mapping[str, pa.Table], facts: Facts) -> dict[str, dict[str, Any]]:
    """Do the five derived outputs say what the catalogue and the draw log say?

    A table that is absent fails its check.
    """
    catalogue = tables["outlet_catalogue"]
    merchant, country, count = pairs(catalogue)
    verdicts: dict[str, dict[str, Any]] = {}

    def judge(dataset_id: str, test: Any) -> None:
        table = tables.get(dataset_id)
        if table is None:
            verdicts[dataset_id] = {"passed": False, "reason": "absent"}
            return
        try:
            check_table(dataset_id, table)
            reason = test(table)
        except (ContractError, KeyError) as error:
            reason = f"does not hold its contract: {error}"
        verdicts[dataset_id] = {"passed": reason is None, "reason": reason or "agrees"}

    def counts_agree(table: pa.Table) -> str | None:
        same = (
            np.array_equal(table.column("merchant_id").to_numpy(), merchant)
            and np.array_equal(countries.encode(table.column("country_iso")), country)
            and np.array_equal(table.column("count").to_numpy(), count)
        )
        return None if same else "differs from the counts of outlet_catalogue"

    def sequence_agrees(table: pa.Table) -> str | None:
        columns = ("merchant_id", "country_iso", "site_order", "site_id")
        ours = catalogue.select(["merchant_id", "legal_country_iso", "site_order", "site_id"])
        same = table.select(list(columns)).rename_columns(ours.column_names).equals(ours)
        return None if same else "differs from the sites of outlet_catalogue"

    def sparse_agrees(table: pa.Table) -> str | None:
        threshold = float(table.column("threshold")[0].as_py()) if table.num_rows else 0.0
        same = table.equals(sparse_flags(catalogue, facts, threshold))
        return None if same else "differs from what the catalogue's merchants give"

    def aborts_agree(table: pa.Table) -> str | None:
        log = tables.get("rng_draw_log_1A")
        if log is None:
            return "cannot be checked without rng_draw_log_1A"
        target, granted = (log.column(k).to_numpy() for k in ("k_target", "k_granted"))
        short = granted < target
        same = (
            np.array_equal(
                table.column("merchant_id").to_numpy(), log.column("merchant_id").to_numpy()[short]
            )
            and np.array_equal(table.column("requested").to_numpy(), target[short])
            and np.array_equal(table.column("granted").to_numpy(), granted[short])
        )
        return None if same else "is not the list of merchants granted less than drawn"

    def stationarity_holds(table: pa.Table) -> str | None:
        if not table.num_rows:
            return "holds no test"
        value, threshold = (table.column(k).to_numpy() for k in ("value", "threshold"))
        said = table.column("passed").to_numpy(zero_copy_only=False)
        if not np.array_equal(said, value <= threshold):
            return "says passed where value is above threshold, or the reverse"
        failed = [
            t for t, ok in zip(table.column("test_id").to_pylist(), said, strict=True) if not ok
        ]
        return f"{failed[0]} failed" if failed else None

    judge("s3_integerised_counts", counts_agree)
    judge("s3_site_sequence", sequence_agrees)
    judge("sparse_flag", sparse_agrees)
    judge("merchant_abort_log", aborts_agree)
    judge("hurdle_stationarity_tests", stationarity_holds)
    return verdicts


def check_log(log: pa.Table, catalogue: pa.Table) -> dict[str, Any]:
    """The draw log and the catalogue tell of the same merchants, outlets and foreign countries."""
    merchant, _, count = pairs(catalogue)
    ids, index = np.unique(merchant, return_inverse=True)
    outlets = np.bincount(index, weights=count, minlength=len(ids)).astype(np.int64)
    foreign = np.bincount(index, minlength=len(ids)) - 1
    logged = log.column("merchant_id").to_numpy()
    if not np.array_equal(logged, ids):
        return {"passed": False, "merchants_differ": len(np.setxor1d(logged, ids)) or 1}
    multi = log.column("is_multi").to_numpy(zero_copy_only=False)
    counts = {
        "n_outlets_differ": int((log.column("n_outlets").to_numpy() != outlets).sum()),
        "is_multi_differs": int((multi != (outlets > 1)).sum()),
        "k_granted_differs": int((log.column("k_granted").to_numpy() != foreign).sum()),
        "dispersion_missing": int(
            (pc.is_null(log.column("dispersion_k")).to_numpy() == multi).sum()
        ),
    }
    return {"passed": not any(counts.values()), **counts}


def dispersion_check(log: pa.Table, alpha: float) -> dict[str, Any]:
    """Are realised outlet counts as dispersed as the log says?

    Multi-site merchants fall into four strata by logged dispersion. In each, the squared
    standardised deviations from the truncated NB2 moments have mean one; their sampling variance
    follows from the fourth moments, and the difference must stay within the normal quantile of
    ``alpha`` shared by the strata. ``dispersion_scale`` is the method-of-moments factor on the
    logged dispersion; 1 is perfect agreement.
    """
    drawn = log.filter(log.column("is_multi"))
    mu, phi = (
        drawn.column(k).to_numpy(zero_copy_only=False).astype(np.float64)
        for k in ("mu", "dispersion_k")
    )
    n = drawn.column("n_outlets").to_numpy().astype(np.float64)
    if len(n) < 2 * _DISPERSION_STRATA or not (np.isfinite(mu) & np.isfinite(phi)).all():
        return {"passed": False, "reason": "too few logged draws", "strata": []}
    limit = float(-special.ndtri(alpha / (2 * _DISPERSION_STRATA)))
    rank = np.argsort(np.argsort(phi, kind="stable"), kind="stable")
    strata = []
    for stratum in range(_DISPERSION_STRATA):
        rows = rank * _DISPERSION_STRATA // len(n) == stratum
        mean, variance, fourth = laws.truncated_nb_moments(mu[rows], phi[rows])
        square = (n[rows] - mean) ** 2 / variance
        deviation = float((square - 1.0).sum())
        error = float(np.sqrt((fourth / variance**2 - 1.0).sum()))
        strata.append(
            {
                "merchants": int(rows.sum()),
                "dispersion_logged_mean": float(phi[rows].mean()),
                "dispersion_scale": _moment_scale(n[rows], mu[rows], phi[rows]),
                "mean_square": float(square.mean()),
                "tolerance": limit * error / int(rows.sum()),
                "z": deviation / error,
                "passed": abs(deviation) <= limit * error,
            }
        )
    return {"passed": all(row["passed"] for row in strata), "z_limit": limit, "strata": strata}


def _moment_scale(n: F64, mu: F64, phi: F64) -> float | None:
    """Factor on ``phi`` with which the summed truncated variance meets the summed squares."""
    # A third of a second, which the jobs that only read bands do not pay.
    from scipy.optimize import brentq

    def excess(log_scale: float) -> float:
        mean, variance, _ = laws.truncated_nb_moments(mu, phi * np.exp(log_scale))
        return float((((n - mean) ** 2 - variance) / mu**2).sum())

    low, high = -3.0, 3.0
    if excess(low) * excess(high) > 0:
        return None
    return float(np.exp(brentq(excess, low, high, xtol=1e-9)))


def validate(
    tables: Mapping[str, pa.Table],
    facts: Facts,
    seed: int,
    alpha: float,
    replayed: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """All verdicts on one seed.

    Parameters
    ----------
    tables
        Tables by dataset id.
    facts
        Eligible countries.
    seed
        Seed that the catalogue must name.
    alpha
        Probability that a sound world is refused by the dispersion check.
    replayed
        Verdict on the chain run again (:func:`scripts.upstream.replay.replay`), or None for a world
        made elsewhere.

    Returns
    -------
    ``verdict`` PASS or FAIL, ``checks`` by name, ``failed`` names.
    """
    catalogue = tables["outlet_catalogue"]
    checks: dict[str, dict[str, Any]] = {"contracts": check_contracts(tables)}
    if checks["contracts"]["passed"]:
        anomalies = identity_anomalies(catalogue)
        checks["identity"] = {"passed": not any(anomalies.values()), **anomalies}
        checks["catalogue"] = check_catalogue(catalogue, seed)
        checks["candidates"] = check_candidates(tables["s3_candidate_set"], catalogue)
        for dataset_id, verdict in check_derived(tables, facts).items():
            if dataset_id in tables or replayed is not None:
                checks[dataset_id] = verdict
        if "rng_draw_log_1A" in tables:
            checks["draw_log"] = check_log(tables["rng_draw_log_1A"], catalogue)
            checks["dispersion"] = dispersion_check(tables["rng_draw_log_1A"], alpha)
        if replayed is not None:
            checks["replay"] = dict(replayed)
    failed = sorted(name for name, check in checks.items() if not check["passed"])
    return {"verdict": "FAIL" if failed else "PASS", "checks": checks, "failed": failed}
