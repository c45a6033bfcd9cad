"""The best safe attempt of a recovery so far, with its policies: where the next cycle starts."""

from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.ladder.calibration import STATES
from scripts.ladder.recovery import load_search, moves, order_key
from scripts.policies import parse_yaml

KEYS = ("cycle", "attempt", "attempt_id", "knobs", "grade", "missed", "shortfall", "policies")


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``rank_recovery``; the policies of an attempt stand at its place in each list."""
    search = load_search(inputs.recovery, inputs.calibration)
    first = int(wildcards.cycle) == 1
    before = read_object("recovery_start" if first else "recovery_best", inputs.best)
    attempts = [read_object("recovery_attempt", path) for path in inputs.attempts]
    number = min(range(len(attempts)), key=lambda n: order_key(attempts[n]))
    best = attempts[number]
    if moves(best, before, search["minimum_gain"]):
        files = {state: str(getattr(inputs, state)[number]) for state in STATES}
        best = {**best, "policies": {state: parse_yaml(path) for state, path in files.items()}}
    else:
        best = before
    write_object("recovery_best", outputs.best, {key: best[key] for key in KEYS})


if "snakemake" in globals():
    run(main, globals()["snakemake"])
