"""The freeze guard: five checks, tolerance, fail-closed verdicts, stale verdicts."""

import copy

import pytest

from scripts.errors import UpstreamError
from scripts.policies import load_policy
from scripts.records.bundle import write_flag, write_index
from scripts.tables import file_digest, read_json, write_json
from scripts.upstream.enforce_freeze_guard import enforce
from scripts.upstream.freeze_guard import GUARD_CHECKS, compare, judge, judge_files
from scripts.upstream.scorer import certification, grade, representative
from tests.unit.test_upstream_scorer import GOOD, card
from tests.upstream_world import BANDS

RUN = "b" * 32
BANDS_POLICY = load_policy(BANDS)
# The authority misses one band, as a frozen world may.
AUTHORITY = {**GOOD, "realization_ratio_median": 0.0}


def graded(**changes):
    return copy.deepcopy(grade({**AUTHORITY, **changes}, BANDS_POLICY))


def verdict(candidate, authority=None):
    authority = authority or graded()
    checks, regressed = compare(authority, candidate, representative(authority), BANDS_POLICY)
    return [name for name in GUARD_CHECKS if not checks[name]], regressed


def test_the_authority_passes_its_own_guard():
    assert verdict(graded()) == ([], [])


def test_grade_below_b_alone():
    # Both miss the same hard gate: nothing regressed, and still no grade.
    weak = graded(candidate_count_median=16.0)
    assert verdict(weak, weak) == (["grade_not_below_B"], [])


def test_hard_gate_regression_alone():
    candidate = graded()
    candidate["hard_gates"]["checks"]["required_outputs_emitted"] = False
    assert verdict(candidate) == (["hard_gates_not_regressed"], [])


def test_a_hard_gate_that_the_candidate_lacks_is_regressed():
    candidate = graded()
    del candidate["hard_gates"]["checks"]["required_outputs_emitted"]
    assert verdict(candidate) == (["hard_gates_not_regressed"], [])


def test_metric_regression_alone():
    # One band lost, the authority's missing one won: the count is the same.
    candidate = graded(realization_ratio_median=0.15, median_outlets_per_merchant=21.0)
    assert verdict(candidate) == (
        ["authority_B_pass_metrics_not_regressed"],
        ["median_outlets_per_merchant"],
    )


def test_pass_count_alone():
    authority = graded()
    authority["band_coverage"]["B_pass_count"] = 14
    assert verdict(graded(), authority) == (["B_pass_count_not_below_authority"], [])


@pytest.mark.parametrize("name", ["top10_outlet_share", "gini_outlets_per_merchant"])
def test_concentration_alone(name):
    failing = ["concentration_not_materially_worse_than_authority"]
    assert verdict(graded(**{name: AUTHORITY[name] + 0.0101})) == (failing, [name])
    assert verdict(graded(**{name: AUTHORITY[name] + 0.0099})) == ([], [])


def test_tolerance_absorbs_rounding_and_no_more():
    edge = 0.25
    assert verdict(graded(home_legal_mismatch_rate=edge + 5e-13)) == ([], [])
    failing, regressed = verdict(graded(home_legal_mismatch_rate=edge + 5e-12))
    assert "authority_B_pass_metrics_not_regressed" in failing
    assert regressed == ["home_legal_mismatch_rate"]
    limit = AUTHORITY["gini_outlets_per_merchant"] + 0.01
    assert verdict(graded(gini_outlets_per_merchant=limit + 5e-13)) == ([], [])
    assert verdict(graded(gini_outlets_per_merchant=limit + 5e-12))[0]


def test_an_undefined_measure_regresses():
    candidate = graded(phi_cv=None)
    assert "phi_cv" in verdict(candidate)[1]
    assert "gini_outlets_per_merchant" in verdict(graded(gini_outlets_per_merchant=None))[1]


def cards(run_id=RUN, **by_seed):
    made = []
    for seed in (7, 42):
        made.append({**card(seed, **by_seed.get(f"s{seed}", {})), "run_id": run_id})
    return made


def authority_file(**by_seed):
    return certification(cards("a" * 32, **by_seed), BANDS_POLICY, "report")


def judged(candidate, authority=None):
    digests = ["3" * 64] * len(candidate)
    return judge(RUN, authority or authority_file(), "4" * 64, candidate, digests, BANDS_POLICY)


def test_one_weak_seed_fails_the_guard():
    payload = judged(cards(s42={"home_legal_mismatch_rate": 0.3}))
    assert payload["status"] == "FAIL"
    assert payload["regressed_B_metrics"] == ["home_legal_mismatch_rate"]
    by_seed = payload["candidate"]["by_seed"]
    assert all(by_seed["7"]["checks"].values())
    assert not by_seed["42"]["checks"]["authority_B_pass_metrics_not_regressed"]
    assert not by_seed["all"]["checks"]["authority_B_pass_metrics_not_regressed"]


def test_a_seed_is_compared_with_the_same_seed_of_the_authority():
    authority = authority_file(s42={"gini_outlets_per_merchant": 0.58})
    assert judged(cards(s42={"gini_outlets_per_merchant": 0.585}), authority)["status"] == "PASS"
    payload = judged(cards(s7={"gini_outlets_per_merchant": 0.585}), authority)
    assert payload["regressed_B_metrics"] == ["gini_outlets_per_merchant"]


def test_a_seed_that_was_never_certified_is_compared_with_the_whole():
    other = [{**card(1000, gini_outlets_per_merchant=0.5601), "run_id": RUN}]
    payload = judged(other)
    assert payload["status"] == "FAIL"
    assert "1000" in payload["candidate"]["by_seed"]
    assert judged([{**card(1000), "run_id": RUN}])["status"] == "PASS"


def test_missing_output_fails():
    payload = judged(cards(s7={"required_outputs_present": False}))
    assert payload["status"] == "FAIL"
    assert "required_outputs_present" in payload["regressed_B_metrics"]
    assert not payload["guard_checks"]["hard_gates_not_regressed"]


def test_payload_names_what_it_judged():
    payload = judged(cards())
    assert payload["status"] == "PASS"
    assert payload["candidate"]["inputs"]["42"]["outlet_catalogue"] == "1" * 64
    assert payload["candidate"]["inputs"]["42"]["scorecard"] == "3" * 64
    assert payload["authority"]["certification_sha256"] == "4" * 64


@pytest.fixture
def files(tmp_path):
    """Certification, scorecards and bundles of a candidate on the disk."""
    paths = {"certification": tmp_path / "certification.json", "bands": BANDS}
    paths["scorecards"], paths["flags"] = [], []
    for made in cards():
        folder = tmp_path / f"seed={made['seed']}" / "validation"
        folder.mkdir(parents=True)
        write_json(folder / "s9_summary.json", {"seed": made["seed"]})
        write_index(folder, ["s9_summary.json"])
        made["inputs"]["validation_bundle"] = write_flag(folder)
        path = folder.parent / "scorecard.json"
        write_json(path, made)
        paths["scorecards"].append(str(path))
        paths["flags"].append(str(folder / "_passed.flag"))
    write_json(paths["certification"], authority_file())
    paths["guard"] = str(tmp_path / "guard.json")
    write_json(paths["guard"], judge_now(paths))
    return paths


def judge_now(paths):
    return judge_files(RUN, str(paths["certification"]), paths["scorecards"], paths["bands"])


def enforce_now(paths):
    return enforce(
        RUN,
        paths["guard"],
        str(paths["certification"]),
        paths["scorecards"],
        paths["flags"],
        paths["bands"],
    )


def test_a_pass_is_accepted_with_its_digests(files):
    receipt = enforce_now(files)
    assert receipt["guard_sha256"] == file_digest(files["guard"])
    assert receipt["scorecards"]["42"] == file_digest(files["scorecards"][1])


def edit(path, change):
    value = read_json(path)
    change(value)
    write_json(path, value)


def test_a_fail_is_refused_in_one_line_with_the_metrics(files):
    made = {**card(42, home_legal_mismatch_rate=0.3), "run_id": RUN}
    write_json(files["scorecards"][1], made)
    write_json(files["guard"], judge_now(files))
    with pytest.raises(UpstreamError, match="home_legal_mismatch_rate") as caught:
        enforce_now(files)
    assert caught.value.code == "EU30"
    assert "\n" not in str(caught.value)


def test_stale_verdicts_are_refused(files):
    def newer_scorecard():
        edit(files["scorecards"][0], lambda v: v.update(parameter_hash="9" * 64))

    def newer_certification():
        edit(files["certification"], lambda v: v.update(description="another"))

    for age in (newer_scorecard, newer_certification):
        before = judge_now(files)
        write_json(files["guard"], before)
        enforce_now(files)
        age()
        with pytest.raises(UpstreamError, match="as they stand") as caught:
            enforce_now(files)
        assert caught.value.code == "EU31"


def test_a_forged_pass_is_refused(files):
    write_json(files["scorecards"][1], {**card(42, gini_outlets_per_merchant=0.7), "run_id": RUN})
    with pytest.raises(UpstreamError) as caught:
        enforce_now(files)
    assert caught.value.code == "EU31"


def test_another_bundle_is_refused(files, tmp_path):
    folder = tmp_path / "seed=42" / "validation"
    write_json(folder / "s9_summary.json", {"seed": 43})
    write_index(folder, ["s9_summary.json"])
    write_flag(folder)
    with pytest.raises(UpstreamError, match="other validation bundles") as caught:
        enforce_now(files)
    assert caught.value.code == "EU31"


def test_a_bundle_that_is_not_there_is_refused(files):
    files["flags"].pop()
    with pytest.raises(UpstreamError, match="other validation bundles") as caught:
        enforce_now(files)
    assert caught.value.code == "EU31"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda f: f["certification"].unlink(), "EX02"),
        (lambda f: f["certification"].write_text("{"), "EX02"),
        (lambda f: f["certification"].write_text("{}"), "EX14"),
        (lambda f: edit(f["certification"], lambda v: v.update(status="NOT_CERTIFIED")), "EU32"),
        (lambda f: edit(f["scorecards"][0], lambda v: v.update(run_id="c" * 32)), "EU34"),
        (lambda f: edit(f["scorecards"][0], lambda v: v.pop("hard_gates")), "EX14"),
        (lambda f: f["scorecards"].clear(), "EU34"),
        (lambda f: f.update(bands="config/absent.policy.yaml"), "EC01"),
    ],
)
def test_what_cannot_be_judged_is_a_fail(files, spoil, reason):
    spoil(files)
    payload = judge_now(files)
    assert payload["status"] == "FAIL"
    assert reason in payload["reason"]
    assert not any(payload["guard_checks"].values())


def test_the_authority_is_not_refused_for_the_spread_of_its_own_seeds():
    high = {"gini_outlets_per_merchant": AUTHORITY["gini_outlets_per_merchant"] + 0.02}
    digests = ["3" * 64]

    def judged_seed(run_id, **changes):
        own = {**card(99, **changes), "run_id": run_id}
        return judge(run_id, authority_file(), "4" * 64, [own], digests, BANDS_POLICY)

    assert judged_seed("a" * 32, **high)["status"] == "PASS"
    assert judged_seed(RUN, **high)["status"] == "FAIL"
    assert judged_seed("a" * 32, candidate_count_median=16.0)["status"] == "FAIL"
