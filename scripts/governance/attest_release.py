"""Rule ``attest_release``: the statement of what the certificate rests on.

See :mod:`scripts.governance.attestation`.
"""

from pathlib import Path
from typing import Any

from scripts.contracts import read_object, write_object
from scripts.entry import run
from scripts.governance.attestation import statement
from scripts.tables import file_digest


def main(inputs: Any, outputs: Any, params: Any, wildcards: Any) -> None:
    """Write the statement."""
    certificate = read_object("segment1b_p5_certification", inputs.certificate)
    write_object(
        "segment1b_p5_attestation",
        outputs.attestation,
        statement(Path(params.runs_root), certificate, file_digest(inputs.lock_file)),
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
