"""Rule ``iteration_protocol``: the two lanes, what a change reruns and what retention keeps."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import eq
from pathlib import Path
from typing import Any

from scripts.contracts import write_object
from scripts.entry import run

UPSTREAM = "1A reopened and accepted by the freeze guard"


def stale_states(
    rules: Mapping[str, tuple[Iterable[str], Iterable[str]]], changed: Callable[[str], bool]
) -> list[str]:
    """States that run again when files change.

    Parameters
    ----------
    rules
        Inputs and outputs of the rule of every state, for one run and seed, in the order in which
        they run.
    changed
        Whether a file is one that changed.
    """
    made: set[str] = set()
    states = set()
    for name, (inputs, outputs) in rules.items():
        if any(path in made or changed(path) for path in inputs):
            made.update(outputs)
            states.add(name.partition("_")[0].upper())
    return sorted(states)


def rerun_matrix(
    rules: Mapping[str, tuple[Iterable[str], Iterable[str]]],
    policies: Iterable[str],
    upstream: str,
) -> dict[str, list[str]]:
    """States that run again for another 1A, below ``upstream``, and for an edit of each policy."""
    matrix = {UPSTREAM: stale_states(rules, lambda path: path.startswith(upstream))}
    for policy in sorted(policies):
        matrix[Path(policy).name] = stale_states(rules, partial(eq, policy))
    return matrix


def protocol(
    required_seeds: Sequence[int],
    minimum_grade: str,
    baseline: str,
    reruns: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """The iteration protocol of a configuration."""
    return {
        "baseline_posture": baseline,
        "lanes": {
            "fast": {
                "target": "candidate",
                "seeds": "one or more",
                "chain": "from the changed state on",
                "certifies": False,
            },
            "certification": {
                "target": "certify",
                "seeds": sorted(required_seeds),
                "minimum_grade": minimum_grade,
                "chain": "all states, every output hashed again",
                "refused_unless": ["locks in order", "baseline pinned", "freeze guard PASS"],
                "certifies": True,
            },
        },
        "rerun_matrix": {change: list(states) for change, states in reruns.items()},
        "phases": ["P0", "P1", "P2", "P3", "P4", "P5"],
        "retention": {
            "keeps": ["baseline_authority", "current_candidate", "last_good", "certification pack"],
            "keeps_also": "every run that a kept record refers to",
            "runs": "before the first job of a run folder that is not there yet, and on fork",
            "deletes": "only with segment1b prune --execute",
        },
    }


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Write the protocol."""
    write_object(
        "iteration_protocol", outputs.protocol, protocol(**params.protocol, reruns=params.reruns)
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
