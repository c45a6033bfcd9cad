"""The fourteen measures of a 1A world, each from the published tables of one sealed run.

A measure without the data it needs is None, and None passes no band. Every population is written
out at its function; "all merchants" are those of ``outlet_catalogue``, single-site ones included.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scripts import countries
from scripts.inequality import gini, top_share
from scripts.ordering import is_among, run_starts
from scripts.upstream.egress import pairs
from scripts.upstream.stored import ROWS_EACH, merchant_slices
from scripts.upstream.tables_1a import SCORED_TABLES

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

_BOTTOM_DECILES = 3
_TOP_FRACTION = 0.10
_VIEWED = {
    "outlet_catalogue": (
        *("merchant_id", "home_country_iso", "legal_country_iso", "single_vs_multi_flag"),
    ),
    "s3_candidate_set": ("merchant_id", "is_home"),
}


@dataclass(frozen=True)
class MerchantView:
    """Catalogue and candidate set by merchant, sorted by merchant id; arrays of shape (m,).

    ``country_sites`` outlets by country code, shape (676,).
    """

    merchant_id: npt.NDArray[np.uint64]
    outlets: I64
    foreign_outlets: I64
    legal_countries: I64
    foreign_countries: I64
    candidates: I64
    multi: npt.NDArray[np.bool_]
    country_sites: I64


def by_merchant(catalogue: pa.Table, candidate_set: pa.Table) -> MerchantView:
    """Per merchant: outlets, foreign outlets, countries, foreign candidates, multi-site flag.

    Both tables hold whole merchants, sorted by merchant.
    """
    merchant, country, count = pairs(catalogue)
    starts = run_starts(merchant)
    ids, size = merchant[starts[:-1]], len(starts) - 1
    index = np.repeat(np.arange(size), np.diff(starts))
    first = pa.array(run_starts(catalogue.column("merchant_id").to_numpy())[:-1])
    home = countries.encode(catalogue.column("home_country_iso").take(first))
    abroad = country != home[index]
    foreign_rows = ~candidate_set.column("is_home").to_numpy()
    owner = candidate_set.column("merchant_id").to_numpy()[foreign_rows]
    row = np.searchsorted(ids, owner)

    def total(of: npt.NDArray[Any]) -> I64:
        return np.bincount(index, weights=of, minlength=size).astype(np.int64)

    return MerchantView(
        merchant_id=ids,
        outlets=total(count),
        foreign_outlets=total(count * abroad),
        legal_countries=np.diff(starts),
        foreign_countries=total(abroad),
        candidates=np.bincount(row[is_among(ids, owner)], minlength=size),
        multi=catalogue.column("single_vs_multi_flag").take(first).to_numpy(),
        country_sites=np.bincount(country, weights=count, minlength=countries.CODES).astype(
            np.int64
        ),
    )


def stored_view(files: Mapping[str, str], rows: int = ROWS_EACH) -> MerchantView:
    """:func:`by_merchant` of stored tables, so many rows at a time; nothing depends on it."""
    views = [
        vars(by_merchant(tables["outlet_catalogue"], tables["s3_candidate_set"]))
        for tables in merchant_slices(files, _VIEWED, rows)
    ]
    sites = np.sum([view.pop("country_sites") for view in views], axis=0)
    joined = {name: np.concatenate([view[name] for view in views]) for name in views[0]}
    return MerchantView(**joined, country_sites=sites)


def single_site_share(view: MerchantView) -> float | None:
    """Share of all merchants whose catalogue flag says one outlet."""
    return _mean(~view.multi)


def median_outlets_per_merchant(view: MerchantView) -> float | None:
    """Median catalogue rows of all merchants."""
    return float(np.median(view.outlets)) if len(view.outlets) else None


def home_legal_mismatch_rate(view: MerchantView) -> float | None:
    """Share of catalogue rows that stand outside the home country."""
    total = int(view.outlets.sum())
    return float(view.foreign_outlets.sum() / total) if total else None


def size_gradient_pp(view: MerchantView) -> float | None:
    """Percentage points by which the mismatch rate of decile 10 exceeds that of deciles 1 to 3.

    Deciles of multi-site merchants ordered by (outlets, merchant id): ``floor(10 i / n)``; rates
    are pooled over rows.
    """
    rows = np.flatnonzero(view.multi)
    order = rows[np.lexsort((view.merchant_id[rows], view.outlets[rows]))]
    decile = np.arange(len(order)) * 10 // max(len(order), 1)
    top, bottom = order[decile == 9], order[decile < _BOTTOM_DECILES]
    if not len(top) or not len(bottom):
        return None
    rates = [view.foreign_outlets[part].sum() / view.outlets[part].sum() for part in (top, bottom)]
    return float(100.0 * (rates[0] - rates[1]))


def multi_country_legal_spread(view: MerchantView) -> float | None:
    """Share of all merchants with outlets in more than one country."""
    return _mean(view.legal_countries > 1)


def candidate_count_median(view: MerchantView) -> float | None:
    """Median number of foreign candidates over all merchants; no row counts as zero."""
    return float(np.median(view.candidates)) if len(view.candidates) else None


def rank_correlation(candidates: I64, realised: I64) -> float | None:
    """Spearman correlation; None when either side is constant."""
    if len(candidates) < 2 or np.ptp(candidates) == 0 or np.ptp(realised) == 0:
        return None
    ranks = np.column_stack([_mean_rank(candidates), _mean_rank(realised)])
    correlation = np.asarray(np.corrcoef(ranks, rowvar=False))
    return float(correlation[1, 0])


def _mean_rank(values: I64) -> F64:
    """Rank of each value from 1, equal values sharing their mean rank."""
    _, index, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    rank: F64 = (last - (count - 1) / 2.0)[index]
    return rank


def realization_ratio(view: MerchantView) -> F64:
    """Foreign countries over foreign candidates; the number of countries where none is listed."""
    return view.foreign_countries / np.where(view.candidates > 0, view.candidates, 1)


def dispersion_spread(dispersion: F64) -> tuple[float | None, float | None]:
    """Coefficient of variation, and nearest-rank p95 over p05, of the logged dispersions."""
    if not len(dispersion) or not np.isfinite(dispersion).all():
        return None, None
    ordered = np.sort(dispersion)

    def nearest_rank(share: float) -> float:
        return float(ordered[max(1, math.ceil(share * len(ordered) - 1e-9)) - 1])

    variation = float(ordered.std() / ordered.mean())
    return variation, nearest_rank(0.95) / nearest_rank(0.05)


def measure(
    view: MerchantView,
    dispersion: F64,
    identity_holds: bool,
    required_outputs: Mapping[str, bool],
) -> dict[str, Any]:
    """All fourteen measures.

    Parameters
    ----------
    view
        Catalogue and candidate set by merchant.
    dispersion
        Logged dispersions, when realised counts bear them out; empty when not.
    identity_holds
        Whether the sites of the catalogue are unique, contiguous and well named.
    required_outputs
        Dataset id to whether the output is there and says what it must.
    """
    variation, ratio = dispersion_spread(dispersion)
    rho = realization_ratio(view)
    return {
        "single_site_share": single_site_share(view),
        "median_outlets_per_merchant": median_outlets_per_merchant(view),
        "top10_outlet_share": _finite(top_share(view.outlets, _TOP_FRACTION)),
        "gini_outlets_per_merchant": _finite(gini(view.outlets)),
        "home_legal_mismatch_rate": home_legal_mismatch_rate(view),
        "size_gradient_pp_top_minus_bottom": size_gradient_pp(view),
        "multi_country_legal_spread": multi_country_legal_spread(view),
        "candidate_count_median": candidate_count_median(view),
        "candidate_membership_correlation": rank_correlation(
            view.candidates, view.foreign_countries
        ),
        "realization_ratio_median": float(np.median(rho)) if len(rho) else None,
        "phi_cv": variation,
        "phi_p95_p05_ratio": ratio,
        "identity_semantics_no_unexplained_duplicate_anomalies": identity_holds,
        "required_outputs_present": all(required_outputs.get(t, False) for t in SCORED_TABLES),
    }


def diagnostics(view: MerchantView) -> dict[str, Any]:
    """What no band decides: conditional measures, and how sites fall over countries.

    Conditional ones leave out merchants that have no candidates, whose (0, 0) rows lift the
    correlation and hold the median ratio down.
    """
    asked = view.candidates > 0
    abroad = view.foreign_countries > 0
    rho = realization_ratio(view)
    sites = view.country_sites
    active = np.flatnonzero(sites)
    shares = {countries.decode_one(int(c)): float(sites[c] / sites.sum()) for c in active}
    return {
        "merchants": len(view.merchant_id),
        "sites": int(view.outlets.sum()),
        "largest_merchant": int(view.outlets.max(initial=0)),
        "conditional": {
            "candidate_membership_correlation_with_candidates": rank_correlation(
                view.candidates[asked], view.foreign_countries[asked]
            ),
            "realization_ratio_median_with_candidates": _median(rho[asked]),
            "realization_ratio_median_abroad": _median(rho[asked & abroad]),
            "multi_country_share_of_multi_site": _mean(abroad[view.multi]),
        },
        "active_countries": {
            "count": len(active),
            "gini": _finite(gini(sites[active])),
            "top1_share": _finite(top_share(sites[active], 0.01)),
            "top5_share": _finite(top_share(sites[active], 0.05)),
            "top10_share": _finite(top_share(sites[active], 0.10)),
            "largest": dict(sorted(shares.items(), key=lambda item: (-item[1], item[0]))[:10]),
        },
    }


def _mean(values: npt.NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None


def _median(values: F64) -> float | None:
    return float(np.median(values)) if len(values) else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
