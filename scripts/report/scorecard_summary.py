"""The scorecards of a run in a few lines: every graded metric and what each seed holds."""

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.console import BAD, GOOD, STRONG, colours_wanted, paint, say
from scripts.contracts import read_object
from scripts.entry import run
from scripts.scorers.gates import (
    AT_MOST,
    BELOW,
    GATES,
    GRADE_NAMES,
    GRADES,
    grade_of,
    load_gates,
    seed_rows,
)

Json = Mapping[str, Any]
_NAME, _COLUMN = 32, 11


def _number(value: Any) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def summary(name: str, cards: Sequence[Json], settings: Json, colours: bool) -> list[str]:
    """Lines of a table of graded metrics; a star where value or interval misses B+, two for B.

    Parameters
    ----------
    name
        Name of the run.
    cards
        Scorecards, in the order of the columns.
    settings
        Gates.
    colours
        Whether grades are painted; the marks say the same without.
    """
    title = f"{name}: {len(cards)} seeds" if len(cards) > 1 else f"{name}: seed {cards[0]['seed']}"
    head = [f"{'metric':<{_NAME}}", *(f"{card['seed']:>{_COLUMN}}" for card in cards)]
    lines = [paint(title, STRONG, colours), "".join([*head, f"{'B+ asks':>{_COLUMN}}"])]
    judged = [seed_rows(card, settings) for card in cards]
    for gate in GATES:
        cells = []
        for card, rows in zip(cards, judged, strict=True):
            missed = {
                row["grade"] for row in rows if row["metric"] == gate.metric and not row["passed"]
            }
            mark = "**" if "B" in missed else "*" if missed else ""
            cells.append(f"{_number(card['metrics'][gate.metric]) + mark:>{_COLUMN}}")
        sign = "<=" if gate.direction == AT_MOST else ">="
        limit = f"{sign} {settings['gates'][gate.metric]['BPLUS']:g}"
        lines.append("".join([f"{gate.metric:<{_NAME}}", *cells, f"{limit:>{_COLUMN}}"]))
    grades = [grade_of(rows) for rows in judged]
    held = []
    for grade in grades:
        text = f"{GRADE_NAMES[grade]:>{_COLUMN}}"
        held.append(paint(text, BAD if grade == BELOW else GOOD, colours))
    lines.append("".join([f"{'gates of the seed alone':<{_NAME}}", *held]))
    if any(grade != GRADES[-1] for grade in grades):
        lines.append("* value or interval misses B+, ** misses B; other gates are in the scorecard")
    lines.append("stability across seeds and the grade are the certificate's to judge")
    return lines


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``candidate``."""
    cards = [read_object("segment1b_scorecard", path) for path in inputs.scorecards]
    settings = load_gates(inputs.gates)
    lines = summary(params.name, cards, settings, colours_wanted())
    say([*lines, *(f"scorecard {path}" for path in inputs.scorecards)])


if "snakemake" in globals():
    run(main, globals()["snakemake"])
