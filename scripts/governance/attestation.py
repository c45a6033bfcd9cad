"""The attestation of a certificate: an in-toto Statement v1 with an SLSA provenance v1 predicate.

Subjects are the ``site_locations`` of every seed and the certificate, ``resolvedDependencies``
the inputs that S0 sealed, the policies, the gates and the lock file of the libraries; byproducts
are the files that the certificate rests on and does not list itself. No clock, host or path of a
machine is in it, so the same release has the same statement everywhere.

A signature is optional, see :mod:`scripts.governance.envelope`.

Formats: in-toto.io/Statement/v1, slsa.dev/provenance/v1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scripts.contracts import dataset, read_object
from scripts.errors import GovernanceError
from scripts.records.ledger import Ledger

Json = Mapping[str, Any]

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
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
_OF_TILES = ("fidelity_cells", "fidelity_points", "people_width", "near_urban_cells")
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


def byproduct_paths(certificate: Json, authority_id: str, tiles: Iterable[str]) -> list[str]:
    """Paths below the runs root of the byproducts of a certificate, sorted.

    ``authority_id`` is the run id of the 1A authority, which the baseline stands on; ``tiles`` are
    the ids of the tiles of the certified run and of the baseline.
    """
    run, seeds = certificate["run"], certificate["seeds"]
    paths = {dataset(name).path for name in _SINGLE}
    paths |= {dataset(name).path.format(tiles_id=i) for i in tiles for name in _OF_TILES}
    for names, run_id, of_seeds in (
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
                paths.update(path.format(run_id=run_id, seed=seed) for seed in of_seeds)
            else:
                paths.add(path.format(run_id=run_id))
    return sorted(paths)


def descriptors(root: Path, paths: Iterable[str]) -> list[dict[str, Any]]:
    """Resource descriptors of files below the runs root, in order of their names."""
    ledger = Ledger.of(root, (root / path for path in paths))
    return [{"name": path, "digest": {"sha256": sha}} for path, sha in ledger.digests.items()]


def dependencies(certificate: Json, receipts: Iterable[Json], lock_file: str) -> list[Json]:
    """Sealed inputs of every seed, policies, gates and the lock file, in order of their URIs."""
    policies = certificate["digests"]["policies"]
    uris = {
        _LOCK_URI: lock_file,
        "file:config/gates.yaml": certificate["digests"]["gates"],
        **{f"policy:{name}": sha for name, sha in policies.items()},
    }
    for receipt in receipts:
        for asset, digest in receipt["sealed_inputs"].items():
            shared = not asset.startswith("upstream/")
            where = asset if shared else f"seed={receipt['seed']}/{asset}"
            uris[f"sealed:{where}"] = digest
    return [{"uri": uri, "digest": {"sha256": uris[uri]}} for uri in sorted(uris)]


def _byproducts(root: Path, certificate: Json) -> list[str]:
    """Byproducts of a certificate, by the receipts of its run and of the baseline."""

    def receipt(run_id: str) -> Json:
        path = dataset("run_receipt").path.format(run_id=run_id, seed=min(certificate["seeds"]))
        found: Json = read_object("run_receipt", root / path)
        return found

    run, baseline = map(receipt, (certificate["run"]["run_id"], certificate["baseline_run_id"]))
    tiles = (run["tiles_id"], baseline["tiles_id"])
    return byproduct_paths(certificate, baseline["upstream_run_id"], tiles)


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
        made = descriptors(root, _byproducts(root, certificate))
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
                    "upstream_kind": certificate["run"]["upstream_kind"],
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


def byproducts(statement: Json) -> list[Json]:
    """Byproducts of a statement."""
    return list(statement["predicate"]["runDetails"]["byproducts"])


def lock_file_digest(statement: Json) -> str:
    """Digest of the lock file that a statement names (``EG82`` when it names none)."""
    for entry in statement["predicate"]["buildDefinition"]["resolvedDependencies"]:
        if entry["uri"] == _LOCK_URI:
            return str(entry["digest"]["sha256"])
    raise GovernanceError("EG82", "attestation", f"names no {LOCK_FILE}", "one dependency of it")
