"""How far a run stays from every gate, seed by seed; made for seeds that no policy was tuned on."""

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.geo.metrics import coefficient_of_variation
from scripts.scorers import companions
from scripts.scorers.gates import Row, evaluate, load_gates
from scripts.scorers.margins import smallest_margins
from scripts.scorers.p0_baseline import by_seed
from scripts.scorers.phase_rows import COMPARED
from scripts.tables import published

Json = Mapping[str, Any]


def time_zones(cards: Sequence[Json]) -> dict[str, Any]:
    """Countries of several UTC offsets against the plain demand that each reaches two.

    Returns
    -------
    ``judged`` and ``reached`` (country, seed) pairs, and ``missed``: one mapping a country with
    the seeds that missed, its largest count of sites there and the sites that a map in proportion
    to place population would put off its main offset.
    """
    judged = reached = 0
    missed: dict[str, dict[str, Any]] = {}
    for card in cards:
        for row in card["fidelity"]["time_zones"]["countries"]:
            judged += 1
            if row["offsets_reached"] >= 2:
                reached += 1
                continue
            entry = missed.setdefault(
                row["country_iso"],
                {
                    "country_iso": row["country_iso"],
                    "offsets": row["offsets"],
                    "seeds": [],
                    "sites_max": 0,
                    "expected_off_main_max": 0.0,
                },
            )
            entry["seeds"].append(card["seed"])
            entry["sites_max"] = max(entry["sites_max"], row["sites"])
            entry["expected_off_main_max"] = max(
                entry["expected_off_main_max"], row["expected_off_main"]
            )
    return {
        "judged": judged,
        "reached": reached,
        "missed": [missed[country] for country in sorted(missed)],
    }


def spread(cards: Sequence[Json]) -> dict[str, dict[str, float | None]]:
    """Mean, extremes and coefficient of variation of each core metric over the seeds."""
    found: dict[str, dict[str, float | None]] = {}
    for name in COMPARED:
        values = [card["metrics"][name] for card in cards]
        if None in values:
            found[name] = dict.fromkeys(("mean", "min", "max", "cv"))
            continue
        found[name] = {
            "mean": sum(values) / len(values),
            "min": min(values),
            "max": max(values),
            "cv": coefficient_of_variation(values),
        }
    return found


def margins(cards: Sequence[Json], guards: Sequence[Json], verdict: Json) -> dict[str, Any]:
    """The report, without the table.

    Parameters
    ----------
    cards, guards
        Scorecards and freeze guard verdicts, seed by seed in the same order.
    verdict
        What :func:`scripts.scorers.gates.evaluate` says of the scorecards.
    """
    rows = verdict["rows"]
    return {
        "run_id": cards[0]["run_id"],
        "seeds": [card["seed"] for card in cards],
        "grade": verdict["grade"],
        "misses": [row for row in rows if not row["passed"]],
        "smallest_margins": smallest_margins(rows),
        "stability": [row for row in rows if row["seed"] == "all"],
        "fidelity": verdict["fidelity"],
        "time_zones": time_zones(cards),
        "freeze_guard": {
            str(card["seed"]): {
                "status": guard["status"],
                "failing": sorted(k for k, held in guard["guard_checks"].items() if not held),
            }
            for card, guard in zip(cards, guards, strict=True)
        },
        "measured": {
            str(card["seed"]): {
                **card["metrics"],
                "nn_p50_m": card["nn"]["quantiles_m"]["q50"],
                "sites": card["counts"]["sites"],
                "collapsed": card["collapse"]["flagged"],
            }
            for card in cards
        },
        "spread": spread(cards),
    }


def table_rows(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Gate rows as rows of the table, those across seeds last."""
    names = ("grade", "gate", "metric", "observed", "threshold", "margin")
    return [
        {
            "seed": str(row["seed"]),
            **{name: row[name] for name in names},
            "status": "pass" if row["passed"] else "fail",
        }
        for row in rows
    ]


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``margins_report``; both lists of inputs are in ascending order of seed."""
    cards = by_seed(
        [read_object("segment1b_scorecard", path) for path in inputs.scorecards],
        inputs.scorecards[0],
    )
    guards = [read_object("segment1a_freeze_guard", path) for path in inputs.guards]
    verdict = evaluate(cards, load_gates(inputs.gates))
    companions.write_csv(
        "segment1b_margins_table",
        outputs.table,
        table_rows([*verdict["rows"], *verdict["fidelity"]]),
    )
    write_object("segment1b_margins", outputs.report, published(margins(cards, guards, verdict)))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
