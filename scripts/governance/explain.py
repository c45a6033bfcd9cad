"""Target ``explain``: why each state would run, one line a state.

Asks Snakemake for a dry run of ``certify`` under the same configuration and gathers the reasons of
its jobs by rule. Compared is with the last run of each job, as Snakemake recorded it.
"""

import contextlib
import io
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.entry import run
from scripts.errors import GovernanceError

TRIGGERS = ("mtime", "params", "input", "software-env")


@dataclass
class Cause:
    """Why the jobs of one rule run: how many, own causes in order, and the rules they follow."""

    jobs: int = 0
    own: dict[str, None] = field(default_factory=dict)
    follows: set[str] = field(default_factory=set)

    def line(self, rule: str) -> str:
        """The cause in one line."""
        follows = [f"follows {', '.join(sorted(self.follows))}"] if self.follows else []
        return f"{rule} ({self.jobs}): {'; '.join([*self.own, *follows]) or 'runs every time'}"


def own_causes(reason: Any) -> list[str]:
    """What Snakemake's reason for a job says apart from its predecessors."""
    causes = []
    if reason.updated_input:
        causes.append(f"changed: {', '.join(sorted(map(str, reason.updated_input)))}")
    if reason.params_changed:
        causes.append("its code, a contract or a parameter changed")
    if reason.input_changed:
        causes.append("it obeys other files than before")
    if reason.software_stack_changed:
        causes.append("its environment changed")
    if reason.missing_output:
        causes.append("output is missing")
    if reason.incomplete_output:
        causes.append("output is incomplete")
    return causes


def gather(jobs: Iterable[tuple[str, Any, Iterable[str]]]) -> list[str]:
    """One line a rule, in the order of the chain.

    Parameters
    ----------
    jobs
        Jobs that would run in their order: rule, Snakemake's reason, and the rules that would
        make its updated inputs.
    """
    by_rule: dict[str, Cause] = {}
    for rule, reason, follows in jobs:
        cause = by_rule.setdefault(rule, Cause())
        cause.jobs += 1
        cause.own.update(dict.fromkeys(own_causes(reason)))
        cause.follows.update(follows)
    return [cause.line(rule) for rule, cause in by_rule.items()] or ["nothing would run"]


def needed(dag: Any) -> Iterator[tuple[str, Any, set[str]]]:
    """Jobs of a planned graph that would run, in their order, as :func:`gather` takes them."""
    for level in dag.toposorted():
        for job in sorted(level, key=lambda job: (job.rule.name, sorted(map(str, job.output)))):
            if dag.needrun(job):
                reason = dag.reason(job)
                updated = set(map(str, reason.updated_input_run))
                follows = {
                    before.rule.name
                    for before, files in dag.dependencies[job].items()
                    if updated & set(map(str, files))
                }
                yield job.rule.name, reason, follows


def plan(target: str, config: Mapping[str, Any], snakefile: Path) -> list[str]:
    """Lines for everything that a target would run, from Snakemake's own dry run.

    Raises
    ------
    GovernanceError
        ``EG80`` the workflow cannot be planned.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.exceptions import RuleException, WorkflowError
    from snakemake.settings.enums import Quietness, RerunTrigger
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        OutputSettings,
        ResourceSettings,
    )

    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        # Inside the block, because leaving it prints and swallows what was raised.
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                workflow = api.workflow(
                    resource_settings=ResourceSettings(cores=1),
                    config_settings=ConfigSettings(config=dict(config)),
                    snakefile=snakefile,
                )
                settings = DAGSettings(
                    targets={target},
                    rerun_triggers=frozenset(map(RerunTrigger.parse_choice, TRIGGERS)),
                    max_checksum_file_size=sys.maxsize,
                )
                workflow.dag(settings).execute_workflow(executor="dryrun")
            return gather(needed(workflow._workflow.dag))
        except (WorkflowError, RuleException) as error:
            failure = str(error)
    raise GovernanceError("EG80", f"dry run of {target}", failure)


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``explain``."""
    print("\n".join(plan(params.target, params.config, Path(params.snakefile))))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
