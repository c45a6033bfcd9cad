"""What a target ends with: its verdict from the records that it made, whether or not it passed.

A record counts only where this run made it or found it up to date; what had to be made and was not
is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.contracts import dataset_path, read_object
from scripts.errors import SegmentError
from scripts.governance import locks, promotion
from scripts.governance.recover import summary
from scripts.governance.verdict import failing_gates, gate_table, grade_text
from scripts.scorers import phase_rows
from scripts.scorers.classification import AMBER, RED
from scripts.scorers.gates import GRADE_NAMES, GRADES, Row, evaluate, grade_of, load_gates
from scripts.scorers.levers import read_table
from scripts.settings import Run, Settings

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
    """

    target: str
    passed: bool
    files: Sequence[str] = ()
    unmade: frozenset[str] = frozenset()
    failed: Sequence[str] = ()
    local: Callable[[str], Path] = Path


@dataclass(frozen=True)
class Records:
    """Records of a runs root, those of this run alone."""

    settings: Settings
    outcome: Outcome
    root: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(self.settings.runs_root))

    def path(self, name: str, **tokens: object) -> str:
        """Path of a record."""
        return dataset_path(self.root, name, **tokens).as_posix()

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
    refused = refusals(settings, outcome.target)
    if refused:
        verdict |= {
            "passed": False,
            "says": "refused before anything ran",
            "because": refused,
            "next": ["segment1b status"],
        }
        return verdict
    verdict |= _BY_TARGET.get(outcome.target, _files)(records)
    if outcome.failed:
        jobs = ", ".join(outcome.failed[:6]) + (", ..." if len(outcome.failed) > 6 else "")
        count = f"{len(outcome.failed)} jobs failed" if len(outcome.failed) > 1 else "failed"
        verdict["because"] = [*verdict.get("because", []), f"{count}: {jobs}"]
    return verdict


def refusals(settings: Settings, target: str) -> list[str]:
    """Why a promotion is refused before it begins."""
    found = locks.read_locks(Path(settings.runs_root, "segment_1B/reports"))
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
    rows = evaluate(cards, load_gates(locks.GATES))["rows"]
    if len(cards) == 1:  # One seed says nothing of the variation across seeds.
        rows = [row for row in rows if row["family"] != "stability"]
    verdict, grade = _judged(rows, settings.minimum_grade), grade_of(rows)
    seeds = [card["seed"] for card in cards]
    missing = sorted(set(settings.seeds) - set(seeds))
    lacks = f", seeds {', '.join(map(str, missing))} have no scorecard" if missing else ""
    return {
        **verdict,
        "grade": grade,
        "run": run.name,
        "seeds": seeds,
        "says": f"{run.name} holds {GRADE_NAMES[grade]} on "
        f"{len(seeds)} seeds, not certified{lacks}",
    }


def _certify(records: Records) -> Verdict:
    settings = records.settings
    candidate = settings.run_named(settings.candidate)
    document = records.read("segment1b_p5_certification")
    asked = (candidate.run_id, list(settings.seeds))
    if document is None or (document["run"]["run_id"], document["seeds"]) != asked:
        return _scored(records, candidate)
    graded = document["verdict"]
    certified = "" if records.outcome.passed else ", not certified"
    verdict = _judged(document["rows"], graded["minimum_grade"])
    after = verdict["next"] or ["snakemake dossier"]
    return {
        **verdict,
        "grade": graded["grade"],
        "release": graded["release"] and records.outcome.passed,
        "run": candidate.name,
        "seeds": document["seeds"],
        "says": f"{candidate.name}, {grade_text(graded)}{certified}",
        "because": [f"no release: {why}" for why in graded["not_a_release_because"]],
        "made": [records.path("segment1b_p5_certification")],
        "next": after,
    }


def _candidate(records: Records) -> Verdict:
    settings = records.settings
    run = settings.run_named(settings.candidate)
    verdict = _scored(records, run)
    made = [
        records.path("segment1b_scorecard", run_id=run.run_id, seed=seed)
        for seed in verdict.get("seeds", [])
    ]
    return {**verdict, "made": made, "next": [*verdict.get("next", []), "snakemake certify"]}


def _phase(records: Records) -> Verdict:
    phase = records.outcome.target.upper()
    run = promotion.phase_run(records.settings, phase)
    tokens = {"phase": phase.lower(), "run_id": run.run_id}
    record = records.read("segment1b_phase_candidate", **tokens)
    if record is None:
        return _scored(records, run)
    lines = phase_rows.table(record["rows"])
    held = "accepted" if record["checks_all_pass"] else "not accepted"
    return {
        "run": run.name,
        "seeds": record["seeds"],
        "says": f"{run.name} {held}, {lines[-1]}, {record['lane']} lane; nothing is certified",
        "because": lines[:-1],
        "made": [records.path("segment1b_phase_candidate", **tokens)],
        "next": [f"segment1b lock {phase}" if record["checks_all_pass"] else "segment1b knobs"],
    }


def _integrated(records: Records) -> Verdict:
    settings = records.settings
    p4 = records.outcome.target == "p4"
    run = promotion.phase_run(settings, "P4") if p4 else settings.run_named(settings.candidate)
    record = records.read("segment1b_p4_integrated", run_id=run.run_id)
    if record is None:
        return _scored(records, run)
    worse = phase_rows.table([row for row in record["no_regression"] if not row["passed"]])[:-1]
    kind = record["classification"]
    after = {RED: "segment1b status", AMBER: "snakemake recover"}.get(kind, "segment1b lock P4")
    return {
        **_judged(record["rows"], settings.minimum_grade),
        "grade": record["grade"],
        "run": run.name,
        "seeds": record["seeds"],
        "says": f"{run.name} is {kind}, grade {GRADE_NAMES[record['grade']]}; nothing is certified",
        "because": worse,
        "made": [records.path("segment1b_p4_integrated", run_id=run.run_id)],
        "next": [after],
    }


def _recover(records: Records) -> Verdict:
    settings = records.settings
    run = settings.run_named(settings.candidate)
    record = records.read("segment1b_p4_recovery", run_id=run.run_id)
    if record is None:
        return _integrated(records)
    path = records.path("segment1b_p4_recovery", run_id=run.run_id)
    return {
        "run": run.name,
        "seeds": record["seeds"],
        "says": f"{run.name}: {record['outcome']} after {len(record['attempts'])} attempts",
        "because": summary(record, settings.runs_root),
        "made": [path],
        "next": ["snakemake integrated"],
    }


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
    made = _files(records)["made"]
    return {**_certify(records), "made": made, "next": [f"open {path}" for path in made]}


def _files(records: Records) -> Verdict:
    """What a target without a verdict of its own made."""
    outcome = records.outcome
    made = [path for path in outcome.files if path not in outcome.unmade]
    lacks = len(outcome.files) - len(made)
    says = f"{len(made)} file{'s' * (len(made) != 1)}" + (
        f", {lacks} could not be made" if lacks else ""
    )
    return {"says": says, "made": made}


_BY_TARGET: dict[str, Callable[[Records], Verdict]] = {
    "certify": _certify,
    "candidate": _candidate,
    "baseline": _baseline,
    "recover": _recover,
    "dossier": _dossier,
    **dict.fromkeys(("p1", "p2", "p3"), _phase),
    **dict.fromkeys(("p4", "integrated"), _integrated),
}
