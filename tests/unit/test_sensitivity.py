"""The measured table of knobs: what is turned, where a knob begins to bind, what advice follows."""

import pytest

from scripts.policies import load_policy
from scripts.scorers.levers import advice, levers
from scripts.search.knob_listing import lines
from scripts.search.proposal import get_key
from scripts.search.sensitivity import Knob, begins_at, gate_margins, knobs_of, turned

FOLDER = "config/layer1/1B/policy"
POLICIES = {
    "s2": dict(load_policy(f"{FOLDER}/policy.s2.tile_weights.yaml")),
    "s4": dict(load_policy(f"{FOLDER}/policy.s4.alloc_plan.yaml")),
    "s6": dict(load_policy(f"{FOLDER}/policy.s6.jitter.yaml")),
}
KNOBS = knobs_of(POLICIES)


def test_every_number_and_switch_of_the_three_policies_is_a_knob():
    keys = {(knob.state, knob.key) for knob in KNOBS}
    assert ("s2", "country_mass.region_floor_share.Africa") in keys
    assert ("s4", "outlets.company.km") in keys
    assert ("s4", "reroute.enabled") in keys
    assert ("s6", "towns.open_share") in keys
    assert not any("policy_version" in key for _, key in keys)


@pytest.mark.parametrize("knob", KNOBS, ids=lambda knob: f"{knob.state}.{knob.key}")
def test_every_knob_is_turned_within_its_range_and_away_from_its_value(knob):
    assert knob.steps
    for value in knob.steps:
        assert value != knob.value
        policy = turned(POLICIES, knob, value)[knob.state]
        assert get_key(policy, knob.key) == value
        if ".basis_mix." in knob.key:
            mix = get_key(policy, knob.key.rpartition(".")[0])
            assert sum(mix.values()) == pytest.approx(1.0) or value > 1.0
    assert get_key(POLICIES[knob.state], knob.key) == knob.value


def test_a_knob_of_nothing_is_still_turned():
    assert Knob("s2", "a", 0.0, 0.0, 1.0).steps == [0.0625]
    assert Knob("s4", "a", 1, 1, 12).steps == [2]


def test_the_onset_is_found_by_halving():
    assert begins_at(lambda value: value >= 0.31, 0.2, 1.0) == pytest.approx(0.31, abs=0.01)
    assert begins_at(lambda value: value <= 0.05, 0.2, 0.0) == pytest.approx(0.05, abs=0.01)
    assert begins_at(lambda value: False, 0.2, 1.0) is None
    refused_above = begins_at(lambda value: None if value > 0.5 else value >= 0.31, 0.2, 1.0)
    assert refused_above == pytest.approx(0.31, abs=0.01)


def test_margins_of_gates_take_the_thinner_of_value_and_interval():
    row = {"family": "concentration", "metric": "m", "seed": 7, "grade": "BPLUS", "threshold": 0.5}
    rows = [{**row, "gate": "gini", "margin": 0.2}, {**row, "gate": "gini_interval", "margin": 0.1},
            {**row, "gate": "s9_passed", "family": "validation", "margin": 0.0}]  # fmt: skip
    assert gate_margins(rows) == {"gini": pytest.approx(0.2)}
    rows[0]["margin"] = None
    assert gate_margins(rows) == {"gini": None}


TABLE = {
    "seed": 42,
    "measured_under": {},
    "margins": {"tail": -0.1, "gini": 0.2, "south": 0.1},
    "knobs": [
        {
            "state": "S4",
            "knob": "company",
            "value": 35.0,
            "steps": [
                {"value": 25.0, "moved": 0.5, "margins": {"tail": 0.3, "gini": -0.05}},
                {"value": 45.0, "moved": 0.5, "margins": {"tail": -0.4}},
            ],
        },
        {
            "state": "S6",
            "knob": "open_share",
            "value": 0.5,
            "steps": [{"value": 0.6, "moved": 1.0, "margins": {"tail": 0.5}}],
        },
        {
            "state": "S2",
            "knob": "floor",
            "value": 0.2,
            "steps": [{"value": 0.25, "moved": 0.0, "margins": {}}],
            "begins_at": {"down": None, "up": 0.298},
        },
    ],
}


def test_only_levers_that_move_the_gate_the_right_way_are_told_with_their_cost():
    found = levers(TABLE, "tail")
    assert [(lever.knob, lever.turned) for lever in found] == [("open_share", 0.6), ("company", 25)]
    assert found[1].harms == {"gini": -0.05}
    assert found[1].text() == "S4 company 35 -> 25: margin +30 %; costs gini -5 %"


def test_a_gate_that_no_knob_moves_says_so():
    assert advice(TABLE, "south", "1A offers too little") == [
        "no knob of S2, S4 or S6 moves it: 1A offers too little"
    ]
    assert advice(TABLE, "s9_passed", "mend the code") == ["mend the code"]
    assert "segment1b knobs --gate tail" in advice(None, "tail", "why")[0]


def test_a_listing_shows_what_binds_and_where_the_others_begin():
    told = "\n".join(lines(TABLE))
    assert "25: 50 % of sites, tail +30.0 %, gini -5.0 %" in told
    assert "moves nothing; begins up at 0.298" in told
