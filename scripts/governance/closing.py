"""What a target ends with: its verdict from the records that it made, whether or not it passed.

A record counts only where this run made it or found it up to date; what had to be made and was not
is left out.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.console import counted
from scripts.contracts import dataset_path, read_object
from scripts.errors import SegmentError
from scripts.governance import locks, promotion, releases
from scripts.governance.recover import summary
from scripts.governance.verdict import failing_checks, failing_gates, gate_table, grade_text
from scripts.scorers import phase_rows
from scripts.scorers.classification import AMBER, RED
from scripts.scorers.gates import (
    GATES_FILE,
    GRADE_NAMES,
    GRADES,
    Row,
    evaluate,
    grade_of,
    load_gates,
)
from scripts.scorers.levers import read_table
from scripts.search.policy import STATES
from scripts.settings import Run, Settings
from scripts.tables import file_digest

Json = Mapping[str, Any]
Verdict = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What became of a target of Snakemake's.

    Parameters
    ----------
    target
        Its rule, or the file that was asked for.
    passed
        Whether every job succeeded.
    files
        What it asks for.
    unmade
        Files that had to be made and were not.
    failed
        Jobs that failed: rule, and seed where there is one.
    local
        Where a file below the runs root can be read.
    given
        Options that name the configuration, as they were written, but for seeds and output.
    """

    target: str
    passed: bool
    files: Sequence[str] = ()
    unmade: frozenset[str] = frozenset()
    failed: Sequence[str] = ()
    local: Callable[[str], Path] = Path
    given: Sequence[str] = ()


@dataclass(frozen=True)
class Records:
    """Records of a runs root, those of this run alone."""

    settings: Settings
    outcome: Outcome

    @property
    def candidate(self) -> Run:
        """The run under evaluation."""
        return self.settings.run_named(self.settings.candidate)

    @property
    def made(self) -> list[str]:
        """Files that the target asks for and that are there."""
        return [path for path in self.outcome.files if path not in self.outcome.unmade]

    def path(self, name: str, **tokens: object) -> str:
        """Path of a record."""
        return dataset_path(self.settings.runs_root, name, **tokens).as_posix()

    def read(self, name: str, **tokens: object) -> Any:
        """A record, or None where it is absent, unreadable or not of this run."""
        path = self.path(name, **tokens)
        if path in self.outcome.unmade:
            return None
        try:
            return read_object(name, self.outcome.local(path))
        except (SegmentError, OSError):
            return None

    def cards(self, run: Run) -> list[Json]:
        """Scorecards of a run, of the seeds that have one."""
        found = (
            self.read("segment1b_scorecard", run_id=run.run_id, seed=seed)
            for seed in self.settings.seeds
        )
        return [card for card in found if card is not None]


def closing(settings: Settings, outcome: Outcome) -> Verdict:
    """The verdict on a target, as :func:`scripts.governance.verdict.text` prints it."""
    records = Records(settings, outcome)
    verdict: Verdict = {"target": outcome.target, "passed": outcome.passed, "says": ""}
    if why := refusals(settings, outcome.target):
        return refused(outcome.target, why)
    verdict |= _BY_TARGET.get(outcome.target, _files)(records)
    if outcome.failed:
        jobs = ", ".join(outcome.failed[:6]) + (", ..." if len(outcome.failed) > 6 else "")
        several = len(outcome.failed) > 1
        count = f"{counted(len(outcome.failed), 'job')} failed" if several else "failed"
        verdict["because"] = [*verdict.get("because", []), f"{count}: {jobs}"]
    return verdict


def refused(target: str, because: Sequence[str]) -> Verdict:
    """The verdict on a target that was refused before anything ran."""
    return {
        "target": target,
        "passed": False,
        "says": "refused before anything ran",
        "because": list(because),
        "next": ["segment1b status"],
    }


def refusals(settings: Settings, target: str) -> list[str]:
    """Why a promotion is refused before it begins."""
    found = locks.read_locks(Path(settings.runs_root, locks.FOLDER))
    candidate = settings.run_named(settings.candidate)
    if target == "certify":
        return promotion.faults(settings, found, candidate, None)
    if target == "integrated":
        return promotion.faults(settings, found, candidate, "P4")
    if target == "recover":
        return promotion.recovery_faults(settings, found)
    phase = target.upper()
    if phase in locks.PHASES:
        return promotion.faults(settings, found, promotion.phase_run(settings, phase), phase)
    return []


def _judged(rows: Sequence[Row], minimum: str) -> Verdict:
    """Table of gates, and what fails: of the minimum grade, or of the best where that is held."""
    table = read_table()
    failing = next((found for grade in GRADES if (found := failing_gates(rows, grade, table))), [])
    after = ["segment1b knobs"] if failing else []
    return {"gates": gate_table(rows), "failing": failing, "minimum_grade": minimum, "next": after}


def _scored(records: Records, run: Run) -> Verdict:
    """Verdict on the scorecards of a run that are there."""
    settings = records.settings
    cards = records.cards(run)
    if not cards:
        return {"says": f"{run.name} has no scorecard"}
    rows = evaluate(cards, load_gates(GATES_FILE))["rows"]
    if len(cards) == 1:  # One seed says nothing of the variation across seeds.
        rows = [row for row in rows if row["family"] != "stability"]
    verdict, grade = _judged(rows, settings.minimum_grade), grade_of(rows)
    seeds = [card["seed"] for card in cards]
    missing = sorted(set(settings.seeds) - set(seeds))
    without = ", ".join(map(str, missing))
    lacks = f", no scorecard of seed {without}" if missing else ""
    return {
        **verdict,
        "grade": grade,
        "run": run.name,
        "seeds": seeds,
        "says": f"{run.name} holds {GRADE_NAMES[grade]} on "
        f"{counted(len(seeds), 'seed')}, not certified{lacks}",
    }


def _certify(records: Records) -> Verdict:
    candidate = records.candidate
    document = records.read("segment1b_p5_certification")
    asked = (candidate.run_id, list(records.settings.seeds))
    if document is None or (document["run"]["run_id"], document["seeds"]) != asked:
        return _scored(records, candidate)
    graded = document["verdict"]
    certified = "" if records.outcome.passed else ", not certified"
    verdict = _judged(document["rows"], graded["minimum_grade"])
    path = records.path("segment1b_p5_certification")
    made = [path]
    if records.outcome.passed:
        name = releases.release_name(document, file_digest(records.outcome.local(path)))
        made.append(f"{records.settings.runs_root}/{releases.FOLDER}/{name}")
    return {
        **verdict,
        "grade": graded["grade"],
        "release": graded["release"] and records.outcome.passed,
        "run": candidate.name,
        "seeds": document["seeds"],
        "says": f"{candidate.name}, {grade_text(graded)}{certified}",
        "because": [f"no release: {why}" for why in graded["not_a_release_because"]],
        "made": made,
        "next": verdict["next"] or [shlex.join(["snakemake", "dossier", *records.outcome.given])],
    }


def _candidate(records: Records) -> Verdict:
    run_id, verdict = records.candidate.run_id, _scored(records, records.candidate)
    made = [
        records.path("segment1b_scorecard", run_id=run_id, seed=seed)
        for seed in verdict.get("seeds", [])
    ]
    settings, given = records.settings, [*records.outcome.given]
    if settings.release and (settings.polygons_path or settings.population_raster):
        # Stands on inputs of the user: graded, and no release.
        given += [
            *(["--config"] if "--config" not in given else []),
            "certification={release: false}",
        ]
    after = [shlex.join(["snakemake", "certify", *given])] if records.outcome.passed else []
    return {**verdict, "made": made, "next": [*verdict.get("next", []), *after]}


def _phase(records: Records) -> Verdict:
    phase = records.outcome.target.upper()
    run = promotion.phase_run(records.settings, phase)
    tokens = {"phase": phase.lower(), "run_id": run.run_id}
    record = records.read("segment1b_phase_candidate", **tokens)
    if record is None:
        return _scored(records, run)
    table = read_table()
    deciding = [row for row in record["rows"] if row["kind"] != phase_rows.REPORT]
    notes = [row for row in record["rows"] if row["kind"] == phase_rows.REPORT]
    held = "accepted" if record["checks_all_pass"] else "not accepted"
    return {
        "run": run.name,
        "seeds": record["seeds"],
        "says": f"{run.name} {held}, {phase_rows.count(deciding)}, {record['lane']} lane; "
        "nothing is certified",
        "failing": failing_checks(deciding, phase, table),
        "because": phase_rows.table(notes)[:-1],
        "made": [records.path("segment1b_phase_candidate", **tokens)],
        "next": [f"segment1b lock {phase}" if record["checks_all_pass"] else "segment1b knobs"],
    }


def _integrated(records: Records) -> Verdict:
    settings, p4 = records.settings, records.outcome.target == "p4"
    run = promotion.phase_run(settings, "P4") if p4 else records.candidate
    record = records.read("segment1b_p4_integrated", run_id=run.run_id)
    if record is None:
        return _scored(records, run)
    judged = _judged(record["rows"], settings.minimum_grade)
    judged["failing"] += failing_checks(record["no_regression"], "P4", read_table())
    kind = record["classification"]
    after = {RED: "segment1b status", AMBER: "snakemake recover"}.get(kind, "segment1b lock P4")
    return {
        **judged,
        "grade": record["grade"],
        "run": run.name,
        "seeds": record["seeds"],
        "says": f"{run.name} is {kind}, grade {GRADE_NAMES[record['grade']]}; nothing is certified",
        "made": [records.path("segment1b_p4_integrated", run_id=run.run_id)],
        "next": [after],
    }


def _recover(records: Records) -> Verdict:
    run = records.candidate
    record = records.read("segment1b_p4_recovery", run_id=run.run_id)
    if record is None:
        return _integrated(records)
    attempts = counted(len(record["attempts"]), "attempt")
    return {
        "run": run.name,
        "seeds": record["seeds"],
        "says": f"{run.name}: {record['outcome']} after {attempts}",
        "because": summary(record, records.settings.runs_root),
        "made": [records.path("segment1b_p4_recovery", run_id=run.run_id)],
        "next": ["snakemake integrated"],
    }


def _calibrate(records: Records) -> Verdict:
    """The best attempt of a search beside its start, and the policies that won."""
    run = records.candidate
    tokens = {"run_id": run.run_id, "search": "calibration"}
    board = records.read("search_leaderboard", **tokens)
    if board is None:
        return _files(records)
    best, start = board["best"]["attempt"], board["start"]
    turned = best["cycle"] > 0
    knobs = ", ".join(f"{key}={value:g}" for key, value in best["knobs"].items())
    found = (
        f"cycle {best['cycle']} attempt {best['attempt']} wins, {_measure(best['objective'])} "
        f"after {_measure(start['objective'])}"
        if turned
        else f"the policies in force stay, {_measure(best['objective'])}"
    )
    names = [f"search_best_policy_{state}" for state in STATES]
    won = [records.path(name, **tokens) for name in names]
    return {
        "run": run.name,
        "seeds": board["seeds"],
        "says": f"{run.name}: {found}; {board['feasible']} of {board['attempts']} attempts hold "
        "every constraint",
        "because": [f"turned {knobs}"] if turned and knobs else [],
        "made": [*records.made, *(won if turned else [])],
        "next": ["snakemake certify, with these policies over the shipped ones"] if turned else [],
    }


def _ladder(records: Records) -> Verdict:
    """The grade of every step, and the checks that fail."""
    found = records.read("segment1b_ladder")
    if found is None:
        return _files(records)
    steps = [f"{step['posture']} {GRADE_NAMES[step['grade']]}" for step in found["steps"]]
    failed = [check["check"] for check in found["checks"] if not check["passed"]]
    return {
        "seeds": found["seeds"],
        "says": ", ".join(steps),
        "because": [f"check {name} fails" for name in failed],
        "made": records.made,
        "next": ["segment1b knobs"],
    }


def _freeze_guard(records: Records) -> Verdict:
    """What the guard says of the candidate's 1A."""
    run = records.candidate
    guard = records.read("segment1a_freeze_guard", run_id=run.upstream_id)
    if guard is None:
        return _files(records)
    regressed = guard["regressed_B_metrics"]
    return {
        "run": run.name,
        "says": f"1A of {run.name}: {guard['status']}, {guard['reason']}",
        "because": [f"regressed: {', '.join(regressed)}"] if regressed else [],
        "made": [
            records.path("segment1a_freeze_guard", run_id=run.upstream_id),
            *records.made,
        ],
        "next": ["snakemake integrated"] if records.outcome.passed else [],
    }


def _measure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"


def _baseline(records: Records) -> Verdict:
    run = records.settings.run_named(records.settings.baseline_posture)
    report = records.read("segment1b_p0_baseline", run_id=run.run_id)
    if report is None:
        return _scored(records, run)
    failed = [check["check"] for check in report["readiness"]["checks"] if not check["passed"]]
    grade = GRADE_NAMES[report["grade"]]
    return {
        "gates": gate_table(report["rows"]),
        "grade": report["grade"],
        "run": run.name,
        "seeds": report["seeds"],
        "says": f"P0 says {report['readiness']['decision']} to {run.name}, grade {grade}",
        "because": [f"P0 check {name} fails" for name in failed],
        "made": [records.path("segment1b_p0_baseline", run_id=run.run_id),
                 records.path("baseline_pointer")],
        "next": ["snakemake candidate --config seeds=[42]"],
    }  # fmt: skip


def _dossier(records: Records) -> Verdict:
    """The certificate's verdict, and where the page about it is."""
    opened = [f"open {path}" for path in records.made]
    return {**_certify(records), "made": records.made, "next": opened}


def _files(records: Records) -> Verdict:
    """What a target without a verdict of its own made."""
    lacks = len(records.outcome.files) - len(records.made)
    says = counted(len(records.made), "file") + (f", {lacks} could not be made" if lacks else "")
    return {"says": says, "made": records.made}


_BY_TARGET: dict[str, Callable[[Records], Verdict]] = {
    "certify": _certify,
    "candidate": _candidate,
    "baseline": _baseline,
    "recover": _recover,
    "dossier": _dossier,
    "calibrate": _calibrate,
    "ladder": _ladder,
    "freeze_guard": _freeze_guard,
    **dict.fromkeys(("p1", "p2", "p3"), _phase),
    **dict.fromkeys(("p4", "integrated"), _integrated),
}
