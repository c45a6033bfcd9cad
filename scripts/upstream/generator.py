"""The builtin 1A chain: merchants, and how many outlets each has in which country.

For merchant m with activity a (MCC), channel, home country h and size ratio s::

    n_h       = apportion(share_h, merchants_total), at least the policy's minimum
    s_m, MCC  = rotated additive recurrence per country (stratified, extensible)
    pi_m      = logistic(b0 + b_mcc + b_channel + b_bucket + b_size ln s_m + b_scale min(t_h, 0))
    mu_m      = exp(m0 + m_mcc + m_channel + t_h) * s_m
    phi_m     = exp(f0 + f_mcc + f_channel + f_gdp * (ln gdp_h - ln gdp_ref))
    t_h       : sum over the country of E[outlets] = share_h * merchants_total * mean_outlets
    multi     : u < pi_m;   N_m = 1, or NB2(mu_m, phi_m) given >= 2
    eligible  : multi, MCC not denied, u < logistic(e0 + e1 ln N + e2 openness)
    C_m       : systematic PPS sample of the markets, weights prior x affinity to the home country
    K_m       : Poisson(exp(a0 + a1 ln N + a2 openness)) given >= 1
    k_m       = min(K_m, |C_m|, N_m - home floor): the k largest of w_c + Gumbel
    counts    : home floor, one per foreign country, the rest by largest remainder

All draws are keyed by (seed, family, merchant, country). Given its row of the merchant table a
merchant's outcome depends on nothing else, so the chain can run over slices of merchants.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.special import expit

from scripts.errors import UpstreamError
from scripts.randomness import keyed_uniforms
from scripts.upstream import laws
from scripts.upstream.prior import (
    Facts,
    apportion,
    capped_proportions,
    country_weights,
    eligible_facts,
    member_rows,
)

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Policy = Mapping[str, Any]

CHANNELS = ("card_present", "card_not_present")
ORDINALS = 10_000_000
MAX_SITE_ORDER = 999_999
_MIN_MU = 0.05
_BISECTIONS = 48
# 1e-9 keeps two points that are exactly one spacing apart out of the same interval.
_PPS_SLACK = 1e-9


@dataclass(frozen=True)
class Merchants:
    """Merchant table, sorted by ``merchant_id``; arrays of shape (m,)."""

    merchant_id: npt.NDArray[np.uint64]
    home: I64
    activity: I64
    channel: I64
    gdp_bucket: I64
    openness: F64
    pi: F64
    mu: F64
    phi: F64
    expected_outlets: F64

    def __len__(self) -> int:
        return len(self.merchant_id)

    def take(self, rows: npt.NDArray[Any] | slice) -> Merchants:
        """The rows given, in that order."""
        return Merchants(**{name: getattr(self, name)[rows] for name in self.__dict__})


@dataclass(frozen=True)
class Outcome:
    """What the chain drew; per merchant unless said otherwise."""

    u_hurdle: F64
    multi: npt.NDArray[np.bool_]
    u_outlets: F64
    n_outlets: I64
    p_eligible: F64
    u_eligible: F64
    eligible: npt.NDArray[np.bool_]
    u_candidates: F64
    n_candidates: I64
    foreign_rate: F64
    u_foreign: F64
    k_target: I64
    k_granted: I64
    floor: I64
    candidate_merchant: I64
    candidate_country: I64
    candidate_affinity: I64
    choice_draws: int
    pair_merchant: I64
    pair_country: I64
    pair_count: I64
    pair_residual_rank: I64


@dataclass(frozen=True)
class Candidacy:
    """Markets of each home country, in the order that systematic sampling walks them.

    ``cumulative`` holds, home after home, the home's row plus the cumulative inclusion share.
    """

    country: I64
    share: F64
    rank: I64
    affinity: I64
    cumulative: F64
    home_start: I64
    home_stop: I64


def activities(policy: Policy) -> dict[str, npt.NDArray[Any]]:
    """Activity table of the policy as columns, in MCC order."""
    rows = sorted(policy["activities"], key=lambda row: row["mcc"])
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def gdp_buckets(policy: Policy, facts: Facts) -> I64:
    """GDP bucket of each country, 0 (poorest) and up."""
    return np.searchsorted(np.array(policy["gdp_bucket_breaks_usd"]), facts.gdp_per_capita_usd)


def _uniforms(policy: Policy, seed: int, family: str, merchant: Any, country: Any = 0) -> F64:
    return keyed_uniforms(seed, policy["namespaces"][family], merchant, country=country)


def _draw_for(
    asked: npt.NDArray[np.bool_], policy: Policy, seed: int, family: str, ids: Any
) -> F64:
    """One uniform for each merchant asked, NaN for the others."""
    drawn = np.full(len(asked), np.nan)
    drawn[asked] = _uniforms(policy, seed, family, ids[asked])[:, 0]
    return drawn


def candidate_count(policy: Policy, log_n: F64) -> I64:
    """Foreign candidates of a multi-site merchant with ``exp(log_n)`` outlets."""
    size = policy["candidates"]["count"]
    wanted: F64 = np.rint(size["intercept"] + size["log_outlets"] * log_n)
    return np.clip(wanted.astype(np.int64), size["minimum"], size["maximum"])


def build_merchants(policy: Policy, facts: Facts, seed: int, total: int, where: str) -> Merchants:
    """Merchant table of one seed.

    Parameters
    ----------
    policy
        Parsed generator policy.
    facts
        Eligible countries.
    seed
        World seed.
    total
        Number of merchants.
    where
        Policy file, for messages.

    Raises
    ------
    UpstreamError
        ``EU01``, ``EU02`` prior; ``EU03`` fewer merchants than the minimum per market needs.
    """
    prior = policy["home_prior"]
    share = country_weights(facts, prior, where)
    home_rows = np.flatnonzero(share > 0)
    minimum = prior["minimum_merchants_per_country"]
    if total < minimum * len(home_rows):
        raise UpstreamError(
            "EU03",
            where,
            f"{total} merchants cannot give {len(home_rows)} home markets {minimum} each",
            f"at least {minimum * len(home_rows)}",
        )
    counts = np.zeros(len(facts), dtype=np.int64)
    counts[home_rows] = apportion(share[home_rows], total, minimum)

    home = np.repeat(np.arange(len(facts)), counts)
    ordinal = laws.position_in_segment(home) + 1
    rotation = _uniforms(policy, seed, "merchant_phase", 0)
    points = laws.stratified_points(rotation, facts.code[home], ordinal)

    table = activities(policy)
    cumulative = np.cumsum(table["share"])
    activity = np.searchsorted(cumulative / cumulative[-1], points[:, 1], side="right")
    channel = (points[:, 2] >= table["card_present_share"][activity]).astype(np.int64)
    bucket = gdp_buckets(policy, facts)[home]
    remote = channel == 1

    outlets, hurdle, dispersion = policy["outlets"], policy["hurdle"], policy["dispersion"]
    size = laws.size_ratio(points[:, 0], **policy["size"])
    log_mu = (
        outlets["intercept"]
        + table["log_mean_effect"][activity]
        + outlets["card_not_present"] * remote
        + np.log(size)
    )
    logit = (
        hurdle["intercept"]
        + table["hurdle_effect"][activity]
        + hurdle["card_not_present"] * remote
        + np.array(hurdle["gdp_bucket"])[bucket]
        + hurdle["log_size_slope"] * np.log(size)
    )
    log_gdp = np.log(facts.gdp_per_capita_usd[home] / dispersion["gdp_reference_usd"])
    phi = np.exp(
        dispersion["intercept"]
        + table["log_dispersion_effect"][activity]
        + dispersion["card_not_present"] * remote
        + dispersion["log_gdp_slope"] * log_gdp
    )
    pi, mu, expected = match_quotas(
        home, log_mu, logit, phi, share * total * policy["merchants"]["mean_outlets"], policy
    )
    border = policy["openness"]
    openness = np.clip(
        np.array(border["gdp_bucket"])[bucket]
        + np.array([border[name] for name in CHANNELS])[channel]
        + table["openness_tilt"][activity],
        0.0,
        1.0,
    )
    return Merchants(
        merchant_id=((facts.code[home] + 1) * ORDINALS + ordinal).astype(np.uint64),
        home=home,
        activity=activity,
        channel=channel,
        gdp_bucket=bucket,
        openness=openness,
        pi=pi,
        mu=mu,
        phi=phi,
        expected_outlets=expected,
    )


def match_quotas(
    home: I64, log_mu: F64, logit: F64, phi: F64, quota: F64, policy: Policy
) -> tuple[F64, F64, F64]:
    """Shift each country's ``log_mu`` by one ``t_h`` so that its expected outlets meet its quota.

    ``t_h`` is bounded by ``country_scale_limit``; where it is negative it also lowers the hurdle.

    Returns
    -------
    pi, mu and expected outlets of each merchant.
    """
    limit = policy["outlets"]["country_scale_limit"]
    slope = policy["hurdle"]["country_scale_slope"]

    def laws_at(t: F64) -> tuple[F64, F64, F64]:
        mu = np.maximum(np.exp(log_mu + t[home]), _MIN_MU)
        pi = expit(logit + slope * np.minimum(t, 0.0)[home])
        return pi, mu, 1.0 + pi * (laws.truncated_nb_mean(mu, phi) - 1.0)

    low, high = np.full(len(quota), -limit), np.full(len(quota), limit)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        above = np.bincount(home, weights=laws_at(middle)[2], minlength=len(quota)) > quota
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return laws_at(0.5 * (low + high))


def build_candidacy(policy: Policy, facts: Facts, where: str) -> Candidacy:
    """Sampling frame of foreign markets for every possible home country.

    Inclusion shares are the prior times the affinity (same sub-region, same macro region, else 1),
    the home country left out, capped at one over the largest candidate set so that systematic
    sampling cannot meet a market twice.

    Raises
    ------
    UpstreamError
        ``EU04`` when the largest candidate set would take every foreign market.
    """
    rules = policy["candidates"]
    markets = member_rows(facts, rules["prior"]["markets"], "candidates.prior.markets", where)
    prior = country_weights(facts, rules["prior"], where)[markets]
    largest = rules["count"]["maximum"]
    abroad_total = len(markets) - 1
    if largest >= abroad_total:
        raise UpstreamError(
            "EU04",
            where,
            f"candidates.count.maximum {largest} is not below the {abroad_total} markets abroad",
            "a smaller maximum or a longer market list",
        )
    region, sub_region = np.array(facts.region), np.array(facts.sub_region)
    walk = markets[np.lexsort((facts.code[markets], sub_region[markets], region[markets]))]
    prior_of = np.zeros(len(facts))
    prior_of[markets] = prior
    cap = (1.0 - _PPS_SLACK) / largest
    frames = []
    for home in range(len(facts)):
        abroad = walk[walk != home]
        affinity = np.where(
            sub_region[abroad] == sub_region[home],
            2,
            np.where(region[abroad] == region[home], 1, 0),
        )
        factor = np.array([1.0, rules["affinity"]["region"], rules["affinity"]["sub_region"]])
        weight = prior_of[abroad] * factor[affinity]
        share = capped_proportions(weight, 1.0, cap)
        rank = np.empty(len(abroad), dtype=np.int64)
        rank[np.lexsort((facts.code[abroad], -weight))] = np.arange(len(abroad))
        cumulative = np.cumsum(share)
        frames.append((abroad, share, rank, affinity, home + cumulative / cumulative[-1]))
    country, share, rank, affinity, cumulative = (
        np.concatenate(parts) for parts in zip(*frames, strict=True)
    )
    stop = np.cumsum([len(frame[0]) for frame in frames])
    return Candidacy(country, share, rank, affinity, cumulative, np.r_[0, stop[:-1]], stop)


def simulate(
    policy: Policy, facts: Facts, candidacy: Candidacy, merchants: Merchants, seed: int
) -> Outcome:
    """Run the chain over (a slice of) the merchant table.

    Returns
    -------
    Draws and decisions per merchant; candidate and pair rows sorted by merchant, then by rank and
    by country code.
    """
    ids = merchants.merchant_id
    u_hurdle = _uniforms(policy, seed, "hurdle", ids)[:, 0]
    multi = u_hurdle < merchants.pi
    u_outlets = _draw_for(multi, policy, seed, "outlets", ids)
    n = np.ones(len(merchants), dtype=np.int64)
    n[multi] = laws.truncated_nb_quantile(
        u_outlets[multi], merchants.mu[multi], merchants.phi[multi]
    )

    log_n = np.log(n)
    rules = policy["eligibility"]
    denied = np.isin(activities(policy)["mcc"][merchants.activity], rules["denied_mcc"])
    logit = (
        rules["intercept"] + rules["log_outlets"] * log_n + rules["openness"] * merchants.openness
    )
    p_eligible = np.where(multi & ~denied, expit(logit), 0.0)
    u_eligible = _draw_for(multi & ~denied, policy, seed, "eligibility", ids)
    eligible = u_eligible < p_eligible

    u_candidates = _draw_for(multi, policy, seed, "candidates", ids)
    wanted = np.where(multi, candidate_count(policy, log_n), 0)
    owner, row = draw_candidates(candidacy, merchants.home, wanted, u_candidates)

    law = policy["foreign_countries"]
    rate = np.exp(
        law["intercept"] + law["log_outlets"] * log_n + law["openness"] * merchants.openness
    )
    u_foreign = _draw_for(eligible, policy, seed, "foreign_countries", ids)
    k_target = np.zeros(len(merchants), dtype=np.int64)
    k_target[eligible] = laws.zero_truncated_poisson_quantile(u_foreign[eligible], rate[eligible])
    floor = laws.home_floor(n, policy["split"]["home_floor"])
    k_granted = np.minimum(np.minimum(k_target, wanted), n - floor)

    choice = policy["selection"]
    asked = k_granted[owner] > 0
    c_owner, c_row = owner[asked], row[asked]
    country_code = facts.code[candidacy.country]
    noise = _uniforms(policy, seed, "selection", ids[c_owner], country_code[c_row])[:, 0]
    weight = choice["share_exponent"] * np.log(candidacy.share[c_row])
    chosen = laws.top_k(
        c_owner, weight + laws.gumbel(noise), country_code[c_row], k_granted[c_owner]
    )

    pair_owner = np.concatenate([np.arange(len(merchants)), c_owner[chosen]])
    pair_row = np.concatenate([merchants.home, candidacy.country[c_row[chosen]]])
    pair_home = np.arange(len(pair_owner)) < len(merchants)
    split = policy["split"]
    market_weight = candidacy.share[c_row[chosen]] ** split["share_exponent"]
    mean_weight = np.bincount(c_owner[chosen], market_weight, len(merchants)) / np.maximum(
        k_granted, 1
    )
    pair_weight = np.concatenate(
        [
            np.ones(len(merchants)),
            split["foreign_weight"] * market_weight / mean_weight[c_owner[chosen]],
        ]
    )
    order = np.lexsort((facts.code[pair_row], pair_owner))
    count, residual = laws.split_home_and_foreign(
        pair_owner[order], pair_home[order], pair_weight[order], n, floor
    )
    if count.max(initial=0) > MAX_SITE_ORDER:
        raise UpstreamError(
            "EU05",
            f"merchant {ids[pair_owner[order][count.argmax()]]}",
            f"{count.max()} outlets in one country overflow the six digits of site_id",
            f"at most {MAX_SITE_ORDER}; lower outlets.intercept or size.max_ratio",
        )

    rank_order = np.lexsort((candidacy.rank[row], owner))
    owner, row = owner[rank_order], row[rank_order]
    return Outcome(
        u_hurdle=u_hurdle,
        multi=multi,
        u_outlets=u_outlets,
        n_outlets=n,
        p_eligible=p_eligible,
        u_eligible=u_eligible,
        eligible=eligible,
        u_candidates=u_candidates,
        n_candidates=wanted,
        foreign_rate=rate,
        u_foreign=u_foreign,
        k_target=k_target,
        k_granted=k_granted,
        floor=floor,
        candidate_merchant=owner,
        candidate_country=country_code[row],
        candidate_affinity=candidacy.affinity[row],
        choice_draws=int(asked.sum()),
        pair_merchant=pair_owner[order],
        pair_country=facts.code[pair_row[order]],
        pair_count=count,
        pair_residual_rank=residual,
    )


def draw_candidates(candidacy: Candidacy, home: I64, wanted: I64, u: F64) -> tuple[I64, I64]:
    """Systematic PPS sample of foreign markets (Madow 1949), one uniform per merchant.

    Points ``(u + j) / C`` for j < C fall into the cumulative inclusion shares of the home country.

    Returns
    -------
    Merchant index and row of ``candidacy`` of each candidate, sorted by merchant.
    """
    owner = np.repeat(np.arange(len(home)), wanted)
    step = laws.position_in_segment(owner)
    point = (u[owner] + step) / np.maximum(wanted[owner], 1)
    row = np.searchsorted(candidacy.cumulative, home[owner] + point, side="right")
    row = np.clip(row, candidacy.home_start[home[owner]], candidacy.home_stop[home[owner]] - 1)
    return owner, row


@dataclass(frozen=True)
class World:
    """Facts, merchants and outcome of one seed."""

    facts: Facts
    merchants: Merchants
    outcome: Outcome
    policy: Policy
    seed: int


@dataclass(frozen=True)
class Blueprint:
    """What a world is drawn from: all merchants with their laws, and the frame of markets."""

    facts: Facts
    merchants: Merchants
    candidacy: Candidacy
    policy: Policy
    seed: int

    def worlds(self, merchants_each: int) -> Iterator[World]:
        """The world in slices of so many merchants, in order; joined they are the whole."""
        for start in range(0, len(self.merchants), merchants_each):
            some = self.merchants.take(slice(start, start + merchants_each))
            outcome = simulate(self.policy, self.facts, self.candidacy, some, self.seed)
            yield World(self.facts, some, outcome, self.policy, self.seed)


def draw_up(
    policy: Policy, facts_table: pa.Table, seed: int, total: int | None, where: str
) -> Blueprint:
    """Blueprint of one seed; ``total`` overrides the policy's number of merchants.

    This is the part that sees all merchants at once: quotas and stratification.
    """
    facts = eligible_facts(facts_table)
    merchants = build_merchants(policy, facts, seed, total or policy["merchants"]["total"], where)
    return Blueprint(facts, merchants, build_candidacy(policy, facts, where), policy, seed)


def generate(
    policy: Policy, facts_table: pa.Table, seed: int, total: int | None, where: str
) -> World:
    """Whole chain of one seed in one piece."""
    blueprint = draw_up(policy, facts_table, seed, total, where)
    return next(blueprint.worlds(max(len(blueprint.merchants), 1)))


def home_codes(world: World) -> I64:
    """Country code of each merchant's home."""
    return world.facts.code[world.merchants.home]
