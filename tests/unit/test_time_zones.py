"""Zones of countries, and the floor that S4 holds for them."""

import numpy as np
import pyarrow as pa
import pytest

from scripts.errors import ReferenceSnapshotError
from scripts.geo.time_zones import is_listed, utc_offsets
from scripts.reference.time_zones import mend_zones
from scripts.states.time_zone_floor import ZoneFloor, ZoneTiles

CL = 63


def column(*values):
    return pa.chunked_array([list(values)])


def floor(offsets, min_sites=4):
    tiles = ZoneTiles(
        np.array([-180, -360, -360, -300]),
        np.array([9, 99, 30, 7], dtype=np.uint64),
        np.array([1e6, 900.0, 800.0, 10.0]),
    )
    return ZoneFloor(offsets, min_sites, {CL: tiles})


def test_offsets_come_from_named_zones():
    zones = column("Asia/Kolkata", "UTC", "America/New_York", "Asia/Kolkata")
    assert utc_offsets(zones, "places").tolist() == [330, 0, -300, 330]
    for name in ("Mars/Olympus", "../secret", ""):
        with pytest.raises(ReferenceSnapshotError, match="ER07 places"):
            utc_offsets(column(name), "places")


def test_a_neighbours_zone_is_not_listed():
    country = column("CL", "CL", "IN", "IN", "ZZ")
    zone = column(
        "Pacific/Easter", "America/Santiago", "Asia/Kolkata", "Asia/Karachi", "Asia/Kolkata"
    )
    assert is_listed(country, zone).tolist() == [True, True, True, False, False]


def test_zones_against_iana_or_their_neighbours_are_mended():
    auckland, chatham, apia = "Pacific/Auckland", "Pacific/Chatham", "Pacific/Apia"
    lon = np.array([174.76, 174.80, 174.74, 183.44, 172.63, 188.2])
    lat = np.array([-36.85, -36.90, -36.74, -43.95, -43.53, -13.8])
    zone = column(auckland, auckland, chatham, chatham, apia, apia)
    found = mend_zones(column("NZ", "NZ", "NZ", "NZ", "NZ", "WS"), zone, lon, lat)
    assert found.to_pylist() == [auckland, auckland, auckland, chatham, auckland, apia]


def held_on(*tiles):
    return np.array(tiles, dtype=np.uint64)


def test_the_fullest_tile_gives_one_site_to_the_largest_place_of_the_next_offset():
    usable = np.array([True, False, True, True])
    held = held_on(5, 9, 9, 9, 2)
    assert floor(2).moves(CL, held, usable) == [(9, 30)]
    assert floor(3).moves(CL, held, usable) == [(9, 30), (9, 7)]


@pytest.mark.parametrize(
    ("made", "held"),
    [
        (floor(1), held_on(5, 9, 9, 9)),
        (floor(2, min_sites=5), held_on(5, 9, 9, 9)),
        (floor(2), held_on(9, 9, 7, 7)),
        (floor(2), held_on(9, 9, 9, 30)),
    ],
    ids=["no floor", "few sites", "second offset met", "most populous met"],
)
def test_a_country_that_needs_nothing_keeps_its_sites(made, held):
    assert made.moves(CL, held, np.ones(4, dtype=bool)) == []


def test_an_offset_without_a_usable_tile_is_passed_over():
    usable = np.array([True, False, False, False])
    assert floor(2).moves(CL, held_on(9, 9, 9, 9), usable) == []
