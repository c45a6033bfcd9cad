"""The fourteen measures on hand-made tables, the grade rule, and the shipped policies' grades."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from scipy import stats

from scripts.policies import load_policy
from scripts.upstream.metrics import by_merchant, dispersion_spread, measure
from scripts.upstream.scorer import certification, grade, in_band, over_seeds, scorecard
from scripts.upstream.tables_1a import SCORED_TABLES
from scripts.upstream.validation import identity_anomalies, validate
from tests.upstream_world import (
    BANDS,
    candidates_of,
    catalogue_of,
    facts,
    log_of,
    replace,
    stored,
    world_tables,
)

COUNTS = {
    (1, "FR"): {"FR": 1},
    (2, "FR"): {"FR": 1},
    (3, "DE"): {"DE": 3, "FR": 1},
    (4, "US"): {"US": 6},
    (5, "US"): {"US": 4, "CA": 3, "MX": 1},
}
RANKED = {
    1: ["FR"],
    2: ["FR"],
    3: ["DE", "FR", "IT", "ES", "PL"],
    4: ["US", "CA"],
    5: ["US", "CA", "MX", "GB", "FR", "DE", "IT"],
}
REQUIRED = dict.fromkeys(SCORED_TABLES, True)
PHI = [np.nan, np.nan, 10.0, 12.0, 14.0]


def hand_made():
    return {
        "outlet_catalogue": catalogue_of(COUNTS),
        "s3_candidate_set": candidates_of(RANKED),
        "rng_draw_log_1A": log_of(PHI, [1, 1, 4, 6, 8]),
    }


def measured(tables, dispersion=(), required=REQUIRED):
    view = by_merchant(tables["outlet_catalogue"], tables["s3_candidate_set"])
    sound = not any(identity_anomalies(tables["outlet_catalogue"]).values())
    return measure(view, np.array(dispersion), sound, required)


def scored(tables):
    with stored(tables) as files:
        checks = validate(files, facts(), 42, 1e-4, None)["checks"]
        return scorecard(files, checks, load_policy(BANDS))


def test_worked_example():
    found = measured(hand_made(), PHI[2:])
    # Outlets 1 1 4 6 8: Gini = sum (2i - n - 1) x / (n sum x) = (-4 - 2 + 0 + 12 + 32) / 100.
    assert found["single_site_share"] == pytest.approx(2 / 5)
    assert found["median_outlets_per_merchant"] == 4
    assert found["top10_outlet_share"] == pytest.approx(8 / 20)
    assert found["gini_outlets_per_merchant"] == pytest.approx(38 / 100)
    assert found["home_legal_mismatch_rate"] == pytest.approx(5 / 20)
    assert found["multi_country_legal_spread"] == pytest.approx(2 / 5)
    assert found["candidate_count_median"] == 1
    rank = stats.spearmanr([0, 0, 4, 1, 6], [0, 0, 1, 0, 2]).statistic
    assert found["candidate_membership_correlation"] == pytest.approx(rank)
    assert found["realization_ratio_median"] == 0.0
    assert found["phi_cv"] == pytest.approx(np.sqrt(8 / 3) / 12)
    assert found["phi_p95_p05_ratio"] == pytest.approx(1.4)
    assert found["identity_semantics_no_unexplained_duplicate_anomalies"] is True
    assert found["required_outputs_present"] is True
    assert len(found) == 14


def test_size_gradient_compares_decile_ten_with_one_to_three():
    # Ten multi-site merchants of 2 to 11 outlets: decile = merchant. Rates: bottom 1 of 9, top 4 of
    # 11.
    counts = {(m, "US"): {"US": m + 1} for m in range(1, 11)}
    counts[(2, "US")] = {"US": 2, "CA": 1}
    counts[(10, "US")] = {"US": 7, "CA": 4}
    ranked = {m: ["US", "CA"] for m in range(1, 11)}
    tables = {
        "outlet_catalogue": catalogue_of(counts),
        "s3_candidate_set": candidates_of(ranked),
    }
    found = measured(tables)["size_gradient_pp_top_minus_bottom"]
    assert found == pytest.approx(100 * (4 / 11 - 1 / 9))


def test_realization_ratio_is_the_count_where_no_candidate_is_listed():
    ranked = {**RANKED, 5: ["US"]}
    tables = {**hand_made(), "s3_candidate_set": candidates_of(ranked)}
    from scripts.upstream.metrics import realization_ratio

    view = by_merchant(tables["outlet_catalogue"], tables["s3_candidate_set"])
    assert realization_ratio(view).tolist() == [0, 0, 0.25, 0, 2]


def test_a_merchant_without_candidate_rows_counts_as_zero():
    ranked = {m: RANKED[m] for m in (3, 5)}
    tables = {**hand_made(), "s3_candidate_set": candidates_of(ranked)}
    assert measured(tables)["candidate_count_median"] == 0


def test_dispersion_counts_only_when_the_counts_bear_it_out():
    tables = dict(world_tables())
    log = tables["rng_draw_log_1A"]
    third = pc.divide(log.column("dispersion_k"), 3.0)
    without = {name: table for name, table in tables.items() if name != "rng_draw_log_1A"}
    for doubtful in ({**tables, "rng_draw_log_1A": replace(log, "dispersion_k", third)}, without):
        graded = scored(doubtful)
        value = {row["metric"]: row["value"] for row in graded["target_band_checks"]}
        assert value["phi_cv"] is None
        assert value["phi_p95_p05_ratio"] is None
        assert not graded["hard_gates"]["checks"]["dispersion_heterogeneity_restored"]


def test_nearest_rank_percentiles():
    variation, ratio = dispersion_spread(np.arange(1.0, 101.0))
    assert ratio == 95 / 5
    assert variation == pytest.approx(np.arange(1.0, 101.0).std() / 50.5)
    assert dispersion_spread(np.array([])) == (None, None)


def test_duplicates_and_missing_outputs_are_seen():
    tables = hand_made()
    catalogue = tables["outlet_catalogue"]
    tables["outlet_catalogue"] = pa.concat_tables([catalogue.slice(0, 3), catalogue.slice(2)])
    found = measured(tables, required={**REQUIRED, "sparse_flag": False})
    assert found["identity_semantics_no_unexplained_duplicate_anomalies"] is False
    assert found["required_outputs_present"] is False


def test_bands_are_closed_and_undefined_fails():
    assert in_band(0.25, [0.25, 0.45])
    assert in_band(0.45, [0.25, 0.45])
    assert not in_band(0.4500001, [0.25, 0.45])
    assert in_band(100.0, [5, None])
    assert not in_band(None, [None, None])
    assert not in_band(None, None)
    assert in_band(True, None)
    assert not in_band(False, None)


GOOD = {
    "single_site_share": 0.40,
    "median_outlets_per_merchant": 10.0,
    "top10_outlet_share": 0.40,
    "gini_outlets_per_merchant": 0.55,
    "home_legal_mismatch_rate": 0.15,
    "size_gradient_pp_top_minus_bottom": 12.0,
    "multi_country_legal_spread": 0.35,
    "candidate_count_median": 9.0,
    "candidate_membership_correlation": 0.5,
    "realization_ratio_median": 0.3,
    "phi_cv": 0.15,
    "phi_p95_p05_ratio": 1.6,
    "identity_semantics_no_unexplained_duplicate_anomalies": True,
    "required_outputs_present": True,
}
# Inside B, outside B+.
WEAK = {
    "single_site_share": 0.30,
    "median_outlets_per_merchant": 19.0,
    "top10_outlet_share": 0.53,
    "home_legal_mismatch_rate": 0.22,
    "size_gradient_pp_top_minus_bottom": 6.0,
}


def decide(**changes):
    return grade({**GOOD, **changes}, load_policy(BANDS))["grade_decision"]["grade"]


def test_grade_rule():
    weak = list(WEAK.items())
    assert decide() == "B_plus"
    assert decide(**dict(weak[:2])) == "B_plus"
    assert decide(**dict(weak[:3])) == "B"
    assert decide(**WEAK) == "B"
    outside = dict.fromkeys(weak_names()[:4], 99.0)
    assert decide(**outside) == "B"
    outside = dict.fromkeys(weak_names(), 99.0)
    assert decide(**outside) == "below_B"


def weak_names():
    return [
        "home_legal_mismatch_rate",
        "multi_country_legal_spread",
        "median_outlets_per_merchant",
        "phi_p95_p05_ratio",
        "phi_cv",
    ]


@pytest.mark.parametrize(
    ("changes", "gate"),
    [
        ({"single_site_share": 0.05}, "single_site_tier_exists_materially"),
        ({"candidate_count_median": 16.0}, "candidate_not_near_global_by_default"),
        ({"phi_cv": 0.04}, "dispersion_heterogeneity_restored"),
        ({"phi_p95_p05_ratio": 1.2}, "dispersion_heterogeneity_restored"),
        ({"required_outputs_present": False}, "required_outputs_emitted"),
    ],
)
def test_each_hard_gate_caps_the_grade(changes, gate):
    graded = grade({**GOOD, **changes}, load_policy(BANDS))
    failed = [name for name, ok in graded["hard_gates"]["checks"].items() if not ok]
    assert failed == [gate]
    assert graded["grade_decision"]["grade"] == "below_B"
    assert graded["grade_decision"]["veto_notes"] == ["hard_gate_failure_caps_grade"]


def test_concentration_outside_its_b_band_withholds_b_plus():
    assert decide(gini_outlets_per_merchant=0.63) == "B"
    assert decide(top10_outlet_share=0.56) == "B"


def card(seed, **changes):
    return {
        "run_id": "a" * 32,
        "seed": seed,
        "parameter_hash": "0" * 64,
        "inputs": {"outlet_catalogue": "1" * 64, "validation_bundle": "2" * 64},
        **grade({**GOOD, **changes}, load_policy(BANDS)),
        "required_outputs": REQUIRED,
        "dispersion": {"passed": True},
        "diagnostics": {},
    }


def test_a_measure_passes_over_seeds_only_where_each_seed_passes():
    cards = [card(1), card(2, single_site_share=0.30), card(3, single_site_share=0.90)]
    summary = over_seeds(cards, load_policy(BANDS))
    row = {r["metric"]: r for r in summary["target_band_checks"]}["single_site_share"]
    assert (row["value"], row["minimum"], row["maximum"]) == (0.40, 0.30, 0.90)
    assert not row["B_pass"]
    assert summary["band_coverage"]["B_pass_count"] == 13


def test_the_weakest_seed_decides_the_certificate():
    bands = load_policy(BANDS)
    strong = certification([card(7), card(42)], bands, "report")
    assert strong["status"] == "FROZEN_CERTIFIED_B_PLUS"
    assert [row["seed"] for row in strong["per_seed"]] == [7, 42]
    plain = certification([card(7), card(42, **WEAK)], bands, "report")
    assert plain["status"] == "FROZEN_CERTIFIED_B"
    failing = certification([card(7), card(42, single_site_share=0.05)], bands, "report")
    assert failing["status"] == "NOT_CERTIFIED"
    assert failing["grade_decision"]["grade"] == "below_B"


@pytest.mark.parametrize("name", ["authority", "reopened"])
@pytest.mark.parametrize("seed", [42, 7, 101, 202])
def test_shipped_policies_hold_their_grade(name, seed):
    tables = world_tables(name, seed)
    graded = scored(tables)
    failing = [r["metric"] for r in graded["target_band_checks"] if not r["B_pass"]]
    assert failing == ["realization_ratio_median"]
    assert graded["grade_decision"]["grade"] == "B_plus"
    assert graded["hard_gates"]["all_pass"]
    assert graded["dispersion"]["passed"]
    assert 31_000 <= graded["diagnostics"]["sites"] <= 36_000


def test_country_concentration_of_the_shipped_policies():
    for seed in (42, 7, 101, 202):
        tables = world_tables("authority", seed)
        active = scored(tables)["diagnostics"]["active_countries"]
        assert active["count"] == 77
        assert 0.70 <= active["gini"] <= 0.80
        assert 0.55 <= active["top10_share"] <= 0.65
        tables = world_tables("reopened", seed)
        active = scored(tables)["diagnostics"]["active_countries"]
        assert active["count"] == len(facts())
        assert active["gini"] <= 0.56
        assert active["top1_share"] <= 0.075
        assert active["top5_share"] <= 0.25
        assert active["top10_share"] <= 0.38


def test_an_empty_table_of_evidence_is_not_presence():
    tables = dict(world_tables())
    tables["s3_site_sequence"] = tables["s3_site_sequence"].slice(0, 0)
    graded = scored(tables)
    assert graded["required_outputs"]["s3_site_sequence"] is False
    assert graded["grade_decision"]["grade"] == "below_B"
    del tables["s3_site_sequence"]
    assert not scored(tables)["hard_gates"]["all_pass"]


def test_flags_in_the_catalogue_decide_the_single_site_share():
    tables = hand_made()
    rows = tables["outlet_catalogue"].num_rows
    tables["outlet_catalogue"] = replace(
        tables["outlet_catalogue"], "single_vs_multi_flag", [True] * rows
    )
    assert measured(tables)["single_site_share"] == 0.0
