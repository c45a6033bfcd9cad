"""Bundles: index, digest and flag agree, and every way that they may not."""

import hashlib
import json

import pytest

from scripts.errors import GovernanceError
from scripts.records.bundle import (
    FLAG,
    INDEX,
    bundle_digest,
    verify_bundle,
    write_flag,
    write_index,
)


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "validation"
    (folder / "sub").mkdir(parents=True)
    (folder / "b.json").write_bytes(b"{}\n")
    (folder / "B.json").write_bytes(b"[]\n")
    (folder / "sub" / "a.json").write_bytes(b"1\n")
    write_index(folder, ["b.json", "B.json", "sub/a.json"])
    write_flag(folder)
    return folder


def _in_ascii_order(bundle):
    """Digest of the files of the bundle one after another."""
    parts = [(bundle / p).read_bytes() for p in ("B.json", "b.json", INDEX, "sub/a.json")]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def test_flag_is_the_digest_of_the_files_in_ascii_order(bundle):
    digest = _in_ascii_order(bundle)
    assert (bundle / FLAG).read_text() == f"sha256_hex = {digest}\n"
    assert verify_bundle(bundle) == bundle_digest(bundle) == digest


def test_a_bundle_without_a_trailing_newline_in_its_flag_verifies(bundle):
    (bundle / FLAG).write_text((bundle / FLAG).read_text().rstrip("\n"))
    verify_bundle(bundle)


def _edit(name, text):
    return lambda folder: (folder / name).write_text(text)


def _index(change):
    def edit(folder):
        rows = json.loads((folder / INDEX).read_text())
        change(rows)
        (folder / INDEX).write_text(json.dumps(rows))

    return edit


def test_files_stand_in_ascii_order_whatever_the_order_of_the_index(bundle):
    _index(lambda rows: rows.reverse())(bundle)
    assert bundle_digest(bundle) == _in_ascii_order(bundle)


@pytest.mark.parametrize(
    ("break_it", "code", "rule"),
    [
        (lambda f: (f / INDEX).unlink(), "EG20", "not readable"),
        (_edit(INDEX, "{}"), "EG21", "is not a list"),
        (_index(lambda r: r.append(dict(r[0], artifact_id="x"))), "EG21", "stands twice"),
        (_index(lambda r: r.append({"path": "x", "artifact_id": "b"})), "EG21", "stands twice"),
        (_index(lambda r: r[0].update(path="../b.json")), "EG21", "not plain and relative"),
        (_index(lambda r: r[0].update(path="/etc/x")), "EG21", "not plain and relative"),
        (_index(lambda r: r[0].update(path="a\\b")), "EG21", "not plain and relative"),
        (_index(lambda r: r.pop(2)), "EG21", "does not name itself"),
        (_edit("extra.json", "1"), "EG22", "is in no row of index.json"),
        (lambda f: (f / "b.json").unlink(), "EG22", "is absent but in index.json"),
        (_edit("b.json", "{ }"), "EG22", "has digest"),
        (lambda f: (f / FLAG).unlink(), "EG23", "cannot be read"),
        (_edit(FLAG, "passed\n"), "EG24", "is not a flag"),
        (_edit(FLAG, "sha256_hex = " + "0" * 64 + "\n\n"), "EG24", "is not a flag"),
        (_edit(FLAG, "sha256_hex = " + "0" * 64 + "\n"), "EG25", "names 0000"),
        (_index(lambda r: r[0].update(kind="other")), "EG25", "names"),
    ],
)
def test_a_broken_bundle_is_refused(bundle, break_it, code, rule):
    break_it(bundle)
    with pytest.raises(GovernanceError, match=rule) as caught:
        verify_bundle(bundle)
    assert caught.value.code == code
