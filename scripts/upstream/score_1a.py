"""Rule ``score_1a``: scorecard of one seed of a run whose validation passed."""

from pathlib import Path
from typing import Any

from scripts.contracts import datasets, read_object, write_object
from scripts.entry import run
from scripts.geo.snapshot import load_facts
from scripts.policies import load_policy
from scripts.records.bundle import verify_bundle
from scripts.records.ledger import Ledger
from scripts.tables import file_digest, read_json
from scripts.upstream.prior import eligible_facts
from scripts.upstream.replay import StoredTables
from scripts.upstream.scorer import scorecard


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Prove the bundle and the tables that it seals, then score them."""
    bundle = Path(inputs.flag).parent
    digest = verify_bundle(bundle, inputs.flag)
    checksums = bundle / "egress_checksums.json"
    sealed = read_json(checksums)["files"]
    Ledger(bundle.parent, sealed).verify("EG26", checksums, "the table that was sealed")
    files = {
        name: path
        for name, path in inputs.items()
        if name in datasets() and datasets()[name].format == "parquet"
    }
    write_object(
        "segment1a_scorecard",
        outputs.scorecard,
        {
            "run_id": wildcards.run_id,
            "seed": int(wildcards.seed),
            "parameter_hash": read_object("parameter_hash_resolved_1A", inputs.parameter_hash)[
                "parameter_hash"
            ],
            "inputs": {
                "bands": file_digest(inputs.bands),
                "validation_bundle": digest,
                **{name: sealed[Path(path).name] for name, path in files.items()},
            },
            **scorecard(
                StoredTables(files),
                eligible_facts(load_facts(inputs.facts)),
                load_policy(inputs.bands),
            ),
        },
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
