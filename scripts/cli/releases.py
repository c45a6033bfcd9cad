"""Sealed releases: list them, compare two, go back to one; start a run of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scripts.cli import options
from scripts.cli.options import ConfigFiles, Values

app = typer.Typer()


@app.command()
def releases(*, configfile: ConfigFiles, config: Values) -> None:
    """List the sealed releases, the last one first; a star marks the one in force.

    Example: segment1b releases
    """
    settings = options.configuration(configfile, config, with_policies=False)
    from scripts.governance.status import release_lines

    options.show(release_lines(Path(settings.runs_root)))


@app.command()
def compare(
    *,
    first: Annotated[str, typer.Argument(help="A release: its name, or the start of it.")],
    second: Annotated[str, typer.Argument(help="Another.")],
    html: Annotated[Path | None, typer.Option(help="Page to write, with a map of each.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document.")] = False,
    configfile: ConfigFiles,
    config: Values,
) -> None:
    """Hold two releases side by side: metrics, gates, truth, policies, sites by country.

    Example: segment1b compare reopened-1a2b wide-3c4d --html compared.html
    """
    settings = options.configuration(configfile, config, with_policies=False)
    from scripts.governance.releases import folder_of
    from scripts.report import comparison
    from scripts.tables import to_json_bytes

    root = Path(settings.runs_root)
    folders = (folder_of(root, first), folder_of(root, second))
    document = comparison.compared(*map(comparison.sealed_side, folders))
    if html is not None:
        comparison.write_page(html, document, folders)
    if as_json:
        print(to_json_bytes(document).decode("ascii"), end="")
    else:
        options.show(comparison.lines(document))


@app.command()
def rollback(
    *,
    name: Annotated[str, typer.Argument(help="A release: its name, or the start of it.")],
    policies: Annotated[
        bool, typer.Option("--policies", help="Write its policies over those of this folder.")
    ] = False,
    configfile: ConfigFiles,
    config: Values,
) -> None:
    """Put a sealed release in force again: `last_good` points to it.

    The candidate and its certificate stay what they are.

    Example: segment1b rollback reopened-1a2b
    """
    settings = options.configuration(configfile, config, with_policies=False)
    from scripts.governance import releases

    root = options.taken(settings)
    lines = releases.rollback(root, name)
    if policies:
        lines = [lines[0], *releases.restore_policies(root, name)]
    options.show(lines)


@app.command()
def new(
    *,
    name: Annotated[str, typer.Argument(help="Name of the run: a-z, 0-9 and hyphens.")],
    policy: Annotated[
        list[str],
        typer.Option(
            default_factory=lambda: ["s2", "s4", "s6"],
            show_default="s2, s4, s6",
            help="Policy to copy, once for each: upstream, s1_tile_index, s1_population, s2, s4, "
            "s5, s6, s9.",
        ),
    ],
    source: Annotated[
        str, typer.Option("--from", help="Posture to start from; the candidate's by default.")
    ] = "",
    configfile: ConfigFiles,
    config: Values,
) -> None:
    """Start a run of one's own: a posture, and copies of the policies that it changes.

    Example: segment1b new wider-africa --policy s2
    """
    settings = options.configuration(configfile, config)
    from scripts.governance.new_run import new_run

    start = source or settings.run_named(settings.candidate).posture.name
    options.show(new_run(settings, name, start, policy))
