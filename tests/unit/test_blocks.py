import numpy as np
import pytest

from scripts.geo import blocks
from scripts.geo.blocks import country_blocks, line_blocks
from scripts.geo.grid import Grid
from scripts.geo.population import smooth
from scripts.ordering import run_starts
from scripts.states.s2_tile_weights import tile_weights


def test_blocks_hold_whole_countries_and_all_rows(monkeypatch):
    monkeypatch.setattr(blocks, "TILES_AT_ONCE", 5)
    starts = np.array([0, 2, 4, 5, 14, 15])
    found = list(country_blocks(starts))
    assert [(c.start, c.stop, r.start, r.stop) for c, r in found] == [
        (0, 3, 0, 5),
        (3, 4, 5, 14),
        (4, 5, 14, 15),
    ]


def test_lines_are_covered_once(monkeypatch):
    monkeypatch.setattr(blocks, "CELLS_AT_ONCE", 30)
    found = [np.arange(25)[rows] for rows in line_blocks(25, 4)]
    assert [len(part) for part in found] == [7, 7, 7, 4]
    assert np.array_equal(np.concatenate(found), np.arange(25))


@pytest.mark.parametrize("tiles_at_once", [1, 40, 1000])
def test_weights_do_not_depend_on_the_blocks(monkeypatch, tiles_at_once):
    rng = np.random.default_rng(5)
    code = np.repeat(np.array([3, 9, 11, 40], dtype=np.int16), [30, 1, 55, 20])
    area, people = rng.random(len(code)) * 1e8, rng.random(len(code)) * 1e4
    people[86:] = 0.0
    policy = {
        "mode": "governed",
        "dp": 9,
        "tile_density": {
            "basis_mix": {"uniform": 0.1, "area_m2": 0.2, "population": 0.7},
            "population_exponent": 0.9,
            "min_people_per_km2": 1.0,
        },
    }

    def weights():
        return tile_weights(run_starts(code), area, people, policy)

    whole = weights()
    monkeypatch.setattr(blocks, "TILES_AT_ONCE", tiles_at_once)
    for one, other in zip(whole, weights(), strict=True):
        assert np.array_equal(one, other)
    assert whole[1] == [3]


def test_smoothing_does_not_depend_on_the_blocks(monkeypatch):
    grid = Grid(60)
    field = np.random.default_rng(2).random((grid.nrows, grid.ncols)).astype(np.float32)
    whole = smooth(field, 120.0, grid)
    monkeypatch.setattr(blocks, "CELLS_AT_ONCE", 64 * grid.ncols)
    assert np.allclose(smooth(field, 120.0, grid), whole, rtol=0, atol=1e-6)
