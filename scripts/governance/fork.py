"""Target ``fork``: a fresh run that shares its parent's finished states.

Every output of S0 to S8 that the parent has, and that its receipt vouches for, appears in the
child's folder as a hard link with its time kept (as a copy where the file system is another), and
Snakemake's record of how it was made is copied under the child's path. What the child's policies
change then runs again, and nothing else does. A link is never written through: Snakemake unlinks
an output before its job, and jobs publish by renaming a temporary file over the name.

``candidate.json`` in the child's folder lists what was inherited; the run receipts repeat what of
it is still shared.
"""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scripts.console import say
from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.errors import GovernanceError
from scripts.governance import retention
from scripts.records.ledger import Ledger
from scripts.snakemake_private import METADATA, copy_record


def share(source: Path, target: Path) -> str:
    """Hard link of a file, or a copy with its times where links cannot reach; says which."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
        return "copy"
    return "hard_link"


def vouched(root: Path, receipts: Iterable[Path]) -> dict[str, str]:
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


def check_names(child: Path, parent: Path, name: str, parent_name: str) -> None:
    """Refuse a fork without names (``EG70``), onto a run that is there, or of one that is not."""
    if not name or not parent_name or name == parent_name:
        raise GovernanceError(
            "EG70",
            "fork",
            f"candidate {name!r}, parent {parent_name!r}",
            "two names: snakemake fork --config candidate=NAME parent=NAME2",
        )
    if child.exists():
        raise GovernanceError("EG71", child, f"candidate {name!r} exists", "another name")
    if parent.is_symlink() or not list(parent.glob("seed=*/run_receipt.json")):
        raise GovernanceError(
            "EG73", parent, f"run {parent_name!r} has no receipt", "a run that finished"
        )


def fork(root: Path, child: Mapping[str, str], parent: Mapping[str, str]) -> dict[str, Any]:
    """Lay out the child's folder; the record of the fork.

    Parameters
    ----------
    root
        Runs root, as Snakemake writes it in paths.
    child, parent
        ``run_id`` and ``name`` of both, and ``posture`` of the child.
    """
    segment = root / "segment_1B"
    origin, folder = segment / parent["run_id"], segment / child["run_id"]
    check_names(folder, origin, child["name"], parent["name"])
    receipts = sorted(origin.glob("seed=*/run_receipt.json"))
    ledger = vouched(root, receipts)
    renamed = {parent["run_id"]: child["run_id"]}
    partial = segment / f".{child['run_id']}.fork"
    shutil.rmtree(partial, ignore_errors=True)
    ways, inherited = set(), {}
    for relative, digest in ledger.items():
        below = Path(relative).relative_to(f"segment_1B/{parent['run_id']}")
        target = f"segment_1B/{child['run_id']}/{below.as_posix()}"
        if not copy_record(METADATA, str(root / relative), str(root / target), renamed):
            continue
        ways.add(share(root / relative, partial / below))
        inherited[target] = digest
    if not inherited:
        raise GovernanceError(
            "EG74", origin, "Snakemake has no record of how it was made", "a run of this folder"
        )
    record = {
        **{key: child[key] for key in ("run_id", "name", "posture")},
        "parent": {"run_id": parent["run_id"], "name": parent["name"]},
        "seeds": sorted(read_object("run_receipt", path)["seed"] for path in receipts),
        "shared_by": ways.pop() if len(ways) == 1 else "hard_link_and_copy",
        "inherited": inherited,
    }
    write_object("candidate_fork", partial / "candidate.json", record)
    partial.rename(folder)
    return record


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Prune check, then fork."""
    root = Path(params.runs_root)
    check_names(
        root / "segment_1B" / params.child["run_id"],
        root / "segment_1B" / params.parent["run_id"],
        params.child["name"],
        params.parent["name"],
    )
    kept = [*params.keep, params.parent["run_id"]]
    say(retention.prune(root, kept, params.prune_execute), params.quiet)
    record = fork(root, params.child, params.parent)
    shared = (
        f"{record['name']} ({record['run_id']}) shares {len(record['inherited'])} files with "
        f"{record['parent']['name']} by {record['shared_by'].replace('_', ' ')}"
    )
    say([shared], params.quiet)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
