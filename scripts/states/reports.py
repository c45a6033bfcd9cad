"""The reports of S4 to S8: what their parts counted, added up, beside the policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.states.sites import ASSIGN_FAMILY, JITTER_FAMILY, rng_metadata
from scripts.states.spread import Spreads, diagnostics
from scripts.states.tallies import Tally

Json = dict[str, Any]
Identity = Mapping[str, Any]


def report_s4(
    identity: Identity,
    policy: Mapping[str, Any],
    guard: Mapping[str, Any],
    tally: Tally,
    spreads: Spreads,
) -> Json:
    """Sites on tiles; ``guard`` is the summary of the guard.

    Concentration over countries before there are whole sites, as S2's mass asks for it, then of the
    sites before the guard and behind it, which is what stands on tiles.
    """
    of_countries = guard["concentration"]
    return {
        "state": "S4",
        "identity": {
            **identity,
            "policy_version": policy["policy_version"],
            "mode": policy["mode"],
        },
        "counts": {
            "rows_emitted": tally["rows"],
            "merchants_total": guard["merchants_total"],
            "sites_total": sum(guard["by_country"].values()),
            "sites_rerouted": guard["sites_rerouted"],
            "active_tiles": tally["active_tiles"],
        },
        "pre_integer": of_countries["wanted"],
        "before_guard": {"distance_to_mass": guard["distance_before"], **of_countries["before"]},
        "post_integer": {
            "distance_to_mass": guard["distance"],
            **of_countries["after"],
            "pairs": diagnostics(spreads),
        },
        "by_country": {code: {"sites": sites} for code, sites in guard["by_country"].items()},
    }


def report_s5(identity: Identity, policy: Mapping[str, Any], tally: Tally) -> Json:
    """Sites to tiles."""
    sites = _sites(tally)
    return {
        "state": "S5",
        "identity": {**identity, "policy_version": policy["policy_version"]},
        "counts": {
            "rows_emitted": sites,
            "pairs_total": tally["pairs"],
            "rng_events_emitted": sites,
        },
        "rng": rng_metadata(identity["seed"], policy["namespace"], ASSIGN_FAMILY),
        "by_country": tally["by_country"],
    }


def report_s6(identity: Identity, policy: Mapping[str, Any], tally: Tally) -> Json:
    """Sites about their tiles."""
    sites = _sites(tally)
    events = sum(int(number) * count for number, count in tally["attempts"].items())
    return {
        "state": "S6",
        "identity": {**identity, "policy_version": policy["policy_version"]},
        "counts": {
            "sites_total": sites,
            "tiles_in_use": tally["tiles"],
            "border_tiles_in_use": tally["border_tiles"],
            "rng_events_emitted": events,
            "resamples_total": events - sites,
        },
        "mode": policy["mode"],
        "rng": rng_metadata(identity["seed"], policy["namespace"], JITTER_FAMILY),
        "component_share": component_shares(policy, tally["drawn"], tally["placed_by"]),
        "attempt_histogram": tally["attempts"],
        "by_country": tally["by_country"],
    }


def component_shares(
    policy: Mapping[str, Any], drawn: Mapping[str, int], placed_by: Mapping[str, int]
) -> Json:
    """Weights of the policy beside the shares that were drawn and that placed the sites."""
    sites = max(sum(drawn.values()), 1)
    if policy["mode"] == "towns_v3":
        open_share = policy["towns"]["open_share"]
        weights = {"town": round(1.0 - open_share, 9), "open": open_share}
    else:
        weights = {"uniform": 1.0}
    return {
        "policy": weights,
        "drawn": {name: round(count / sites, 9) for name, count in drawn.items()},
        "placed_by": {name: round(count / sites, 9) for name, count in placed_by.items()},
    }


def summary_s7(identity: Identity, tally: Tally) -> Json:
    """Sites with coordinates, and the outlets and moves that they were balanced with."""
    flows = {name: count for name, count in tally.items() if name != "by_country"}
    return {
        "state": "S7",
        "identity": dict(identity),
        "counts": {"sites_total": _sites(tally), **flows},
        "by_country": tally["by_country"],
    }


def summary_s8(identity: Identity, rows_s7: int, tally: Tally) -> Json:
    """The egress; ``rows_s7`` rows were read."""
    return {
        "state": "S8",
        "identity": dict(identity),
        "counts": {"rows_s7": rows_s7, "rows_s8": _sites(tally)},
        "geometry": {"encoding": "WKB", "crs": "OGC:CRS84"},
        "by_country": tally["by_country"],
    }


def _sites(tally: Tally) -> int:
    return sum(counts["sites"] for counts in tally["by_country"].values())
