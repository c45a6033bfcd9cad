"""Single mutations of a certified and locked world: named by ``verify``, no wrong promotion."""

import shutil

import numpy as np
import pytest

from scripts.governance.verification import verify
from tests import small_world
from tests.torture import tamper, worlds
from tests.torture.record import record


@pytest.fixture(scope="module")
def locked_world(certified_world, tmp_path_factory):
    """The certified world after P1 was locked and certify said so again."""
    folder = tmp_path_factory.mktemp("tampered") / "world"
    shutil.copytree(certified_world, folder, symlinks=True)
    locked = small_world.segment1b(folder, "lock", "P1")
    assert locked.returncode == 0, locked.stdout[-3000:]
    result = worlds.finish(folder)
    assert result.returncode == 0, result.stdout[-3000:]
    return folder


def whole(world):
    """Faults of the release, with everything at hand."""
    at_hand = {"tree": world, "reference": world / "resources/reference"}
    return verify(world / tamper.RELEASE, **at_hand).faults


def test_every_published_file_has_a_kind_of_mutation(certified_world):
    assert tamper.beside_the_release(certified_world) == set()
    assert tamper.without_a_kind(certified_world) == []


@pytest.mark.torture
def test_every_mutation_is_named(locked_world):
    assert tamper.without_a_kind(locked_world) == []
    assert whole(locked_world) == []
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
def test_certify_promotes_nothing_that_verify_refuses(locked_world, tmp_path):
    """Times kept, so that only the records can tell; every kind in a copy of its own."""
    rng = np.random.default_rng(3)
    targets = [target for target in tamper.TARGETS if target.promotes]
    reference = worlds.published(locked_world)
    refused, made_again, wrong, changed = [], [], [], []
    for target in targets:
        world = worlds.fresh(locked_world, tmp_path / "world")
        files = tamper.files_of(world, target)
        path = files[int(rng.integers(len(files)))]
        with tamper.mutated(path, target.mutate, rng):
            result = worlds.finish(world)
            faults = [] if result.returncode else whole(world)
        said = result.stdout
        named = worlds.NAMED.search(said) and "Traceback" not in said
        if result.returncode == 1 and named:
            refused.append(target.name)
        elif result.returncode == 0 and not faults:
            made_again.append(target.name)
        else:
            told = f"{result.returncode} {faults[:2]} {said[-800:]}"
            wrong.append(f"{target.name}: {path.name}: {told}")
        if worlds.finish(world).returncode or worlds.published(world) != reference:
            changed.append(f"{target.name}: {path.name}")
    record(
        "tamper: certify",
        len(targets),
        len(targets) - len({line.split(":")[0] for line in (*wrong, *changed)}),
        "one mutation of each kind of file that a promotion stands on, the file's times kept: "
        f"`certify` refuses in a named line ({len(refused)}), or makes what follows from the file "
        f"again and `verify` finds no fault ({len(made_again)}: {', '.join(made_again)}); with the "
        "file put back, it ends with identical files",
        refused=refused,
        made_again=made_again,
        wrong=wrong,
        changed_afterwards=changed,
    )
    assert not wrong
    assert not changed
