"""Rule ``certify_1a_authority``: the frozen authority from its scorecards, whatever its grade."""

from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.policies import load_policy
from scripts.upstream.scorer import certification


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Bind the scorecards to the certification."""
    cards = [read_object("segment1a_scorecard", path) for path in inputs.scorecards]
    write_object(
        "segment1a_p5_certification",
        outputs.certification,
        certification(cards, load_policy(inputs.bands), str(outputs.certification)),
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
