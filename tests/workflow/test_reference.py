"""The rule that rebuilds the reference snapshot, with a stub in place of the interpreter."""

import pytest

from scripts.geo.snapshot import DATA_FILES
from tests import small_world

# Copies the snapshot that it is given; says how it was called.
STUB = """#!/bin/sh
shift 2
echo "$@"
while [ $# -gt 0 ]; do
    case $1 in
        --output) output=$2; shift ;;
        --outlets) outlets=$2; shift ;;
    esac
    shift
done
cp "$outlets"/* "$output"
"""


@pytest.mark.parametrize("update", [False, True])
def test_a_rebuilt_snapshot_lies_below_the_runs_root_alone(tmp_path, update):
    """Also one that is to be new: the snapshot in force stays until somebody replaces it."""
    world = small_world.build(tmp_path / "a world")
    stub = tmp_path / "a stub"
    stub.write_text(STUB, encoding="utf-8")
    stub.chmod(0o755)
    shipped = world / "resources/reference"
    before = {path.name: path.read_bytes() for path in shipped.iterdir()}
    build = f"reference_build={{python: '{stub}', update: {str(update).lower()}}}"
    run = small_world.snakemake(world, "build_reference", "--config", build, "runs_root=mine")
    assert run.returncode == 0, (run.stdout + run.stderr)[-3000:]
    assert {path.name: path.read_bytes() for path in shipped.iterdir()} == before
    rebuilt = world / "mine/reference"
    assert all((rebuilt / name).read_bytes() == before[name] for name in DATA_FILES)
    (log,) = (world / "mine/logs/reference").glob("*.log")
    assert ("--against resources/reference" in log.read_text(encoding="utf-8")) != update
