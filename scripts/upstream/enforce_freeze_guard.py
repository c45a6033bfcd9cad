"""Rule ``enforce_freeze_guard``: no promotion of a 1A run that the guard did not pass."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.errors import UpstreamError
from scripts.records.bundle import verify_bundle
from scripts.tables import file_digest
from scripts.upstream.freeze_guard import judge_files


def enforce(
    run_id: str,
    guard_path: str,
    certification: str,
    scorecards: Sequence[str],
    flags: Sequence[str],
    bands: str,
) -> dict[str, Any]:
    """Receipt of a guard file that says PASS and says what judging its inputs again says.

    Raises
    ------
    UpstreamError
        ``EU30`` the verdict is FAIL; ``EU31`` the file is stale: certification, scorecards, bands
        or validation bundles are no longer those it judged.
    """
    guard = read_object("segment1a_freeze_guard", guard_path)
    if guard["status"] != "PASS":
        regressed = ", ".join(guard["regressed_B_metrics"])
        raise UpstreamError(
            "EU30",
            guard_path,
            f"freeze guard FAIL, {guard['reason']}"
            + (f"; regressed: {regressed}" * bool(regressed)),
            "a candidate that keeps the authority's posture",
        )
    if guard != judge_files(run_id, certification, scorecards, bands):
        raise UpstreamError(
            "EU31", guard_path, "does not judge its inputs as they stand", "run freeze_guard again"
        )
    sealed = {entry["validation_bundle"] for entry in guard["candidate"]["inputs"].values()}
    present = {verify_bundle(Path(flag).parent) for flag in flags}
    if present != sealed:
        raise UpstreamError(
            "EU31", guard_path, "judged other validation bundles", "score and guard again"
        )
    return {
        "run_id": run_id,
        "guard_sha256": file_digest(guard_path),
        "certification_sha256": file_digest(certification),
        "scorecards": {seed: e["scorecard"] for seed, e in guard["candidate"]["inputs"].items()},
    }


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Bind a verdict and what it judged to the receipt that promotions ask for."""
    write_object(
        "segment1a_freeze_guard_accepted",
        outputs.accepted,
        enforce(
            wildcards.run_id,
            inputs.guard,
            inputs.certification,
            inputs.scorecards,
            inputs.flags,
            inputs.bands,
        ),
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
