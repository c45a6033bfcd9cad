"""The map against the people it serves: population under the sites, and time zones reached."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.geo.metrics import Sites
from scripts.report.style import BASELINE, INK, NEUTRAL, RELEASE, figure, save_svg
from scripts.scorers.fidelity import DEGREE_GRID, Cells

F64 = npt.NDArray[np.float64]
Json = Mapping[str, Any]
BINS_A_DECADE = 4


def cell_counts(sites: Sites, cells: Cells) -> npt.NDArray[np.int64]:
    """Sites of each (country, one-degree cell), shape of ``cells``."""
    size = np.int64(DEGREE_GRID.ntiles)
    key = cells.country * size + cells.cell
    at = sites.country * size + DEGREE_GRID.tile_at(sites.lon, sites.lat).astype(np.int64)
    row = np.minimum(np.searchsorted(key, at), len(key) - 1)
    return np.bincount(row[key[row] == at], minlength=len(key))


def sites_by_population(population: F64, counts: F64) -> tuple[F64, F64]:
    """Mean sites a cell in bins of population, logarithmic and of equal width.

    Parameters
    ----------
    population, counts
        Persons and sites of each cell, shape (c,); cells without people are left out.

    Returns
    -------
    Geometric centre (persons) and mean count of each bin that holds a cell.
    """
    inhabited = population >= 1.0
    bins = np.floor(np.log10(population[inhabited]) * BINS_A_DECADE).astype(np.int64)
    cells_in = np.bincount(bins)
    held = np.flatnonzero(cells_in)
    mean = np.bincount(bins, weights=counts[inhabited])[held] / cells_in[held]
    return 10.0 ** ((held + 0.5) / BINS_A_DECADE), mean


def draw_fidelity(
    path: str,
    release: Sequence[Sites],
    baseline: Sequence[Sites],
    cells: Cells,
    cards: Sequence[Json],
) -> None:
    """Publish sites against population by cell, and rank agreement by country against chance."""
    with figure(1, 2, figsize=(9.6, 4.5)) as (drawn, axes):
        for name, colour, marker, runs in (
            ("baseline", BASELINE, "s", baseline),
            ("release", RELEASE, "o", release),
        ):
            counts = sum(cell_counts(sites, cells) for sites in runs) / len(runs)
            people, mean = sites_by_population(cells.population, np.asarray(counts))
            shown = mean > 0.0
            axes[0].plot(
                people[shown], mean[shown], marker, color=colour, markersize=4.5, label=name
            )
        axes[0].set_xscale("log")
        axes[0].set_yscale("log")
        axes[0].set(xlabel="people in a cell of one degree", ylabel="mean sites in such a cell")
        axes[0].set_title("Sites follow people")
        axes[0].legend()
        rows = [r for card in cards for r in card["fidelity"]["population"]["countries"]]
        pairs = [(r["spearman_random"], r["spearman"], r["sites"]) for r in rows]
        known = np.array([pair for pair in pairs if None not in pair], dtype=np.float64)
        axes[1].plot([0, 1], [0, 1], color=NEUTRAL, linestyle=":", linewidth=1)
        if len(known):
            axes[1].scatter(
                known[:, 0],
                known[:, 1],
                s=4.0 + known[:, 2] / 15.0,
                c=RELEASE,
                alpha=0.8 / (1.0 + len(cards) / 2.0),
                linewidths=0,
            )
        axes[1].set(xlim=(0, 1.02), ylim=(0, 1.02))
        axes[1].set(xlabel="a random map of as many sites", ylabel="the release")
        axes[1].set_title("Rank correlation with population")
        save_svg(drawn, path)


def least_reached(cards: Sequence[Json]) -> dict[str, Json]:
    """For every country of several UTC offsets the seed that reaches fewest of them."""
    rows = [row for card in cards for row in card["fidelity"]["time_zones"]["countries"]]
    rows.sort(key=lambda row: -row["offsets_reached"])
    return {row["country_iso"]: row for row in rows}


def draw_time_zones(path: str, release: Sequence[Json], baseline: Sequence[Json]) -> None:
    """Publish, for every country of several UTC offsets, how many hold sites on every seed."""
    reached, before = least_reached(release), least_reached(baseline)
    listed = sorted(reached, key=lambda iso: (-reached[iso]["expected_off_main"], iso))
    height = max(2.4, 0.24 * len(listed) + 1.1)
    with figure(figsize=(7.2, height)) as (drawn, axes):
        place = np.arange(len(listed))
        for row, iso in enumerate(listed):
            axes.plot([0, reached[iso]["offsets"]], [row, row], color="#b8c2ca", linewidth=6)
        axes.plot([], [], color="#b8c2ca", linewidth=6, label="UTC offsets the country has")
        hit = [reached[iso]["offsets_reached"] for iso in listed]
        axes.plot(hit, place, "o", color=RELEASE, markersize=7, label="with sites of the release")
        old = [
            (before[iso]["offsets_reached"], row) for row, iso in enumerate(listed) if iso in before
        ]
        if old:
            axes.plot(
                *zip(*old, strict=True),
                "s",
                color=BASELINE,
                markersize=4,
                label="with sites of the baseline",
            )
        labels = [f"{iso} ({reached[iso]['expected_off_main']:.0f})" for iso in listed]
        axes.set_yticks(place, labels, fontsize=8.5)
        axes.invert_yaxis()
        axes.set_xlim(0, None)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(axis="y", visible=False)
        axes.set(
            xlabel="UTC offsets",
            ylabel="country (sites expected off its main offset)",
        )
        axes.set_title("Time zones reached, the least of the seeds", color=INK)
        axes.legend(loc="lower right", fontsize=8.5)
        save_svg(drawn, path)
