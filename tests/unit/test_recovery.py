"""The bounded recovery: who may enter, what is vetoed, what is taken, how it ends."""

import copy
from pathlib import Path

import pytest
import yaml

from scripts.contracts import read_object, write_object
from scripts.errors import ConfigError, GovernanceError
from scripts.governance import reopen
from scripts.ladder import rank_recovery, record_recovery, recovery
from scripts.ladder.calibration import attempts_of, propose
from scripts.ladder.evaluate_attempt import write_policy
from scripts.ladder.record_recovery import recovery_record
from scripts.ladder.recover import summary
from scripts.ladder.recovery import judge, load_search, moves, order_key, outcome, standing
from scripts.ladder.recovery_attempt import attempt_id
from scripts.ladder.start_recovery import require_allowed
from scripts.policies import load_policy
from scripts.scorers.classification import AMBER, GREEN, RED
from scripts.scorers.gates import evaluate, load_gates
from scripts.tables import file_digest
from tests.unit.test_gates import passing_card
from tests.unit.test_ladder_calibration import FILES, START
from tests.upstream_world import Named

GATES = load_gates("config/gates.yaml")
CALIBRATION = "config/calibration.yaml"
SHIPPED = load_search("config/recovery.yaml", CALIBRATION)
A = "a" * 32


def changed(**metrics):
    card = copy.deepcopy(passing_card())
    card["metrics"].update(metrics)
    return card


def stood(card, reference=None):
    """How two seeds stand that measure alike."""
    cards = [{**card, "seed": seed} for seed in (7, 42)]
    references = [{**copy.deepcopy(reference or card), "seed": seed} for seed in (7, 42)]
    return standing(cards, references, GATES)


def attempt(cycle=1, number=0, status="safe", shortfall=0.1, grade="B"):
    return {
        "cycle": cycle,
        "attempt": number,
        "status": status,
        "shortfall": shortfall,
        "grade": grade,
    }


START_STANDING = {"faithless": [], "shortfall": 0.3, "cycle": 0, "grade": "B"}


@pytest.mark.parametrize("classification", [RED, GREEN])
def test_only_amber_may_enter(classification):
    record = {"classification": classification, "recovery_allowed": False}
    with pytest.raises(GovernanceError, match=f"EG49 w: P4 is {classification}"):
        require_allowed(record, "w")
    require_allowed({"classification": AMBER, "recovery_allowed": True}, "w")


def test_a_run_at_bplus_has_no_shortfall():
    found = stood(passing_card())
    assert found["grade"] == "BPLUS"
    assert (found["broken"], found["missed"], found["shortfall"]) == ([], [], 0.0)
    assert judge(found, START_STANDING)["status"] == recovery.SAFE


def test_shortfall_is_what_missed_rows_lack_of_their_thresholds():
    limit = GATES["gates"]["nn_contraction"]["BPLUS"]
    found = stood(changed(nn_contraction=0.9 * limit))
    assert found["grade"] == "B"
    assert found["missed"] == ["nn_contraction seed 7", "nn_contraction seed 42"]
    assert found["shortfall"] == pytest.approx(0.1 + 0.1)


def test_an_undefined_metric_is_a_whole_threshold_short_and_vetoes():
    found = stood(changed(nn_contraction=None))
    assert found["shortfall"] == 1.0 + 1.0
    assert judge(found, START_STANDING)["status"] == recovery.VETOED


def test_a_b_gate_that_fails_is_vetoed_by_its_name():
    limit = GATES["gates"]["nn_contraction"]["B"]
    score = judge(stood(changed(nn_contraction=0.9 * limit)), START_STANDING)
    assert score["status"] == recovery.VETOED
    assert score["vetoes"] == ["nn_contraction seed 7", "nn_contraction seed 42"]


def test_falling_behind_p3_is_vetoed():
    card = passing_card()
    better = copy.deepcopy(card)
    better["metrics"]["country_gini"] -= 1e-6
    score = judge(stood(card, reference=better), START_STANDING)
    assert score["status"] == recovery.VETOED
    assert score["vetoes"][0].startswith("country_gini_not_worse_than_p3")


def test_a_floor_of_fidelity_may_be_missed_only_if_it_was_before():
    card = passing_card()
    card["fidelity"]["population"]["spearman_median"] = 0.1
    found = stood(card)
    names = ["spearman_median seed 7", "spearman_median seed 42"]
    assert found["faithless"] == names
    assert judge(found, START_STANDING)["vetoes"] == names
    assert judge(found, {**START_STANDING, "faithless": names})["status"] == recovery.SAFE


def test_the_smaller_shortfall_of_the_safe_ones_is_first():
    vetoed = attempt(number=0, status="vetoed", shortfall=0.0)
    refused = {**attempt(number=1, status="refused"), "shortfall": None}
    far, near, later = (attempt(number=n, shortfall=s) for n, s in ((2, 0.2), (3, 0.1), (4, 0.1)))
    found = sorted([vetoed, refused, far, later, near], key=order_key)
    assert [entry["attempt"] for entry in found] == [3, 4, 2, 0, 1]


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        (attempt(shortfall=0.2), True),
        (attempt(shortfall=0.2995), False),
        (attempt(shortfall=0.3), False),
        (attempt(shortfall=0.0, status="vetoed"), False),
        ({**attempt(status="refused"), "shortfall": None}, False),
        ({**attempt(status="not_run"), "shortfall": None}, False),
    ],
)
def test_only_a_safe_movement_counts(candidate, expected):
    assert moves(candidate, START_STANDING, 0.001) is expected


def test_reaching_bplus_counts_however_small_the_gain():
    near = {**START_STANDING, "shortfall": 0.0005}
    assert moves(attempt(shortfall=0.0, grade="BPLUS"), near, 0.001)


def test_three_ends():
    assert outcome(START_STANDING) == recovery.STILL
    assert outcome(attempt(grade="BPLUS")) == recovery.REACHED
    assert outcome(attempt()) == recovery.SPENT


def test_every_attempt_has_an_id_of_its_own_that_repeats():
    places = [(c, a) for c, n in enumerate(attempts_of(SHIPPED)) for a in range(n)]
    found = {attempt_id("reopened", *place) for place in places}
    assert len(found) == len(places)
    assert attempt_id("reopened", 1, 0) == attempt_id("reopened", 1, 0)
    assert attempt_id("other", 1, 0) not in found


def test_every_proposal_of_the_shipped_recovery_turns_one_group_of_a_valid_policy(tmp_path):
    for cycle, attempts in list(enumerate(attempts_of(SHIPPED)))[1:]:
        for number in range(attempts):
            found = propose(SHIPPED, cycle, number, START)
            assert found["group"] == SHIPPED["cycles"][cycle - 1]["group"]
            turned = [s for s in FILES if found["policies"][s] != START[s]]
            assert turned == [SHIPPED["groups"][found["group"]]["state"]]
            path = tmp_path / FILES[turned[0]]
            path.write_text(yaml.safe_dump(dict(found["policies"][turned[0]])), encoding="utf-8")
            load_policy(path)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ({"attempt_budget": 11}, "12 attempts, the budget is 11"),
        ({"cycles": [{"group": "none", "attempts": 1, "zoom": 1.0}]}, "no group 'none'"),
    ],
)
def test_bad_recovery_settings(tmp_path, edit, words):
    document = {k: v for k, v in SHIPPED.items() if k != "groups"}
    path = tmp_path / "recovery.yaml"
    path.write_text(yaml.safe_dump({**document, **edit}), encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        load_search(path, CALIBRATION)


def record(best):
    integrated = {
        **{"run_id": A, "name": "n", "posture": "n", "parameter_hash": "0" * 64, "seeds": [7]},
        "rows": [{"grade": "B", "passed": True}, {"grade": "BPLUS", "passed": False}],
    }
    start = {"grade": "B", "missed": ["nn_contraction seed 7"], "shortfall": 0.3}
    done = {**attempt(), "knobs": {"k": 1.0}, "vetoes": []}
    won = {"s4": {"path": "best/policy.s4.yaml", "sha256": "0" * 64}}
    return recovery_record(integrated, start, best, [done], won)


def test_the_record_accepts_b_when_nothing_moved_and_names_the_winner_else():
    still = record({**START_STANDING, "attempt": 0})
    assert still["outcome"] == recovery.STILL
    assert still["winner"] is None
    assert still["classification"] == GREEN
    assert "accepted as it is" in summary(still, "runs", "r.json")[-1]
    best = {**attempt(grade="BPLUS", shortfall=0.0), "attempt_id": A, "knobs": {}, "missed": []}
    won = record(best)
    assert won["winner"]["grade"] == "BPLUS"
    assert "runs/best/policy.s4.yaml" in summary(won, "runs", "r.json")[-1]


def test_a_recovery_with_a_winner_is_evidence_to_reopen():
    best = {**attempt(grade="BPLUS", shortfall=0.0), "attempt_id": A, "knobs": {}, "missed": []}
    kind = "segment1b_p4_recovery"
    assert reopen.failing(kind, record(best), "") == ["nn_contraction seed 7"]
    assert reopen.failing(kind, record({**START_STANDING, "attempt": 0}), "") == []


def test_ranking_and_recording_write_what_their_contracts_say(tmp_path):
    """An attempt that turns S4 is safe and at BPLUS: it wins, S2 and S6 keep their bytes."""
    folder = "config/layer1/1B/policy"
    in_force = {state: f"{folder}/{name}" for state, name in FILES.items()}
    policies = {**START, "s4": {**START["s4"], "max_moved_share": 0.01}}
    attempt_files = {}
    for state, policy in policies.items():
        attempt_files[state] = str(tmp_path / f"attempt.{state}.yaml")
        write_policy(attempt_files[state], policy)
    place = {"cycle": 0, "attempt": 0, "attempt_id": None, "knobs": {}, "policies": dict(START)}
    start = {**place, "grade": "B", "missed": ["x"], "faithless": [], "shortfall": 0.1}
    write_object("recovery_start", tmp_path / "start.json", start)
    done = {
        **{"cycle": 1, "attempt": 0, "attempt_id": A, "group": "agglomeration", "knobs": {}},
        "policies": dict.fromkeys(FILES, "0" * 64),
        **judge(stood(passing_card()), START_STANDING),
        "metrics": {},
    }
    write_object("recovery_attempt", tmp_path / "attempt.json", done)
    rank_recovery.main(
        Named(
            best=str(tmp_path / "start.json"),
            attempts=[str(tmp_path / "attempt.json")],
            recovery="config/recovery.yaml",
            calibration=CALIBRATION,
            **{state: [path] for state, path in attempt_files.items()},
        ),
        Named(best=tmp_path / "best.json"),
        Named(),
        Named(run_id=A, cycle="1"),
    )
    integrated = {
        **{"phase": "P4", "run_id": A, "name": "n", "posture": "n", "parameter_hash": "0" * 64},
        **{"seeds": [7, 42], "reference_run_id": A, "envelope_sha256": "0" * 64},
        **{"metrics": {}, "scorecards": {}, "classification": AMBER, "grade": "B"},
        **{"posture_holds": {}, "recovery_allowed": True, "reopen_required": False},
        "rows": evaluate([passing_card(), {**passing_card(), "seed": 7}], GATES)["rows"],
        **{"no_regression": [], "delta": {}, "recommended_lane": None, "lanes": []},
    }
    write_object("segment1b_p4_integrated", tmp_path / "integrated.json", integrated)
    won = {state: str(tmp_path / f"won.{state}.yaml") for state in FILES}
    record_recovery.main(
        Named(
            integrated=str(tmp_path / "integrated.json"),
            start=str(tmp_path / "start.json"),
            attempts=[str(tmp_path / "attempt.json")],
            best=str(tmp_path / "best.json"),
            **in_force,
        ),
        Named(record=tmp_path / "record.json", **won),
        Named(runs_root=str(tmp_path)),
        Named(run_id=A),
    )
    found = read_object("segment1b_p4_recovery", tmp_path / "record.json")
    assert found["outcome"] == recovery.REACHED
    assert found["winner"]["policies"]["s4"]["path"] == "won.s4.yaml"
    assert load_policy_text(won["s4"])["max_moved_share"] == 0.01
    for state in ("s2", "s6"):
        assert file_digest(won[state]) == file_digest(in_force[state])
    lines = summary(found, "runs", "record.json")
    assert any("cycle 1 attempt 0 safe shortfall 0.0000" in line for line in lines)


def load_policy_text(path):
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
