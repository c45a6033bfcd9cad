"""What a workflow shows while it runs: failures once, in one line each, and how far it is.

A handler beside Snakemake's own, attached while the workflow is read. Once jobs run it keeps
Snakemake's default stream silent; the whole log stays in ``.snakemake/log``. With another logger
(``--logger``) or ``--verbose`` that one speaks, and only failures are added here.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from scripts.console import VIEW, counted, draws

STREAM = "DefaultStreamHandler"
NOTHING = "Nothing to be done"
_JOB_FAILED = ("non-zero exit status", "At least one job did not complete", "Exiting because")


@dataclass(frozen=True)
class Planned:
    """A job that will run: its rule, its seed or an empty text, and its log."""

    rule: str
    seed: str
    log: str

    @property
    def stage(self) -> str:
        """State of the rule (``S4``), or ``1A``; other rules share a stage."""
        first = self.rule.split("_")[0].upper()
        if len(first) == 2 and first[0] == "S" and first[1].isdigit():
            return first
        return "1A" if "1a" in self.rule.split("_") or "upstream" in self.rule else "records"

    def seconds(self) -> float | None:
        """What the job took when it ran last, by its log."""
        try:
            last = Path(self.log).read_text(encoding="utf-8").splitlines()[-1]
            return float(json.loads(last)["main_s"])
        except (OSError, ValueError, LookupError, TypeError):
            return None


@dataclass
class Course:
    """How far the jobs are, weighed by what each took when it ran last."""

    jobs: dict[int, Planned]
    done: set[int] = field(default_factory=set)
    began: float = field(default_factory=time.monotonic)
    weights: dict[int, float] = field(init=False)

    def __post_init__(self) -> None:
        known = {number: job.seconds() for number, job in self.jobs.items()}
        given = [seconds for seconds in known.values() if seconds is not None]
        usual = sum(given) / len(given) if given else 1.0
        # A job has a start of its own, also where its work takes no time.
        self.weights = {n: (usual if s is None else s) + 0.5 for n, s in known.items()}

    @property
    def share(self) -> float:
        """Part of the work that is done."""
        total = sum(self.weights.values())
        return sum(self.weights[n] for n in self.done if n in self.weights) / total if total else 1

    def line(self) -> str:
        """Jobs done, time gone, and time to go where one can tell."""
        gone = time.monotonic() - self.began
        text = f"{len(self.done)} of {len(self.jobs)} jobs, {clock(gone)} gone"
        share = self.share
        return f"{text}, about {clock(gone / share - gone)} to go" if 0.05 < share < 1.0 else text

    def table(self, by_seed: bool = True) -> tuple[list[str], list[list[str]]]:
        """Heads and rows of a table: done of planned jobs of every stage, seed by seed."""
        found: dict[tuple[str, str], tuple[int, int]] = {}
        for number, job in self.jobs.items():
            place = job.stage, job.seed if by_seed else ""
            done, planned = found.get(place, (0, 0))
            found[place] = (done + (number in self.done), planned + 1)
        seeds = sorted({seed for _, seed in found}, key=lambda seed: (seed == "", seed.zfill(20)))
        rows = [
            [
                stage,
                *("{}/{}".format(*found[stage, s]) if (stage, s) in found else "" for s in seeds),
            ]
            for stage in sorted({stage for stage, _ in found})
        ]
        return ["", *(f"seed {seed}" if seed else "all seeds" for seed in seeds)], rows


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


@dataclass(frozen=True)
class Failure:
    """A job that failed: its rule and seed, and what its log says of why."""

    rule: str
    seed: str
    lines: tuple[str, ...]
    log: str

    @property
    def job(self) -> str:
        """Rule, and seed where there is one."""
        return f"{self.rule} seed {self.seed}" if self.seed else self.rule

    def text(self) -> str:
        """The failure in one line, or one for each thing refused."""
        where = self.job
        said = self.lines or (f"ended without a word; log {self.log or 'none'}",)
        return "\n".join(f"FAIL {where}: {line}" for line in said)


def refusals(log: str) -> tuple[str, ...]:
    """Lines of refusal at the end of a job's log."""
    try:
        lines = Path(log).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    return tuple(line for line in lines[-100:] if _is_refusal(line))


def _is_refusal(line: str) -> bool:
    kind, colon, _ = line.partition(": ")
    return bool(colon) and kind.endswith("Error") and kind.isidentifier()


class Silence(logging.Filter):
    """Lets Snakemake's default stream speak until the workflow starts, then of its own faults."""

    def __init__(self) -> None:
        super().__init__()
        self.started = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is shown."""
        event = getattr(getattr(record, "event", None), "value", None)
        self.started = self.started or event == "workflow_started"
        text = str(record.msg)
        if record.levelno >= logging.WARNING:
            of_job = event in ("job_error", "group_error") or any(s in text for s in _JOB_FAILED)
            return not of_job
        return not self.started or text.startswith(NOTHING)


class View(logging.Handler):
    """Collects failures and shows progress.

    Parameters
    ----------
    stream
        Where failures and progress go.
    progress
        Whether progress is shown: live on a terminal, else a line each tenth of the work.
    """

    def __init__(self, stream: TextIO, progress: bool):
        super().__init__()
        self.stream, self.progress = stream, progress
        self.failures: list[Failure] = []
        self.course: Course | None = None
        self._live: Any = None
        self._told = 0

    def begin(self, jobs: dict[int, Planned]) -> None:
        """Show the jobs that will run from now on."""
        self.course = Course(jobs)
        if not self.progress or not jobs:
            return
        if draws(self.stream, os.environ):
            from rich.console import Console
            from rich.live import Live

            console = Console(file=self.stream)
            self._live = Live(
                console=console,
                transient=True,
                refresh_per_second=2,
                get_renderable=partial(self._grid, console),
            )
            self._live.start()
        else:
            self.tell(f"{counted(len(jobs), 'job')} to run")

    def tell(self, text: str) -> None:
        """Print lines above the progress."""
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, file=self.stream, flush=True)

    def end(self) -> None:
        """Take the progress away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def emit(self, record: logging.LogRecord) -> None:
        """Note what became of a job."""
        event = getattr(getattr(record, "event", None), "value", None)
        said = record.__dict__
        if event == "job_finished":
            self._finished(int(said["job_id"]))
        elif event == "job_error":
            self._failed(str(said["rule_name"]), int(said["jobid"]), said.get("log") or [])
        elif event == "group_error":
            for job in said["job_error_info"]:
                self._failed(str(job["rule_name"]), int(job["jobid"]), job.get("log") or [])

    def _finished(self, number: int) -> None:
        if self.course is None:
            return
        self.course.done.add(number)
        tenth = int(10 * self.course.share)
        if self.progress and self._live is None and tenth > self._told:
            self._told = tenth
            self.tell(self.course.line())

    def _failed(self, rule: str, number: int, logs: Iterable[str]) -> None:
        planned = self.course.jobs.get(number) if self.course else None
        log = next(iter(logs), "")
        failure = Failure(rule, planned.seed if planned else "", refusals(log), log)
        self.failures.append(failure)
        self.tell(failure.text())

    def _grid(self, console: Any) -> Any:
        """Stages by seeds as a table; without seeds where they do not fit side by side."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        course = self.course
        assert course is not None
        heads, rows = course.table()
        if sum(len(head) + 2 for head in heads) > console.width:
            heads, rows = course.table(by_seed=False)
        table = Table(box=None, pad_edge=False, header_style="")
        for head in heads:
            table.add_column(head, justify="right" if head else "left")
        for row in rows:
            table.add_row(*row)
        return Group(table, Text(course.line()))


def attach(output: Any, reads_logs: bool) -> View:
    """Attach a view to Snakemake's logger under its output settings.

    Parameters
    ----------
    output
        ``quiet`` and ``verbose`` of Snakemake.
    reads_logs
        Whether the logs of jobs are on this machine; jobs then leave the telling to the view.
    """
    logger = logging.getLogger("snakemake.logging")
    for handler in [h for h in logger.handlers if isinstance(h, View)]:
        logger.removeHandler(handler)
    quiet = {kind.name for kind in output.quiet or ()}
    own = next((h for h in logger.handlers if h.name == STREAM), None)
    speaks = own is not None and not output.verbose
    view = View(sys.stderr, progress=speaks and not quiet & {"ALL", "PROGRESS"})
    if own is not None and speaks:
        own.addFilter(Silence())
    logger.addHandler(view)
    if reads_logs:
        os.environ[VIEW] = "1"
    else:
        os.environ.pop(VIEW, None)
    return view
