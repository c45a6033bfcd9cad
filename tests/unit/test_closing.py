"""What a target ends with, from the records that this run made and no others."""

import dataclasses
from pathlib import Path

import pytest

from scripts.contracts import dataset_path, write_object
from scripts.errors import GovernanceError
from scripts.governance import pointers, promotion
from scripts.governance.closing import Outcome, closing
from scripts.policies import parse_yaml
from scripts.records.identity import parameter_hash
from scripts.records.ledger import by_name
from scripts.settings import CONFIG_FILE, load_settings
from scripts.tables import write_json
from tests.unit.test_gates import passing_card


@pytest.fixture
def settings(tmp_path, monkeypatch):
    document = {**parse_yaml(Path(CONFIG_FILE)), "runs_root": "runs", "seeds": [7, 42]}
    document["certification"]["required_seeds"] = [7, 42]
    made = load_settings(document)
    repository = Path.cwd()
    for part in ("config", "scripts"):
        (tmp_path / part).symlink_to(repository / part)
    monkeypatch.chdir(tmp_path)
    return made


def with_cards(settings, seeds):
    run = settings.run_named(settings.candidate)
    paths = []
    for seed in seeds:
        path = dataset_path("runs", "segment1b_scorecard", run_id=run.run_id, seed=seed)
        write_object("segment1b_scorecard", path, passing_card(seed, run.run_id))
        paths.append(path.as_posix())
    return paths


def test_without_a_scorecard_the_failed_jobs_are_told(settings):
    verdict = closing(settings, Outcome("certify", False, failed=("s4_alloc_plan seed 7",)))
    assert not verdict["passed"]
    assert "has no scorecard" in verdict["says"]
    assert verdict["because"] == ["failed: s4_alloc_plan seed 7"]


def test_seeds_that_have_a_scorecard_are_judged_though_others_failed(settings):
    with_cards(settings, [7])
    verdict = closing(settings, Outcome("certify", False, failed=("s9_passed_flag seed 42",)))
    assert verdict["seeds"] == [7]
    assert "no scorecard of seed 42" in verdict["says"]
    assert {entry["gate"] for entry in verdict["gates"]} > {"country_gini", "checks"}
    assert "stability" not in {entry["gate"] for entry in verdict["gates"]}


def test_a_scorecard_that_had_to_be_made_and_was_not_counts_for_nothing(settings):
    stale = with_cards(settings, [7, 42])
    outcome = Outcome(
        "candidate", False, unmade=frozenset(stale[1:]), failed=("scorecard seed 42",)
    )
    assert closing(settings, outcome)["seeds"] == [7]
    outcome = Outcome("candidate", False, unmade=frozenset(stale), failed=("scorecard seed 42",))
    assert "has no scorecard" in closing(settings, outcome)["says"]


def test_what_comes_next_keeps_the_configuration(settings):
    made = with_cards(settings, [7, 42])
    given = ("--config", "posture=p1", "upstream={kind: builtin}")
    outcome = Outcome("candidate", True, made, given=given)
    after = closing(settings, outcome)["next"]
    assert after[-1] == "snakemake certify --config posture=p1 'upstream={kind: builtin}'"
    failed = closing(settings, dataclasses.replace(outcome, passed=False))
    assert not any("certify" in line for line in failed["next"])


def test_a_target_of_files_says_what_it_made_and_what_not(settings):
    outcome = Outcome("site_maps", False, files=("a.png", "b.png"), unmade=frozenset(["b.png"]))
    verdict = closing(settings, outcome)
    assert verdict["made"] == ["a.png"]
    assert "1 could not be made" in verdict["says"]


def test_a_certificate_of_fewer_seeds_is_refused_before_anything_runs(settings):
    fewer = dataclasses.replace(settings, seeds=(7,))
    verdict = closing(fewer, Outcome("certify", False, failed=("certify",)))
    assert verdict["says"] == "refused before anything ran"
    (line,) = verdict["because"]
    assert line.startswith("certify judges all required seeds, [42] are missing; ")


@pytest.mark.parametrize(
    ("contraction", "said"),
    [
        (0.6, "is GREEN_B, no AMBER_NEAR_BPLUS; nothing to recover"),
        (0.3, ""),
        (0.1, "is RED_REOPEN_REQUIRED, no AMBER_NEAR_BPLUS; mend what fails: segment1b knobs"),
        (None, "is RED_REOPEN_REQUIRED"),
    ],
)
def test_a_recovery_looks_at_scorecards_of_these_policies_before_it_runs(
    settings, contraction, said
):
    run = settings.run_named(settings.candidate)
    policies = run.policies.values()
    for seed in settings.seeds:
        card = passing_card(seed, run.run_id)
        card["metrics"]["nn_contraction"] = contraction
        path = dataset_path("runs", "segment1b_scorecard", run_id=run.run_id, seed=seed)
        write_object("segment1b_scorecard", path, card)
        receipt = dataset_path("runs", "run_receipt", run_id=run.run_id, seed=seed)
        write_json(receipt, {"parameter_hash": parameter_hash(by_name(policies))})
    found = promotion.recovery_faults(settings, {})
    assert len(found) == bool(said)
    assert all(said in line for line in found)
    write_json(receipt, {"parameter_hash": "0" * 64})
    assert promotion.recovery_faults(settings, {}) == []


def searched(settings, cycle, value):
    """A calibration of two attempts on disk, the second one in a cycle."""
    run = settings.run_named(settings.candidate)
    start = {
        **{"cycle": 0, "attempt": 0, "attempt_id": run.run_id, "state": "", "turned_for": []},
        **{"knobs": {}, "policies": dict.fromkeys(("s2", "s4", "s6"), "0" * 64)},
        **{"status": "feasible", "vetoes": [], "objective": 0.25, "violation": 0.0},
        **{"grade": "A", "missed": [], "excused": [], "needs": [], "metrics": {}, "fidelity": {}},
    }
    turned = {
        "cycle": cycle,
        "objective": value,
        "knobs": {"towns.open_share": 0.4} if cycle else {},
    }
    best = {**start, **turned}
    board = {
        **{"search": "calibration", "seeds": [42], "attempts": 2, "feasible": 2, "start": start},
        "best": {"attempt": best, "policies": {"s2": {}, "s4": {}, "s6": {}}, "turned": []},
        "leaderboard": [best, start],
    }
    path = dataset_path("runs", "search_leaderboard", run_id=run.run_id, search="calibration")
    write_object("search_leaderboard", path, board)
    return closing(settings, Outcome("calibrate", True, files=(path.as_posix(),)))


def test_a_calibration_says_which_policies_won_and_where_they_are(settings):
    verdict = searched(settings, 3, 0.275)
    assert "cycle 3 attempt 0 wins, 0.275 after 0.25" in verdict["says"]
    assert verdict["because"] == ["turned towns.open_share=0.4"]
    assert verdict["made"][0].endswith("calibration/leaderboard.json")
    assert [Path(path).name for path in verdict["made"][1:]] == [
        "policy.s2.tile_weights.yaml", "policy.s4.alloc_plan.yaml", "policy.s6.jitter.yaml"
    ]  # fmt: skip
    verdict = searched(settings, 0, 0.25)
    assert "the policies in force stay, 0.25; 2 of 2 attempts hold" in verdict["says"]
    assert len(verdict["made"]) == 1


@pytest.mark.parametrize(("seeds", "said"), [([7], "on 1 seed,"), ([7, 42], "on 2 seeds,")])
def test_seeds_are_counted_in_words(settings, seeds, said):
    with_cards(settings, seeds)
    assert said in closing(settings, Outcome("candidate", True))["says"]


def test_another_baseline_is_not_pinned_unasked():
    before = {"digests": {"a/run_receipt.json": "1" * 64, "report.json": "2" * 64}}
    pointers.refuse_unasked_repin(before, {"a/run_receipt.json": "1" * 64, "report.json": "x"}, "p")
    with pytest.raises(GovernanceError, match=r"EG35 p: pins a/run_receipt\.json"):
        pointers.refuse_unasked_repin(before, {"a/run_receipt.json": "3" * 64}, "p")
