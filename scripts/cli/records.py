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
        str, typer.Argument(help="Name, run id or folder; the candidate when none is given.")
    ] = "",
    public_key: Annotated[
        Path | None,
        typer.Option(help="Ed25519 public key (PEM) that must have signed the attestation."),
    ] = None,
    configfile: ConfigFiles,
    config: Values,
) -> None:
    """Hash every record and file of a run and hold them against each other.

    One line a fault. `python -m scripts.verify FOLDER` does the same for a folder anywhere.

    Example: segment1b verify reopened --public-key key.pub.pem
    """
    settings = options.configuration(configfile, config)
    from scripts.errors import GovernanceError
    from scripts.verify import report

    name = run or settings.run_named(settings.candidate).run_id
    lines, sound = report(
        name,
        runs_root=Path(settings.runs_root),
        tree=Path(),
        reference=Path(settings.reference),
        public_key=public_key,
    )
    print("\n".join(lines), file=sys.stdout if sound else sys.stderr)
    if not sound:
        raise GovernanceError("EG89", name, "does not hold what its records say", "see above")


@app.command()
def sign(
    *,
    key: Annotated[Path, typer.Option(help="Ed25519 private key (PEM).")],
    configfile: ConfigFiles,
    config: Values,
) -> None:
    """Sign the attestation of the certificate; the envelope lies beside it.

    Example: segment1b sign --key key.pem
    """
    settings = options.configuration(configfile, config)
    from scripts import root_lock
    from scripts.governance.sign_attestation import sign_attestation

    root_lock.take(settings.runs_root)
    options.show(sign_attestation(Path(settings.runs_root), key))
