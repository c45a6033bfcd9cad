"""Phases, locks, reopening, pointers, retention, forks: the rules without Snakemake."""

import os
import re
import types
from pathlib import Path

import pytest

from scripts.errors import GovernanceError, RefusedError
from scripts.governance import (
    enforce_phase,
    explain,
    fork,
    locks,
    pointers,
    releases,
    reopen,
    retention,
    status,
)
from scripts.governance.check_reproduction import contents
from scripts.governance.lock import lock_record
from scripts.governance.new_run import new_run
from scripts.governance.verdict import failing_checks
from scripts.governance.verification import folder_of, of_records
from scripts.governance.verification.view import SEGMENT, Record, View
from scripts.records.identity import run_id
from scripts.scorers import phase_rows
from scripts.scorers.gates import load_gates
from scripts.scorers.levers import SHOWN, read_table
from scripts.scorers.triage import with_triage
from scripts.settings import Posture, Run
from scripts.tables import file_digest, write_json
from tests.unit.test_gates import truth

GATES = load_gates("config/gates.yaml")["gates"]
A, B, C, D = (letter * 32 for letter in "abcd")
HEX = "0" * 64


def card(seed=7, lacking=None, **changes):
    metrics = {
        "country_gini": 0.66,
        "top1_share": 0.1,
        "top5_share": 0.3,
        "top10_share": 0.5,
        "eligible_country_nonzero_share": 0.5,
        "southern_hemisphere_share": 0.2,
        "nn_p99_p50_ratio": 10.0,
        "nn_contraction": 0.3,
    }
    return {
        "run_id": A,
        "seed": seed,
        "metrics": metrics | changes,
        "validation": {"failing_structural": []},
        "collapse": {"flagged": []},
        "truth": truth(**(lacking or {})),
    }


def failing(rows):
    return [entry["check"] for entry in with_triage(rows) if not entry["passed"]]


S2 = {
    "mode": "blend_v2",
    "country_gini_proxy": 0.5,
    "country_gini_proxy_raw": 0.6,
    "country_share_topk": {"top1": 0.06},
    "country_share_topk_raw": {"top1": 0.09},
    "region_floor_share": {"Africa": 0.1},
    "region_share_vector": {"Africa": 0.2},
}
BETTER = {"country_gini": 0.6, "top1_share": 0.09, "top5_share": 0.29, "top10_share": 0.49}


def test_p1_accepts_a_run_that_improves_concentration():
    assert failing(phase_rows.p1_rows([card(**BETTER)], [card()], S2)) == []


@pytest.mark.parametrize(
    ("changes", "s2", "check"),
    [
        ({"top5_share": 0.3}, {}, "top5_share_improved"),
        ({"country_gini": None}, {}, "country_gini_improved"),
        (
            {"southern_hemisphere_share": 0.19},
            {},
            "southern_hemisphere_share_not_worse_than_baseline",
        ),
        ({}, {"mode": "legacy_basis_only"}, "s2_mode_blend_v2"),
        ({}, {"country_gini_proxy": 0.61}, "s2_gini_rebalanced"),
        ({}, {"region_share_vector": {"Africa": 0.09}}, "s2_region_floor.Africa"),
    ],
)
def test_p1_refuses_one_broken_demand_by_its_name(changes, s2, check):
    assert failing(phase_rows.p1_rows([card(**{**BETTER, **changes})], [card()], {**S2, **s2})) == [
        check
    ]


def s4(top1, hhi, mode="outlets_v3"):
    return {"mode": mode, "pairs": {"top1_headroom_mean": top1, "hhi_headroom_mean": hhi}}


@pytest.mark.parametrize(
    ("after", "before", "expected"),
    [
        ({}, {"T3": 0.5, "T5a": 0.0}, []),
        ({"T3": 0.3}, {"T3": 0.5}, []),
        ({"T3": 0.5}, {"T3": 0.5}, ["truth_of_s4_lacks_less"]),
        ({"T9": None}, {"T3": 0.3}, ["truth_of_s4_lacks_less"]),
        ({}, {}, []),
        ({"T6": 0.1}, {}, ["truth_of_s4_lacks_less"]),
        ({"T7": 0.5}, {}, []),
    ],
)
def test_p2_demands_that_outlets_lie_more_like_real_ones(after, before, expected):
    still = s4(0.0, 0.0)
    rows = phase_rows.p2_rows(
        [card(lacking=after)], [card(lacking=before)], [still], [still], GATES
    )
    assert failing(rows) == expected


def test_p2_reports_the_headroom_of_the_allocation():
    rows = phase_rows.p2_rows([card()], [card()], [s4(0.3, 0.1)], [s4(0.2, 0.2)], GATES)
    assert failing(rows) == ["s4_pair_top1_headroom"]
    assert phase_rows.accepted(rows)


def test_p2_vetoes_a_regression_of_the_sites():
    worse = card(top1_share=0.1 + 1e-9)
    rows = phase_rows.p2_rows([worse], [card()], [s4(0.0, 0.0)], [s4(0.0, 0.0)], GATES)
    assert failing(rows) == ["top1_share_not_worse_than_p1"]


def test_p1_tells_of_a_longer_tail_and_refuses_nothing_for_it():
    rows = phase_rows.p1_rows([card(**BETTER, nn_p99_p50_ratio=65.0)], [card()], S2)
    assert failing(rows) == ["nn_p99_p50_ratio_not_worse_than_baseline"]
    assert phase_rows.accepted(rows)


@pytest.mark.parametrize(
    ("metric", "value", "refused"),
    [
        ("southern_hemisphere_share", 0.196, False),
        ("southern_hemisphere_share", 0.19, True),
        ("eligible_country_nonzero_share", 0.49, True),
    ],
)
def test_p2_vetoes_fewer_countries_or_less_of_the_south(metric, value, refused):
    still = [s4(0.0, 0.0)]
    rows = phase_rows.p2_rows([card(**{metric: value})], [card()], still, still, GATES)
    assert failing(rows) == [f"{metric}_not_worse_than_p1"] * refused


@pytest.mark.parametrize(
    ("metric", "value", "refused"),
    [
        ("southern_hemisphere_share", 0.19997, False),
        ("southern_hemisphere_share", 0.19, True),
        ("eligible_country_nonzero_share", 0.499, True),
    ],
)
def test_p3_bears_sites_that_fall_beyond_the_equator(metric, value, refused):
    entry, reference = card(**{metric: value}), card()
    rows = phase_rows.p3_rows([entry], [reference], [S6], GATES, 0)
    assert (f"{metric}_not_worse_than_p2" in failing(rows)) == refused


S6 = {"mode": "towns_v3"}


def test_no_phase_accepts_a_run_whose_structure_s9_refuses():
    still = [s4(0.0, 0.0)]
    entry = {**card(**BETTER), "validation": {"failing_structural": ["quotas"]}}
    for rows in (
        phase_rows.p1_rows([entry], [card()], S2),
        phase_rows.p2_rows([entry], [card()], still, still, GATES),
        phase_rows.p3_rows([entry], [card()], [S6], GATES, 7),
    ):
        assert failing(rows) == ["s9_structural"]
        assert not phase_rows.accepted(rows)


@pytest.mark.parametrize(
    ("metric", "by"),
    [
        ("southern_hemisphere_share", -0.01),
        ("eligible_country_nonzero_share", -0.01),
        ("top1_share", 0.01),
    ],
)
def test_p4_vetoes_what_is_worse_than_in_p3(metric, by):
    worse = card(**{metric: card()["metrics"][metric] + by})
    assert failing(phase_rows.p4_rows([worse], [card()])) == [f"{metric}_not_worse_than_p3"]


def p3(cards, tuned, **before):
    references = [card(entry["seed"], **before) for entry in cards]
    rows = phase_rows.p3_rows(cards, references, [S6] * len(cards), GATES, tuned)
    return with_triage(rows)


def test_p3_demands_the_tail_gate_of_the_tuned_seed_and_no_collapse():
    assert failing(p3([card()], 7)) == []
    poor = card(nn_contraction=None)
    poor["collapse"]["flagged"] = ["MC"]
    assert failing(p3([poor], 7)) == [
        "nn_tail_contracts",
        "nn_tail_reaches_B",
        "no_collapse",
        "nn_contraction_not_worse_than_p2",
    ]
    short = p3([card(nn_contraction=0.19)], 7, nn_contraction=0.19)
    assert failing(short) == ["nn_tail_reaches_B"]
    assert not phase_rows.accepted(short)


def test_p3_reports_how_far_other_seeds_are_and_refuses_a_tail_that_does_not_contract():
    rows = p3([card(7), card(101, nn_contraction=0.19)], 7, nn_contraction=0.19)
    assert phase_rows.accepted(rows)
    note, count = phase_rows.table(rows)
    assert note == "NOTE nn_tail_reaches_B seed 101: 0.19 is below 0.2, distance 0.01"
    assert count.split()[0] == count.split()[2]
    for flat in (0.0, -0.1):
        rows = p3([card(7), card(101, nn_contraction=flat)], 7)
        assert not phase_rows.accepted(rows)
        assert "nn_tail_contracts" in failing(rows)


def test_a_tail_is_reported_where_the_counts_of_countries_fail_b():
    rows = p3([card(country_gini=0.69, nn_contraction=-1.0)], 7, country_gini=0.69)
    assert phase_rows.accepted(rows)
    assert failing(rows) == [
        "nn_tail_contracts",
        "nn_tail_reaches_B",
        "nn_contraction_not_worse_than_p2",
    ]
    still = s4(0.0, 0.0)
    worse, before = card(country_gini=0.69, nn_p99_p50_ratio=20.0), card(country_gini=0.69)
    rows = phase_rows.p2_rows([worse], [before], [still], [still], GATES)
    assert failing(rows) == ["nn_p99_p50_ratio_not_worse_than_p1"]
    assert phase_rows.accepted(rows)
    rows = phase_rows.p2_rows([card(nn_p99_p50_ratio=20.0)], [card()], [still], [still], GATES)
    assert not phase_rows.accepted(rows)


def test_p3_vetoes_a_tail_or_a_test_of_truth_that_is_worse_than_in_p2():
    tolerance = phase_rows.TAIL_TOLERANCE
    assert failing(p3([card(nn_contraction=0.3 - tolerance)], 7)) == []
    worse = p3([card(nn_contraction=0.3 - 1.01 * tolerance)], 7)
    assert failing(worse) == ["nn_contraction_not_worse_than_p2"]
    assert not phase_rows.accepted(worse)
    spoilt = p3([card(lacking={"T3": 0.5})], 7)
    assert failing(spoilt) == ["truth_T3_not_worse_than_p2"]
    assert failing(p3([card(lacking={"T3": 0.5})], 7, lacking={"T3": 0.6})) == []
    grid = p3([card(lacking={"T7": 0.1})], 7, lacking={"T7": 0.1})
    assert failing(grid) == ["truth_of_s6_lacks_less"]


def test_a_failing_check_names_its_state_and_measured_levers():
    rows = with_triage(phase_rows.p1_rows([card()], [card()], S2))
    found = {entry["gate"]: entry for entry in failing_checks(rows, "P1", read_table())}
    entry = found["top1_share_improved"]
    assert (entry["state"], entry["grade"], entry["seeds"]) == ("S2", "P1", ["7"])
    assert [lever["gain"] > 0.0 for lever in entry["levers"]] == [True] * SHOWN
    assert entry["turn"][0].startswith(
        "S2 country_mass.topk_cap_targets.top10, from the shipped 0.38 to "
    )


@pytest.mark.parametrize(
    ("check", "family", "gates"),
    [
        ("top1_share_improved", "concentration", ["top1_share"]),
        ("top10_share_not_worse_than_p2", "concentration", ["top10_share"]),
        ("nn_p99_p50_ratio_not_worse_than_p1", "nn_tail", ["nn_contraction"]),
        ("nn_tail_contracts", "nn_tail", ["nn_contraction"]),
        ("s2_region_floor.Africa", "region", ["region_floor"]),
        ("truth_T1_not_worse_than_p2", "truth_spacing", ["truth_T1"]),
        ("truth_T10_not_worse_than_p2", "truth_empty_land", ["truth_T10"]),
        ("truth_of_s6_lacks_less", "truth_positions", ["truth_T7", "truth_T8", "truth_T10"]),
        ("s2_mode_blend_v2", "structural", []),
    ],
)
def test_a_check_looks_at_gates(check, family, gates):
    assert phase_rows.gates_of({"check": check, "family": family}) == gates


def test_lane_is_fast_until_every_required_seed_is_there():
    assert phase_rows.lane_of([42], [42, 7]) == "fast"
    assert phase_rows.lane_of([7, 42, 5], [42, 7]) == "certification"


def write_run(root, identity, text):
    folder = root / "segment_1B" / identity / "shared"
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(text.format(run_id=identity))
    (folder / "table.parquet").write_bytes(b"bytes")
    return sorted(map(str, folder.iterdir()))


def test_reproduction_compares_bytes_and_reads_run_ids_as_placeholders(tmp_path):
    segment = tmp_path / "segment_1B"
    first = contents(segment, write_run(tmp_path, A, '"{run_id}"'))
    paths = write_run(tmp_path, B, '"{run_id}"')
    second = contents(segment, paths)
    assert first.differing(second) == []
    other = contents(segment, write_run(tmp_path, C, '"{run_id}" '))
    assert first.differing(other) == ["shared/report.json"]
    assert first.differing(contents(segment, paths[:1])) == ["shared/table.parquet"]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A working folder with the policies that P1 and P2 lock."""
    monkeypatch.chdir(tmp_path)
    policies = {}
    for key, name in (("s2", "policy.s2.tile_weights"), ("s4", "policy.s4.alloc_plan")):
        path = Path("config") / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{key}: 1\n")
        policies[key] = str(path)
    (tmp_path / "reports").mkdir()
    return tmp_path, policies


def locked(reports, phase, policies):
    record = {
        **{"run_id": A, "name": "n", "posture": "n", "parameter_hash": HEX, "seeds": [7]},
        "metrics": {"7": card()["metrics"]},
        "delta": {},
    }
    check = {"run_id": A, "witness_id": B, "seed": 7, "identical": True}
    found = locks.read_locks(reports)
    baseline = {"run_id": D, "report_sha256": HEX}
    lock = lock_record(phase, record, check, policies, baseline, found, {})
    write_json(locks.lock_path(reports, phase), lock)
    return lock


def reopened(reports, phase):
    lock = locks.read_locks(reports)[phase]
    record = reopen.reopen_record(phase, lock, "somebody", "why", {
        "path": "p", "sha256": HEX, "kind": "segment1b_scorecard", "failing": ["x"],
    })  # fmt: skip
    name = f"segment1b_{phase.lower()}_reopen_record_{record['sequence']}.json"
    write_json(reports / name, record)


def test_a_lock_in_order_has_no_faults(repository):
    folder, policies = repository
    locked(folder / "reports", "P1", policies)
    assert locks.faults(locks.read_locks(folder / "reports"), policies) == []


def test_a_changed_file_is_named_with_both_digests(repository):
    folder, policies = repository
    lock = locked(folder / "reports", "P1", policies)
    Path(policies["s2"]).write_text("s2: 2\n")
    (line,) = locks.faults(locks.read_locks(folder / "reports"), policies)
    before = lock["files"]["policies"][policies["s2"]]
    now = file_digest(policies["s2"])
    assert line == (
        f"lock P1: {policies['s2']} has digest {now}, locked is {before}; "
        "restore it, or segment1b reopen P1"
    )
    with pytest.raises(RefusedError, match=r"EG41.*\nEG41 promotion: more"):
        locks.refuse([line, "more"])


def test_a_phase_is_promoted_on_the_policy_that_it_locked(repository):
    folder, policies = repository
    locked(folder / "reports", "P1", policies)
    other = Path("config/other.yaml")
    other.write_text("s2: 9\n")
    found = locks.read_locks(folder / "reports")
    (line,) = locks.faults(found, {**policies, "s2": str(other)}, "P1")
    assert line.startswith(f"lock P1: the run uses {other} with digest")


def test_the_schemas_of_its_policies_are_locked(repository):
    folder, policies = repository
    lock = locked(folder / "reports", "P1", policies)
    ((schema, digest),) = lock["files"]["schemas"].items()
    assert digest == file_digest(locks.PACKAGE.parent / schema)


def test_code_is_locked_by_its_syntax(repository):
    folder, policies = repository
    locked(folder / "reports", "P1", policies)
    law = Path("scripts/states/steering.py")
    source = (Path(locks.PACKAGE) / "states/steering.py").read_text(encoding="utf-8")
    law.parent.mkdir(parents=True)
    law.write_text(f"# Another comment.\n{source}", encoding="utf-8")
    assert locks.faults(locks.read_locks(folder / "reports"), policies) == []
    law.write_text(f"{source}\nCHANGED = 1\n", encoding="utf-8")
    (line,) = locks.faults(locks.read_locks(folder / "reports"), policies)
    assert line.startswith(f"lock P1: {law} has digest ")


def test_a_deleted_locked_file_is_a_fault(repository):
    folder, policies = repository
    locked(folder / "reports", "P1", policies)
    Path(policies["s2"]).unlink()
    (line,) = locks.faults(locks.read_locks(folder / "reports"), policies)
    assert "has digest absent" in line


def test_a_lock_needs_the_earlier_ones(repository):
    folder, policies = repository
    with pytest.raises(GovernanceError, match="EG46 lock P2: P1 is not locked"):
        locked(folder / "reports", "P2", policies)


def test_reopening_a_phase_undermines_what_stands_on_it(repository):
    folder, policies = repository
    reports = folder / "reports"
    locked(reports, "P1", policies)
    locked(reports, "P2", policies)
    reopened(reports, "P1")
    found = locks.read_locks(reports)
    assert {phase: lock.status for phase, lock in found.items()} == {
        "P1": locks.REOPENED,
        "P2": locks.UNDERMINED,
    }
    assert locks.faults(found, policies, "P1") == []
    assert len(locks.faults(found, policies, "P2")) == 1
    assert len(locks.faults(found, policies)) == 2
    Path(policies["s2"]).write_text("s2: 2\n")
    second = locked(reports, "P1", policies)
    assert second["sequence"] == 2
    assert locks.read_locks(reports)["P2"].status == locks.UNDERMINED
    locked(reports, "P2", policies)
    assert locks.faults(locks.read_locks(reports), policies) == []


def test_a_removed_lower_lock_is_a_fault(repository):
    folder, policies = repository
    locked(folder / "reports", "P1", policies)
    locked(folder / "reports", "P2", policies)
    locks.lock_path(folder / "reports", "P1").unlink()
    assert locks.faults(locks.read_locks(folder / "reports"), policies) == [
        "lock P2 stands on lock P1, which is gone; restore its record from git"
    ]


def test_a_standing_lock_is_not_superseded(repository):
    folder, policies = repository
    locked(folder / "reports", "P1", policies)
    with pytest.raises(GovernanceError, match="EG47"):
        locked(folder / "reports", "P1", policies)


def test_a_lock_pins_its_baseline(repository):
    folder, policies = repository
    locked(folder / "reports", "P1", policies)
    standing = locks.standing_records(folder / "reports")
    report = {"baseline_authority": {"run_id": D}}
    locks.refuse_moved_baseline(standing, report, {"p0.json": HEX})
    with pytest.raises(GovernanceError, match=r"EG42 p0\.json"):
        locks.refuse_moved_baseline(standing, report, {"p0.json": "1" * 64})


@pytest.mark.parametrize(("who", "why"), [("", "x"), ("x", "  ")])
def test_reopening_needs_a_name_and_a_reason(repository, who, why):
    folder, policies = repository
    locked(folder / "reports", "P1", policies)
    lock = locks.read_locks(folder / "reports")["P1"]
    with pytest.raises(GovernanceError, match="EG64"):
        reopen.reopen_record("P1", lock, who, why, {})


def test_evidence_is_a_scorecard_below_the_runs_root(tmp_path):
    runs = tmp_path / "runs"
    write_json(runs / "protocol.json", {"lanes": {}})
    write_json(tmp_path / "outside.json", {})
    (runs / "link.json").symlink_to(tmp_path / "outside.json")
    for path in ("", str(runs / "gone.json"), str(tmp_path / "outside.json"), f"{runs}/link.json"):
        with pytest.raises(GovernanceError, match="EG60"):
            reopen.evidence(path, runs, "P1")
    with pytest.raises(GovernanceError, match="EG61"):
        reopen.evidence(str(runs / "protocol.json"), runs, "P1")


FAILING = {"check": "gini", "seed": 7, "passed": False, "kind": "hold", "triage": "S2"}


def test_evidence_is_of_the_phase_itself_or_of_a_later_one(tmp_path, monkeypatch):
    monkeypatch.setattr(reopen, "check_object", lambda *_: None)
    for phase in ("P1", "P2"):
        row = {**FAILING, "triage": "S2, S4"}
        write_json(tmp_path / phase, {"phase": phase, "rows": [row]})
        assert reopen.evidence(str(tmp_path / phase), tmp_path, "P1")["failing"] == ["gini seed 7"]
    with pytest.raises(GovernanceError, match="EG61"):
        reopen.evidence(str(tmp_path / "P1"), tmp_path, "P2")


@pytest.mark.parametrize(
    ("phase", "state", "named"),
    [("P1", "S2", True), ("P1", "S2, S4", True), ("P1", "S4", False), ("P2", "S2", False),
     ("P3", "S6", True), ("P1", "1A", False)],
)  # fmt: skip
def test_only_what_a_phase_answers_for_opens_it_again(phase, state, named):
    row = {**FAILING, "triage": state}
    found = reopen.contradictions("segment1b_phase_candidate", {"rows": [row]}, phase)
    assert found == (["gini seed 7"] if named else [])


@pytest.mark.parametrize("changes", [{"kind": "report"}, {"grade": "BPLUS"}, {"passed": True}])
def test_what_is_reported_or_of_a_higher_grade_opens_nothing(changes):
    document = {"rows": [{**FAILING, **changes}]}
    assert reopen.contradictions("segment1b_phase_candidate", document, "P1") == []


def test_reopening_an_open_phase_is_refused(repository):
    with pytest.raises(GovernanceError, match="EG63"):
        reopen.reopen_record("P1", None, "x", "y", {})
    folder, policies = repository
    locked(folder / "reports", "P1", policies)
    reopened(folder / "reports", "P1")
    with pytest.raises(GovernanceError, match="EG63 phase P1: is reopened already"):
        reopened(folder / "reports", "P1")


def test_baseline_pointer_needs_go():
    report = {"readiness": {"decision": "NO_GO", "checks": [{"check": "c", "passed": False}]}}
    with pytest.raises(GovernanceError, match="EG30 w: P0 says NO_GO: c"):
        pointers.baseline_pointer(report, [], {}, "w")


@pytest.mark.parametrize("others", [[], [card(101)], [{**card(42), "run_id": B}]])
def test_candidate_pointer_needs_a_scorecard_for_every_receipt(others):
    receipts = [{"run_id": A, "seed": seed} for seed in (7, 42)]
    with pytest.raises(GovernanceError, match="EG31"):
        pointers.candidate_pointer([card(7), *others], receipts, {}, "w")


def test_last_good_needs_the_minimum_grade():
    certificate = {"verdict": {"minimum_grade_met": False, "grade": "B", "minimum_grade": "BPLUS"}}
    with pytest.raises(GovernanceError, match="EG32 w: grade B is below BPLUS"):
        pointers.last_good_pointer(certificate, Path(), Path(), "w")


def test_a_pointer_finds_the_file_that_changed(tmp_path):
    (tmp_path / "x").write_text("1")
    found = {"digests": {"x": file_digest(tmp_path / "x")}}
    pointers.verify(found, tmp_path, "pin")
    (tmp_path / "x").write_text("2")
    with pytest.raises(GovernanceError, match="EG33"):
        pointers.verify(found, tmp_path, "pin")


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    segment = tmp_path / "segment_1B"
    for identity in (A, B, C, D):
        (segment / identity / "seed=7").mkdir(parents=True)
        (segment / identity / "seed=7/file").write_text("x")
    return tmp_path


def test_prune_keeps_what_records_refer_to_through_others(tree):
    segment = tree / "segment_1B"
    write_json(segment / "last_good/last_good_pointer.json", {"run_id": A, "digests": {"f": HEX}})
    write_json(segment / A / "candidate.json", {"parent": {"run_id": B}})
    lines = retention.prune(tree, [C], execute=False)
    assert f"would delete {D}" in lines
    assert (segment / D).exists()
    assert lines[-1] == "3 kept, 1 to delete"
    retention.prune(tree, [C], execute=True)
    assert not (segment / D).exists()
    assert all((segment / identity).exists() for identity in (A, B, C))


@pytest.mark.parametrize(
    "record",
    [
        "baseline_authority/baseline_pointer.json",
        "current_candidate/current_candidate_pointer.json",
        "last_good/last_good_pointer.json",
        "reports/segment1b_p5_certification.json",
        "reports/segment1b_p4_authority_envelope.json",
        "reports/segment1b_p2_lock_record.json",
        "reports/segment1b_p3_reopen_record_1.json",
    ],
)
def test_prune_keeps_what_any_record_names(tree, record):
    write_json(tree / "segment_1B" / record, {"run_id": A})
    lines = retention.prune(tree, [], execute=False)
    assert f"keep {A}: {Path(record).name} refers to it" in lines
    assert f"would delete {B}" in lines


@pytest.mark.parametrize("record", ["candidate.json", "seed=7/run_receipt.json"])
def test_prune_keeps_what_records_of_a_kept_run_name(tree, record):
    write_json(tree / "segment_1B" / A / record, {"inherited": {"run_id": B}})
    lines = retention.prune(tree, [A], execute=False)
    assert f"keep {B}: {Path(record).name} of {A} refers to it" in lines
    assert f"would delete {D}" in lines


def test_a_file_that_vanishes_while_sizes_are_added_up_counts_nothing(tree, monkeypatch):
    run = tree / "segment_1B" / A
    (run / "gone").write_bytes(b"22")
    lstat = Path.lstat

    def vanished(path):
        if path.name == "gone":
            raise FileNotFoundError(path)
        return lstat(path)

    before = retention.size_of(run)
    monkeypatch.setattr(Path, "lstat", vanished)
    assert retention.size_of(run) == before - 2


def test_a_receipt_without_the_policy_of_a_state_is_told():
    receipt = Record(Path("run_receipt.json"), {"policies": {"policy.s1.x.yaml": HEX}})
    with pytest.raises(KeyError, match=r"run_receipt.json: policies has no policy\.s2\.\*"):
        View(Path()).policy_of(receipt, "policy.s2")


def test_what_is_no_superseded_run_is_not_removable(tree):
    segment = tree / "segment_1B"
    for path in (tree, segment, segment / "../segment_1A" / A, segment / A / "seed=7", Path("/")):
        with pytest.raises(GovernanceError, match="EG51"):
            retention.check_removable(path, tree)
    (segment / B / "link").symlink_to(tree)
    with pytest.raises(GovernanceError, match="EG52"):
        retention.check_removable(segment / B, tree)
    (segment / ("e" * 32)).symlink_to(segment / A)
    with pytest.raises(GovernanceError, match="EG52"):
        retention.check_removable(segment / ("e" * 32), tree)
    os.chmod(segment / C, 0o555)
    with pytest.raises(GovernanceError, match="EG53"):
        retention.check_removable(segment / C, tree)
    os.chmod(segment / C, 0o755)
    retention.check_removable(segment / D, tree)


def test_shared_bytes_count_once(tree):
    segment = tree / "segment_1B"
    (segment / A / "link").hardlink_to(segment / A / "seed=7/file")
    assert retention.size_of(segment / A) == 1


def test_share_copies_with_times_where_links_cannot_reach(tmp_path, monkeypatch):
    source = tmp_path / "source"
    source.write_text("x")
    os.utime(source, ns=(10**18, 10**18))
    assert releases.share(source, tmp_path / "a/linked") == "hard_link"

    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    assert releases.share(source, tmp_path / "copied") == "copy"
    for name in ("a/linked", "copied"):
        assert (tmp_path / name).stat().st_mtime_ns == 10**18


@pytest.mark.parametrize(("parent", "code"), [("child", "EG70"), ("parent", "EG73")])
def test_fork_refuses_bad_names(tmp_path, parent, code):
    posture = Posture("reopened", "policy", {})
    child = Run("child", posture, run_id("1B", "child"), run_id("1A", "reopened"), "0" * 32)
    with pytest.raises(GovernanceError, match=code):
        fork.check_names(tmp_path, child, parent)
    (tmp_path / child.run_id).mkdir()
    with pytest.raises(GovernanceError, match="EG71" if code == "EG73" else code):
        fork.check_names(tmp_path, child, parent)


def test_explain_gathers_reasons_by_rule():
    def reason(**changes):
        quiet = dict.fromkeys(
            (
                *("updated_input", "missing_output", "incomplete_output"),
                *("params_changed", "input_changed", "software_stack_changed"),
            ),
            (),
        )
        return types.SimpleNamespace(**{**quiet, **changes})

    assert explain.gather(
        [
            ("s6", reason(updated_input=["p.yaml"]), []),
            ("s6", reason(params_changed=True), []),
            ("s7", reason(), ["s6"]),
            ("certify", reason(), []),
        ]
    ) == [
        "s6 (2): changed: p.yaml; its code, a contract, a policy or a parameter changed",
        "s7 (1): follows s6",
        "certify (1): runs every time",
    ]
    assert explain.gather([]) == ["nothing would run"]


def test_runs_have_links_by_name_and_links_to_what_is_gone_go(tmp_path):
    (tmp_path / A).mkdir()
    retention.name_runs(tmp_path, {A: "reopened", B: "absent"})
    assert (tmp_path / "by_name/reopened").resolve() == tmp_path / A
    assert not (tmp_path / "by_name/absent").is_symlink()
    (tmp_path / A).rmdir()
    retention.name_runs(tmp_path, {A: "reopened"})
    assert not list((tmp_path / "by_name").iterdir())


def test_status_of_an_empty_tree(tmp_path):
    lines = status.board(tmp_path, {"P1": A, "P4": B}, {}, 0.0)
    assert "P0  not run" in lines
    assert "P1  not run; not locked" in lines
    assert lines[-1] == "none"


@pytest.mark.parametrize(
    ("lane", "word"),
    [
        ("1A", "freeze guard"),
        ("S2, S4", "reopen P1"),
        ("S6", "no lock holds S6"),
        ("S4, S6", "no lock holds S4, S6"),
        ("code", "mend the code"),
    ],
)
def test_a_red_p4_says_how_its_lane_is_opened(repository, lane, word):
    folder, policies = repository
    locked(folder / "reports", "P1", policies)
    found = locks.read_locks(folder / "reports")
    record = {
        "classification": "RED_REOPEN_REQUIRED",
        "rows": [],
        "no_regression": [],
        "recommended_lane": lane,
    }
    with pytest.raises(GovernanceError, match=f"EG45 w: .*{word}"):
        enforce_phase.enforce_integrated(record, "w", found)


def test_a_run_whose_witness_differs_is_not_pointed_to(tmp_path, monkeypatch):
    accepted = {"phase": "P1", "lane": "fast", "rows": [], "checks_all_pass": True}
    records = {
        "baseline_pointer": {"digests": {}},
        "segment1b_phase_candidate": accepted,
        "segment1b_repro_check": {"identical": False, "differing": ["x"]},
    }
    pointed = []
    monkeypatch.setattr(enforce_phase, "read_object", lambda name, _: records[name])
    monkeypatch.setattr(enforce_phase, "point", lambda *found: pointed.append(found))
    inputs = types.SimpleNamespace(
        baseline_pointer="b", candidate="c", check="w", scorecards=[], receipts=[]
    )
    params = types.SimpleNamespace(faults=[], runs_root=str(tmp_path))
    with pytest.raises(GovernanceError, match="EG44 w"):
        enforce_phase.main(inputs, None, params, None)
    assert pointed == []


def test_a_name_is_a_run_before_it_is_a_folder(tmp_path, monkeypatch):
    """``verify mine`` beside a folder of policies called ``mine``; a copied run folder by path."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    assert folder_of("mine", Path()) == Path("mine")
    run = tmp_path / "runs" / SEGMENT / run_id("1B", "mine")
    run.mkdir(parents=True)
    for name in ("mine", run.name):
        assert folder_of(name, Path("runs")) == Path("runs", SEGMENT, run.name)
    assert folder_of("./mine", Path("runs")) == Path("mine")
    with pytest.raises(GovernanceError, match="EG88"):
        folder_of("", Path("runs"))


def test_a_release_that_cannot_be_read_is_named_among_the_others(tmp_path):
    manifest = '{"release": "wide-1", "verdict": {"grade": "A"}}'
    for name, content in (("wide-1", manifest), ("wide-2", "{")):
        folder = tmp_path / "releases" / name
        folder.mkdir(parents=True)
        (folder / "release.json").write_text(content, encoding="utf-8")
    lines = status.release_lines(tmp_path)
    assert len(lines) == 2
    assert all(re.match(r"  wide-[12] +EX\d\d .*\.json: ", line) for line in lines)
    assert [len(releases.named(tmp_path, name)) for name in ("wide", "wide-1", "w**", "")] == [
        *(2, 1, 0, 0)
    ]


def test_a_release_holds_what_an_accepted_record_was_measured_on(tmp_path, monkeypatch):
    """Files of other runs, such as the scorecards of P3 that P4 was measured against."""
    receipt = Record(Path("r"), {"upstream_run_id": C, "tiles_id": D})
    other = f"segment_1B/{B}/seed=7/scorecard/segment1b_scorecard.json"
    files = dict.fromkeys((other, f"{of_records.OF_RUN}seed=7/x.json", "gates.yaml"), HEX)
    record = Record(Path("p4"), {of_records.MEASURED_ON: {"files": files}})
    view = View(tmp_path / "segment_1B" / A, tmp_path)
    for accepted, expected in ((True, [tmp_path / other]), (False, [])):
        found = [(record, receipt, accepted)]
        monkeypatch.setattr(of_records, "_of_phases", lambda _, found=found: iter(found))
        assert list(of_records.other_files_of_phases(view)) == expected


def test_what_is_pruned_is_told_by_name(tree):
    write_json(tree / "segment_1B" / D / "candidate.json", {"name": "wide"})
    assert f"would delete {D} (wide)" in retention.prune(tree, [], execute=False)


def test_a_new_run_names_its_policies_after_itself_and_no_1a_external(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("config/postures").mkdir(parents=True)
    names = {"s4": "policy.s4.alloc_plan.legacy.yaml", "s6": "policy.s6.jitter.yaml"}
    for name in ("policy.1a.generator.reopened.yaml", *names.values()):
        Path(name).write_text("a: 1\n", encoding="utf-8")
    posture = Posture("old", "policy.1a.generator.reopened.yaml", names)
    settings = types.SimpleNamespace(postures={"old": posture})
    with pytest.raises(GovernanceError, match=r"EG99 .*'external'"):
        new_run(settings, "external", "old", ["s6", "upstream"])
    assert not list(Path("config/postures").iterdir())
    new_run(settings, "mine", "old", ["upstream", *names])
    made = {path.name for path in Path().glob("*.mine.yaml")}
    assert made == {
        "policy.1a.generator.mine.yaml",
        "policy.s4.alloc_plan.mine.yaml",
        "policy.s6.jitter.mine.yaml",
    }
