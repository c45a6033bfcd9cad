"""What to turn for a gate, from the measured table of knobs (``segment1b knobs --measure``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scripts.tables import read_json

Json = Mapping[str, Any]
TABLE = "config/sensitivity.json"
# A share of the threshold that is worth a turn, and one that is worth a warning.
GAIN, HARM = 0.01, 0.02
SHOWN = 3
# What is to be done where no knob of S2, S4 or S6 is the cause.
ELSEWHERE = {
    "code": "a broken contract is mended in the code before any tuning",
    "1A": "sites stand in the countries that 1A offers: reopen 1A behind the freeze guard",
    "S9": "a check of S9 fails: its twin among these rows names the state that causes it",
}


@dataclass(frozen=True)
class Lever:
    """A turn of one knob that moves gates the right way, and the gates that it harms.

    ``gain`` is what the margins of the gates gain together, ``harms`` what others lose, each as a
    share of its threshold.
    """

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
            f"{self.state} {self.knob}, from the shipped {value_text(self.value)} "
            f"to {value_text(self.turned)}: "
            f"margin {100 * self.gain:+.0f} %{cost}"
        )

    def as_json(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


def value_text(value: float) -> str:
    """A number or switch of a policy as text."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


def read_table(path: str | Path = TABLE) -> Any:
    """The measured table; None where none was made."""
    return read_json(path) if Path(path).is_file() else None


def levers(table: Json, gates: Sequence[str]) -> list[Lever]:
    """Turns that move some gates the right way together, the furthest first."""
    found = []
    for entry in table["knobs"]:
        for step in entry["steps"]:
            changes = step.get("margins", {})
            gain = sum(changes.get(gate, 0.0) for gate in gates)
            if gain < GAIN:
                continue
            harms = {gate: change for gate, change in changes.items() if change <= -HARM}
            found.append(
                Lever(entry["state"], entry["knob"], entry["value"], step["value"], gain, harms)
            )
    return sorted(found, key=lambda lever: -lever.gain)


def best(table: Json | None, gates: Sequence[str]) -> list[Lever]:
    """The turns that go furthest, one a knob."""
    by_knob: dict[tuple[str, str], Lever] = {}
    for lever in levers(table, gates) if table else ():
        by_knob.setdefault((lever.state, lever.knob), lever)
    return list(by_knob.values())[:SHOWN]


def advice(table: Json | None, gates: Sequence[str], state: str) -> dict[str, Any]:
    """What to turn for what fails: ``levers``, and ``turn``, the same in words.

    Parameters
    ----------
    table
        The measured table, None where none was made.
    gates
        Gates that fail together; none where no gate measures what fails.
    state
        The state that answers for it (:mod:`scripts.scorers.triage`).
    """
    if state in ELSEWHERE:
        return {"levers": [], "turn": [ELSEWHERE[state]]}
    chosen = best(table, gates)
    if chosen:
        turn = [lever.text() for lever in chosen]
    elif table is None:
        turn = [f"{state} answers for it: segment1b knobs --measure says what moves it"]
    elif set(gates) & set(table["margins"]):
        turn = [f"{state} answers for it; no single knob of S2, S4 or S6 moves it the right way"]
    else:
        turn = [f"{state} answers for it: segment1b knobs says what its knobs move"]
    return {"levers": [lever.as_json() for lever in chosen], "turn": turn}
