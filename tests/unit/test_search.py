"""The bounded search: ranges, constraints, objectives, order of attempts, the rules' scripts."""

from dataclasses import fields

import pytest
import yaml

from scripts.contracts import read_object, write_object
from scripts.errors import ConfigError
from scripts.policies import load_policy
from scripts.scorers import companions
from scripts.scorers.gates import load_gates
from scripts.scorers.levers import read_table
from scripts.scorers.margins import lack
from scripts.search import best_of_cycle, record_search, search_attempt, start_search
from scripts.search.chain import Files
from scripts.search.choice import TOGETHER, choose, reach
from scripts.search.policy import (
    attempts_of,
    load_knobs,
    load_search,
    names_of,
    seeds_of,
    tuned_seed,
    zoom_of,
)
from scripts.search.proposal import get_key, halton, propose, start, value_of, with_keys
from scripts.search.record_search import front, leaderboard_rows
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
SHIPPED = load_search("config/calibration.yaml")
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


# Every knob that a search may turn, three at a time.
GROUPS = [
    {"state": state, "knobs": {key: knobs[key] for key in list(knobs)[at : at + TOGETHER]}}
    for state, knobs in KNOBS.items()
    for at in range(0, len(knobs), TOGETHER)
]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: " ".join(group["knobs"]))
def test_every_proposal_within_the_shipped_ranges_is_a_policy(tmp_path, group):
    for attempt in range(16):
        _, policies = propose(group, 1.0, attempt, START)
        state = group["state"]
        load_policy(written(tmp_path / FILES[state], dict(policies[state])))


@pytest.mark.parametrize("name", ["calibration", "recovery"])
def test_every_start_of_a_shipped_search_is_a_policy(tmp_path, name):
    for changes in load_search(f"config/{name}.yaml").get("starts", [{}]):
        _, policies = start(changes, START, name)
        for state, file in FILES.items():
            load_policy(written(tmp_path / file, dict(policies[state])))


def test_the_first_attempt_is_the_policies_in_force():
    assert attempts_of(SHIPPED)[0] == len(SHIPPED["starts"]) == 2
    assert start(SHIPPED["starts"][0], START, "calibration.yaml") == ({}, START)


def test_a_search_may_start_from_policies_that_are_written_down(tmp_path):
    starts = [{}, {"s4": {"outlets.national.few": 0.02}, "s6": {"max_attempts": 200}}]
    search = load_search(edited(tmp_path, starts=starts))
    assert attempts_of(search)[0] == 2
    assert zoom_of(search, 0) == 1.0
    knobs, policies = start(search["starts"][1], START, "calibration.yaml")
    assert knobs == {"outlets.national.few": 0.02, "max_attempts": 200}
    assert policies["s2"] == START["s2"]
    assert policies["s4"]["outlets"]["national"]["few"] == 0.02
    assert policies["s6"]["max_attempts"] == 200


def test_a_cycle_turns_its_group_alone_and_inside_its_ranges():
    for group in GROUPS:
        for attempt in range(8):
            knobs, policies = propose(group, 0.5, attempt, START)
            assert set(knobs) == set(group["knobs"])
            for key, span in group["knobs"].items():
                assert span["low"] <= knobs[key] <= span["high"]
                assert get_key(policies[group["state"]], key) == knobs[key]
            others = set(FILES) - {group["state"]}
            assert all(policies[state] == START[state] for state in others)


def measured(state, knob, *steps):
    return {"state": state, "knob": knob, "value": 1.0,
            "steps": [{"value": 2.0, "moved": 1.0, "margins": step} for step in steps]}  # fmt: skip


def span(*keys):
    return {key: {"low": 0.0, "high": 1.0} for key in keys}


TABLE = {
    "margins": {"tail": 0.1, "gini": 0.1},
    "knobs": [
        measured("S2", "cap", {"gini": 0.4}, {"gini": -0.1}),
        measured("S2", "floor", {"gini": 0.3, "tail": 0.02}),
        measured("S4", "company", {"tail": 0.1}, {"tail": -0.3}),
        measured("S4", "field", {"tail": 0.05}),
        measured("S4", "reach", {"tail": 0.04}),
        measured("S4", "entry", {"tail": 0.03}),
        measured("S6", "dust", {"tail": 0.001}),
        {**measured("S6", "refused"), "steps": [{"value": 9.0, "refused": "EC11 no"}]},
    ],
}
SPANS = {
    "s2": span("cap", "floor"),
    "s4": span("company", "field", "reach", "entry"),
    "s6": span("dust", "refused"),
}


def chosen_for(needs, before=(), zoom=1.0, ranges=SPANS):
    group = choose(TABLE, ranges, needs, before, zoom)
    return None if group is None else (group["state"], list(group["knobs"]))


def test_a_cycle_turns_the_knobs_that_move_furthest_what_is_needed():
    assert chosen_for(["tail"]) == ("s4", ["company", "field", "reach"])
    assert chosen_for(["gini"]) == ("s2", ["cap", "floor"])
    assert chosen_for(["gini", "tail"]) == ("s2", ["cap", "floor"])
    assert reach(TABLE["knobs"][0], ["gini"]) == 0.4


def test_a_knob_without_a_range_is_not_searched():
    assert chosen_for(["tail"], ranges={**SPANS, "s4": span("entry")}) == ("s4", ["entry"])
    assert chosen_for(["tail"], ranges={"s6": SPANS["s6"]}) is None
    assert chosen_for(["south"]) is None


def test_what_was_turned_is_turned_again_only_within_less_of_its_range():
    first = {"state": "s4", "knobs": ["company", "field", "reach"], "zoom": 1.0}
    assert chosen_for(["tail"], [first]) == ("s4", ["entry"])
    entry = {"state": "s4", "knobs": ["entry"], "zoom": 1.0}
    assert chosen_for(["tail"], [first, entry]) == ("s2", ["floor"])
    assert chosen_for(["tail"], [first, entry], zoom=0.5) == ("s4", ["company", "field", "reach"])


@pytest.mark.parametrize("gate", sorted(read_table()["margins"]))
def test_the_shipped_ranges_hold_a_knob_for_every_gate_that_knobs_move(gate):
    table = read_table()
    moves = [entry for entry in table["knobs"] if reach(entry, [gate]) >= 0.05]
    assert not moves or choose(table, KNOBS, [gate], (), 1.0)


def test_a_longer_cycle_keeps_the_attempts_of_a_shorter_one():
    assert halton(12, 3)[:5] == halton(5, 3)
    assert all(0.0 < value < 1.0 for point in halton(20, 3) for value in point)


def test_attempts_do_not_depend_on_the_attempts_of_their_cycle():
    assert propose(GROUPS[0], 1.0, 3, START) == propose(GROUPS[0], 1.0, 3, dict(START))
    assert propose(GROUPS[0], 1.0, 3, START) != propose(GROUPS[0], 1.0, 4, START)


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


def test_unknown_knobs_are_refused():
    with pytest.raises(ConfigError, match="no knob"):
        with_keys(START["s4"], {"outlets.sise": 1.0})
    with pytest.raises(ConfigError, match=r"calibration\.yaml: no knob"):
        start({"s4": {"outlets.sise": 1.0}}, START, "calibration.yaml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attempt_budget": 5}, "32 attempts, the budget is 5"),
        ({"cycles": [{"group": "networks", "attempts": 1, "zoom": 1.0}]}, "EC10"),
        ({"objective": {"kind": "least_margin"}}, "EC10"),
        ({"objective": {"kind": "mean", "grade": "BPLUS"}}, "EC10"),
        ({"constraints": []}, "EC10"),
        ({"constraints": [{"grade": "A+"}]}, "EC10"),
        ({"seeds": "some"}, "EC10"),
        ({"constraints": [{"grade": "p3"}]}, r"EC11 .*calibration\.yaml.*p3 is for a recovery"),
        (
            {"constraints": [{"grade": "B"}, {"grade": "BPLUS", "rows": ["concentraton"]}]},
            r"'constraints\.1\.rows': 'concentraton' is no gate .*mean 'concentration'",
        ),
        (
            {"objective": {"kind": "shortfall", "grade": "B", "rows": ["truth_T1"]}},
            r"EC11 .*'objective\.rows': 'truth_T1' is no gate or family of B",
        ),
        ({"constraints": [{"grade": "B", "rows": ["stability"]}]}, "'stability' is no gate"),
        (
            {"starts": [{}, {"s4": {"outlets.entry.shar": 0.5}}]},
            r"EC11 .*calibration\.yaml.*'starts\.1\.s4': .*did you mean 'outlets.entry.share'",
        ),
    ],
)
def test_contradictions_in_a_search_are_refused(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        load_search(edited(tmp_path, **changes))


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"max_moved_share": {"low": 1, "high": 1}}, "no range"),
        ({"max_moved_share": {"low": 0, "high": 1, "scale": "log"}}, "no logarithm"),
        ({"max_moved_shar": {"low": 0, "high": 1}}, "EC11 .*did you mean 'max_moved_share'"),
        ({"mode": {"low": 0, "high": 1}}, "EC11 .*'mode' is no number of the s4 policy"),
        ({}, "EC10"),
    ],
)
def test_bad_knobs_are_refused(tmp_path, knobs, message):
    document = {"policy_version": "1.0.0", "ranges": {"s4": knobs}}
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


def test_a_search_needs_what_lacks_a_constraint_then_what_it_misses_then_what_is_thinnest():
    def needs(**changes):
        card = {**passing_card(), **changes}
        return score([card], [], GATES, aim(0.0))["needs"]

    thin = passing_card()
    thin["metrics"]["country_gini"] = 0.7
    assert needs(truth=truth(T9=0.5), metrics=thin["metrics"]) == ["country_gini"]
    assert needs(truth=truth(T9=0.5, T1=0.8)) == ["truth_T9", "truth_T1"]
    assert needs(truth=truth(T9=None)) == ["truth_T9"]
    assert needs(truth=truth(T9=0.56))[0] == "truth_T9"
    assert len(needs()) == 3


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


@pytest.mark.parametrize("seeds", [[42], [7, 42]])
def test_rows_may_be_named_as_an_attempt_has_them(seeds):
    cards = [{**passing_card(), "seed": seed} for seed in seeds]
    rows = margin_rows(cards, cards, GATES)
    for grade in ("B", "BPLUS", "A", "report", "p3"):
        found = [row for row in rows if row["grade"] == grade]
        names = {row["gate"] for row in found} | {row["family"] for row in found}
        assert names == names_of(grade, len(seeds))


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
        "state": "s4" if cycle else "",
        "turned_for": ["nn_contraction"] if cycle else [],
        "knobs": {"a.b": 0.5},
        "policies": dict.fromkeys(FILES, "0" * 64),
        "status": "infeasible" if violation else "feasible",
        "vetoes": [],
        "objective": value,
        "violation": violation,
        "grade": "BPLUS",
        "missed": [],
        "excused": [],
        "needs": [],
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
    assert (rows[0]["state"], rows[0]["knobs"]) == ("s4", "a.b=0.5")
    assert rows[0]["turned_for"] == "nn_contraction"


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


def test_the_leaderboard_marks_the_front_of_tail_and_spacing():
    """Short tails and true spacing, ties included; what breaks a constraint is on no front."""

    def of(tail, twins, violation=0.0):
        truth = {"T1": 0.4, "T2": 0.55, "T3": twins, "T4": 4.0}
        return {
            **attempt(1, 0, 0.2, violation),
            "metrics": {"42": {"nn_p99_p50_ratio": tail}},
            "fidelity": {"42": {f"truth_{test}": value for test, value in truth.items()}},
        }

    attempts = [of(7.0, 0.14), of(6.5, 0.15), of(6.8, 0.16), of(7.2, 0.14), of(7.0, 0.14)]
    marked = [True, True, False, False, True]
    assert front(attempts) == marked
    assert front([*attempts, of(6.0, 0.13, violation=0.1)]) == [*marked, False]
    unknown = [of(None, 0.1), of(5.0, None)]
    assert front([*attempts, *unknown]) == [*marked, False, False]
    assert front([*attempts, of(6.0, 0.13)]) == [*[False] * 5, True]


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
        "search_best",
        tmp_path / "best0.json",
        {"attempt": first, "policies": dict(START), "turned": []},
    )
    gain = {"minimum_gain": 0.001, "goal": None}
    for least, winner in ((0.2, first), (0.001, second)):
        best_of_cycle.main(
            Named(before=str(tmp_path / "best0.json"), attempts=[tmp_path / "1.json"], **files),
            Named(best=tmp_path / "best1.json"),
            Named(gain={**gain, "minimum_gain": least}, zoom=0.5),
            Named(),
        )
        best = read_object("search_best", tmp_path / "best1.json")
        assert best["attempt"] == winner
        assert best["turned"] == [{"state": "s4", "knobs": ["a.b"], "zoom": 0.5}]
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


def test_a_world_that_cannot_be_read_is_no_refusal_of_the_policies(tmp_path, monkeypatch):
    def unreadable(*_):
        raise ConfigError("EC10", "policy.s1.tile_index.yaml", "no policy")

    monkeypatch.setattr(search_attempt, "read_world", unreadable)
    begin = tmp_path / "start.json"
    start_search.main(Named(integrated=[], **IN_FORCE), Named(start=begin), Named(), Named())
    shared = {field.name: "" for field in fields(Files)}
    seeded = {"outlet_catalogue": [""], "candidate_set": [""], "baseline_sites": [], "p3": []}
    outputs = {state: tmp_path / name for state, name in FILES.items()}
    with pytest.raises(ConfigError, match=r"EC10 policy\.s1"):
        search_attempt.main(
            Named(gates="config/gates.yaml", base=begin, **shared, **seeded),
            Named(attempt=tmp_path / "attempt.json", **outputs),
            Named(seeds=[42], search=SHIPPED, ranges=KNOBS, zoom=1.0, name="n"),
            Named(search="calibration", cycle="0", attempt="0"),
        )
    assert not (tmp_path / "attempt.json").exists()
