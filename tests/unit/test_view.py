"""What a running workflow shows: each failure once, progress, nothing of Snakemake's own."""

import io
import logging
from types import SimpleNamespace

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from scripts import view
from scripts.view import Course, Planned, Silence, View


def record(level, text, event=None, **said):
    made = logging.LogRecord("snakemake.logging", level, "", 0, text, (), None)
    if event:
        made.event = event
    made.__dict__.update(said)
    return made


@pytest.fixture
def shown(tmp_path):
    """A view on no terminal over one job of two seeds, and what it told."""
    made = View(io.StringIO(), progress=True)
    jobs = {n: Planned("s4_alloc_plan", str(seed), str(tmp_path / f"{seed}.log"))
            for n, seed in enumerate((7, 42))}  # fmt: skip
    made.begin(jobs)
    return made


def failed(number, log):
    return record(logging.ERROR, "Error in rule", LogEvent.JOB_ERROR,
                  rule_name="s4_alloc_plan", jobid=number, log=[log])  # fmt: skip


def test_a_failure_is_the_refusal_in_its_log(shown, tmp_path):
    (tmp_path / "42.log").write_text("countries: 2 of 7\nStateError: E401 a: b; c\n")
    shown.emit(failed(1, str(tmp_path / "42.log")))
    assert shown.stream.getvalue().endswith(
        "FAIL s4_alloc_plan seed 42: StateError: E401 a: b; c\n"
    )
    assert [f.job for f in shown.failures] == ["s4_alloc_plan seed 42"]


def test_a_job_that_was_killed_names_its_log(shown, tmp_path):
    log = tmp_path / "7.log"
    log.write_text("countries: 2 of 7\n")
    shown.emit(failed(0, str(log)))
    assert f"ended without a word; log {log}" in shown.stream.getvalue()


def test_progress_is_told_a_tenth_at_a_time(shown):
    for number in (0, 1):
        shown.emit(record(logging.INFO, "done", LogEvent.JOB_FINISHED, job_id=number))
    told = shown.stream.getvalue().splitlines()
    assert told[0] == "2 jobs to run"
    assert [line.split(",")[0] for line in told[1:]] == ["1 of 2 jobs", "2 of 2 jobs"]


def test_the_time_to_go_follows_what_jobs_took_before(tmp_path):
    slow, fast = tmp_path / "slow.log", tmp_path / "fast.log"
    slow.write_text('{"cpu_s": 1, "main_s": 98.5}\n')
    fast.write_text('{"main_s": 0.5}\n')
    course = Course({0: Planned("s6", "7", str(slow)), 1: Planned("s8", "7", str(fast))})
    course.done.add(1)
    assert course.share == pytest.approx(0.01)
    course.done.add(0)
    assert course.share == 1.0


@pytest.mark.parametrize(
    ("rule", "stage"),
    [
        ("s4_alloc_plan", "S4"),
        ("generate_1a", "1A"),
        ("scorecard", "records"),
        ("site_map", "records"),
    ],
)
def test_stages(rule, stage):
    assert Planned(rule, "", "").stage == stage


def test_snakemake_speaks_until_the_workflow_starts_and_then_of_its_own_faults():
    keep = Silence().filter
    assert keep(record(logging.INFO, "Report created"))
    assert not keep(record(logging.INFO, "started", LogEvent.WORKFLOW_STARTED))
    assert not keep(record(logging.INFO, "Provided cores: 2", LogEvent.RESOURCES_INFO))
    assert not keep(failed(0, ""))
    assert not keep(record(logging.ERROR, "Command ... returned non-zero exit status 1."))
    assert keep(record(logging.ERROR, "MissingInputException in rule x"))
    assert keep(record(logging.WARNING, "clock skew"))


@pytest.mark.parametrize(
    ("quiet", "verbose", "progress"),
    [((), False, True), (("ALL",), False, False), (("RULES",), False, True), ((), True, False)],
)
def test_who_is_silent(monkeypatch, quiet, verbose, progress):
    logger = logging.getLogger("snakemake.logging")
    own = logging.StreamHandler(io.StringIO())
    own.name = view.STREAM
    monkeypatch.setattr(logger, "handlers", [own])
    monkeypatch.setenv("SEGMENT_1B_VIEW", "")
    named = [SimpleNamespace(name=kind) for kind in quiet]
    made = view.attach(SimpleNamespace(quiet=named, verbose=verbose), reads_logs=True)
    assert made.progress is progress
    assert bool(own.filters) is not verbose
    assert logger.handlers == [own, made]
