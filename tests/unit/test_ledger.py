"""The ledger: files below a folder, taken and held against the disk."""

import os

import pytest

from scripts.errors import GovernanceError
from scripts.records.ledger import LONGEST_PATH, Ledger, below
from scripts.tables import file_digest

A = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"  # sha256 of "a"


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "run"
    (root / "sub").mkdir(parents=True)
    (root / "a").write_text("a")
    (root / "sub/b").write_text("b")
    return root


def test_a_ledger_is_taken_by_path_below_its_folder(folder):
    ledger = Ledger.of(folder, [str(folder / "sub/b"), folder / "a"])
    assert list(ledger.digests) == ["a", "sub/b"]
    assert ledger.digests["a"] == A
    assert list(ledger.changes()) == []
    ledger.verify("EG33", "pin", "restore it")


def test_a_file_elsewhere_is_in_no_ledger(folder):
    with pytest.raises(GovernanceError, match=r"^EG27 .*is not below"):
        Ledger.of(folder / "sub", [folder / "a"])


def test_the_first_changed_file_is_named_with_both_digests(folder):
    ledger = Ledger.of(folder, [folder / "a", folder / "sub/b"])
    (folder / "a").write_text("c")
    (folder / "sub/b").write_text("c")
    now = file_digest(folder / "a")
    with pytest.raises(GovernanceError) as caught:
        ledger.verify("EG33", "pin", "restore it")
    assert str(caught.value) == f"EG33 {folder}/a: has digest {now}, pin says {A}; restore it"


@pytest.mark.parametrize(
    ("spoil", "now"),
    [
        (lambda file: None, "(no file)"),
        (lambda file: file.mkdir(), "(no file)"),
        (os.mkfifo, "(no file)"),
        (lambda file: file.symlink_to("sub/b"), "(a symbolic link)"),
    ],
)
def test_what_is_no_plain_file_is_a_change(folder, spoil, now):
    ledger = Ledger(folder, {"a": A})
    (folder / "a").unlink()
    spoil(folder / "a")
    (change,) = ledger.changes()
    assert change == (folder / "a", now, A)


def test_a_name_that_no_file_system_takes_is_a_change(folder):
    (change,) = Ledger(folder, {"n" * 300: A}).changes()
    assert change.now == "(File name too long)"


@pytest.mark.parametrize(
    "path",
    ["", "..", "../run/a", "sub/../a", "./a", "/etc/passwd", "sub//b", "sub/", "a\\b", "a\0", "a\n",
     "x/" * LONGEST_PATH + "x"],
)  # fmt: skip
def test_a_path_that_leaves_the_folder_is_refused(folder, path):
    with pytest.raises(GovernanceError, match=r"^EG27 ") as caught:
        Ledger(folder, {path: A}).verify("EG33", "pin", "")
    assert len(str(caught.value)) < 400


def test_a_link_that_leads_out_is_refused(folder):
    (folder.parent / "elsewhere").mkdir()
    (folder.parent / "elsewhere/a").write_text("a")
    (folder / "out").symlink_to(folder.parent / "elsewhere")
    with pytest.raises(GovernanceError, match=r"^EG27 .*leads out of"):
        below(folder, "out/a")
    (folder / "loop").symlink_to("loop")
    assert next(Ledger(folder, {"loop": A}).changes()).now == "(a symbolic link)"


def test_two_ledgers_differ_where_one_lacks_a_file_or_has_another(folder):
    whole = Ledger.of(folder, [folder / "a", folder / "sub/b"])
    other = Ledger(folder, {"a": A, "c": A})
    assert whole.differing(other) == other.differing(whole) == ["c", "sub/b"]
    assert whole.differing(whole) == []
