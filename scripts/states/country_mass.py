"""The governed share of sites that each country should hold (S2, pass A and pass B).

Pass A blends three normalised laws between the eligible countries::

    r_c = u / n + a * area_c**alpha / sum(area**alpha) + p * pop_c**beta / sum(pop**beta)

and tempers the result by the concentration penalty ``lam``: ``r_c ** (1 / (1 + lam))``, normalised,
which is the minimiser of ``KL(s || r) + lam * sum(s log s)``.

Pass B keeps the proportions of ``r`` as far as the constraints allow. Shares come from a water
level: ``s_c = g(theta_R * r_c)`` with one level ``theta_R`` per bound region and one for all
others, and ``g`` the identity up to the soft cap, bending smoothly towards the hard cap above it.
A region below its floor is bound at the floor; binding lowers the common level, so the set of bound
regions only grows and the loop ends after at most as many rounds as there are regions. The
top-k targets (sum of the k largest shares) hold by lowering the hard cap to the largest value that
meets all of them. The solution is unique, so neither order nor start matters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.errors import StateError
from scripts.inequality import TOP_FRACTIONS, gini, top_count, top_share

F64 = npt.NDArray[np.float64]
TOPS = {name.removesuffix("_share"): part for name, part in TOP_FRACTIONS.items()}
_BISECTIONS = 100
_SLACK = 1e-12


@dataclass(frozen=True)
class CountryMass:
    """Result of both passes, one element per country."""

    raw_share: F64
    mass_share: F64
    binding: list[str]
    diagnostics: dict[str, Any]


def normalise(values: F64) -> F64:
    """Values over their sum; uniform when the sum is not positive."""
    total = values.sum()
    return values / total if total > 0 else np.full(len(values), 1.0 / max(len(values), 1))


def blend(mix: Mapping[str, float], area: F64, population: F64) -> F64:
    """Convex blend of the uniform law, ``area`` and ``population``, each normalised first."""
    uniform = np.full(len(area), 1.0 / len(area))
    return (
        mix["uniform"] * uniform
        + mix["area_m2"] * normalise(area)
        + mix["population"] * normalise(population)
    )


def bend(x: F64, soft: float, hard: float) -> F64:
    """Identity up to ``soft``; above it an exponential approach to ``hard``, smooth at ``soft``."""
    room = hard - soft
    if room <= 0:
        return np.minimum(x, hard)
    over = np.maximum(x - soft, 0.0)
    return np.where(x > soft, soft - room * np.expm1(-over / room), x)


def _level(raw: F64, total: float, soft: float, hard: float) -> F64:
    """Shares ``g(theta * raw)`` that sum to ``total``; bisection on log theta."""
    if total <= 0.0:
        return np.zeros_like(raw)
    low, high = np.log(total / raw.sum()), np.log(total / raw.sum())
    while bend(np.exp(high) * raw, soft, hard).sum() < total and high - low < 60:
        high += 1.0
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        if bend(np.exp(middle) * raw, soft, hard).sum() < total:
            low = middle
        else:
            high = middle
    shares = bend(np.exp(high) * raw, soft, hard)
    exact: F64 = shares * (total / shares.sum())
    return exact


def _fill(
    raw: F64, region: npt.NDArray[np.int64], floors: F64, soft: float, hard: float
) -> tuple[F64, set[int], int]:
    """Shares under floors and caps; also the bound regions and the rounds used."""
    bound: set[int] = set()
    shares = np.zeros_like(raw)
    for rounds in range(1, len(floors) + 2):
        free = ~np.isin(region, list(bound))
        for r in bound:
            members = region == r
            shares[members] = _level(raw[members], floors[r], soft, hard)
        if free.any():
            rest = 1.0 - sum(floors[r] for r in bound)
            shares[free] = _level(raw[free], max(rest, 0.0), soft, hard)
        held = np.bincount(region, weights=shares, minlength=len(floors))
        below = {r for r in range(len(floors)) if r not in bound and held[r] < floors[r] - _SLACK}
        if not below:
            return shares, bound, rounds
        bound |= below
    return shares, bound, len(floors) + 1


def _feasible(members: npt.NDArray[np.int64], floors: F64, hard: float) -> bool:
    return bool((floors <= members * hard + _SLACK).all()) and members.sum() * hard >= 1 - _SLACK


def _meets(shares: F64, targets: Mapping[str, float]) -> bool:
    return all(top_share(shares, TOPS[k]) <= t + _SLACK for k, t in targets.items())


def govern(
    area: F64,
    population: F64,
    region: npt.NDArray[np.int64],
    region_names: list[str],
    policy: Mapping[str, Any],
    where: str,
) -> CountryMass:
    """Both passes over the eligible countries.

    Parameters
    ----------
    area, population
        Square metres and persons, shape (n,), of the eligible countries.
    region
        Index into ``region_names``, shape (n,).
    policy
        Block ``country_mass`` of the S2 policy.
    where
        Policy file, for messages.

    Raises
    ------
    StateError
        ``E112`` a top-k target below the equal share; ``E113`` region floors above what the cap
        lets a region hold; ``E114`` top-k targets cannot be met with the floors; ``E117`` a cap
        under which the countries cannot hold everything; ``E118`` top-k targets that fall.
    """
    n = len(area)
    soft, hard = policy["country_cap_share_soft"], policy["country_cap_share_hard"]
    floors = np.array([policy["region_floor_share"].get(name, 0.0) for name in region_names])
    targets = policy["topk_cap_targets"]
    members = np.bincount(region, minlength=len(region_names))
    _refuse_contradictions(floors, members, region_names, hard, targets, n, where)

    exponents = policy["area_exponent"], policy["population_exponent"]
    raw = blend(policy["basis_mix"], area ** exponents[0], population ** exponents[1])
    tempered = normalise(raw ** (1.0 / (1.0 + policy["concentration_penalty_strength"])))

    cap = hard
    shares, bound, rounds = _fill(tempered, region, floors, min(soft, cap), cap)
    if shares.max() > hard + 1e-9:
        raise StateError(
            "E113",
            where,
            f"region_floor_share and country_cap_share_hard {hard} leave no room for the rest",
            "lower the floors or raise the cap",
        )
    if not _meets(shares, targets):
        low, high = 1.0 / n, hard
        if not _feasible(members, floors, low):
            low = max(float((floors / np.maximum(members, 1)).max()), low)
        tightest, _, _ = _fill(tempered, region, floors, low, low)
        if not _meets(tightest, targets):
            raise StateError(
                "E114",
                where,
                f"topk_cap_targets {dict(targets)} cannot be met together with region_floor_share",
                "raise the targets or lower the floor of the smallest region",
            )
        for _ in range(_BISECTIONS):
            cap = 0.5 * (low + high)
            shares, bound, rounds = _fill(tempered, region, floors, min(soft, cap), cap)
            low, high = (cap, high) if _meets(shares, targets) else (low, cap)
        cap = low
        shares, bound, rounds = _fill(tempered, region, floors, min(soft, cap), cap)
        if shares.max() > cap * (1 + 1e-6):
            raise StateError(
                "E114",
                where,
                f"topk_cap_targets {dict(targets)} cannot be met together with region_floor_share",
                "raise the targets or lower the floors",
            )

    binding = _binding(shares, region, bound, min(soft, cap), cap, hard)
    held = np.bincount(region, weights=shares, minlength=len(floors))
    diagnostics = {
        "country_gini_proxy": gini(shares),
        "country_gini_proxy_raw": gini(raw),
        "country_share_topk": {k: top_share(shares, f) for k, f in TOPS.items()},
        "country_share_topk_raw": {k: top_share(raw, f) for k, f in TOPS.items()},
        "region_share_vector": dict(zip(region_names, held.tolist(), strict=True)),
        "region_floor_share": dict(zip(region_names, floors.tolist(), strict=True)),
        "bound_regions": [region_names[r] for r in sorted(bound)],
        "effective_hard_cap": cap,
        "rebalance_rounds": rounds,
        "binding_constraints": {b: binding.count(b) for b in sorted(set(binding))},
        "countries_total": n,
    }
    return CountryMass(raw, shares, binding, diagnostics)


def _refuse_contradictions(
    floors: F64,
    members: npt.NDArray[np.int64],
    names: list[str],
    hard: float,
    targets: Mapping[str, float],
    n: int,
    where: str,
) -> None:
    previous = 0.0
    for key, fraction in TOPS.items():
        least = top_count(n, fraction) / n
        if targets[key] < least - _SLACK:
            raise StateError(
                "E112",
                where,
                f"topk_cap_targets.{key} is {targets[key]}",
                f"at least {least:.6g}, the equal share of {n} countries",
            )
        if targets[key] < previous - _SLACK:
            raise StateError(
                "E118",
                where,
                f"topk_cap_targets.{key} is {targets[key]}",
                f"at least {previous:.6g}, the target of fewer countries",
            )
        previous = targets[key]
    for r, floor in enumerate(floors):
        if floor > members[r] * hard + _SLACK:
            raise StateError(
                "E113",
                where,
                f"region_floor_share.{names[r]} {floor} exceeds its {members[r]} countries at "
                f"country_cap_share_hard {hard}",
                f"floor at most {members[r] * hard:.6g}",
            )
    if n * hard < 1 - _SLACK:
        raise StateError(
            "E117",
            where,
            f"country_cap_share_hard {hard} over {n} countries sums below 1",
            f"at least {1 / n:.6g}",
        )


def _binding(
    shares: F64,
    region: npt.NDArray[np.int64],
    bound: set[int],
    soft: float,
    cap: float,
    hard: float,
) -> list[str]:
    at_cap = "hard_cap" if cap == hard else "topk"
    labels = np.where(
        shares >= 0.98 * cap,
        at_cap,
        np.where(
            shares > soft + _SLACK,
            "soft_cap",
            np.where(np.isin(region, list(bound)), "region_floor", "none"),
        ),
    )
    return [str(label) for label in labels]
