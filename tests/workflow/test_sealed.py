"""Sources that are gone, changed or older, and trees without Snakemake's record of them."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.records.identity import run_id
from tests import small_world
from tests.certified import RUNS

SEED = small_world.SEEDS[0]
LONG_AGO = (1e9, 1e9)
S6 = Path("config/layer1/1B/policy/policy.s6.jitter.yaml")
LAW = Path("scripts/states/jitter_law.py")
RECEIPT = RUNS / f"segment_1B/{run_id('1B', 'reopened')}/seed={SEED}/run_receipt.json"
CATALOGUE = RUNS / f"segment_1A/{run_id('1A', 'external')}/seed={SEED}/outlet_catalogue.parquet"
EXTERNAL = ("candidate=theirs", "upstream={kind: external, external_root: theirs}")


@pytest.fixture(scope="module")
def world(own_copy):
    return own_copy


@contextmanager
def changed(path: Path, content: bytes | None) -> Iterator[None]:
    """A file with other content and an old time, or without the file."""
    before, status = path.read_bytes(), path.stat()
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
        os.utime(path, LONG_AGO)
    try:
        yield
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@contextmanager
def without_records(world: Path) -> Iterator[None]:
    """A tree that was copied without the folder of Snakemake's records."""
    shutil.move(world / ".snakemake", world / "records")
    try:
        yield
    finally:
        shutil.rmtree(world / ".snakemake", ignore_errors=True)
        shutil.move(world / "records", world / ".snakemake")


def plan(world, *config, target="candidate"):
    """What a dry run says, in which nothing may be a traceback of ours."""
    result = small_world.snakemake(
        world, target, "-n", "--quiet", "progress", "--config", f"seeds=[{SEED}]", *config
    )
    told = result.stdout + result.stderr
    assert "Traceback" not in told, told[-3000:]
    return result.returncode, told


def refused(world, words, *config, target="candidate"):
    status, told = plan(world, *config, target=target)
    assert status == 1, told[-3000:]
    assert words in told, told[-3000:]


def other(path: Path) -> bytes:
    """Content that says the same in other bytes."""
    return path.read_bytes() + b"\n"


@pytest.mark.parametrize("touched", [False, True])
def test_a_policy_with_other_content_runs_whatever_its_time_is(world, touched):
    with changed(world / S6, other(world / S6)):
        if touched:
            os.utime(world / S6)
        status, told = plan(world)
    assert status == 0, told[-3000:]
    assert "rule s6_site_jitter:" in told
    assert "rule s5_site_tile_assignment:" not in told


def test_other_content_under_an_older_time_is_refused_and_a_touch_runs_it_again(world):
    facts = world / "resources/reference/country_facts.csv"
    with changed(facts, other(facts)):
        refused(world, "EG37 resources/reference/country_facts.csv: has other content")
        os.utime(facts)
        status, told = plan(world)
    assert status == 0, told[-3000:]
    assert "rule generate_1a:" in told


def test_a_missing_source_is_refused_at_every_start(world):
    file = world / "resources/reference/outlet_density.csv"
    with changed(file, None):
        refused(world, "EC19 resources/reference/outlet_density.csv: is not there")
        refused(world, "EC19 ", target="certify")


def test_a_tree_without_records_is_taken_as_it_is_when_it_is_the_same(world):
    with without_records(world):
        status, told = plan(world)
    assert status == 0, told[-3000:]
    assert "rule s6_site_jitter:" not in told


def test_a_tree_without_records_is_held_against_its_receipts(world):
    with without_records(world):
        refused(
            world,
            "was made with another config.upstream.merchants_total, and .snakemake has no record",
            "upstream={merchants_total: 500}",
        )
        with changed(world / S6, other(world / S6)):
            refused(world, f"EG37 {S6}: has other content")
        with changed(world / LAW, other(world / LAW) + b"CHANGED = 1\n"):
            refused(world, "was made with another law of s6_site_jitter")
        with changed(world / RECEIPT, None):
            refused(world, "EG39 ")


@pytest.mark.parametrize(
    ("file", "what"),
    [
        ("scripts/scorers/fidelity.py", "code of the scorer"),
        ("config/gates.yaml", "gates.yaml"),
        ("config/layer1/1A/policy/policy.1a.bands.yaml", "policy.1a.bands.yaml"),
    ],
)
def test_scorecards_without_records_are_held_against_their_scorer(world, file, what):
    path = world / file
    with without_records(world), changed(path, other(path) + b"# the same\n"):
        if file.endswith(".py"):
            path.write_bytes(path.read_bytes() + b"CHANGED = 1\n")
        refused(world, f"was made with another {what}, and .snakemake has no record")


@pytest.fixture(scope="module")
def external(world):
    """A world whose candidate stands on an external 1A, taken over from a builtin one."""
    origin = world / RUNS / "segment_1A" / run_id("1A", "reopened") / f"seed={SEED}"
    shutil.copytree(origin, world / f"theirs/seed={SEED}")
    result = small_world.snakemake(
        world, str(CATALOGUE), "--quiet", "rules", "--config", f"seeds=[{SEED}]", *EXTERNAL
    )
    assert result.returncode == 0, (result.stdout + result.stderr)[-3000:]
    return world


def test_an_external_world_is_looked_for_at_every_start(external):
    target = str(CATALOGUE)
    status, told = plan(external, *EXTERNAL, target=target)
    assert status == 0
    assert "rule ingest_1a:" not in told
    with changed(external / f"theirs/seed={SEED}/validation/_passed.flag", None):
        refused(external, "EU19 theirs/seed=7/validation/_passed.flag", *EXTERNAL, target=target)
    gone = "upstream={kind: external, external_root: /nowhere}"
    refused(external, "EC17 ", "candidate=theirs", gone, target=target)


def test_a_table_of_an_external_world_that_is_gone_is_named(external):
    with changed(external / f"theirs/seed={SEED}/s3_integerised_counts.parquet", None):
        refused(
            external,
            "EG37 theirs/seed=7/s3_integerised_counts.parquet: is gone",
            *EXTERNAL,
            target=str(CATALOGUE),
        )


def test_an_exchanged_catalogue_is_refused_and_a_touch_takes_it_over_anew(external):
    catalogue = external / f"theirs/seed={SEED}/outlet_catalogue.parquet"
    another = (external / CATALOGUE.parent / "s3_candidate_set.parquet").read_bytes()
    with changed(catalogue, another):
        refused(
            external,
            "EG37 theirs/seed=7/outlet_catalogue.parquet",
            *EXTERNAL,
            target=str(CATALOGUE),
        )
        os.utime(catalogue)
        status, told = plan(external, *EXTERNAL, target=str(CATALOGUE))
    assert status == 0
    assert "rule ingest_1a:" in told
