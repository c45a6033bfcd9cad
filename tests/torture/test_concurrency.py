"""Several workflows at once: one works, the others are refused cleanly, nothing is damaged."""

import os
import shutil
import subprocess
import sys
import time

import pytest

from scripts import root_lock
from scripts.errors import GovernanceError
from scripts.governance.verification import verify
from scripts.records.identity import run_id
from scripts.tables import read_json
from tests import small_world
from tests.torture import worlds
from tests.torture.environments import egress_digests
from tests.torture.record import record

HOLD = """
import sys, time
from scripts import root_lock
if sys.argv[1] == "take":
    root_lock.take(sys.argv[2])
else:
    root_lock.name_to_jobs(sys.argv[2])
    root_lock.hold_as_job()
print("held", flush=True)
time.sleep(60)
"""


def holder(function: str, root) -> subprocess.Popen[str]:
    """A process that holds a lock on a runs root."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, function, str(root)],
        cwd=small_world.REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A working folder with a runs root."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(root_lock, "_held", [])
    (tmp_path / "runs/root").mkdir(parents=True)
    yield tmp_path
    for handle in root_lock._held:
        os.close(handle)


def test_a_living_owner_is_respected_and_a_dead_one_is_not(workplace):
    process = holder("take", workplace / "runs/root")
    named = rf"EG90 runs/root: is in use by process {process.pid} on \S+ since [\d-]+ [\d:]+;"
    with pytest.raises(GovernanceError, match=named):
        root_lock.take("runs/root")
    end(process)
    root_lock.take("runs/root")


def test_jobs_that_outlive_their_workflow_are_waited_for_and_swept_after(workplace):
    left = workplace / "runs/root/segment_1B/.table.parquet.123.segment1b-tmp"
    left.parent.mkdir()
    left.write_text("half")
    process = holder("hold_as_job", workplace / "runs/root")
    with pytest.raises(GovernanceError, match="EG91"):
        root_lock.take("runs/root", wait_s=0.3)
    assert left.exists()
    end(process)
    for handle in root_lock._held:
        os.close(handle)
    root_lock._held.clear()
    root_lock.take("runs/root", wait_s=5)
    assert not left.exists()


@pytest.mark.parametrize("root", [".", "runs/root/", "./runs/root", "/"])
def test_lock_files_lie_beside_any_runs_root(workplace, root):
    workflow, jobs = root_lock.lock_files(root)
    assert workflow.is_absolute()
    assert workflow != jobs
    assert workflow.parent.is_dir()
    if "root" in root:
        assert root_lock.lock_files("runs/root") == (workflow, jobs)


def test_two_runs_roots_do_not_meet(workplace):
    process = holder("take", workplace / "runs/other")
    root_lock.take("runs/root")
    end(process)


@pytest.mark.torture
def test_everybody_at_once(certified_world, tmp_path):
    reference = worlds.published(certified_world)
    rounds, held, faults = worlds.share(5), 0, []
    for number in range(rounds):
        world = tmp_path / f"world{number}"
        shutil.copytree(certified_world, world, symlinks=True)
        worlds.undo_jitter(world)
        as_kid = ("kid", "--parent", "baseline", "--config", "posture=baseline")
        targets = {
            "first": ("snakemake", "certify"),
            "second": ("snakemake", "certify"),
            "fork": ("scripts.cli", "fork", *as_kid),
            "prune": ("scripts.cli", "prune", "--execute"),
        }
        started = {}
        for name, (program, *arguments) in targets.items():
            started[name] = worlds.start(world, *arguments, log=f"{name}.log", program=program)
            time.sleep(0.3 * number)
        statuses = {name: process.wait(worlds.LIMIT_S) for name, process in started.items()}
        said = {name: worlds.output(world, f"{name}.log") for name in targets}
        clean = all(
            status == 0 or ("EG90" in said[name] and "Traceback" not in said[name])
            for name, status in statuses.items()
        )
        result = worlds.finish(world)
        found = worlds.published(world)
        kid = run_id("1B", "kid")
        of_fork = {path for path in found if path.startswith(f"segment_1B/{kid}/")}
        differ = {path for path, _ in found.items() ^ reference.items()} - of_fork
        # The set of locks tells of runs that nothing names, and of nothing else.
        locks, before = (read_json(one / worlds.LOCK_SET) for one in (world, certified_world))
        own = {"superseded_runs": [kid], "seal": locks["seal"]}
        if of_fork and locks == before | own:
            differ -= {worlds.LOCK_SET.relative_to(worlds.RUNS).as_posix()}
        if clean and 0 in statuses.values() and result.returncode == 0 and not differ:
            held += 1
        else:
            faults.append({"statuses": statuses, "differ": sorted(differ), "said": {
                name: text[-600:] for name, text in said.items()}})  # fmt: skip
        shutil.rmtree(world)
    record(
        "concurrency: one tree",
        rounds,
        held,
        "two `certify`, a `fork` and a `prune` started in one tree, at once or 0.3 s to 1.2 s "
        "apart: each ends well or is refused in one line, then `certify` ends with identical files",
        faults=faults,
    )
    assert held == rounds, faults


def verified(root, candidate):
    """A run without a fault; its faults else."""
    return verify(root / "segment_1B" / run_id("1B", candidate)).faults


@pytest.mark.torture
def test_two_candidates_at_once(certified_world, tmp_path):
    """Each makes its own 1A and all else; what they place does not depend on their names."""
    pinned = egress_digests(certified_world)
    world = small_world.build(tmp_path / "world")
    names = ("one", "two")
    started = [
        worlds.start(
            world, "certify", "--config", f"candidate={name}", f"runs_root=runs/{name}",
            log=f"{name}.log",
        )
        for name in names
    ]  # fmt: skip
    statuses = [process.wait(worlds.LIMIT_S) for process in started]
    held, faults = 0, []
    for name, status in zip(names, statuses, strict=True):
        root = world / "runs" / name
        said = worlds.output(world, f"{name}.log")[-1500:]
        if status != 0:
            faults.append({"name": name, "status": status, "said": said})
            continue
        wrong = verified(root, name)
        alike = egress_digests(world, root / "segment_1B" / run_id("1B", name)) == pinned
        held += not wrong and alike
        if wrong or not alike:
            faults.append({"name": name, "alike": alike, "wrong": wrong[:3], "said": said})
    record(
        "concurrency: two candidates",
        2,
        held,
        "`certify` of two candidates at once in one tree, each with a `runs_root` of its own: both "
        "end, `verify` finds no fault and their sites are those of an undisturbed run",
        faults=faults,
    )
    assert held == 2, faults
