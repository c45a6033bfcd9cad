"""The verdict on a target: gates by seeds in one table, what failed, what to turn, what is next.

One mapping, printed as text and written as JSON, on success and on failure alike.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from scripts.console import BAD, GOOD, STRONG, counted, paint
from scripts.scorers.gates import AT_MOST, BELOW, GRADE_NAMES, GRADES, Row, grade_of
from scripts.scorers.levers import advice
from scripts.scorers.margins import relative_margin
from scripts.scorers.phase_rows import distance, gates_of

Json = Mapping[str, Any]
# Families whose rows are true or not; they share a line of the table.
CHECKS = ("structural", "validation", "collapse")
TITLE, COLUMN, LONGEST = 31, 10, 6
REASONS = 12


def _thinnest(rows: Iterable[Row]) -> Row:
    return min(rows, key=lambda row: _known(relative_margin(row)))


def gate_table(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """One entry a gate, the thinnest margin first; rows that are true or not come last, as one.

    A gate's interval and its value count as one gate, and so do the regions of a floor and the
    metrics that must be stable: an entry shows the row with the thinnest margin to the best grade,
    seed by seed.
    """
    by_gate: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        name = "checks" if row["family"] in CHECKS else row["gate"].removesuffix("_interval")
        by_gate.setdefault(name, {}).setdefault(str(row["seed"]), []).append(row)
    entries = []
    for name, by_seed in by_gate.items():
        cells = {}
        for seed, found in by_seed.items():
            best = _thinnest([r for r in found if r["grade"] != GRADES[0]] or found)
            cells[seed] = {
                "metric": best["metric"],
                "observed": best["observed"],
                "margin": relative_margin(best),
                "interval": best["gate"].endswith("_interval"),
                "grade": grade_of(found),
            }
        rows_of_gate = [row for found in by_seed.values() for row in found]
        shown = {cell["metric"] for cell in cells.values()}
        asked = {grade: {r["threshold"] for r in rows_of_gate
                         if r["grade"] == grade and r["metric"] in shown}
                 for grade in GRADES}  # fmt: skip
        margins = [cell["margin"] for cell in cells.values()]
        entries.append(
            {
                "gate": name,
                "title": _title(name, shown),
                "direction": rows_of_gate[0]["direction"],
                "thresholds": {g: one.pop() if len(one) == 1 else None for g, one in asked.items()},
                "accepted": rows_of_gate[0]["accepted"],
                "seeds": cells,
                "margin": None if None in margins else min(margins),
            }
        )
    return sorted(
        entries,
        key=lambda e: (e["gate"] == "checks", e["margin"] is not None, e["margin"] or 0.0),
    )


def _title(gate: str, metrics: Collection[str]) -> str:
    """What a gate is called in the table, with what it measures where its name does not say it."""
    if gate == "checks":
        return "S9, structure, collapse"
    named = gate.removeprefix("truth_")
    if len(metrics) > 1 or gate in metrics:
        return named
    return f"{named} {next(iter(metrics)).rpartition('.')[2]}"


def failing_gates(
    rows: Iterable[Row], grade: str, table: Json | None = None
) -> list[dict[str, Any]]:
    """What fails of a grade, each gate once: its seeds, the worst row's reason, what to turn.

    ``table`` is that of :func:`scripts.scorers.levers.read_table`.
    """
    by_gate: dict[str, list[Row]] = {}
    for row in rows:
        if not row["passed"] and row["grade"] == grade:
            name = f"{row['gate'].removesuffix('_interval')} {row['metric']}"
            by_gate.setdefault(name, []).append(row)
    found = []
    for rows_of_gate in by_gate.values():
        worst = _thinnest(rows_of_gate)
        gate = worst["gate"].removesuffix("_interval")
        ends = "" if gate == worst["gate"] else " (end of its interval)"
        found.append(
            {
                "gate": gate,
                "grade": grade,
                "seeds": _seeds(rows_of_gate),
                "reason": f"{worst['metric']}{ends}: {worst['reason']}",
                "state": worst["triage"],
                **advice(table, [gate], worst["triage"]),
            }
        )
    return found


def failing_checks(
    rows: Iterable[Row], phase: str, table: Json | None = None
) -> list[dict[str, Any]]:
    """What fails of a phase's demands, each check once, as :func:`failing_gates` gives it."""
    by_check: dict[str, list[Row]] = {}
    for row in rows:
        if not row["passed"]:
            by_check.setdefault(row["check"], []).append(row)
    return [
        {
            "gate": check,
            "grade": phase,
            "seeds": _seeds(failing),
            "reason": f"{failing[0]['reason']}{distance(failing[0])}",
            "state": failing[0]["triage"],
            **advice(table, gates_of(failing[0]), failing[0]["triage"]),
        }
        for check, failing in by_check.items()
    ]


def _seeds(rows: Iterable[Row]) -> list[str]:
    return sorted({str(row["seed"]) for row in rows}, key=_by_number)


def _by_number(seed: str) -> tuple[int, str]:
    return (int(seed), "") if seed.isdecimal() else (-1, seed)


def grade_text(verdict: Json) -> str:
    """Grade, the minimum and whether it is a release, in words."""
    grade, minimum = (GRADE_NAMES[verdict[key]] for key in ("grade", "minimum_grade"))
    kind = "release" if verdict["release"] else "no release"
    return f"grade {grade} (minimum {minimum}), {kind}"


def text(verdict: Json, colours: bool, width: int | None = None) -> list[str]:
    """Lines of a verdict.

    Parameters
    ----------
    verdict
        ``target``, ``passed``, ``says``; where they apply ``gates``, ``failing``, ``because``,
        ``made``, ``next``.
    colours
        Whether the headline is painted.
    width
        Columns of the terminal; None where there is none.
    """
    ended, tone, word = ("passed", GOOD, "NOTE") if verdict["passed"] else ("failed", BAD, "FAIL")
    headline = f"{paint(verdict['target'], STRONG, colours)} {paint(ended, tone, colours)}"
    lines = ["", f"{headline}: {verdict['says']}"]
    lines += table_lines(verdict.get("gates") or [], width)
    failing = verdict.get("failing") or []
    for entry in failing[:LONGEST]:
        seeds = f"seed{'s' * (len(entry['seeds']) != 1)} {', '.join(entry['seeds'])}"
        seeds = "all seeds" if entry["seeds"] == ["all"] else seeds
        lines.append(
            f"{word} {GRADE_NAMES.get(entry['grade'], entry['grade'])} {entry['gate']} "
            f"{seeds}: {entry['reason']}"
        )
        lines += [f"     turn {line}" for line in entry["turn"]]
    lines += _more(len(failing) - LONGEST, "gate")
    because, made = verdict.get("because") or [], verdict.get("made") or []
    lines += [*because[:REASONS], *_more(len(because) - REASONS, "line")]
    lines += [f"made  {path}" for path in made[:LONGEST]] + _more(len(made) - LONGEST, "file")
    return lines + [f"next  {command}" for command in verdict.get("next") or []]


def _more(left: int, thing: str) -> list[str]:
    return [f"... and {counted(left, f'more {thing}')}"] if left > 0 else []


def table_lines(gates: Sequence[Json], width: int | None = None) -> list[str]:
    """Gates by seeds as text; the thinnest seed alone where a terminal is too narrow for all.

    A star stands where B+ is missed, two for B.
    """
    if not gates:
        return []
    seeds = sorted({s for g in gates for s in g["seeds"] if s != "all"}, key=_by_number)
    grades = [GRADE_NAMES[grade] for grade in GRADES]
    # A cell may fill its column: it holds a value and up to three marks.
    widths = [*[COLUMN] * len(grades), *[COLUMN + 1] * len(seeds), COLUMN]
    if width is not None and TITLE + sum(widths) > width:
        lines = _thinnest_lines(gates)
    else:
        head = _columns((*grades, *seeds, "margin"), widths)
        lines = [f"{'gate':<{TITLE}}{head}"]
        for gate in gates:
            checks = gate["gate"] == "checks"
            asked = [asked_text(gate, grade) for grade in GRADES]
            shared = gate["seeds"].get("all")
            cells = [_cell(gate["seeds"].get(seed, shared), checks) for seed in seeds]
            if shared:
                cells = [_cell(shared, checks), *[""] * (len(seeds) - 1)]
            margin = "" if checks else percent(gate["margin"])
            columns = _columns((*asked, *cells, margin), widths)
            lines.append(f"{gate['title'][: TITLE - 1]:<{TITLE}}{columns}".rstrip())
    cells = [_cell(cell, False) for gate in gates for cell in gate["seeds"].values()]
    notes = [
        note
        for mark, note in (
            ("i", "i: the end of the 95 % interval, which has the thinner margin"),
            ("'", "': misses A"),
            ("*", "*: misses B+, **: misses B"),
        )
        if any(mark in cell for cell in cells)
    ]
    return [*lines, "; ".join(notes)] if notes else lines


def _thinnest_lines(gates: Iterable[Json]) -> list[str]:
    """Every gate with the seed that has the thinnest margin, within sixty columns."""
    widths = (COLUMN + 1, COLUMN - 2, COLUMN)
    lines = [f"{'gate':<{TITLE}}{_columns(('thinnest', 'seed', 'margin'), widths)}"]
    for gate in gates:
        checks, seeds = gate["gate"] == "checks", gate["seeds"]
        seed = min(seeds, key=lambda s: _known(seeds[s]["margin"]))
        shown = (_cell(seeds[seed], checks), seed, "" if checks else percent(gate["margin"]))
        lines.append(f"{gate['title'][: TITLE - 1]:<{TITLE}}{_columns(shown, widths)}".rstrip())
    return lines


def _known(margin: float | None) -> float:
    return float("-inf") if margin is None else margin


def _columns(texts: Iterable[str], widths: Iterable[int]) -> str:
    return "".join(f"{text:>{width}}" for text, width in zip(texts, widths, strict=True))


def asked_text(gate: Json, grade: str) -> str:
    """What a grade asks of a gate; the range of a test of truth with two ends."""
    low, high = (gate["accepted"] if grade == "A" else None) or (None, None)
    if low is not None and high is not None:
        return f"+-{high:g}" if low == -high else f"{low:g}-{high:g}"
    limit = None if gate["gate"] == "checks" else gate["thresholds"][grade]
    sign = "<=" if gate["direction"] == AT_MOST else ">="
    return "" if limit is None else f"{sign} {limit:.3g}"


def _cell(cell: Json | None, check: bool) -> str:
    if cell is None:
        return "-"
    mark = {"A": "", "BPLUS": "'", "B": "*", BELOW: "**"}[cell["grade"]]
    if check:
        return "FAIL" if mark else "ok"
    value = "none" if cell["observed"] is None else f"{cell['observed']:.4g}"
    return f"{value}{'i' * cell['interval']}{mark}"


def percent(margin: float | None) -> str:
    """A relative margin as it is printed."""
    return "none" if margin is None else f"{100.0 * margin:+.1f} %"
