"""The release beside real outlets: maps at one count, and how outlets lie to each other.

Three networks whose licence lets them be passed on stand in the reference snapshot at the density
of the release (``outlet_samples.csv``). Each is drawn beside every seed's sites of that country,
all thinned to the smallest count, with the same colours for the largest merchants of each.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.csv as pa_csv
from scipy.spatial import KDTree

from scripts import countries
from scripts.geo.distance import EARTH_RADIUS_M, unit_vectors
from scripts.geo.metrics import Sites
from scripts.geo.people import Points
from scripts.geo.snapshot import Countries, load_places
from scripts.geo.thinning import lowest, thinning_rank
from scripts.report.figure_close_ups import draw_country, draw_window
from scripts.report.style import (
    BASELINE,
    INK,
    NEUTRAL,
    RELEASE,
    TONES,
    figure,
    save_png,
    save_svg,
)
from scripts.scorers.truth.measure import GROUPS, SIZES
from scripts.scorers.truth.ranges import RealRange

F64 = npt.NDArray[np.float64]
Json = Mapping[str, Any]
Networks = tuple[Sites, Sequence[Sites], Sites, tuple[F64, F64]]
SEED = 0
WINDOW_M = 60_000.0
EDGES_KM = np.geomspace(1.0, 400.0, 25)
# For the merchants with most outlets; the others are grey.
MERCHANT_COLOURS = TONES[:6]
OTHERS = "#4a545e"


def thinned(sites: Sites, size: int) -> Sites:
    """Some ``size`` of the sites, drawn by a key of each."""
    return sites.take(lowest(thinning_rank(sites, SEED), size))


def read_samples(path: str) -> dict[tuple[str, int], Sites]:
    """Networks of ``outlet_samples.csv`` by data set and country code, in the file's order.

    Outlets are keyed by merchant and row; no country stands in their own column.
    """
    table = pa_csv.read_csv(path)
    dataset = np.array(table["dataset"].to_pylist())
    code = countries.encode(table["country_iso"])
    chain = np.array(table["merchant"].to_pylist(), dtype=object).astype(str)
    _, number = np.unique(chain, return_inverse=True)
    found = {}
    for name, of in dict.fromkeys(zip(dataset.tolist(), code.tolist(), strict=True)):
        rows = (dataset == name) & (code == of)
        size = int(rows.sum())
        found[name, of] = Sites(
            number[rows].astype(np.uint64),
            np.zeros(size, dtype=np.int16),
            np.arange(size, dtype=np.int32),
            table["lon_deg"].to_numpy()[rows],
            table["lat_deg"].to_numpy()[rows],
        )
    return found


def of_country(sites: Sites, code: int) -> Sites:
    """Sites of one country."""
    return sites.take(np.flatnonzero(sites.country == code))


def colours_of(merchant: npt.NDArray[np.uint64]) -> list[str]:
    """A colour for every outlet: one each for the merchants with most outlets here."""
    number, row, count = np.unique(merchant, return_inverse=True, return_counts=True)
    largest = np.lexsort((number, -count))[: len(MERCHANT_COLOURS)]
    tone = np.full(len(number), OTHERS, dtype=object)
    for colour, at in zip(MERCHANT_COLOURS, largest, strict=False):
        if count[at] > 1:
            tone[at] = colour
    return list(tone[row])


def draw_maps(
    path: str,
    networks: Mapping[int, Mapping[str, Sites]],
    land: Countries,
    names: Mapping[int, str],
    city: Mapping[int, tuple[float, float]],
) -> None:
    """Publish the maps: two rows a country, the whole and about its largest city.

    ``networks`` has by country code the sites of each column by its title, the first of which
    the maps of the country are laid about.
    """
    borders = dict(zip(land.code.tolist(), land.geometry, strict=True))
    rows = max(2 * len(networks), 1)
    columns = max(map(len, networks.values()), default=1)
    size = (2.9 * columns, 3.1 * rows)
    with figure(rows, columns, figsize=size, squeeze=False) as (drawn, axes):
        if not networks:
            axes[0, 0].set_title("no country of the networks has sites")
        for row, (code, of) in enumerate(networks.items()):
            real = next(iter(of.values()))
            for column, (title, sites) in enumerate(of.items()):
                tones = colours_of(sites.merchant)
                whole, window = axes[2 * row : 2 * row + 2, column]
                name = f"{names[code]}, {title}"
                draw_country(
                    whole, sites.lon, sites.lat, borders[code], name, tones, (real.lon, real.lat)
                )
                draw_window(
                    window, sites.lon, sites.lat, borders[code], city[code], WINDOW_M, tones
                )
                window.set_title(f"{title}, about the largest city", fontsize=9, loc="center")
        save_png(drawn, path, dpi=110)


def pair_correlation(lon: F64, lat: F64, people_lon: F64, people_lat: F64) -> F64:
    """Pairs of outlets over pairs of people by distance, shape (len(EDGES_KM) - 1,).

    Each as a share of all pairs, so that 1 is what outlets drawn at random by people would have;
    NaN where no two people are so far apart. Inhomogeneous pair correlation of Baddeley, Moller and
    Waagepetersen (2000), with the people's pairs for the intensity.
    """
    chord = 2.0 * np.sin(EDGES_KM * 1000.0 / EARTH_RADIUS_M / 2.0)

    def shares(lon_deg: F64, lat_deg: F64) -> F64:
        tree = KDTree(unit_vectors(lon_deg, lat_deg))
        n = len(lon_deg)
        within = tree.count_neighbors(tree, chord).astype(np.float64) - n
        share: F64 = np.diff(within) / (n * (n - 1.0))
        return share

    found, expected = shares(lon, lat), shares(people_lon, people_lat)
    return np.divide(found, expected, out=np.full(len(found), np.nan), where=expected > 0.0)


def draw_correlation(
    axes: Any,
    name: str,
    real: Sites,
    ours: Sequence[Sites],
    before: Sites,
    people: tuple[F64, F64],
) -> None:
    """Pair correlation of one country: real outlets, the seeds of the release, the baseline."""
    middle = np.sqrt(EDGES_KM[1:] * EDGES_KM[:-1])
    lines = [
        *((network, RELEASE, "-", "release" if n == 0 else None) for n, network in enumerate(ours)),
        (real, INK, "-", "real outlets"),
    ]
    if len(before) > 1:
        lines.append((before, BASELINE, "--", "baseline"))
    for network, colour, style, label in lines:
        found = pair_correlation(network.lon, network.lat, *people)
        shown = found > 0.0
        axes.plot(
            middle[shown], found[shown], color=colour, linestyle=style, linewidth=1.3, label=label
        )
    axes.axhline(1.0, color=NEUTRAL, linestyle=":", linewidth=1.0)
    axes.set(xscale="log", yscale="log", xlabel="distance, km", ylabel="pairs over pairs of people")
    axes.set_title(f"Pairs by distance, {name}")


def draw_ranges(
    axes: Any,
    title: str,
    labels: Sequence[str],
    ranges: Sequence[RealRange | None],
    ours: Sequence[Sequence[float]],
) -> None:
    """Real p10 to p90 and median of several statistics as bars, the release's seeds as dots."""
    for at, (real, values) in enumerate(zip(ranges, ours, strict=True)):
        if real is not None:
            axes.plot([at, at], [real.p10, real.p90], color=INK, linewidth=7, alpha=0.25)
            axes.plot([at - 0.18, at + 0.18], [real.median] * 2, color=INK, linewidth=1.6)
        axes.plot([at] * len(values), values, "o", color=RELEASE, markersize=4, alpha=0.7)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_ylim(bottom=0.0)
    axes.set_title(title)


def median_of_countries(card: Json, name: str) -> float:
    """Median over countries of a column of T1's table."""
    return float(np.median([row[name] for row in card["truth"]["T1"]["details"]]))


def draw_statistics(
    path: str,
    correlations: Mapping[str, Networks],
    cards: Sequence[Json],
    ranges: Mapping[str, RealRange],
) -> None:
    """Publish the statistics: pairs by distance, sizes of groups, spread of merchants."""
    with figure(2, 3, figsize=(13.0, 7.6)) as (drawn, axes):
        for place, (name, networks) in zip(axes[0], correlations.items(), strict=False):
            draw_correlation(place, name, *networks)
        if correlations:
            axes[0, 0].legend()
        for spare in axes[0, len(correlations) :]:
            spare.remove()
        draw_ranges(
            axes[1, 0],
            "Sites by size of their group at 10 km",
            [name.removeprefix("group_") for name in GROUPS],
            [ranges.get(name) for name in GROUPS],
            [[median_of_countries(card, name) for card in cards] for name in GROUPS],
        )
        sizes = [f"{low}-{high}" if high else f"{low}+" for low, high in SIZES]
        for place, key, title in (
            (axes[1, 1], "spread", "Distance of own outlets over that of people"),
            (axes[1, 2], "local", "Merchants with all outlets within 50 km"),
        ):
            ours = [
                [
                    row[key]
                    for card in cards
                    for row in card["truth"]["T5a"]["details"]
                    if row["outlets"] == size and row[key] is not None
                ]
                for size in sizes
            ]
            draw_ranges(place, title, sizes, [ranges.get(f"{key}_{size}") for size in sizes], ours)
            place.set_xlabel("outlets in a country")
        axes[1, 0].set_xlabel("sites in the group")
        save_svg(drawn, path)


def largest_cities(path: str, wanted: Sequence[int]) -> dict[int, tuple[float, float]]:
    """Longitude and latitude of the most populous place of some countries by code."""
    places = load_places(path, ("country_iso", "lon_deg", "lat_deg"))
    code = countries.encode(places["country_iso"])
    lon, lat = places["lon_deg"].to_numpy(), places["lat_deg"].to_numpy()
    first = {of: int(np.argmax(code == of)) for of in wanted}
    return {of: (float(lon[at]), float(lat[at])) for of, at in first.items()}


def beside_real(
    samples: Mapping[tuple[str, int], Sites],
    release: Mapping[int, Sites],
    baseline: Sites,
    points: Points,
    names: Mapping[int, str],
) -> tuple[dict[int, dict[str, Sites]], dict[str, Networks]]:
    """Networks for the maps and for the statistics, of every country with real outlets.

    By country code the real network and that of each seed at one count; and by name the real one,
    those of all seeds, the baseline's and the people. Countries in which a seed has no two sites
    are left out.
    """
    maps: dict[int, dict[str, Sites]] = {}
    correlations: dict[str, Networks] = {}
    titles = ("real outlets", *(f"seed {seed}" for seed in release))
    for (_, code), real in samples.items():
        ours = [of_country(sites, code) for sites in release.values()]
        if code not in names or min(map(len, ours)) < 2:
            continue
        size = min(map(len, (real, *ours)))
        maps[code] = {
            title: thinned(sites, size) for title, sites in zip(titles, (real, *ours), strict=True)
        }
        here = points.country == code
        people = points.lon[here], points.lat[here]
        correlations[names[code]] = (real, ours, of_country(baseline, code), people)
    return maps, correlations
