"""The best attempt so far, with its policies: where the next cycle starts."""

from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.ladder.calibration import STATES, improves, load_calibration, order_key
from scripts.policies import parse_yaml


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``rank_cycle``; the policies of an attempt stand at its place in each list."""
    found = []
    for number, path in enumerate(inputs.attempts):
        attempt = read_object("calibration_attempt", path)
        files = {state: str(getattr(inputs, state)[number]) for state in STATES}
        found.append((attempt, files))
    attempt, files = min(found, key=lambda entry: order_key(entry[0]))
    best = {
        "cycle": attempt["cycle"],
        "attempt": attempt["attempt"],
        "objective": attempt["objective"],
        "feasible": attempt["feasible"],
        "violation": attempt["violation"],
        "policies": {state: parse_yaml(files[state]) for state in STATES},
    }
    if inputs.best:
        before = read_object("calibration_best", inputs.best)
        if not improves(best, before, load_calibration(inputs.calibration)["minimum_gain"]):
            best = before
    write_object("calibration_best", outputs.best, best)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
