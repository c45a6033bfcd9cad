"""Single mutations of a certified and locked world: named by ``verify``, no wrong promotion."""

import re
import shutil

import numpy as np
import pytest

from scripts.governance.verification import verify
from tests.torture import tamper, worlds
from tests.torture.record import record

ONE_LINE = re.compile(r"^\w+Error: E[A-Z0-9]{3} ", re.M)
OTHER_RUNS = (f"{tamper.SEGMENT}/{'[0-9a-f]' * 32}/**/*",)


@pytest.fixture(scope="module")
def locked_world(certified_world, tmp_path_factory):
    """The certified world after P1 was locked and certify said so again."""
    folder = tmp_path_factory.mktemp("tampered") / "world"
    shutil.copytree(certified_world, folder, symlinks=True)
    for arguments in (("lock", "--config", "phase=P1"), ("certify",)):
        result = worlds.finish(folder, target=arguments)
        assert result.returncode == 0, result.stdout[-3000:]
    return folder


def test_every_published_file_has_a_kind_of_mutation(certified_world):
    assert tamper.without_a_kind(certified_world) == []


@pytest.mark.torture
def test_every_mutation_is_named(locked_world):
    assert tamper.without_a_kind(locked_world, OTHER_RUNS) == []
    assert not verify(
        locked_world / tamper.RELEASE,
        tree=locked_world,
        reference=locked_world / "resources/reference",
    ).faults
    mutations = worlds.share(200)
    missed = tamper.missed(locked_world, mutations, 2026)
    record(
        "tamper: verify",
        mutations,
        mutations - len(missed),
        f"random single mutations of {len(tamper.TARGETS)} kinds of files of a locked and "
        "certified world, the file's times kept: each named by `verify`",
        missed=missed,
        kinds=[target.name for target in tamper.TARGETS],
    )
    assert not missed


@pytest.mark.torture
def test_every_file_is_named(locked_world):
    count, missed = tamper.missed_anywhere(locked_world, 2027)
    record(
        "tamper: every file",
        count,
        count - len(missed),
        "one byte of every file that the candidate's verification looks at, one file after "
        "another: each named by `verify`",
        missed=missed,
        not_covered=tamper.UNCOVERED,
    )
    assert not missed


@pytest.mark.torture
def test_certify_refuses_or_mends_what_was_changed(locked_world):
    """Times kept, so that only the records can tell; none of these ends in a wrong promotion."""
    rng = np.random.default_rng(3)
    reference = worlds.published(locked_world)
    refused, mended, wrong = [], [], []
    for target in tamper.TARGETS:
        files = tamper.files_of(locked_world, target)
        path = files[int(rng.integers(len(files)))]
        data = path.read_bytes()
        with tamper.mutated(path, target.mutate, rng):
            result = worlds.finish(locked_world)
            made_again = path.is_file() and path.read_bytes() == data
        said = result.stdout
        if result.returncode == 1 and ONE_LINE.search(said) and "Traceback" not in said:
            refused.append(target.name)
        elif result.returncode == 0 and made_again and worlds.published(locked_world) == reference:
            mended.append(target.name)
        else:
            wrong.append(f"{target.name}: {path.name}: {result.returncode} {said[-800:]}")
    result = worlds.finish(locked_world)
    whole = result.returncode == 0 and worlds.published(locked_world) == reference
    record(
        "tamper: certify",
        len(tamper.TARGETS),
        len(tamper.TARGETS) - len(wrong),
        f"one mutation of each kind, the file's times kept: `certify` refuses in a named line "
        f"({len(refused)}) or makes the file again ({len(mended)}: {', '.join(mended) or 'none'}); "
        "with the file put back, it ends with identical files",
        refused=refused,
        mended=mended,
        wrong=wrong,
        whole_afterwards=whole,
    )
    assert not wrong
    assert whole, result.stdout[-3000:]
