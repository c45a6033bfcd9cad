"""Enforces the certificate: the exit code of ``snakemake certify``.

Fails with one line for every gate that stands between the release and the configured minimum
grade: where, how far, and which state and knobs to turn. The certificate stays whatever happens.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.console import say
from scripts.contracts import dataset_path, read_object, write_object
from scripts.entry import run
from scripts.errors import ConfigError, ScoreError
from scripts.governance.lock_set import final_lock_set
from scripts.governance.locks import refuse
from scripts.governance.pointers import last_good_pointer, verify_promotion
from scripts.governance.verification import verify
from scripts.records.ledger import Ledger
from scripts.scorers.gates import GATES, GRADES, reaches
from scripts.scorers.triage import failing_line, number
from scripts.scorers.truth.judgement import TESTS

Json = Mapping[str, Any]


def obstacles(document: Json, minimum: str) -> list[Json]:
    """Failing rows that bear on the minimum grade, each gate once, the lower grade first."""
    bearing = GRADES[: GRADES.index(minimum) + 1]
    rows = [row for row in document["rows"] if not row["passed"] and row["grade"] in bearing]
    seen: set[tuple[Any, ...]] = set()
    kept = []
    for row in sorted(rows, key=lambda row: GRADES.index(row["grade"])):
        key = (row["gate"], row["metric"], row["seed"])
        if key not in seen:
            seen.add(key)
            kept.append(row)
    return kept


def summary(document: Json) -> list[str]:
    """Short table of the graded metrics, seed by seed, and the verdict."""
    seeds = [str(seed) for seed in document["seeds"]]
    lines = [" ".join([f"{'metric':<32}", *(f"{seed:>10}" for seed in seeds)])]
    for gate in GATES:
        values = (document["seeds_measured"][seed]["metrics"][gate.metric] for seed in seeds)
        lines.append(" ".join([f"{gate.metric:<32}", *(f"{number(v):>10}" for v in values)]))
    for test in TESTS:
        values = (document["seeds_measured"][seed]["truth"][test] for seed in seeds)
        name = f"truth {test} {TESTS[test].name}"
        lines.append(" ".join([f"{name:<32}", *(f"{number(v):>10}" for v in values)]))
    missed = [row["metric"] for row in document["fidelity_rows"] if not row["passed"]]
    lines.append(f"fidelity rows missed: {len(missed)} of {len(document['fidelity_rows'])}")
    verdict = document["verdict"]
    kind = "release certified" if verdict["release"] else "trial, not a release"
    lines.append(f"grade {verdict['grade']} (minimum {verdict['minimum_grade']}): {kind}")
    return lines


def enforce(document: Json, demands: Json, where: object) -> list[str]:
    """Lines of a passing verdict.

    Raises
    ------
    ScoreError
        ``ES30`` a release was asked for and the run cannot be one; ``ES31`` the grade is below the
        minimum.
    """
    verdict = document["verdict"]
    if demands["release"] and verdict["not_a_release_because"]:
        raise ScoreError(
            "ES30",
            where,
            f"cannot be a release: {'; '.join(verdict['not_a_release_because'])}",
            "the whole snapshot and all required seeds, or certification.release: false",
        )
    if not reaches(verdict["grade"], demands["minimum_grade"]):
        rows = obstacles(document, demands["minimum_grade"])
        raise ScoreError(
            "ES31",
            where,
            f"grade {verdict['grade']} is below {demands['minimum_grade']}, "
            f"{len(rows)} gates failed",
            "its failing rows name what to retune",
        )
    return summary(document)


def verify_files(document: Json, root: Path) -> int:
    """Hash every file that the certificate lists; the number of files.

    Raises
    ------
    ScoreError
        ``ES32`` naming a file that is gone or not the one that was certified.
    """
    listed = {
        path: digest
        for group in ("state_outputs", "scorecards", "receipts", "validation")
        for path, digest in document["digests"][group].items()
    }
    Ledger(root, listed).verify(
        "ES32", "the certificate", "delete it and run certify again", ScoreError
    )
    return len(listed)


def verify_records(run_id: str, root: Path, reference: Path) -> None:
    """Hold every record and file of the release against each other (``ES33``)."""
    folder = root / "segment_1B" / run_id
    result = verify(folder, root=root, tree=Path(), reference=reference, promoting=True)
    if result.faults:
        for line in result.faults:
            print(f"FAULT {line}", file=sys.stderr)
        raise ScoreError(
            "ES33",
            root,
            f"{len(result.faults)} records or files are not what they should be, first "
            f"{result.faults[0]}",
            "restore the file, or delete it and run certify again",
        )


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``certify``; refused before anything runs when seeds are missing (``EC09``)."""
    if params.missing_seeds:
        raise ConfigError(
            "EC09",
            "config/config.yaml",
            f"key 'seeds' lacks the required {list(params.missing_seeds)}",
            "a certificate covers all of certification.required_seeds; use candidate for fewer",
        )
    for line in params.faults:
        print(line, file=sys.stderr)
    refuse(params.faults)
    root = Path(params.runs_root)
    document = read_object("segment1b_p5_certification", inputs.certificate)
    verify_promotion(
        document,
        read_object("baseline_pointer", inputs.baseline_pointer),
        read_object("current_candidate_pointer", inputs.current_candidate_pointer),
        root,
    )
    verify_files(document, root)
    try:
        lines = enforce(document, params.demands, inputs.certificate)
    except ScoreError:
        for row in obstacles(document, params.demands["minimum_grade"]):
            print(failing_line(row), file=sys.stderr)
        raise
    verify_records(document["run"]["run_id"], root, Path(params.reference))
    certified = Ledger.of(root, [inputs.certificate]).digests
    good = last_good_pointer(document, certified, inputs.certificate)
    write_object("last_good_pointer", dataset_path(root, "last_good_pointer"), good)
    locked = final_lock_set(root, document, params.policies, params.keep)
    write_object("segment1b_p5_lock_set", dataset_path(root, "segment1b_p5_lock_set"), locked)
    say(lines)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
