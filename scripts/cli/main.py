"""The console script ``segment1b``."""

from __future__ import annotations

import sys

import typer

from scripts.cli import phases, records, releases, runs, studies
from scripts.errors import ContractError, RefusedError, SegmentError, lines

app = typer.Typer(
    name="segment1b",
    help="Commands on a tree of runs. Files are made by `snakemake`, see `make help`.",
    epilog="Exit status: 0 good, 1 refused (one line says why), 2 wrong usage.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (releases, phases, runs, records, studies):
    app.add_typer(group.app)


def one_by_one(arguments: list[str]) -> list[str]:
    """Arguments in which ``--config A=1 B=2``, which Snakemake takes, is said once a value."""
    spread: list[str] = []
    of_config = False
    for argument in arguments:
        if of_config and "=" in argument and not argument.startswith("-"):
            if spread[-1] != "--config":
                spread.append("--config")
        else:
            of_config = argument == "--config"
        spread.append(argument)
    return spread


def main() -> None:
    """Run a command."""
    try:
        app(one_by_one(sys.argv[1:]))
    except (SegmentError, RefusedError) as error:
        failure: SegmentError | RefusedError = error
    except OSError as error:
        where, reason = error.filename or "segment1b", error.strerror or str(error)
        failure = ContractError("EX20", where, f"the operating system says: {reason}")
    print("\n".join(lines(failure)), file=sys.stderr)
    raise SystemExit(1)
