"""Gates: each is flipped by the one violation it exists for, and by nothing else."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import yaml

from scripts.errors import ConfigError
from scripts.scorers import classification, gates, margins
from scripts.scorers.triage import answers_for
from scripts.scorers.truth.judgement import TESTS, judge

GATES_FILE = Path("config/gates.yaml")
SETTINGS = gates.load_gates(GATES_FILE)


TRUE_VALUES = {
    **{"T1": 0.3, "T2": 0.45, "T3": 0.15, "T4": 4.4, "T5a": 0.67, "T5b": 0.27},
    **{"T6": 0.28, "T7": 0.004, "T8": 0.36, "T9": 0.72, "T10": 0.002},
}


def truth(**values: float | None) -> dict:
    """What a scorecard says of the tests of truth: values of real outlets, but for some."""
    rows = [
        judge(test, math.nan if value is None else value, 100)
        for test, value in {**TRUE_VALUES, **values}.items()
    ]
    return {row.test: {k: v for k, v in row.record().items() if k != "test"} for row in rows}


def passing_card(seed: int = 42, run_id: str = "a" * 32) -> dict:
    """A scorecard that clears every gate of A and every reported row."""
    values = {
        "country_gini": 0.55,
        "top1_share": 0.06,
        "top5_share": 0.22,
        "top10_share": 0.36,
        "southern_hemisphere_share": 0.21,
    }
    return {
        "run_id": run_id,
        "seed": seed,
        "gates_version": SETTINGS["policy_version"],
        "region_floors": {"Africa": 0.2, "Europe": 0.16, "Other": 0.0},
        "validation": {"verdict": "PASS", "failing_structural": [], "failing_realism": []},
        "counts": {
            "sites": 1000,
            "eligible_countries": 245,
            "active_countries": 230,
            "sites_outside_eligible": 0,
        },
        "eligible_countries": ["AA", "AB"],
        "metrics": {
            **values,
            "eligible_country_nonzero_share": 0.95,
            "nn_p99_p50_ratio": 7.0,
            "nn_contraction": 0.4,
        },
        "concentration": {},
        "region_shares": {"Africa": 0.25, "Europe": 0.18, "Other": 0.0},
        "nn": {"quantiles_m": {"q50": 2000.0, "q99": 14000.0}, "against_baseline": {}},
        "intervals": {name: [value - 0.01, value + 0.01] for name, value in values.items()},
        "collapse": {"judged": 80, "flagged": [], "countries": []},
        "fidelity": {
            "population": {"spearman_median": 0.85, "overlap_median": 0.9, "countries": []},
            "urban": {"difference_points": -4.0},
            "time_zones": {"multi_zone_reached_share": 1.0, "countries": []},
            "two_sample": {"auc": 0.55},
        },
        "truth": truth(),
        "as_published": {},
    }


def with_value(path: str, value: object) -> dict:
    card = copy.deepcopy(passing_card())
    *parents, last = path.split("/")
    target = card
    for key in parents:
        target = target[key]
    target[last] = value
    return card


def failing(card: dict, grade: str) -> set[str]:
    rows = gates.seed_rows(card, SETTINGS)
    return {row["gate"] for row in rows if not row["passed"] and row["grade"] == grade}


def test_the_passing_card_is_a():
    rows = gates.seed_rows(passing_card(), SETTINGS)
    assert [row for row in rows if not row["passed"]] == []
    assert gates.grade_of(rows) == "A"
    assert all(row["reason"] == "" and row["triage"] is None for row in rows)
    assert all(row["passed"] for row in gates.fidelity_rows(passing_card(), SETTINGS))


@pytest.mark.parametrize(
    ("path", "value", "gate"),
    [
        ("metrics/country_gini", 0.681, "country_gini"),
        ("metrics/top1_share", 0.101, "top1_share"),
        ("metrics/top5_share", 0.331, "top5_share"),
        ("metrics/top10_share", 0.501, "top10_share"),
        ("metrics/eligible_country_nonzero_share", 0.849, "eligible_country_nonzero_share"),
        ("metrics/southern_hemisphere_share", 0.119, "southern_hemisphere_share"),
        ("metrics/nn_contraction", 0.199, "nn_contraction"),
        ("intervals/country_gini", [0.5, 0.69], "country_gini_interval"),
        ("intervals/top1_share", [0.05, 0.11], "top1_share_interval"),
        ("intervals/top5_share", [0.2, 0.34], "top5_share_interval"),
        ("intervals/top10_share", [0.3, 0.51], "top10_share_interval"),
        ("intervals/southern_hemisphere_share", [0.11, 0.3], "southern_hemisphere_share_interval"),
        ("region_shares/Africa", 0.1999, "region_floor"),
        ("collapse/flagged", ["DE"], "no_collapse"),
        ("validation/failing_structural", ["parity"], "s9_structural"),
        ("validation/failing_realism", ["nn_tail"], "s9_realism"),
        ("validation/verdict", "FAIL", "s9_passed"),
        ("counts/sites_outside_eligible", 1, "no_site_outside_eligible"),
    ],
)
def test_each_gate_is_flipped_by_its_violation_alone(path, value, gate):
    card = with_value(path, value)
    assert failing(card, "B") == {gate}
    assert failing(card, "BPLUS") == {gate}
    assert gates.grade_of(gates.seed_rows(card, SETTINGS)) == "BELOW_B"


@pytest.mark.parametrize("metric", [gate.metric for gate in gates.GATES])
def test_a_value_at_the_limit_passes_and_between_the_grades_is_b(metric):
    limits = SETTINGS["gates"][metric]
    for grade in gates.GATED_GRADES:
        assert metric not in failing(with_value(f"metrics/{metric}", limits[grade]), grade)
    middle = (limits["B"] + limits["BPLUS"]) / 2
    rows = gates.seed_rows(with_value(f"metrics/{metric}", middle), SETTINGS)
    assert gates.grade_of(rows) == "B"


@pytest.mark.parametrize("metric", [gate.metric for gate in gates.GATES])
def test_an_undefined_metric_fails_with_a_reason(metric):
    rows = gates.seed_rows(with_value(f"metrics/{metric}", None), SETTINGS)
    found = [row for row in rows if row["gate"] == metric]
    assert [row["reason"] for row in found] == ["undefined", "undefined"]
    assert [row["margin"] for row in found] == [None, None]
    assert gates.grade_of(rows) == "BELOW_B"


def test_a_missing_or_undefined_interval_fails():
    card = passing_card()
    del card["intervals"]["top5_share"]
    assert failing(card, "B") == {"top5_share_interval"}
    assert failing(with_value("intervals/top5_share", [None, None]), "B") == {"top5_share_interval"}


def test_floors_of_zero_gate_nothing_and_no_floor_at_all_fails():
    assert failing(with_value("region_shares", {"Africa": 0.2, "Europe": 0.16}), "B") == set()
    assert failing(with_value("region_shares", {"Africa": 0.2}), "B") == {"region_floor"}
    for floors in ({}, {"Africa": 0.0}):
        assert failing(with_value("region_floors", floors), "B") == {"region_floor"}


def test_margin_is_signed_and_names_the_distance():
    card = with_value("metrics/country_gini", 0.70)
    (row,) = (
        row
        for row in gates.seed_rows(card, SETTINGS)
        if row["gate"] == "country_gini" and row["grade"] == "B"
    )
    assert row["margin"] == pytest.approx(-0.02)
    assert row["reason"] == "0.7 is above 0.68"
    assert row["interval"] == [0.54, 0.56]
    south = with_value("metrics/southern_hemisphere_share", 0.10)
    (row,) = (
        row
        for row in gates.seed_rows(south, SETTINGS)
        if row["gate"] == "southern_hemisphere_share" and row["grade"] == "B"
    )
    assert row["margin"] == pytest.approx(-0.02)
    assert row["reason"] == "0.1 is below 0.12"


def test_a_margin_to_a_negative_threshold_keeps_its_sign():
    assert margins.relative_margin({"margin": 0.03, "threshold": -0.06}) == pytest.approx(0.5)
    assert margins.lack({"margin": -0.03, "threshold": -0.06}) == pytest.approx(0.5)


def cards_with(metric: str, values: list[float | None]) -> list[dict]:
    cards = [passing_card(seed) for seed in (7, 42, 101, 202)]
    for card, value in zip(cards, values, strict=True):
        card["metrics"][metric] = value
    return cards


def test_stability_limits_each_core_metric_across_seeds():
    steady = gates.evaluate(cards_with("nn_p99_p50_ratio", [7, 7.1, 7, 6.9]), SETTINGS)
    assert steady["grade"] == "A"
    wavy = gates.evaluate(cards_with("nn_p99_p50_ratio", [5, 7, 5, 7.5]), SETTINGS)
    assert wavy["grade"] == "B"
    wild = gates.evaluate(cards_with("nn_p99_p50_ratio", [3, 7, 12, 5]), SETTINGS)
    assert wild["grade"] == "BELOW_B"
    failed = {row["metric"] for row in wild["rows"] if not row["passed"]}
    assert failed == {"cv.nn_p99_p50_ratio"}


def test_a_metric_without_a_value_in_one_seed_is_not_stable():
    cards = cards_with("nn_p99_p50_ratio", [7, 7, None, 7])
    rows = gates.stability_rows(cards, SETTINGS)
    assert {row["metric"] for row in rows if not row["passed"]} == {"cv.nn_p99_p50_ratio"}


def test_one_seed_has_no_stability_and_no_grade():
    verdict = gates.evaluate([passing_card()], SETTINGS)
    assert verdict["grade"] == "BELOW_B"
    assert {row["gate"] for row in verdict["rows"] if not row["passed"]} == {"stability"}


def test_one_bad_seed_is_not_rescued_by_the_others():
    cards = cards_with("top1_share", [0.05, 0.05, 0.05, 0.05])
    cards[2]["metrics"]["southern_hemisphere_share"] = 0.11
    verdict = gates.evaluate(cards, SETTINGS)
    assert verdict["grade"] == "BELOW_B"
    failed = {(row["gate"], row["seed"]) for row in verdict["rows"] if not row["passed"]}
    assert ("southern_hemisphere_share", 101) in failed
    assert not {seed for _, seed in failed} & {7, 42, 202}


@pytest.mark.parametrize(
    ("path", "value", "row"),
    [
        ("fidelity/population/spearman_median", 0.62, "spearman_median"),
        ("fidelity/population/overlap_median", None, "overlap_median"),
        ("fidelity/urban/difference_points", 12.5, "urban_difference_points"),
        ("fidelity/urban/difference_points", -12.5, "urban_difference_points"),
        ("nn/quantiles_m/q50", 299.0, "nn_p50_m_min"),
        ("nn/quantiles_m/q50", 15001.0, "nn_p50_m_max"),
        ("metrics/nn_p99_p50_ratio", 2.9, "nn_ratio"),
        ("fidelity/time_zones/multi_zone_reached_share", 0.9, "time_zones_reached_share"),
    ],
)
def test_fidelity_is_reported_and_decides_no_grade(path, value, row):
    card = with_value(path, value)
    missed = [r["gate"] for r in gates.fidelity_rows(card, SETTINGS) if not r["passed"]]
    assert missed == [row]
    assert failing(card, "A") == failing(card, "BPLUS") == set()


@pytest.mark.parametrize("test", TESTS)
def test_a_test_of_truth_outside_its_range_costs_grade_a_alone(test):
    low, high = TESTS[test].accepted
    beyond = [] if low is None else [low - 1e-6 * abs(low)]
    beyond += [] if high is None else [high + 1e-6 * abs(high)]
    for value in (*beyond, None):
        card = with_value("truth", truth(**{test: value}))
        assert failing(card, "A") == {f"truth_{test}"}
        assert failing(card, "BPLUS") == failing(card, "B") == set()
        rows = gates.seed_rows(card, SETTINGS)
        assert gates.grade_of(rows) == "BPLUS"
        (row,) = (row for row in rows if not row["passed"])
        assert row["triage"] in {"S2", "S4", "S6"}
        assert row["reason"]
    for end in TESTS[test].accepted:
        if end is not None:
            assert failing(with_value("truth", truth(**{test: end})), "A") == set()


def test_truth_is_judged_at_the_end_that_the_value_is_nearer_to():
    rows = gates.truth_rows(with_value("truth", truth(T1=0.06, T2=0.4, T7=-0.05)))
    found = {row["gate"]: (row["threshold"], row["direction"]) for row in rows}
    assert found["truth_T1"] == (0.05, gates.AT_LEAST)
    assert found["truth_T2"] == (1.1, gates.AT_MOST)
    assert found["truth_T7"] == (-0.06, gates.AT_LEAST)


def test_a_map_below_bplus_is_not_a_however_true():
    card = with_value("metrics/country_gini", 0.65)
    assert gates.grade_of(gates.seed_rows(card, SETTINGS)) == "B"


def test_gates_cannot_state_what_truth_accepts():
    settings = yaml.safe_load(GATES_FILE.read_text(encoding="utf-8"))
    assert "truth" not in str(settings)


def test_grades_are_ordered():
    assert gates.reaches("A", "BPLUS")
    assert gates.reaches("BPLUS", "B")
    assert not gates.reaches("BPLUS", "A")
    assert gates.reaches("B", "B")
    assert not gates.reaches("B", "BPLUS")
    assert not gates.reaches("BELOW_B", "B")


@pytest.mark.parametrize(
    ("family", "failing_families", "state"),
    [
        ("structural", {"structural", "concentration"}, "code"),
        ("concentration", {"concentration"}, "S2"),
        ("concentration", {"concentration", "coverage"}, "1A"),
        ("region", {"region"}, "S2, S4"),
        ("region", {"region", "concentration"}, "S2"),
        ("nn_tail", {"nn_tail"}, "S4, S6"),
        ("nn_tail", {"nn_tail", "concentration"}, "S2"),
        ("stability", {"stability"}, "S2, S4"),
        ("truth_networks", {"truth_networks"}, "S4"),
        ("truth_positions", {"truth_positions"}, "S6"),
    ],
)
def test_the_state_that_answers_depends_on_what_fails_together(family, failing_families, state):
    assert answers_for(family, failing_families) == state


def test_every_family_of_a_row_has_a_state_that_a_lane_knows():
    rows = gates.evaluate([passing_card(7), passing_card(42)], SETTINGS)["rows"]
    for family in {row["family"] for row in rows}:
        assert answers_for(family, {family}) in classification.LANES


def test_a_test_of_truth_says_both_ends_of_what_it_accepts():
    rows = {row["gate"]: row for row in gates.seed_rows(passing_card(), SETTINGS)}
    assert rows["truth_T1"]["accepted"] == [0.05, 0.75]
    assert rows["truth_T2"]["accepted"] == [None, 1.1]
    assert rows["country_gini"]["accepted"] is None


def test_triage_of_a_row_sees_only_its_own_seed_and_grade():
    cards = [passing_card(seed) for seed in (7, 42)]
    cards[0]["metrics"]["country_gini"] = 0.7
    cards[1]["metrics"]["eligible_country_nonzero_share"] = 0.5
    rows = gates.evaluate(cards, SETTINGS)["rows"]
    (row,) = (
        r for r in rows if r["gate"] == "country_gini" and r["seed"] == 7 and r["grade"] == "B"
    )
    assert row["triage"] == "S2"


@pytest.mark.parametrize(
    ("metric", "grade", "looser"),
    [("country_gini", "B", 0.69), ("nn_contraction", "BPLUS", 0.3), ("top1_share", "BPLUS", 0.09)],
)
def test_a_threshold_cannot_be_loosened(tmp_path, metric, grade, looser):
    changed = yaml.safe_load(GATES_FILE.read_text(encoding="utf-8"))
    changed["gates"][metric][grade] = looser
    path = tmp_path / "gates.yaml"
    path.write_text(yaml.safe_dump(changed), encoding="utf-8")
    with pytest.raises(ConfigError, match=f"EC10.*gates.{metric}.{grade}"):
        gates.load_gates(path)


def test_a_threshold_can_be_tightened_and_a_typo_is_named(tmp_path):
    changed = yaml.safe_load(GATES_FILE.read_text(encoding="utf-8"))
    changed["gates"]["country_gini"]["B"] = 0.5
    path = tmp_path / "gates.yaml"
    path.write_text(yaml.safe_dump(changed), encoding="utf-8")
    rows = gates.seed_rows(passing_card(), gates.load_gates(path))
    assert "country_gini" in {row["gate"] for row in rows if not row["passed"]}
    changed["gates"]["country_ginni"] = changed["gates"].pop("country_gini")
    path.write_text(yaml.safe_dump(changed), encoding="utf-8")
    with pytest.raises(ConfigError, match="country_gini"):
        gates.load_gates(path)


def test_the_file_covers_every_gate():
    assert set(SETTINGS["gates"]) == {gate.metric for gate in gates.GATES}
