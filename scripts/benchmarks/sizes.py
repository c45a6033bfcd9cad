"""The grade of the shipped policies at other sizes: `segment1b sizes`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.errors import ConfigError
from scripts.ladder.margins import misses
from scripts.markdown_table import markdown_table
from scripts.tables import write_text

Json = Mapping[str, Any]
_HEAD = (
    *("sites a seed", "merchants", "grade", "tail ratio", "contraction", "countries covered"),
    "misses",
)
_START, _END = "<!-- measured -->", "<!-- end -->"


def _span(values: Sequence[float], digits: int) -> str:
    low, high = (f"{end:.{digits}f}" for end in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def size_row(report: Json, merchants: int) -> tuple[str, ...]:
    """Cells of one size, from its report of margins; values are spans over the seeds."""
    seeds = list(report["measured"].values())

    def span(name: str, digits: int) -> str:
        values = [seed[name] for seed in seeds]
        return "undefined" if None in values else _span(values, digits)

    against = sorted({miss.partition(":")[0] for miss in misses(report, "A")})
    return (
        f"{round(sum(seed['sites'] for seed in seeds) / len(seeds)):,}",
        f"{merchants:,}",
        report["grade"],
        span("nn_p99_p50_ratio", 1),
        span("nn_contraction", 2),
        span("eligible_country_nonzero_share", 3),
        ", ".join(against) or "none",
    )


def size_table(reports: Sequence[tuple[int, Json]]) -> str:
    """Markdown: a row a size, by rising number of merchants."""
    ranked = sorted(reports, key=lambda item: item[0])
    return markdown_table(_HEAD, [size_row(report, merchants) for merchants, report in ranked])


def require_markers(page: Path) -> None:
    """Refuse a page without the markers that tables stand between (``EC23``)."""
    if not page.is_file() or _END not in page.read_text(encoding="utf-8").partition(_START)[2]:
        raise ConfigError(
            "EC23", "--page", f"{page} has no table to renew", f"a page with {_START} and {_END}"
        )


def renew_page(page: Path, tables: str) -> None:
    """Put other tables between the markers of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(_START)
    _, _, after = rest.partition(_END)
    write_text(page, f"{before}{_START}\n\n{tables}\n\n{_END}{after}")
