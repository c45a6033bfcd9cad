"""Trees that are half of another version, or lost what Snakemake knew of them: no traceback."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from scripts.records.identity import run_id
from tests import small_world
from tests.torture import tamper

pytestmark = pytest.mark.slow

POLICIES = "config/layer1/1B/policy"
RECORDS = ".snakemake/metadata"
SITES = f"segment_1B/{run_id('1B', 'reopened')}/seed=7/s8_site_locations/site_locations.parquet"


def told(world, *arguments):
    """Status and words of a start, in which nothing may be a traceback."""
    result = small_world.snakemake(world, *arguments, "--quiet", "progress")
    words = result.stdout + result.stderr
    assert "Traceback" not in words, words[-3000:]
    return result.returncode, words


def overwrite(folder, pattern, text):
    for path in folder.rglob(pattern):
        if path.is_file():
            path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("where", [".snakemake", RECORDS])
def test_a_file_in_the_place_of_the_records_is_refused_by_name(world, where):
    shutil.move(world / where, world / "kept")
    (world / where).touch()
    status, words = told(world, "certify", "-n")
    (world / where).unlink()
    shutil.move(world / "kept", world / where)
    assert status == 1
    assert f"EG93 {where}: is no folder that can be read and written" in words


def test_broken_records_of_files_hide_no_changed_law(world_copy):
    overwrite(world_copy / RECORDS, "*", '{"version": 99')
    assert told(world_copy, "certify", "-n")[0] == 0
    with (world_copy / "scripts/states/jitter_law.py").open("a", encoding="utf-8") as law:
        law.write("CHANGED = 1\n")
    status, words = told(world_copy, "certify", "-n")
    assert status == 1
    assert "EG38" in words
    assert "law of s6_site_jitter" in words


@pytest.mark.parametrize("content", ["{}", "[[", "[" * 500 + "]" * 500])
def test_records_of_another_version_are_made_again_or_refused_by_name(world, content, tmp_path):
    runs = world / tamper.RUNS
    shutil.copytree(runs, tmp_path / "kept", symlinks=True)
    overwrite(runs, "*.json", content)
    status, words = told(world, "certify", "-n")
    found = small_world.segment1b(world, "verify", "reopened")
    shutil.rmtree(runs)
    shutil.move(tmp_path / "kept", runs)
    assert status == 0 or any(code in words for code in ("EX02", "EX14")), words[-2000:]
    assert found.returncode == 1
    assert "Traceback" not in found.stderr
    assert "EX02" in found.stderr or "EX14" in found.stderr


def test_a_trial_seed_and_a_subset_beside_a_release_block_nothing(world_copy):
    """``candidate`` with another seed, then with a part of the seeds, then ``certify`` again."""
    for seeds in ("[5]", "[7]"):
        status, words = told(world_copy, "candidate", "--config", f"seeds={seeds}")
        assert status == 0, words[-3000:]
    status, words = told(world_copy, "certify")
    assert status == 0, words[-3000:]


def test_two_starts_in_one_folder_on_runs_roots_of_their_own_do_not_meet(world):
    """Both at once, from nothing: two runs of one seed with the same sites."""
    with ThreadPoolExecutor() as both:
        starts = [
            both.submit(
                told,
                world,
                f"runs/{name}/{SITES}",
                "--config",
                "seeds=[7]",
                f"runs_root=runs/{name}",
            )
            for name in ("one", "two")
        ]
    for start in starts:
        status, words = start.result()
        assert status == 0, words[-3000:]
    sites = [
        (world / "runs" / name / SITES).read_bytes() for name in ("one", "two", "fix-data-engine")
    ]
    assert sites[0] == sites[1] == sites[2]


def test_postures_of_a_folder_of_their_own_end_as_a_graded_trial(world_copy):
    """A posture and a policy outside ``config/``, the policy by the name of a shipped one."""
    own = world_copy / "mine"
    (own / "policies").mkdir(parents=True)
    shipped = world_copy / POLICIES / "policy.s6.jitter.yaml"
    (own / "policies" / shipped.name).write_text(shipped.read_text(encoding="utf-8") + "# mine\n")
    posture = (world_copy / "config/postures/reopened.yaml").read_text(encoding="utf-8")
    posture = posture.replace("posture: reopened", "posture: mine")
    posture = posture.replace(f"{POLICIES}/{shipped.name}", f"mine/policies/{shipped.name}")
    (own / "mine.yaml").write_text(posture, encoding="utf-8")
    config = ("--config", "postures=mine", "posture=mine")
    status, words = told(world_copy, "certify", *config)
    assert "ES33" not in words, words[-3000:]
    assert status == 0, words[-3000:]
    found = small_world.segment1b(world_copy, "verify", "mine", *config)
    assert found.returncode == 0, found.stderr
    assert (world_copy / tamper.SEGMENT / run_id("1B", "mine")).is_dir()
