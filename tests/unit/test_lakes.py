"""No country's polygon reaches into the open water of a lake."""

from pathlib import Path

import numpy as np
import pytest
import shapely

from scripts.geo.snapshot import LAND_COVER_SHAPE, load_countries, load_land_cover
from scripts.reference.lakes import open_water, open_water_polygons

SNAPSHOT = Path(__file__).resolve().parents[2] / "resources/reference"


def small_globe():
    """36 x 72 cells of 5 degrees: land with an ocean, a lake of 4 x 3 cells and a bay."""
    cover = np.full((36, 72), 10, dtype=np.uint8)
    cover[:8] = 0
    cover[8:14, 40] = 0
    cover[20:23, 10:14] = 0
    cover[30:32, 60:62] = 0
    return cover


def test_only_inland_cells_with_water_all_around_are_open_water():
    assert np.argwhere(open_water(small_globe())).tolist() == [[21, 11], [21, 12]]


def test_a_run_of_cells_is_one_rectangle():
    (box,) = open_water_polygons(small_globe())
    assert box.bounds == (-125.0, -20.0, -115.0, -15.0)


@pytest.mark.slow
def test_no_shipped_polygon_holds_the_open_water_of_a_lake():
    row, col = np.nonzero(open_water(load_land_cover(SNAPSHOT / "land_cover.parquet")))
    step = 180.0 / LAND_COVER_SHAPE[0]
    centres = shapely.points((col + 0.5) * step - 180.0, 90.0 - (row + 0.5) * step)
    land = load_countries(SNAPSHOT / "countries.parquet").geometry
    assert len(centres) > 10_000
    assert not shapely.STRtree(centres).query(land, predicate="contains").size
