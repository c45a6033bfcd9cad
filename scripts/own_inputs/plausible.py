"""Own polygons held against the snapshot: whether each country lies where it is known to lie.

Swapped axes, exchanged codes and degrees that were wrapped wrongly make valid polygons in the wrong
place. Borders may differ from the snapshot's as much as views of them do, and a country may be a
part of itself; it may not be elsewhere.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import shapely

from scripts import countries
from scripts.errors import ReferenceSnapshotError
from scripts.geo.grid import polygon_area_m2
from scripts.geo.polygons import contains_points
from scripts.geo.snapshot import Countries

# A country may have this much more land than the snapshot gives it, and reach this much further.
AREA_RATIO = 3.0
AREA_MARGIN_KM2 = 10_000.0
REACH_DEG = 3.0
# How far off a generalised coast a place may stand and still be known to be there.
NEAR_DEG = 0.1


def places_on_land(places: pa.Table, land: Countries) -> pa.Table:
    """Places of the countries that stand on their own country's land."""
    code = countries.encode(places["country_iso"])
    places = places.filter(pa.array(np.isin(code, land.code)))
    inside = contains_points(
        land,
        countries.encode(places["country_iso"]),
        places["lon_deg"].to_numpy(),
        places["lat_deg"].to_numpy(),
    )
    return places.filter(pa.array(inside))


def check_plausible(land: Countries, shipped: Countries, places: pa.Table, where: object) -> None:
    """Hold bounds, area and known places of every country against the snapshot.

    Parameters
    ----------
    land
        Own polygons.
    shipped
        Those of the snapshot.
    places
        Places of the snapshot.

    Raises
    ------
    ReferenceSnapshotError
        ``ER38`` a country that lies elsewhere: beyond its bounds, or with none of its known places
        on its land; ``ER39`` far more land than it has.
    """
    same, mine, theirs = np.intersect1d(land.code, shipped.code, return_indices=True)
    ours, known = land.geometry[mine], shipped.geometry[theirs]
    sign = np.array([-1.0, -1.0, 1.0, 1.0])
    beyond = sign * (shapely.bounds(ours) - shapely.bounds(known))
    for row in np.flatnonzero((beyond > REACH_DEG).any(axis=1)).tolist():
        west, south, east, north = shapely.bounds(ours[row])
        extent = f"{west:.1f} to {east:.1f} E, {south:.1f} to {north:.1f} N"
        west, south, east, north = shapely.bounds(known[row])
        raise ReferenceSnapshotError(
            "ER38",
            where,
            f"{countries.decode_one(int(same[row]))} reaches over {extent}",
            f"land within {west:.1f} to {east:.1f} E, {south:.1f} to {north:.1f} N, axes and codes "
            "as they should be, and territories under their own code",
        )
    area, snapshot = polygon_area_m2(ours) / 1e6, polygon_area_m2(known) / 1e6
    for row in np.flatnonzero(area > AREA_RATIO * snapshot + AREA_MARGIN_KM2).tolist():
        raise ReferenceSnapshotError(
            "ER39",
            where,
            f"{countries.decode_one(int(same[row]))} has {area[row]:.0f} km2 of land",
            f"about {snapshot[row]:.0f} km2, rings cut at the antimeridian",
        )
    home = countries.encode(places["country_iso"])
    point = shapely.points(places["lon_deg"].to_numpy(), places["lat_deg"].to_numpy())
    for code, polygon in zip(land.code.tolist(), land.geometry, strict=True):
        known_places = point[home == code]
        shapely.prepare(polygon)
        if len(known_places) and not shapely.dwithin(polygon, known_places, NEAR_DEG).any():
            raise ReferenceSnapshotError(
                "ER38",
                where,
                f"none of the {len(known_places)} known places of {countries.decode_one(code)} "
                "stands on its land",
                "the country's land under its code, in longitude and latitude",
            )
