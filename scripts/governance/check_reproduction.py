"""Rule ``check_reproduction``: does a second fresh run of the same seed make the same files?

Every output of S0 to S8 of both runs is compared by the digest of its bytes; in JSON reports each
run's own id is read as a placeholder first, because it is the one thing that must differ.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.contracts import write_object
from scripts.entry import run


def contents(root: Path, paths: Sequence[str], run_id: str) -> dict[str, str]:
    """SHA-256 of each file of a run by its path below the run's folder."""
    found = {}
    for path in sorted(paths):
        data = Path(path).read_bytes()
        if path.endswith(".json"):
            data = data.replace(run_id.encode(), b"{run_id}")
        relative = Path(path).relative_to(root / "segment_1B" / run_id).as_posix()
        found[relative] = hashlib.sha256(data).hexdigest()
    return found


def compare(first: dict[str, str], second: dict[str, str]) -> list[str]:
    """Paths that one run lacks or that differ."""
    return sorted(p for p in {*first, *second} if first.get(p) != second.get(p))


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Compare."""
    root = Path(params.runs_root)
    first = contents(root, inputs.outputs, wildcards.run_id)
    second = contents(root, inputs.witness, wildcards.witness_id)
    differing = compare(first, second)
    write_object(
        "segment1b_repro_check",
        outputs.check,
        {
            "phase": wildcards.phase.upper(),
            "run_id": wildcards.run_id,
            "witness_id": wildcards.witness_id,
            "seed": params.seed,
            "identical": bool(first) and not differing,
            "differing": differing,
            "digests": first,
        },
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
