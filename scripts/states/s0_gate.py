"""S0: no PASS, no read.

Proves the upstream bundle (index, digests, ``_passed.flag``) and the freeze-guard verdict before
any upstream table is opened, then seals every input of the run with its digest: reference
snapshot, upstream tables, contracts, and the user's own polygons and raster where there are
any. ``manifest_fingerprint`` is the digest of that list. Asset ids and paths are relative, so the
seal is the same on every machine.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.contracts import CONTRACTS, write_object
from scripts.entry import run
from scripts.errors import StateError
from scripts.geo import snapshot
from scripts.records.bundle import verify_bundle
from scripts.records.identity import CONTRACTS_SEALED, OWN_INPUTS, manifest_fingerprint
from scripts.tables import file_digest, read_json

REFERENCE = {
    "countries": snapshot.COUNTRIES,
    "facts": snapshot.FACTS,
    "places": snapshot.PLACES,
    "land_cover": snapshot.LAND_COVER,
    "manifest": snapshot.MANIFEST,
    "outlet_density": snapshot.OUTLET_DENSITY,
    "outlet_statistics": snapshot.OUTLET_STATISTICS,
    "outlet_samples": snapshot.OUTLET_SAMPLES,
}
_OWN = ("polygons", "raster", "raster_cells", "raster_report")


def require_guard(path: str, upstream_id: str, seed: int, catalogue_digest: str) -> None:
    """Refuse an upstream run that the freeze guard did not pass, or passed on other tables.

    Raises
    ------
    StateError
        ``E010`` verdict not PASS; ``E011`` the verdict is about another run or other tables.
    """
    guard = read_json(path)
    if guard.get("status") != "PASS":
        regressed = ", ".join(guard.get("regressed_B_metrics") or [])
        raise StateError(
            "E010",
            path,
            f"freeze guard says {guard.get('status')}: {regressed or guard.get('reason')}",
            "an upstream run that the freeze guard accepts",
        )
    digests = guard.get("candidate", {}).get("inputs", {}).get(str(seed), {})
    if guard.get("run_id") != upstream_id or digests.get("outlet_catalogue") != catalogue_digest:
        raise StateError(
            "E011",
            path,
            f"does not judge run {upstream_id} seed {seed} as it stands",
            "delete the verdict and run again",
        )


def assets(
    reference: Mapping[str, str],
    upstream: Mapping[str, str],
    own: Mapping[str, str | Sequence[str]],
) -> dict[str, str]:
    """Files to seal by asset id; of the user's ``own``, those that there are."""
    return {
        **{f"reference/{name}": path for name, path in reference.items()},
        **{f"upstream/{name}": path for name, path in upstream.items()},
        **{f"{OWN_INPUTS}{name}": str(path) for name, path in own.items() if path},
    }


def seal(files: Mapping[str, str], contracts: str) -> list[dict[str, str]]:
    """Asset id, file name and SHA-256 of every input, the contracts' by what they say, by id."""
    sealed = [
        {"asset_id": name, "path": Path(path).name, "sha256_hex": file_digest(path)}
        for name, path in files.items()
    ]
    sealed.append({"asset_id": CONTRACTS_SEALED, "path": CONTRACTS.name, "sha256_hex": contracts})
    return sorted(sealed, key=lambda entry: entry["asset_id"])


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``s0_gate``."""
    bundle = verify_bundle(Path(inputs.bundle_index).parent)
    require_guard(
        inputs.freeze_guard,
        params.upstream_id,
        int(wildcards.seed),
        file_digest(inputs.outlet_catalogue),
    )
    snapshot.verify_snapshot(Path(inputs.manifest).parent)
    sealed = seal(
        assets(
            {name: getattr(inputs, name) for name in REFERENCE},
            {
                "outlet_catalogue": inputs.outlet_catalogue,
                "candidate_set": inputs.candidate_set,
                "validation_bundle": inputs.bundle_flag,
            },
            {name: getattr(inputs, f"own_{name}") for name in _OWN},
        ),
        params.contracts,
    )
    write_object("sealed_inputs_1B", outputs.sealed_inputs, sealed)
    write_object(
        "s0_gate_receipt_1B",
        outputs.receipt,
        {
            "state": "S0",
            "upstream_run_id": params.upstream_id,
            "seed": int(wildcards.seed),
            "flag_sha256_hex": bundle,
            "freeze_guard": "PASS",
            "manifest_fingerprint": manifest_fingerprint(
                {entry["asset_id"]: entry["sha256_hex"] for entry in sealed}
            ),
            "sealed_inputs_total": len(sealed),
        },
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
