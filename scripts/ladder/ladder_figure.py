"""Figure of the ladder: one panel a metric, one line a seed, a step for each posture."""

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.contracts import read_object
from scripts.entry import run
from scripts.ladder.measures import MEASURES
from scripts.scorers import companions
from scripts.tables import publish

# Okabe and Ito (2008): told apart with any colour vision. Markers and dashes say the same again.
BLUE, ORANGE, GREEN, GREY, INK = "#0072B2", "#D55E00", "#009E73", "#8a8a8a", "#222222"
LINES: dict[str, Any] = {
    "B": (ORANGE, (0, (5, 2)), "B"),
    "BPLUS": (BLUE, "solid", "B+"),
    "floor": (GREY, (0, (1, 1.5)), "fidelity"),
    "A_low": (GREEN, "solid", "A"),
    "A_high": (GREEN, "solid", ""),
}
MARKERS = "osD^vP*X"
HINTS = {
    "at_most": "lower is better",
    "at_least": "higher is better",
    "within": "real outlets lie between the lines",
    "nn_p99_p50_ratio": "below the line: a lattice",
    "two_sample_auc": "0.5: cannot be told apart",
}
LOGARITHMIC = ("nn_p99_p50_ratio", "urban_difference_points")
COLUMNS = 4
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "ladder",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
}
Json = Mapping[str, Any]


def draw_panel(axes: Any, measure: Any, rows: Sequence[Json], lines: Mapping[str, float]) -> None:
    """Values of one measure by step, its thresholds behind them."""
    seeds = sorted({row["seed"] for row in rows})
    for grade, threshold in lines.items():
        colour, dash, _ = LINES[grade]
        axes.axhline(threshold, color=colour, linestyle=dash, linewidth=1.1, zorder=1)
    for number, seed in enumerate(seeds):
        own = [row for row in rows if row["seed"] == seed and row["value"] is not None]
        axes.plot(
            [row["step"] for row in own],
            [row["value"] for row in own],
            color=INK,
            alpha=0.55,
            linewidth=0.8,
            marker=MARKERS[number % len(MARKERS)],
            markersize=3.2,
            zorder=2,
        )
    if measure.name in LOGARITHMIC:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(lambda value, _: "")
    side = HINTS.get(measure.name) or HINTS[measure.direction]
    axes.set_title(measure.title, fontsize=8.5, loc="left", pad=12)
    axes.text(0.0, 1.02, side, transform=axes.transAxes, fontsize=6.5, color=GREY)


def draw(document: Json, rows: Sequence[Json]) -> Any:
    """The figure."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update(STYLE)
    from matplotlib import pyplot as plt
    from matplotlib.lines import Line2D

    height = -(-len(MEASURES) // COLUMNS)
    figure, grid = plt.subplots(
        height, COLUMNS, figsize=(3.0 * COLUMNS, 2.35 * height + 0.6), sharex=True, squeeze=False
    )
    steps = document["steps"]
    labels = [
        step["posture"]
        if step["cause"] in ("start", "none")
        else f"{step['posture']}\n{step['cause'].replace(' through ', ', ')}"
        for step in steps
    ]
    for axes, measure in zip(grid.flat, MEASURES, strict=False):
        own = [row for row in rows if row["metric"] == measure.name]
        draw_panel(axes, measure, own, document["thresholds"][measure.name])
        axes.set_xticks(range(len(steps)), labels, fontsize=6.5)
        axes.tick_params(labelbottom=True, length=2.5)
    for axes in grid.flat[len(MEASURES) :]:
        axes.remove()
    legend = [
        Line2D([], [], color=colour, linestyle=dash, linewidth=1.1, label=label)
        for colour, dash, label in LINES.values()
        if label
    ]
    legend += [
        Line2D(
            [],
            [],
            color=INK,
            alpha=0.55,
            linewidth=0.8,
            marker=MARKERS[n % len(MARKERS)],
            markersize=3.2,
            label=f"seed {seed}",
        )
        for n, seed in enumerate(document["seeds"])
    ]
    figure.legend(handles=legend, loc="lower center", ncols=len(legend), frameon=False)
    figure.tight_layout(rect=(0, 0.04, 1, 1), h_pad=1.6, w_pad=1.4)
    return figure


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``ladder_figure``."""
    document = read_object("segment1b_ladder", inputs.report)
    rows = companions.read_csv("segment1b_ladder_table", inputs.table)
    figure = draw(document, rows)
    with publish(outputs.figure) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})


if "snakemake" in globals():
    run(main, globals()["snakemake"])
