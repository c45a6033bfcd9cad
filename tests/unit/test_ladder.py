"""The ladder, the class of P4, margins: what they say follows from scorecards alone."""

import copy
import re

import pytest

from scripts.contracts import check_object
from scripts.errors import ConfigError, ScoreError
from scripts.governance.assess_p4 import assess
from scripts.governance.enforce_phase import reopening_case
from scripts.ladder import margins
from scripts.ladder.ladder_table import cause_of, changed_policies, ladder
from scripts.ladder.margins_report import margins as margins_of
from scripts.ladder.margins_report import table_rows, time_zones
from scripts.ladder.measures import MEASURES, statuses
from scripts.report.ladder_figure import draw
from scripts.scorers.classification import AMBER, GREEN, RED, classify, lanes, verdict
from scripts.scorers.gates import evaluate, load_gates
from scripts.scorers.levers import ELSEWHERE, SHOWN, read_table
from scripts.scorers.margins import smallest_margins
from scripts.tables import published
from tests.unit.test_gates import passing_card, truth

SETTINGS = load_gates("config/gates.yaml")
SEEDS = (7, 42)
POLICIES = {"upstream": "authority", "s2": "legacy", "s4": "legacy", "s6": "legacy", "s9": "old"}


def card(run, seed, **metrics):
    """A scorecard of a run; the intervals follow the metrics."""
    found = copy.deepcopy(passing_card(seed, run))
    found["counts"]["active_eligible_countries"] = 230
    found["metrics"].update(metrics)
    for name in found["intervals"]:
        value = found["metrics"][name]
        found["intervals"][name] = [value - 0.001, value + 0.001]
    return found


def steps_and_cards(p1_gini=0.80, p4_gini=0.80):
    """A ladder of five postures; gini falls at p1 and again at the reopened 1A."""
    runs = {
        "baseline": "1" * 32,
        "p1": "2" * 32,
        "p2": "3" * 32,
        "p4": "4" * 32,
        "reopened": "5" * 32,
    }
    turned = {
        "baseline": {},
        "p1": {"s2": "new", "s9": "new"},
        "p2": {"s2": "new", "s9": "new", "s4": "new"},
        "p4": {"s2": "new", "s9": "new", "s4": "new"},
        "reopened": {"s2": "new", "s9": "new", "s4": "new", "upstream": "reopened"},
    }
    worse = {"top1_share": 0.12, "top5_share": 0.4, "top10_share": 0.6}
    better = {"top1_share": 0.11, "top5_share": 0.39, "top10_share": 0.59}
    values = {
        "baseline": {"country_gini": 0.85, **worse},
        "p1": {"country_gini": p1_gini, **better},
        "p2": {"country_gini": 0.80, **better},
        "p4": {"country_gini": p4_gini, **better},
        "reopened": {},
    }
    steps = [
        {"posture": name, "run_id": run, "policies": {**POLICIES, **turned[name]}}
        for name, run in runs.items()
    ]
    cards = {run: [card(run, seed, **values[name]) for seed in SEEDS] for name, run in runs.items()}
    for found in cards[runs["baseline"]]:
        found["truth"] = truth(T3=0.5)
    return steps, cards


def check(document, name):
    return next(entry for entry in document["checks"] if entry["check"] == name)


def test_the_cause_of_a_step_is_read_off_its_policies():
    steps, cards = steps_and_cards()
    document, _ = ladder(steps, cards, SETTINGS)
    assert [step["cause"] for step in document["steps"]] == [
        "start",
        "S2 through S3",
        "S4",
        "none",
        "1A",
    ]
    assert document["steps"][1]["changed"] == ["s2", "s9"]
    assert cause_of(["s4", "upstream"], False) == "S4, 1A"
    assert changed_policies(steps[1], None) == []
    external = {"policies": {k: v for k, v in steps[1]["policies"].items() if k != "upstream"}}
    assert changed_policies(external, steps[1]) == ["upstream"]
    assert changed_policies(steps[1], external) == ["upstream"]


def test_deltas_are_to_the_step_before_and_to_the_first():
    document, rows = ladder(*steps_and_cards(), SETTINGS)
    row = next(
        r for r in rows if (r["posture"], r["seed"], r["metric"]) == ("p2", 42, "country_gini")
    )
    assert row["delta_previous"] == pytest.approx(0.0)
    assert row["delta_baseline"] == pytest.approx(-0.05)
    assert (row["status_B"], row["status_BPLUS"]) == ("fail", "fail")
    assert len(rows) == 5 * len(SEEDS) * len(MEASURES)
    entry = next(
        a
        for a in document["attribution"]
        if (a["posture"], a["metric"]) == ("reopened", "country_gini")
    )
    assert entry["cause"] == "1A"
    assert entry["delta_mean"] == pytest.approx(0.55 - 0.80)


def test_the_checks_hold_on_a_ladder_as_expected():
    document, _ = ladder(*steps_and_cards(), SETTINGS)
    assert all(entry["passed"] for entry in document["checks"])
    check_object("segment1b_ladder", published(document))


def test_p1_that_lowers_nothing_is_seen():
    document, _ = ladder(*steps_and_cards(p1_gini=0.85), SETTINGS)
    assert check(document, "p1_lowers_concentration_on_every_seed")["faults"] == [
        "seed 7 country_gini",
        "seed 42 country_gini",
    ]


def test_a_baseline_that_passes_every_test_of_truth_is_seen():
    steps, cards = steps_and_cards()
    for found in cards[steps[0]["run_id"]]:
        found["truth"] = truth()
    document, _ = ladder(steps, cards, SETTINGS)
    assert not check(document, "the_baseline_can_be_told_from_real_outlets")["passed"]


def test_a_step_without_a_cause_that_moves_is_seen():
    document, _ = ladder(*steps_and_cards(p4_gini=0.79), SETTINGS)
    assert not check(document, "p4_repeats_the_step_before")["passed"]
    document, _ = ladder(*steps_and_cards(p1_gini=0.79), SETTINGS)
    assert not check(document, "p2_does_not_reconcentrate")["passed"]


def test_steps_of_other_seeds_are_refused():
    steps, cards = steps_and_cards()
    cards[steps[2]["run_id"]] = cards[steps[2]["run_id"]][:1]
    with pytest.raises(ScoreError, match="ES34"):
        ladder(steps, cards, SETTINGS)


def test_an_interval_that_crosses_the_gate_fails_the_status():
    wide = card("1" * 32, 42)
    wide["intervals"]["country_gini"] = [0.5, 0.61]
    assert statuses(wide, SETTINGS)["country_gini"] == {"B": "pass", "BPLUS": "fail"}


@pytest.mark.slow
def test_the_figure_has_a_panel_a_measure_and_the_same_bytes_twice(tmp_path):
    document, rows = ladder(*steps_and_cards(), SETTINGS)
    texts = []
    for number in range(2):
        path = tmp_path / f"{number}.svg"
        draw(path, document, rows)
        texts.append(path.read_text(encoding="utf-8"))
    assert texts[0] == texts[1]
    assert len(re.findall('id="axes_', texts[0])) == len(MEASURES)
    assert not re.search(r"20\d\d-\d\d-\d\d", texts[0])


def rows_of(**metrics):
    return evaluate([card("1" * 32, seed, **metrics) for seed in SEEDS], SETTINGS)["rows"]


def test_classes():
    assert classify(rows_of()) == GREEN
    assert classify(rows_of(country_gini=0.61)) == AMBER
    assert classify(rows_of(country_gini=0.61), recovery_ended=True) == GREEN
    assert classify(rows_of(country_gini=0.69)) == RED
    assert classify(rows_of(country_gini=0.69), recovery_ended=True) == RED
    assert classify(rows_of(nn_contraction=None)) == RED


def test_one_bad_seed_is_red():
    cards = [card("1" * 32, 7), card("1" * 32, 42, country_gini=0.69)]
    assert classify(evaluate(cards, SETTINGS)["rows"]) == RED


def test_the_lane_furthest_upstream_is_recommended():
    found = verdict(rows_of(country_gini=0.69, eligible_country_nonzero_share=0.3))
    assert found["recommended_lane"] == "1A"
    assert found["deciding_grade"] == "B"
    found = verdict(rows_of(country_gini=0.69))
    assert found["recommended_lane"] == "S2"
    found = verdict(rows_of(nn_contraction=0.3))
    assert (found["class"], found["deciding_grade"], found["recommended_lane"]) == (
        AMBER,
        "BPLUS",
        "S4, S6",
    )
    assert verdict(rows_of())["recommended_lane"] is None


def test_a_lane_gathers_its_gates_and_seeds():
    failing = [row for row in rows_of(country_gini=0.69) if not row["passed"]]
    (lane,) = lanes([row for row in failing if row["grade"] == "B"])
    assert lane["gates"] == ["country_gini", "country_gini_interval"]
    assert lane["seeds"] == ["42", "7"]
    assert lane["failing_rows"] == 4


def case_of(cards, references):
    of_run = {
        "phase": "P4",
        "run_id": "1" * 32,
        "posture": "p4",
        "seeds": list(SEEDS),
        "metrics": {},
    }
    return reopening_case({**of_run, **assess(cards, references, SETTINGS)}, read_table())


def test_the_case_for_reopening_names_gates_and_what_upstream_offers():
    few = [card("1" * 32, seed, eligible_country_nonzero_share=0.3) for seed in SEEDS]
    case = case_of(few, few)
    assert case["classification"] == RED
    assert case["reopen_required"]
    assert {row["gate"] for row in case["failing_gates"]} == {"eligible_country_nonzero_share"}
    assert case["countries_offered"]["wanted_share"] == {"B": 0.85, "BPLUS": 0.92}
    assert case["regressions"] == []
    (advice,) = case["advice"]
    assert (advice["state"], advice["seeds"]) == ("1A", ["7", "42"])
    assert advice["turn"] == [ELSEWHERE["1A"]]


def test_a_run_that_falls_behind_p3_is_red_in_both_records_of_p4():
    good = [card("1" * 32, seed) for seed in SEEDS]
    assert not case_of(good, good)["reopen_required"]
    better = [card("1" * 32, seed, top1_share=0.01) for seed in SEEDS]
    case = case_of(good, better)
    assert case["classification"] == RED
    assert {row["check"] for row in case["regressions"]} == {"top1_share_not_worse_than_p3"}
    (advice,) = case["advice"]
    assert advice["gate"] == "top1_share_not_worse_than_p3"
    assert [lever["state"] for lever in advice["levers"]] == ["S2"] * SHOWN


def guard(status="PASS"):
    return {"status": status, "guard_checks": {"grade_not_below_B": status == "PASS"}}


def test_margins_report_the_least_margin_and_every_miss():
    cards = [card("1" * 32, 7), card("1" * 32, 42, country_gini=0.59)]
    report = margins_of(cards, [guard(), guard("FAIL")], evaluate(cards, SETTINGS))
    check_object("segment1b_margins", published(report))
    least = {(r["grade"], r["gate"], r["metric"]): r for r in report["smallest_margins"]}
    assert least["BPLUS", "country_gini", "country_gini"]["seed"] == 42
    assert least["BPLUS", "country_gini", "country_gini"]["margin"] == pytest.approx(0.01)
    assert margins.misses(report, "BPLUS") == ["freeze guard seed 42: grade_not_below_B"]
    cards = [card("1" * 32, 7), card("1" * 32, 42, country_gini=0.62)]
    report = margins_of(cards, [guard()] * 2, evaluate(cards, SETTINGS))
    assert any("country_gini seed 42" in line for line in margins.misses(report, "BPLUS"))
    assert margins.misses(report, "B") == []
    assert any("0.6200" in line for line in margins.seed_table(report))
    assert any("country_gini" in line for line in margins.margin_table(report))


def test_an_undefined_value_is_the_least_margin():
    rows = rows_of() + rows_of(nn_contraction=None)
    least = {(r["grade"], r["gate"]): r["margin"] for r in smallest_margins(rows)}
    assert least["B", "nn_contraction"] is None
    assert {row["status"] for row in table_rows(rows)} == {"pass", "fail"}


def test_time_zones_are_held_to_the_plain_demand():
    def row(iso, reached, expected):
        return {
            "country_iso": iso,
            "sites": 50,
            "offsets": 2,
            "offsets_reached": reached,
            "expected_off_main": expected,
        }

    cards = [card("1" * 32, seed) for seed in SEEDS]
    cards[0]["fidelity"]["time_zones"]["countries"] = [row("CL", 1, 0.1), row("US", 2, 40.0)]
    cards[1]["fidelity"]["time_zones"]["countries"] = [row("CL", 1, 0.2), row("US", 2, 40.0)]
    found = time_zones(cards)
    assert (found["judged"], found["reached"]) == (4, 2)
    assert [
        (m["country_iso"], m["seeds"], m["expected_off_main_max"]) for m in found["missed"]
    ] == [("CL", [7, 42], 0.2)]


@pytest.mark.parametrize(
    ("text", "seeds"), [("9-12,40", [9, 10, 11, 12, 40]), ("3", [3]), ("5,4-5", [4, 5])]
)
def test_seed_lists(text, seeds):
    assert margins.seed_list(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "1-", "-3", "1,,2", "5-1", "1-99999999999"])
def test_bad_seed_lists_are_refused(text):
    with pytest.raises(ConfigError, match="EC03"):
        margins.seed_list(text)
