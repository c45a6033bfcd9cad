"""Where sites lie by latitude and longitude, and how far apart they are, for both runs."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from scripts.geo.metrics import NN_QUANTILES, Sites, nearest_neighbour_m, quantiles
from scripts.report.style import BASELINE, INK, NEUTRAL, RELEASE, figure, save_svg
from scripts.scorers.fidelity import DEGREE_GRID, Cells

F64 = npt.NDArray[np.float64]
STEP_DEG = 5.0
# A shared decametre keeps sites at one point on a logarithmic axis.
_LEAST_M = 10.0


def share_by_bin(values_deg: F64, edges_deg: F64, weights: F64 | None = None) -> F64:
    """Share of the (weighted) values in each bin, shape (len(edges) - 1,)."""
    held, _ = np.histogram(values_deg, edges_deg, weights=weights)
    share: F64 = held / held.sum()
    return share


def draw_lat_lon(
    path: str, release: Sequence[Sites], baseline: Sequence[Sites], cells: Cells
) -> None:
    """Publish histograms of latitude and longitude, seeds pooled, with the population's."""
    bounds = DEGREE_GRID.bounds(cells.cell.astype(np.uint64))
    centres = {
        "lat": (bounds.south_deg + bounds.north_deg) / 2.0,
        "lon": (bounds.west_deg + bounds.east_deg) / 2.0,
    }
    with figure(1, 2, figsize=(9.6, 3.9)) as (drawn, axes):
        for one, field, label, low, high in (
            (axes[0], "lat", "latitude, degrees north", -60.0, 80.0),
            (axes[1], "lon", "longitude, degrees east", -180.0, 180.0),
        ):
            edges = np.arange(low, high + STEP_DEG, STEP_DEG)
            people = 100 * share_by_bin(centres[field], edges, cells.population)
            one.stairs(people, edges, fill=True, color=NEUTRAL, alpha=0.35, label="population")
            for name, colour, style, runs in (
                ("baseline", BASELINE, "--", baseline),
                ("release", RELEASE, "-", release),
            ):
                pooled = np.concatenate([getattr(sites, field) for sites in runs])
                held = 100 * share_by_bin(pooled, edges)
                one.stairs(held, edges, color=colour, linestyle=style, linewidth=1.6, label=name)
            one.set(xlabel=label, ylabel=f"percent per {STEP_DEG:g} degrees", xlim=(low, high))
        axes[0].set_title("Sites by latitude")
        axes[1].set_title("Sites by longitude")
        axes[0].legend()
        save_svg(drawn, path)


def draw_nn(path: str, release: Sequence[Sites], baseline: Sequence[Sites]) -> None:
    """Publish the distribution of the distance to the nearest other site, metres, per seed."""
    distances = [
        [nearest_neighbour_m(sites.lon, sites.lat) for sites in seeds]
        for seeds in (release, baseline)
    ]
    with figure(figsize=(7.6, 4.6)) as (drawn, axes):
        for row, (name, colour, style, runs) in enumerate(
            (("baseline", BASELINE, "--", distances[1]), ("release", RELEASE, "-", distances[0]))
        ):
            for index, metres in enumerate(runs):
                ordered = np.sort(np.maximum(metres, _LEAST_M))
                rank = np.arange(1, len(ordered) + 1) / len(ordered)
                shown = np.unique(np.linspace(0, len(ordered) - 1, 600).astype(np.int64))
                label = f"{name}, {len(runs)} seeds" if index == 0 else None
                axes.plot(
                    ordered[shown],
                    100 * rank[shown],
                    color=colour,
                    linestyle=style,
                    linewidth=1.3,
                    label=label,
                )
            middle, tail = quantiles(
                np.concatenate(list(runs)), (NN_QUANTILES[0], NN_QUANTILES[-1])
            )
            text = f"{name}: p50 {middle / 1000:.2f} km, p99 {tail / 1000:.1f} km"
            ratio = f", p99 ÷ p50 = {tail / middle:.1f}" if middle > 0.0 else ""
            axes.text(
                0.99,
                0.06 + 0.075 * row,
                text + ratio,
                transform=axes.transAxes,
                ha="right",
                color=INK,
            )
        axes.set_xscale("log")
        axes.set(xlabel="distance to the nearest other site, metres", ylabel="percent of sites")
        axes.set_ylim(0, 100)
        axes.set_title("Nearest-neighbour distance, cumulative")
        axes.legend(loc="upper left")
        save_svg(drawn, path)
