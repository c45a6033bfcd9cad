"""Why each rule of a target would run: the reasons of the planned jobs, gathered by rule.

Compared is with the last run of each job, as Snakemake recorded it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

MISSING, INCOMPLETE = "output is missing", "output is incomplete"


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
    causes = (
        (reason.updated_input, f"changed: {', '.join(sorted(map(str, reason.updated_input)))}"),
        (reason.params_changed, "its code, a contract, a policy or a parameter changed"),
        (reason.input_changed, "it uses other files than before"),
        (reason.software_stack_changed, "its environment changed"),
        (reason.missing_output, MISSING),
        (reason.incomplete_output, INCOMPLETE),
    )
    return [text for holds, text in causes if holds]


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
