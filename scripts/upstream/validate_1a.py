"""Rule ``validate_1a``: judge one seed and write its validation bundle, whatever the verdict."""

import hashlib
from pathlib import Path
from typing import Any

from scripts.contracts import datasets, read_object, write_object
from scripts.entry import run
from scripts.geo.snapshot import load_facts
from scripts.policies import load_policy
from scripts.records.bundle import write_index
from scripts.records.identity import manifest_fingerprint, parameter_hash
from scripts.records.ledger import by_name
from scripts.tables import file_digest
from scripts.upstream.generator import draw_up
from scripts.upstream.prior import eligible_facts
from scripts.upstream.replay import StoredTables, replay
from scripts.upstream.validation import EXTERNAL_ALPHA, validate


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Validate a builtin world with a replay, or an external one by its tables alone."""
    seed = int(wildcards.seed)
    files = {name: path for name, path in inputs.items() if _is_table(name)}
    facts = load_facts(inputs.facts)
    policy_file = getattr(inputs, "policy", None)
    if policy_file:
        policy = load_policy(policy_file)
        blueprint = draw_up(policy, facts, seed, params.merchants_total, policy_file)
        replayed: dict[str, Any] | None
        replayed, draws = replay(files, blueprint)
        alpha = policy["evidence"]["test_alpha"]
        policies = by_name([policy_file])
        if params.merchants_total:
            override = str(params.merchants_total).encode("ascii")
            policies["config.upstream.merchants_total"] = hashlib.sha256(override).hexdigest()
    else:
        source = read_object("external_source_1A", inputs.external_source)
        replayed, alpha = None, EXTERNAL_ALPHA
        draws = {"algorithm": "external", "seed": seed, "families": {}, "uniforms_total": 0}
        policies = {"external_bundle": source["bundle_sha256"]}
    report = validate(StoredTables(files), eligible_facts(facts), seed, alpha, replayed)

    identity = {"run_id": wildcards.run_id, "seed": seed}
    contracts = by_name(inputs.contracts)
    sealed = {"country_facts.csv": file_digest(inputs.facts)}
    sealed |= {f"contracts/{name}": digest for name, digest in contracts.items()}
    folder = Path(outputs.index).parent
    write_object("validation_summary_1A", outputs.summary, {**identity, **report})
    write_object(
        "egress_checksums_1A",
        outputs.checksums,
        {"files": by_name(files.values())},
    )
    write_object("rng_accounting_1A", outputs.rng_accounting, draws)
    write_object(
        "parameter_hash_resolved_1A",
        outputs.parameter_hash,
        {
            "parameter_hash": parameter_hash(policies),
            "artifact_count": len(policies),
            "policies": policies,
        },
    )
    write_object(
        "manifest_fingerprint_resolved_1A",
        outputs.fingerprint,
        {
            "manifest_fingerprint": manifest_fingerprint(sealed),
            "artifact_count": len(sealed),
            "sealed_inputs": sealed,
        },
    )
    members = (
        outputs.summary,
        outputs.checksums,
        outputs.rng_accounting,
        outputs.parameter_hash,
        outputs.fingerprint,
    )
    write_index(folder, [Path(path).name for path in members])


def _is_table(name: str) -> bool:
    entry = datasets().get(name)
    return entry is not None and entry.format == "parquet"


if "snakemake" in globals():
    run(main, globals()["snakemake"])
