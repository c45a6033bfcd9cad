"""Progress lines: seldom, in the log alone, and none outside a job."""

import pytest

from scripts import progress


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A job whose every item takes two seconds."""
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(progress, "_log", None)
    progress.begin(tmp_path / "s4.log")
    return tmp_path / "s4.log"


def test_a_line_every_few_seconds(job):
    assert list(progress.track("abcdefg", "letters", 7)) == list("abcdefg")
    assert job.read_text().splitlines() == ["letters: 2 of 7", "letters: 5 of 7"]


def test_a_new_run_of_the_job_starts_its_log_anew(job):
    list(progress.track("abcdefg", "letters", 7))
    progress.begin(job)
    assert not job.exists()


def test_outside_a_job_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "_log", None)
    monkeypatch.setattr(progress, "INTERVAL_S", 0.0)
    assert list(progress.track([1, 2], "items", 2)) == [1, 2]
    assert not list(tmp_path.iterdir())
