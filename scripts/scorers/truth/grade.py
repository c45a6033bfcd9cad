"""Grades a map by the eleven tests: a table for people, a document for machines, an exit status.

A map that was not made by this workflow may have too little for some tests: one country, one
merchant, a hundred sites. Those are not measured, and the map holds when every test that could be
measured does. The certificate asks for all eleven.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scripts import console
from scripts.countries import decode_one
from scripts.errors import ScoreError
from scripts.geo.snapshot import OUTLET_STATISTICS
from scripts.scorers.truth.judgement import TESTS, Row, bounds_text
from scripts.scorers.truth.measure import measure
from scripts.scorers.truth.own_map import USUAL, Columns, read_map
from scripts.scorers.truth.ranges import RealRange, read_statistics, real_ranges, sources_of
from scripts.scorers.truth.snapshot_earth import snapshot_earth
from scripts.tables import published

SEED = 0


@dataclass(frozen=True)
class Grade:
    """The tests of one map, beside what real outlets measure and where those are from."""

    sites: int
    countries: int
    rows: Sequence[Row]
    ranges: Mapping[str, RealRange]
    sources: Sequence[tuple[str, str, str]]

    @property
    def holds(self) -> bool:
        """Whether every test that could be measured passes."""
        return all(row.passed for row in self.rows if row.measured)


def grade_file(path: str | Path, reference: str | Path, columns: Columns = USUAL) -> Grade:
    """Grade of a table of outlets against a reference snapshot.

    Raises
    ------
    ScoreError
        ``ES40``, ``ES41`` as :func:`read_map`; ``ES43`` when a country is not in the snapshot or
        no test can be measured.
    """
    sites = read_map(path, columns)
    earth = snapshot_earth(reference)
    unknown = np.setdiff1d(sites.country, earth.country)
    if len(unknown):
        iso = decode_one(int(unknown[0]))
        raise ScoreError("ES43", path, f"{iso} is not in the reference", "ISO 3166-1 alpha-2")
    rows = measure(sites, earth, SEED)
    if not any(row.measured for row in rows):
        raise ScoreError("ES43", path, f"{len(sites)} sites are too few for any test", "more sites")
    statistics = read_statistics(Path(reference) / OUTLET_STATISTICS)
    return Grade(
        len(sites),
        len(np.unique(sites.country)),
        rows,
        real_ranges(statistics),
        sources_of(statistics),
    )


def table_of(grade: Grade, colours: bool) -> list[str]:
    """Lines for people."""
    heading = ("test", "", "value", "real p10-p90", "accepted", "verdict")
    body = [
        (
            row.test,
            TESTS[row.test].title,
            "-" if row.value is None else f"{row.value:.3g}",
            _range(grade.ranges.get(row.test)),
            bounds_text(row.accepted),
            _verdict(row),
        )
        for row in grade.rows
    ]
    widths = [max(len(line[i]) for line in (heading, *body)) for i in range(len(heading) - 1)]

    def aligned(line: Sequence[str], tone: str = "") -> str:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        return "  ".join([*cells, console.paint(line[-1], tone, colours and bool(tone))])

    lines = [aligned(heading)]
    for row, line in zip(grade.rows, body, strict=True):
        tone = console.GOOD if row.passed else console.BAD if row.measured else ""
        lines.append(aligned(line, tone))
    measured = [row for row in grade.rows if row.measured]
    passed = sum(row.passed for row in measured)
    countries = "1 country" if grade.countries == 1 else f"{grade.countries} countries"
    lines += [
        "",
        f"{passed} of {len(measured)} measured tests hold; {grade.sites:,} sites in {countries}",
        "Real outlets:",
    ]
    lines += [f"  {source} ({licence})" for _, source, licence in grade.sources]
    return lines


def _range(real: RealRange | None) -> str:
    return "-" if real is None else f"{real.p10:.3g} to {real.p90:.3g} ({real.values})"


def _verdict(row: Row) -> str:
    if not row.measured:
        return f"not measured: {row.reason}"
    return f"holds, margin {row.margin:.0%}" if row.passed else f"FAILS: {row.reason}"


def document_of(grade: Grade) -> dict[str, Any]:
    """The grade as a JSON object."""
    rows = [
        {
            **row.record(),
            "title": TESTS[row.test].title,
            "real": published(asdict(grade.ranges[row.test])) if row.test in grade.ranges else None,
        }
        for row in grade.rows
    ]
    return {
        "holds": grade.holds,
        "sites": grade.sites,
        "countries": grade.countries,
        "rows": rows,
        "sources": [
            {"dataset": name, "source": source, "licence": licence}
            for name, source, licence in grade.sources
        ],
    }
