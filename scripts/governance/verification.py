"""Verifies a run from its own records: nothing is computed anew, every digest is taken again.

Starts from the run receipts in the run's folder and follows what they and the other records name,
as far as it is there: S9's bundle and flag, the scorecards, the upstream bundle and freeze guard,
the certificate with its verdict, the attestation, the pointers and the locks; and, given a source
tree, policies, contracts, gates and reference snapshot. A copied run folder is enough for the
first half. No network, no Snakemake, no clock.

Records that agree with each other can still all have been written by somebody else: only a
signature on the attestation says who wrote them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.contracts import dataset, datasets, read_dataset, read_object, state_datasets
from scripts.errors import SegmentError
from scripts.governance import attestation, locks
from scripts.records.bundle import FLAG, bundle_digest, verify_bundle
from scripts.records.identity import manifest_fingerprint, parameter_hash
from scripts.tables import file_digest, read_json, to_json_bytes
from scripts.upstream.freeze_guard import judge_files

Json = Mapping[str, Any]

SEGMENT = "segment_1B"
REPORTS = f"{SEGMENT}/reports"
BANDS = "config/layer1/1A/policy/policy.1a.bands.yaml"
STATE_PREFIX = re.compile(r"s[0-8]_")
REFERENCE = {
    "reference/countries": "countries.parquet",
    "reference/facts": "country_facts.csv",
    "reference/places": "places.parquet",
    "reference/land_cover": "land_cover.parquet",
    "reference/manifest": "manifest.json",
}
UPSTREAM = {
    "upstream/outlet_catalogue": "outlet_catalogue",
    "upstream/candidate_set": "s3_candidate_set",
    "upstream/validation_bundle": "validation_passed_flag_1A",
}
POINTERS = {
    "baseline": "baseline_pointer",
    "current_candidate": "current_candidate_pointer",
    "last_good": "last_good_pointer",
}
CERTIFIED_GROUPS = ("state_outputs", "scorecards", "receipts", "validation")


@dataclass
class Findings:
    """What a verification found: faults, what could not be looked at, and files hashed."""

    faults: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    digests: dict[Path, str] = field(default_factory=dict)

    def fault(self, where: object, rule: str) -> None:
        """One more fault, told once."""
        line = " ".join(f"{where}: {rule}".split())
        if line not in self.faults:
            self.faults.append(line)

    def digest(self, path: Path) -> str:
        """SHA-256 of a file, taken once; a word for what is no plain file."""
        if path not in self.digests:
            if path.is_symlink():
                self.digests[path] = "(a symbolic link)"
            elif not path.is_file():
                self.digests[path] = "(no file)"
            else:
                try:
                    self.digests[path] = file_digest(path)
                except OSError as error:
                    self.digests[path] = f"({error.strerror})"
        return self.digests[path]

    def expect(self, path: Path, digest: str, source: object) -> None:
        """Fault when a file does not have the digest that ``source`` gives for it."""
        found = self.digest(path)
        if found != digest:
            self.fault(path, f"has digest {found}, {source} says {digest}")

    def same(self, where: object, what: str, found: object, wanted: object, source: object) -> None:
        """Fault when two statements of one fact differ."""
        if found != wanted:
            self.fault(where, f"{what} is {_short(found)}, {source} says {_short(wanted)}")

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Turn an error that a user can cause into a fault."""
        try:
            yield
        except SegmentError as error:
            self.fault(error.where, f"{error.code} {error.rule}; {error.remedy}")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self.fault("record", f"lacks what it must hold ({type(error).__name__}: {error})")

    def read(self, dataset_id: str, path: Path) -> Any:
        """A JSON record held against its schema and canonical form, or None with a fault."""
        try:
            value = read_object(dataset_id, path)
        except SegmentError as error:
            self.fault(error.where, f"{error.code} {error.rule}")
            return None
        canonical = hashlib.sha256(to_json_bytes(value)).hexdigest()
        self.same(path, "digest", self.digest(path), canonical, "its content in canonical form")
        return value

    def record(self, dataset_id: str, path: Path, what: str) -> Any:
        """A record that need not be there: as :meth:`read`, or None and not checked."""
        if path.is_file():
            return self.read(dataset_id, path)
        self.skipped.append(f"{what}: {path} is not there")
        return None


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 160 else f"{text[:160]}..."


@dataclass(frozen=True)
class Place:
    """Where things are: the run's folder, the runs root, the source tree, the snapshot, the key.

    ``root`` is None for a run folder that was copied alone; ``tree``, ``reference`` and
    ``public_key`` are None when they are not at hand.
    """

    folder: Path
    root: Path | None
    tree: Path | None = None
    reference: Path | None = None
    public_key: Path | None = None

    def of_run(self, relative: str, run_id: str) -> Path | None:
        """File of this run by its path below the runs root; None for a path outside the run."""
        prefix = f"{SEGMENT}/{run_id}/"
        if not relative.startswith(prefix) or ".." in relative.split("/"):
            return None
        return self.folder / relative.removeprefix(prefix)

    def dataset(self, dataset_id: str, **tokens: object) -> Path:
        """File of a dataset below the runs root, or below the copied run folder."""
        path = dataset(dataset_id).path.format(**tokens)
        if path.startswith(f"{SEGMENT}/{tokens.get('run_id')}/"):
            return self.folder / path.removeprefix(f"{SEGMENT}/{tokens['run_id']}/")
        assert self.root is not None
        return self.root / path


def locate(run: str, runs_root: Path | None) -> Path:
    """Folder of a run: the folder itself, or the run id below a runs root."""
    folder = Path(run)
    if folder.is_dir():
        return folder
    return (runs_root or Path()) / SEGMENT / run


def root_of(folder: Path) -> Path | None:
    """Runs root that a run's folder lies in, None when it was copied alone."""
    absolute = folder.resolve()
    return absolute.parent.parent if absolute.parent.name == SEGMENT else None


def check_receipt(found: Findings, place: Place, path: Path) -> Json | None:
    """One run receipt: its identity, its ledger, and the S0 records that it repeats."""
    receipt = found.read("run_receipt", path)
    if receipt is None:
        return None
    run_id, seed = receipt["run_id"], receipt["seed"]
    found.same(path, "seed", f"seed={seed}", path.parent.name, "its folder")
    if place.root is not None:
        found.same(path, "run_id", run_id, place.folder.name, "its folder")
    found.same(
        path,
        "parameter_hash",
        receipt["parameter_hash"],
        parameter_hash(receipt["policies"]),
        "its list of policies",
    )
    found.same(
        path,
        "manifest_fingerprint",
        receipt["manifest_fingerprint"],
        manifest_fingerprint(receipt["sealed_inputs"]),
        "its list of sealed inputs",
    )
    for relative, digest in sorted(receipt["outputs"].items()):
        file = place.of_run(relative, run_id)
        if file is None:
            found.fault(path, f"lists {relative!r}, which is no file of the run")
        else:
            found.expect(file, digest, path)
    sealed = found.read(
        "sealed_inputs_1B", place.dataset("sealed_inputs_1B", run_id=run_id, seed=seed)
    )
    if sealed is not None:
        listed = {entry["asset_id"]: entry["sha256_hex"] for entry in sealed}
        found.same(path, "list of sealed inputs", receipt["sealed_inputs"], listed, "S0")
    gate_path = place.dataset("s0_gate_receipt_1B", run_id=run_id, seed=seed)
    gate = found.read("s0_gate_receipt_1B", gate_path)
    if gate is not None:
        for key in ("manifest_fingerprint", "upstream_run_id", "seed"):
            found.same(gate_path, key, gate[key], receipt[key], path)
    return dict(receipt)


def _any_of(templates: Iterable[str]) -> re.Pattern[str]:
    """Paths below a run's folder that fill one of the templates in."""
    texts = (re.escape(path.removeprefix(f"{SEGMENT}/{{run_id}}/")) for path in templates)
    return re.compile("|".join(re.sub(r"\\{\w+\\}", "[0-9]+", text) for text in texts))


def check_unlisted(found: Findings, place: Place, receipts: Sequence[Json]) -> None:
    """Files in the run's folder that no receipt lists and no contract declares."""
    run_id = receipts[0]["run_id"]
    listed = {place.of_run(path, run_id) for receipt in receipts for path in receipt["outputs"]}
    prefix = f"{SEGMENT}/{{run_id}}/"
    declared = _any_of(e.path for e in datasets().values() if e.path.startswith(prefix))
    of_states = _any_of(dataset(name).path for name in state_datasets())
    for path in sorted(place.folder.rglob("*")):
        if path.is_symlink():
            found.fault(path, "is a symbolic link")
            continue
        if not path.is_file():
            continue
        relative = path.relative_to(place.folder).as_posix()
        if not declared.fullmatch(relative):
            found.fault(path, f"has digest {found.digest(path)}, no contract declares it")
        elif of_states.fullmatch(relative) and path not in listed:
            found.fault(path, f"has digest {found.digest(path)}, no run receipt lists it")


def check_validation(found: Findings, place: Place, receipt: Json, certified: bool) -> None:
    """S9's bundle, flag and verdict, and the point counts that the records agree on."""
    run_id, seed = receipt["run_id"], receipt["seed"]
    tokens = {"run_id": run_id, "seed": seed}
    folder = place.dataset("validation_bundle_index_1B", **tokens).parent
    with found.telling():
        if certified or (folder / FLAG).is_file():
            verify_bundle(folder)
        else:
            bundle_digest(folder)
    summary_path = place.dataset("validation_summary_1B", **tokens)
    summary = found.read("validation_summary_1B", summary_path)
    manifest_path = place.dataset("validation_manifest_1B", **tokens)
    manifest = found.read("validation_manifest_1B", manifest_path)
    sums_path = place.dataset("egress_checksums_1B", **tokens)
    sums = found.read("egress_checksums_1B", sums_path)
    for dataset_id, key, listed in (
        ("parameter_hash_resolved_1B", "parameter_hash", "policies"),
        ("manifest_fingerprint_resolved_1B", "manifest_fingerprint", "sealed_inputs"),
    ):
        path = place.dataset(dataset_id, **tokens)
        resolved = found.read(dataset_id, path)
        if resolved is not None:
            for name in (key, listed):
                found.same(path, name, resolved[name], receipt[name], "the run receipt")
    by_name = {Path(path).name: digest for path, digest in receipt["outputs"].items()}
    if manifest is not None:
        for key in ("run_id", "seed", "parameter_hash", "manifest_fingerprint"):
            found.same(manifest_path, key, manifest[key], receipt[key], "the run receipt")
        for name, digest in sorted(manifest["inputs"].items()):
            found.same(manifest_path, name, digest, by_name.get(name), "the run receipt")
    egress = place.dataset("site_locations", **tokens)
    if sums is not None:
        for entry in sums["files"]:
            found.expect(egress.parent / entry["path"], entry["sha256_hex"], sums_path)
            size = egress.stat().st_size if egress.is_file() else None
            found.same(egress, "size in bytes", size, entry["size_bytes"], sums_path)
    if summary is not None:
        for key in ("run_id", "seed", "parameter_hash", "manifest_fingerprint"):
            found.same(summary_path, key, summary["identity"][key], receipt[key], "the run receipt")
        failed = [row["check"] for row in summary["checks"] if row["status"] == "FAIL"]
        verdict = "FAIL" if failed else "PASS"
        found.same(summary_path, "verdict", summary["verdict"], verdict, "its list of checks")
        if certified:
            found.same(summary_path, "verdict", summary["verdict"], "PASS", "the certificate")
        check_egress(found, place, receipt, egress, summary["sizes"]["sites_s8"], summary_path)


def check_egress(
    found: Findings, place: Place, receipt: Json, egress: Path, count: int, source: Path
) -> None:
    """Keys, order, bounds and point counts of the egress."""
    tokens = {"run_id": receipt["run_id"], "seed": receipt["seed"]}
    rows = None
    with found.telling():
        table = read_dataset("site_locations", egress, check=True)
        rows = table.num_rows
        found.same(egress, "number of points", rows, count, source)
    run_summary = place.dataset("s8_run_summary", **tokens)
    with found.telling():
        summary = read_json(run_summary)
        found.same(run_summary, "rows_s8", summary["counts"]["rows_s8"], count, source)
    card_path = place.dataset("segment1b_scorecard", **tokens)
    if card_path.is_file():
        card = found.read("segment1b_scorecard", card_path)
        if card is not None:
            for key in ("run_id", "seed"):
                found.same(card_path, key, card[key], receipt[key], "the run receipt")
            found.same(card_path, "number of points", card["counts"]["sites"], count, source)


def check_upstream(found: Findings, place: Place, receipt: Json) -> None:
    """The 1A run that a run stands on: sealed tables, bundle, flag, guard verdicts."""
    tokens = {"run_id": receipt["upstream_run_id"], "seed": receipt["seed"]}
    for asset, dataset_id in UPSTREAM.items():
        path = place.dataset(dataset_id, **tokens)
        found.expect(path, receipt["sealed_inputs"][asset], f"seed {receipt['seed']} of S0")
    flag = place.dataset("validation_passed_flag_1A", **tokens)
    with found.telling():
        verify_bundle(flag.parent)
    sums_path = place.dataset("egress_checksums_1A", **tokens)
    sums = found.read("egress_checksums_1A", sums_path)
    if sums is not None:
        for name, digest in sorted(sums["files"].items()):
            file = flag.parent.parent / name
            # A table that an external producer did not hand over has no file and is no input.
            if file.exists() or name.endswith(".parquet"):
                found.expect(file, digest, sums_path)


def check_guard(found: Findings, place: Place, upstream_id: str) -> None:
    """What the freeze guard accepted, against the files that it judged."""
    at = place.dataset
    path = at("segment1a_freeze_guard_accepted", run_id=upstream_id)
    accepted = found.record(
        "segment1a_freeze_guard_accepted", path, f"freeze guard of {upstream_id}"
    )
    if accepted is None:
        return
    guard = at("segment1a_freeze_guard", run_id=upstream_id)
    found.expect(guard, accepted["guard_sha256"], path)
    found.expect(at("segment1a_p5_certification"), accepted["certification_sha256"], path)
    for seed, digest in sorted(accepted["scorecards"].items()):
        found.expect(at("segment1a_scorecard", run_id=upstream_id, seed=seed), digest, path)
    judged = found.read("segment1a_freeze_guard", guard)
    if judged is not None:
        found.same(guard, "status", judged["status"], "PASS", path)
        bands = (place.tree or Path()) / BANDS
        if place.tree is not None:
            cards = [
                at("segment1a_scorecard", run_id=upstream_id, seed=int(seed))
                for seed in sorted(accepted["scorecards"], key=int)
            ]
            again = judge_files(
                upstream_id, str(at("segment1a_p5_certification")), [str(c) for c in cards],
                str(bands),
            )  # fmt: skip
            if again != judged:
                found.fault(guard, f"does not follow from its scorecards and {bands}")


def check_tree(found: Findings, place: Place, receipt: Json) -> None:
    """Policies, contracts and reference snapshot of the source tree against a receipt."""
    source = f"seed {receipt['seed']} of the run"
    if place.tree is not None:
        at_hand = {path.name: path for path in sorted((place.tree / "config").rglob("*.yaml"))}
        for name, digest in sorted(receipt["policies"].items()):
            found.expect(at_hand.get(name, place.tree / "config" / name), digest, source)
        for asset, digest in sorted(receipt["sealed_inputs"].items()):
            if asset.startswith("contracts/"):
                name = asset.removeprefix("contracts/")
                found.expect(at_hand.get(name, place.tree / "config" / asset), digest, source)
    if place.reference is not None:
        for asset, name in REFERENCE.items():
            found.expect(place.reference / name, receipt["sealed_inputs"][asset], source)


def check_run(found: Findings, place: Place, certified: bool) -> list[Json]:
    """Everything of one run's folder, and its upstream; returns its receipts."""
    paths = sorted(place.folder.glob("seed=*/run_receipt.json"))
    if not paths:
        found.fault(place.folder, "holds no run receipt (no finished run)")
        return []
    for path in sorted(place.folder.glob("seed=*")):
        if path / "run_receipt.json" not in paths:
            found.fault(path, "has no run receipt")
    receipts = [r for r in (check_receipt(found, place, path) for path in paths) if r is not None]
    for receipt in receipts:
        for key in ("run_id", "name", "posture", "upstream_run_id", "parameter_hash"):
            found.same(place.folder, key, receipt[key], receipts[0][key], "another seed's receipt")
    if not receipts:
        return []
    check_unlisted(found, place, receipts)
    for receipt in receipts:
        with found.telling():
            check_validation(found, place, receipt, certified)
        with found.telling():
            check_tree(found, place, receipt)
        upstream = receipt["upstream_run_id"]
        if place.root is None or not (place.root / "segment_1A" / upstream).is_dir():
            found.skipped.append(f"upstream run {upstream} seed {receipt['seed']}: not here")
            continue
        with found.telling():
            check_upstream(found, place, receipt)
    if place.root is not None:
        with found.telling():
            check_guard(found, place, receipts[0]["upstream_run_id"])
    return receipts


def check_certificate(
    found: Findings, place: Place, document: Json, path: Path, receipts: Sequence[Json]
) -> None:
    """The certificate: every digest, and its verdict judged again from its scorecards."""
    # Heavier imports than a copied run folder needs.
    from scripts.governance.certify_release import certificate
    from scripts.scorers.metrics import published

    assert place.root is not None
    for group in CERTIFIED_GROUPS:
        for relative, digest in sorted(document["digests"][group].items()):
            found.expect(place.root / relative, digest, path)
    baseline_id = document["baseline_run_id"]
    report_path = place.dataset("segment1b_p0_baseline", run_id=baseline_id)
    found.expect(report_path, document["digests"]["baseline_report"], path)
    found.same(
        path,
        "list of policies",
        document["digests"]["policies"],
        receipts[0]["policies"],
        "the run receipt",
    )
    if place.tree is not None:
        gates = place.tree / "config/gates.yaml"
        found.expect(gates, document["digests"]["gates"], path)
    cards, references = (
        [
            found.read(
                "segment1b_scorecard",
                place.root / dataset("segment1b_scorecard").path.format(run_id=run_id, seed=seed),
            )
            for seed in document["seeds"]
        ]
        for run_id in (document["run"]["run_id"], baseline_id)
    )
    report = found.read("segment1b_p0_baseline", report_path)
    if report is None or None in cards or None in references:
        return
    released = "certification.release is false" not in document["verdict"]["not_a_release_because"]
    demands = {
        "required_seeds": document["required_seeds"],
        "minimum_grade": document["verdict"]["minimum_grade"],
        "release": released,
    }
    again = published(
        certificate(
            cards,
            references,
            sorted(receipts, key=lambda receipt: receipt["seed"]),
            document["gates"],
            demands,
            report["readiness"]["decision"],
        )
    )
    for key in sorted(set(again) - {"libraries"}):
        if again[key] != document[key]:
            found.fault(path, f"{key} does not follow from the scorecards and receipts it names")


def check_pointers(
    found: Findings, place: Place, document: Json | None, kinds: Sequence[str]
) -> None:
    """The pointers: the digests of their claims, and the certificate that they must agree with."""
    assert place.root is not None
    for kind in kinds:
        dataset_id = POINTERS[kind]
        path = place.dataset(dataset_id)
        pointer = found.record(dataset_id, path, f"pointer {kind}")
        if pointer is None:
            continue
        found.same(path, "pointer", pointer["pointer"], kind, "its folder")
        if kind == "last_good" and document is not None:
            verdict = document["verdict"]
            if pointer["run_id"] != document["run"]["run_id"] or not verdict["minimum_grade_met"]:
                found.skipped.append("pointer last_good: its certificate was superseded")
                continue
            claim = {key: verdict[key] for key in ("grade", "minimum_grade", "release")}
            found.same(path, "claim", pointer["claim"], claim, "the certificate")
            run = {**document["run"], "parameter_hash": document["parameter_hash"]}
            for key in ("name", "posture", "parameter_hash"):
                found.same(path, key, pointer[key], run[key], "the certificate")
            found.same(
                path, "seeds", pointer["seeds"], sorted(document["seeds"]), "the certificate"
            )
        for relative, digest in sorted(pointer["digests"].items()):
            found.expect(place.root / relative, digest, path)
        for relative in sorted(pointer["digests"]):
            if relative.endswith("run_receipt.json") and (place.root / relative).is_file():
                check_pointed(found, place, pointer, path, place.root / relative)
        if kind == "baseline":
            found.same(path, "claim", pointer["claim"], {"decision": "GO"}, "P0")
            if document is not None:
                wanted = document["baseline_run_id"]
                found.same(path, "run_id", pointer["run_id"], wanted, "the certificate")
        if kind == "current_candidate":
            cards = sum(name.endswith("scorecard.json") for name in pointer["digests"])
            found.same(path, "claim", pointer["claim"], {"scorecards": cards}, "its digests")
            found.same(path, "seeds", len(pointer["seeds"]), cards, "its scorecards")


def check_pointed(
    found: Findings, place: Place, pointer: Json, path: Path, receipt_path: Path
) -> None:
    """Identity of a pointer, and all outputs of the run that it names, against a receipt."""
    assert place.root is not None
    receipt = found.read("run_receipt", receipt_path)
    if receipt is None:
        return
    for key in ("run_id", "name", "posture", "parameter_hash"):
        found.same(path, key, pointer[key], receipt[key], receipt_path)
    if receipt["seed"] not in pointer["seeds"]:
        found.fault(path, f"does not name seed {receipt['seed']} of {receipt_path}")
    for relative, digest in sorted(receipt["outputs"].items()):
        found.expect(place.root / relative, digest, receipt_path)


def check_locks(found: Findings, place: Place, document: Json | None, with_evidence: bool) -> None:
    """Lock records: their seals, their evidence, the certificate on them, the files they hold."""
    assert place.root is not None
    reports = place.root / REPORTS
    for phase, lock in locks.read_locks(reports).items():
        if lock.fault:
            found.fault(lock.path, lock.fault)
        elif lock.status == locks.STANDING:
            report = place.dataset(
                "segment1b_p0_baseline", run_id=lock.record["baseline"]["run_id"]
            )
            found.expect(report, lock.record["baseline"]["report_sha256"], lock.path)
            for relative, digest in (
                sorted(lock.record["evidence"].items()) if with_evidence else ()
            ):
                found.expect(place.root / relative, digest, lock.path)
            for group in sorted(lock.record["files"]) if place.tree is not None else ():
                for relative, digest in sorted(lock.record["files"][group].items()):
                    assert place.tree is not None
                    found.expect(place.tree / relative, digest, f"lock {phase}")
        for earlier, digest in lock.record.get("stands_on", {}).items():
            if lock.status != locks.REOPENED:
                found.expect(locks.lock_path(reports, earlier), digest, lock.path)
    if document is not None:
        certificate = place.dataset("segment1b_p5_certification")
        found.same(
            certificate, "set of locks", document["locks"], locks.lock_set(reports), "the disk"
        )


def check_lock_set(found: Findings, place: Place, document: Json) -> None:
    """The final lock set: its seal, and what it repeats of the certificate it was written for."""
    path = place.dataset("segment1b_p5_lock_set")
    with found.telling():
        record = found.record("segment1b_p5_lock_set", path, "final lock set")
        if record is None:
            return
        found.same(path, "seal", record["seal"], locks.seal(record)["seal"], "its content")
        certificate = place.dataset("segment1b_p5_certification")
        assert place.root is not None
        named = record["records"].get(certificate.relative_to(place.root).as_posix())
        if named != found.digest(certificate):
            found.skipped.append("final lock set: its certificate was superseded")
            return
        found.same(path, "run", record["run"], document["run"], certificate)
        scorecards = document["digests"]["scorecards"]
        found.same(path, "scorecards", record["scorecards"], scorecards, certificate)


def check_attestation(found: Findings, place: Place, document: Json) -> None:
    """The attestation against the files that it names, and its signature when there is one."""
    assert place.root is not None
    path = place.dataset("segment1b_p5_attestation")
    statement = found.record("segment1b_p5_attestation", path, "attestation")
    if statement is None:
        return
    for subject in statement["subject"]:
        found.expect(place.root / subject["name"], subject["digest"]["sha256"], path)
    for entry in attestation.byproducts(statement):
        found.expect(place.root / entry["name"], entry["digest"]["sha256"], path)
    with found.telling():
        again = attestation.statement(place.root, document, attestation.lock_file_digest(statement))
        for key in sorted(again):
            if again[key] != statement[key]:
                found.fault(path, f"{key} does not follow from the certificate and its receipts")
    if place.tree is not None:
        lock_file = place.tree / attestation.LOCK_FILE
        found.expect(lock_file, attestation.lock_file_digest(statement), path)
    envelope_path = place.dataset("segment1b_p5_attestation_envelope")
    if not envelope_path.is_file():
        if place.public_key is not None:
            found.fault(envelope_path, "has digest (no file), a public key was given to check it")
        return
    # Only a signature needs the library.
    from scripts.governance.envelope import payload_of, public_key, verify_signature

    envelope = found.read("segment1b_p5_attestation_envelope", envelope_path)
    if envelope is None:
        return
    with found.telling():
        found.same(
            envelope_path,
            "payload digest",
            hashlib.sha256(payload_of(envelope, envelope_path)).hexdigest(),
            found.digest(path),
            path,
        )
        if place.public_key is None:
            found.skipped.append("signature: no public key was given")
        else:
            verify_signature(envelope, public_key(place.public_key), envelope_path)


def verify(
    folder: Path,
    *,
    root: Path | None = None,
    tree: Path | None = None,
    reference: Path | None = None,
    public_key: Path | None = None,
    pointers: Sequence[str] = tuple(POINTERS),
) -> Findings:
    """Verify the run in a folder, and whatever stands beside it.

    Parameters
    ----------
    folder
        Folder of a run.
    root
        Runs root; by default the one that the folder lies in, if any.
    tree
        Source tree whose policies, contracts, gates and locked files are held against the records.
    reference
        Reference snapshot that is held against the sealed inputs.
    public_key
        Ed25519 public key (PEM) that the attestation must be signed with.
    pointers
        Pointers to look at. With ``last_good``, the final lock set that is written beside it and
        the evidence of the locks are looked at too: a promotion writes the one and needs no other.
    """
    found = Findings()
    root = root if root is not None else root_of(folder)
    place = Place(folder, root, tree, reference, public_key)
    if folder.is_symlink():
        found.fault(folder, "is a symbolic link")
    certificate_path = root / dataset("segment1b_p5_certification").path if root else None
    document = None
    if certificate_path is not None and certificate_path.is_file():
        document = found.read("segment1b_p5_certification", certificate_path)
    certified = (
        document is not None
        and document["run"]["run_id"] == folder.name
        and document["verdict"]["minimum_grade_met"]
    )
    receipts = check_run(found, place, certified)
    if root is None:
        found.skipped.append("certificate, pointers and locks: only the run's folder is here")
    elif certificate_path is not None and document is None and not certificate_path.is_file():
        found.skipped.append(f"certificate: {certificate_path} is not there")
    if root is not None:
        with found.telling():
            check_pointers(found, place, document, pointers)
        with found.telling():
            check_locks(found, place, document, "last_good" in pointers)
    if document is not None and receipts and certificate_path is not None and root is not None:
        if document["run"]["run_id"] != receipts[0]["run_id"]:
            found.skipped.append(f"certificate: it is that of run {document['run']['run_id']}")
        else:
            baseline = root / SEGMENT / document["baseline_run_id"]
            check_run(found, Place(baseline, root, tree, reference), False)
            with found.telling():
                check_certificate(found, place, document, certificate_path, receipts)
            with found.telling():
                check_attestation(found, place, document)
            if "last_good" in pointers:
                check_lock_set(found, place, document)
    return found


def lines(found: Findings, folder: Path) -> list[str]:
    """What a person reads: what was not looked at, every fault, and the verdict."""
    skipped = sorted(set(found.skipped))
    verdict = f"{folder}: {len(found.digests)} files hashed, {len(found.faults)} faults"
    return [*(f"not checked: {text}" for text in skipped), *(f"FAULT {f}" for f in found.faults),
            verdict]  # fmt: skip
