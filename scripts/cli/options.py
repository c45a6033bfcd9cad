"""Options that the commands share, and what they stand for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from scripts.settings import Settings

ConfigFiles = Annotated[
    list[Path],
    typer.Option(
        "--configfile",
        metavar="FILE",
        default_factory=list,
        show_default=False,
        help="Configuration on top of config/config.yaml.",
    ),
]
Values = Annotated[
    list[str],
    typer.Option(
        "--config",
        metavar="KEY=VALUE ...",
        default_factory=list,
        show_default=False,
        help="Keys of config/config.yaml, as Snakemake takes them: candidate=wide seeds=[42].",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print refusals only.")]


def check_folder() -> None:
    """Refuse a folder without a workflow (``EG96``), or with one whose code this is not."""
    from scripts.errors import GovernanceError

    package = Path(__file__).resolve().parents[1]
    if not Path("Snakefile").is_file():
        raise GovernanceError("EG96", Path.cwd(), "holds no Snakefile", "the workflow's folder")
    if Path("scripts").is_dir() and Path("scripts").resolve() != package:
        raise GovernanceError(
            "EG96",
            Path.cwd(),
            f"has code of its own, this is that of {package.parent}",
            "python -m scripts.cli",
        )


def configuration(
    files: Iterable[Path], values: Iterable[str], with_policies: bool = True
) -> Settings:
    """The configuration that Snakemake would have under the same options, validated.

    ``with_policies``: so are the policies, without which no run can be planned.
    """
    from scripts.settings import load_settings, read_configuration

    check_folder()
    return load_settings(read_configuration(files, values), with_policies)


def taken(settings: Settings) -> Path:
    """Folder of the runs, which nobody else changes while this process lasts."""
    from scripts import root_lock

    root_lock.take(settings.runs_root)
    return Path(settings.runs_root)


def make(
    target: str, files: Sequence[Path], values: Sequence[str], options: Sequence[str] = ()
) -> None:
    """Make a target of Snakemake's under the same options; end with its status if it fails."""
    command = [sys.executable, "-m", "snakemake", target, *options]
    if files:
        command += ["--configfile", *map(str, files)]
    if values:
        command += ["--config", *values]
    status = subprocess.run(command, check=False).returncode
    if status:
        raise typer.Exit(status)


def show(lines: Iterable[str], quiet: bool = False) -> None:
    """Print lines unless quiet."""
    if not quiet:
        print("\n".join(lines), flush=True)
