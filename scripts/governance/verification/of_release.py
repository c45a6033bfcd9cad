"""Checks of a release: its certificate, the pointers, the locks, the attestation and signature."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from scripts.contracts import dataset
from scripts.governance import attestation, locks, releases
from scripts.governance.anchors import ANCHORS, BANDS
from scripts.governance.certify_release import certificate as judge
from scripts.governance.verification.view import (
    Record,
    View,
    agree,
    same,
)
from scripts.policies import load_schema, parse_yaml, validate
from scripts.scorers.gates import GATES_FILE, load_gates
from scripts.tables import published

CERTIFICATE = "segment1b_p5_certification"
DIGEST_GROUPS = ("state_outputs", "scorecards", "receipts", "validation")


def certificate_can_be_read(view: View) -> Iterator[str]:
    """The certificate, where there is one, keeps its schema and canonical form."""
    view.record_if_there(CERTIFICATE)
    yield from ()


def certified_files_are_there(view: View, certificate: Record) -> Iterator[str]:
    """Every file that the certificate lists is the one on the disk."""
    digests, baseline = certificate["digests"], certificate["baseline_run_id"]
    for group in DIGEST_GROUPS:
        yield from view.hold(digests[group], certificate.path)
    report = view.path("segment1b_p0_baseline", run_id=baseline)
    yield from view.expect(report, digests["baseline_report"], certificate.path)
    receipt = view.record("run_receipt", seed=view.seeds()[0])
    yield from same(
        certificate.path, "policies", digests["policies"], receipt["policies"], receipt.path
    )
    if view.tree is not None:
        yield from view.expect(view.tree / GATES_FILE, digests["gates"], certificate.path)
        yield from view.expect(view.tree / BANDS, digests["bands"], certificate.path)


def verdict_follows_from_the_scorecards(view: View, certificate: Record) -> Iterator[str]:
    """The certificate says what judging its scorecards and receipts again says."""
    run_id, baseline_id = certificate["run"]["run_id"], certificate["baseline_run_id"]
    seeds, verdict = sorted(certificate["seeds"]), certificate["verdict"]
    cards, references, receipts, baseline_receipts = (
        [view.record(name, run_id=run, seed=seed).content for seed in seeds]
        for name in ("segment1b_scorecard", "run_receipt")
        for run in (run_id, baseline_id)
    )
    demands = {
        "required_seeds": certificate["required_seeds"],
        "minimum_grade": verdict["minimum_grade"],
        "release": "certification.release is false" not in verdict["not_a_release_because"],
    }
    gates, anchors = certificate["gates"], certificate["anchors"]
    validate(gates, load_schema("gates"), certificate.path)
    if view.tree is not None:
        gates, anchors = load_gates(view.tree / GATES_FILE), parse_yaml(view.tree / ANCHORS)
    report = view.record("segment1b_p0_baseline", run_id=baseline_id)
    decision = report["readiness"]["decision"]
    judged = judge(
        cards,
        references,
        receipts,
        baseline_receipts,
        gates,
        anchors,
        certificate["digests"]["bands"],
        demands,
        decision,
    )
    again = published(judged)
    for key in sorted(set(again) - {"libraries"}):
        if again[key] != certificate[key]:
            yield f"{certificate.path}: {key} does not follow from the scorecards it names"


def baseline_is_pinned(view: View, certificate: Record | None) -> Iterator[str]:
    """The pinned baseline is the one that P0 said GO to and that the certificate names."""
    pointer = view.record_if_there("baseline_pointer")
    if pointer is not None:
        yield from _pinned(view, pointer, "baseline")
        yield from same(pointer.path, "claim", pointer["claim"], {"decision": "GO"}, "P0")
        if certificate is not None:
            named = certificate["baseline_run_id"]
            yield from same(pointer.path, "run_id", pointer["run_id"], named, certificate.path)
            report = dataset("segment1b_p0_baseline").path.format(run_id=named)
            digest = certificate["digests"]["baseline_report"]
            pinned = pointer["digests"].get(report)
            yield from same(pointer.path, report, pinned, digest, certificate.path)


def candidate_has_its_scorecards(view: View, certificate: Record | None) -> Iterator[str]:
    """The pointer to the candidate counts a scorecard for every seed that it names."""
    pointer = view.record_if_there("current_candidate_pointer")
    if pointer is not None:
        yield from _pinned(view, pointer, "current_candidate")
        cards = sum(path.endswith("scorecard.json") for path in pointer["digests"])
        claim = {"scorecards": cards}
        yield from same(pointer.path, "claim", pointer["claim"], claim, "its digests")
        yield from same(pointer.path, "seeds", len(pointer["seeds"]), cards, "its scorecards")


def last_good_is_a_sealed_release(view: View, certificate: Record | None) -> Iterator[str]:
    """The release in force is as it was sealed, and its pointer repeats its manifest."""
    pointer = view.record_if_there("last_good_pointer")
    if pointer is None:
        return
    yield from _pinned(view, pointer, "last_good")
    folder = view.below_root(releases.FOLDER) / pointer["release"]
    sealed = view.record("release", release=pointer["release"])
    yield from releases.verify_release(folder)
    run, verdict = sealed["run"], sealed["verdict"]
    stated = {
        "claim": {key: verdict[key] for key in ("grade", "minimum_grade", "release")},
        "name": run["name"],
        "posture": run["posture"],
        "parameter_hash": sealed["parameter_hash"],
        "seeds": sorted(sealed["seeds"]),
    }
    yield from agree(pointer, Record(sealed.path, stated), stated)


def _pinned(view: View, pointer: Record, kind: str) -> Iterator[str]:
    """The kind of a pointer, the files that it pins, and all outputs of the run that it names."""
    yield from same(pointer.path, "pointer", pointer["pointer"], kind, "its folder")
    yield from view.hold(pointer["digests"], pointer.path)
    for seed in pointer["seeds"]:
        tokens = {"run_id": pointer["run_id"], "seed": seed}
        path = dataset("run_receipt").path.format(**tokens)
        if path in pointer["digests"]:
            receipt = view.record("run_receipt", **tokens)
            yield from agree(pointer, receipt, ("run_id", "name", "posture", "parameter_hash"))
            yield from view.hold(receipt["outputs"], receipt.path)
        elif kind != "last_good":
            yield f"{pointer.path}: pins no receipt of seed {seed}"


def locks_are_sealed(view: View, certificate: Record | None) -> Iterator[str]:
    """Lock records are as sealed, stand on the baseline and locks named, and are the certified."""
    reports = view.below_root(locks.FOLDER)
    for lock in locks.read_locks(reports).values():
        if lock.fault:
            yield f"{lock.path}: {lock.fault}"
        elif lock.status != locks.REOPENED:
            for earlier, digest in lock.record["stands_on"].items():
                yield from view.expect(locks.lock_path(reports, earlier), digest, lock.path)
    for lock in locks.standing_records(reports):
        baseline = lock.record["baseline"]
        report = view.path("segment1b_p0_baseline", run_id=baseline["run_id"])
        yield from view.expect(report, baseline["report_sha256"], lock.path)
    if certificate is not None:
        then, now = certificate["locks"], locks.lock_set(reports)
        for phase in sorted({*then, *now}):
            if then.get(phase) != now.get(phase):
                said, stands = (_lock_text(found.get(phase)) for found in (then, now))
                change = "has other content" if said == stands else f"was {said} and is {stands}"
                yield f"{certificate.path}: lock {phase} {change} since: certify again"


def _lock_text(lock: Mapping[str, Any] | None) -> str:
    return f"{lock['status']} number {lock['sequence']}" if lock else "not there"


def locked_files_are_those_of_the_tree(view: View, certificate: Record | None) -> Iterator[str]:
    """Policies, schemas and code that standing locks hold are those of the source tree."""
    if view.tree is not None:
        for lock in locks.standing_records(view.below_root(locks.FOLDER)):
            for path, locked, now in locks.changed_files(lock.record["files"], (view.tree,)):
                yield f"{view.tree / path}: has digest {now}, lock {lock.phase} says {locked}"


def locks_keep_their_evidence(view: View, certificate: Record | None) -> Iterator[str]:
    """The records that a standing lock was accepted on are still those."""
    for lock in locks.standing_records(view.below_root(locks.FOLDER)):
        yield from view.hold(lock.record["evidence"], lock.path)


def lock_set_is_that_of_the_certificate(view: View, certificate: Record) -> Iterator[str]:
    """The final lock set is sealed, and repeats the certificate that it was written for."""
    final = view.record_if_there("segment1b_p5_lock_set")
    if final is None:
        return
    seal = locks.seal(final.content)["seal"]
    yield from same(final.path, "seal", final["seal"], seal, "its content")
    named = final["records"].get(dataset(CERTIFICATE).path)
    if named != view.digest(certificate.path):
        view.skipped.add(f"{final.path}: its certificate was superseded")
        return
    stated = {"run": certificate["run"], "scorecards": certificate["digests"]["scorecards"]}
    yield from agree(final, Record(certificate.path, stated), stated)


def attestation_is_that_of_the_certificate(view: View, certificate: Record) -> Iterator[str]:
    """The attestation names the files on the disk, and follows from certificate and receipts."""
    stated = view.record_if_there("segment1b_p5_attestation")
    if stated is None:
        return
    lock_file = attestation.lock_file_digest(stated.content)
    files = [*stated["subject"], *attestation.byproducts(stated.content)]
    digests = {entry["name"]: entry["digest"]["sha256"] for entry in files}
    yield from view.hold(digests, stated.path)
    if view.tree is not None:
        yield from view.expect(view.tree / attestation.LOCK_FILE, lock_file, stated.path)
    again = attestation.statement(view.below_root(""), certificate.content, lock_file)
    for key in sorted(again):
        if again[key] != stated[key]:
            yield f"{stated.path}: {key} does not follow from the certificate and its receipts"


def attestation_is_signed(view: View, certificate: Record) -> Iterator[str]:
    """The envelope holds this attestation, signed with the key that is at hand."""
    stated = view.path("segment1b_p5_attestation")
    path = view.path("segment1b_p5_attestation_envelope")
    if not path.is_file():
        if view.public_key is not None:
            yield f"{path}: has digest (no file), a public key was given to check it"
        return
    # Only a signature needs the library.
    from scripts.governance.envelope import payload_of, public_key, verify_signature

    envelope = view.record("segment1b_p5_attestation_envelope")
    # An envelope of the release before this one stays until it is signed anew; it blocks nothing.
    if view.public_key is None:
        view.skipped.add("signature: no public key was given")
        return
    payload = hashlib.sha256(payload_of(envelope.content, path)).hexdigest()
    yield from same(path, "payload digest", payload, view.digest(stated), stated)
    verify_signature(envelope.content, public_key(view.public_key), path)


# Of the records beside a run, whichever run the certificate is of. A promotion writes, or does not
# rest on, what is looked at after it.
BESIDE = (
    baseline_is_pinned,
    candidate_has_its_scorecards,
    locks_are_sealed,
    locked_files_are_those_of_the_tree,
)
BESIDE_AFTER_PROMOTION = (last_good_is_a_sealed_release, locks_keep_their_evidence)
OF_CERTIFICATE = (
    certified_files_are_there,
    verdict_follows_from_the_scorecards,
    attestation_is_that_of_the_certificate,
    attestation_is_signed,
)
OF_CERTIFICATE_AFTER_PROMOTION = (lock_set_is_that_of_the_certificate,)
