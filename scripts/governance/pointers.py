"""Pointers: the pinned baseline, the candidate under evaluation, the last good release.

A pointer names a run and holds the digests of the files that its claim rests on, so that whoever
follows it can check that they are still those files. It moves in one rename, and only to a run
that passed what the pointer claims.

=====================  ==========================================================================
pointer                claims
=====================  ==========================================================================
``baseline``           P0 said GO to this run: everything is measured against it
``current_candidate``  every configured seed of this run, the last to be scored by a target or
                       accepted by a phase, has a scorecard
``last_good``          the certificate of this release met its minimum grade
=====================  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.errors import GovernanceError
from scripts.records.ledger import Ledger
from scripts.tables import read_json

Json = Mapping[str, Any]


def pointer(kind: str, receipts: Sequence[Json], claim: Json, digests: Json) -> dict[str, Any]:
    """A pointer to the run of ``receipts`` (one per seed, at least one)."""
    first = receipts[0]
    return {
        "pointer": kind,
        **{key: first[key] for key in ("run_id", "name", "posture", "parameter_hash")},
        "seeds": sorted(receipt["seed"] for receipt in receipts),
        "claim": dict(claim),
        "digests": dict(digests),
    }


def baseline_pointer(
    report: Json, receipts: Sequence[Json], digests: Json, where: object
) -> dict[str, Any]:
    """Pointer to the baseline authority.

    Raises
    ------
    GovernanceError
        ``EG30`` P0 did not say GO to it.
    """
    readiness = report["readiness"]
    if readiness["decision"] != "GO":
        failed = [check["check"] for check in readiness["checks"] if not check["passed"]]
        raise GovernanceError(
            "EG30",
            where,
            f"P0 says NO_GO: {', '.join(failed)}",
            "a baseline that passes its checks",
        )
    return pointer("baseline", receipts, {"decision": "GO"}, digests)


def candidate_pointer(
    cards: Sequence[Json], receipts: Sequence[Json], digests: Json, where: object
) -> dict[str, Any]:
    """Pointer to the candidate under evaluation (``EG31``: scorecards and receipts disagree)."""
    scored = sorted((card["run_id"], card["seed"]) for card in cards)
    received = sorted((receipt["run_id"], receipt["seed"]) for receipt in receipts)
    if not scored or scored != received:
        raise GovernanceError(
            "EG31", where, "scorecards and receipts disagree", "records of one run that agree"
        )
    return pointer("current_candidate", receipts, {"scorecards": len(cards)}, digests)


def last_good_pointer(
    certificate: Json, root: Path, release: Path, where: object
) -> dict[str, Any]:
    """Pointer to the release of a certificate (``EG32``: its minimum grade was not met)."""
    verdict = certificate["verdict"]
    if not verdict["minimum_grade_met"]:
        raise GovernanceError(
            "EG32",
            where,
            f"grade {verdict['grade']} is below {verdict['minimum_grade']}",
            "a certificate that met its minimum grade",
        )
    run = {**certificate["run"], "parameter_hash": certificate["parameter_hash"]}
    receipts = [{**run, "seed": seed} for seed in certificate["seeds"]]
    claim = {key: verdict[key] for key in ("grade", "minimum_grade", "release")}
    digests = Ledger.of(root, [release / "release.json"]).digests
    return {**pointer("last_good", receipts, claim, digests), "release": release.name}


def pinned_files(pinned: Json, root: Path) -> set[str]:
    """Receipts that a pointer pins and the outputs that they list, below the runs root."""
    receipts = [path for path in pinned["digests"] if path.endswith("run_receipt.json")]
    made = {
        path for r in receipts if (root / r).is_file() for path in read_json(root / r)["outputs"]
    }
    return {*receipts, *made}


def refuse_unasked_repin(before: Json, digests: Json, where: object) -> None:
    """Refuse another baseline than the pinned one (``EG35``): a receipt of it has changed."""
    for path, digest in sorted(before["digests"].items()):
        if path.endswith("run_receipt.json") and digests.get(path, digest) != digest:
            raise GovernanceError(
                "EG35",
                where,
                f"pins {path} with digest {digest}, it has {digests[path]}",
                "restore what changed, or ask for it by name: segment1b repin baseline",
            )


def verify(pinned: Json, root: Path, where: object) -> None:
    """Hash every file that a pointer's claim rests on (``EG33`` names the one that changed)."""
    Ledger(root, pinned["digests"]).verify(
        "EG33", where, "restore the pinned file, or delete it and let its rule make it again"
    )


def verify_baseline(pinned: Json, root: Path, where: object) -> None:
    """Hash everything of the pinned baseline: its records, and every state output they list.

    Raises
    ------
    GovernanceError
        ``EG33`` naming the file that is not the pinned one, with both digests.
    """
    verify(pinned, root, where)
    for path in sorted(pinned["digests"]):
        if path.endswith("run_receipt.json"):
            verify({"digests": read_json(root / path)["outputs"]}, root, root / path)
