"""The measured table of knobs: what is turned, where a knob begins to bind, what advice follows."""

import json
from pathlib import Path

import pytest

from scripts.policies import load_policy
from scripts.scorers.levers import ELSEWHERE, advice, levers
from scripts.search.knob_listing import lines, mass_lines, room_text
from scripts.search.knobs import Knob, knobs_of, turned
from scripts.search.proposal import get_key
from scripts.search.sensitivity import begins_at, gate_margins

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
            assert sum(mix.values()) == pytest.approx(1.0)
    assert get_key(POLICIES[knob.state], knob.key) == knob.value


# The test that each knob of the laws of outlets and positions is there for, or moves most.
OWN_TEST = {
    "outlets.field.broad.sd": "T4",
    "outlets.field.broad.spacing_deg": "T4",
    "outlets.field.local.sd": "T4",
    "outlets.field.local.spacing_deg": "T4",
    "outlets.national.few": "T5a",
    "outlets.national.many": "T5b",
    "outlets.national.half_way": "T5b",
    "outlets.entry.share": "T9",
    "outlets.entry.spread_km": "T9",
    "outlets.entry.max_outlets": "T9",
    "outlets.reach.km_per_outlet": "T5b",
    "outlets.company.km": "T1",
    "outlets.company.rounds": "T7",
    "towns.open_share": "T8",
    "towns.radius_km": "T8",
    "towns.spread_km": "T8",
    "towns.spread_exponent": "T8",
    "towns.spread_min_km": "T7",
    "towns.spread_max_km": "T8",
}


@pytest.mark.parametrize(("key", "test"), OWN_TEST.items())
def test_a_knob_of_the_laws_moves_its_own_truth_test_in_the_shipped_world(key, test):
    measured = json.loads(Path("config/sensitivity.json").read_text(encoding="utf-8"))["knobs"]
    steps = next(knob["steps"] for knob in measured if knob["knob"] == key)
    assert any(abs(step["margins"].get(f"truth_{test}", 0.0)) > 1e-4 for step in steps)


def test_a_knob_of_nothing_is_still_turned():
    assert Knob("s2", "a", 0.0, 0.0, 1.0).steps == [0.0625]
    assert Knob("s4", "a", 1, 1, 12).steps == [2]


def test_the_onset_is_found_by_halving():
    assert begins_at(lambda value: value >= 0.31, 0.2, 1.0) == pytest.approx(0.31, abs=0.01)
    assert begins_at(lambda value: value <= 0.05, 0.2, 0.0) == pytest.approx(0.05, abs=0.01)
    assert begins_at(lambda value: False, 0.2, 1.0) is None
    refused_above = begins_at(lambda value: None if value > 0.5 else value >= 0.31, 0.2, 1.0)
    assert refused_above == pytest.approx(0.31, abs=0.01)


@pytest.mark.parametrize(("begins", "value", "end"), [(3, 16, 1), (1, 16, 1), (21, 16, 64)])
def test_whole_numbers_begin_at_a_whole_number(begins, value, end):
    found = begins_at(lambda tried: abs(tried - value) >= abs(begins - value), value, end)
    assert found == begins
    assert isinstance(found, int)


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
    found = levers(TABLE, ["tail"])
    assert [(lever.knob, lever.turned) for lever in found] == [("open_share", 0.6), ("company", 25)]
    assert found[1].harms == {"gini": -0.05}
    assert found[1].text() == "S4 company, from the shipped 35 to 25: margin +30 %; costs gini -5 %"


def test_gates_that_fail_together_are_turned_together():
    found = levers(TABLE, ["tail", "gini"])
    assert [(lever.knob, lever.gain) for lever in found] == [
        ("open_share", 0.5),
        ("company", pytest.approx(0.25)),
    ]
    assert found[1].harms == {"gini": -0.05}


def test_advice_is_levers_and_the_same_in_words():
    told = advice(TABLE, ["tail"], "S4, S6")
    assert [lever["knob"] for lever in told["levers"]] == ["open_share", "company"]
    assert told["levers"][1] == {
        **{"state": "S4", "knob": "company", "value": 35.0, "turned": 25.0, "gain": 0.3},
        "harms": {"gini": -0.05},
    }
    assert told["turn"] == [lever.text() for lever in levers(TABLE, ["tail"])]


def test_a_knob_is_advised_once_by_its_better_step():
    steps = [{"value": v, "moved": 1.0, "margins": {"south": g}} for v, g in ((1, 0.1), (3, 0.2))]
    table = {**TABLE, "knobs": [{"state": "S2", "knob": "cap", "value": 2, "steps": steps}]}
    assert advice(table, ["south"], "S2")["turn"] == [
        "S2 cap, from the shipped 2 to 3: margin +20 %"
    ]


def test_a_gate_that_no_knob_moves_says_so():
    told = advice(TABLE, ["south"], "S2")
    assert told == {
        "levers": [],
        "turn": ["S2 answers for it; no single knob of S2, S4 or S6 moves it the right way"],
    }
    assert advice(TABLE, ["no_collapse"], "S4")["turn"] == [
        "S4 answers for it: segment1b knobs says what its knobs move"
    ]
    assert advice(TABLE, ["tail"], "1A")["turn"] == [ELSEWHERE["1A"]]
    assert "segment1b knobs --measure" in advice(None, ["tail"], "S6")["turn"][0]


def test_a_listing_shows_what_binds_and_where_the_others_begin():
    told = "\n".join(lines(TABLE))
    assert "25: 50 % of sites, tail +30.0 %, gini -5.0 %" in told
    assert "idle, moves sites from 0.298 (+49 %); 0.25: no site" in told


def entry(value, down, up, **step):
    begins = {"down": down, "up": up}
    return {"state": "S4", "knob": "guard", "value": value, "begins_at": begins,
            "steps": [{"value": 2.0, "moved": 0.0, "margins": {}, **step}]}  # fmt: skip


@pytest.mark.parametrize(
    ("value", "down", "up", "text"),
    [
        (0.2, None, None, "no value of its range moves a site"),
        (0.2, 0.1999, 0.2001, ""),
        (0.2, 0.1999, 0.3, "binds downwards only"),
        (0.2, 0.15, 0.3, "idle, moves sites from 0.15 (-25 %) and 0.3 (+50 %)"),
        (0.2, 0.15, None, "idle, moves sites from 0.15 (-25 %)"),
        (0.0, None, 0.001, "binds upwards only"),
    ],
)
def test_a_limit_says_how_far_it_is_from_moving_a_site(value, down, up, text):
    assert room_text(entry(value, down, up)) == text


def test_a_knob_that_moves_other_seeds_alone_says_so():
    table = {**TABLE, "knobs": [entry(0.2, None, 0.3, elsewhere={"7": 0.0003})]}
    assert "2: no site of this seed, 0.03 % of seed 7" in lines(table)[1]


def test_what_a_run_used_stands_beside_its_limits():
    report = {"region_share_vector": {"Africa": 0.3, "Other": 0.0}, "effective_hard_cap": 0.02,
              "country_share_topk": {"top1": 0.062}}  # fmt: skip
    policy = {"region_floor_share": {"Africa": 0.2}, "topk_cap_targets": {"top1": 0.062},
              "country_cap_share_hard": 0.026}  # fmt: skip
    assert mass_lines(report, policy) == [
        "shares of regions and their floors: Africa 0.3000 (>= 0.2)",
        "shares of the largest countries and their targets: top1 0.0620 (<= 0.062); "
        "hard cap 0.026, lowered to 0.0200 by the targets",
    ]
    assert (
        "not lowered by a target" in mass_lines({**report, "effective_hard_cap": 0.026}, policy)[1]
    )


def test_a_knob_of_choices_is_turned_to_its_neighbours():
    (knob,) = (k for k in KNOBS if k.key == "outlets.field.broad.spacing_deg")
    assert (knob.value, knob.steps) == (1.0, [0.5, 2.0])


def test_the_soft_cap_makes_room_for_a_lower_hard_one():
    (knob,) = (k for k in KNOBS if k.key == "country_mass.country_cap_share_hard")
    low = turned(POLICIES, knob, 0.015)["s2"]["country_mass"]
    assert (low["country_cap_share_soft"], low["country_cap_share_hard"]) == (0.015, 0.015)
    high = turned(POLICIES, knob, 0.03)["s2"]["country_mass"]
    assert high["country_cap_share_soft"] == 0.02


@pytest.mark.parametrize("value", [0.0078125, 1 / 3, 0.1234567])
def test_a_mix_sums_to_one_whatever_it_is_turned_to(value):
    for knob in KNOBS:
        if ".basis_mix." in knob.key:
            mix = get_key(turned(POLICIES, knob, value)["s2"], knob.key.rpartition(".")[0])
            assert sum(mix.values()) == pytest.approx(1.0, abs=1e-9)
