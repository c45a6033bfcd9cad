"""One attempt of a search: its policies, S2 to S7 on them and the scorecard of every seed.

S1, the upstream tables and the baseline are shared with the candidate; the sites are thrown away,
and the attempt keeps its policies and its score. Policies that a state refuses are an outcome of
the search, not a failure of the job. Once an earlier cycle reached the goal, or where no measured
knob moves what the best attempt needs, an attempt says so and does not run.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.errors import ConfigError, StateError
from scripts.policies import load_policy
from scripts.records.identity import run_id
from scripts.scorers.gates import load_gates
from scripts.search.chain import Files
from scripts.search.choice import choose
from scripts.search.evaluate import read_world, scorecards
from scripts.search.policy import STATES, starts_of
from scripts.search.proposal import propose, start
from scripts.search.score import NOT_RUN, REFUSED, no_score, reached, score
from scripts.tables import file_digest, published, read_json, write_text

Json = Mapping[str, Any]


def attempt_id(name: str, search: str, cycle: int, attempt: int) -> str:
    """Run id of an attempt: fresh for every attempt, the same whenever it is repeated."""
    return run_id("1B", name, f"{search} {cycle} {attempt}")


def write_policy(path: str, policy: Json) -> None:
    """Publish a policy as YAML, keys in its own order."""
    write_text(path, yaml.safe_dump(dict(policy), sort_keys=False, allow_unicode=True))


def publish_policy(path: str, policy: Json, in_force: str) -> None:
    """Publish a policy; one that is as it is in force keeps its bytes."""
    if policy == load_policy(in_force):
        write_text(path, Path(in_force).read_text(encoding="utf-8"))
    else:
        write_policy(path, policy)


def fidelity_of(card: Json) -> dict[str, float | None]:
    """What a leaderboard shows of a scorecard beside its metrics."""
    return {
        "spearman_median": card["fidelity"]["population"]["spearman_median"],
        "overlap_median": card["fidelity"]["population"]["overlap_median"],
        "urban_difference_points": card["fidelity"]["urban"]["difference_points"],
        "two_sample_auc": card["fidelity"]["two_sample"]["auc"],
        "nn_p50_m": card["nn"]["quantiles_m"]["q50"],
        **{f"truth_{test}": found["value"] for test, found in card["truth"].items()},
    }


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``search_attempt``; every list by seed is in the order of ``params.seeds``."""
    settings = load_gates(inputs.gates)
    cycle, attempt = int(wildcards.cycle), int(wildcards.attempt)
    base = read_object("search_best" if cycle else "search_start", inputs.base)
    before = base["attempt"] if cycle else None
    excused = before["excused"] if before else None
    knobs: dict[str, float] = {}
    policies, group, idle = base["policies"], None, ""
    if before is None:
        changes = starts_of(params.search)[attempt]
        knobs, policies = start(changes, policies, f"config/{wildcards.search}.yaml")
    elif reached(before, params.search.get("goal")):
        idle = "an earlier cycle reached the goal"
    else:
        table = read_json(inputs.sensitivity)
        group = choose(table, params.ranges, before["needs"], base["turned"], params.zoom)
        if group is None:
            idle = f"no knob left that is known to move {', '.join(before['needs'])}"
        else:
            knobs, policies = propose(group, params.zoom, attempt, policies)
    files = {state: str(getattr(outputs, state)) for state in STATES}
    for state, path in files.items():
        write_policy(path, policies[state])
    cards: list[dict[str, Any]] = []
    if idle:
        found = no_score(NOT_RUN, idle, excused or [])
    else:
        upstream = zip(inputs.outlet_catalogue, inputs.candidate_set, strict=True)
        sites = inputs.baseline_sites
        world = read_world(
            Files(*(getattr(inputs, field.name) for field in fields(Files))),
            dict(zip(params.seeds, upstream, strict=True)),
            dict(zip(params.seeds, sites, strict=True)) if sites else {},
            settings,
        )
        p3 = [read_object("segment1b_scorecard", path) for path in inputs.p3]
        try:
            cards = list(scorecards(world, policies))
            found = score(cards, p3, settings, params.search, excused)
        except (ConfigError, StateError) as error:
            found = no_score(REFUSED, str(error), excused or [])
    record = {
        "cycle": cycle,
        "attempt": attempt,
        "attempt_id": attempt_id(params.name, wildcards.search, cycle, attempt),
        "state": group["state"] if group else "",
        "turned_for": before["needs"] if before and group else [],
        "knobs": knobs,
        "policies": {state: file_digest(path) for state, path in files.items()},
        **found,
        "metrics": {str(card["seed"]): card["metrics"] for card in cards},
        "fidelity": {str(card["seed"]): fidelity_of(card) for card in cards},
    }
    write_object("search_attempt", outputs.attempt, published(record))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
