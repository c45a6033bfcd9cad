"""Validation of a seed: a sound world passes, and each defect fails its own check."""

import functools

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from scripts.contracts import write_dataset
from scripts.tables import write_parquet
from scripts.upstream.egress import accounting, stationarity_tests
from scripts.upstream.generate_1a import publish_world
from scripts.upstream.generator import draw_up
from scripts.upstream.replay import replay
from scripts.upstream.stored import ROWS_EACH
from scripts.upstream.tables_1a import ALL_TABLES
from scripts.upstream.validation import dispersion_check, identity_anomalies, validate
from tests.upstream_world import (
    facts,
    facts_table,
    policy,
    replace,
    stored,
    world,
    world_tables,
)

ALPHA = 1e-4


@functools.cache
def blueprint(seed=42):
    return draw_up(policy(), facts_table(), seed, None, "reopened")


def judge(tables, seed=42, replay_seed=42, rows=ROWS_EACH):
    with stored(tables) as files:
        replayed, _ = replay(files, blueprint(replay_seed))
        return validate(files, facts(), seed, ALPHA, replayed, rows)


@pytest.mark.parametrize("seed", [42, 7])
def test_a_sound_world_passes(seed):
    own = world_tables("reopened", seed)
    report = judge(own, seed, seed)
    assert report["failed"] == []
    assert report["verdict"] == "PASS"


def test_an_external_world_needs_only_its_two_tables():
    two = {k: world_tables()[k] for k in ("outlet_catalogue", "s3_candidate_set")}
    with stored(two) as files:
        report = validate(files, facts(), 42, ALPHA, None)
    assert report["verdict"] == "PASS"
    assert "replay" not in report["checks"]


def _shift(table, column, amount=1, row=0):
    values = table.column(column).to_pylist()
    values[row] = values[row] + amount
    return replace(table, column, values)


def _other_country(table, column="country_iso", row=0):
    values = table.column(column).to_pylist()
    values[row] = "ZW" if values[row] != "ZW" else "ZM"
    return replace(table, column, values)


@pytest.mark.parametrize(
    ("dataset_id", "change", "failing"),
    [
        ("outlet_catalogue", lambda t: t.slice(1), {"catalogue", "identity"}),
        ("outlet_catalogue", lambda t: _shift(t, "raw_nb_outlet_draw"), {"catalogue"}),
        ("outlet_catalogue", lambda t: _shift(t, "global_seed"), {"catalogue"}),
        ("outlet_catalogue", lambda t: _other_country(t, "home_country_iso"), {"candidates"}),
        ("s3_candidate_set", lambda t: _shift(t, "candidate_rank", 5), {"candidates"}),
        ("s3_integerised_counts", lambda t: _shift(t, "count"), {"s3_integerised_counts"}),
        ("s3_site_sequence", lambda t: t.slice(1), {"s3_site_sequence"}),
        ("sparse_flag", lambda t: _shift(t, "obs_count"), {"sparse_flag"}),
        ("merchant_abort_log", lambda t: t.slice(1), {"merchant_abort_log"}),
        ("merchant_abort_log", lambda t: t.slice(0, 0), {"merchant_abort_log"}),
        ("rng_draw_log_1A", lambda t: _shift(t, "n_outlets"), {"draw_log"}),
        ("rng_draw_log_1A", lambda t: _shift(t, "u_hurdle", 1e-9), {"replay"}),
        ("merchants", lambda t: _shift(t, "openness", 1e-9), {"replay"}),
    ],
)
def test_a_defect_fails_its_check(dataset_id, change, failing):
    own = dict(world_tables())
    own[dataset_id] = change(own[dataset_id])
    report = judge(own)
    assert report["verdict"] == "FAIL"
    assert failing & set(report["failed"]) or report["failed"] == ["contracts"]
    if report["failed"] != ["contracts"]:
        assert failing <= set(report["failed"])


def test_a_failed_or_dishonest_stationarity_test_is_refused():
    own = dict(world_tables())
    table = own["hurdle_stationarity_tests"]
    own["hurdle_stationarity_tests"] = _shift(table, "value", 1e6)
    report = judge(own)
    assert "above threshold" in report["checks"]["hurdle_stationarity_tests"]["reason"]
    honest = replace(
        own["hurdle_stationarity_tests"], "passed", [False] + [True] * (table.num_rows - 1)
    )
    report = judge({**own, "hurdle_stationarity_tests": honest})
    assert "failed" in report["checks"]["hurdle_stationarity_tests"]["reason"]


def test_stationarity_finds_a_stratum_that_drifted():
    rng = np.random.default_rng(3)
    pi = rng.uniform(0.3, 0.9, 2000)
    group = np.repeat([0, 1], 1000)
    sound = rng.random(2000) < pi
    drifted = rng.random(2000) < np.where(group == 1, pi - 0.15, pi)
    for multi, passes in ((sound, True), (drifted, False)):
        table = stationarity_tests({"group": (["a", "b"], group)}, pi, multi, ALPHA)
        assert table.column("passed").to_pylist() == [passes]
        assert table.column("strata").to_pylist() == [2]
    variance = (pi * (1 - pi)).reshape(2, -1).sum(axis=1)
    z = (sound - pi).reshape(2, -1).sum(axis=1) / np.sqrt(variance)
    table = stationarity_tests({"group": (["a", "b"], group)}, pi, sound, ALPHA)
    assert table.column("value")[0].as_py() == pytest.approx((z**2).sum())


def test_dispersion_agrees_with_the_log_and_poisson_counts_do_not():
    log = world_tables()["rng_draw_log_1A"]
    assert dispersion_check(log, ALPHA)["passed"]
    multi = log.column("is_multi").to_numpy(zero_copy_only=False)
    mu = np.where(multi, log.column("mu").to_numpy(zero_copy_only=False), 1.0)
    poisson = np.random.default_rng(1).poisson(mu).clip(2)
    counts = np.where(multi, poisson, 1)
    assert not dispersion_check(replace(log, "n_outlets", counts), ALPHA)["passed"]
    wrong = log.column("dispersion_k").to_numpy(zero_copy_only=False) / 3
    table = log.set_column(
        log.column_names.index("dispersion_k"),
        log.schema.field("dispersion_k"),
        pa.array(wrong, from_pandas=True),
    )
    report = dispersion_check(table, ALPHA)
    assert not report["passed"]
    assert all(row["dispersion_scale"] > 1.5 for row in report["strata"])


def test_dispersion_deviations_follow_the_normal_law():
    z = [
        row["z"]
        for seed in range(300, 330)
        for row in dispersion_check(world_tables("reopened", seed, 600)["rng_draw_log_1A"], ALPHA)[
            "strata"
        ]
    ]
    assert abs(np.mean(z)) < 0.4
    assert 0.7 < np.std(z) < 1.3
    assert stats.kstest(z, "norm").pvalue > 1e-3


def test_identity_anomalies_worked_example():
    table = world_tables()["outlet_catalogue"].slice(0, 40)
    assert set(identity_anomalies(table).values()) == {0}
    doubled = pa.concat_tables([table, table.slice(0, 2), table.slice(0, 1)])
    found = identity_anomalies(doubled)
    assert found["primary_key_duplicate_groups"] == found["site_id_duplicate_groups"] == 2
    assert found["primary_key_excess_rows"] == found["site_id_excess_rows"] == 3
    assert identity_anomalies(_shift(table, "site_order", 7))["site_id_not_padded_site_order"] == 1
    gap = pa.concat_tables([table.slice(0, 1), table.slice(2)])
    expected = 1 if table.column("site_order")[1].as_py() == 2 else 0
    assert identity_anomalies(gap)["site_order_scopes_not_contiguous"] == expected


def test_world_is_the_replayed_world():
    assert world("reopened", 42).seed == 42
    report = judge(world_tables("reopened", 7), 7, 42)
    assert report["failed"] == ["replay"]


def test_no_verdict_depends_on_the_rows_in_memory():
    own = dict(world_tables())
    own["outlet_catalogue"] = _shift(own["outlet_catalogue"], "raw_nb_outlet_draw", row=20_000)
    own["s3_site_sequence"] = own["s3_site_sequence"].slice(0, 30_000)
    own["rng_draw_log_1A"] = own["rng_draw_log_1A"].slice(5, 2300)
    whole = judge(own)
    assert whole["checks"]["draw_log"] == {"passed": False, "merchants_differ": 100}
    assert whole["checks"]["catalogue"]["raw_nb_outlet_draw_not_rows_of_merchant"] == 1
    assert judge(own, rows=37) == judge(own, rows=999) == whole


def test_every_broken_contract_is_named_with_its_row():
    own = dict(world_tables())
    catalogue = own["outlet_catalogue"]
    swapped = [*range(30_000), 30_001, 30_000, *range(30_002, catalogue.num_rows)]
    own["outlet_catalogue"] = catalogue.take(swapped)
    own["sparse_flag"] = _shift(own["sparse_flag"], "obs_count", -(10**6))
    broken = judge(own)["checks"]["contracts"]["broken"]
    assert set(broken) == {"outlet_catalogue", "sparse_flag"}
    assert "EX12" in broken["outlet_catalogue"]
    assert "row 30001 is out of order" in broken["outlet_catalogue"]


@pytest.mark.parametrize("merchants_each", [97, 2400])
def test_the_replay_does_not_depend_on_its_slices(tmp_path, merchants_each):
    made = world_tables()
    files = {name: str(tmp_path / f"{name}.parquet") for name in made}
    for name, table in made.items():
        write_parquet(files[name], table)
    verdict, draws = replay(files, blueprint(), merchants_each)
    assert verdict == {"passed": True, "different": [], "tables": 9}
    assert draws == accounting(world())
    merchants = made["merchants"]
    write_parquet(files["merchants"], pa.concat_tables([merchants, merchants[:1]]))
    assert replay(files, blueprint(), merchants_each)[0]["different"] == ["merchants"]


@pytest.mark.parametrize("merchants_each", [1 << 14, 97])
def test_the_published_tables_do_not_depend_on_the_slices(tmp_path, merchants_each):
    outputs = {name: str(tmp_path / f"{name}.parquet") for name in ALL_TABLES}
    publish_world(blueprint(), outputs, merchants_each)
    for name, table in world_tables().items():
        write_dataset(name, tmp_path / "whole", table)
        assert (tmp_path / f"{name}.parquet").read_bytes() == (tmp_path / "whole").read_bytes()
