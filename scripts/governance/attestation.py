"""The attestation of a certificate: an in-toto Statement v1 with an SLSA provenance v1 predicate.

Subjects are the ``site_locations`` of every seed and the certificate, ``resolvedDependencies``
the inputs that S0 sealed, the policies, the gates and the lock file of the libraries; byproducts
are the files that the certificate rests on and does not list itself. No clock, host or path of a
machine is in it, so the same release has the same statement everywhere.

A signature is optional: an envelope in the DSSE form (Dead Simple Signing Envelope 1.0) over the
statement's bytes, with an Ed25519 key of the user's. Signing and checking call ``openssl``, so no
library is needed for it.

Formats: in-toto.io/Statement/v1, slsa.dev/provenance/v1, github.com/secure-systems-lab/dsse.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scripts.contracts import dataset, read_object
from scripts.errors import GovernanceError
from scripts.records.ledger import Ledger

Json = Mapping[str, Any]

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
BUILD_TYPE = "urn:segment1b:certify:v1"
BUILDER = "urn:segment1b:snakemake"
LOCK_FILE = "envs/runtime.lock.txt"
_LOCK_URI = f"file:{LOCK_FILE}"
# Files of the certified run and of its baseline that the certificate has no digest of.
_SEEDED = (
    "segment1b_country_share",
    "segment1b_region_share",
    "segment1b_nn_quantiles",
)
_OF_RUN = ("fidelity_cells", "fidelity_points")
_OF_BASELINE = (
    "segment1b_p0_country_share",
    "segment1b_p0_region_share",
    "segment1b_p0_nn_quantiles",
)
_BASELINE_SEEDED = (
    *_SEEDED,
    "validation_manifest_1B",
    "validation_summary_1B",
    "rng_accounting_1B",
    "egress_checksums_1B",
    "parameter_hash_resolved_1B",
    "manifest_fingerprint_resolved_1B",
    "validation_bundle_index_1B",
)
_UPSTREAM = ("segment1a_freeze_guard", "segment1a_freeze_guard_accepted")
_UPSTREAM_SEEDED = ("segment1a_scorecard", "segment1a_freeze_guard_seed")
_SINGLE = ("segment1a_p5_certification", "iteration_protocol")


def byproduct_paths(certificate: Json, authority_id: str) -> list[str]:
    """Paths below the runs root of the byproducts of a certificate, sorted.

    ``authority_id`` is the run id of the 1A authority, which the baseline stands on.
    """
    run, seeds = certificate["run"], certificate["seeds"]
    found = [dataset(name).path for name in _SINGLE]
    for names, run_id, of_seeds in (
        (_OF_RUN, run["run_id"], ()),
        (_OF_RUN, certificate["baseline_run_id"], ()),
        (_OF_BASELINE, certificate["baseline_run_id"], ()),
        (_UPSTREAM, run["upstream_run_id"], ()),
        (_SEEDED, run["run_id"], seeds),
        (_BASELINE_SEEDED, certificate["baseline_run_id"], seeds),
        (_UPSTREAM_SEEDED, run["upstream_run_id"], seeds),
        (_UPSTREAM_SEEDED, authority_id, seeds),
    ):
        for name in names:
            path = dataset(name).path
            if of_seeds:
                found += [path.format(run_id=run_id, seed=seed) for seed in of_seeds]
            else:
                found.append(path.format(run_id=run_id))
    return sorted(set(found))


def descriptors(root: Path, paths: Iterable[str]) -> list[dict[str, Any]]:
    """Resource descriptors of files below the runs root, in order of their names."""
    ledger = Ledger.of(root, (root / path for path in paths))
    return [{"name": path, "digest": {"sha256": sha}} for path, sha in ledger.digests.items()]


def dependencies(certificate: Json, receipts: Iterable[Json], lock_file: str) -> list[Json]:
    """Sealed inputs of every seed, policies, gates and the lock file, in order of their URIs."""
    found = {
        _LOCK_URI: lock_file,
        "file:config/gates.yaml": certificate["digests"]["gates"],
        **{f"policy:{name}": sha for name, sha in certificate["digests"]["policies"].items()},
    }
    for receipt in receipts:
        for asset, digest in receipt["sealed_inputs"].items():
            shared = not asset.startswith("upstream/")
            found[f"sealed:{asset}" if shared else f"sealed:seed={receipt['seed']}/{asset}"] = (
                digest
            )
    return [{"uri": uri, "digest": {"sha256": found[uri]}} for uri in sorted(found)]


def _authority_id(root: Path, certificate: Json) -> str:
    """Run id of the 1A run that the baseline of a certificate stands on."""
    tokens = {"run_id": certificate["baseline_run_id"], "seed": min(certificate["seeds"])}
    receipt = read_object("run_receipt", root / dataset("run_receipt").path.format(**tokens))
    return str(receipt["upstream_run_id"])


def statement(root: Path, certificate: Json, lock_file: str) -> dict[str, Any]:
    """The statement of a certificate.

    Parameters
    ----------
    root
        Runs root with the certificate, the certified run and its baseline.
    certificate
        The certificate as read.
    lock_file
        SHA-256 of the lock file of the libraries.

    Raises
    ------
    GovernanceError
        ``EG81`` a file that belongs to the release is gone.
    """
    run_id, seeds = certificate["run"]["run_id"], sorted(certificate["seeds"])

    def of_seeds(name: str) -> list[str]:
        return [dataset(name).path.format(run_id=run_id, seed=seed) for seed in seeds]

    receipts = [read_object("run_receipt", root / path) for path in of_seeds("run_receipt")]
    subjects = [dataset("segment1b_p5_certification").path, *of_seeds("site_locations")]
    try:
        subject = descriptors(root, subjects)
        made = descriptors(root, byproduct_paths(certificate, _authority_id(root, certificate)))
    except OSError as error:
        raise GovernanceError(
            "EG81", error.filename, f"cannot be read ({error.strerror})", "run certify again"
        ) from None
    verdict = certificate["verdict"]
    return {
        "_type": STATEMENT_TYPE,
        "subject": subject,
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "candidate": certificate["run"]["name"],
                    "posture": certificate["run"]["posture"],
                    "seeds": seeds,
                    "required_seeds": certificate["required_seeds"],
                    "minimum_grade": verdict["minimum_grade"],
                    "parameter_hash": certificate["parameter_hash"],
                },
                "internalParameters": {
                    "rule_versions": certificate["rule_versions"],
                    "libraries": certificate["libraries"],
                    "manifest_fingerprint": certificate["manifest_fingerprint"],
                    "verdict": {key: verdict[key] for key in ("grade", "release")},
                },
                "resolvedDependencies": dependencies(certificate, receipts, lock_file),
            },
            "runDetails": {"builder": {"id": BUILDER}, "byproducts": made},
        },
    }


def byproducts(found: Json) -> list[Json]:
    """Byproducts of a statement."""
    return list(found["predicate"]["runDetails"]["byproducts"])


def lock_file_digest(found: Json) -> str:
    """Digest of the lock file that a statement names (``EG82`` when it names none)."""
    for entry in found["predicate"]["buildDefinition"]["resolvedDependencies"]:
        if entry["uri"] == _LOCK_URI:
            return str(entry["digest"]["sha256"])
    raise GovernanceError("EG82", "attestation", f"names no {LOCK_FILE}", "one dependency of it")


def pre_authentication(payload: bytes) -> bytes:
    """The bytes that a DSSE signature is over: types and lengths, then the payload."""
    kind = PAYLOAD_TYPE.encode("ascii")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _openssl(*arguments: str, where: object, rule: str) -> bytes:
    try:
        result = subprocess.run(
            ["openssl", *arguments], capture_output=True, check=False, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        raise GovernanceError(
            "EG83", "openssl", f"cannot be started ({error.strerror})", "OpenSSL 1.1.1 or later"
        ) from None
    if result.returncode != 0:
        said = (result.stderr or result.stdout).decode(errors="replace").strip().splitlines()
        raise GovernanceError("EG84", where, f"{rule} ({said[-1] if said else 'openssl'})", "")
    return result.stdout


def key_id(public_key: Path) -> str:
    """SHA-256 of a public key's DER form."""
    form = _openssl(
        *("pkey", "-pubin", "-in", str(public_key), "-outform", "DER"),
        where=public_key,
        rule="is no public key",
    )
    return hashlib.sha256(form).hexdigest()


def sign(payload: bytes, private_key: Path) -> dict[str, Any]:
    """Envelope of a statement's bytes, signed with an Ed25519 key (``EG83``, ``EG84``)."""
    with tempfile.TemporaryDirectory() as folder:
        message, public = Path(folder, "message"), Path(folder, "public.pem")
        message.write_bytes(pre_authentication(payload))
        rule, key = "is no Ed25519 private key that can sign", str(private_key)
        public.write_bytes(_openssl("pkey", "-in", key, "-pubout", where=private_key, rule=rule))
        signature = _openssl(
            *("pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", str(message)),
            where=private_key,
            rule=rule,
        )
        keyid = key_id(public)
    if len(signature) != 64:
        raise GovernanceError("EG84", private_key, "is no Ed25519 key", "openssl genpkey ...")
    return {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode("ascii"),
        "signatures": [{"keyid": keyid, "sig": base64.b64encode(signature).decode("ascii")}],
    }


def _payload(envelope: Json) -> bytes:
    try:
        return base64.b64decode(envelope["payload"], validate=True)
    except ValueError:
        raise GovernanceError("EG85", "envelope", "payload is not base64", "a DSSE one") from None


def payload_digest(envelope: Json) -> str:
    """SHA-256 of the statement inside an envelope."""
    return hashlib.sha256(_payload(envelope)).hexdigest()


def verify_envelope(envelope: Json, public_key: Path, where: object) -> None:
    """Hold an envelope against a public key.

    Raises
    ------
    GovernanceError
        ``EG85`` another payload type, or no base64; ``EG86`` no signature of this key;
        ``EG84`` a signature that does not verify.
    """
    if envelope["payloadType"] != PAYLOAD_TYPE:
        raise GovernanceError(
            "EG85", where, f"payload type {envelope['payloadType']!r}", PAYLOAD_TYPE
        )
    keyid = key_id(public_key)
    mine = [s["sig"] for s in envelope["signatures"] if s["keyid"] == keyid]
    if not mine:
        raise GovernanceError("EG86", where, f"holds no signature of key {keyid}", "that key's")
    with tempfile.TemporaryDirectory() as folder:
        message, signature = Path(folder, "message"), Path(folder, "signature")
        message.write_bytes(pre_authentication(_payload(envelope)))
        for text in mine:
            try:
                signature.write_bytes(base64.b64decode(text, validate=True))
            except ValueError:
                raise GovernanceError("EG85", where, "signature is not base64", "") from None
            _openssl(
                *("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", str(public_key)),
                *("-sigfile", str(signature), "-in", str(message)),
                where=where,
                rule=f"signature of key {keyid} does not verify",
            )
