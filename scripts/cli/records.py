"""Hold records against files, and sign them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from scripts.cli import options
from scripts.cli.options import ConfigFiles, Values

app = typer.Typer()


@app.command()
def verify(
    *,
    run: Annotated[
        str | None,
        typer.Argument(help="Name, run id, release or folder; by default the candidate."),
    ] = None,
    public_key: Annotated[
        Path | None,
        typer.Option(help="Ed25519 public key (PEM) that must have signed the attestation."),
    ] = None,
    runs_root: Annotated[Path | None, typer.Option(help="Where to look for a name or id.")] = None,
    tree: Annotated[
        Path | None,
        typer.Option(help="Source tree that policies, contracts and locked files are of."),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Reference snapshot that the inputs are of.")
    ] = None,
    configfile: ConfigFiles,
    config: Values,
) -> None:
    """Hash every record and file of a run and hold them against each other.

    One line a fault. In the workflow's folder, runs root, tree and snapshot are those of the
    configuration; anywhere else a run's folder is enough, and what is not given is not checked.

    Example: segment1b verify reopened --public-key key.pub.pem
    """
    from scripts.governance import verification
    from scripts.governance.releases import folder_of, named, read_release, refuse_changed

    policies: list[str] = []
    if Path("Snakefile").is_file() or configfile or config:
        settings = options.configuration(configfile, config)
        run = settings.run_named(settings.candidate).run_id if run is None else run
        runs_root = runs_root or Path(settings.runs_root)
        tree, reference = tree or Path(), reference or Path(settings.reference)
        policies = settings.policy_files
    run, root = run or "", runs_root or Path()
    release = None
    if not verification.has_run(run, root):
        # By its name, or the start of it, else by its folder, which may have been copied.
        copied = Path(run) if run and Path(run, "release.json").is_file() else None
        release = folder_of(root, run) if named(root, run) else copied
    if release is not None:
        refuse_changed(release)
        root, run, tree = release, read_release(release)["run"]["run_id"], None
    folder = verification.folder_of(run, root)
    result = verification.verify(
        folder, tree=tree, reference=reference, public_key=public_key, policies=policies
    )
    lines = verification.lines(result, folder)
    print("\n".join(lines), file=sys.stderr if result.faults else sys.stdout)
    verification.refuse(result, run)


@app.command()
def sign(
    *,
    key: Annotated[Path, typer.Option(help="Ed25519 private key (PEM).")],
    configfile: ConfigFiles,
    config: Values,
) -> None:
    """Verify what was certified, then sign its attestation; the envelope lies beside it.

    Example: segment1b sign --key key.pem
    """
    settings = options.configuration(configfile, config)
    from scripts.governance.sign_attestation import sign_attestation

    root, reference = options.taken(settings), Path(settings.reference)
    options.show(sign_attestation(root, key, reference, settings.policy_files))
