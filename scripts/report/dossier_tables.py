"""The tables of the dossier, read from a certificate: gates, fidelity, identity, licences."""

from collections.abc import Iterable, Mapping
from typing import Any

from scripts.governance.verdict import asked_text, failing_gates, gate_table, percent
from scripts.scorers.gates import AT_MOST, GATED_GRADES, GRADE_NAMES, GRADES
from scripts.scorers.margins import relative_margin as share_of_threshold
from scripts.scorers.truth.judgement import TESTS, bounds_text
from scripts.scorers.truth.ranges import RealRange

Json = Mapping[str, Any]
YES_OR_NO = ("collapse", "structural", "validation")
LABELS = {
    "country_gini": "Gini of countries",
    "top1_share": "Share of the top 1 % of countries",
    "top5_share": "Share of the top 5 % of countries",
    "top10_share": "Share of the top 10 % of countries",
    "eligible_country_nonzero_share": "Eligible countries with sites",
    "southern_hemisphere_share": "Share south of the equator",
    "nn_contraction": "Contraction of the distance tail",
    "nn_p99_p50_ratio": "Distance ratio p99 ÷ p50",
    "no_collapse": "Countries collapsed to a line or a point",
    "s9_structural": "Structural checks failed in S9",
    "s9_realism": "Realism checks failed in S9",
    "s9_passed": "S9 passed",
    "no_site_outside_eligible": "Sites outside eligible countries",
    "spearman_median": "Median rank correlation with population",
    "overlap_median": "Median overlap with population",
    "urban_difference_points": "Urban share, difference in points",
    "nn_p50_m_min": "Median distance, metres, lower end",
    "nn_p50_m_max": "Median distance, metres, upper end",
    "nn_ratio": "Distance ratio p99 ÷ p50, lower end",
    "time_zones_reached_share": "Countries that reach two of their time zones",
}


# A gate whose value is true or not.
_TRUE_OR_NOT = "s9_passed"


def number(value: Any) -> str:
    """Four decimals for shares, fewer for larger values; a word for what could not be measured."""
    if value is None:
        return "undefined"
    if float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4f}"


def limit(value: Any) -> str:
    """A threshold as it is written in the gates."""
    return "undefined" if value is None else f"{value:g}"


def cell(value: Any) -> str:
    """Value that a column is sorted by; empty for what could not be measured."""
    return "" if value is None else repr(float(value))


def label_of(row: Json) -> str:
    """Plain name of a gate or fidelity row."""
    gate, metric = str(row["gate"]), str(row["metric"])
    if gate == "region_floor":
        return f"Region floor: {metric.split('.', 1)[1]}"
    if gate == "stability":
        name = metric.split(".", 1)[1]
        return f"Variation across seeds: {LABELS.get(name, name)}"
    if gate.endswith("_interval"):
        return f"{LABELS.get(metric, metric)}, interval end"
    return LABELS.get(gate, LABELS.get(metric, gate.replace("_", " ")))


def _sign(row: Json) -> str:
    return "≤ " if row["direction"] == AT_MOST else "≥ "


def relative_margin(row: Json) -> float | None:
    """Margin over the size of its threshold.

    None for a value that could not be measured, and for a gate that only holds or breaks.
    """
    of_number = row["family"] not in YES_OR_NO and row["threshold"]
    return share_of_threshold(dict(row)) if of_number else None


def words(row: Json, text: str) -> str:
    """A value or threshold as it is shown: a gate that is true or not has words for both."""
    if row["gate"] != _TRUE_OR_NOT:
        return text
    return "no" if text == "0" else "yes"


def _within(interval: Iterable[float | None], value: float | None) -> bool:
    low, high = interval
    return low is not None and high is not None and value is not None and low <= value <= high


def gate_rows(rows: Iterable[Json]) -> list[dict[str, Any]]:
    """One line per gate of one seed: B and B+ of the certificate side by side."""
    paired: dict[tuple[str, str], dict[str, Json]] = {}
    for row in rows:
        if row["grade"] not in GATED_GRADES:
            continue
        paired.setdefault((row["gate"], row["metric"]), {})[row["grade"]] = row
    values = {
        b["BPLUS"]["metric"]: b["BPLUS"]["observed"]
        for b in paired.values()
        if not b["BPLUS"]["gate"].endswith("_interval")
    }
    lines = []
    for grades in paired.values():
        b, bplus = grades["B"], grades["BPLUS"]
        relative = relative_margin(bplus)
        interval = bplus["interval"]
        lines.append(
            {
                "label": label_of(bplus),
                "observed": words(bplus, number(bplus["observed"])),
                "observed_value": cell(bplus["observed"]),
                "interval": " to ".join(map(number, interval)) if interval else "",
                "outside": interval is not None and not _within(interval, values[bplus["metric"]]),
                "b": words(b, _sign(b) + limit(b["threshold"])),
                "b_value": cell(b["threshold"]),
                "bplus": words(bplus, _sign(bplus) + limit(bplus["threshold"])),
                "bplus_value": cell(bplus["threshold"]),
                "relative": relative,
                "width": 0 if relative is None else round(100 * min(1.0, abs(relative)), 1),
                "margin_text": "" if relative is None else f"{100 * relative:+.0f} %",
                "b_passed": b["passed"],
                "passed": bplus["passed"],
                "reason": bplus["reason"],
            }
        )
    # The thinnest margin first; gates that only hold or break come last.
    return sorted(lines, key=lambda line: (line["relative"] is None, line["relative"] or 0.0))


def gate_blocks(document: Json) -> list[dict[str, Any]]:
    """Gate tables: one per seed, then the gates across seeds."""
    blocks = []
    for seed in [*document["seeds"], "all"]:
        lines = gate_rows(row for row in document["rows"] if row["seed"] == seed)
        if lines:
            title = "Across seeds" if seed == "all" else f"Seed {seed}"
            blocks.append(
                {
                    "title": title,
                    "caption": f"{title}: observed value against both grades",
                    "rows": lines,
                    "passed": sum(line["passed"] for line in lines),
                }
            )
    return blocks


def thinnest(document: Json) -> list[dict[str, Any]]:
    """Every gate once, the thinnest margin first: mean of the baseline, value of each seed.

    A gate's interval and its value are one gate; a cell shows the one with the thinner margin.
    """
    seeds = [str(seed) for seed in document["seeds"]]
    lines = []
    for entry in gate_table(document["rows"]):
        checks = entry["gate"] == "checks"
        known = [document["baseline_metrics"][seed].get(entry["gate"]) for seed in seeds]
        before = None if None in known else sum(known) / len(known)
        cells = [entry["seeds"].get(seed) for seed in seeds]
        if "all" in entry["seeds"]:
            cells[0] = entry["seeds"]["all"]
        lines.append(
            {
                "label": _gate_name(entry["gate"]),
                "baseline": "" if before is None else number(before),
                "baseline_value": cell(before),
                "cells": [_seed_cell(one, checks) for one in cells],
                "asked": [_plain(asked_text(entry, grade)) for grade in GRADES],
                "margin": "" if checks else percent(entry["margin"]),
                "margin_value": cell(None if checks else entry["margin"]),
            }
        )
    return lines


def _plain(asked: str) -> str:
    return asked.replace("<=", "≤").replace(">=", "≥").replace("+-", "±")


def _gate_name(gate: str) -> str:
    """Plain name of an entry of the gate table."""
    named = {
        "checks": "S9, structure, collapse",
        "region_floor": "Region floors, the region with the thinnest margin",
        "stability": "Variation across all seeds, of the metric that varies most",
    }
    test = gate.removeprefix("truth_")
    if test in TESTS:
        return f"{test} {TESTS[test].title}"
    return named.get(gate) or LABELS.get(gate, gate.replace("_", " "))


def _seed_cell(one: Json | None, check: bool) -> dict[str, Any]:
    if one is None:
        return {"text": "", "value": "", "interval": False, "passed": True}
    passed = one["grade"] == GRADES[-1]
    if check:
        text = "held" if passed else "broken"
        return {"text": text, "value": text, "interval": False, "passed": passed}
    return {
        "text": number(one["observed"]),
        "value": cell(one["observed"]),
        "interval": one["interval"],
        "passed": passed,
    }


def failing(document: Json, table: Json | None) -> list[dict[str, Any]]:
    """What fails, each gate once over its seeds, and what to turn by the table of knobs."""
    return [
        {
            "gate": LABELS.get(found["gate"], found["gate"].replace("_", " ")),
            "grade": GRADE_NAMES[grade],
            "seeds": ", ".join(found["seeds"]),
            "reason": found["reason"],
            "turn": found["turn"],
        }
        for grade in GRADES
        for found in failing_gates(document["rows"], grade, table)
    ]


def truth(document: Json, ranges: Mapping[str, RealRange]) -> list[dict[str, Any]]:
    """Tests of truth: value of each seed, what is accepted, what real outlets measure."""
    lines = []
    for test, found in TESTS.items():
        rows = [row for row in document["rows"] if row["gate"] == f"truth_{test}"]
        values = [row["observed"] for row in rows]
        margins = [relative_margin(row) for row in rows]
        known = [margin for margin in margins if margin is not None]
        real = ranges.get(test)
        lines.append(
            {
                "label": f"{test} {found.title}",
                "cells": [{"text": number(v), "value": cell(v)} for v in values],
                "accepted": bounds_text(found.accepted).replace("<=", "≤").replace(">=", "≥"),
                "real": "" if real is None else f"{real.p10:.3g} to {real.p90:.3g}",
                "margin": "" if len(known) < len(margins) else f"{100 * min(known):+.0f} %",
                "passed": all(row["passed"] for row in rows),
            }
        )
    return lines


def fidelity(document: Json) -> list[dict[str, Any]]:
    """Fidelity rows as they are shown."""
    return [
        {
            "label": label_of(row),
            "seed": row["seed"],
            "observed": number(row["observed"]),
            "observed_value": cell(row["observed"]),
            "threshold": _sign(row) + limit(row["threshold"]),
            "threshold_value": cell(row["threshold"]),
            "passed": row["passed"],
        }
        for row in document["fidelity_rows"]
    ]


def identity(document: Json) -> list[tuple[str, str]]:
    """What was certified: names, hashes and libraries, in reading order."""
    known = document["run"]
    lines = [
        ("run", known["run_id"]),
        ("upstream run", known["upstream_run_id"]),
        ("baseline run", document["baseline_run_id"]),
        ("parameter hash", document["parameter_hash"]),
    ]
    for seed in document["seeds"]:
        lines.append(
            (f"manifest fingerprint, seed {seed}", document["manifest_fingerprint"][str(seed)])
        )
    versions = sorted(document["libraries"].items())
    lines.append(("environment", ", ".join(f"{name} {version}" for name, version in versions)))
    lines.append(("gates", document["digests"]["gates"]))
    lines.append(("baseline report", document["digests"]["baseline_report"]))
    return lines


def digest_groups(document: Json) -> list[dict[str, Any]]:
    """Digests of policies and files, and versions of the rules, as tables."""
    groups = [
        {
            "title": "Versions of the states",
            "column": "Digest of code and contracts",
            "rows": sorted(document["rule_versions"].items()),
        }
    ]
    for key in ("policies", "scorecards", "receipts", "validation", "state_outputs"):
        groups.append(
            {
                "title": key.replace("_", " ").capitalize(),
                "column": "SHA-256",
                "rows": sorted(document["digests"][key].items()),
            }
        )
    return groups


def licences(manifest: Json) -> list[tuple[str, str, str]]:
    """Licence and attribution of every source of the snapshot, of the map library and the code."""
    rows = {
        (source["content"], source["licence"], source["attribution"])
        for entry in manifest["files"].values()
        for source in entry["sources"]
    }
    own = [
        ("This workflow", "MIT", "The Segment 1B authors"),
        ("Leaflet 1.9.4, inlined in this page", "BSD-2-Clause", "Volodymyr Agafonkin and others"),
        ("DejaVu Sans, outlines in the figures", "Bitstream Vera licence", "DejaVu Fonts team"),
    ]
    return sorted(rows) + own
