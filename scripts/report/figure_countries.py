"""How sites are shared between countries: choropleth, Lorenz curves, the twenty largest.

All of it is read from the shares of the scorecards; a country's share is the mean over the seeds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LogNorm, Normalize, to_hex

from scripts.report.style import BASELINE, INK, NEUTRAL, RELEASE, figure, save_full, save_svg
from scripts.report.world import draw_world

F64 = npt.NDArray[np.float64]
LARGEST = 20
NO_SITE, OUTLINE = "#fbfbf9", "#8f9aa3"
_SHARE_RANGE = (1e-4, 1e-1)
_RATIO_LOG2 = 1.0


def mean_shares(tables: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, float]:
    """Mean share of every country over the tables of the seeds."""
    sums: dict[str, float] = {}
    for rows in tables:
        for row in rows:
            sums[row["country_iso"]] = sums.get(row["country_iso"], 0.0) + row["share"]
    return {iso: total / len(tables) for iso, total in sorted(sums.items())}


def lorenz(counts: npt.ArrayLike) -> tuple[F64, F64]:
    """Lorenz curve of counts, zeros included: shares of countries and of sites, shape (n + 1,)."""
    ascending = np.sort(np.asarray(counts, dtype=np.float64))
    held = np.concatenate(([0.0], np.cumsum(ascending)))
    return np.linspace(0.0, 1.0, len(held)), held / held[-1]


def _fills(values: F64, colours: Colormap, norm: Normalize) -> npt.NDArray[np.object_]:
    shown = np.ma.masked_invalid(values)
    fills = np.array([to_hex(rgba) for rgba in colours(norm(shown))], dtype=object)
    fills[np.isnan(values)] = NO_SITE
    return fills


def draw_choropleth(
    path: str,
    iso: Sequence[str],
    geometry: npt.NDArray[np.object_],
    release: Mapping[str, float],
    baseline: Mapping[str, float],
    mass: Mapping[str, float],
) -> None:
    """Publish three maps: share of both runs, and the release's share against S2's mass."""

    def positive(shares: Mapping[str, float]) -> F64:
        values = np.array([shares.get(code, 0.0) for code in iso])
        return np.where(values > 0.0, values, np.nan)

    share_norm, ratio_norm = (
        LogNorm(*_SHARE_RANGE, clip=True),
        Normalize(-_RATIO_LOG2, _RATIO_LOG2, clip=True),
    )
    share_map, ratio_map = matplotlib.colormaps["YlGnBu"], matplotlib.colormaps["PuOr"]
    ratio = np.log2(positive(release) / positive(mass))
    panels = (
        ("Baseline: share of sites (pale: none)", positive(baseline), share_map, share_norm),
        ("Release: share of sites", positive(release), share_map, share_norm),
        ("Release: share of sites ÷ governed mass of S2", ratio, ratio_map, ratio_norm),
    )
    with figure(3, 1, figsize=(9.0, 12.6)) as (drawn, axes):
        for one, (title, values, colours, norm) in zip(axes, panels, strict=True):
            draw_world(one, geometry, colours=_fills(values, colours, norm), border=OUTLINE)
            one.set_title(title)
            bar = drawn.colorbar(
                ScalarMappable(norm, colours), ax=one, shrink=0.62, pad=0.01, aspect=26
            )
            bar.outline.set_visible(False)
            if norm is ratio_norm:
                ticks = [-_RATIO_LOG2, 0.0, _RATIO_LOG2]
                bar.set_ticks(ticks, labels=[f"× {2.0**t:g}" for t in ticks])
            else:
                ticks = [1e-4, 1e-3, 1e-2, 1e-1]
                bar.set_ticks(ticks, labels=["≤ 0.01 %", "0.1 %", "1 %", "≥ 10 %"])
        save_full(drawn, path, dpi=110)


def draw_lorenz(
    path: str, release: Sequence[Sequence[int]], baseline: Sequence[Sequence[int]]
) -> None:
    """Publish one Lorenz curve for every seed of both runs; counts hold E with its zeros."""
    with figure(figsize=(6.4, 5.2)) as (drawn, axes):
        axes.plot([0, 1], [0, 1], color=NEUTRAL, linewidth=1, linestyle=":", label="all equal")
        for name, colour, style, seeds in (
            ("release", RELEASE, "-", release),
            ("baseline", BASELINE, "--", baseline),
        ):
            for index, counts in enumerate(seeds):
                label = f"{name}, {len(seeds)} seeds" if index == 0 else None
                axes.plot(
                    *lorenz(counts), color=colour, linestyle=style, linewidth=1.4, label=label
                )
        axes.set(xlabel="share of countries, smallest first", ylabel="share of sites")
        axes.set(xlim=(0, 1), ylim=(0, 1))
        axes.set_title("Lorenz curves of sites by eligible country")
        axes.legend(loc="upper left")
        save_svg(drawn, path)


def draw_top(
    path: str,
    release: Mapping[str, float],
    baseline: Mapping[str, float],
    mass: Mapping[str, float],
    names: Mapping[str, str],
) -> None:
    """Publish the largest countries of each run side by side, with the governed mass."""
    with figure(1, 2, figsize=(9.6, 6.0)) as (drawn, axes):
        for one, title, shares, colour in (
            (axes[0], "Baseline", baseline, BASELINE),
            (axes[1], "Release", release, RELEASE),
        ):
            top = sorted(shares, key=lambda iso: (-shares[iso], iso))[:LARGEST]
            held = np.array([100 * shares[iso] for iso in top])
            place = np.arange(len(top))
            one.barh(place, held, color=colour, height=0.68)
            if title == "Release":
                targets = [100 * mass.get(iso, 0.0) for iso in top]
                one.plot(targets, place, "D", color=INK, markersize=3.5, label="S2's mass")
                one.legend(loc="lower right")
            one.set_yticks(place, [names.get(iso, iso)[:34] for iso in top], fontsize=8.5)
            one.invert_yaxis()
            one.grid(axis="y", visible=False)
            one.set_xlabel("percent of sites")
            one.set_title(f"{title}: {len(top)} largest hold {held.sum():.0f} %")
        save_svg(drawn, path)
