"""Signatures: a DSSE envelope (Dead Simple Signing Envelope 1.0) with an Ed25519 key in PEM form.

The key id is the SHA-256 of the public key's DER form. Format: github.com/secure-systems-lab/dsse.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from scripts.errors import GovernanceError
from scripts.tables import read_bytes

Json = Mapping[str, Any]

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def private_key(path: Path) -> Ed25519PrivateKey:
    """An Ed25519 private key that is not encrypted (``EG84`` for anything else)."""
    try:
        key = load_pem_private_key(read_bytes(path), None)
    except (OSError, TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise GovernanceError(
            "EG84", path, f"is no private key that can sign ({error})", "an Ed25519 key in PEM form"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise GovernanceError(
            "EG84", path, "is no Ed25519 key", "openssl genpkey -algorithm ed25519 -out KEY.pem"
        )
    return key


def public_key(path: Path) -> Ed25519PublicKey:
    """An Ed25519 public key (``EG84`` for anything else)."""
    try:
        key = load_pem_public_key(read_bytes(path))
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise GovernanceError(
            "EG84", path, f"is no public key ({error})", "an Ed25519 key in PEM form"
        ) from None
    if not isinstance(key, Ed25519PublicKey):
        raise GovernanceError(
            "EG84", path, "is no Ed25519 key", "openssl pkey -in KEY.pem -pubout -out KEY.pub.pem"
        )
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """SHA-256 of a public key's DER form."""
    form = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(form).hexdigest()


def pre_authentication(payload: bytes) -> bytes:
    """The bytes that a DSSE signature is over: types and lengths, then the payload."""
    kind = PAYLOAD_TYPE.encode("ascii")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def sign(payload: bytes, key: Ed25519PrivateKey) -> dict[str, Any]:
    """Envelope of a statement's bytes."""
    signature = key.sign(pre_authentication(payload))
    return {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode("ascii"),
        "signatures": [
            {
                "keyid": key_id(key.public_key()),
                "sig": base64.b64encode(signature).decode("ascii"),
            }
        ],
    }


def _decoded(text: str, what: str, where: object) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise GovernanceError("EG85", where, f"{what} is not base64", "sign again") from None


def payload_of(envelope: Json, where: object) -> bytes:
    """Bytes of the statement in an envelope (``EG85``: another type of payload, no base64)."""
    if envelope["payloadType"] != PAYLOAD_TYPE:
        raise GovernanceError(
            "EG85", where, f"payload type {envelope['payloadType']!r}", PAYLOAD_TYPE
        )
    return _decoded(envelope["payload"], "payload", where)


def verify_signature(envelope: Json, key: Ed25519PublicKey, where: object) -> None:
    """Hold every signature of a key against the statement in an envelope.

    Raises
    ------
    GovernanceError
        ``EG85`` as :func:`payload_of`; ``EG86`` no signature of this key; ``EG83`` a signature
        that does not verify.
    """
    keyid, message = key_id(key), pre_authentication(payload_of(envelope, where))
    mine = [entry["sig"] for entry in envelope["signatures"] if entry["keyid"] == keyid]
    if not mine:
        raise GovernanceError(
            "EG86", where, f"holds no signature of key {keyid}", "an envelope that it signed"
        )
    for text in mine:
        try:
            key.verify(_decoded(text, "signature", where), message)
        except InvalidSignature:
            raise GovernanceError(
                "EG83", where, f"signature of key {keyid} does not verify", "sign again"
            ) from None
