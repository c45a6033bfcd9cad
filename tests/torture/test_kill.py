"""Killed anywhere: the same command once more, and every published file is what it would be."""

import shutil
import signal

import numpy as np
import pytest

from tests.torture import worlds
from tests.torture.record import record
from tests.torture.worlds import Blow

# Start to DAG takes about 2 s and a job about 1 s: blows fall before, between and inside jobs.
EARLIEST_S, LATEST_S = 0.3, 9.0


def resume_until_done(world, rng, blow, limit):
    """Strike, start again, strike again, ... until a start ends by itself.

    Returns the published files that were there after each blow, the status and the words of the
    last start.
    """
    blows = []
    while len(blows) < limit:
        status = worlds.struck(world, rng.uniform(EARLIEST_S, LATEST_S), blow)
        if status is not None:
            return blows, status, worlds.output(world)
        blows.append(len(worlds.published(world)))
    result = worlds.finish(world)
    return blows, result.returncode, result.stdout + result.stderr


def strike_often(folder, reference, blow, total, seed):
    """Blows on one fresh world after another; how many there were and how many were survived."""
    rng = np.random.default_rng(seed)
    made = worlds.template(folder / "template")
    blows = survived = trees = 0
    faults, files = [], []
    while blows < total:
        world = worlds.fresh(made, folder / "world")
        after, status, said = resume_until_done(world, rng, blow, total - blows)
        count = len(after)
        files.append(after)
        found = worlds.published(world)
        differing = sorted(k for k in {*found, *reference} if found.get(k) != reference.get(k))
        if status == 0 and not differing:
            survived += count
        else:
            faults.append({"status": status, "differing": differing[:5], "said": said[-1500:]})
        blows, trees = blows + count, trees + 1
    return blows, survived, {"trees": trees, "files_after_blows": files, "faults": faults}


@pytest.mark.torture
@pytest.mark.parametrize(
    ("name", "blow", "total"),
    [
        ("kill: SIGKILL of the group", Blow(), 50),
        ("kill: SIGKILL of the workflow, its jobs live on", Blow(group=False), 10),
        ("kill: SIGTERM of the group", Blow(signal.SIGTERM), 10),
        ("kill: Ctrl-C (SIGINT of the group)", Blow(signal.SIGINT), 10),
    ],
    ids=["group", "alone", "term", "int"],
)
def test_recovers_from_every_blow(certified_world, tmp_path, name, blow, total):
    reference = worlds.published(certified_world)
    blows, survived, details = strike_often(tmp_path, reference, blow, total, seed=17)
    record(
        name,
        blows,
        survived,
        "blows at random moments of `certify`, then the same command: every published file "
        "byte-identical to an undisturbed run",
        **details,
    )
    assert survived == blows, details


def test_recovers_from_two_kills(certified_world, tmp_path):
    reference = worlds.published(certified_world)
    world = tmp_path / "world"
    shutil.copytree(certified_world, world, symlinks=True)
    worlds.undo_jitter(world)
    assert worlds.struck(world, 4.0, Blow()) is None
    assert worlds.struck(world, 3.0, Blow(group=False)) is None
    result = worlds.finish(world)
    assert result.returncode == 0, (result.stdout + result.stderr)[-3000:]
    assert worlds.published(world) == reference
