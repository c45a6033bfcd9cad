"""The bounded search: ranges, constraints, objectives, order of attempts, the rules' scripts."""

import pytest
import yaml

from scripts.contracts import read_object, write_object
from scripts.errors import ConfigError
from scripts.policies import load_policy
from scripts.scorers import companions
from scripts.scorers.gates import load_gates
from scripts.scorers.margins import lack
from scripts.search import best_of_cycle, record_search, search_attempt, start_search
from scripts.search.policy import (
    attempts_of,
    load_knobs,
    load_search,
    seeds_of,
    tuned_seed,
    turn_of,
)
from scripts.search.proposal import get_key, halton, propose, value_of, with_keys
from scripts.search.record_search import leaderboard_rows
from scripts.search.score import (
    improves,
    margin_rows,
    no_score,
    objective_of,
    order_key,
    reached,
    score,
)
from scripts.tables import file_digest
from tests.unit.test_gates import passing_card, truth
from tests.upstream_world import Named

GATES = load_gates("config/gates.yaml")
KNOBS = load_knobs("config/knobs.yaml")
SHIPPED = load_search("config/calibration.yaml", KNOBS)
FILES = {
    "s2": "policy.s2.tile_weights.yaml",
    "s4": "policy.s4.alloc_plan.yaml",
    "s6": "policy.s6.jitter.yaml",
}
IN_FORCE = {state: f"config/layer1/1B/policy/{name}" for state, name in FILES.items()}
START = {state: load_policy(path) for state, path in IN_FORCE.items()}
RUN = "a" * 32


def written(path, document):
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def edited(tmp_path, **changes):
    return written(tmp_path / "calibration.yaml", {**SHIPPED, **changes})


def proposal(cycle, attempt, search=SHIPPED, knobs=KNOBS, base=START):
    return propose(turn_of(search, knobs, cycle), attempt, base)


@pytest.mark.parametrize("name", ["calibration", "recovery"])
def test_every_proposal_of_a_shipped_search_is_a_policy(tmp_path, name):
    search = load_search(f"config/{name}.yaml", KNOBS)
    for cycle, attempts in enumerate(attempts_of(search)):
        for attempt in range(attempts):
            _, policies = proposal(cycle, attempt, search)
            for state, file in FILES.items():
                load_policy(written(tmp_path / file, dict(policies[state])))


def test_the_first_attempt_is_the_policies_in_force():
    assert attempts_of(SHIPPED)[0] == len(SHIPPED["starts"]) == 2
    assert proposal(0, 0) == ({}, START)


def test_a_search_may_start_from_policies_that_are_written_down(tmp_path):
    starts = [{}, {"s4": {"outlets.national.few": 0.02}, "s6": {"max_attempts": 200}}]
    search = load_search(edited(tmp_path, starts=starts), KNOBS)
    assert attempts_of(search)[0] == 2
    assert proposal(0, 0, search) == ({}, START)
    knobs, policies = proposal(0, 1, search)
    assert knobs == {"outlets.national.few": 0.02, "max_attempts": 200}
    assert policies["s2"] == START["s2"]
    assert policies["s4"]["outlets"]["national"]["few"] == 0.02
    assert policies["s6"]["max_attempts"] == 200


def test_a_cycle_turns_its_group_alone_and_inside_its_ranges():
    for cycle, turn in enumerate(SHIPPED["cycles"], start=1):
        group = KNOBS[turn["group"]]
        for attempt in range(turn["attempts"]):
            knobs, policies = proposal(cycle, attempt)
            assert set(knobs) == set(group["knobs"])
            for key, span in group["knobs"].items():
                assert span["low"] <= knobs[key] <= span["high"]
                assert get_key(policies[group["state"]], key) == knobs[key]
            others = set(FILES) - {group["state"]}
            assert all(policies[state] == START[state] for state in others)


def test_a_longer_cycle_keeps_the_attempts_of_a_shorter_one():
    assert halton(12, 3)[:5] == halton(5, 3)
    assert all(0.0 < value < 1.0 for point in halton(20, 3) for value in point)


def test_attempts_do_not_depend_on_the_attempts_of_their_cycle():
    longer = {**SHIPPED, "cycles": [{**SHIPPED["cycles"][0], "attempts": 40}]}
    assert proposal(1, 3) == proposal(1, 3, longer)


def test_zoom_stays_about_the_best_and_inside_the_range():
    span = {"low": 0.0, "high": 10.0}
    assert value_of(span, 1.0, 9.0, 0.25) == 2.5
    assert value_of(span, 0.2, 5.0, 0.5) == 5.0
    assert value_of(span, 0.2, 10.0, 1.0) == 10.0
    assert value_of(span, 0.2, 10.0, 0.0) == 8.0


def test_a_logarithmic_range_spreads_by_factors():
    span = {"low": 0.01, "high": 100.0, "scale": "log"}
    assert value_of(span, 1.0, 1.0, 0.5) == 1.0
    assert value_of(span, 1.0, 1.0, 0.25) == 0.1
    assert value_of(span, 0.5, 1.0, 0.0) == 0.1
    assert value_of(span, 0.5, 100.0, 1.0) == 100.0


def test_a_step_gives_its_multiples_and_whole_steps_integers():
    assert value_of({"low": 0.0, "high": 1.0, "step": 0.05}, 1.0, 0.5, 0.33) == 0.35
    value = value_of({"low": 1, "high": 9, "step": 2}, 1.0, 5, 0.4)
    assert value == 4
    assert isinstance(value, int)


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
    assert START["s2"]["tile_density"]["basis_mix"]["area_m2"] != 0.05


def test_unknown_knobs_are_refused():
    with pytest.raises(ConfigError, match="no knob"):
        with_keys(START["s4"], {"outlets.sise": 1.0})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attempt_budget": 5}, "32 attempts, the budget is 5"),
        ({"cycles": [{"group": "nothing", "attempts": 1, "zoom": 1.0}]}, "no group 'nothing'"),
        ({"objective": {"kind": "least_margin"}}, "EC10"),
        ({"objective": {"kind": "mean", "grade": "BPLUS"}}, "EC10"),
        ({"constraints": []}, "EC10"),
        ({"constraints": [{"grade": "A+"}]}, "EC10"),
        ({"seeds": "some"}, "EC10"),
    ],
)
def test_contradictions_in_a_search_are_refused(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        load_search(edited(tmp_path, **changes), KNOBS)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"max_moved_share": {"low": 1, "high": 1}}, "no range"),
        ({"max_moved_share": {"low": 0, "high": 1, "scale": "log"}}, "no logarithm"),
        ({f"k{n}": {"low": 0, "high": 1} for n in range(4)}, "EC10"),
    ],
)
def test_bad_knobs_are_refused(tmp_path, knobs, message):
    document = {"policy_version": "1.0.0", "groups": {"a": {"state": "s4", "knobs": knobs}}}
    with pytest.raises(ConfigError, match=message):
        load_knobs(written(tmp_path / "knobs.yaml", document))


def test_seeds_are_those_of_the_search_or_all():
    assert seeds_of(SHIPPED, [7, 101]) == [42]
    assert seeds_of({**SHIPPED, "seeds": "all"}, [101, 7]) == [7, 101]
    assert tuned_seed(SHIPPED, [7, 42]) == 42
    assert tuned_seed(SHIPPED, [7, 101]) == 7


def aim(margin, **changes):
    graded = {**SHIPPED["constraints"][1], "margin": margin}
    plain = [c for c in SHIPPED["constraints"] if "margin" not in c]
    return {"objective": SHIPPED["objective"], "constraints": [*plain, graded], **changes}


def missed_gates(card, margin):
    found = score([card], [], GATES, aim(margin))
    assert (found["status"] == "infeasible") == bool(found["vetoes"]) == (found["violation"] > 0)
    return {name.split(" ")[0] for name in found["vetoes"]}


def test_a_gate_needs_its_margin_and_a_floor_only_to_hold():
    card = passing_card()
    assert missed_gates(card, 0.02) == set()
    card["metrics"]["country_gini"] = 0.595
    assert missed_gates(card, 0.02) == {"country_gini"}
    assert missed_gates(card, 0.0) == set()
    card = passing_card()
    card["region_shares"]["Africa"] = 0.19
    card["fidelity"]["population"]["spearman_median"] = 0.62
    assert missed_gates(card, 0.0) == {"region_floor", "spearman_median"}
    card["metrics"]["nn_contraction"] = None
    assert "nn_contraction" in missed_gates(card, 0.05)


def test_violation_is_what_is_missing_once_a_row():
    card = passing_card()
    limit = GATES["gates"]["country_gini"]["BPLUS"]
    card["metrics"]["country_gini"] = 1.1 * limit
    found = score([card], [], GATES, aim(0.02))
    assert found["violation"] == pytest.approx(0.12)


def test_s9_and_the_stability_of_one_seed_are_no_part_of_a_search():
    gates = {row["gate"] for row in margin_rows([passing_card()], [], GATES)}
    assert not any(gate.startswith("s9_") for gate in gates)
    assert "stability" not in gates
    cards = [passing_card(), {**passing_card(), "seed": 7}]
    assert "stability" in {row["gate"] for row in margin_rows(cards, [], GATES)}


def test_calibration_maximises_the_least_margin_of_truth():
    def value(**values):
        card = {**passing_card(), "truth": truth(**values)}
        return objective_of(margin_rows([card], [], GATES), SHIPPED["objective"])

    assert value() == pytest.approx(0.23 / 0.95)
    assert value(T9=0.6) == pytest.approx(0.05 / 0.55)
    assert value(T9=0.5) == pytest.approx(-0.05 / 0.55)
    assert value(T9=None) is None


def test_the_least_margin_of_chosen_rows_can_be_the_objective():
    card = passing_card()
    card["metrics"]["country_gini"] = 0.54

    def value(**changes):
        objective = {"kind": "least_margin", "grade": "BPLUS", **changes}
        return objective_of(margin_rows([card], [], GATES), objective)

    assert value(rows=["country_gini"]) == pytest.approx(0.1)
    assert value(rows=["concentration"]) <= value(rows=["country_gini"])
    assert value() <= value(rows=["concentration", "coverage"])
    card["metrics"]["country_gini"] = None
    assert value(rows=["country_gini"]) is None


def test_what_an_undefined_row_lacks_is_a_whole_threshold():
    card = passing_card()
    card["metrics"]["nn_contraction"] = None
    rows = [r for r in margin_rows([card], [], GATES) if r["gate"] == "nn_contraction"]
    assert [lack(row) for row in rows] == [1.0, 1.0]


def attempt(cycle, number, value, violation=0.0):
    return {
        "cycle": cycle,
        "attempt": number,
        "attempt_id": RUN,
        "group": "g",
        "knobs": {"a.b": 0.5},
        "policies": dict.fromkeys(FILES, "0" * 64),
        "status": "infeasible" if violation else "feasible",
        "vetoes": [],
        "objective": value,
        "violation": violation,
        "grade": "BPLUS",
        "missed": [],
        "excused": [],
        "metrics": {},
        "fidelity": {},
    }


def test_feasible_first_then_objective_then_violation_then_age():
    good, better = attempt(1, 0, 0.7), attempt(2, 0, 0.8)
    near, far = attempt(1, 1, 0.95, 0.1), attempt(1, 2, 0.99, 0.5)
    broken = {**attempt(3, 0, None), **no_score("refused", "EC11 x y")}
    twin = attempt(2, 1, 0.8)
    ranked = sorted([far, broken, twin, near, good, better], key=order_key)
    assert ranked == [better, twin, good, near, far, broken]
    rows = leaderboard_rows(ranked)
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert (rows[-1]["status"], rows[-1]["vetoes"]) == ("refused", "EC11 x y")
    assert rows[3]["status"] == "infeasible"
    assert rows[0]["knobs"] == "a.b=0.5"


def test_the_best_so_far_stays_unless_the_gain_is_worth_a_change():
    before = attempt(1, 0, 0.8)
    assert not improves(attempt(2, 0, 0.8005), before, 0.001)
    assert improves(attempt(2, 0, 0.802), before, 0.001)
    assert not improves(attempt(2, 0, 0.9, violation=0.1), before, 0.001)
    assert improves(before, attempt(0, 0, 0.9, violation=0.1), 0.001)
    assert improves(attempt(2, 0, 0.1, 0.1), attempt(1, 0, 0.9, 0.2), 0.001)


def test_reaching_the_goal_counts_however_small_the_gain():
    before = attempt(1, 0, 0.7995)
    assert improves(attempt(2, 0, 0.8), before, 0.001, goal=0.8)
    assert not improves(attempt(2, 0, 0.8), before, 0.001, goal=0.9)
    assert not reached(attempt(2, 0, 0.9, violation=0.1), 0.8)
    assert not reached(attempt(2, 0, 0.9), None)


def test_the_leaderboard_shows_means_over_the_seeds():
    two = {
        **attempt(1, 0, 0.7),
        "metrics": {"7": {"country_gini": 0.4}, "42": {"country_gini": 0.6}},
    }
    for by_seed in two["metrics"].values():
        by_seed.update(top10_share=0.1, nn_p99_p50_ratio=None)
    row = leaderboard_rows([two])[0]
    assert (row["country_gini"], row["nn_p99_p50_ratio"], row["overlap_median"]) == (
        pytest.approx(0.5),
        None,
        None,
    )


def test_the_best_of_a_cycle_and_the_record_of_a_search(tmp_path):
    """An attempt that turns S4 wins; S2 and S6 keep their bytes."""
    start_search.main(
        Named(integrated=[], **IN_FORCE), Named(start=tmp_path / "start.json"), Named(), Named()
    )
    assert read_object("search_start", tmp_path / "start.json")["policies"] == START
    policies = {**START, "s4": with_keys(START["s4"], {"max_moved_share": 0.01})}
    files = {state: [str(tmp_path / f"attempt.{state}.yaml")] for state in FILES}
    for state, (path,) in files.items():
        search_attempt.write_policy(path, policies[state])
    first, second = attempt(0, 0, 0.7), attempt(1, 0, 0.8)
    for found in (first, second):
        write_object("search_attempt", tmp_path / f"{found['cycle']}.json", found)
    write_object(
        "search_best", tmp_path / "best0.json", {"attempt": first, "policies": dict(START)}
    )
    gain = {"minimum_gain": 0.001, "goal": None}
    for least, winner in ((0.2, first), (0.001, second)):
        best_of_cycle.main(
            Named(before=str(tmp_path / "best0.json"), attempts=[tmp_path / "1.json"], **files),
            Named(best=tmp_path / "best1.json"),
            Named(gain={**gain, "minimum_gain": least}),
            Named(),
        )
        best = read_object("search_best", tmp_path / "best1.json")
        assert best["attempt"] == winner
    assert best["policies"] == policies
    won = {state: tmp_path / f"won.{state}.yaml" for state in FILES}
    record_search.main(
        Named(
            start=tmp_path / "best0.json",
            best=tmp_path / "best1.json",
            attempts=[tmp_path / "0.json", tmp_path / "1.json"],
            **IN_FORCE,
        ),
        Named(leaderboard=tmp_path / "l.json", table=tmp_path / "l.csv", **won),
        Named(seeds=[42]),
        Named(search="calibration"),
    )
    found = read_object("search_leaderboard", tmp_path / "l.json")
    assert found["leaderboard"] == [second, first]
    assert (found["start"], found["best"]["attempt"]) == (first, second)
    assert len(companions.read_csv("search_leaderboard_table", tmp_path / "l.csv")) == 2
    assert yaml.safe_load(won["s4"].read_text(encoding="utf-8"))["max_moved_share"] == 0.01
    for state in ("s2", "s6"):
        assert file_digest(won[state]) == file_digest(IN_FORCE[state])
