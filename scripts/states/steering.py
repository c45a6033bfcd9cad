"""Moving marginal sites between countries of one merchant, towards target counts (S3 and S4).

A *pair* is (merchant, country). A country above its target gives sites of its pairs to the
best-ranked candidate country of the same merchant that is below its own target. Merchant totals
never change, every pair keeps at least one site, and a merchant without candidates keeps all.

Moves are made in rounds. In a round every donor pair offers the same fraction of its movable sites
(at least one) to its merchant's best open receiver; offers are accepted in the given order until
the donor's excess, the receiver's deficit or a budget is used up. Rounds end when nothing moves.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scripts.countries import CODES
from scripts.ordering import distinct, run_starts
from scripts.states.pairs import Candidates, Moves, Pairs, sum_moves

I64 = npt.NDArray[np.int64]
_MAX_ROUNDS = 10_000


def first_true(flag: npt.NDArray[np.bool_], group: npt.NDArray[np.integer], groups: int) -> I64:
    """Row of the first true flag of every group, -1 where there is none; rows sorted by group."""
    rows = np.flatnonzero(flag)
    first = np.full(groups, -1, dtype=np.int64)
    first[group[rows][::-1]] = rows[::-1]
    return first


def _clip(amount: I64, group: npt.NDArray[np.integer], limit: I64) -> I64:
    """Amounts accepted in row order until each group's limit is used up."""
    order = np.argsort(group, kind="stable")
    sorted_group, sorted_amount = group[order], amount[order]
    running = np.cumsum(sorted_amount)
    starts = run_starts(sorted_group)
    first = starts[:-1]
    before = np.repeat(running[first] - sorted_amount[first], np.diff(starts))
    room = np.maximum(limit[sorted_group] - (running - before - sorted_amount), 0)
    accepted = np.empty_like(amount)
    accepted[order] = np.minimum(sorted_amount, room)
    return accepted


def steer(
    pairs: Pairs,
    candidates: Candidates,
    home: I64,
    donor_level: npt.NDArray[np.float64],
    receiver_level: npt.NDArray[np.float64],
    max_moved: int,
    max_abroad: int,
    largest_first: bool = True,
) -> tuple[Pairs, Moves]:
    """Move sites out of countries above ``donor_level`` into countries below ``receiver_level``.

    Parameters
    ----------
    pairs, candidates
        See the classes; merchant indices run from 0 to ``len(home) - 1``.
    home
        Home country code of every merchant; -1 for one whose sites never move.
    donor_level, receiver_level
        Sites per country code, shape (676,): a country gives while it is a whole site above the
        former and receives while it is a whole site below the latter.
    max_moved
        Bound on the sites moved.
    max_abroad
        Bound on sites outside their merchant's home country, counted after every round.
    largest_first
        Order in which offers are accepted: largest pair first, or smallest first; ties by
        merchant and country.

    Returns
    -------
    The pairs after all moves, and the moves.
    """
    width = np.int64(CODES)
    # A country gives down to its donor level and no further: others never receive.
    least = np.minimum(pairs.by_country(), donor_level)
    open_to = np.floor(receiver_level - least) > 0
    some = np.flatnonzero(open_to[candidates.country])
    owner, wanted = candidates.merchant[some], candidates.country[some]
    key = pairs.merchant * width + pairs.country
    candidate_key = owner * width + wanted
    all_keys = distinct(np.concatenate([key, candidate_key]))
    merchant, country = (all_keys // width).astype(np.int32), (all_keys % width).astype(np.int16)
    n_sites = np.zeros(len(all_keys), dtype=np.int64)
    n_sites[np.searchsorted(all_keys, key)] = pairs.n_sites
    keep = n_sites > 0
    slot = np.searchsorted(all_keys, candidate_key)
    del all_keys, candidate_key
    moves: list[Moves] = []
    budget = max_moved

    for _ in range(_MAX_ROUNDS):
        held = np.bincount(country, weights=n_sites, minlength=CODES).astype(np.int64)
        excess = np.maximum(np.floor(held - donor_level), 0).astype(np.int64)
        deficit = np.maximum(np.floor(receiver_level - held), 0).astype(np.int64)
        best = first_true(deficit[wanted] > 0, owner, len(home))
        movable = n_sites - keep
        gives = (excess > 0) & (deficit == 0)
        rows = np.flatnonzero((movable > 0) & gives[country] & (best[merchant] >= 0))
        if budget <= 0 or not len(rows):
            break
        if largest_first:
            rows = rows[np.argsort(-n_sites[rows], kind="stable")]
        else:
            rows = rows[np.argsort(n_sites[rows], kind="stable")]
        offered = np.bincount(country[rows], weights=movable[rows], minlength=CODES)
        fraction = np.minimum(excess / np.maximum(offered, 1.0), 1.0)
        amount = np.ceil(movable[rows] * fraction[country[rows]]).astype(np.int64)
        receiver = slot[best[merchant[rows]]]
        amount = _clip(amount, country[rows], excess)
        amount = _clip(amount, country[receiver], deficit)
        amount = _clip(amount, np.zeros(len(rows), dtype=np.int64), np.array([budget]))
        at_home = (country == home[merchant]) | (home[merchant] < 0)
        leaves = at_home[rows] & ~at_home[receiver]
        abroad = int(n_sites[~at_home].sum())
        room = np.array([max(max_abroad - abroad, 0)])
        amount[leaves] = _clip(amount[leaves], np.zeros(int(leaves.sum()), dtype=np.int64), room)
        took = amount > 0
        if not took.any():
            break
        rows, receiver, amount = rows[took], receiver[took], amount[took]
        np.subtract.at(n_sites, rows, amount)
        np.add.at(n_sites, receiver, amount)
        budget -= int(amount.sum())
        source, target = country[rows].astype(np.int64), country[receiver].astype(np.int64)
        moves.append(Moves(merchant[rows].astype(np.int64), source, target, amount))

    filled = n_sites > 0
    left = Pairs(
        merchant[filled].astype(np.int64), country[filled].astype(np.int64), n_sites[filled]
    )
    return left, sum_moves(moves)
