"""Reading the workflow changes nothing on disk: dry runs, lists, lint, graphs, summaries."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from scripts import root_lock
from scripts.tables import file_digest
from tests import small_world

# What Snakemake itself writes when it only reads; its folders are made empty.
SNAKEMAKES_OWN = (".snakemake/iocache/latest.pkl", ".snakemake/log/")
LEFT_BY_A_KILL = {
    "runs/.fix-data-engine.lock": "process 1 on nowhere since 2000-01-01 00:00:00\n",
    "runs/.fix-data-engine.jobs.lock": "",
    "runs/fix-data-engine/segment_1B/.table.parquet.1.segment1b-tmp": "half",
    ".snakemake/locks/0.output.lock": "runs/fix-data-engine/segment_1B/x\n",
}


def tree(folder):
    """Digest and time of every file below a folder."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {
        name: (file_digest(path), path.stat().st_mtime_ns)
        for name, path in files.items()
        if path.is_file() and not name.startswith(SNAKEMAKES_OWN)
    }


@pytest.fixture(scope="module")
def killed_world(certified_world, tmp_path_factory):
    """A certified world with all that a killed workflow may leave."""
    world = tmp_path_factory.mktemp("parsed") / "world"
    shutil.copytree(certified_world, world, symlinks=True)
    for name, text in LEFT_BY_A_KILL.items():
        (world / name).parent.mkdir(parents=True, exist_ok=True)
        (world / name).write_text(text)
    small_world.snakemake(world, "--list")
    return world


@pytest.mark.parametrize(
    "arguments",
    [
        ("certify", "-n"),
        ("certify", "-n", "--config", "candidate=another"),
        ("p1", "-n"),
        ("--list",),
        ("--lint",),
        ("certify", "--dag"),
        ("certify", "--summary"),
    ],
    ids=" ".join,
)
def test_reading_the_workflow_changes_nothing(killed_world, arguments):
    before = tree(killed_world)
    result = small_world.snakemake(killed_world, *arguments)
    told = result.stdout + result.stderr
    # The linter has advice, which `make check` weighs.
    assert result.returncode == 0 or arguments == ("--lint",), told
    assert "Traceback" not in told
    assert tree(killed_world) == before


def test_a_second_start_is_refused_by_name(killed_world, monkeypatch):
    monkeypatch.setattr(root_lock, "_held", [])
    root_lock.take(str(killed_world / "runs/fix-data-engine"))
    before = tree(killed_world)
    result = small_world.snakemake(killed_world, "certify", "--quiet", "all")
    assert result.returncode == 1
    refusal = result.stderr.splitlines()[-1]
    assert refusal.startswith("GovernanceError: EG90 runs/fix-data-engine: is in use by process ")
    assert "unlock" not in result.stderr
    assert tree(killed_world) == before


def test_an_interrupt_while_the_workflow_is_read_is_one_line(tmp_path):
    small_world.copy_parts(tmp_path)
    halt, rules = tmp_path / "halt", tmp_path / "rules/common.smk"
    os.mkfifo(halt)
    text, first = rules.read_text(), "from scripts import entry"
    assert first in text
    rules.write_text(text.replace(first, f"Path({str(halt)!r}).read_bytes()\n{first}"))
    started = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "certify", "-n"],
        cwd=tmp_path,
        env=small_world.without_package(os.environ),
        stderr=subprocess.PIPE,
        text=True,
    )
    with halt.open("w"):  # waits until the workflow is at this line
        started.send_signal(signal.SIGINT)
        _, stderr = started.communicate()
    assert started.returncode == -signal.SIGINT
    assert "interrupted; the same command goes on from here" in stderr
    assert "Traceback" not in stderr
