"""The run receipt: what a run is, what it obeyed and a digest of everything it made.

One file per seed holds the run's name, posture and lineage, ``parameter_hash`` over all policies,
``manifest_fingerprint`` over all sealed inputs, the versions of the rules, and the ledger of the
SHA-256 of every output of S0 to S8. Paths are relative to the runs root, or to the repository for
policies.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.contracts import read_object, write_object
from scripts.contracts.measured import MEASURED_ON, recorded_name
from scripts.entry import run
from scripts.errors import ScoreError
from scripts.records.identity import parameter_hash
from scripts.records.ledger import Ledger, by_name
from scripts.tables import read_json


def still_shared(fork: Mapping[str, Any], ledger: Mapping[str, str]) -> dict[str, Any]:
    """The parent of a fork, and the outputs that are still those it inherited."""
    shared = [path for path, digest in ledger.items() if fork["inherited"].get(path) == digest]
    return {**fork["parent"], "outputs": sorted(shared)}


def verify_outputs(receipts: Sequence[Mapping[str, Any]], made: Ledger) -> None:
    """Hold the outputs of a run as they are now against the ledgers of all its receipts.

    Parameters
    ----------
    receipts
        Run receipts; ``outputs`` maps a path below the runs root to a SHA-256.
    made
        The same of the files as they are now.

    Raises
    ------
    ScoreError
        ``ES20`` a file that no receipt lists, ``ES21`` a file that is not what its receipt says,
        ``ES22`` a listed file that is not among them.
    """
    for receipt in receipts:
        for path, digest in sorted(receipt["outputs"].items()):
            now = made.digests.get(path)
            if now is None:
                raise ScoreError(
                    "ES22",
                    path,
                    "stands in the receipt but was not re-hashed",
                    "a file of the run; delete the receipt, and its rule makes it again",
                )
            if now != digest:
                raise ScoreError(
                    "ES21",
                    path,
                    f"has digest {now}, its receipt says {digest}",
                    "delete the file and let its state run again",
                )
    listed = {path for receipt in receipts for path in receipt["outputs"]}
    unlisted = sorted(set(made.digests) - listed)
    if unlisted:
        raise ScoreError(
            "ES20",
            unlisted[0],
            "stands in no run receipt",
            "delete the receipts of the run, and their rule makes them again",
        )


def refuse_other_sources(records: Mapping[str, Any], known: Mapping[str, str]) -> None:
    """Hold what the states' records were measured on against what the receipt lists.

    Parameters
    ----------
    records
        Records of the run by their paths.
    known
        SHA-256 of policies, sealed sources and outputs by their names in records.

    Raises
    ------
    ScoreError
        ``ES25`` a state obeyed another policy, or read another file, than stands there now.
    """
    for path, record in sorted(records.items()):
        stamp = record.get(MEASURED_ON) if isinstance(record, Mapping) else None
        for name, digest in sorted(stamp["files"].items() if stamp else ()):
            if known.get(name, digest) != digest:
                raise ScoreError(
                    "ES25",
                    path,
                    f"was measured on {name} with digest {digest}, it has {known[name]}",
                    "start again: the state runs with it as it is now",
                )


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``run_receipt``."""
    sealed = read_object("sealed_inputs_1B", inputs.sealed_inputs)
    gate = read_object("s0_gate_receipt_1B", inputs.gate_receipt)
    policies = by_name(inputs.policies)
    ledger = Ledger.of(params.runs_root, inputs.outputs).digests
    fork = read_object("candidate_fork", inputs.fork) if inputs.fork else None
    made = {recorded_name(path, wildcards.run_id): sha for path, sha in ledger.items()}
    sources = {entry["path"]: entry["sha256_hex"] for entry in sealed}
    records = {path: read_json(path) for path in inputs.outputs if path.endswith(".json")}
    refuse_other_sources(records, sources | policies | made)
    write_object(
        "run_receipt",
        outputs.receipt,
        {
            "run_id": wildcards.run_id,
            "name": params.run["name"],
            "posture": params.run["posture"],
            "upstream_run_id": params.run["upstream_id"],
            "upstream_kind": params.run["upstream_kind"],
            "tiles_id": params.run["tiles_id"],
            "seed": int(wildcards.seed),
            "parameter_hash": parameter_hash(policies),
            "manifest_fingerprint": gate["manifest_fingerprint"],
            "policies": policies,
            "sealed_inputs": {entry["asset_id"]: entry["sha256_hex"] for entry in sealed},
            "rule_versions": dict(params.versions),
            "outputs": ledger,
            **({"inherited": still_shared(fork, ledger)} if fork else {}),
        },
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
