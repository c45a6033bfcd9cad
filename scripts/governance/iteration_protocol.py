"""Rule ``iteration_protocol``: the two lanes, what a change reruns and what retention keeps."""

from collections.abc import Sequence
from typing import Any

from scripts.contracts import write_object
from scripts.entry import run

CHAIN = tuple(f"S{number}" for number in range(10))
RERUNS = {
    # S1 and S2 read nothing of 1A: their outputs stay, and are hashed again for the certificate.
    "1A reopened and accepted by the freeze guard": (CHAIN[0], *CHAIN[3:]),
    "S2": CHAIN[2:],
    "S4": CHAIN[4:],
    "S6": CHAIN[6:],
    "S9 gates": CHAIN[9:],
}


def protocol(required_seeds: Sequence[int], minimum_grade: str, baseline: str) -> dict[str, Any]:
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
        "rerun_matrix": {change: list(states) for change, states in RERUNS.items()},
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
    write_object("iteration_protocol", outputs.protocol, protocol(**params.protocol))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
