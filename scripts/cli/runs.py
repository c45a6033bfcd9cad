"""Look at runs, share them, delete superseded ones."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from scripts.cli import options
from scripts.cli.options import ConfigFiles, Quiet, Values

app = typer.Typer()


def given(name: str) -> str:
    """A name that is not empty."""
    if not name:
        raise typer.BadParameter("is empty")
    return name


@app.command()
def fork(
    *,
    name: Annotated[
        str,
        typer.Argument(callback=given, help="Name of the new run: a-z, 0-9 and hyphens."),
    ],
    parent: Annotated[str, typer.Option(callback=given, help="Name of a finished run.")],
    configfile: ConfigFiles,
    config: Values,
    quiet: Quiet = False,
) -> None:
    """Start a run that shares its parent's finished states by hard link.

    What its posture changes is made anew by `snakemake candidate`.

    Example: segment1b fork wide --parent reopened --config postures=postures posture=wide
    """
    settings = options.configuration(configfile, [*config, f"candidate={name}"])
    from scripts.governance.fork import check_names, fork
    from scripts.governance.retention import prune
    from scripts.records.identity import run_id

    root, child = options.taken(settings), settings.run_named(name)
    check_names(root / "segment_1B", child, parent)
    kept = [*settings.kept_runs, run_id("1B", parent)]
    options.show(prune(root, kept, execute=False), quiet)
    record = fork(root, child, parent)
    way = record["shared_by"].replace("_", " ")
    shared = f"shares {len(record['inherited'])} files with {parent} by {way}"
    options.show([f"{name} ({child.run_id}) {shared}"], quiet)


@app.command()
def prune(
    *,
    execute: Annotated[bool, typer.Option("--execute", help="Delete what is listed.")] = False,
    configfile: ConfigFiles,
    config: Values,
) -> None:
    """List the run folders that no record refers to; delete them with --execute.

    Candidate, baseline, and what pointers, locks, certificate and forks name are kept.
    """
    settings = options.configuration(configfile, config)
    from scripts.governance.retention import prune

    options.show(prune(options.taken(settings), settings.kept_runs, execute))


@app.command()
def repin(
    *,
    name: Annotated[str, typer.Argument(callback=given, help="Name of the baseline.")],
    configfile: ConfigFiles,
    config: Values,
) -> None:
    """Run the pinned baseline again and pin it anew; the pointer keeps the digests of the old one.

    Example: segment1b repin baseline
    """
    settings = options.configuration(configfile, config)
    if name != settings.baseline_posture:
        raise typer.BadParameter(f"is not the baseline, {settings.baseline_posture}")
    options.make("baseline", configfile, [*config, f"repin={name}"])


@app.command()
def status(*, configfile: ConfigFiles, config: Values) -> None:
    """Show phases, locks, pointers and runs, with grade, age and size.

    Reads what is on the disk and judges nothing anew.
    """
    settings = options.configuration(configfile, config)
    from scripts.governance.closing import refusals
    from scripts.governance.locks import PHASES
    from scripts.governance.promotion import lock_run, run_names
    from scripts.governance.status import board

    judged = {phase: lock_run(settings, phase).run_id for phase in PHASES}
    refused = [f"certify is refused: {line}" for line in refusals(settings, "certify")]
    lines = board(Path(settings.runs_root), judged, run_names(settings), time.time())
    options.show([*refused, *lines])


@app.command()
def explain(
    *,
    target: Annotated[str, typer.Argument(help="A target of Snakemake's.")] = "certify",
    configfile: ConfigFiles,
    config: Values,
) -> None:
    """Say why each rule of a target would run, against the last run of each job.

    Example: segment1b explain candidate --config candidate=wide
    """
    settings = options.configuration(configfile, config)
    from scripts.governance.closing import refusals
    from scripts.governance.explain import gather
    from scripts.settings import command_line
    from scripts.snakemake_private import needed, plan

    refused = [f"{target} is refused: {line}" for line in refusals(settings, target)]
    options.show([*refused, *gather(needed(plan([target], command_line(config), configfile)))])
