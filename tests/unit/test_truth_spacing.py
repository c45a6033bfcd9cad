"""T1 to T4 and T7 on maps that can be counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scripts.geo.distance import unit_vectors
from scripts.geo.grid import Grid
from scripts.scorers.truth.spacing import (
    group_sizes,
    neighbours_of,
    shared_tiles,
    sites_by_group,
    spacing_of,
    twins,
    variance_ratio,
)

GRID = Grid(5.0)
KM = 1.0 / 111.195  # degrees of latitude


def _line(*km: float, lon: float = 10.0) -> tuple[np.ndarray, np.ndarray]:
    """Sites on a meridian, so many kilometres north of the equator."""
    lat = np.array(km) * KM
    return np.full(len(lat), lon), lat


def _vectors(*km: float) -> np.ndarray:
    return unit_vectors(*_line(*km))


def test_single_linkage_chains_through_neighbours():
    # 0-9-18 hang together, 40-45 are two, 100 is alone.
    assert sorted(group_sizes(_vectors(0, 9, 18, 40, 45, 100)).tolist()) == [1, 2, 3]


def test_neighbours_are_the_two_nearest_others():
    near = neighbours_of(_vectors(0, 1, 5, 20))
    assert near.nearest.tolist() == [1, 0, 1, 2]
    np.testing.assert_allclose(near.first_m, [1e3, 1e3, 4e3, 15e3], rtol=1e-4)
    np.testing.assert_allclose(near.second_m, [5e3, 4e3, 5e3, 19e3], rtol=1e-4)


def test_two_sites_have_no_second_neighbour():
    near = neighbours_of(_vectors(0, 3))
    assert near.nearest.tolist() == [1, 0]
    assert np.isinf(near.second_m).all()


def test_coincident_sites_are_each_others_neighbours():
    near = neighbours_of(_vectors(0, 0, 0, 0, 50))
    assert (near.nearest[:4] != np.arange(4)).all()
    assert near.first_m[:4].tolist() == [0.0] * 4
    assert near.second_m[:4].tolist() == [0.0] * 4


def test_a_twin_is_mutual_near_and_isolated():
    assert twins(neighbours_of(_vectors(0, 1, 10, 40))).tolist() == [True, True, False, False]
    # The second nearest of the site at 1 km is 2.5 times as far as its twin.
    assert twins(neighbours_of(_vectors(0, 1, 3.5))).tolist() == [True, False, False]
    assert not twins(neighbours_of(_vectors(0, 9.4, 200))).any()
    assert not twins(neighbours_of(_vectors(0, 0, 0, 50))).any()
    assert twins(neighbours_of(_vectors(0, 0, 50))).tolist() == [True, True, False]


def test_spacing_counts_lone_and_paired_sites():
    spacing = spacing_of(*_line(0, 9, 18, 40, 45, 100), GRID)
    assert (spacing.sites, spacing.lone, spacing.paired) == (6, 1, 2)
    assert spacing.grouped.tolist() == [1, 2, 3, 0, 0, 0]


def test_classes_of_group_sizes():
    sizes = np.array([1, 1, 2, 3, 4, 5, 9, 10, 19, 20, 300])
    assert sites_by_group(sizes).tolist() == [2, 2, 7, 14, 29, 320]


@pytest.mark.parametrize("sites", [0, 1])
def test_spacing_of_too_few_sites_is_empty(sites: int):
    spacing = spacing_of(np.zeros(sites), np.zeros(sites), GRID)
    assert (spacing.sites, spacing.lone, spacing.pairs) == (sites, sites, 0)


@pytest.mark.parametrize("shift", [0.0, 90.0, 170.0 + 1 / 24, -175.0])
def test_rotation_about_the_axis_changes_nothing(shift: float):
    rng = np.random.default_rng(5)
    lon, lat = rng.uniform(-1.0, 1.0, 300), rng.uniform(-1.0, 1.0, 300)
    here = spacing_of(lon, lat, GRID)
    there = spacing_of((lon + shift + 180.0) % 360.0 - 180.0, lat, GRID)
    assert (here.lone, here.paired, here.twin, here.pairs) == (
        there.lone,
        there.paired,
        there.twin,
        there.pairs,
    )
    assert there.same_shifted == pytest.approx(here.same_shifted)


def test_variance_ratio_by_hand():
    # N = 10, e = (5, 5): ((8-5)^2 + (2-5)^2) / (5 * .5) / 2 = 3.6
    assert variance_ratio(np.array([8, 2]), np.array([1.0, 1.0])) == pytest.approx(3.6)
    assert variance_ratio(np.array([5, 5]), np.array([1.0, 1.0])) == 0.0


def test_poor_cells_are_one_cell():
    # N = 10, weights 8, 1, .5, .5: the last two expect half a site each, one together.
    pooled = variance_ratio(np.array([8, 0, 1, 1]), np.array([8.0, 1.0, 0.5, 0.5]))
    assert pooled == pytest.approx((0.0 + 1.0 / 0.9 + 1.0 / 0.9) / 3.0)
    # The last cell expects .4 sites and joins the one before.
    joined = variance_ratio(np.array([8, 1, 1]), np.array([8.0, 1.6, 0.4]))
    assert joined == pytest.approx(0.0)


def test_sites_outside_the_cells_count_among_the_poorest():
    # e = (6, 6) of 12 sites, two of them outside.
    assert variance_ratio(np.array([6, 4]), np.array([1.0, 1.0]), 2) == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("count", "weight"), [([0, 0], [1.0, 1.0]), ([3, 3], [0.0, 0.0]), ([9], [1.0])]
)
def test_variance_ratio_is_undefined_without_sites_weight_or_cells(count, weight):
    assert math.isnan(variance_ratio(np.array(count), np.array(weight)))


def test_variance_ratio_of_chance_is_one():
    rng = np.random.default_rng(3)
    weight = rng.lognormal(0.0, 1.0, 40)
    p = weight / weight.sum()
    ratios = [variance_ratio(rng.multinomial(300, p), weight) for _ in range(400)]
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.03)


def test_a_pair_shares_a_shifted_tile_as_often_as_it_is_close():
    # Half a tile apart east-west, in one tile of the true grid.
    cell = GRID.cell_deg
    lon, lat = np.array([0.25, 0.75]) * cell, np.array([0.5, 0.5]) * cell
    pairs, same, shifted = shared_tiles(lon, lat, neighbours_of(unit_vectors(lon, lat)), GRID)
    assert (pairs, same) == (2, 2)
    assert shifted == pytest.approx(2 * 0.5)


def test_shared_tiles_across_the_antimeridian():
    cell = GRID.cell_deg
    lon, lat = np.array([180.0 - cell / 8, -180.0 + cell / 8]), np.full(2, cell / 2)
    pairs, same, shifted = shared_tiles(lon, lat, neighbours_of(unit_vectors(lon, lat)), GRID)
    assert (pairs, same) == (2, 0)
    assert shifted == pytest.approx(2 * 0.75)


def test_uniform_sites_show_no_grid():
    rng = np.random.default_rng(11)
    lon, lat = rng.uniform(0.0, 1.0, 3000), rng.uniform(0.0, 1.0, 3000)
    spacing = spacing_of(lon, lat, GRID)
    assert (spacing.same_tile - spacing.same_shifted) / spacing.pairs == pytest.approx(0, abs=0.02)
