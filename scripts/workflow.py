"""What the rules ask: path templates, and input functions that follow a run's posture."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from scripts.contracts import datasets
from scripts.policies import load_policy
from scripts.records.identity import run_id
from scripts.resources import DEMANDS
from scripts.settings import Run, Settings
from scripts.snakemake_private import source
from scripts.states import CHAIN
from scripts.tables import row_count

InputFunction = Callable[[Any], str]

# What a run receipt holds: every state but the validation, which reads the receipt.
STATE_RULES = CHAIN[:-1]


def path_templates(runs_root: str) -> Mapping[str, str]:
    """Path template of every declared dataset below the runs root."""
    return {name: f"{runs_root}/{entry.path}" for name, entry in datasets().items()}


def export_package_path(basedir: str) -> None:
    """Let the scripts of all jobs import this package, ahead of any other of the same name."""
    before = os.environ.get("PYTHONPATH", "")
    parts = [basedir, *(p for p in before.split(os.pathsep) if p and p != basedir)]
    os.environ["PYTHONPATH"] = os.pathsep.join(parts)


class Board:
    """Looks up runs, policies and upstream files for the rules."""

    def __init__(self, settings: Settings, root_of_jobs: str):
        self.settings = settings
        self.root_of_jobs = root_of_jobs
        self.here = path_templates(root_of_jobs)
        self.data = path_templates(settings.runs_root)
        self._sites: dict[tuple[str, str], float] = {}

    def run(self, wildcards: Any) -> Run:
        """The run of a job's ``run_id``."""
        return self.settings.run_of(wildcards.run_id)

    def identity(self, wildcards: Any) -> dict[str, str]:
        """Name, posture, upstream and tiles of a job's run, for its receipt."""
        run = self.run(wildcards)
        return {
            "name": run.name,
            "posture": run.posture.name,
            "upstream_id": run.upstream_id,
            "tiles_id": run.tiles_id,
        }

    def runs_root(self, wildcards: Any) -> str:
        """Folder that ledgers are relative to."""
        return self.root_of_jobs

    def scorecards(self, name: str, seeds: list[int]) -> list[str]:
        """Scorecards of a named run over the seeds."""
        return self.over_seeds("segment1b_scorecard", self.named(name).run_id, seeds)

    def upstream_id(self, wildcards: Any) -> str:
        """Run id of the upstream run that a job's run stands on."""
        return self.run(wildcards).upstream_id

    def named(self, name: str) -> Run:
        """The run of a name."""
        return self.settings.run_named(name)

    def run_id_of(self, name: str) -> str:
        """Run id of a name, whether or not the configuration knows the run."""
        return run_id("1B", name)

    def fork_record(self, wildcards: Any) -> str | list[str]:
        """Record of the fork that a run's folder came from; nothing when it is none."""
        tokens = {"run_id": wildcards.run_id}
        found = Path(self.here["candidate_fork"].format(**tokens)).is_file()
        return self.data["candidate_fork"].format(**tokens) if found else []

    def policies(self, wildcards: Any) -> list[str]:
        """All policy files of the run, upstream first."""
        posture = self.run(wildcards).posture
        policies = (posture.policies[key] for key in sorted(posture.policies))
        return source([posture.upstream_policy, *policies])

    def sites(self, wildcards: Any) -> float:
        """Sites to expect of a seed: the builtin policy's, or the external catalogue's rows.

        A job without a run of its own, such as the dossier's, is about the candidate.
        """
        runs = self.settings.runs
        identity = wildcards.get("run_id", self.run_id_of(self.settings.candidate))
        upstream_id = runs[identity].upstream_id if identity in runs else identity
        seed = wildcards.get("seed", str(self.settings.seeds[0]))
        key = (upstream_id, seed)
        if key not in self._sites:
            self._sites[key] = self._count_sites(upstream_id, seed)
        return self._sites[key]

    def _count_sites(self, upstream_id: str, seed: str) -> float:
        upstream = self.settings.upstreams[upstream_id]
        if upstream.kind == "external":
            path = Path(self.settings.external_root) / f"seed={seed}" / "outlet_catalogue.parquet"
            return float(row_count(path)) if path.is_file() else 0.0
        merchants = load_policy(upstream.policy)["merchants"]
        return (self.settings.merchants_total or merchants["total"]) * merchants["mean_outlets"]

    def mem_mb(self, demand: str) -> Callable[[Any, int], int]:
        """Resource function: megabytes of a kind of job, by the sites of its world."""

        def of_job(wildcards: Any, attempt: int) -> int:
            return DEMANDS[demand].mem_mb(self.sites(wildcards), self.settings.groups, attempt)

        return of_job

    def runtime(self, demand: str) -> Callable[[Any, int], int]:
        """Resource function: minutes of a kind of job, by the sites of its world."""

        def of_job(wildcards: Any, attempt: int) -> int:
            return DEMANDS[demand].runtime(self.sites(wildcards), self.settings.groups, attempt)

        return of_job

    def over_seeds(self, dataset_id: str, identity: str, seeds: Iterable[int]) -> list[str]:
        """Paths of a dataset of a run, seed by seed."""
        return [self.data[dataset_id].format(run_id=identity, seed=seed) for seed in seeds]

    def upstream_guards(self, wildcards: Any) -> list[str]:
        """Freeze guard verdicts, seed by seed, on the 1A run that a run stands on."""
        return self.over_seeds(
            "segment1a_freeze_guard_seed", self.run(wildcards).upstream_id, self.settings.seeds
        )

    def authority_id(self) -> str:
        """Run id of the frozen 1A authority."""
        return self.settings.authority_id
