"""Results of the torture tests: one JSON file that the table of docs/reliability.md comes from.

python -m tests.torture.record          # writes the table of docs/reliability.md anew
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.tables import read_json, write_json

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs/reliability.md"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def results_path() -> Path:
    """Where results are kept; ``TORTURE_RESULTS`` names another file."""
    return Path(os.environ.get("TORTURE_RESULTS", REPOSITORY / "docs/reliability.json"))


def record(item: str, tried: int, held: int, what: str, **details: Any) -> None:
    """Keep the result of one item: how often it was tried, how often it held, and details."""
    path = results_path()
    found = read_json(path) if path.is_file() else {}
    found[item] = {"tried": tried, "held": held, "what": what, "details": details}
    write_json(path, found)


def table(results: Mapping[str, Any]) -> str:
    """The table of the page."""
    lines = ["| item | held | of | what |", "|---|---|---|---|"]
    for item in sorted(results):
        entry = results[item]
        lines.append(f"| {item} | {entry['held']} | {entry['tried']} | {entry['what']} |")
    return "\n".join(lines)


def with_table(text: str, results: Mapping[str, Any]) -> str:
    """The page with its table made anew."""
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n{table(results)}\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(
        with_table(PAGE.read_text(encoding="utf-8"), read_json(results_path())), encoding="utf-8"
    )
