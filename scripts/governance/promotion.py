"""Which run a phase judges, against which, and why a promotion is refused before it begins."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.contracts import dataset_path
from scripts.errors import ConfigError
from scripts.governance import locks
from scripts.records.identity import parameter_hash, run_id
from scripts.records.ledger import by_name
from scripts.scorers.classification import AMBER, RED, classify
from scripts.scorers.gates import GATES_FILE, evaluate, load_gates
from scripts.scorers.phase_rows import REFERENCE
from scripts.settings import WITNESS, Run, Settings
from scripts.tables import read_json


def phase_run(settings: Settings, phase: str) -> Run:
    """Run of a phase: the candidate when it has the phase's posture, else the posture's own.

    Parameters
    ----------
    settings
        The configuration.
    phase
        P1 to P4.
    """
    candidate, posture = settings.run_named(settings.candidate), phase.lower()
    return candidate if candidate.posture.name == posture else settings.run_named(posture)


def lock_run(settings: Settings, phase: str) -> Run:
    """Run that a lock of a phase accepts: the candidate for P4, else the phase's run."""
    return settings.run_named(settings.candidate) if phase == "P4" else phase_run(settings, phase)


def reference_run(settings: Settings, phase: str) -> Run:
    """Run that a phase is measured against."""
    before = REFERENCE[phase]
    if before == "P0":
        return settings.run_named(settings.baseline_posture)
    return phase_run(settings, before)


def witness_id(run: Run) -> str:
    """Run id of the second, independent run that a run's outputs are compared with."""
    return run_id("1B", run.name, WITNESS)


def run_names(settings: Settings) -> dict[str, str]:
    """Names of all run ids of the configuration, witnesses marked."""
    return {
        identity: run.name if identity == run_id("1B", run.name) else f"{run.name} {WITNESS}"
        for identity, run in settings.runs.items()
    }


def unlocked(found: Mapping[str, locks.Lock]) -> list[str]:
    """Phases before P4 that no standing lock answers for."""
    standing = {p for p, lock in found.items() if lock.status == locks.STANDING and not lock.fault}
    return [phase for phase in locks.PHASES[:3] if phase not in standing]


def faults(
    settings: Settings, found: Mapping[str, locks.Lock], run: Run, phase: str | None = None
) -> list[str]:
    """Why a promotion is refused before anything runs, and what would be right: one line each.

    Parameters
    ----------
    settings
        The configuration.
    found
        Locks as :func:`scripts.governance.locks.read_locks` gives them.
    run
        The run to be promoted.
    phase
        P1 to P4; None for the certificate, which stands on all of them.
    """
    lines = locks.faults(found, run.policies, phase)
    missing = sorted(set(settings.required_seeds) - set(settings.seeds))
    if phase in ("P4", None) and missing:
        seeds = ",".join(map(str, sorted({*settings.seeds, *missing})))
        who = phase or "certify"
        lines.append(
            f"{who} judges all required seeds, {missing} are missing; --config seeds=[{seeds}]"
        )
    return lines


def recovery_faults(settings: Settings, found: Mapping[str, locks.Lock]) -> list[str]:
    """Why a recovery is refused before anything runs: as P4, or there is nothing to recover.

    Scorecards of these very policies say so by the gates in force, or P4's record of what fell
    behind P3; without either, P4 has to find out.
    """
    run = settings.run_named(settings.candidate)
    lines = faults(settings, found, run, "P4")
    kind = classified(settings, run)
    if kind is not None and kind != AMBER:
        remedy = "mend what fails: segment1b knobs" if kind == RED else "nothing to recover"
        lines.append(f"{run.name} is {kind}, no {AMBER}; {remedy}")
    return lines


def classified(settings: Settings, run: Run) -> str | None:
    """P4's class of a run with its policies of now, as far as its records tell without a job."""
    root, tokens = settings.runs_root, {"run_id": run.run_id}
    now = parameter_hash(by_name(run.policies.values()))
    integrated = dataset_path(root, "segment1b_p4_integrated", **tokens)
    if integrated.is_file():
        record = read_json(integrated)
        if record["parameter_hash"] == now and record["classification"] == RED:
            return RED
    cards = []
    for seed in settings.seeds:
        receipt = dataset_path(root, "run_receipt", **tokens, seed=seed)
        card = dataset_path(root, "segment1b_scorecard", **tokens, seed=seed)
        if not (receipt.is_file() and card.is_file()):
            return None
        if read_json(receipt)["parameter_hash"] != now:
            return None
        cards.append(read_json(card))
    return classify(evaluate(cards, load_gates(GATES_FILE))["rows"])


def lock_faults(settings: Settings, found: Mapping[str, locks.Lock], phase: str) -> list[str]:
    """Why a lock of a phase is refused before anything runs: one line each."""
    lock = found.get(phase)
    if lock and (lock.fault or lock.status == locks.STANDING):
        return [lock.fault or f"lock {phase} stands; segment1b reopen {phase} opens it"]
    return faults(settings, found, lock_run(settings, phase), phase)


def check_fork(settings: Settings, runs_root: str) -> None:
    """Refuse a candidate that was forked for another posture (``EC15``)."""
    candidate = settings.run_named(settings.candidate)
    record = dataset_path(runs_root, "candidate_fork", run_id=candidate.run_id)
    if not record.is_file():
        return
    posture = read_json(record)["posture"]
    if posture != candidate.posture.name:
        raise ConfigError(
            "EC15",
            record,
            f"candidate {candidate.name!r} was forked for posture {posture!r}, "
            f"the configuration says {candidate.posture.name!r}",
            f"posture={posture}",
        )
