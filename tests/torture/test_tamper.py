"""Two hundred single mutations of a certified and locked world."""

import shutil

import pytest

from scripts.governance.verification import verify
from tests import small_world
from tests.torture import tamper
from tests.torture.record import record

MUTATIONS = 200


@pytest.fixture(scope="module")
def locked_world(certified_world, tmp_path_factory):
    """The certified world after P1 was locked and certify said so again."""
    folder = tmp_path_factory.mktemp("tampered") / "world"
    shutil.copytree(certified_world, folder, symlinks=True)
    for arguments in (("lock", "--config", "phase=P1"), ("certify",)):
        result = small_world.snakemake(folder, *arguments, "--quiet", "rules")
        assert result.returncode == 0, (result.stdout + result.stderr)[-3000:]
    return folder


@pytest.mark.torture
def test_every_mutation_is_named(locked_world):
    assert not verify(
        locked_world / tamper.RELEASE,
        tree=locked_world,
        reference=locked_world / "resources/reference",
    ).faults
    missed = tamper.missed(locked_world, MUTATIONS, 2026)
    record(
        "tamper: verify",
        MUTATIONS,
        MUTATIONS - len(missed),
        "random single mutations with the file's times kept, each named by `verify`",
        missed=missed,
        kinds=[target.name for target in tamper.TARGETS],
    )
    assert not missed


@pytest.mark.torture
@pytest.mark.parametrize("target", tamper.TARGETS, ids=lambda target: target.name)
def test_certify_refuses_or_mends_what_was_changed(locked_world, target):
    """Times kept, so that only the records can tell; none of these ends in a wrong promotion."""
    import os

    import numpy as np

    rng = np.random.default_rng(3)
    files = sorted({p for x in target.patterns for p in locked_world.glob(x) if p.is_file()})
    path = files[int(rng.integers(len(files)))]
    data, times = path.read_bytes(), path.stat()
    target.mutate(path, rng)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    changed = path.read_bytes()
    result = small_world.snakemake(locked_world, "certify", "--quiet", "rules")
    mended = path.read_bytes() == data
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    said = result.stdout + result.stderr
    assert result.returncode == 1 or mended, f"{path} {changed == data}\n{said[-2000:]}"
    assert "Traceback" not in said
    again = small_world.snakemake(locked_world, "certify", "--quiet", "rules")
    assert again.returncode == 0, (again.stdout + again.stderr)[-3000:]
