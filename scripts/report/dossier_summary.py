"""Where the dossier is and what it says, in a few lines."""

from typing import Any

from scripts.console import BAD, GOOD, colours_wanted, paint, say
from scripts.contracts import read_object
from scripts.entry import run
from scripts.scorers.gates import GRADE_NAMES


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Rule ``dossier``."""
    verdict = read_object("segment1b_p5_certification", inputs.certificate)["verdict"]
    tone = GOOD if verdict["minimum_grade_met"] else BAD
    grade = paint(GRADE_NAMES[verdict["grade"]], tone, colours_wanted())
    kind = "release" if verdict["release"] else "not a release"
    say(
        [
            f"grade {grade} (minimum {GRADE_NAMES[verdict['minimum_grade']]}), {kind}",
            f"open {inputs.dossier}",
        ]
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
