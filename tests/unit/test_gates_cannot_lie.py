"""Every check that can stop a promotion, against the one violation that it exists for.

The lists of checks come from what the code itself judges, so that a new check without a violation
here fails: S9's registry, the rows that gates and phases make, the guard's checks, and the codes of
refusals in the source of every module on the way to a promotion.
"""

import copy
import inspect
import math
import re
from functools import partial
from pathlib import Path

import pytest

from scripts.errors import GovernanceError, RefusedError, SegmentError
from scripts.governance import (
    certify,
    certify_release,
    enforce_phase,
    lock,
    locks,
    pointers,
    run_receipt,
    verification,
)
from scripts.governance.certify_release import release_faults
from scripts.records import bundle, ledger
from scripts.scorers import gates, p0_baseline, phase_rows
from scripts.scorers.p0_baseline import readiness
from scripts.scorers.triage import with_triage
from scripts.states import s9_passed_flag
from scripts.states.validation_checks import CHECKS
from scripts.tables import read_json, write_json
from scripts.upstream import enforce_freeze_guard, freeze_guard, ingest_1a, pass_1a
from scripts.upstream.freeze_guard import GUARD_CHECKS
from tests.torture.record import record
from tests.unit import (
    test_certificate,
    test_governance,
    test_s9_validation,
    test_upstream_guard,
    test_upstream_ingest,
)
from tests.unit.test_gates import SETTINGS, passing_card, truth
from tests.unit.test_governance import BETTER, S2, card, failing, locked, reopened, s4

repository = test_governance.repository
files = test_upstream_guard.files
path, valid = test_s9_validation.path, test_s9_validation.valid
TALLY: set[str] = set()


def beyond(row):
    """A value just on the wrong side of a row's threshold."""
    side = 1.0 if row["direction"] == gates.AT_MOST else -1.0
    if row["grade"] == "A":
        # Tests of truth are judged as they are published, to ten digits.
        return row["threshold"] + side * 1e-6 * abs(row["threshold"])
    return math.nextafter(row["threshold"], side * math.inf)


def violated(row):
    """The passing scorecard with the violation of one row."""
    changed = copy.deepcopy(passing_card())
    metric, value = row["metric"], beyond(row)
    if row["gate"].endswith("_interval"):
        low, high = changed["intervals"][metric]
        at_most = row["direction"] == gates.AT_MOST
        changed["intervals"][metric] = [low, value] if at_most else [value, high]
    elif row["gate"] == "region_floor":
        changed["region_shares"][metric.removeprefix("region_share.")] = value
    elif row["gate"] == "no_collapse":
        changed["collapse"]["flagged"] = ["DE"]
    elif metric == "validation.verdict":
        changed["validation"]["verdict"] = "FAIL"
    elif metric.startswith("validation.failing_"):
        changed["validation"][metric.removeprefix("validation.")] = ["x"]
    elif metric == "counts.sites_outside_eligible":
        changed["counts"]["sites_outside_eligible"] = 1
    elif row["grade"] == "A":
        changed["truth"].update(truth(**{row["gate"].removeprefix("truth_"): value}))
    else:
        changed["metrics"][metric] = value
    return changed


def name(row):
    return f"{row['grade']} {row['gate']} {row['metric']}"


ROWS = gates.seed_rows(passing_card(), SETTINGS)


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_a_gate_fails_for_its_violation_alone(row):
    found = gates.seed_rows(violated(row), SETTINGS)
    failed = {name(r) for r in found if not r["passed"]}
    same = {name(r) for r in ROWS if (r["gate"], r["metric"]) == (row["gate"], row["metric"])}
    assert name(row) in failed
    assert failed <= same
    if row["grade"] == "BPLUS" and row["threshold"] != next(
        r["threshold"] for r in ROWS if name(r) == name({**row, "grade": "B"})
    ):
        assert failed == {name(row)}
    TALLY.add(f"gate {name(row)}")


STABLE = phase_rows.COMPARED


@pytest.mark.parametrize("grade", gates.GATED_GRADES)
@pytest.mark.parametrize("metric", STABLE)
def test_stability_fails_for_the_metric_that_varies(metric, grade):
    cards = [passing_card(seed) for seed in (7, 42)]
    limit = SETTINGS["stability_cv_max"][grade]
    for entry, side in zip(cards, (1.0, -1.0), strict=True):
        entry["metrics"][metric] *= 1 + side * limit * 1.2
    rows = gates.stability_rows(cards, SETTINGS)
    failed = {row["metric"] for row in rows if not row["passed"] and row["grade"] == grade}
    assert failed == {f"cv.{metric}"}
    TALLY.add(f"stability {grade} {metric}")


def test_every_shipped_gate_has_rows_of_both_grades():
    for grade in gates.GATED_GRADES:
        assert {row["metric"] for row in ROWS if row["grade"] == grade} >= set(SETTINGS["gates"])


GUARD = {
    "grade_not_below_B": test_upstream_guard.test_grade_below_b_alone,
    "hard_gates_not_regressed": test_upstream_guard.test_hard_gate_regression_alone,
    "authority_B_pass_metrics_not_regressed": test_upstream_guard.test_metric_regression_alone,
    "B_pass_count_not_below_authority": test_upstream_guard.test_pass_count_alone,
    "concentration_not_materially_worse_than_authority": lambda: (
        test_upstream_guard.test_concentration_alone("top10_outlet_share")
    ),
}


@pytest.mark.parametrize("check", GUARD_CHECKS)
def test_a_guard_check_fails_for_its_violation_alone(check):
    GUARD[check]()
    TALLY.add(f"guard {check}")


def p0(seed=7):
    found = passing_card(seed)
    receipt = {"run_id": found["run_id"], "seed": seed, "parameter_hash": "d" * 64}
    summary = {"counts": {"rows_s8": found["counts"]["sites"]}}
    return found, receipt, summary, [{"site_count": found["counts"]["sites"]}]


P0_VIOLATIONS = {
    "lineage_pinned": lambda c, r, s, t: r.update(parameter_hash="e" * 64),
    "metrics_defined": lambda c, r, s, t: c["metrics"].update(nn_p99_p50_ratio=None),
    "companion_tables_add_up": lambda c, r, s, t: t[0].update(site_count=1),
    "sites_agree_with_s8": lambda c, r, s, t: s["counts"].update(rows_s8=1),
    "one_eligible_set": lambda c, r, s, t: c.update(eligible_countries=["ZZ"]),
    "no_site_outside_eligible": lambda c, r, s, t: c["counts"].update(sites_outside_eligible=1),
}


def ready(violate=None):
    parts = [p0(7), p0(42)]
    if violate is not None:
        violate(*parts[1])
    cards, receipts, summaries, tables = zip(*parts, strict=True)
    return readiness(cards, receipts, summaries, dict(zip((7, 42), tables, strict=True)))


P0_CHECKS = [entry["check"] for entry in ready()["checks"]]


@pytest.mark.parametrize("check", P0_CHECKS)
def test_a_readiness_check_fails_for_its_violation_alone(check):
    assert ready()["decision"] == "GO"
    found = ready(P0_VIOLATIONS[check])
    assert [entry["check"] for entry in found["checks"] if not entry["passed"]] == [check]
    assert found["decision"] == "NO_GO"
    TALLY.add(f"P0 {check}")


S6 = {"mode": "towns_v3"}


def p1(changes=None, s2=None):
    return phase_rows.p1_rows([card(**{**BETTER, **(changes or {})})], [card()], s2 or S2)


STILL = s4(0.0, 0.0)
THRESHOLDS = SETTINGS["gates"]
# What the runs before P2 and P3 lack of the tests of truth that S4 and S6 are for.
BEFORE_P2 = {"T3": 0.5, "T5a": 0.0}
BEFORE_P3 = {"T7": 0.2, "T8": 0.1, "T10": 0.01}
WORSE_TRUTH = {
    **{"T1": 0.8, "T2": 2.0, "T3": 0.3, "T4": 30.0, "T5a": 0.4, "T5b": 0.5},
    **{"T6": 0.1, "T7": 0.21, "T8": 0.09, "T9": 0.5, "T10": 0.011},
}


def p2(changes=None, mode="outlets_v3"):
    before = card(lacking=BEFORE_P2)
    mine, report = [card(**(changes or {}))], [s4(0.0, 0.0, mode)]
    return phase_rows.p2_rows(mine, [before], report, [STILL], THRESHOLDS)


def p3(changes=None, s6=None, flagged=(), tuned=True, before=0.3):
    entry = card(**(changes or {}))
    entry["collapse"]["flagged"] = list(flagged)
    tuned_seed = entry["seed"] if tuned else entry["seed"] + 1
    reference = card(lacking=BEFORE_P3, nn_contraction=before)
    return phase_rows.p3_rows([entry], [reference], [s6 or S6], THRESHOLDS, tuned_seed)


PHASES = {"p1": p1, "p2": p2, "p3": p3}
OWN = {
    "s2_mode_blend_v2": lambda: p1(s2={**S2, "mode": "legacy_basis_only"}),
    "s2_diagnostics_present": lambda: p1(
        s2={k: v for k, v in S2.items() if k != "country_gini_proxy"}
    ),
    "s2_gini_rebalanced": lambda: p1(s2={**S2, "country_gini_proxy": 0.7}),
    "s2_top1_rebalanced": lambda: p1(s2={**S2, "country_share_topk": {"top1": 0.2}}),
    "s2_region_floor.Africa": lambda: p1(s2={**S2, "region_share_vector": {"Africa": 0.01}}),
    "s4_mode_outlets_v3": lambda: p2(mode="largest_remainder_v1"),
    "truth_of_s4_lacks_less": lambda: p2({"lacking": BEFORE_P2}),
    "truth_of_s6_lacks_less": lambda: p3({"lacking": BEFORE_P3}),
    "nn_contraction_not_worse_than_p2": lambda: p3({"nn_contraction": 0.24}),
    **{
        f"{name}_not_worse_than_p1": partial(
            p2, {name: card()["metrics"][name] - phase_rows.SHARE_TOLERANCE - 1e-6}
        )
        for name in phase_rows.COVERAGE
    },
    **{
        f"truth_{test}_not_worse_than_p2": partial(p3, {"lacking": {test: value}})
        for test, value in WORSE_TRUTH.items()
    },
    "southern_hemisphere_share_not_worse_than_p2": partial(
        p3,
        {phase_rows.SOUTH: card()["metrics"][phase_rows.SOUTH] - phase_rows.SHARE_TOLERANCE - 1e-6},
    ),
    "s6_mode_towns_v3": lambda: p3(s6={"mode": "uniform_v1"}),
    "nn_tail_contracts": lambda: p3({"nn_contraction": -0.01}, tuned=False, before=0.0),
    "nn_tail_reaches_B": lambda: p3({"nn_contraction": 0.19}, before=0.19),
    "no_collapse": lambda: p3(flagged=["MC"]),
}


def worse(metric):
    """A value of a metric that no reference run of these tests beats less."""
    lower_is_better = metric in (*phase_rows.CONCENTRATION, "nn_p99_p50_ratio")
    before = card()["metrics"][metric]
    return before + 1e-6 if lower_is_better else before - 1e-6


def phase_violation(phase, check):
    if check == "s9_structural":
        made = PHASES[phase]
        metrics = BETTER if phase == "p1" else {}
        entry = card(**metrics)
        entry["validation"]["failing_structural"] = ["x"]
        extra = {
            "p1": lambda: phase_rows.p1_rows([entry], [card()], S2),
            "p2": lambda: phase_rows.p2_rows(
                [entry], [card(lacking=BEFORE_P2)], [STILL], [STILL], THRESHOLDS
            ),
            "p3": lambda: phase_rows.p3_rows(
                [entry], [card(lacking=BEFORE_P3)], [S6], THRESHOLDS, entry["seed"]
            ),
        }
        assert made
        return extra[phase]()
    if check in OWN:
        return OWN[check]()
    metric = check.split("_not_worse_than_")[0].removesuffix("_improved")
    return PHASES[phase]({metric: worse(metric)})


PHASE_ROWS = sorted(
    {
        (phase, row["check"])
        for phase, make in PHASES.items()
        for row in make()
        if row["kind"] != phase_rows.REPORT
    }
)


@pytest.mark.parametrize(("phase", "check"), PHASE_ROWS)
def test_a_phase_row_fails_for_its_violation_alone(phase, check):
    assert failing(PHASES[phase]()) == []
    rows = phase_violation(phase, check)
    assert failing([row for row in rows if row["kind"] != phase_rows.REPORT]) == [check]
    TALLY.add(f"{phase} {check}")


GROUPS = ("policies", "schemas", "code", "other")


@pytest.mark.parametrize("phase", ["P1", "P2"])
@pytest.mark.parametrize("group", GROUPS)
def test_a_locked_file_of_every_group_is_a_fault_when_it_changes(
    repository, monkeypatch, phase, group
):
    folder, policies = repository
    gates_file = Path(gates.GATES_FILE)
    gates_file.write_text("gates: 1\n")
    surface = locks.SURFACES[phase]
    monkeypatch.setitem(
        locks.SURFACES, phase, locks.Surface(surface.policies, surface.modules, (gates.GATES_FILE,))
    )
    reports = folder / "reports"
    for earlier in locks.PHASES[: locks.PHASES.index(phase) + 1]:
        held = locked(reports, earlier, policies)
    assert set(held["files"]) == set(GROUPS)
    for path in sorted(held["files"][group]):
        # Laid over the repository's own file: the working folder is looked at first.
        target = Path(path)
        before = target.read_text() if target.is_file() else None
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text((before or "") + "\n# changed\n")
        lines = locks.faults(locks.read_locks(reports), policies)
        if before is None:
            target.unlink()
        else:
            target.write_text(before)
        assert len([line for line in lines if line.startswith(f"lock {phase}: {path} ")]) == 1
        TALLY.add(f"lock {phase} {path}")


LOCK_KINDS = ("other policy", "edited", "gone", "reopened", "undermined")


def test_every_other_lock_fault_is_told_for_its_violation_alone(repository):
    folder, policies = repository
    reports = folder / "reports"
    locked(reports, "P1", policies)
    locked(reports, "P2", policies)
    assert locks.faults(locks.read_locks(reports), policies) == []
    path = locks.lock_path(reports, "P1")
    record_before = path.read_bytes()

    other = Path("config/policy.s2.tile_weights.other.yaml")
    other.write_text("s2: 2\n")
    (line,) = locks.faults(locks.read_locks(reports), {**policies, "s2": str(other)})
    assert "the run uses" in line
    without = {key: file for key, file in policies.items() if key != "s2"}
    (line,) = locks.faults(locks.read_locks(reports), without)
    assert "this run has no policy s2" in line

    write_json(path, {**read_json(path), "seeds": [9]})
    lines = locks.faults(locks.read_locks(reports), policies)
    assert any("EG40" in line for line in lines)
    path.write_bytes(record_before)

    path.unlink()
    (line,) = locks.faults(locks.read_locks(reports), policies)
    assert line.startswith("lock P2 stands on lock P1, which is gone; ")
    path.write_bytes(record_before)

    reopened(reports, "P1")
    lines = locks.faults(locks.read_locks(reports), policies)
    assert [line.split(";")[0] for line in lines] == [
        "lock P1 is reopened",
        "lock P2 is undermined",
    ]
    for kind in LOCK_KINDS:
        TALLY.add(f"lock {kind}")


RELEASE_VIOLATIONS = {
    "certification.release is false": lambda d, c, r: d.update(release=False),
    "P0 says NO_GO to the baseline": lambda d, c, r: "NO_GO",
    "eligible countries, fewer than": lambda d, c, r: c["counts"].update(eligible_countries=1),
    "are missing": lambda d, c, r: d.update(required_seeds=[7, 42]),
    "inputs of the user: own/polygons": lambda d, c, r: r["sealed_inputs"].update(
        {"own/polygons": "0"}
    ),
}


@pytest.mark.parametrize("words", RELEASE_VIOLATIONS)
def test_what_makes_no_release(words):
    demands = {"release": True, "required_seeds": [42], "minimum_grade": "B"}
    entry = passing_card()
    receipt = {"sealed_inputs": {"reference/places": "0"}}
    assert release_faults([entry], [receipt], SETTINGS, demands, "GO") == []
    decision = RELEASE_VIOLATIONS[words](demands, entry, receipt) or "GO"
    (fault,) = release_faults([entry], [receipt], SETTINGS, demands, decision)
    assert words in fault
    TALLY.add(f"release {words}")


@pytest.fixture
def passed_bundle(tmp_path):
    (tmp_path / "a.json").write_text("{}\n")
    bundle.write_index(tmp_path, ["a.json"])
    bundle.write_flag(tmp_path)
    return tmp_path


BUNDLE_VIOLATIONS = {
    "EG20": lambda f: (f / "index.json").unlink(),
    "EG21": lambda f: write_json(f / "index.json", [{"path": "../x", "artifact_id": "x"}]),
    "EG22": lambda f: (f / "a.json").write_text("{ }\n"),
    "EG23": lambda f: (f / "_passed.flag").unlink(),
    "EG24": lambda f: (f / "_passed.flag").write_text("PASS\n"),
    "EG25": lambda f: (f / "_passed.flag").write_text(f"sha256_hex = {'0' * 64}\n"),
}


@pytest.mark.parametrize("code", BUNDLE_VIOLATIONS)
def test_a_bundle_is_refused_for_its_fault(passed_bundle, code):
    bundle.verify_bundle(passed_bundle)
    BUNDLE_VIOLATIONS[code](passed_bundle)
    with pytest.raises(GovernanceError, match=f"^{code} "):
        bundle.verify_bundle(passed_bundle)
    TALLY.add(f"bundle {code}")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_check_of_s9_fails_for_its_violation_alone(valid, check):
    assert test_s9_validation.failing(valid) == []
    violated = test_s9_validation.VIOLATIONS[check.id](valid)
    assert test_s9_validation.failing(violated) == [check.id]
    TALLY.add(f"S9 {check.id}")


def changed_receipt(request):
    """A release whose seed 42 was scored by other gates."""
    found = test_certificate.Runs(request.getfixturevalue("tmp_path"))
    found.change(test_certificate.RELEASE, 42, lambda card: card.update(gates_version="9"))
    found.certify_release()


def changed_policy(request):
    found = test_certificate.Runs(request.getfixturevalue("tmp_path"))
    found.policy.write_text("mode: legacy_basis_only\n", encoding="utf-8")
    found.certify_release()


def found_fault(request):
    """A promotion whose verification finds a fault."""
    monkeypatch = request.getfixturevalue("monkeypatch")
    monkeypatch.setattr(
        certify, "verify", lambda *a, **k: verification.Findings(["x: has digest y"], [], 1)
    )
    certify.verify_records("r", Path("runs"), Path("reference"))


def locked_twice(request):
    folder, policies = request.getfixturevalue("repository")
    for _ in range(2):
        locked(folder / "reports", "P1", policies)


def locked_out_of_turn(request):
    folder, policies = request.getfixturevalue("repository")
    locked(folder / "reports", "P2", policies)


def edited_lock(request):
    folder, policies = request.getfixturevalue("repository")
    locked(folder / "reports", "P1", policies)
    path = locks.lock_path(folder / "reports", "P1")
    write_json(path, {**read_json(path), "seeds": [9]})
    locks.read_sealed("segment1b_lock_record", path)


def other_baseline(request):
    folder, policies = request.getfixturevalue("repository")
    locked(folder / "reports", "P1", policies)
    standing = locks.standing_records(folder / "reports")
    report = {"baseline_authority": {"run_id": test_governance.D}}
    locks.refuse_moved_baseline(standing, report, {"p0.json": "1" * 64})


def guarded(spoil):
    """The guard enforced after its files were spoilt."""

    def violate(request):
        given = request.getfixturevalue("files")
        spoil(given)
        test_upstream_guard.enforce_now(given)

    return violate


def spoilt(key, change):
    def spoil(given):
        path = given[key] if isinstance(given[key], str | Path) else given[key][0]
        test_upstream_guard.edit(path, change)

    return spoil


def guard_of(certification):
    """The guard on no scorecards at all."""
    bands = test_upstream_guard.BANDS_POLICY
    return freeze_guard.judge(test_upstream_guard.RUN, certification, "4" * 64, [], [], bands)


def failed_1a(request):
    pass_1a.refuse_failure({"verdict": "FAIL", "failed": ["x"]}, "summary.json")


def ingested(change):
    """Tables of an external producer, taken over after a change."""

    def violate(request):
        folder = request.getfixturevalue("tmp_path")
        test_upstream_ingest.publish(folder, test_upstream_ingest.sound())
        change(folder)
        test_upstream_ingest.ingest(folder)

    return violate


def unsealed(folder):
    write_json(folder / "validation/egress_checksums.json", {"files": {}})
    bundle.write_index(folder / "validation", ["egress_checksums.json"])
    bundle.write_flag(folder / "validation")


def another_candidate(request):
    """A certificate of another run than the scorecards that came with it."""
    found = test_certificate.Runs(request.getfixturevalue("tmp_path"))
    found.certify_release()
    found.enforce(test_certificate.BASELINE)


def graded(**verdict):
    whole = {"not_a_release_because": [], "grade": "B", **verdict}
    demands = {"release": True, "minimum_grade": "B"}
    return lambda request: certify.enforce({"verdict": whole, "rows": []}, demands, "w")


NO_GO = {"readiness": {"decision": "NO_GO", "checks": [{"check": "c", "passed": False}]}}
LEDGER = {"outputs": {"a": "1" * 64}}


def made(digests):
    return ledger.Ledger(Path(), digests)


REFUSALS = {
    "EG26": ingested(lambda f: (f / "outlet_catalogue.parquet").write_bytes(b"x")),
    "EG27": lambda q: ledger.below(q.getfixturevalue("tmp_path"), "../x"),
    "EG30": lambda q: pointers.baseline_pointer(NO_GO, [], {}, "w"),
    "EG31": lambda q: pointers.candidate_pointer([card(7)], [], {}, "w"),
    "EG32": lambda q: pointers.last_good_pointer(
        {"verdict": {"minimum_grade_met": False, "grade": "B", "minimum_grade": "BPLUS"}},
        Path(), Path(), "w"
    ),
    "EG33": lambda q: pointers.verify(
        {"digests": {"gone": "0" * 64}}, q.getfixturevalue("tmp_path"), "pin"
    ),
    "EG34": another_candidate,
    "EG35": lambda q: pointers.refuse_unasked_repin(
        {"digests": {"a/run_receipt.json": "0" * 64}}, {"a/run_receipt.json": "1" * 64}, "w"
    ),
    "EG40": edited_lock,
    "EG41": lambda q: locks.refuse(["lock P1 is reopened"]),
    "EG42": other_baseline,
    "EG43": lambda q: enforce_phase.enforce_candidate(
        {"rows": with_triage(p1({"top1_share": 0.9})), "checks_all_pass": False,
         "phase": "P1"}, "w"
    ),
    "EG44": lambda q: enforce_phase.check_witness({"identical": False, "differing": ["x"]}, "w"),
    "EG45": lambda q: enforce_phase.enforce_integrated(
        {"classification": "RED_REOPEN_REQUIRED", "rows": [], "no_regression": [],
         "recommended_lane": "S6"}, "w", {}
    ),
    "EG46": locked_out_of_turn,
    "EG47": locked_twice,
    "ES12": lambda q: p0_baseline.by_seed([passing_card(7), passing_card(7)], "cards"),
    "ES20": lambda q: run_receipt.verify_outputs([LEDGER], made({"a": "1" * 64, "b": "2" * 64})),
    "ES21": lambda q: run_receipt.verify_outputs([LEDGER], made({"a": "2" * 64})),
    "ES22": lambda q: run_receipt.verify_outputs([LEDGER], made({})),
    "ES23": changed_policy,
    "ES24": changed_receipt,
    "ES25": lambda q: run_receipt.refuse_other_sources(
        {"report": {"measured_on": {"code": "", "files": {"policy.s5.yaml": "1" * 64}}}},
        {"policy.s5.yaml": "2" * 64},
    ),
    "ES30": graded(not_a_release_because=["seeds 101 are missing"]),
    "ES31": graded(grade="BELOW_B"),
    "ES33": found_fault,
    "EU20": ingested(unsealed),
    "EU30": guarded(spoilt("guard", lambda v: v.update(status="FAIL"))),
    "EU31": guarded(spoilt("scorecards", lambda v: v.update(parameter_hash="9" * 64))),
    "EU32": lambda q: guard_of({**test_upstream_guard.authority_file(), "status": "NOT_CERTIFIED"}),
    "EU34": lambda q: guard_of(test_upstream_guard.authority_file()),
    "EU40": failed_1a,
    "E910": lambda q: s9_passed_flag.refuse_failure(
        {"verdict": "FAIL",
         "checks": [{"status": "FAIL", "code": "E900", "check": "x", "reason": "y"}]}, "w"
    ),
}  # fmt: skip
ON_THE_WAY = (bundle, ledger, ingest_1a, pointers, locks, lock, enforce_phase, certify,
              certify_release, run_receipt, p0_baseline, enforce_freeze_guard, freeze_guard,
              pass_1a, s9_passed_flag)  # fmt: skip
CODES = sorted(
    {
        code
        for module in ON_THE_WAY
        for code in re.findall(r'"(E[A-Z0-9]\d\d)"', inspect.getsource(module))
    }
)


@pytest.mark.parametrize("code", sorted(set(CODES) - set(BUNDLE_VIOLATIONS)))
def test_a_refusal_on_the_way_to_a_promotion_is_made(request, code):
    with pytest.raises((SegmentError, RefusedError), match=f"^{code} "):
        REFUSALS[code](request)
    TALLY.add(f"refusal {code}")


LISTED = {
    *(f"gate {name(row)}" for row in ROWS),
    *(f"stability {grade} {metric}" for grade in SETTINGS["stability_cv_max"] for metric in STABLE),
    *(f"guard {check}" for check in GUARD_CHECKS),
    *(f"P0 {check}" for check in P0_CHECKS),
    *(f"{phase} {check}" for phase, check in PHASE_ROWS),
    *(f"lock {kind}" for kind in LOCK_KINDS),
    *(f"release {words}" for words in RELEASE_VIOLATIONS),
    *(f"bundle {code}" for code in BUNDLE_VIOLATIONS),
    *(f"refusal {code}" for code in set(CODES) - set(BUNDLE_VIOLATIONS)),
    *(f"S9 {check.id}" for check in CHECKS),
}


def test_no_violation_is_for_a_check_that_is_not_there():
    assert set(test_s9_validation.VIOLATIONS) == {check.id for check in CHECKS}
    assert set(REFUSALS) | set(BUNDLE_VIOLATIONS) == set(CODES)
    reasons = inspect.getsource(release_faults)
    assert len(RELEASE_VIOLATIONS) == reasons.count("faults.append(") + reasons.count("else [")


@pytest.mark.torture
def test_count(request):
    """After the others of this file: how many of the listed checks were seen to fail alone."""
    if not TALLY:
        pytest.skip("the tests of this file did not run before")
    of_locks = {entry for entry in TALLY if entry.startswith(("lock P1 ", "lock P2 "))}
    listed = LISTED | of_locks
    record(
        "gates cannot lie",
        len(listed),
        len(listed & TALLY),
        "gates, stability, S9 checks, freeze guard, P0 readiness, phase rows, locks, release and "
        "bundle rules and every refusal on the way to a promotion, as the code lists them: each "
        "seen to fail for its one violation alone",
        missed=sorted(listed - TALLY),
        seen=sorted(TALLY),
    )
    assert listed == TALLY
