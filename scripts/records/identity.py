"""Names and digests that say which run this is.

* ``run_id``: 32 hexadecimal characters from a run's name and lineage, so that the same name always
  is the same folder. It never enters a published table.
* ``parameter_hash``: SHA-256 over the (name, digest) pairs of every policy.
* ``manifest_fingerprint``: SHA-256 over the (name, digest) pairs of every sealed input.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

# Prefix of a user's own inputs in the sealed list; a run that has any is no shipped release.
OWN_INPUTS = "own/"
# Sealed name of the contracts; its digest is of what they say, not of the file.
CONTRACTS_SEALED = "contracts/contracts.yaml"


def run_id(segment: str, name: str, lineage: str = "") -> str:
    """Folder name of a run: SHA-256 of segment, name and lineage, first 32 characters."""
    text = "\0".join((segment, name, lineage))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:32]


def combined_digest(digests: Mapping[str, str]) -> str:
    """SHA-256 over length-prefixed (name, digest) pairs, sorted by name."""
    total = hashlib.sha256()
    for name in sorted(digests):
        encoded = name.encode("utf-8")
        total.update(len(encoded).to_bytes(4, "little") + encoded + bytes.fromhex(digests[name]))
    return total.hexdigest()


def parameter_hash(policies: Mapping[str, str]) -> str:
    """Combined digest of the policies: name to SHA-256."""
    return combined_digest(policies)


def manifest_fingerprint(sealed: Mapping[str, str]) -> str:
    """Combined digest of the sealed inputs: name to SHA-256."""
    return combined_digest(sealed)
