"""An envelope over the attestation of what was verified, signed with a key of the user's."""

from collections.abc import Iterable
from pathlib import Path

from scripts.contracts import dataset_path, read_object, write_object
from scripts.errors import GovernanceError
from scripts.governance.envelope import private_key, sign
from scripts.governance.verification import refuse, verify
from scripts.governance.verification.view import SEGMENT


def sign_attestation(
    root: Path, key: Path, reference: Path, policies: Iterable[str] = ()
) -> list[str]:
    """Sign the attestation of a runs root whose records and files all hold; what to tell.

    ``policies`` are those of the configuration.

    Raises
    ------
    GovernanceError
        ``EG87`` the key is no file; ``EG89`` something is not what its record says.
    """
    if not key.is_file():
        raise GovernanceError("EG87", key, "is no file", "an Ed25519 private key (PEM)")
    attestation = dataset_path(root, "segment1b_p5_attestation")
    read_object("segment1b_p5_attestation", attestation)
    certificate = dataset_path(root, "segment1b_p5_certification")
    run_id = read_object("segment1b_p5_certification", certificate)["run"]["run_id"]
    folder = root / SEGMENT / run_id
    found = verify(folder, root=root, tree=Path(), reference=reference, policies=policies)
    refuse(found, run_id)
    envelope = sign(attestation.read_bytes(), private_key(key))
    path = dataset_path(root, "segment1b_p5_attestation_envelope")
    write_object("segment1b_p5_attestation_envelope", path, envelope)
    return [f"{path}: signed by key {envelope['signatures'][0]['keyid']}"]
