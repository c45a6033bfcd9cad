"""One attempt of the recovery: S2 to S8 and the scorecard on every required seed, in one job.

The attempt has a run id of its own, a digest of the candidate's name, its cycle and its number.
S1, the upstream tables and the baseline are shared with the candidate; state outputs are thrown
away. Once an earlier cycle reached BPLUS, an attempt says so and does not run.
"""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.errors import ConfigError, StateError
from scripts.ladder.calibration import STATES, propose
from scripts.ladder.evaluate_attempt import scorecard_of, write_policy
from scripts.ladder.recovery import NOT_RUN, REFUSED, judge, load_search, standing, unjudged
from scripts.records.identity import run_id
from scripts.scorers.gates import load_gates
from scripts.tables import file_digest, published

SHARED = (
    *("tile_index", "tile_population", "cells", "points"),
    *("countries", "facts", "places", "land_cover", "tile_policy", "s5_policy"),
)
BY_SEED = ("outlet_catalogue", "candidate_set", "baseline_sites")


def attempt_id(name: str, cycle: int, attempt: int) -> str:
    """Run id of an attempt: fresh for every attempt, the same whenever it is repeated."""
    return run_id("1B", name, f"recovery {cycle} {attempt}")


def scorecards(
    inputs: Any, own: Mapping[str, str], settings: Any, identity: str, seeds: list[int]
) -> list[dict[str, Any]]:
    """Scorecards of an attempt, seed by seed."""
    shared = {name: getattr(inputs, name) for name in SHARED}
    found = []
    for number, seed in enumerate(seeds):
        files = {name: getattr(inputs, name)[number] for name in BY_SEED}
        found.append(
            scorecard_of(SimpleNamespace(**shared, **files), own, settings, identity, seed)
        )
    return found


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``recovery_attempt``; every list by seed is in the order of ``params.seeds``."""
    settings = load_gates(inputs.gates)
    search = load_search(inputs.recovery, inputs.calibration)
    start = read_object("recovery_start", inputs.start)
    cycle, attempt = int(wildcards.cycle), int(wildcards.attempt)
    best = start if cycle == 1 else read_object("recovery_best", inputs.best)
    identity = attempt_id(params.name, cycle, attempt)
    proposal = propose(search, cycle, attempt, best["policies"])
    own = {state: str(getattr(outputs, state)) for state in STATES}
    for state, path in own.items():
        write_policy(path, proposal["policies"][state])
    cards: list[dict[str, Any]] = []
    if best["grade"] == "BPLUS":
        score = unjudged(NOT_RUN, "an earlier cycle reached BPLUS")
    else:
        try:
            cards = scorecards(inputs, own, settings, identity, list(params.seeds))
            references = [
                read_object("segment1b_scorecard", p) for p in inputs.reference_scorecards
            ]
            score = judge(standing(cards, references, settings), start)
        except (ConfigError, StateError) as error:
            score = unjudged(REFUSED, str(error))
    write_object(
        "recovery_attempt",
        outputs.attempt,
        published(
            {
                "cycle": cycle,
                "attempt": attempt,
                "attempt_id": identity,
                "group": proposal["group"],
                "knobs": proposal["knobs"],
                "policies": {state: file_digest(path) for state, path in own.items()},
                **score,
                "metrics": {str(card["seed"]): card["metrics"] for card in cards},
            }
        ),
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
