"""Results of the torture tests: one JSON file that the table of docs/reliability.md comes from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.markdown_table import markdown_table
from scripts.tables import read_json, write_json

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs/reliability.md"
PUBLISHED = REPOSITORY / "docs/reliability.json"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
# Where a whole run was made, beside its items.
RUN = "_run"


def results_path() -> Path:
    """Where results are kept; ``TORTURE_RESULTS`` names another file."""
    return Path(os.environ.get("TORTURE_RESULTS", REPOSITORY / "build/torture/results.json"))


def record(item: str, tried: int, held: int, what: str, **details: Any) -> None:
    """Keep the result of one item: how often it was tried, how often it held, and details."""
    path = results_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    found = read_json(path) if path.is_file() else {}
    found[item] = {"tried": tried, "held": held, "what": what, "details": details}
    write_json(path, found)


def table(results: Mapping[str, Any]) -> str:
    """The table of the page, and a line of where it was made."""
    items = {item: results[item] for item in sorted(set(results) - {RUN})}
    rows = [[item, of["held"], of["tried"], of["what"]] for item, of in items.items()]
    lines = [markdown_table(["item", "held", "of", "what"], rows)]
    if RUN in results:
        made = results[RUN]
        parts = {of["details"]["part"]: of["details"]["part_s"] for of in items.values()}
        minutes = round(sum(parts.values()) / 60)
        lines += ["", f"Made in {minutes} minutes on {made['cores']} cores, {made['system']}, "
                  f"Python {made['python']}."]  # fmt: skip
    return "\n".join(lines)


def with_table(text: str, results: Mapping[str, Any]) -> str:
    """The page with its table made anew."""
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n{table(results)}\n{END}{tail}"


def publish(results: Mapping[str, Any]) -> None:
    """Write the results and the table of the page."""
    write_json(PUBLISHED, results)
    text = with_table(PAGE.read_text(encoding="utf-8"), results)
    PAGE.write_text(text, encoding="utf-8")
