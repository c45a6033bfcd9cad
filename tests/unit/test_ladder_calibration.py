"""The bounded search: ranges, blends, constraints, order of attempts."""

import copy

import pytest
import yaml

from scripts.errors import ConfigError
from scripts.ladder import calibration, rank_calibration
from scripts.ladder.calibration import (
    attempts_of,
    constraints,
    get_key,
    halton,
    improves,
    load_calibration,
    objective,
    order_key,
    propose,
    values_of,
    with_keys,
)
from scripts.ladder.evaluate_attempt import attempt_of, refused
from scripts.policies import load_policy
from scripts.scorers.gates import load_gates
from tests.unit.test_gates import passing_card

GATES = load_gates("config/gates.yaml")
SHIPPED = load_calibration("config/calibration.yaml")
FILES = {
    "s2": "policy.s2.tile_weights.yaml",
    "s4": "policy.s4.alloc_plan.yaml",
    "s6": "policy.s6.jitter.yaml",
}
START = {k: load_policy(f"config/layer1/1B/policy/{name}") for k, name in FILES.items()}


def edited(tmp_path, **changes):
    document = copy.deepcopy(dict(SHIPPED))
    document.update(changes)
    path = tmp_path / "calibration.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def test_every_proposal_of_the_shipped_search_is_a_policy_or_says_why_not(tmp_path):
    for cycle, attempts in enumerate(attempts_of(SHIPPED)):
        for attempt in range(attempts):
            found = propose(SHIPPED, cycle, attempt, START)
            for state, name in FILES.items():
                path = tmp_path / name
                path.write_text(yaml.safe_dump(dict(found["policies"][state])), encoding="utf-8")
                load_policy(path)


def test_the_first_attempt_is_the_policies_in_force():
    found = propose(SHIPPED, 0, 0, START)
    assert found == {"group": "", "knobs": {}, "policies": START}


def test_a_cycle_turns_its_group_alone_and_inside_its_ranges():
    for cycle, turn in enumerate(SHIPPED["cycles"], start=1):
        group = SHIPPED["groups"][turn["group"]]
        for attempt in range(turn["attempts"]):
            found = propose(SHIPPED, cycle, attempt, START)
            assert set(found["knobs"]) == set(group["knobs"])
            for key, span in group["knobs"].items():
                assert span["low"] <= found["knobs"][key] <= span["high"]
                assert get_key(found["policies"][group["state"]], key) == found["knobs"][key]
            others = set(FILES) - {group["state"]}
            assert all(found["policies"][state] == START[state] for state in others)


def test_a_longer_cycle_keeps_the_attempts_of_a_shorter_one():
    assert halton(12, 3)[:5] == halton(5, 3)
    assert all(0.0 < value < 1.0 for point in halton(20, 3) for value in point)


def test_zoom_stays_about_the_best_and_inside_the_range():
    span = {"low": 0.0, "high": 10.0}
    assert values_of(span, 1.0, 9.0, 0.25) == 2.5
    assert values_of(span, 0.2, 5.0, 0.5) == 5.0
    assert values_of(span, 0.2, 10.0, 1.0) == 10.0
    assert values_of(span, 0.2, 10.0, 0.0) == 8.0


def test_rest_takes_what_siblings_leave():
    s2 = with_keys(
        START["s2"],
        {"tile_density.basis_mix.area_m2": 0.05},
        {
            "key": "tile_density.basis_mix.population",
            "siblings": ["tile_density.basis_mix.uniform", "tile_density.basis_mix.area_m2"],
        },
    )
    assert s2["tile_density"]["basis_mix"] == {"uniform": 0.0, "area_m2": 0.05, "population": 0.95}
    s6 = with_keys(
        START["s6"],
        {"mixture.core_cluster.weight": 0.5, "mixture.secondary_cluster.weight": 0.2},
        SHIPPED["groups"]["components"]["rest"],
    )
    assert s6["mixture"]["sparse_tail"]["weight"] == 0.3
    assert START["s6"]["mixture"]["core_cluster"]["weight"] != 0.5


def test_unknown_knobs_are_refused():
    with pytest.raises(ConfigError, match="no knob"):
        with_keys(START["s4"], {"agglomeration.sise": 1.0})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attempt_budget": 5}, "budget"),
        ({"cycles": [{"group": "nothing", "attempts": 1, "zoom": 1.0}]}, "no group"),
        ({"objective": {**SHIPPED["objective"], "slack": 0.5}}, "sum"),
        (
            {"groups": {"a": {"state": "s4", "knobs": {"max_moved_share": {"low": 1, "high": 1}}}}},
            "no group|no range",
        ),
    ],
)
def test_contradictions_in_the_search_are_refused(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        load_calibration(edited(tmp_path, **changes))


def test_more_than_three_knobs_are_refused(tmp_path):
    knobs = {f"k{n}": {"low": 0, "high": 1} for n in range(4)}
    groups = {**SHIPPED["groups"], "wide": {"state": "s4", "knobs": knobs}}
    with pytest.raises(ConfigError, match="EC10"):
        load_calibration(edited(tmp_path, groups=groups))


def test_a_gate_needs_its_margin_and_a_floor_only_to_hold():
    card = passing_card()
    assert not any(row["missing"] for row in constraints(card, GATES, 0.02))
    card["metrics"]["country_gini"] = 0.595
    missed = {row["gate"] for row in constraints(card, GATES, 0.02) if row["missing"]}
    assert missed == {"country_gini"}
    assert not any(row["missing"] for row in constraints(card, GATES, 0.0))
    card = passing_card()
    card["region_shares"]["Africa"] = 0.19
    card["fidelity"]["population"]["spearman_median"] = 0.79
    missed = {row["gate"] for row in constraints(card, GATES, 0.0) if row["missing"]}
    assert missed == {"region_floor", "spearman_median"}
    card["metrics"]["nn_contraction"] = None
    assert "nn_contraction" in attempt_of(card, GATES, SHIPPED)["missed"]


def test_the_objective_rewards_fidelity():
    weights = SHIPPED["objective"]
    base = passing_card()

    def score(card):
        return objective(card, constraints(card, GATES, 0.0), GATES, weights)

    for path, better in (
        (("population", "spearman_median"), 0.95),
        (("population", "overlap_median"), 0.95),
        (("urban", "difference_points"), 1.0),
        (("two_sample", "auc"), 0.5),
    ):
        card = copy.deepcopy(base)
        card["fidelity"][path[0]][path[1]] = better
        assert score(card) > score(base), path
    card = copy.deepcopy(base)
    card["fidelity"]["two_sample"]["auc"] = None
    assert score(card) is None


def attempt(cycle, number, score, violation=0.0):
    return {
        "cycle": cycle,
        "attempt": number,
        "group": "g",
        "knobs": {"a.b": 0.5},
        "objective": score,
        "violation": violation,
        "feasible": violation == 0.0,
        "refused": None,
        "missed": [],
        "fidelity": {},
        "metrics": {},
    }


def test_feasible_first_then_objective_then_violation_then_age():
    good, better = attempt(1, 0, 0.7), attempt(2, 0, 0.8)
    near, far = attempt(1, 1, 0.95, 0.1), attempt(1, 2, 0.99, 0.5)
    broken = {**attempt(3, 0, None), **refused(ConfigError("EC11", "x", "y"))}
    twin = attempt(2, 1, 0.8)
    ranked = sorted([far, broken, twin, near, good, better], key=order_key)
    assert ranked == [better, twin, good, near, far, broken]
    rows = rank_calibration.leaderboard_rows(ranked)
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[-1]["status"] == "refused"
    assert rows[3]["status"] == "infeasible"
    assert rows[0]["knobs"] == "a.b=0.5"


def test_attempts_do_not_depend_on_the_attempts_of_their_cycle():
    assert calibration.propose(SHIPPED, 1, 3, START) == calibration.propose(
        {**SHIPPED, "cycles": [{**SHIPPED["cycles"][0], "attempts": 4}]}, 1, 3, START
    )


def test_the_policies_in_force_stay_unless_the_gain_is_worth_a_change():
    before = attempt(1, 0, 0.8)
    assert not improves(attempt(2, 0, 0.8005), before, 0.001)
    assert improves(attempt(2, 0, 0.802), before, 0.001)
    assert not improves(attempt(2, 0, 0.9, violation=0.1), before, 0.001)
    assert improves(before, attempt(0, 0, 0.9, violation=0.1), 0.001)
    assert improves(attempt(2, 0, 0.1, 0.1), attempt(1, 0, 0.9, 0.2), 0.001)
