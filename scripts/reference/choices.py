"""Choices that the sources leave open, in one place; the manifest repeats them."""

from __future__ import annotations

# Coordinates are multiples of 2**-16 degrees (1.7 m): exact in binary, and small when compressed.
COORDINATE_STEP_DEG = 2.0**-16

# GeoNames, the United Nations and Natural Earth keep Kosovo apart; ISO 3166-1 has no code for it.
MERGED_ISO = {"XK": "RS"}
MERGED_UN_LOCATION = {412: 688}

# Natural Earth areas without an ISO code, by ADM0_A3: areas leased or occupied go to the country
# whose land they are; the rest have no people and are dropped.
AREAS_WITHOUT_ISO = {"ESB": "CY", "WSB": "CY", "USG": "CU"}

# Territories with an ISO code of their own inside another country's multipolygon:
# (country, west, south, east, north in degrees, territory).
TERRITORY_BOXES = (
    ("FR", -55.0, 2.0, -51.0, 6.0, "GF"),
    ("FR", -62.0, 15.7, -60.9, 16.6, "GP"),
    ("FR", -61.4, 14.2, -60.7, 15.0, "MQ"),
    ("FR", 55.0, -21.6, 56.0, -20.7, "RE"),
    ("FR", 44.9, -13.2, 45.4, -12.5, "YT"),
    ("NO", 8.0, 73.9, 36.0, 81.5, "SJ"),
    ("NO", -9.5, 70.6, -7.5, 71.4, "SJ"),
    ("NO", 3.0, -54.7, 4.0, -54.2, "BV"),
    ("NL", -68.6, 11.9, -68.0, 12.5, "BQ"),
    ("NL", -63.4, 17.4, -62.8, 17.8, "BQ"),
    ("AU", 105.3, -10.8, 105.9, -10.2, "CX"),
    ("AU", 96.6, -12.4, 97.1, -11.6, "CC"),
    ("NZ", -173.0, -9.7, -170.8, -8.3, "TK"),
)

# UN M49 (region, finest sub-region) where Natural Earth has no row or another view.
M49_MENDS = {
    "BQ": ("Americas", "Caribbean"),
    "BV": ("Americas", "South America"),
    "CC": ("Oceania", "Australia and New Zealand"),
    "CX": ("Oceania", "Australia and New Zealand"),
    "GF": ("Americas", "South America"),
    "GP": ("Americas", "Caribbean"),
    "GS": ("Americas", "South America"),
    "HM": ("Oceania", "Australia and New Zealand"),
    "IO": ("Africa", "Eastern Africa"),
    "MQ": ("Americas", "Caribbean"),
    "RE": ("Africa", "Eastern Africa"),
    "SJ": ("Europe", "Northern Europe"),
    "TF": ("Africa", "Eastern Africa"),
    "TK": ("Oceania", "Polynesia"),
    "UM": ("Oceania", "Micronesia"),
    "YT": ("Africa", "Eastern Africa"),
}

# M49 sub-regions that have intermediate regions below them.
M49_PARENTS = {
    "Caribbean": "Latin America and the Caribbean",
    "Central America": "Latin America and the Caribbean",
    "South America": "Latin America and the Caribbean",
    "Eastern Africa": "Sub-Saharan Africa",
    "Middle Africa": "Sub-Saharan Africa",
    "Southern Africa": "Sub-Saharan Africa",
    "Western Africa": "Sub-Saharan Africa",
}

# The UN total of the second country includes the first, whose own total is GeoNames'.
INCLUDED_IN = {"AX": "FI", "CC": "AU", "CX": "AU", "NF": "AU", "SJ": "NO"}

# No permanent inhabitants, whatever a source says.
UNINHABITED = ("AQ", "BV", "HM", "UM")

POPULATION_YEAR = 2025

# A place further than this from its own country's land is an error of the source.
SNAP_LIMIT_KM = 30.0


# A zone is doubted when most of this many neighbours, within this distance, have another offset.
ZONE_NEIGHBOURS = 8
ZONE_RADIUS_KM = 25.0


def described() -> dict[str, object]:
    """The choices in words and values, for the manifest."""
    return {
        "coordinate_step_deg": COORDINATE_STEP_DEG,
        "point_of_view": "de jure, as Natural Earth's DEU point of view draws it",
        "merged_iso": MERGED_ISO,
        "areas_without_iso": AREAS_WITHOUT_ISO,
        "areas_without_iso_rule": "other areas without an ISO code are dropped",
        "territory_boxes": [list(box) for box in TERRITORY_BOXES],
        "territory_rule": "a part moves when its representative point is in the box",
        "m49_mends": {iso: list(pair) for iso, pair in M49_MENDS.items()},
        "macro_region_rule": "Americas split into South America (M49 intermediate region) and "
        "North America (the rest); Antarctica is Other",
        "population_year": POPULATION_YEAR,
        "population_rule": "United Nations where it gives a total, else GeoNames; a total that "
        "includes a territory with its own code is reduced by it",
        "population_included_in": INCLUDED_IN,
        "uninhabited": list(UNINHABITED),
        "gdp_rule": "Natural Earth GDP_MD * 1e6 / POP_EST; where absent or zero, the median of "
        "the same sub-region; uninhabited: zero",
        "lake_rule": "Natural Earth's lakes, and inland MODIS water with water on all eight sides",
        "land_area_rule": "WGS84 ellipsoidal area of the polygon without lakes",
        "snap_rule": "a place outside its own country's land moves to the nearest land of that "
        "country; beyond snap_limit_km it is dropped",
        "snap_limit_km": SNAP_LIMIT_KM,
        "time_zone_rule": "a zone that IANA does not list for the country, or whose offset most of "
        "the neighbours contradict, gives way to that of the nearest place without such doubt",
        "time_zone_neighbours": ZONE_NEIGHBOURS,
        "time_zone_radius_km": ZONE_RADIUS_KM,
        "place_rule": "places with population above zero",
        "land_cover_rule": "the source's classes as they are, read as plain longitude and latitude",
    }
