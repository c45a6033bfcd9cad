"""Killed anywhere: the same command once more, and every published file is what it would be."""

import shutil
import signal
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from tests.certified import timeline
from tests.small_world import REPOSITORY
from tests.torture import worlds
from tests.torture.record import record
from tests.torture.worlds import Blow

# At most so long before the moment of its blow a workflow begins to work on a tree.
LEAD_S = 5.0
CHAINS = [
    ("kill: SIGKILL of the workflow, its jobs live on", Blow(group=False)),
    ("kill: SIGTERM of the group", Blow(signal.SIGTERM)),
    ("kill: Ctrl-C (SIGINT of the group)", Blow(signal.SIGINT)),
]


class Blows:
    """What became of the blows of one item; kept on file after each, so that a hang shows."""

    def __init__(self, item, planned, what, **details):
        self.item, self.planned, self.what, self.details = item, planned, what, details
        self.held, self.blows, self.faults = 0, [], []
        self.keep()

    def strike(self, world, moment_s, elapsed_s, blow):
        """Strike ``certify``: None and a note of the blow when it was hit, else its exit status.

        The note says at which moment of an undisturbed run it fell, at what stages, and what it
        left behind.
        """
        before = worlds.logs_of(world)
        try:
            status = worlds.struck(world, elapsed_s, blow)
        except subprocess.TimeoutExpired:
            self.faults.append({"goes on after the blow": worlds.output(world)[-1500:]})
            return -1
        if status is None:
            self.blows.append(
                {
                    "moment_s": round(moment_s, 2),
                    "at_work": worlds.at_work(world, before),
                    "left": worlds.left_behind(world),
                    "files": len(worlds.published(world)),
                }
            )
        elif status != 0:
            self.faults.append({"status": status, "said": worlds.output(world)[-1500:]})
        return status

    def survived(self, world, reference, status, said, count=1):
        """Count the blows of a tree whose files are those of an undisturbed run."""
        found = worlds.published(world)
        differing = sorted(k for k in {*found, *reference} if found.get(k) != reference.get(k))
        if status == 0 and not differing:
            self.held += count
        else:
            self.faults.append({"status": status, "differing": differing[:5], "said": said[-1500:]})
        self.keep()

    def keep(self):
        """Write the figures."""
        stages = Counter(stage for blow in self.blows for stage in blow["at_work"])
        left = Counter(kind for blow in self.blows for kind in blow["left"])
        fell = ", ".join(f"{stage} {count}" for stage, count in sorted(stages.items()))
        record(
            self.item,
            self.planned,
            self.held,
            f"{self.what}; at work when struck: {fell}",
            stages=stages,
            left_behind=left,
            blows=self.blows,
            faults=self.faults,
            **self.details,
        )


@pytest.mark.torture
def test_recovers_from_a_kill_at_any_moment(four_seed_world, tmp_path):
    reference = worlds.published(four_seed_world)
    time = timeline(four_seed_world)
    rng = np.random.default_rng(17)
    planned = worlds.share(50)
    blows = Blows(
        "kill: SIGKILL of the group",
        planned,
        "each on a tree of its own that no other blow has hit, at a moment drawn evenly from the "
        "whole length of a four-seed `certify` (the tree holds what an undisturbed run had made "
        f"at most {LEAD_S:g} s before), then one undisturbed start of the same command: every "
        "published file byte-identical to an undisturbed run",
        undisturbed_s=round(time.whole_s, 1),
    )
    drawn = 0
    while len(blows.blows) < planned and drawn < 3 * planned:
        drawn += 1
        moment = rng.uniform(0.2, time.whole_s)
        # What lies before is not made anew but taken from the undisturbed run, which saves time.
        begin = moment - rng.uniform(1.0, LEAD_S)
        if begin > time.startup_s:
            world = worlds.half_done(four_seed_world, tmp_path / "world", begin)
            elapsed = time.startup_s + moment - begin
        else:
            world = worlds.half_done(four_seed_world, tmp_path / "world", 0.0)
            elapsed = moment
        if blows.strike(world, moment, elapsed, Blow()) is not None:
            continue
        result = worlds.finish(world)
        blows.survived(world, reference, result.returncode, result.stdout + result.stderr)
    assert not blows.faults
    assert blows.held == planned


@pytest.mark.torture
@pytest.mark.parametrize(("name", "blow"), CHAINS, ids=["alone", "term", "int"])
def test_recovers_from_blow_after_blow(four_seed_world, tmp_path, name, blow):
    reference = worlds.published(four_seed_world)
    time = timeline(four_seed_world)
    rng = np.random.default_rng(18)
    planned = worlds.share(10)
    blows = Blows(
        name,
        planned,
        "blows at random moments of a four-seed `certify`, each start of the same command struck "
        "again and the last one left to end: every published file byte-identical to an "
        "undisturbed run",
    )
    while len(blows.blows) < planned and not blows.faults:
        world = worlds.half_done(four_seed_world, tmp_path / "world", 0.0)
        on_tree, before, status = 0, 0.0, None
        for moment in np.sort(rng.uniform(0.2, time.whole_s, planned - len(blows.blows))):
            # A start takes its time before it goes on, and does the work of the killed jobs again.
            again = rng.uniform(0, 3 * time.startup_s) if on_tree else 0.0
            status = blows.strike(world, moment, moment - before + again, blow)
            if status is not None:
                break
            on_tree, before = on_tree + 1, moment
        said = worlds.output(world)
        if status is None:
            result = worlds.finish(world)
            status, said = result.returncode, result.stdout
        blows.survived(world, reference, status, said, on_tree)
    assert not blows.faults
    assert blows.held == planned


@pytest.mark.slow
def test_recovers_from_one_blow_of_each_kind(certified_world, tmp_path):
    reference = worlds.published(certified_world)
    world = tmp_path / "world"
    shutil.copytree(certified_world, world, symlinks=True)
    worlds.undo_jitter(world)
    blows = [Blow(), Blow(group=False), Blow(signal.SIGTERM), Blow(signal.SIGINT)]
    for after_s, blow in zip((4.0, 3.0, 2.5, 2.5), blows, strict=True):
        # A fast machine may end before a later blow.
        assert worlds.struck(world, after_s, blow) in (None, 0)
    result = worlds.finish(world)
    assert result.returncode == 0, (result.stdout + result.stderr)[-3000:]
    assert worlds.published(world) == reference


ENDS_BESIDE = """
import os, signal, threading, time
from scripts import snakemake_private
lock, ended = threading.Lock(), threading.Event()

def end(*args):
    with lock:
        ended.set()

signal.signal(signal.SIGTERM, end)
snakemake_private.handle_sigterm_in_thread()
with lock:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.1)
    assert not ended.is_set()
assert ended.wait(10)
"""


def test_a_sigterm_waits_for_no_lock_of_the_main_thread():
    subprocess.run([sys.executable, "-c", ENDS_BESIDE], cwd=REPOSITORY, check=True, timeout=30)
