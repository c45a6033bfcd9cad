"""What the rules ask: path templates, and input functions that follow a run's posture."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from scripts.contracts import CONTRACTS_DIR, datasets
from scripts.errors import ConfigError
from scripts.governance.identity import run_id
from scripts.settings import Run, Settings, upstream_name
from scripts.upstream.tables_1a import ALL_TABLES, supplied_tables

InputFunction = Callable[[Any], str]

REFERENCE_FILES = {
    "countries": "countries.parquet",
    "facts": "country_facts.csv",
    "places": "places.parquet",
    "land_cover": "land_cover.parquet",
    "manifest": "manifest.json",
}
STATE_RULES = (
    "s0_gate",
    "s1_tile_index",
    "s1_population_surface",
    "s2_tile_weights",
    "s3_requirements",
    "s4_alloc_plan",
    "s5_site_tile_assignment",
    "s6_site_jitter",
    "s7_site_synthesis",
    "s8_site_locations",
)


def path_templates(runs_root: str) -> Mapping[str, str]:
    """Path template of every declared dataset below the runs root."""
    return {name: f"{runs_root}/{entry.path}" for name, entry in datasets().items()}


def reference_paths(folder: str) -> Mapping[str, str]:
    """Files of the reference snapshot."""
    return {name: f"{folder}/{file}" for name, file in REFERENCE_FILES.items()}


def contract_files() -> list[str]:
    """Dictionary, schemas and registry of both segments, relative to the repository."""
    folder = CONTRACTS_DIR.parents[1]
    return [path.relative_to(folder).as_posix() for path in sorted(CONTRACTS_DIR.glob("*/*.yaml"))]


def export_package_path(basedir: str) -> None:
    """Let the scripts of all jobs import this package, ahead of any other of the same name."""
    before = os.environ.get("PYTHONPATH", "")
    parts = [basedir, *(p for p in before.split(os.pathsep) if p and p != basedir)]
    os.environ["PYTHONPATH"] = os.pathsep.join(parts)


class Board:
    """Looks up runs, policies and upstream files for the rules."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.data = path_templates(settings.runs_root)

    def run(self, wildcards: Any) -> Run:
        """The run of a job's ``run_id``."""
        try:
            return self.settings.runs[wildcards.run_id]
        except KeyError:
            names = ", ".join(sorted(run.name for run in self.settings.runs.values()))
            raise ConfigError(
                "EC07", wildcards.run_id, "is no run_id of this configuration", f"runs: {names}"
            ) from None

    def identity(self, wildcards: Any) -> dict[str, str]:
        """Name, posture and upstream of a job's run, for its receipt."""
        run = self.run(wildcards)
        return {"name": run.name, "posture": run.posture.name, "upstream_id": run.upstream_id}

    def runs_root(self, wildcards: Any) -> str:
        """Folder that ledgers are relative to."""
        return self.settings.runs_root

    def name(self, wildcards: Any) -> str:
        """Name of a job's run."""
        return self.run(wildcards).name

    def scorecards(self, name: str, seeds: list[int]) -> list[str]:
        """Scorecards of a named run over the seeds."""
        return self._over_seeds("segment1b_scorecard", self.named(name).run_id, seeds)

    def upstream_id(self, wildcards: Any) -> str:
        """Run id of the upstream run that a job's run stands on."""
        return self.run(wildcards).upstream_id

    def named(self, name: str) -> Run:
        """The run of a name."""
        return self.settings.runs[run_id("1B", name)]

    def policy(self, state: str) -> InputFunction:
        """Input function: the policy file that a state of the run obeys."""

        def of_run(wildcards: Any) -> str:
            return self.run(wildcards).posture.policies[state]

        return of_run

    def policies(self, wildcards: Any) -> list[str]:
        """All policy files of the run, upstream first."""
        posture = self.run(wildcards).posture
        return [posture.upstream_policy, *(posture.policies[k] for k in sorted(posture.policies))]

    def upstream_file(self, dataset_id: str) -> InputFunction:
        """Input function: a 1A dataset of the upstream run that this run stands on."""

        def of_run(wildcards: Any) -> str:
            template = self.data[dataset_id]
            tokens = {"run_id": self.run(wildcards).upstream_id}
            if "{seed}" in template:
                tokens["seed"] = wildcards.seed
            return template.format(**tokens)

        return of_run

    def upstream_policy(self, wildcards: Any) -> str:
        """Policy file of a builtin 1A run."""
        return self.settings.upstreams[wildcards.run_id].policy

    def upstream_ids(self, kind: str) -> list[str]:
        """Run ids of the upstream runs of a kind."""
        return [u.run_id for u in self.settings.upstreams.values() if u.kind == kind]

    def external_tables(self) -> tuple[str, ...]:
        """Tables that an external upstream supplies for every configured seed."""
        if not self.upstream_ids("external"):
            return ()
        return supplied_tables(self.settings.external_root, self.settings.seeds)

    def upstream_tables(self, wildcards: Any) -> dict[str, str]:
        """Tables of a 1A run by dataset id, and what its validation needs beside them."""
        external = self.settings.upstreams[wildcards.run_id].kind == "external"
        names = self.external_tables() if external else ALL_TABLES
        paths = {name: self.data[name].format(**wildcards) for name in names}
        if external:
            paths["external_source"] = self.data["external_source_1A"].format(**wildcards)
        else:
            paths["policy"] = self.upstream_policy(wildcards)
        return paths

    def _over_seeds(self, dataset_id: str, identity: str, seeds: Iterable[int]) -> list[str]:
        return [self.data[dataset_id].format(run_id=identity, seed=seed) for seed in seeds]

    def upstream_scorecards(self, wildcards: Any) -> list[str]:
        """Scorecards of a 1A run over the configured seeds."""
        return self._over_seeds("segment1a_scorecard", wildcards.run_id, self.settings.seeds)

    def upstream_flags(self, wildcards: Any) -> list[str]:
        """Flags of a 1A run over the configured seeds."""
        return self._over_seeds("validation_passed_flag_1A", wildcards.run_id, self.settings.seeds)

    def authority_scorecards(self) -> list[str]:
        """Scorecards of the frozen 1A authority over the required seeds."""
        return self._over_seeds(
            "segment1a_scorecard", self.authority_id(), self.settings.required_seeds
        )

    def baseline_sites(self, wildcards: Any) -> str | list[str]:
        """Egress of the baseline for the same seed; nothing when the run is the baseline."""
        baseline = self.named(self.settings.baseline_posture).run_id
        if wildcards.run_id == baseline:
            return []
        return self.data["site_locations"].format(run_id=baseline, seed=wildcards.seed)

    def reference_folder(self, wildcards: Any) -> str:
        """Folder of the reference snapshot in force."""
        return self.settings.reference

    def against_manifest(self, wildcards: Any, input: Any) -> str:
        """Option that compares a rebuilt snapshot with the one in force."""
        return f"--against {input.manifest}" if input.manifest else ""

    def authority_id(self) -> str:
        """Run id of the frozen 1A authority, the upstream of the baseline posture."""
        posture = self.settings.postures[self.settings.baseline_posture]
        return run_id("1A", upstream_name(posture.upstream_policy))

    def state_outputs(self, seeds: list[int] | None = None) -> Callable[[Any], list[str]]:
        """Input function: every output of S0 to S8 of the run, for its seed or for ``seeds``."""

        def of_run(wildcards: Any) -> list[str]:
            of_seeds = [wildcards.seed] if seeds is None else seeds
            return self.outputs_of(wildcards.run_id, of_seeds)

        return of_run

    def outputs_of(self, identity: str, seeds: list[Any]) -> list[str]:
        """Every declared output of S0 to S8 of a run."""
        from scripts.governance.versions import registry

        produced = [d for rule in STATE_RULES for d in registry()[rule]["produces"]]
        paths = []
        for dataset_id in produced:
            template = self.data[dataset_id]
            if "{seed}" in template:
                paths += [template.format(run_id=identity, seed=seed) for seed in seeds]
            else:
                paths.append(template.format(run_id=identity))
        return sorted(paths)


def relative_to_root(path: str, runs_root: str) -> str:
    """Path below the runs root with forward slashes, for ledgers."""
    return Path(path).resolve().relative_to(Path(runs_root).resolve()).as_posix()
