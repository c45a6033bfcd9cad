"""A clock that is set back: between two starts, while a workflow works, and for a whole run.

A library that is compiled here (``clock.c``) and loaded before any other gives every process the
clock of an offset that a file says, and stamps with it what Snakemake touches; files that were made
before keep their times.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts import root_lock
from scripts.errors import GovernanceError
from tests.certified import timeline
from tests.small_world import REPOSITORY
from tests.torture import worlds
from tests.torture.record import record

HOUR_S, DAY_S = 3600, 86400
# This project's line before anything runs, or Snakemake's when the clock changes under its feet.
REFUSALS = re.compile(
    r"EG94 \S+: is \d+ s later than the clock|has older modification time .* than"
)


class Clock:
    """A clock with an offset that can be set while processes live by it."""

    def __init__(self, folder):
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            pytest.skip("no C compiler is on this machine to make a clock that can be set")
        self.library, self.offset = folder / "clock.so", folder / "offset"
        subprocess.run(
            [
                compiler,
                "-shared",
                "-fPIC",
                "-o",
                self.library,
                REPOSITORY / "tests/torture/clock.c",
            ],
            check=True,
        )
        self.environment = {"LD_PRELOAD": str(self.library), "CLOCK_OFFSET": str(self.offset)}

    def set(self, offset_s):
        """Set the clock, and give the environment of processes that live by it."""
        whole = self.offset.with_name("offset.new")
        whole.write_text(f"{offset_s}\n")
        whole.replace(self.offset)
        return self.environment


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path)


def refused(result):
    """One named refusal and no traceback."""
    said = result.stdout
    return result.returncode == 1 and bool(REFUSALS.search(said)) and "Traceback" not in said


def same(result, world, reference):
    """A good end with the published files of an undisturbed run."""
    return result.returncode == 0 and worlds.published(world) == reference


def set_back_between(done, world, clock, offset_s):
    """Half of a run, then the clock is set back, then set right."""
    worlds.half_done(done, world, timeline(done).whole_s / 2)
    before = worlds.published(world)
    result = worlds.finish(world, settings=clock.set(offset_s))
    yield f"refused, {offset_s} s", refused(result) and "EG94" in result.stdout, result
    yield f"nothing changed, {offset_s} s", worlds.published(world) == before, result
    result = worlds.finish(world, settings=clock.set(0))
    yield f"identical after {offset_s} s", same(result, world, worlds.published(done)), result


def set_back_at_work(done, world, clock, offset_s):
    """A run whose clock is set back half-way; then, as it is, and with the clock right."""
    worlds.half_done(done, world, 0.0)
    process = worlds.start(world, "certify", settings=clock.set(0))
    time.sleep(timeline(done).whole_s / 2)
    settings = clock.set(offset_s)
    status = process.wait(worlds.LIMIT_S)
    result = subprocess.CompletedProcess([], status, worlds.output(world), "")
    yield f"refused at work, {offset_s} s", refused(result), result
    result = worlds.finish(world, settings=settings)
    yield f"refused again, {offset_s} s", refused(result), result
    result = worlds.finish(world, settings=clock.set(0))
    yield f"identical after work, {offset_s} s", same(result, world, worlds.published(done)), result


def in_the_past(done, world, clock):
    """A whole run on a clock of a quarter of a century ago; its inputs have no such times."""
    worlds.half_done(done, world, 0.0)
    offset_s = -25 * 365 * DAY_S
    result = worlds.finish(world, settings=clock.set(offset_s))
    yield "refused in the past", refused(result) and "EG94" in result.stdout, result
    for path in (world, *world.rglob("*")):
        times = path.lstat()
        moved = [t + offset_s * 10**9 for t in (times.st_atime_ns, times.st_mtime_ns)]
        os.utime(path, ns=(moved[0], moved[1]), follow_symlinks=False)
    result = worlds.finish(world, settings=clock.set(offset_s))
    yield "identical in the past", same(result, world, worlds.published(done)), result


def test_inputs_later_than_the_clock_are_refused_and_others_are_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, ahead_s in (("old", -DAY_S), ("new", 0), ("later", HOUR_S), ("latest", DAY_S)):
        Path(name).write_text("x")
        moment = time.time() + ahead_s
        os.utime(name, (moment, moment))
    Path("runs").mkdir()
    root_lock.lock_files("runs/root")[0].write_text("")
    root_lock.refuse_later_files("runs/root", ["gone", "new", "old"])
    root_lock.refuse_later_files("runs/root", [])
    with pytest.raises(GovernanceError, match=r"EG94 latest: is 86\d+ s later .* of 2 files"):
        root_lock.refuse_later_files("runs/root", ["later", "latest", "new", "old"])


def test_a_clock_set_back_is_seen_and_refused_by_name(tmp_path, clock, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "input"
    path.write_text("x")
    program = (
        "from scripts import root_lock\n"
        "root_lock.take('runs/root')\n"
        "root_lock.refuse_later_files('runs/root', ['gone', 'input'])\n"
    )
    said = {}
    for offset_s in (0, -HOUR_S):
        said[offset_s] = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, **clock.set(offset_s), "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert said[0].returncode == 0, said[0].stderr
    assert re.search(r"EG94 input: is 3\d{3} s later than the clock", said[-HOUR_S].stderr)


@pytest.mark.torture
def test_a_clock_set_back(certified_world, tmp_path, clock):
    world = tmp_path / "world"
    cases = [
        *set_back_between(certified_world, world, clock, -3 * DAY_S),
        *set_back_at_work(certified_world, world, clock, -2 * HOUR_S),
        *in_the_past(certified_world, world, clock),
    ]
    faults = {name: result.stdout[-1500:] for name, held, result in cases if not held}
    record(
        "clock set back",
        len(cases),
        len(cases) - len(faults),
        "clock of all processes set back 3 days between the first half of `certify` and the "
        "second, 2 hours while it works, and 25 years for a whole run: refused in a named line "
        "(`EG94` before anything runs) and nothing damaged; with the clock, or the times of the "
        "inputs, right again, the same command ends with identical files",
        cases=[name for name, _, _ in cases],
        faults=faults,
    )
    assert not faults
