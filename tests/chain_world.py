"""States S1 to S8 of one seed by the mains of their rules, file by file, in this process."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from scripts.contracts import write_dataset
from scripts.geo.snapshot import load_facts
from scripts.states import (
    s1_population_surface,
    s1_tile_index,
    s2_tile_weights,
    s3_requirements,
    s4_alloc_plan,
    s4_guard,
    s5_site_tile_assignment,
    s6_site_jitter,
    s7_site_synthesis,
    s8_site_locations,
)
from scripts.upstream.egress import tables
from scripts.upstream.generator import generate

Paths = Mapping[str, str]


@dataclass(frozen=True)
class Sources:
    """Files that an attempt starts from: S1 of a run, a seed's upstream tables, the snapshot."""

    tile_index: str
    tile_population: str
    outlet_catalogue: str
    candidate_set: str
    countries: str
    facts: str
    places: str


@dataclass(frozen=True)
class Step:
    """One state: its entry, its policy, and its outputs (role to file name)."""

    main: Callable[..., None]
    policy: str | None
    outputs: Paths


STEPS = {
    "s2": Step(
        s2_tile_weights.main,
        "s2",
        {
            "tile_weights": "tile_weights.parquet",
            "country_mass": "country_mass.parquet",
            "s2_report": "s2_run_report.json",
        },
    ),
    "s3": Step(
        s3_requirements.main,
        "s2",
        {
            "requirements": "s3_requirements.parquet",
            "steering_ledger": "s3_steering_ledger.parquet",
            "s3_report": "s3_run_report.json",
        },
    ),
    "s4_guard": Step(
        s4_guard.main,
        "s4",
        {
            "pairs": "s4_guarded_pairs.parquet",
            "reroute_ledger": "s4_reroute_ledger.parquet",
            "summary": "s4_guard_summary.json",
        },
    ),
    "s4_alloc_plan": Step(
        s4_alloc_plan.main,
        "s4",
        {
            "plan": "s4_alloc_plan.parquet",
            "spread": "s4_spread.parquet",
            "s4_tally": "s4_tally.json",
        },
    ),
    "s5": Step(
        s5_site_tile_assignment.main,
        "s5",
        {
            "assignment": "s5_site_tile_assignment.parquet",
            "assignment_log": "rng_event_site_tile_assign.parquet",
            "s5_tally": "s5_tally.json",
        },
    ),
    "s6": Step(
        s6_site_jitter.main,
        "s6",
        {
            "jitter": "s6_site_jitter.parquet",
            "jitter_log": "rng_event_in_cell_jitter.parquet",
            "s6_tally": "s6_tally.json",
        },
    ),
    "s7": Step(
        s7_site_synthesis.main,
        None,
        {"synthesis": "s7_site_synthesis.parquet", "s7_tally": "s7_tally.json"},
    ),
    "s8": Step(
        s8_site_locations.main,
        None,
        {
            "site_locations": "site_locations.parquet",
            "s4_run_report": "s4_run_report.json",
            "s5_run_report": "s5_run_report.json",
            "s6_run_report": "s6_run_report.json",
            "s7_run_summary": "s7_run_summary.json",
            "s8_run_summary": "s8_run_summary.json",
        },
    ),
}
# What a state calls an output of its own that others know by another name.
_OWN_NAMES = {
    **{"steering_ledger": "ledger", "reroute_ledger": "ledger"},
    **{"assignment_log": "draws", "jitter_log": "draws"},
    **{f"s{number}_tally": "tally" for number in range(4, 8)},
    **{"s2_report": "report", "s3_report": "report"},
}


def _gathered(files: Paths, policies: Paths) -> dict[str, Any]:
    """Inputs of S8, for one part."""
    return {
        "synthesis": [files["synthesis"]],
        "guard": files["summary"],
        "spreads": [files["spread"]],
        **{f"s{number}_tallies": [files[f"s{number}_tally"]] for number in range(4, 8)},
        **{f"{state}_policy": policies[state] for state in ("s4", "s5", "s6")},
    }


def run_chain(
    sources: Sources,
    policies: Paths,
    folder: Path,
    run_id: str,
    seed: int,
    first: str = "s2",
    finished: Paths | None = None,
    last: str = "s8",
) -> dict[str, str]:
    """Run states ``first`` to ``last`` and return every file by role.

    Parameters
    ----------
    sources
        What the states start from.
    policies
        Policy files by key: ``s1_tile_index``, ``s2``, ``s4``, ``s5``, ``s6``.
    folder
        Where the states write; made when missing.
    run_id, seed
        As the states publish them.
    finished
        Files by role of the states before ``first``.

    Raises
    ------
    SegmentError
        Whatever a state refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, str] = {**asdict(sources), **(finished or {})}
    wildcards = SimpleNamespace(run_id=run_id, seed=str(seed), part="1-of-1")
    for name, step in STEPS.items():
        if not first <= name[:2] <= last:
            continue
        outputs = {role: str(folder / file) for role, file in step.outputs.items()}
        inputs: dict[str, Any] = {
            **files,
            "tile_policy": policies["s1_tile_index"],
            "s2_policy": policies["s2"],
        }
        if step.policy is not None:
            inputs["policy"] = policies[step.policy]
        if name == "s8":
            inputs = _gathered(files, policies)
        step.main(
            SimpleNamespace(**inputs),
            SimpleNamespace(**{_OWN_NAMES.get(role, role): path for role, path in outputs.items()}),
            SimpleNamespace(),
            wildcards,
        )
        files.update(outputs)
    return files


def make_sources(reference, policies, upstream, seed, folder, run_id):
    """Sources of a chain, and the tables of 1A.

    ``policies`` is the folder of the 1B policies, ``upstream`` the generator's policy.
    """
    files = SimpleNamespace(
        countries=str(reference / "countries.parquet"),
        facts=str(reference / "country_facts.csv"),
        places=str(reference / "places.parquet"),
        land_cover=str(reference / "land_cover.parquet"),
        tile_index=str(folder / "tile_index.parquet"),
        tile_policy=str(policies / "policy.s1.tile_index.yaml"),
        policy=str(policies / "policy.s1.tile_index.yaml"),
        raster_cells=[],
    )
    wildcards = SimpleNamespace(tiles_id=run_id)
    outputs = SimpleNamespace(tile_index=files.tile_index, report=str(folder / "s1.json"))
    s1_tile_index.main(files, outputs, None, wildcards)
    files.policy = str(policies / "policy.s1.population.yaml")
    population = str(folder / "tile_population.parquet")
    outputs = SimpleNamespace(tile_population=population, report=str(folder / "s1p.json"))
    s1_population_surface.main(files, outputs, None, wildcards)
    made = tables(generate(upstream, load_facts(files.facts), seed, 0, "1A"))
    names = ("outlet_catalogue", "s3_candidate_set")
    egress = {name: folder / f"{name}.parquet" for name in names}
    for name, path in egress.items():
        write_dataset(name, path, made[name])
    sources = Sources(
        files.tile_index,
        population,
        str(egress["outlet_catalogue"]),
        str(egress["s3_candidate_set"]),
        files.countries,
        files.facts,
        files.places,
    )
    return sources, made
