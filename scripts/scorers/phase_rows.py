"""What P1 to P4 demand of a run, against the run that it is measured against.

Each phase retunes one state. A run is accepted when its own state moved the metrics that the
state is for, and nothing else got worse: *improve* rows demand a strict movement, *hold* rows veto
a regression. What a run lacks of a test of truth is its distance outside the accepted range, as a
share of the end; P2 must lessen what the tests of S4 lack, summed, and P3 what those of S6 do, and
P3 vetoes any test that lacks more than in P2. P3 demands of every seed that the tail contracts, and
of the tuned seed, the one that the search looked at, that it contracts to the B gate; how the other
seeds stand to that gate is a *report* row, which decides nothing here: P4 and the certificate hold
every seed to it. A tail follows the counts of countries: where those fail B, which no phase after
S2 can change, what a phase demands of the tail is reported too. How far a merchant's outlets stand
above the least share of its fullest tile is reported by P2: outlets that lie like real ones are
local, so they stand further above it. P1 reports a tail that got longer: density is S2's, and
distances are for S4 and S6 to answer.

=====  ======  =====================  ========================================================
phase  state   measured against       must improve
=====  ======  =====================  ========================================================
P1     S2      P0, the baseline       concentration of the sites
P2     S4      P1                     how outlets lie to each other: truth of S4
P3     S6      P2; P0 for the tail    where they stand: truth of S6, the tail
=====  ======  =====================  ========================================================

Differences up to ``TOLERANCE`` are none. A value that could not be measured fails its row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scripts.inequality import CONCENTRATION
from scripts.scorers.gates import GATES
from scripts.scorers.truth.judgement import TESTS

Json = Mapping[str, Any]
Row = dict[str, Any]

TOLERANCE = 1e-12
# Shares of countries and of the south may give way this much where the guard of S4 moves sites, and
# that of the south where a position of S6 falls on the other side of the equator.
SHARE_TOLERANCE = 0.005
# The tail may give way this much of the baseline's ratio for positions that show no grid.
TAIL_TOLERANCE = 0.05
# What a test of truth may lack more than in the reference run, as a share of the end: noise.
TRUTH_TOLERANCE = 0.02
REPORT = "report"
# The phase whose run a phase is measured against; P0 is the baseline.
REFERENCE = {"P1": "P0", "P2": "P1", "P3": "P2", "P4": "P3"}
COVERED, SOUTH = COVERAGE = ("eligible_country_nonzero_share", "southern_hemisphere_share")
# Tests of truth that a state is for.
TRUTH_OF = {
    "S4": ("T1", "T2", "T3", "T4", "T5a", "T5b", "T6", "T9"),
    "S6": ("T7", "T8", "T10"),
}
COMPARED = tuple(gate.stable_metric for gate in GATES)
_LOWER_IS_BETTER = {*CONCENTRATION, "nn_p99_p50_ratio"}
_FAMILY = {gate.stable_metric: gate.family for gate in GATES}
_GATE_OF = {"nn_tail": "nn_contraction", "region": "region_floor", "collapse": "no_collapse"}


def row(
    check: str,
    kind: str,
    family: str,
    seed: int | str,
    observed: float | None,
    reference: float | None,
    passed: bool,
    reason: str,
) -> Row:
    """One demand: what was observed, what it is held against, and why it fails if it does."""
    undefined = observed is None or reference is None
    return {
        "check": check,
        "kind": kind,
        "family": family,
        "seed": seed,
        "observed": observed,
        "reference": reference,
        "passed": passed and not undefined,
        "reason": "" if passed and not undefined else "undefined" if undefined else reason,
    }


def compare(
    check: str,
    kind: str,
    family: str,
    seed: int,
    observed: float | None,
    reference: float | None,
    *,
    lower: bool,
    tolerance: float = TOLERANCE,
) -> Row:
    """A row that demands a movement (``improve``) or vetoes one (``hold``, ``report``)."""
    gain = 0.0
    if observed is not None and reference is not None:
        gain = reference - observed if lower else observed - reference
    passed = gain > tolerance if kind == "improve" else gain >= -tolerance
    improve = f"not {'below' if lower else 'above'}"
    relation = improve if kind == "improve" else "worse than"
    reason = f"{_text(observed)} is {relation} {_text(reference)}"
    return row(check, kind, family, seed, observed, reference, passed, reason)


def _text(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.6g}"


def flag(check: str, seed: int | str, passed: bool, reason: str, family: str = "structural") -> Row:
    """A row that is true or not."""
    return row(check, "require", family, seed, float(passed), 1.0, passed, reason)


def no_regression(
    card: Json,
    reference: Json,
    metrics: Iterable[str],
    name: str,
    kind: str = "hold",
    tolerance: float = TOLERANCE,
) -> list[Row]:
    """Hold rows of the sites: no metric worse than in the reference run of the same seed."""
    return [
        compare(
            f"{metric}_not_worse_than_{name}",
            kind,
            _FAMILY[metric],
            card["seed"],
            card["metrics"][metric],
            reference["metrics"][metric],
            lower=metric in _LOWER_IS_BETTER,
            tolerance=tolerance,
        )
        for metric in metrics
    ]


def sound(card: Json) -> list[Row]:
    """Every structural check of S9 holds: parity, bounds, point in country, replay of draws."""
    failing = card["validation"]["failing_structural"]
    return [flag("s9_structural", card["seed"], not failing, f"S9: {', '.join(failing)}")]


def p1_rows(cards: Sequence[Json], references: Sequence[Json], s2: Json) -> list[Row]:
    """Rows of P1; ``references`` are the baseline's scorecards, ``s2`` is the run's S2 report."""
    wanted = ("country_share_topk", "country_gini_proxy", "region_share_vector")
    missing = [key for key in wanted if key not in s2]
    rows = [
        flag("s2_mode_blend_v2", "shared", s2["mode"] == "blend_v2", f"S2 runs {s2['mode']}"),
        flag("s2_diagnostics_present", "shared", not missing, f"absent: {', '.join(missing)}"),
    ]
    if not missing:
        pairs = {"gini": (s2["country_gini_proxy"], s2["country_gini_proxy_raw"])}
        for name, share in sorted(s2["country_share_topk"].items()):
            pairs[name] = (share, s2["country_share_topk_raw"][name])
        for name, (after, before) in pairs.items():
            passed = after <= before + TOLERANCE
            reason = f"{_text(after)} after the rebalance, {_text(before)} before"
            rows.append(
                row(f"s2_{name}_rebalanced", "hold", "concentration", "shared", after, before,
                    passed, reason)
            )  # fmt: skip
        for region, floor in sorted(s2["region_floor_share"].items()):
            share = s2["region_share_vector"].get(region, 0.0)
            passed = share + 1e-9 >= floor
            reason = f"{_text(share)} is below its floor {_text(floor)}"
            rows.append(
                row(f"s2_region_floor.{region}", "hold", "region", "shared", share, floor, passed,
                    reason)
            )  # fmt: skip
    for card, reference in zip(cards, references, strict=True):
        rows += [
            compare(
                f"{metric}_improved",
                "improve",
                "concentration",
                card["seed"],
                card["metrics"][metric],
                reference["metrics"][metric],
                lower=True,
            )
            for metric in CONCENTRATION
        ]
        rows += no_regression(card, reference, COVERAGE, "baseline")
        rows += no_regression(card, reference, ("nn_p99_p50_ratio",), "baseline", REPORT)
        rows += sound(card)
    return rows


def tail_kind(card: Json, gates: Json, kind: str) -> str:
    """Kind of a demand on the tail: a report where the counts of countries fail B."""
    values = [(card["metrics"][name], gates[name]["B"]) for name in CONCENTRATION]
    held = all(value is not None and value <= limit for value, limit in values)
    return kind if held else REPORT


def truth_lack(card: Json, tests: Iterable[str]) -> float:
    """What some tests of truth lack, summed: 0 where all hold, 1 for each without a value."""
    margins = (card["truth"][test]["margin"] for test in tests)
    return float(sum(1.0 if margin is None else max(-margin, 0.0) for margin in margins))


def truth_rows(card: Json, reference: Json, state: str) -> list[Row]:
    """The tests of a state must lack less than in the reference run, or nothing in both."""
    tests, seed = TRUTH_OF[state], card["seed"]
    mine, theirs = truth_lack(card, tests), truth_lack(reference, tests)
    kind = "improve" if theirs > TOLERANCE else "hold"
    family = TESTS[tests[0]].family
    check = f"truth_of_{state.lower()}_lacks_less"
    return [compare(check, kind, family, seed, mine, theirs, lower=True)]


def truth_holds(card: Json, reference: Json, name: str) -> list[Row]:
    """No test of truth lacks more than in the reference run of the same seed."""
    return [
        compare(
            f"truth_{test}_not_worse_than_{name}",
            "hold",
            found.family,
            card["seed"],
            truth_lack(card, [test]),
            truth_lack(reference, [test]),
            lower=True,
            tolerance=TRUTH_TOLERANCE,
        )
        for test, found in TESTS.items()
    ]


def p2_rows(
    cards: Sequence[Json],
    references: Sequence[Json],
    s4: Sequence[Json],
    s4_references: Sequence[Json],
    gates: Json,
) -> list[Row]:
    """Rows of P2; ``s4`` are the S4 reports of the run and of the reference, by seed, and ``gates``
    the thresholds of ``config/gates.yaml``.
    """
    rows = []
    for card, reference, report, before in zip(cards, references, s4, s4_references, strict=True):
        seed = card["seed"]
        mode = report["mode"]
        rows.append(flag("s4_mode_outlets_v3", seed, mode == "outlets_v3", f"S4 runs {mode}"))
        rows += [
            compare(f"s4_pair_{name}_headroom", REPORT, "concentration", seed, *(
                side["pairs"][f"{name}_headroom_mean"] for side in (report, before)
            ), lower=True)
            for name in ("top1", "hhi")
        ]  # fmt: skip
        rows += truth_rows(card, reference, "S4")
        rows += no_regression(card, reference, CONCENTRATION, "p1")
        rows += no_regression(card, reference, COVERAGE, "p1", tolerance=SHARE_TOLERANCE)
        kind = tail_kind(card, gates, "hold")
        rows += no_regression(card, reference, ("nn_p99_p50_ratio",), "p1", kind)
        rows += sound(card)
    return rows


def p3_rows(
    cards: Sequence[Json],
    references: Sequence[Json],
    s6: Sequence[Json],
    gates: Json,
    tuned_seed: int,
) -> list[Row]:
    """Rows of P3.

    Parameters
    ----------
    cards, references
        Scorecards of the run and of P2 by seed, in the same order.
    s6
        S6 reports of the run, in the same order.
    gates
        The thresholds of ``config/gates.yaml``.
    tuned_seed
        Seed that must reach that gate here; the others report how far they are.
    """
    rows = []
    for card, reference, report in zip(cards, references, s6, strict=True):
        seed, flagged = card["seed"], card["collapse"]["flagged"]
        contraction = card["metrics"]["nn_contraction"]
        contraction_min = gates["nn_contraction"]["B"]
        reached = contraction is not None and contraction >= contraction_min
        improve, hold = (tail_kind(card, gates, kind) for kind in ("improve", "hold"))
        kind = improve if seed == tuned_seed else REPORT
        rows += [
            flag(
                "s6_mode_towns_v3", seed, report["mode"] == "towns_v3", f"S6 {report['mode']}"
            ),
            compare("nn_tail_contracts", improve, "nn_tail", seed, contraction, 0.0, lower=False),
            row("nn_tail_reaches_B", kind, "nn_tail", seed, contraction, contraction_min,
                reached, f"{_text(contraction)} is below {_text(contraction_min)}"),
            flag("no_collapse", seed, not flagged, f"flagged: {', '.join(flagged)}", "collapse"),
            *no_regression(card, reference, (*CONCENTRATION, COVERED), "p2"),
            *no_regression(card, reference, (SOUTH,), "p2", tolerance=SHARE_TOLERANCE),
            compare("nn_contraction_not_worse_than_p2", hold, "nn_tail", seed, contraction,
                reference["metrics"]["nn_contraction"], lower=False, tolerance=TAIL_TOLERANCE),
            *truth_rows(card, reference, "S6"),
            *truth_holds(card, reference, "p2"),
            *sound(card),
        ]  # fmt: skip
    return rows


def p4_rows(cards: Sequence[Json], references: Sequence[Json]) -> list[Row]:
    """Rows of P4 beside the gates: nothing worse than in P3, seed by seed in the same order."""
    return [
        entry
        for card, reference in zip(cards, references, strict=True)
        for entry in no_regression(card, reference, (*CONCENTRATION, *COVERAGE), "p3")
    ]


def accepted(rows: Iterable[Row]) -> bool:
    """Whether every row that decides holds."""
    return all(entry["passed"] for entry in rows if entry["kind"] != REPORT)


def deltas(cards: Sequence[Json], references: Sequence[Json]) -> dict[str, dict[str, float | None]]:
    """Run minus reference of each compared metric, by seed; null where one has none."""
    found: dict[str, dict[str, float | None]] = {}
    for card, reference in zip(cards, references, strict=True):
        pairs = {m: (card["metrics"][m], reference["metrics"][m]) for m in COMPARED}
        found[str(card["seed"])] = {
            m: None if a is None or b is None else a - b for m, (a, b) in pairs.items()
        }
    return found


def lane_of(seeds: Iterable[int], required: Iterable[int]) -> str:
    """``certification`` when every required seed is there, else ``fast``."""
    return "certification" if set(required) <= set(seeds) else "fast"


def gates_of(entry: Row) -> list[str]:
    """Gates that a check looks at; none for what no gate measures."""
    check, family = entry["check"], entry["family"]
    if family in _GATE_OF:
        return [_GATE_OF[family]]
    for state, tests in TRUTH_OF.items():
        if check.startswith(f"truth_of_{state.lower()}_"):
            return [f"truth_{test}" for test in tests]
    gates = (*CONCENTRATION, *COVERAGE, *(f"truth_{test}" for test in TESTS))
    return [gate for gate in gates if check.startswith(f"{gate}_")]


def count(rows: Sequence[Row]) -> str:
    """How many of the rows that decide hold."""
    deciding = [entry for entry in rows if entry["kind"] != REPORT]
    return f"{sum(entry['passed'] for entry in deciding)} of {len(deciding)} checks hold"


def table(rows: Sequence[Row]) -> list[str]:
    """Failing rows in full with the distance to what they ask for, the others as a count."""
    lines = [
        f"{'NOTE' if entry['kind'] == REPORT else 'FAIL'} {entry['check']} seed {entry['seed']}: "
        f"{entry['reason']}{distance(entry)}"
        for entry in rows
        if not entry["passed"]
    ]
    return [*lines, count(rows)]


def distance(entry: Row) -> str:
    """How far a row is from what it asks for, in words; nothing where that is no number."""
    if entry["kind"] == "require" or None in (entry["observed"], entry["reference"]):
        return ""
    return f", distance {abs(entry['observed'] - entry['reference']):.6g}"
