"""One attempt of the calibration: its policies, S2 to S8 on them and the scorecard, in one job.

S1, the upstream tables and the baseline are shared with the candidate. State outputs are thrown
away; the attempt keeps its policies and its score. Policies that a state refuses are an outcome of
the search, not a failure of the job.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.errors import ConfigError, StateError
from scripts.ladder.calibration import (
    STATES,
    constraints,
    load_calibration,
    objective,
    propose,
)
from scripts.ladder.chain import Sources, run_chain
from scripts.policies import load_policy
from scripts.scorers.gates import load_gates
from scripts.scorers.scorecard import measure_files
from scripts.tables import file_digest, published, write_text

Json = Mapping[str, Any]
NOT_RUN = {"verdict": "NOT_RUN", "failing_structural": [], "failing_realism": []}


def write_policy(path: str, policy: Json) -> None:
    """Publish a policy as YAML, keys in its own order."""
    write_text(path, yaml.safe_dump(dict(policy), sort_keys=False, allow_unicode=True))


def scorecard_of(
    inputs: Any, own: Mapping[str, str], settings: Json, run_id: str, seed: int
) -> dict[str, Any]:
    """Scorecard of an attempt with policy files ``own`` by state; S9 apart."""
    policies = {**own, "s1_tile_index": inputs.tile_policy, "s5": inputs.s5_policy}
    sources = Sources(
        inputs.tile_index,
        inputs.tile_population,
        inputs.outlet_catalogue,
        inputs.candidate_set,
        inputs.countries,
        inputs.facts,
        inputs.places,
    )
    with tempfile.TemporaryDirectory() as folder:
        files = run_chain(sources, policies, Path(folder), run_id, seed)
        _, _, score, _ = measure_files(inputs, files["site_locations"], settings, seed)
    floors = load_policy(own["s2"])["country_mass"]["region_floor_share"]
    return published({"seed": seed, "region_floors": floors, "validation": NOT_RUN, **score})


def attempt_of(card: Json, settings: Json, search: Json) -> dict[str, Any]:
    """Score of a finished attempt."""
    held = constraints(card, settings, search["margin"])
    return {
        "refused": None,
        "feasible": not any(row["missing"] > 0.0 for row in held),
        "violation": sum(row["missing"] for row in held),
        "objective": objective(card, held, settings, search["objective"]),
        "missed": sorted({row["gate"] for row in held if row["missing"] > 0.0}),
        "metrics": card["metrics"],
        "fidelity": {
            "spearman_median": card["fidelity"]["population"]["spearman_median"],
            "overlap_median": card["fidelity"]["population"]["overlap_median"],
            "urban_difference_points": card["fidelity"]["urban"]["difference_points"],
            "two_sample_auc": card["fidelity"]["two_sample"]["auc"],
            "nn_p50_m": card["nn"]["quantiles_m"]["q50"],
        },
    }


def refused(error: Exception) -> dict[str, Any]:
    """Score of an attempt whose policies a state refuses."""
    return {
        "refused": " ".join(str(error).split()),
        "feasible": False,
        "violation": 1e6,
        "objective": None,
        "missed": [],
        "metrics": {},
        "fidelity": {},
    }


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``evaluate_attempt``."""
    settings = load_gates(inputs.gates)
    search = load_calibration(inputs.calibration)
    if inputs.best:
        start = read_object("calibration_best", inputs.best)["policies"]
    else:
        start = {state: dict(load_policy(getattr(inputs, state))) for state in STATES}
    proposal = propose(search, int(wildcards.cycle), int(wildcards.attempt), start)
    own = {state: str(getattr(outputs, state)) for state in STATES}
    for state, path in own.items():
        write_policy(path, proposal["policies"][state])
    try:
        card = scorecard_of(inputs, own, settings, wildcards.run_id, int(wildcards.seed))
        score = attempt_of(card, settings, search)
    except (ConfigError, StateError) as error:
        score = refused(error)
    write_object(
        "calibration_attempt",
        outputs.attempt,
        published(
            {
                "cycle": int(wildcards.cycle),
                "attempt": int(wildcards.attempt),
                "group": proposal["group"],
                "knobs": proposal["knobs"],
                "policies": {state: file_digest(path) for state, path in own.items()},
                **score,
            }
        ),
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
