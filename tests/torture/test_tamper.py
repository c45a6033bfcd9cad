"""Two hundred single mutations of a certified and locked world."""

import os
import shutil

import numpy as np
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
def test_certify_refuses_or_mends_what_was_changed(locked_world):
    """Times kept, so that only the records can tell; none of these ends in a wrong promotion."""
    rng = np.random.default_rng(3)
    wrong = []
    for target in tamper.TARGETS:
        files = sorted({p for x in target.patterns for p in locked_world.glob(x) if p.is_file()})
        path = files[int(rng.integers(len(files)))]
        data, times = path.read_bytes(), path.stat()
        target.mutate(path, rng)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        result = small_world.snakemake(locked_world, "certify", "--quiet", "rules")
        said = result.stdout + result.stderr
        mended = path.read_bytes() == data
        if not mended:
            path.write_bytes(data)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        if "Traceback" in said or not (mended or result.returncode == 1):
            wrong.append(f"{target.name}: {path.name}: {said[-800:]}")
    record(
        "tamper: certify",
        len(tamper.TARGETS),
        len(tamper.TARGETS) - len(wrong),
        "one mutation of each kind with the file's times kept: `certify` refuses, or makes the "
        "file again",
        wrong=wrong,
    )
    assert not wrong
    again = small_world.snakemake(locked_world, "certify", "--quiet", "rules")
    assert again.returncode == 0, (again.stdout + again.stderr)[-3000:]
