"""An envelope over the attestation, signed with a key of the user's."""

from pathlib import Path

from scripts.contracts import dataset_path, read_object, write_object
from scripts.errors import GovernanceError
from scripts.governance.envelope import private_key, sign


def sign_attestation(root: Path, key: Path) -> list[str]:
    """Sign the attestation of a runs root; what to tell.

    Raises
    ------
    GovernanceError
        ``EG87`` the key is no file.
    """
    if not key.is_file():
        raise GovernanceError("EG87", key, "is no file", "an Ed25519 private key (PEM)")
    attestation = dataset_path(root, "segment1b_p5_attestation")
    read_object("segment1b_p5_attestation", attestation)
    envelope = sign(attestation.read_bytes(), private_key(key))
    path = dataset_path(root, "segment1b_p5_attestation_envelope")
    write_object("segment1b_p5_attestation_envelope", path, envelope)
    return [f"{path}: signed by key {envelope['signatures'][0]['keyid']}"]
