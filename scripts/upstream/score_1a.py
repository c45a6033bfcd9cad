"""Rule ``score_1a``: scorecard of one seed of a run whose validation passed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.policies import load_policy
from scripts.records.bundle import verify_bundle
from scripts.records.ledger import Ledger
from scripts.tables import file_digest, read_json
from scripts.upstream.scorer import scorecard
from scripts.upstream.tables_1a import ALL_TABLES


def verify_validated(files: Mapping[str, str], flag: Path) -> dict[str, str]:
    """SHA-256 of the bundle of a world that passed its validation, and of the tables it seals.

    Raises
    ------
    GovernanceError
        ``EG20`` to ``EG26`` bundle, flag or tables do not agree.
    """
    digest = verify_bundle(flag.parent)
    checksums = flag.parent / "egress_checksums.json"
    sealed = read_json(checksums)["files"]
    Ledger(flag.parent.parent, sealed).verify("EG26", checksums, "the table that was sealed")
    tables = {name: sealed[Path(path).name] for name, path in files.items()}
    return {"validation_bundle": digest, **tables}


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Bind the tables and the bundle of a seed to its scorecard."""
    files = {name: path for name, path in inputs.items() if name in ALL_TABLES}
    verified = verify_validated(files, Path(inputs.flag))
    bands = load_policy(inputs.bands)
    checks = read_object("validation_summary_1A", inputs.summary)["checks"]
    parameters = read_object("parameter_hash_resolved_1A", inputs.parameter_hash)
    write_object(
        "segment1a_scorecard",
        outputs.scorecard,
        {
            "run_id": wildcards.run_id,
            "seed": int(wildcards.seed),
            "parameter_hash": parameters["parameter_hash"],
            "inputs": {"bands": file_digest(inputs.bands), **verified},
            **scorecard(files, checks, bands),
        },
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
