"""Rule ``check_reproduction``: does a second fresh run of the same seed make the same files?

Every output of S0 to S8 of both runs is compared by the digest of its bytes; in JSON reports the
id of the folder, a run's or its tiles', is read as a placeholder first, because it is the one thing
that must differ.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scripts.contracts import write_object
from scripts.entry import run
from scripts.records.ledger import Ledger
from scripts.tables import file_digest

_ID = re.compile("([0-9a-f]{32})/")


def contents(segment: Path, paths: Iterable[str]) -> Ledger:
    """Ledger of a run's files and its tiles below 1B; ids of their folders are left out."""

    def digest(path: Path) -> str:
        if path.suffix != ".json":
            return file_digest(path)
        data = path.read_bytes()
        for identity in _ID.findall(path.relative_to(segment).as_posix()):
            data = data.replace(identity.encode(), b"{id}")
        return hashlib.sha256(data).hexdigest()

    found = Ledger.of(segment, paths, digest)
    return Ledger(segment, {_ID.sub("", path): made for path, made in found.digests.items()})


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Compare."""
    segment = Path(params.runs_root) / "segment_1B"
    first, second = contents(segment, inputs.outputs), contents(segment, inputs.witness)
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
