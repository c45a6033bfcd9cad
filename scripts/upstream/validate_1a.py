"""Rule ``validate_1a``: judge one seed and write its validation bundle, whatever the verdict."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.geo.snapshot import load_facts
from scripts.policies import load_policy
from scripts.records.bundle import write_index
from scripts.records.identity import CONTRACTS_SEALED, manifest_fingerprint, parameter_hash
from scripts.records.ledger import by_name
from scripts.tables import file_digest
from scripts.upstream.generator import draw_up
from scripts.upstream.prior import eligible_facts
from scripts.upstream.replay import replay
from scripts.upstream.tables_1a import ALL_TABLES, deciding_policies
from scripts.upstream.validation import EXTERNAL_ALPHA, validate

Origin = tuple[dict[str, Any] | None, dict[str, Any], float, dict[str, str]]


def builtin_origin(
    files: Mapping[str, str], facts: pa.Table, seed: int, merchants_total: int, policy_file: str
) -> Origin:
    """What a builtin world is held to; ``merchants_total`` overrides its policy unless zero.

    Returns
    -------
    Verdict on the chain run again, accounting of the uniforms, probability that a sound world is
    refused by the dispersion check, and the SHA-256 of what decided the world, by name.
    """
    policy = load_policy(policy_file)
    blueprint = draw_up(policy, facts, seed, merchants_total, policy_file)
    replayed, draws = replay(files, blueprint)
    policies = deciding_policies(policy_file, merchants_total)
    return replayed, draws, policy["evidence"]["test_alpha"], policies


def external_origin(source: Mapping[str, Any], seed: int) -> Origin:
    """The same for a world made elsewhere: nothing is run again, the record of its ingest tells."""
    draws = {"algorithm": "external", "seed": seed, "families": {}, "uniforms_total": 0}
    return None, draws, EXTERNAL_ALPHA, {"external_bundle": source["bundle_sha256"]}


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Bind the tables of a seed to the files of its bundle."""
    seed = int(wildcards.seed)
    files = {name: path for name, path in inputs.items() if name in ALL_TABLES}
    facts = load_facts(inputs.facts)
    policy = inputs.get("policy")
    replayed, draws, alpha, policies = (
        builtin_origin(files, facts, seed, params.merchants_total, policy)
        if policy
        else external_origin(read_object("external_source_1A", inputs.external_source), seed)
    )
    verdict = validate(files, eligible_facts(facts), seed, alpha, replayed)
    sealed = {"country_facts.csv": file_digest(inputs.facts), CONTRACTS_SEALED: params.contracts}
    write_object(
        "validation_summary_1A",
        outputs.summary,
        {"run_id": wildcards.run_id, "seed": seed, **verdict},
    )
    write_object("egress_checksums_1A", outputs.checksums, {"files": by_name(files.values())})
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
    members = [Path(path).name for path in outputs if path != outputs.index]
    write_index(Path(outputs.index).parent, members)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
