"""The bounded recovery: who may enter, what is vetoed, what is taken, how it ends."""

import copy

import pytest
import yaml

from scripts.contracts import read_object, write_object
from scripts.errors import ConfigError, GovernanceError
from scripts.governance import record_recovery, reopen
from scripts.governance.record_recovery import outcome, recovery_record
from scripts.governance.recover import summary
from scripts.scorers.classification import AMBER, GREEN, RED
from scripts.scorers.gates import evaluate, load_gates
from scripts.search.policy import attempts_of, load_search
from scripts.search.score import (
    FEASIBLE,
    INFEASIBLE,
    improves,
    no_score,
    order_key,
    reached,
    score,
)
from scripts.search.search_attempt import attempt_id
from scripts.search.start_search import require_allowed
from tests.unit.test_gates import passing_card
from tests.unit.test_search import FILES, START
from tests.upstream_world import Named

GATES = load_gates("config/gates.yaml")
SHIPPED = load_search("config/recovery.yaml")
GAIN, GOAL = SHIPPED["minimum_gain"], SHIPPED["goal"]
A = "a" * 32


def changed(**metrics):
    card = copy.deepcopy(passing_card())
    card["metrics"].update(metrics)
    return card


def stood(card, p3=None, excused=()):
    """Score of an attempt whose two seeds measure alike."""
    cards = [{**card, "seed": seed} for seed in (7, 42)]
    before = [{**copy.deepcopy(p3 or card), "seed": seed} for seed in (7, 42)]
    return score(cards, before, GATES, SHIPPED, excused)


def attempt(cycle=1, number=0, status=FEASIBLE, shortfall=0.1, grade="B"):
    return {
        **{"cycle": cycle, "attempt": number, "attempt_id": A, "knobs": {"k": 1.0}},
        **{"state": "s4" if cycle else "", "turned_for": [], "needs": []},
        **{"policies": dict.fromkeys(FILES, "0" * 64), "status": status, "vetoes": []},
        **{"objective": None if shortfall is None else 0.0 - shortfall, "violation": 0.0},
        **{"grade": grade, "missed": [], "excused": [], "metrics": {}, "fidelity": {}},
    }


START_ATTEMPT = {**attempt(cycle=0, shortfall=0.3), "missed": ["nn_contraction seed 7"]}


@pytest.mark.parametrize("classification", [RED, GREEN])
def test_only_amber_may_enter(classification):
    record = {"classification": classification, "recovery_allowed": False}
    with pytest.raises(GovernanceError, match=f"EG49 w: P4 is {classification}"):
        require_allowed(record, "w")
    require_allowed({"classification": AMBER, "recovery_allowed": True}, "w")


def test_a_run_at_a_has_no_shortfall():
    found = stood(passing_card())
    assert found["grade"] == "A"
    assert (found["vetoes"], found["missed"], found["objective"]) == ([], [], 0.0)
    assert found["status"] == FEASIBLE
    assert reached({**attempt(), **found}, GOAL)


def test_shortfall_is_what_missed_rows_lack_of_their_thresholds():
    limit = GATES["gates"]["nn_contraction"]["BPLUS"]
    found = stood(changed(nn_contraction=0.9 * limit))
    assert found["grade"] == "B"
    assert found["missed"] == ["nn_contraction seed 7", "nn_contraction seed 42"]
    assert found["objective"] == pytest.approx(-0.1 - 0.1)
    assert not reached({**attempt(), **found}, GOAL)


def test_an_undefined_metric_is_a_whole_threshold_short_and_vetoes():
    found = stood(changed(nn_contraction=None))
    assert found["objective"] == -1.0 - 1.0
    assert found["status"] == INFEASIBLE


def test_a_b_gate_that_fails_is_vetoed_by_its_name():
    limit = GATES["gates"]["nn_contraction"]["B"]
    found = stood(changed(nn_contraction=0.9 * limit))
    assert found["status"] == INFEASIBLE
    assert found["vetoes"] == ["nn_contraction seed 7", "nn_contraction seed 42"]


def test_falling_behind_p3_is_vetoed():
    card = passing_card()
    better = copy.deepcopy(card)
    better["metrics"]["country_gini"] -= 1e-6
    found = stood(card, p3=better)
    assert found["status"] == INFEASIBLE
    assert found["vetoes"][0].startswith("country_gini_not_worse_than_p3")
    assert stood(card, p3=card)["vetoes"] == []


def test_the_tail_may_fall_behind_p3():
    better = changed(nn_contraction=0.9)
    assert stood(passing_card(), p3=better)["status"] == FEASIBLE


def test_a_floor_of_fidelity_may_be_missed_only_if_it_was_before():
    card = passing_card()
    card["fidelity"]["population"]["spearman_median"] = 0.1
    names = ["spearman_median seed 7", "spearman_median seed 42"]
    assert stood(card)["vetoes"] == names
    start = stood(card, excused=None)
    assert (start["status"], start["excused"]) == (FEASIBLE, names)
    assert stood(card, excused=names)["status"] == FEASIBLE
    card["metrics"]["nn_contraction"] = None
    assert stood(card, excused=None)["status"] == INFEASIBLE


def test_the_smaller_shortfall_of_the_safe_ones_is_first():
    vetoed = {**attempt(number=0, status=INFEASIBLE, shortfall=0.0), "violation": 0.1}
    refused = {**attempt(number=1), **no_score("refused", "no")}
    far, near, later = (attempt(number=n, shortfall=s) for n, s in ((2, 0.2), (3, 0.1), (4, 0.1)))
    found = sorted([vetoed, refused, far, later, near], key=order_key)
    assert [entry["attempt"] for entry in found] == [3, 4, 2, 0, 1]


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        (attempt(shortfall=0.2), True),
        (attempt(shortfall=0.2995), False),
        (attempt(shortfall=0.3), False),
        (attempt(shortfall=0.0, status=INFEASIBLE), False),
        ({**attempt(), **no_score("refused", "no")}, False),
        ({**attempt(), **no_score("not_run", "no")}, False),
    ],
)
def test_only_a_safe_movement_counts(candidate, expected):
    assert improves(candidate, START_ATTEMPT, GAIN, GOAL) is expected


def test_reaching_bplus_counts_however_small_the_gain():
    near = attempt(cycle=0, shortfall=0.0005)
    assert improves(attempt(shortfall=0.0, grade="BPLUS"), near, GAIN, GOAL)


def test_three_ends():
    assert outcome(START_ATTEMPT) == record_recovery.STILL
    assert outcome(attempt(grade="BPLUS")) == record_recovery.REACHED
    assert outcome(attempt()) == record_recovery.SPENT


def test_every_attempt_has_an_id_of_its_own_that_repeats():
    places = [(c, a) for c, n in enumerate(attempts_of(SHIPPED)) for a in range(n)]
    found = {attempt_id("reopened", "recovery", *place) for place in places}
    assert len(found) == len(places)
    assert attempt_id("reopened", "recovery", 1, 0) in found
    assert attempt_id("reopened", "calibration", 1, 0) not in found
    assert attempt_id("other", "recovery", 1, 0) not in found


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ({"attempt_budget": 11}, "12 attempts, the budget is 11"),
        ({"cycles": []}, "EC10"),
    ],
)
def test_bad_recovery_settings(tmp_path, edit, words):
    path = tmp_path / "recovery.yaml"
    path.write_text(yaml.safe_dump({**SHIPPED, **edit}), encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        load_search(path)


def record(best):
    integrated = {
        **{"run_id": A, "name": "n", "posture": "n", "parameter_hash": "0" * 64, "seeds": [7]},
        "rows": [{"grade": "B", "passed": True}, {"grade": "BPLUS", "passed": False}],
    }
    won = {"s4": {"path": "best/policy.s4.yaml", "sha256": "0" * 64}}
    return recovery_record(integrated, START_ATTEMPT, best, [attempt(), START_ATTEMPT], won, ["s4"])


def test_the_record_accepts_b_when_nothing_moved_and_names_the_winner_else():
    still = record(START_ATTEMPT)
    assert still["outcome"] == record_recovery.STILL
    assert still["winner"] is None
    assert still["classification"] == GREEN
    assert "accepted as it is" in summary(still, "runs")[-1]
    won = record(attempt(grade="BPLUS", shortfall=0.0))
    assert won["winner"]["grade"] == "BPLUS"
    assert "runs/best/policy.s4.yaml" in summary(won, "runs")[-1]


def test_the_record_lists_attempts_in_order_and_says_safe_or_vetoed():
    vetoed = {**attempt(number=1, status=INFEASIBLE), "vetoes": ["country_gini seed 7"]}
    not_run = {**attempt(cycle=2), **no_score("not_run", "an earlier cycle reached the goal")}
    entries = recovery_record(
        {**dict.fromkeys(("run_id", "name", "posture", "parameter_hash", "seeds")), "rows": []},
        START_ATTEMPT,
        attempt(),
        [not_run, vetoed, START_ATTEMPT, attempt()],
        {},
        [],
    )["attempts"]
    assert [(e["cycle"], e["attempt"], e["status"], e["shortfall"]) for e in entries] == [
        (1, 0, "safe", 0.1),
        (1, 1, "vetoed", 0.1),
        (2, 0, "not_run", None),
    ]
    assert entries[1]["vetoes"] == ["country_gini seed 7"]


def test_a_recovery_with_a_winner_is_evidence_to_reopen():
    kind = "segment1b_p4_recovery"
    won = record(attempt(grade="BPLUS", shortfall=0.0))
    assert reopen.contradictions(kind, won, "P2") == ["nn_contraction seed 7"]
    assert reopen.contradictions(kind, won, "P4") == ["nn_contraction seed 7"]
    assert reopen.contradictions(kind, won, "P1") == reopen.contradictions(kind, won, "P3") == []
    assert reopen.contradictions(kind, record(START_ATTEMPT), "P2") == []


def test_the_record_is_what_its_contract_says(tmp_path):
    start = {**START_ATTEMPT, **stood(changed(nn_contraction=0.3), excused=None)}
    done = {**attempt(), **stood(passing_card())}
    search = {
        **{"search": "recovery", "seeds": [7, 42], "attempts": 2, "feasible": 2},
        **{"start": start, "best": {"attempt": done, "policies": dict(START), "turned": []}},
        "leaderboard": [done, start],
    }
    write_object("search_leaderboard", tmp_path / "leaderboard.json", search)
    in_force = {**START, "s6": {**START["s6"], "max_attempts": 3}}
    write_object("search_start", tmp_path / "start.json", {"policies": in_force})
    integrated = {
        **{"phase": "P4", "run_id": A, "name": "n", "posture": "n", "parameter_hash": "0" * 64},
        **{"seeds": [7, 42], "reference_run_id": A, "envelope_sha256": "0" * 64},
        **{"metrics": {}, "scorecards": {}, "classification": AMBER, "grade": "B"},
        **{"posture_holds": {}, "recovery_allowed": True, "reopen_required": False},
        "rows": evaluate([passing_card(), {**passing_card(), "seed": 7}], GATES)["rows"],
        **{"no_regression": [], "delta": {}, "recommended_lane": None, "lanes": []},
        "deciding_grade": "BPLUS",
        "countries_offered": {"eligible": 1, "with_sites": {}, "wanted_share": {}},
    }
    write_object("segment1b_p4_integrated", tmp_path / "integrated.json", integrated)
    won = {state: tmp_path / f"won.{state}.yaml" for state in FILES}
    for path in won.values():
        path.write_text("a: 1\n", encoding="utf-8")
    record_recovery.main(
        Named(
            integrated=str(tmp_path / "integrated.json"),
            start=tmp_path / "start.json",
            leaderboard=str(tmp_path / "leaderboard.json"),
            **won,
        ),
        Named(record=tmp_path / "record.json"),
        Named(runs_root=str(tmp_path)),
        Named(run_id=A),
    )
    found = read_object("segment1b_p4_recovery", tmp_path / "record.json")
    assert found["outcome"] == record_recovery.REACHED
    assert found["start"]["missed"] == ["nn_contraction seed 7", "nn_contraction seed 42"]
    assert found["winner"]["policies"]["s4"]["path"] == "won.s4.yaml"
    assert found["winner"]["turned"] == ["s6"]
    lines = summary(found, "runs")
    assert any("cycle 1 attempt 0 safe shortfall 0.0000" in line for line in lines)
