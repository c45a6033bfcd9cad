"""Validation of one sealed seed of segment 1A: what every table must say, and the evidence.

Each check is a named verdict with what was observed. Tables are judged by what they hold; the
generator's laws enter through the replay of the whole chain from the keys and through the test
that realised outlet counts are as dispersed as the log says.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import special

from scripts import countries
from scripts.contracts import TableCheck
from scripts.errors import ContractError
from scripts.ordering import in_order, is_among, run_starts
from scripts.tables import encoded, read_parquet
from scripts.upstream import laws
from scripts.upstream.egress import SiteSums, pairs
from scripts.upstream.prior import Facts
from scripts.upstream.stored import (
    ROWS_EACH,
    blocks,
    merchant_slices,
    padded_numbers,
    same_values,
)

F64 = np.ndarray[Any, np.dtype[np.float64]]
EXTERNAL_ALPHA = 1e-4
_DISPERSION_STRATA = 4
_CHECKED = {
    "outlet_catalogue": (
        *("merchant_id", "site_id", "home_country_iso", "legal_country_iso", "site_order"),
        *("single_vs_multi_flag", "raw_nb_outlet_draw", "final_country_outlet_count"),
        "global_seed",
    ),
    "s3_candidate_set": ("merchant_id", "country_iso", "candidate_rank", "is_home"),
    "s3_integerised_counts": ("merchant_id", "country_iso", "count"),
    "s3_site_sequence": ("merchant_id", "country_iso", "site_order", "site_id"),
    "merchant_abort_log": ("merchant_id", "requested", "granted"),
    "rng_draw_log_1A": (
        *("merchant_id", "is_multi", "dispersion_k", "n_outlets"),
        *("k_target", "k_granted"),
    ),
}
DISPERSION_COLUMNS = ("is_multi", "mu", "dispersion_k", "n_outlets")


def check_contracts(files: Mapping[str, str]) -> dict[str, Any]:
    """Every table keeps its schema, key and sort order."""
    broken = {}
    for dataset_id, path in sorted(files.items()):
        check = TableCheck(dataset_id)
        try:
            for block in blocks(path):
                check.hold(block)
        except ContractError as error:
            broken[dataset_id] = str(error)
    return {"passed": not broken, "broken": broken}


def identity_anomalies(catalogue: pa.Table) -> dict[str, int]:
    """Six counts that are all zero in a catalogue of unique, contiguous, well-named sites."""
    merchant = catalogue.column("merchant_id").to_numpy()
    country = countries.encode(catalogue.column("legal_country_iso")).astype(np.int64)
    order = catalogue.column("site_order").to_numpy()
    site = encoded(catalogue.column("site_id"))
    names = np.array(site.dictionary.to_pylist(), dtype=object)
    name = np.unique(names, return_inverse=True)[1][site.indices.to_numpy()]
    by_order = _duplicates(merchant, country, order)
    by_name = _duplicates(merchant, country, name)
    position = in_order(merchant, country, order)
    m, c, o = merchant[position], country[position], order[position]
    scope = run_starts(m, c)
    wrong = np.diff(o, prepend=o[:1]) != 1
    wrong[scope[:-1]] = o[scope[:-1]] != 1
    return {
        "primary_key_duplicate_groups": by_order[0],
        "primary_key_excess_rows": by_order[1],
        "site_id_duplicate_groups": by_name[0],
        "site_id_excess_rows": by_name[1],
        "site_order_scopes_not_contiguous": len(
            np.unique(np.searchsorted(scope, np.flatnonzero(wrong), side="right"))
        ),
        "site_id_not_padded_site_order": int(
            (padded_numbers(catalogue.column("site_id")) != order).sum()
        ),
    }


def _duplicates(*keys: Any) -> tuple[int, int]:
    """Groups of equal keys with more than one row, and the rows beyond the first of each."""
    if not len(keys[0]):
        return 0, 0
    order = in_order(*keys)
    same = np.ones(len(keys[0]) - 1, dtype=bool)
    for key in keys:
        same &= key[order][1:] == key[order][:-1]
    first_repeat = same & ~np.r_[False, same[:-1]]
    return int(first_repeat.sum()), int(same.sum())


def check_catalogue(catalogue: pa.Table, seed: int) -> dict[str, int]:
    """Rows of a sorted catalogue whose counts, flag, home or seed are not consistent."""
    merchant = catalogue.column("merchant_id").to_numpy()
    home = countries.encode(catalogue.column("home_country_iso"))
    legal = countries.encode(catalogue.column("legal_country_iso"))
    flag = catalogue.column("single_vs_multi_flag").to_numpy()
    raw = catalogue.column("raw_nb_outlet_draw").to_numpy()
    final = catalogue.column("final_country_outlet_count").to_numpy()
    starts, pair_starts = run_starts(merchant), run_starts(merchant, legal)
    total, pair_total = np.diff(starts), np.diff(pair_starts)
    at_home = np.flatnonzero(home == legal)
    return {
        "raw_nb_outlet_draw_not_rows_of_merchant": int((raw != np.repeat(total, total)).sum()),
        "final_country_outlet_count_not_rows_of_pair": int(
            (final != np.repeat(pair_total, pair_total)).sum()
        ),
        "single_vs_multi_flag_not_more_than_one": int((flag != (raw > 1)).sum()),
        "home_country_varies_in_merchant": int((home != np.repeat(home[starts[:-1]], total)).sum()),
        "merchants_without_home_outlet": int(
            (np.diff(np.searchsorted(at_home, starts)) == 0).sum()
        ),
        "global_seed_is_not_the_seed": int(
            (catalogue.column("global_seed").to_numpy() != np.uint64(seed)).sum()
        ),
    }


def check_candidates(candidates: pa.Table, catalogue: pa.Table) -> dict[str, int]:
    """Ranks are contiguous from the home country, and every country with an outlet is one."""
    merchant = candidates.column("merchant_id").to_numpy()
    code = countries.encode(candidates.column("country_iso"))
    rank = candidates.column("candidate_rank").to_numpy().astype(np.int64)
    is_home = candidates.column("is_home").to_numpy()
    starts = run_starts(merchant)
    ids, size = merchant[starts[:-1]], np.diff(starts)
    index = np.repeat(np.arange(len(ids)), size)
    key = np.sort(index * countries.CODES + code)
    pair_merchant, pair_country, _ = pairs(catalogue)
    pair_key = np.searchsorted(ids, pair_merchant) * countries.CODES + pair_country
    known = is_among(ids, pair_merchant)
    home_of = np.full(len(ids) + 1, -1, dtype=np.int16)
    home_of[index[rank == 0]] = code[rank == 0]
    home = countries.encode(catalogue.column("home_country_iso"))
    outlets = run_starts(catalogue.column("merchant_id").to_numpy())
    owner = catalogue.column("merchant_id").take(outlets[:-1]).to_numpy()
    listed = home_of[np.where(is_among(ids, owner), np.searchsorted(ids, owner), -1)]
    return {
        "rank_not_contiguous": int((rank != laws.position_in_segment(index)).sum()),
        "is_home_not_rank_zero": int((is_home != (rank == 0)).sum()),
        "country_twice_for_a_merchant": int((key[1:] == key[:-1]).sum()),
        "outlet_country_not_a_candidate": int((~known | ~is_among(key, pair_key)).sum()),
        "rank_zero_not_home_country": int((np.repeat(listed, np.diff(outlets)) != home).sum()),
    }


def counts_agree(counts: pa.Table, catalogue: pa.Table) -> bool:
    """Whether ``s3_integerised_counts`` has the counts of the catalogue."""
    merchant, country, count = pairs(catalogue)
    return (
        np.array_equal(counts.column("merchant_id").to_numpy(), merchant)
        and np.array_equal(countries.encode(counts.column("country_iso")), country)
        and np.array_equal(counts.column("count").to_numpy(), count)
    )


def sequence_agrees(sequence: pa.Table, catalogue: pa.Table) -> bool:
    """Whether ``s3_site_sequence`` has the sites of the catalogue."""
    numbers = ("merchant_id", "site_order")
    if not sequence.select(numbers).equals(catalogue.select(numbers)):
        return False
    both = (("country_iso", "legal_country_iso"), ("site_id", "site_id"))
    return all(same_values(sequence.column(a), catalogue.column(b)) for a, b in both)


def aborts_agree(aborts: pa.Table, log: pa.Table) -> bool:
    """Whether ``merchant_abort_log`` is the list of merchants granted less than drawn."""
    target, granted = (log.column(name).to_numpy() for name in ("k_target", "k_granted"))
    short = granted < target
    return (
        np.array_equal(
            aborts.column("merchant_id").to_numpy(), log.column("merchant_id").to_numpy()[short]
        )
        and np.array_equal(aborts.column("requested").to_numpy(), target[short])
        and np.array_equal(aborts.column("granted").to_numpy(), granted[short])
    )


# Derived tables with rows of merchants, what each follows from, and what is wrong if it does not.
_DERIVED_ROWS = (
    (
        "s3_integerised_counts",
        "outlet_catalogue",
        counts_agree,
        "differs from the counts of outlet_catalogue",
    ),
    (
        "s3_site_sequence",
        "outlet_catalogue",
        sequence_agrees,
        "differs from the sites of outlet_catalogue",
    ),
    (
        "merchant_abort_log",
        "rng_draw_log_1A",
        aborts_agree,
        "is not the list of merchants granted less than drawn",
    ),
)


def sparse_fault(table: pa.Table, sites: SiteSums, facts: Facts) -> str | None:
    """What ``sparse_flag`` says against the sites of a catalogue; None when nothing."""
    threshold = float(table.column("threshold")[0].as_py()) if table.num_rows else 0.0
    same = table.equals(sites.flags(facts, threshold))
    return None if same else "differs from what the catalogue's merchants give"


def stationarity_fault(table: pa.Table) -> str | None:
    """What ``hurdle_stationarity_tests`` admits; None when every test passed."""
    if not table.num_rows:
        return "holds no test"
    value, threshold = (table.column(name).to_numpy() for name in ("value", "threshold"))
    said = table.column("passed").to_numpy()
    if not np.array_equal(said, value <= threshold):
        return "says passed where value is above threshold, or the reverse"
    failed = [t for t, ok in zip(table.column("test_id").to_pylist(), said, strict=True) if not ok]
    return f"{failed[0]} failed" if failed else None


def check_log(log: pa.Table, catalogue: pa.Table) -> dict[str, int]:
    """The draw log and the catalogue tell of the same merchants, outlets and foreign countries."""
    merchant, _, count = pairs(catalogue)
    starts = run_starts(merchant)
    ids, foreign = merchant[starts[:-1]], np.diff(starts) - 1
    logged = log.column("merchant_id").to_numpy()
    if not np.array_equal(logged, ids):
        return {"merchants_differ": len(np.setxor1d(logged, ids))}
    outlets = np.diff(np.append(0, np.cumsum(count))[starts])
    multi = log.column("is_multi").to_numpy()
    return {
        "n_outlets_differ": int((log.column("n_outlets").to_numpy() != outlets).sum()),
        "is_multi_differs": int((multi != (outlets > 1)).sum()),
        "k_granted_differs": int((log.column("k_granted").to_numpy() != foreign).sum()),
        "dispersion_missing": int(
            (pc.is_null(log.column("dispersion_k")).to_numpy() == multi).sum()
        ),
    }


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


def check_rows(
    files: Mapping[str, str], facts: Facts, seed: int, rows: int
) -> tuple[dict[str, Counter[str]], dict[str, str | None]]:
    """What the tables say of each merchant, some merchants after the other.

    Parameters
    ----------
    files
        Tables by dataset id, each of which keeps its contract.
    facts, seed
        As of :func:`validate`.
    rows
        Rows of the catalogue in memory at a time; nothing depends on it.

    Returns
    -------
    Counts of faults by check; and by derived table what is wrong with it, or None.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    faults: dict[str, str | None] = {name: None for name, *_ in _DERIVED_ROWS if name in files}
    sites = SiteSums()
    for tables in merchant_slices(files, _CHECKED, rows):
        catalogue = tables["outlet_catalogue"]
        sites.add(catalogue)
        counts["identity"].update(identity_anomalies(catalogue))
        counts["catalogue"].update(check_catalogue(catalogue, seed))
        counts["candidates"].update(check_candidates(tables["s3_candidate_set"], catalogue))
        if "rng_draw_log_1A" in tables:
            counts["draw_log"].update(check_log(tables["rng_draw_log_1A"], catalogue))
        for name, source, agrees, fault in _DERIVED_ROWS:
            if name in tables and source not in tables:
                faults[name] = f"cannot be checked without {source}"
            elif name in tables and not agrees(tables[name], tables[source]):
                faults[name] = fault
    if "sparse_flag" in files:
        faults["sparse_flag"] = sparse_fault(read_parquet(files["sparse_flag"]), sites, facts)
    if "hurdle_stationarity_tests" in files:
        table = read_parquet(files["hurdle_stationarity_tests"])
        faults["hurdle_stationarity_tests"] = stationarity_fault(table)
    return counts, faults


def validate(
    files: Mapping[str, str],
    facts: Facts,
    seed: int,
    alpha: float,
    replayed: Mapping[str, Any] | None,
    rows: int = ROWS_EACH,
) -> dict[str, Any]:
    """All verdicts on one seed.

    Parameters
    ----------
    files
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
    rows
        Rows of the catalogue in memory at a time; no verdict depends on it.

    Returns
    -------
    ``verdict`` PASS or FAIL, ``checks`` by name, ``failed`` names.
    """
    checks: dict[str, dict[str, Any]] = {"contracts": check_contracts(files)}
    if checks["contracts"]["passed"]:
        counts, faults = check_rows(files, facts, seed, rows)
        for name, found in counts.items():
            if "merchants_differ" in found:
                found = Counter(merchants_differ=found["merchants_differ"])
            checks[name] = {"passed": not any(found.values()), **found}
        for name, fault in faults.items():
            checks[name] = {"passed": fault is None, "reason": fault or "agrees"}
        if "rng_draw_log_1A" in files:
            log = read_parquet(files["rng_draw_log_1A"], DISPERSION_COLUMNS)
            checks["dispersion"] = dispersion_check(log, alpha)
        if replayed is not None:
            checks["replay"] = dict(replayed)
    failed = sorted(name for name, check in checks.items() if not check["passed"])
    return {"verdict": "FAIL" if failed else "PASS", "checks": checks, "failed": failed}
