"""How far a run stays from every gate on any seeds, as text: `segment1b margins`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.contracts import dataset_path, read_object
from scripts.errors import ConfigError
from scripts.scorers.gates import GRADES
from scripts.scorers.margins import smallest_margins

Json = Mapping[str, Any]
COLUMNS = (
    ("country_gini", "gini"),
    ("top1_share", "top1"),
    ("top5_share", "top5"),
    ("top10_share", "top10"),
    ("eligible_country_nonzero_share", "cover"),
    ("southern_hemisphere_share", "south"),
    ("nn_p99_p50_ratio", "NN ratio"),
    ("nn_contraction", "contr."),
)
_MOST_SEEDS = 10_000


def seed_list(text: str) -> list[int]:
    """Seeds of a text such as ``9-12,40``, ascending, each once.

    Raises
    ------
    ConfigError
        ``EC03`` for a part that is neither a number nor a rising range of at most 10,000.
    """
    seeds: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        whole = first.isdecimal() and (last.isdecimal() or not dash)
        if not whole or (dash and not 0 <= int(last) - int(first) < _MOST_SEEDS):
            raise ConfigError(
                "EC03", "--seeds", f"{part.strip()!r} is no seed", "seeds like 9-12,40"
            )
        seeds.update(range(int(first), int(last if dash else first) + 1))
    return sorted(seeds)


def seed_table(report: Json) -> list[str]:
    """Core metrics of every seed, then their spread."""
    head = " ".join(f"{title:>8}" for _, title in COLUMNS)
    lines = [f"{'seed':>8} {head} {'NN p50 m':>9} {'sites':>7} {'1A':>5}"]
    for seed in report["seeds"]:
        row = report["measured"][str(seed)]
        values = " ".join(f"{_number(row[name]):>8}" for name, _ in COLUMNS)
        guard = report["freeze_guard"][str(seed)]["status"]
        lines.append(
            f"{seed:>8} {values} {_number(row['nn_p50_m'], 0):>9} {row['sites']:>7} {guard:>5}"
        )
    for key in ("min", "mean", "max", "cv"):
        values = " ".join(
            f"{_number(report['spread'].get(name, {}).get(key)):>8}" for name, _ in COLUMNS
        )
        lines.append(f"{key:>8} {values}")
    return lines


def _number(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def margin_table(report: Json) -> list[str]:
    """Least margin of every gate over the seeds, and least of every floor of fidelity."""
    lines = [f"{'grade':<7} {'gate':<38} {'worst seed':>10} {'observed':>10} {'limit':>10} margin"]
    for row in report["smallest_margins"]:
        name = row["metric"] if row["gate"] in ("region_floor", "stability") else row["gate"]
        lines.append(_margin_line(row["grade"], name, row))
    floors = smallest_margins(report["fidelity"])
    return lines + [_margin_line("floor", row["gate"], row) for row in floors]


def _margin_line(grade: str, name: str, row: Json) -> str:
    return (
        f"{grade:<7} {name:<38} {row['seed']!s:>10} {_number(row['observed']):>10} "
        f"{_number(row['threshold']):>10} {_number(row['margin'])}"
    )


def zone_table(report: Json) -> list[str]:
    """Countries of several UTC offsets that a seed left at one."""
    found = report["time_zones"]
    lines = [f"time zones: {found['reached']} of {found['judged']} (country, seed) reach two"]
    for row in found["missed"]:
        lines.append(
            f"  {row['country_iso']}: {len(row['seeds'])} seeds miss; of {row['sites_max']} sites "
            f"{row['expected_off_main_max']:.2f} are due off its main offset"
        )
    return lines


def misses(report: Json, grade: str) -> list[str]:
    """What stands against the grade: failing rows, missed floors, a guard that says no."""
    grades = GRADES[: GRADES.index(grade) + 1]
    found = [
        f"{row['grade']} {row['gate']} {row['metric']} seed {row['seed']}: {row['reason']}"
        for row in report["misses"]
        if row["grade"] in grades
    ]
    found += [
        f"fidelity {row['gate']} seed {row['seed']}: {row['reason']}"
        for row in report["fidelity"]
        if not row["passed"]
    ]
    found += [
        f"freeze guard seed {seed}: {', '.join(entry['failing'])}"
        for seed, entry in report["freeze_guard"].items()
        if entry["status"] != "PASS"
    ]
    return found


def read_report(runs_root: str, run_id: str) -> Json:
    """The report of a run below a runs root."""
    path = dataset_path(runs_root, "segment1b_margins", run_id=run_id)
    report: Json = read_object("segment1b_margins", path)
    return report


def tables(report: Json) -> list[str]:
    """Seeds, margins and time zones, then the grade over all seeds."""
    return [
        *(*seed_table(report), ""),
        *(*margin_table(report), ""),
        *(*zone_table(report), ""),
        f"grade over {len(report['seeds'])} seeds: {report['grade']}",
    ]
