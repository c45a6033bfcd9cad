"""Time zones of places, mended where a gazetteer contradicts IANA or the neighbours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.spatial import cKDTree

from scripts.geo.distance import EARTH_RADIUS_M, unit_vectors
from scripts.geo.time_zones import is_listed, utc_offsets
from scripts.reference import choices

F64 = npt.NDArray[np.float64]


def mend_zones(
    country_iso: pa.ChunkedArray, zone: pa.ChunkedArray, lon_deg: F64, lat_deg: F64
) -> pa.Array:
    """Zones of places, each listed for its country and in step with its surroundings.

    A zone is trusted when IANA lists it for the country and its UTC offset is that of at least half
    of the place and its nearest neighbours in the country, up to ``choices.ZONE_NEIGHBOURS`` within
    ``choices.ZONE_RADIUS_KM``: a lone island speaks for itself, a suburb does not stand against its
    city. Another place takes the zone of the nearest trusted place of its country; a country
    without any keeps what it has.

    Parameters
    ----------
    country_iso, zone
        ISO codes and IANA names, shape (n,).
    lon_deg, lat_deg
        Shape (n,).

    Returns
    -------
    Names, shape (n,).
    """
    listed, offset = is_listed(country_iso, zone), utc_offsets(zone, "places")
    xyz = unit_vectors(lon_deg, lat_deg)
    source = np.arange(len(xyz))
    country = country_iso.combine_chunks().dictionary_encode().indices.to_numpy()
    radius = 2.0 * np.sin(choices.ZONE_RADIUS_KM * 1000.0 / EARTH_RADIUS_M / 2.0)
    for code in np.unique(country):
        own = np.flatnonzero(country == code)
        fit = own[listed[own]]
        if len(fit) < 1 or (len(fit) == len(own) and len(np.unique(offset[own])) == 1):
            continue
        neighbours = min(choices.ZONE_NEIGHBOURS + 1, len(fit))
        _, near = cKDTree(xyz[fit]).query(
            xyz[fit], k=range(1, neighbours + 1), distance_upper_bound=radius
        )
        there = near < len(fit)
        agrees = there & (offset[fit][np.where(there, near, 0)] == offset[fit][:, None])
        trusted = fit[2 * agrees.sum(axis=1) >= there.sum(axis=1)]
        doubted = np.setdiff1d(own, trusted)
        if len(trusted) and len(doubted):
            _, nearest = cKDTree(xyz[trusted]).query(xyz[doubted])
            source[doubted] = trusted[nearest]
    return zone.combine_chunks().take(pa.array(source))
