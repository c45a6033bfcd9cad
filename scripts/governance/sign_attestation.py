"""Target ``sign``: an envelope over the attestation with a key of the user's."""

from pathlib import Path
from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.errors import GovernanceError
from scripts.governance.envelope import private_key, sign


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Sign."""
    path, key = Path(params.attestation), Path(params.signing_key)
    if not params.signing_key or not key.is_file():
        raise GovernanceError(
            "EG87", "sign", f"signing_key {params.signing_key!r} is no file", "signing_key=KEY.pem"
        )
    read_object("segment1b_p5_attestation", path)
    envelope = sign(path.read_bytes(), private_key(key))
    write_object("segment1b_p5_attestation_envelope", params.envelope, envelope)
    print(f"{params.envelope}: signed by key {envelope['signatures'][0]['keyid']}")


if "snakemake" in globals():
    run(main, globals()["snakemake"])
