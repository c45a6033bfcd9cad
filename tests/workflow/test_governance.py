"""Promotion through the real Snakefile: pointers, a phase and its lock, forks, retention, board."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from scripts import root_lock
from scripts.governance import pointers
from scripts.records.code_digest import syntax_digest
from scripts.records.identity import run_id
from scripts.settings import WITNESS
from scripts.tables import file_digest, read_json, write_json
from tests import small_world

pytestmark = pytest.mark.slow

RUNS = Path("runs/fix-data-engine")
SEGMENT = RUNS / "segment_1B"
REPORTS = SEGMENT / "reports"
POLICIES = Path("config/layer1/1B/policy")
RELEASE, BASELINE, P1 = (run_id("1B", name) for name in ("reopened", "baseline", "p1"))


def call(folder: Path, *arguments: str, status: int = 0) -> str:
    return said(small_world.snakemake(folder, *arguments, "--quiet", "rules"), status)


def command(folder: Path, *arguments: str, status: int = 0) -> str:
    return said(small_world.segment1b(folder, *arguments), status)


def said(result: subprocess.CompletedProcess[str], status: int) -> str:
    output = result.stdout + result.stderr
    assert result.returncode == status, output[-4000:]
    assert "Traceback" not in output, output[-4000:]
    return output


def digests(folder: Path) -> dict[str, tuple[str, int]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): (file_digest(path), path.stat().st_mtime_ns)
        for path in files
    }


def change(path: Path) -> str:
    before = path.read_text(encoding="utf-8")
    added = "CHANGED = 1" if path.suffix == ".py" else "# changed"
    path.write_text(f"{before}\n{added}\n", encoding="utf-8")
    return before


def locked_digest(path: Path) -> str:
    return syntax_digest(path) if path.suffix == ".py" else file_digest(path)


@pytest.fixture(scope="module")
def world(own_copy) -> Path:
    """One copy of the certified world for this file; its tests build on each other."""
    return own_copy


@pytest.mark.parametrize(
    ("name", "identity", "claim"),
    [
        ("baseline_authority/baseline", BASELINE, {"decision": "GO"}),
        ("current_candidate/current_candidate", RELEASE, {"scorecards": len(small_world.SEEDS)}),
        ("last_good/last_good", RELEASE, {"release": False}),
    ],
)
def test_pointers_name_runs_that_passed(certified_world, name, identity, claim):
    found = read_json(certified_world / SEGMENT / f"{name}_pointer.json")
    assert found["run_id"] == identity
    assert claim.items() <= found["claim"].items()
    pointers.verify(found, certified_world / RUNS, name)


def test_a_changed_baseline_is_found_at_its_next_use(world):
    path = world / REPORTS / f"segment1b_p0_baseline_{BASELINE}.json"
    before, times = path.read_bytes(), path.stat()
    path.write_bytes(before.replace(b'"P0"', b'"P0" '))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    try:
        output = call(world, "certify", status=1)
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    said = r"ES33 .*segment1b_p0_baseline_\w+\.json: has digest \w{64}, .*says \w{64}"
    assert re.search(said, output), output[-3000:]


@pytest.fixture(scope="module")
def locked(world) -> Path:
    """The world after P1 was accepted and locked, and a superseded run of it pruned."""
    superseded = world / SEGMENT / ("c" * 32)
    (superseded / "seed=7").mkdir(parents=True)
    output = command(world, "lock", "P1")
    assert f"P1 locked, number 1: {REPORTS}/segment1b_p1_lock_record.json" in output
    assert f"delete {superseded.name}" in output
    assert not superseded.exists()
    return world


def test_an_accepted_phase_is_the_run_under_evaluation(locked):
    pointer = read_json(locked / SEGMENT / "current_candidate/current_candidate_pointer.json")
    assert (pointer["name"], pointer["run_id"]) == ("p1", P1)
    pointers.verify(pointer, locked / RUNS, "current_candidate")
    assert f"current_candidate  p1 ({P1})" in command(locked, "status")
    call(locked, "certify")
    pointer = read_json(locked / SEGMENT / "current_candidate/current_candidate_pointer.json")
    assert pointer["run_id"] == RELEASE
    for phase_run in (P1, RELEASE, BASELINE):
        assert (locked / SEGMENT / phase_run).is_dir()


def test_the_lock_holds_run_files_metrics_and_witness(locked):
    record = read_json(locked / REPORTS / "segment1b_p1_lock_record.json")
    assert record["run"]["run_id"] == P1
    assert str(POLICIES / "policy.s2.tile_weights.yaml") in record["files"]["policies"]
    assert "scripts/states/s2_tile_weights.py" in record["files"]["code"]
    assert set(record["metrics"]) == {str(seed) for seed in small_world.SEEDS}
    witness = run_id("1B", "p1", WITNESS)
    assert record["witness"]["witness_id"] == witness
    check = read_json(locked / REPORTS / f"segment1b_p1_repro_check_{P1}_{witness}.json")
    assert check["identical"]
    name = f"seed={small_world.SEEDS[0]}/s8_site_locations/site_locations.parquet"
    assert check["digests"][name] == file_digest(locked / SEGMENT / witness / name)
    candidate = read_json(locked / REPORTS / f"segment1b_p1_candidate_{P1}.json")
    assert candidate["checks_all_pass"]
    before = locked / SEGMENT / BASELINE / "seed=42"
    card = read_json(before / "scorecard/segment1b_scorecard.json")
    s4 = read_json(before / "s4_alloc_plan/s4_run_report.json")
    start = candidate["reference"]["42"]
    assert start["metrics"] == card["metrics"]
    assert start["nn_quantiles_m"] == card["nn"]["quantiles_m"]
    assert start["collapse"] == card["collapse"]
    assert start["s4"]["post_integer"]["top1_share"] == s4["post_integer"]["top1_share"]
    pinned = read_json(locked / REPORTS / f"segment1b_p0_baseline_{BASELINE}.json")
    profile = pinned["s4_profile"]["42"]
    held = {code: entry["sites"] for code, entry in s4["by_country"].items()}
    total = sum(held.values())
    assert profile["country_share"] == pytest.approx({k: n / total for k, n in held.items()})
    assert profile["region_share"] == pytest.approx(
        {name: value for name, value in card["region_shares"].items() if value > 0.0}
    )
    assert candidate["lane"] == "certification"


def test_a_standing_lock_is_not_written_over(locked):
    before = (locked / REPORTS / "segment1b_p1_lock_record.json").read_bytes()
    assert "lock P1 stands; segment1b reopen P1 opens it" in command(locked, "lock", "P1", status=1)
    assert (locked / REPORTS / "segment1b_p1_lock_record.json").read_bytes() == before


S2_POLICY = POLICIES / "policy.s2.tile_weights.yaml"


@pytest.mark.parametrize(
    ("target", "changed"),
    [
        *((target, S2_POLICY) for target in ("certify", "p1", "p2", "integrated")),
        ("certify", Path("scripts/states/country_mass.py")),
        ("certify", Path("config/schemas/policy.s2.tile_weights.schema.yaml")),
    ],
)
def test_a_changed_locked_file_refuses_promotion_before_anything_runs(locked, target, changed):
    path = locked / changed
    digest = locked_digest(path)
    before = change(path)
    state = digests(locked / SEGMENT / RELEASE)
    output = call(locked, target, status=1)
    line = re.search(
        rf"^lock P1: {changed} has digest (\w+), locked is (\w+); restore it, or segment1b reopen",
        output,
        re.M,
    )
    assert f"{target} failed: refused before anything ran" in output
    assert line, output[-2000:]
    assert line.groups() == (locked_digest(path), digest)
    assert "EG41" in output
    told = f"^{target} is refused: lock P1: {changed} has digest"
    assert re.search(told, call(locked, target, "-n"), re.M)
    assert re.search(told, command(locked, "explain", target), re.M)
    if target == "certify":
        assert f"certify is refused: lock P1: {changed} has digest" in command(locked, "status")
    path.write_text(before, encoding="utf-8")
    assert digests(locked / SEGMENT / RELEASE) == state


def test_another_policy_file_does_not_get_around_the_lock(locked):
    postures = locked / "postures"
    postures.mkdir(exist_ok=True)
    document = yaml.safe_load((locked / "config/postures/reopened.yaml").read_text())
    document["posture"] = "detour"
    other = POLICIES / "policy.s2.tile_weights.other.yaml"
    shutil.copy(locked / POLICIES / "policy.s2.tile_weights.yaml", locked / other)
    change(locked / other)
    document["policies"]["s2"] = str(other)
    (postures / "detour.yaml").write_text(yaml.safe_dump(document))
    arguments = ("certify", "--config", "postures=postures", "posture=detour")
    assert f"the run uses {other} with digest" in call(locked, *arguments, status=1)
    shutil.rmtree(postures)
    (locked / other).unlink()


def test_reopening_asks_for_evidence_of_a_failed_gate(locked):
    of_seed = SEGMENT / BASELINE / f"seed={small_world.SEEDS[0]}"
    for evidence, code in (
        (REPORTS / "nothing.json", "EG60"),
        (of_seed / "scorecard/segment1b_scorecard.json", "EG61"),
        (REPORTS / f"segment1b_p0_baseline_{BASELINE}.json", "EG61"),
        (REPORTS / f"segment1b_p1_candidate_{P1}.json", "EG62"),
    ):
        options = ("--approved-by", "somebody", "--reason", "doubt", "--evidence", str(evidence))
        assert code in command(locked, "reopen", "P1", *options, status=1)
    assert not list((locked / REPORTS).glob("*reopen_record*"))


def failed_copy(folder: Path, name: str) -> Path:
    """A copy of a phase's record in which a demand on S2 fails."""
    record = read_json(folder / REPORTS / name)
    record["checks_all_pass"] = False
    row = next(row for row in record["rows"] if row["family"] == "concentration")
    row |= {"passed": False, "triage": "S2"}
    path = SEGMENT / "failed.json"
    write_json(folder / path, record)
    return path


def test_reopen_and_relock_keep_the_history(locked):
    reports = locked / REPORTS
    first = file_digest(reports / "segment1b_p1_lock_record.json")
    failed = failed_copy(locked, f"segment1b_p1_candidate_{P1}.json")
    options = ("--approved-by", "A Person", "--reason", "caps too loose", "--evidence", str(failed))
    command(locked, "reopen", "P1", *options)
    record = read_json(reports / "segment1b_p1_reopen_record_1.json")
    assert record["approved_by"] == "A Person"
    assert record["lock_sha256"] == first
    assert record["evidence"]["failing"]
    assert "lock P1 is reopened" in call(locked, "certify", status=1)
    superseded = locked / SEGMENT / ("d" * 32)
    superseded.mkdir()
    output = command(locked, "lock", "P1", "--keep")
    assert "P1 locked, number 2" in output
    assert f"would delete {superseded.name}" in output
    superseded.rmdir()
    again = read_json(reports / "segment1b_p1_lock_record.json")
    assert again["supersedes"] == {"sequence": 1, "lock_sha256": first, "was": "REOPENED"}
    assert read_json(reports / "segment1b_p1_reopen_record_1.json") == record
    call(locked, "certify")


def test_an_edited_lock_refuses_promotion(locked):
    path = locked / REPORTS / "segment1b_p1_lock_record.json"
    before = path.read_bytes()
    record = read_json(path)
    record["files"]["policies"] = {}
    write_json(path, record)
    assert "EG40" in call(locked, "certify", status=1)
    path.write_bytes(before)


def test_a_fork_shares_what_is_unchanged_and_never_writes_to_its_parent(world):
    seed = small_world.SEEDS[0]
    postures = world / "mine"
    postures.mkdir()
    policy = POLICIES / "policy.s6.jitter.mine.yaml"
    document = yaml.safe_load((world / POLICIES / "policy.s6.jitter.yaml").read_text())
    document["towns"]["open_share"] = 0.4
    (world / policy).write_text(yaml.safe_dump(document))
    posture = yaml.safe_load((world / "config/postures/reopened.yaml").read_text())
    posture["posture"] = "mine"
    posture["policies"]["s6"] = str(policy)
    (postures / "mine.yaml").write_text(yaml.safe_dump(posture))
    config = ("--config", "candidate=kid", "postures=mine", "posture=mine", f"seeds=[{seed}]")
    as_kid = ("fork", "kid", "--parent", "reopened", "--config", *config[2:])

    parent, child = world / SEGMENT / RELEASE, world / SEGMENT / run_id("1B", "kid")
    before = digests(parent)
    output = command(world, *as_kid)
    assert "shares" in output
    assert digests(parent) == before
    record = read_json(child / "candidate.json")
    for relative, digest in record["inherited"].items():
        mine = world / RUNS / relative
        theirs = world / RUNS / relative.replace(child.name, parent.name)
        assert mine.stat().st_ino == theirs.stat().st_ino
        assert mine.stat().st_mtime_ns == theirs.stat().st_mtime_ns
        assert file_digest(mine) == digest
    assert "EG71" in command(world, *as_kid, status=1)

    assert "EC15" in call(world, "candidate", "-n", "--config", "candidate=kid", status=1)

    plan = call(world, "candidate", "-n", *config)
    planned = dict(re.findall(r"^(\w+)\s+(\d+)$", plan, flags=re.MULTILINE))
    assert {name for name in planned if name[0] == "s" and name[1].isdigit()} == {
        "s6_site_jitter",
        "s7_site_synthesis",
        "s8_site_locations",
        "s9_validation",
    }
    call(world, "candidate", *config)
    assert digests(parent) == before
    receipt = read_json(child / f"seed={seed}/run_receipt.json")
    shared = receipt["inherited"]["outputs"]
    assert receipt["inherited"]["run_id"] == RELEASE
    assert any("s5_site_tile_assignment" in path for path in shared)
    assert not any("s6_site_jitter/1-of-1" in path for path in shared)
    pointer = read_json(world / SEGMENT / "current_candidate/current_candidate_pointer.json")
    assert pointer["name"] == "kid"


def test_a_name_without_a_fork_starts_from_nothing(world):
    plan = call(world, "candidate", "-n", "--config", "candidate=alone")
    planned = dict(re.findall(r"^(\w+)\s+(\d+)$", plan, flags=re.MULTILINE))
    assert "s1_tile_index" not in planned
    assert planned["s2_tile_weights"] == "1"
    assert planned["s0_gate"] == planned["s8_site_locations"] == str(len(small_world.SEEDS))
    assert not {"generate_1a", "p0_baseline"} & set(planned)


def test_a_quiet_run_tells_its_verdict_alone(locked):
    for arguments, said in ((("p1",), "p1 accepted"), (("certify",), "reopened, grade B")):
        result = small_world.snakemake(locked, *arguments, "--quiet", "all")
        assert result.returncode == 0, result.stderr[-2000:]
        assert f"{arguments[0]} passed: {said}" in result.stdout
        assert len(result.stdout.splitlines()) <= 45
        assert not re.search(r"(?i)jobs|seed|grade", result.stderr)
    result = small_world.segment1b(locked, "lock", "P1", "--quiet")
    assert (result.returncode, result.stdout) == (1, "")
    assert "EG41" in result.stderr


def test_status_prints_the_board(world):
    output = command(world, "status")
    assert re.search(r"^P0  GO$", output, re.M)
    assert re.search(rf"^{RELEASE}  reopened .* grade B", output, re.M)
    assert re.search(r"^last_good +reopened", output, re.M)


def test_explain_says_why_in_one_line_a_rule(world):
    before = change(world / POLICIES / "policy.s6.jitter.yaml")
    output = command(world, "explain")
    (world / POLICIES / "policy.s6.jitter.yaml").write_text(before)
    line = re.search(r"^s6_site_jitter \(\d+\): (.*)$", output, re.M)
    assert line, output
    assert line[1].startswith("changed: ")
    assert "policy.s6.jitter.yaml" in line[1]
    assert re.search(r"^s7_site_synthesis \(\d+\): follows s6_site_jitter$", output, re.M)
    assert not re.search(r"^s5_site", output, re.M)


def test_prune_lists_first_and_deletes_only_superseded_runs(world):
    segment = world / SEGMENT
    junk, link = segment / ("a" * 32), segment / ("b" * 32)
    (junk / "seed=7").mkdir(parents=True)
    (junk / "seed=7/file").write_text("x")
    link.symlink_to(world / "config")
    output = command(world, "prune")
    assert f"would delete {junk.name}" in output
    assert f"refuse {link.name}: EG52" in output
    assert junk.exists()
    check = (world / REPORTS / "segment1b_p0_prune_check.txt").read_text()
    assert f"keep {RELEASE}" in check
    assert f"keep {BASELINE}" in check
    command(world, "prune", "--execute")
    assert not junk.exists()
    assert link.is_symlink()
    assert (world / "config/config.yaml").is_file()
    for identity in (RELEASE, BASELINE):
        assert (segment / identity).is_dir()


def test_commands_that_change_the_tree_are_refused_while_it_is_in_use(world, monkeypatch):
    monkeypatch.setattr(root_lock, "_held", [])
    root_lock.take(str(world / RUNS))
    before = digests(world / RUNS)
    changing = (
        ("prune", "--execute"),
        ("fork", "other", "--parent", "reopened"),
        ("reopen", "P1", "--approved-by", "x", "--reason", "y", "--evidence", "z"),
        ("sign", "--key", "key.pem"),
    )
    for arguments in changing:
        assert "EG90" in command(world, *arguments, status=1)
    assert digests(world / RUNS) == before
    command(world, "status")
