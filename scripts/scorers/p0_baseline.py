"""P0: the baseline over all seeds, pinned, with its checkpoints and the decision to go on.

Gathers the scorecards of the baseline run, the lineage that its receipts pin, what S2, S4, S6 and
S8 reported on the way, and the published numbers beside the measured ones. The decision follows
from checks on these files.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.errors import ScoreError
from scripts.scorers import companions
from scripts.scorers.gates import evaluate, load_gates
from scripts.tables import published, read_json

Json = Mapping[str, Any]
CHECKPOINTS = {"S4": "s4_reports", "S6": "s6_reports", "S8": "s8_summaries"}
COMPANIONS = ("country_share", "nn_quantiles", "region_share")
FROZEN_UPSTREAM = "the upstream run of the baseline is immutable for every run measured against it"


def by_seed(cards: Sequence[Json], where: object) -> list[Json]:
    """Scorecards in order of seed.

    Raises
    ------
    ScoreError
        ``ES12`` when they are of several runs or a seed comes twice.
    """
    seeds = [card["seed"] for card in cards]
    runs = sorted({card["run_id"] for card in cards})
    if len(runs) != 1 or len(set(seeds)) != len(seeds):
        raise ScoreError("ES12", where, f"runs {runs}, seeds {seeds}", "one run, each seed once")
    return sorted(cards, key=lambda card: card["seed"])


def lineage(receipts: Sequence[Json]) -> dict[str, Any]:
    """Tokens that pin the baseline: one run and policy set, one input fingerprint a seed."""
    first = receipts[0]
    return {
        "run_id": first["run_id"],
        "name": first["name"],
        "posture": first["posture"],
        "upstream_run_id": first["upstream_run_id"],
        "parameter_hash": first["parameter_hash"],
        "manifest_fingerprint": {str(r["seed"]): r["manifest_fingerprint"] for r in receipts},
        "upstream": FROZEN_UPSTREAM,
    }


def against_publication(cards: Sequence[Json], printed: Json) -> dict[str, Any]:
    """Published numbers beside the same definitions measured here."""
    names = sorted({name for card in cards for name in card["as_published"]})
    return {
        name: {
            "published": printed.get(name),
            "measured": {str(card["seed"]): card["as_published"][name] for card in cards},
        }
        for name in names
    }


def mean_metrics(cards: Sequence[Json]) -> dict[str, float | None]:
    """Mean of each metric over the seeds; null where a seed has none."""
    means: dict[str, float | None] = {}
    for name in cards[0]["metrics"]:
        values = [card["metrics"][name] for card in cards]
        means[name] = None if None in values else float(np.mean(values))
    return means


def share_profile(report: Json, region_of: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Shares of sites that S4 left in every country and in every region.

    A country that the table of shares lacks, which P0 refuses, is of no region.
    """
    sites = {country: held["sites"] for country, held in report["by_country"].items()}
    total = sum(sites.values())
    regions: dict[str, float] = {}
    for country in sites:
        region = region_of.get(country, "none")
        regions[region] = regions.get(region, 0.0) + sites[country] / total
    return {
        "country_share": {country: held / total for country, held in sites.items()},
        "region_share": regions,
    }


def readiness(
    cards: Sequence[Json],
    receipts: Sequence[Json],
    summaries: Sequence[Json],
    country: Mapping[int, Sequence[Json]],
) -> dict[str, Any]:
    """Whether the baseline can be the authority: GO when every check passes.

    Parameters
    ----------
    cards, receipts, summaries
        Scorecards, run receipts and S8 summaries by seed, in the same order.
    country
        Rows of the country-share table by seed.
    """
    checks = []

    def check(name: str, faults: list[str]) -> None:
        checks.append({"check": name, "passed": not faults, "faults": faults})

    hashes = sorted({receipt["parameter_hash"] for receipt in receipts})
    pinned = [
        f"seed {card['seed']}: receipt of run {receipt['run_id']} seed {receipt['seed']}"
        for card, receipt in zip(cards, receipts, strict=True)
        if (card["run_id"], card["seed"]) != (receipt["run_id"], receipt["seed"])
    ]
    check("lineage_pinned", pinned + ([] if len(hashes) == 1 else [f"{len(hashes)} policy sets"]))
    check(
        "metrics_defined",
        [
            f"seed {card['seed']}: {name}"
            for card in cards
            for name, value in card["metrics"].items()
            if value is None
        ],
    )
    check(
        "companion_tables_add_up",
        [
            f"seed {card['seed']}"
            for card in cards
            if sum(row["site_count"] for row in country[card["seed"]]) != card["counts"]["sites"]
        ],
    )
    check(
        "sites_agree_with_s8",
        [
            f"seed {card['seed']}"
            for card, summary in zip(cards, summaries, strict=True)
            if summary["counts"].get("rows_s8") != card["counts"]["sites"]
        ],
    )
    check(
        "one_eligible_set",
        []
        if len({tuple(card["eligible_countries"]) for card in cards}) == 1
        else ["seeds disagree on the eligible countries"],
    )
    check(
        "no_site_outside_eligible",
        [f"seed {c['seed']}" for c in cards if c["counts"]["sites_outside_eligible"] > 0],
    )
    go = all(entry["passed"] for entry in checks)
    return {"decision": "GO" if go else "NO_GO", "checks": checks}


def _seeded(name: str, paths: Sequence[str], seeds: Sequence[int]) -> dict[int, list[Json]]:
    return {
        seed: [{"seed": seed, **row} for row in companions.read_csv(f"segment1b_{name}", path)]
        for seed, path in zip(seeds, paths, strict=True)
    }


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``p0_baseline``; every list of inputs is in ascending order of seed."""
    settings = load_gates(inputs.gates)
    cards = by_seed(
        [read_object("segment1b_scorecard", path) for path in inputs.scorecards],
        inputs.scorecards[0],
    )
    receipts = [read_object("run_receipt", path) for path in inputs.receipts]
    seeds = [card["seed"] for card in cards]
    tables = {name: _seeded(name, getattr(inputs, name), seeds) for name in COMPANIONS}
    for name, rows in tables.items():
        flat = [row for seed in seeds for row in rows[seed]]
        companions.write_csv(f"segment1b_p0_{name}", getattr(outputs, name), flat)
    region_of = {row["country_iso"]: row["region"] for rows in tables["country_share"].values()
                 for row in rows}  # fmt: skip
    verdict = evaluate(cards, settings)
    states = {
        state: [read_json(path) for path in getattr(inputs, name)]
        for state, name in CHECKPOINTS.items()
    }
    write_object(
        "segment1b_p0_baseline",
        outputs.report,
        published(
            {
                "phase": "P0",
                "seeds": seeds,
                "baseline_authority": lineage(receipts),
                "metrics": {str(card["seed"]): card["metrics"] for card in cards},
                "metrics_mean": mean_metrics(cards),
                "nn_quantiles_m": {str(c["seed"]): c["nn"]["quantiles_m"] for c in cards},
                "region_shares": {str(c["seed"]): c["region_shares"] for c in cards},
                "published": against_publication(cards, settings["published_baseline"]),
                "grade": verdict["grade"],
                "rows": verdict["rows"],
                "fidelity": verdict["fidelity"],
                "checkpoints": {
                    "S2": read_json(inputs.s2_report),
                    **{
                        state: dict(zip(map(str, seeds), reports, strict=True))
                        for state, reports in states.items()
                    },
                },
                "s4_profile": {
                    str(seed): share_profile(found, region_of)
                    for seed, found in zip(seeds, states["S4"], strict=True)
                },
                "companion_tables": {
                    name: Path(getattr(outputs, name)).name for name in COMPANIONS
                },
                "readiness": readiness(cards, receipts, states["S8"], tables["country_share"]),
            }
        ),
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
