"""Fork: a fresh run that shares its parent's finished states.

Every output of S0 to S8 that the parent has, and that its receipt lists, appears in the
child's folder as a hard link with its time kept (as a copy where the file system is another), and
Snakemake's record of how it was made is copied under the child's path. What the child's policies
change then runs again, and nothing else does. A link is never written through: Snakemake unlinks
an output before its job, and jobs publish by renaming a temporary file over the name.

``candidate.json`` in the child's folder lists what was inherited; the run receipts repeat what of
it is still shared.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scripts.contracts import read_object, write_object
from scripts.errors import GovernanceError
from scripts.governance.releases import share
from scripts.records.identity import run_id
from scripts.records.ledger import Ledger
from scripts.settings import Run
from scripts.snakemake_private import copy_record


def received(root: Path, receipts: Iterable[Path]) -> dict[str, str]:
    """Outputs that the parent's receipts list, with their digests, each held against the file.

    Raises
    ------
    GovernanceError
        ``EG72`` naming a file that is gone or is not what its receipt says.
    """
    ledger: dict[str, str] = {}
    for path in receipts:
        ledger.update(read_object("run_receipt", path)["outputs"])
    Ledger(root, ledger).verify("EG72", "its receipt", "finish the parent before it is forked")
    return dict(sorted(ledger.items()))


def check_names(segment: Path, child: Run, parent: str) -> None:
    """Refuse a fork onto its own name (``EG70``), onto a run that is there, or of one that is not.

    Parameters
    ----------
    segment
        ``segment_1B`` of the runs root.
    child
        The run to be made.
    parent
        Name of the run that it shares files with.
    """
    folder, origin = segment / child.run_id, segment / run_id("1B", parent)
    if child.name == parent:
        raise GovernanceError("EG70", "fork", f"{parent!r} is its own parent", "two names")
    if folder.exists():
        raise GovernanceError("EG71", folder, f"candidate {child.name!r} exists", "another name")
    if origin.is_symlink() or not list(origin.glob("seed=*/run_receipt.json")):
        raise GovernanceError("EG73", origin, f"run {parent!r} has no receipt", "a finished run")


def fork(root: Path, child: Run, parent: str) -> dict[str, Any]:
    """Lay out the child's folder; the record of the fork.

    Parameters
    ----------
    root
        Runs root, as Snakemake writes it in paths.
    child
        The run to be made.
    parent
        Name of the run that it shares files with.
    """
    segment, parent_id = root / "segment_1B", run_id("1B", parent)
    check_names(segment, child, parent)
    origin, folder = segment / parent_id, segment / child.run_id
    receipts = sorted(origin.glob("seed=*/run_receipt.json"))
    ledger = received(root, receipts)
    partial = segment / f".{child.run_id}.fork"
    shutil.rmtree(partial, ignore_errors=True)
    ways, inherited = set(), {}
    for relative, digest in ledger.items():
        if not relative.startswith(f"segment_1B/{parent_id}/"):
            continue  # Tiles, which runs share by their id.
        below = Path(relative).relative_to(f"segment_1B/{parent_id}")
        target = f"segment_1B/{child.run_id}/{below.as_posix()}"
        if not copy_record(str(root / relative), str(root / target), parent_id, child.run_id):
            continue
        ways.add(share(root / relative, partial / below))
        inherited[target] = digest
    if not inherited:
        raise GovernanceError(
            "EG74", origin, "Snakemake has no record of how it was made", "a run of this folder"
        )
    record = {
        "run_id": child.run_id,
        "name": child.name,
        "posture": child.posture.name,
        "parent": {"run_id": parent_id, "name": parent},
        "seeds": sorted(read_object("run_receipt", path)["seed"] for path in receipts),
        "shared_by": ways.pop() if len(ways) == 1 else "hard_link_and_copy",
        "inherited": inherited,
    }
    write_object("candidate_fork", partial / "candidate.json", record)
    partial.rename(folder)
    return record
