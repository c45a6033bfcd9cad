"""The chain from the merchant table to the catalogue, and the tables it publishes."""

import numpy as np
import pytest

from scripts import countries
from scripts.contracts import check_table
from scripts.errors import UpstreamError
from scripts.randomness import keyed_uniforms
from scripts.upstream import laws
from scripts.upstream.egress import accounting, pairs, tables
from scripts.upstream.generator import (
    Merchants,
    build_candidacy,
    build_merchants,
    draw_candidates,
    generate,
    simulate,
)
from scripts.upstream.prior import country_weights
from tests.upstream_world import facts, facts_table, policy, world, world_tables

NAMES = ("authority", "reopened")


@pytest.mark.parametrize("name", NAMES)
def test_every_table_holds_its_contract(name):
    for dataset_id, table in world_tables(name).items():
        check_table(dataset_id, table)


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_world_other_seed_other_world(name):
    again = tables(generate(policy(name), facts_table(), 42, None, name))
    for dataset_id, table in world_tables(name).items():
        assert table.equals(again[dataset_id])
    other = world_tables(name, 7)["outlet_catalogue"]
    assert not other.equals(world_tables(name)["outlet_catalogue"])


@pytest.mark.parametrize("name", NAMES)
def test_countries_sum_to_the_merchant_and_home_keeps_its_floor(name):
    log = world_tables(name)["rng_draw_log_1A"]
    catalogue = world_tables(name)["outlet_catalogue"]
    merchant, country, count = pairs(catalogue)
    ids, index = np.unique(merchant, return_inverse=True)
    np.testing.assert_array_equal(ids, log.column("merchant_id").to_numpy())
    np.testing.assert_array_equal(np.bincount(index, count), log.column("n_outlets").to_numpy())
    home = countries.encode(world_tables(name)["merchants"].column("home_country_iso"))
    at_home = country == home[index]
    assert at_home.sum() == len(ids)
    assert (count[at_home] >= log.column("home_floor").to_numpy()).all()
    assert (count >= 1).all()


def test_draws_are_keyed_by_meaning():
    log = world_tables()["rng_draw_log_1A"]
    merchants = world_tables()["merchants"]
    row = int(np.argmax(log.column("is_eligible").to_numpy(zero_copy_only=False)))
    merchant = log.column("merchant_id")[row].as_py()
    for column, family in (
        ("u_hurdle", "hurdle"),
        ("u_outlets", "outlets"),
        ("u_eligible", "eligibility"),
        ("u_candidates", "candidates"),
        ("u_foreign", "foreign_countries"),
    ):
        u = keyed_uniforms(42, policy()["namespaces"][family], merchant)[0]
        assert log.column(column)[row].as_py() == u
    mu, phi = (np.array([merchants.column(k)[row].as_py()]) for k in ("mu", "dispersion_k"))
    u = np.array([log.column("u_outlets")[row].as_py()])
    drawn = laws.truncated_nb_quantile(u, mu, phi)
    assert drawn[0] == log.column("n_outlets")[row].as_py()


def test_another_merchant_moves_no_outcome():
    whole = world()
    rng = np.random.default_rng(5)
    kept = np.sort(rng.choice(len(whole.merchants), 900, replace=False))
    candidacy = build_candidacy(policy(), facts(), "policy")
    part = simulate(policy(), facts(), candidacy, whole.merchants.take(kept), 42)
    for name in ("u_hurdle", "n_outlets", "k_granted", "u_foreign", "n_candidates"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole.outcome, name)[kept])
    rows = np.isin(whole.outcome.pair_merchant, kept)
    np.testing.assert_array_equal(part.pair_country, whole.outcome.pair_country[rows])
    np.testing.assert_array_equal(part.pair_count, whole.outcome.pair_count[rows])


def test_a_larger_world_keeps_who_its_merchants_are():
    small = build_merchants(policy(), facts(), 42, 2400, "policy")
    large = build_merchants(policy(), facts(), 42, 2600, "policy")
    row = np.searchsorted(large.merchant_id, small.merchant_id)
    assert len(large) == 2600
    shared = large.merchant_id[np.minimum(row, len(large) - 1)] == small.merchant_id
    assert shared.mean() > 0.99
    for name in ("activity", "channel", "phi", "home", "openness"):
        before, after = getattr(small, name)[shared], getattr(large, name)[row[shared]]
        np.testing.assert_array_equal(before, after)


def test_expected_outlets_meet_the_country_quotas():
    merchants = world().merchants
    rules = policy()
    share = country_weights(facts(), rules["home_prior"], "policy")
    quota = share * rules["merchants"]["total"] * rules["merchants"]["mean_outlets"]
    expected = np.bincount(merchants.home, merchants.expected_outlets, len(quota))
    reachable = quota >= 1.05
    np.testing.assert_allclose(expected[reachable], quota[reachable], rtol=0.01)
    alone = np.bincount(merchants.home)[merchants.home] == 1
    np.testing.assert_array_less(merchants.expected_outlets[alone], 30.0)


def test_reopened_reaches_every_eligible_country_and_authority_its_markets():
    for seed in (42, 7, 101, 202):
        _, country, _ = pairs(world_tables("reopened", seed)["outlet_catalogue"])
        assert set(country) == set(facts().code)
        _, country, _ = pairs(world_tables("authority", seed)["outlet_catalogue"])
        assert len(np.unique(country)) == 77


def test_candidates_are_distinct_foreign_and_follow_their_shares():
    candidacy = build_candidacy(policy(), facts(), "policy")
    home = np.full(4000, facts().iso.index("FR"))
    wanted = np.full(4000, 9)
    u = (np.arange(4000) + 0.5) / 4000
    owner, row = draw_candidates(candidacy, home, wanted, u)
    country = candidacy.country[row]
    assert not (country == home[0]).any()
    assert len(np.unique(owner * 1000 + country)) == len(country) == 36_000
    frame = slice(candidacy.home_start[home[0]], candidacy.home_stop[home[0]])
    hits = np.bincount(country, minlength=len(facts()))[candidacy.country[frame]]
    np.testing.assert_allclose(hits / 4000, 9 * candidacy.share[frame], atol=1e-3)
    belgium = candidacy.country[frame].tolist().index(facts().iso.index("BE"))
    assert candidacy.affinity[frame][belgium] == 2


def test_candidate_ranks_are_contiguous_from_home():
    table = world_tables()["s3_candidate_set"]
    rank = table.column("candidate_rank").to_numpy()
    merchant = table.column("merchant_id").to_numpy().astype(np.int64)
    np.testing.assert_array_equal(rank, laws.position_in_segment(merchant))
    codes = [row[0] for row in table.column("reason_codes").to_pylist()]
    assert [code == "HOME" for code in codes] == (rank == 0).tolist()


def test_abort_log_lists_exactly_the_merchants_granted_less():
    log, aborts = (world_tables()[k] for k in ("rng_draw_log_1A", "merchant_abort_log"))
    target, granted = (log.column(k).to_numpy() for k in ("k_target", "k_granted"))
    short = log.column("merchant_id").to_numpy()[granted < target]
    assert len(short) > 0
    assert aborts.column("merchant_id").to_pylist() == short.tolist()
    for row in aborts.to_pylist():
        assert row["action"] == ("downgraded_domestic" if row["granted"] == 0 else "reduced")


def test_sparse_flags_count_merchants_not_sites():
    flags = world_tables("authority")["sparse_flag"].to_pylist()
    _, country, count = pairs(world_tables("authority")["outlet_catalogue"])
    for row in flags[::7]:
        sites = count[country == countries.encode_one(row["country_iso"])].astype(float)
        assert row["obs_count"] == len(sites)
        effective = sites.sum() ** 2 / (sites**2).sum() if len(sites) else 0.0
        assert row["effective_merchants"] == pytest.approx(effective)
        assert row["is_sparse"] == (effective < row["threshold"])
    assert {row["is_sparse"] for row in flags} == {True, False}


def test_accounting_counts_the_draws_of_the_log():
    log = world_tables()["rng_draw_log_1A"]
    families = accounting(world())["families"]
    assert families["hurdle"]["uniforms"] == log.num_rows
    for family, column in (("outlets", "u_outlets"), ("foreign_countries", "u_foreign")):
        assert families[family]["uniforms"] == log.num_rows - log.column(column).null_count


def test_single_site_merchants_use_no_further_draw():
    log = world_tables()["rng_draw_log_1A"]
    single = ~log.column("is_multi").to_numpy(zero_copy_only=False)
    assert single.any()
    for column in ("u_outlets", "dispersion_k", "u_eligible", "u_candidates", "u_foreign"):
        assert log.column(column).is_null().to_numpy()[single].all()


@pytest.mark.parametrize(
    ("changes", "total", "code"),
    [
        ({"home_prior__markets": ["CH", "XX"]}, None, "EU01"),
        ({"home_prior__country_cap_share": 0.001}, None, "EU02"),
        ({}, 100, "EU03"),
        ({"candidates__prior__markets": ["CH", "DE", "FR", "IT"]}, None, "EU04"),
    ],
)
def test_impossible_policies_are_refused(changes, total, code):
    changes = {**changes, **({"candidates__prior__country_cap_share": 1.0} if changes else {})}
    with pytest.raises(UpstreamError) as caught:
        generate(policy(**changes), facts_table(), 42, total, "policy.yaml")
    assert caught.value.code == code
    assert "\n" not in str(caught.value)


def test_a_country_count_beyond_six_digits_is_refused():
    merchants = world().merchants.take(np.arange(3))
    huge = Merchants(**{**merchants.__dict__, "pi": np.ones(3), "mu": np.full(3, 5e6)})
    candidacy = build_candidacy(policy(), facts(), "policy")
    with pytest.raises(UpstreamError, match="overflow the six digits") as caught:
        simulate(policy(), facts(), candidacy, huge, 42)
    assert caught.value.code == "EU05"


@pytest.mark.parametrize(
    ("change", "measure", "sign"),
    [
        ({"hurdle__intercept": 1.5}, "single", -1),
        ({"split__foreign_weight": 0.5}, "abroad", 1),
        ({"eligibility__intercept": -3.0}, "spread", -1),
        ({"size__tail_share": 0.2}, "top", 1),
        ({"merchants__mean_outlets": 20.0}, "sites", 1),
        ({"foreign_countries__intercept": 0.0}, "pairs", 1),
        ({"home_prior__country_cap_share": 0.2, "home_prior__population_exponent": 1.0}, "cap", 1),
    ],
)
def test_every_knob_moves_the_catalogue(change, measure, sign):
    def observe(a_world):
        o = a_world.outcome
        n = np.sort(o.n_outlets)
        sites = np.bincount(o.pair_country, o.pair_count)
        return {
            "single": 1 - o.multi.mean(),
            "abroad": 1 - o.pair_count[_home_rows(a_world)].sum() / n.sum(),
            "spread": (o.k_granted > 0).mean(),
            "top": n[-len(n) // 10 :].sum() / n.sum(),
            "sites": n.sum(),
            "pairs": len(o.pair_count),
            "cap": sites.max() / sites.sum(),
        }[measure]

    changed = generate(policy(**change), facts_table(), 42, None, "policy")
    assert sign * (observe(changed) - observe(world())) > 0


def _home_rows(a_world):
    home = a_world.facts.code[a_world.merchants.home]
    return a_world.outcome.pair_country == home[a_world.outcome.pair_merchant]
