"""What to turn for a gate, from the measured table of knobs (``segment1b knobs --measure``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.tables import read_json

Json = Mapping[str, Any]
TABLE = "config/sensitivity.json"
# A share of the threshold that is worth a turn, and one that is worth a warning.
GAIN, HARM = 0.01, 0.02
SHOWN = 3


@dataclass(frozen=True)
class Lever:
    """A turn of one knob that moves a gate the right way, and the gates that it harms."""

    state: str
    knob: str
    value: float
    turned: float
    gain: float
    harms: Mapping[str, float]

    def text(self) -> str:
        """The lever in one line."""
        harms = ", ".join(f"{gate} {100 * loss:+.0f} %" for gate, loss in self.harms.items())
        cost = f"; costs {harms}" if harms else ""
        return (
            f"{self.state} {self.knob} {_text(self.value)} -> {_text(self.turned)}: "
            f"margin {100 * self.gain:+.0f} %{cost}"
        )


def _text(value: float) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


def read_table(path: str | Path = TABLE) -> Any:
    """The measured table; None where none was made."""
    return read_json(path) if Path(path).is_file() else None


def levers(table: Json, gate: str) -> list[Lever]:
    """Turns that move a gate the right way, the furthest first."""
    found = []
    for entry in table["knobs"]:
        for step in entry["steps"]:
            gain = step.get("margins", {}).get(gate, 0.0)
            if gain < GAIN:
                continue
            harms = {other: change for other, change in step["margins"].items() if change <= -HARM}
            found.append(
                Lever(entry["state"], entry["knob"], entry["value"], step["value"], gain, harms)
            )
    return sorted(found, key=lambda lever: -lever.gain)


def advice(table: Json | None, gate: str, why: str) -> list[str]:
    """What to turn for a failed gate; why no knob would do where none moves it."""
    if table is None:
        return [f"{why}; segment1b knobs --gate {gate} says what to turn"]
    best = levers(table, gate)[:SHOWN]
    if not best and gate not in table["margins"]:
        return [why]
    return [lever.text() for lever in best] or [f"no knob of S2, S4 or S6 moves it: {why}"]
