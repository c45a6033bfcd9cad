"""Accept phases and open them again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from scripts.cli import options
from scripts.cli.options import ConfigFiles, Quiet, Values

app = typer.Typer()
Phase = Annotated[
    Literal["P1", "P2", "P3", "P4"],
    typer.Argument(case_sensitive=False, metavar="PHASE", help="P1 to P4."),
]


@app.command()
def lock(
    *,
    phase: Phase,
    configfile: ConfigFiles,
    config: Values,
    keep: Annotated[
        bool, typer.Option("--keep", help="List superseded runs, delete none.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Accept a phase and lock the files that its result depends on.

    Makes the records of the phase first, as `snakemake p1` does (for P4 `snakemake integrated`),
    and stops where they refuse. The lock stands until `segment1b reopen`. Then it deletes the runs
    that are superseded, as `segment1b prune --execute` does.

    Example: segment1b lock P1 --config seeds=[42]
    """
    settings = options.configuration(configfile, config)
    from scripts.governance.lock import lock_phase, refuse_lock

    refuse_lock(settings, phase)
    target = "integrated" if phase == "P4" else phase.lower()
    options.make(target, configfile, config, ["--quiet", "all"] if quiet else [])
    options.taken(settings)
    options.show(lock_phase(settings, phase, keep), quiet)


@app.command()
def reopen(
    *,
    phase: Phase,
    approved_by: Annotated[str, typer.Option(help="Who approves it.")],
    evidence: Annotated[
        Path, typer.Option(help="A record below the runs root in which a gate fails.")
    ],
    reason: Annotated[str, typer.Option(help="Why the phase is opened again.")],
    configfile: ConfigFiles,
    config: Values,
    quiet: Quiet = False,
) -> None:
    """Open a locked phase again, with who, why and the evidence.

    Example: segment1b reopen P1 --approved-by "A Person" --reason "caps too loose"
    --evidence runs/fix-data-engine/segment_1B/reports/segment1b_p4_red_reopen_RUN.json
    """
    settings = options.configuration(configfile, config)
    from scripts.governance.reopen import reopen_phase

    root = options.taken(settings)
    lines = reopen_phase(root, phase, approved_by, reason, str(evidence))
    options.show(lines, quiet)
