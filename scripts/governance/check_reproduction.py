"""Rule ``check_reproduction``: does a second fresh run of the same seed make the same files?

Every output of S0 to S8 of both runs is compared by the digest of its bytes; in JSON reports each
run's own id is read as a placeholder first, because it is the one thing that must differ.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scripts.contracts import write_object
from scripts.entry import run
from scripts.records.ledger import Ledger
from scripts.tables import file_digest


def contents(root: Path, paths: Iterable[str], run_id: str) -> Ledger:
    """Ledger of a run's files below its folder, its id in JSON reports read as a placeholder."""

    def digest(path: Path) -> str:
        if path.suffix != ".json":
            return file_digest(path)
        data = path.read_bytes().replace(run_id.encode(), b"{run_id}")
        return hashlib.sha256(data).hexdigest()

    return Ledger.of(root / "segment_1B" / run_id, paths, digest)


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Compare."""
    root = Path(params.runs_root)
    first = contents(root, inputs.outputs, wildcards.run_id)
    second = contents(root, inputs.witness, wildcards.witness_id)
    differing = first.differing(second)
    write_object(
        "segment1b_repro_check",
        outputs.check,
        {
            "phase": wildcards.phase.upper(),
            "run_id": wildcards.run_id,
            "witness_id": wildcards.witness_id,
            "seed": params.seed,
            "identical": bool(first.digests) and not differing,
            "differing": differing,
            "digests": first.digests,
        },
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
