"""What a start sweeps, and the locks that it meets."""

import errno
import os

import pytest

from scripts import root_lock
from scripts.errors import GovernanceError
from scripts.tables import is_temporary, write_text


def left_by_a_killed_writer(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.123.segment1b-tmp")
    temporary.write_text("half")
    return temporary


def test_a_writer_leaves_a_name_that_the_sweep_knows(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", lambda source, target: made.append(source))
    made = []
    write_text(tmp_path / "table.parquet", "whole")
    assert is_temporary(made[0])


def test_our_own_temporary_files_alone_are_swept(tmp_path):
    mine = left_by_a_killed_writer(tmp_path / "segment_1B/x/table.parquet")
    others = [
        tmp_path / "segment_1B/.editor.123.tmp",
        tmp_path / "segment_1B/.x.segment1b-tmp",
        tmp_path / "segment_1B/x/table.parquet.123.segment1b-tmp",
        left_by_a_killed_writer(tmp_path / "one/segment_1B/of_another_runs_root.parquet"),
        left_by_a_killed_writer(tmp_path / "notes/mine.txt"),
    ]
    for path in others:
        path.write_text("theirs")
    assert root_lock.sweep(tmp_path) == [mine]
    assert all(path.exists() for path in others)


def test_a_temporary_file_of_another_user_stays(tmp_path, monkeypatch):
    theirs = left_by_a_killed_writer(tmp_path / "segment_1B/table.parquet")
    monkeypatch.setattr(os, "geteuid", lambda: theirs.stat().st_uid + 1)
    assert root_lock.sweep(tmp_path) == []
    assert theirs.exists()


def test_one_folder_by_two_names_has_one_lock(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "link").symlink_to("runs")
    named = root_lock.lock_files(str(tmp_path / "runs"))
    assert root_lock.lock_files(str(tmp_path / "link")) == named
    assert root_lock.lock_files(str(tmp_path / "other/../runs/")) == named


def test_the_lock_file_of_another_user_is_named_in_one_line(tmp_path, monkeypatch):
    workflow, _ = root_lock.lock_files(str(tmp_path / "runs"))

    def denied(path, *_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(
        GovernanceError, match=rf"^EG92 {workflow}: .*delete another user's"
    ) as told:
        root_lock.take(str(tmp_path / "runs"))
    assert "\n" not in str(told.value)
