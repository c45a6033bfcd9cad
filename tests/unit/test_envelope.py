"""DSSE envelopes: one key, one statement, and what `openssl` says of both."""

import base64
import json
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from scripts.errors import GovernanceError
from scripts.governance.envelope import (
    key_id,
    payload_of,
    pre_authentication,
    private_key,
    public_key,
    sign,
    verify_signature,
)

STATEMENT = b'{"_type": "https://in-toto.io/Statement/v1"}\n'


def write_pair(folder, name, key, encryption=None):
    """The two PEM files of a key pair."""
    pem, form = Encoding.PEM, PrivateFormat.PKCS8
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    private.write_bytes(key.private_bytes(pem, form, encryption or NoEncryption()))
    spki = PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(pem, spki))
    return private, public


@pytest.fixture
def pair(tmp_path):
    return write_pair(tmp_path, "mine", Ed25519PrivateKey.generate())


def test_a_signature_holds_for_its_key_and_statement(pair):
    envelope = sign(STATEMENT, private_key(pair[0]))
    assert payload_of(envelope, "e") == STATEMENT
    verify_signature(envelope, public_key(pair[1]), "e")
    assert envelope == sign(STATEMENT, private_key(pair[0]))


def test_the_bytes_that_are_signed_are_those_of_the_format():
    kind = b"application/vnd.in-toto+json"
    assert pre_authentication(b"hello") == b"DSSEv1 28 " + kind + b" 5 hello"


def test_another_key_statement_or_type_is_refused(pair, tmp_path):
    other = Ed25519PrivateKey.generate()
    envelope = sign(STATEMENT, private_key(pair[0]))
    mine = public_key(pair[1])
    changes = {
        "EG86": {"signatures": sign(STATEMENT, other)["signatures"]},
        "EG83": {"payload": base64.b64encode(STATEMENT + b" ").decode()},
        "EG85": {"payloadType": "text/plain"},
    }
    for code, change in changes.items():
        with pytest.raises(GovernanceError, match=f"^{code} "):
            verify_signature({**envelope, **change}, mine, "e")
    with pytest.raises(GovernanceError, match=r"^EG85 .*not base64"):
        verify_signature({**envelope, "payload": "%"}, mine, "e")
    forged = {"keyid": key_id(mine), "sig": sign(STATEMENT, other)["signatures"][0]["sig"]}
    for signatures in ([forged], [*envelope["signatures"], forged]):
        with pytest.raises(GovernanceError, match=r"^EG83 .*does not verify"):
            verify_signature({**envelope, "signatures": signatures}, mine, "e")


def test_only_ed25519_keys_in_pem_form_sign_and_verify(pair, tmp_path):
    curve = write_pair(tmp_path, "curve", ec.generate_private_key(ec.SECP256R1()))
    locked = write_pair(
        tmp_path, "locked", Ed25519PrivateKey.generate(), BestAvailableEncryption(b"secret")
    )
    (tmp_path / "no.pem").write_text("no key\n")
    for path in (curve[0], locked[0], tmp_path / "no.pem", tmp_path / "gone.pem", pair[1]):
        with pytest.raises(GovernanceError, match=r"^EG84 "):
            private_key(path)
    for path in (curve[1], tmp_path / "no.pem", tmp_path / "gone.pem", pair[0]):
        with pytest.raises(GovernanceError, match=r"^EG84 "):
            public_key(path)


def openssl(*arguments):
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True).stdout


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not on this machine")
def test_openssl_makes_keys_and_checks_signatures_as_the_docs_say(tmp_path):
    private, public = tmp_path / "key.pem", tmp_path / "key.pub.pem"
    openssl("genpkey", "-algorithm", "ed25519", "-out", private)
    openssl("pkey", "-in", private, "-pubout", "-out", public)
    envelope = json.loads(json.dumps(sign(STATEMENT, private_key(private))))
    (signature,) = envelope["signatures"]
    (tmp_path / "signature").write_bytes(base64.b64decode(signature["sig"]))
    (tmp_path / "message").write_bytes(pre_authentication(base64.b64decode(envelope["payload"])))
    openssl(
        *("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", public),
        *("-sigfile", tmp_path / "signature", "-in", tmp_path / "message"),
    )
