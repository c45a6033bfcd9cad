"""Verify a run from its own records, offline, wherever it was copied.

    python -m scripts.verify RUN [--runs-root DIR] [--tree DIR] [--reference DIR] [--public-key PEM]

RUN is a run's folder, or its name or id below the runs root. One line a fault, with the file and
both digests, and exit status 1 when there is any. Needs this package, ``config/contracts`` and
the libraries, and nothing else: no Snakemake, no reference snapshot, no network.
``segment1b verify`` does the same under a configuration. What is looked at stands in
:mod:`scripts.governance.verification`.
"""

import argparse
import sys
from pathlib import Path

from scripts.errors import GovernanceError
from scripts.governance.verification import lines, verify
from scripts.records.identity import run_id


def folder_of(name: str, runs_root: Path | None) -> Path:
    """Folder of a run given by folder, id or name (``EG88`` when there is none)."""
    runs = (runs_root or Path()) / "segment_1B"
    for candidate in (Path(name), runs / name, runs / run_id("1B", name)):
        if candidate.is_dir():
            return candidate
    raise GovernanceError("EG88", name, "is no run folder, run id or name", "RUN")


def report(
    name: str,
    runs_root: Path,
    tree: Path | None,
    reference: Path | None,
    public_key: Path | None,
) -> tuple[list[str], bool]:
    """Lines of the report, and whether the run is free of faults."""
    folder = folder_of(name, runs_root)
    result = verify(folder, tree=tree, reference=reference, public_key=public_key)
    return lines(result, folder), not result.faults


def command(arguments: list[str] | None = None) -> int:
    """The command line; exit status 1 on any fault."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.verify", description="Verify a run from its own records, offline."
    )
    parser.add_argument("run", help="run folder, id or name")
    for option, purpose in (
        ("--runs-root", "where to look for a run id or name"),
        ("--tree", "source tree to hold policies, contracts, gates and locked files against"),
        ("--reference", "reference snapshot to hold against the sealed inputs"),
        ("--public-key", "Ed25519 public key (PEM) that must have signed the attestation"),
    ):
        parser.add_argument(option, type=Path, help=purpose)
    given = parser.parse_args(arguments)
    try:
        text, sound = report(
            given.run,
            runs_root=given.runs_root or Path("runs/fix-data-engine"),
            tree=given.tree,
            reference=given.reference,
            public_key=given.public_key,
        )
    except GovernanceError as error:
        print(f"GovernanceError: {error}", file=sys.stderr)
        return 1
    print("\n".join(text))
    return 0 if sound else 1


if __name__ == "__main__":
    raise SystemExit(command())
