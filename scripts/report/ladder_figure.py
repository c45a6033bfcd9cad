"""Record, table and figure of the ladder: a panel a metric, a line a seed, a step a posture."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.lines import Line2D

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.ladder.ladder_table import ladder
from scripts.ladder.measures import MEASURES, grouped_by_run
from scripts.report.style import BASELINE, INK, NEUTRAL, RELEASE, figure, save_svg
from scripts.scorers import companions
from scripts.scorers.gates import load_gates
from scripts.tables import published

# Colour, dash and name of a threshold: the dash says the same as the colour.
LINES: dict[str, Any] = {
    "B": (BASELINE, (0, (5, 2)), "B"),
    "BPLUS": (RELEASE, "solid", "B+"),
    "floor": (NEUTRAL, (0, (1, 1.5)), "fidelity"),
    "A_low": ("#009e73", "solid", "A"),
    "A_high": ("#009e73", "solid", ""),
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
Json = Mapping[str, Any]


def seed_line(number: int) -> dict[str, Any]:
    """Look of a seed by its place among the seeds."""
    marker = MARKERS[number % len(MARKERS)]
    return {"color": INK, "alpha": 0.55, "linewidth": 0.8, "marker": marker, "markersize": 3.2}


def draw_panel(axes: Any, measure: Any, rows: Sequence[Json], lines: Mapping[str, float]) -> None:
    """Values of one measure by step, its thresholds behind them."""
    for grade, threshold in lines.items():
        colour, dash, _ = LINES[grade]
        axes.axhline(threshold, color=colour, linestyle=dash, linewidth=1.1, zorder=1)
    for number, seed in enumerate(sorted({row["seed"] for row in rows})):
        own = [row for row in rows if row["seed"] == seed and row["value"] is not None]
        steps, values = [row["step"] for row in own], [row["value"] for row in own]
        axes.plot(steps, values, **seed_line(number), zorder=2)
    if measure.name in LOGARITHMIC:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(lambda value, _: "")
    side = HINTS.get(measure.name) or HINTS[measure.direction]
    axes.set_title(measure.title, fontsize=8.5, pad=12)
    axes.text(0.0, 1.02, side, transform=axes.transAxes, fontsize=6.5, color=NEUTRAL)


def step_label(step: Json) -> str:
    """Posture of a step, and below it what it turned."""
    cause = step["cause"].replace(" through ", ", ")
    return step["posture"] if cause in ("start", "none") else f"{step['posture']}\n{cause}"


def draw(path: str, document: Json, rows: Sequence[Json]) -> None:
    """Publish the figure."""
    height = -(-len(MEASURES) // COLUMNS)
    size = (3.0 * COLUMNS, 2.35 * height + 0.6)
    labels = list(map(step_label, document["steps"]))
    with figure(height, COLUMNS, figsize=size, sharex=True, squeeze=False) as (drawn, grid):
        for axes, measure in zip(grid.flat, MEASURES, strict=False):
            own = [row for row in rows if row["metric"] == measure.name]
            draw_panel(axes, measure, own, document["thresholds"][measure.name])
            axes.set_xticks(range(len(labels)), labels, fontsize=6.5)
            axes.tick_params(labelbottom=True, labelsize=6.5, length=2.5)
        for axes in grid.flat[len(MEASURES) :]:
            axes.remove()
        legend = [
            Line2D([], [], color=colour, linestyle=dash, linewidth=1.1, label=label)
            for colour, dash, label in LINES.values()
            if label
        ]
        legend += [
            Line2D([], [], **seed_line(number), label=f"seed {seed}")
            for number, seed in enumerate(document["seeds"])
        ]
        drawn.legend(handles=legend, loc="outside lower center", ncols=len(legend), fontsize=8)
        save_svg(drawn, path)


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``ladder_figure``."""
    cards = grouped_by_run(read_object("segment1b_scorecard", p) for p in inputs.scorecards)
    document, rows = ladder(params.steps, cards, load_gates(inputs.gates))
    companions.write_csv("segment1b_ladder_table", outputs.table, rows)
    write_object("segment1b_ladder", outputs.report, published(document))
    # Drawn from what is published, whose values are rounded.
    rows = companions.read_csv("segment1b_ladder_table", outputs.table)
    draw(outputs.figure, read_object("segment1b_ladder", outputs.report), rows)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
