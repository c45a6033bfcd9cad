"""Measure the release on further seeds, a map against real outlets, and the cost of every rule."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from scripts.cli import options
from scripts.cli.options import ConfigFiles, Quiet, Values

app = typer.Typer()

_COLUMN = "Column that holds it; by default the first of the usual names."


@app.command()
def margins(
    *,
    seeds: Annotated[str, typer.Option(help="Seeds and ranges of seeds: 61-80 or 9-12,40.")],
    grade: Annotated[
        Literal["B", "BPLUS", "A"], typer.Option(help="Grade whose gates must hold.")
    ] = "A",
    runs_root: Annotated[
        str, typer.Option(help="Where these seeds run, so that the release stays as it is.")
    ] = "runs/margins",
    show_only: Annotated[
        bool, typer.Option("--show-only", help="Print a finished report, run nothing.")
    ] = False,
    configfile: ConfigFiles,
    config: Values,
    quiet: Quiet = False,
) -> None:
    """Run the candidate on any seeds and print how far each stays from every gate.

    Ends with 1 when a gate of the grade fails, a floor of fidelity is missed or the freeze guard
    says no.

    Example: segment1b margins --seeds 61-80
    """
    from scripts.ladder.margins import misses, read_report, seed_list, tables

    wanted = seed_list(seeds)
    values = [*config, f"seeds=[{','.join(map(str, wanted))}]", f"runs_root={runs_root}"]
    settings = options.configuration(configfile, values)
    if not show_only:
        options.make("margins", configfile, values, ["--quiet", "all" if quiet else "rules"])
    report = read_report(runs_root, settings.run_named(settings.candidate).run_id)
    against = misses(report, grade)
    options.show(tables(report), quiet)
    options.show(against or [f"nothing stands against {grade}"], quiet and not against)
    if against:
        raise typer.Exit(1)


@app.command()
def sizes(
    *,
    scales: Annotated[str, typer.Argument(help="Sizes in sites, such as 35k,350k,3.5M.")],
    seeds: Annotated[str, typer.Option(help="Seeds of every size.")] = "42,7,101,202",
    runs_root: Annotated[
        str, typer.Option(help="Every size has a folder of its own in it.")
    ] = "runs/sizes",
    page: Annotated[
        Path | None, typer.Option(help="Page whose marked table is renewed, too.")
    ] = None,
    configfile: ConfigFiles,
    config: Values,
    quiet: Quiet = False,
) -> None:
    """Grade the candidate's policies at other numbers of sites; a table in Markdown.

    A size that ran is not run again. Ends with 1 when a size misses grade B.

    Example: segment1b sizes 35k,350k --seeds 42
    """
    from scripts.benchmarks.scales import SITES_PER_MERCHANT, parse_sites
    from scripts.benchmarks.sizes import renew_page, require_markers, size_table
    from scripts.ladder.margins import read_report
    from scripts.scorers.gates import BELOW

    sizes = [(size, round(parse_sites(size) / SITES_PER_MERCHANT)) for size in scales.split(",")]
    if page is not None:
        require_markers(page)
    reports = []
    for size, merchants in sizes:
        root = f"{runs_root}/{size}"
        values = [*config, f"seeds=[{seeds}]", f"runs_root={root}"]
        values.append(f"upstream={{merchants_total: {merchants}}}")
        settings = options.configuration(configfile, values)
        options.make("margins", configfile, values, ["--quiet", "all" if quiet else "rules"])
        report = read_report(root, settings.run_named(settings.candidate).run_id)
        reports.append((merchants, report))
    table = size_table(reports)
    options.show([table])
    if page is not None:
        renew_page(page, table)
    if any(report["grade"] == BELOW for _, report in reports):
        raise typer.Exit(1)


@app.command()
def knobs(
    *,
    gate: Annotated[
        str, typer.Option(help="List what moves this gate the right way, the furthest first.")
    ] = "",
    measure: Annotated[
        bool, typer.Option("--measure", help="Turn every knob in the candidate's world first.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of --measure.")] = 42,
    configfile: ConfigFiles,
    config: Values,
) -> None:
    """Say what every knob of S2, S4 and S6 moves, where an idle one begins to, and what runs used.

    Read from config/sensitivity.json; --measure makes it anew from the candidate's finished run,
    which takes some minutes and is due when a law or a shipped policy has changed.

    Example: segment1b knobs --gate nn_contraction
    """
    settings = options.configuration(configfile, config)
    from scripts.scorers import levers
    from scripts.search.knob_listing import lines, used
    from scripts.search.sensitivity import write_table

    if measure:
        write_table(Path(levers.TABLE), settings, seed, lambda line: print(line, flush=True))
    table = levers.read_table()
    if table is None:
        raise typer.BadParameter("no table: segment1b knobs --measure", param_hint="knobs")
    if gate:
        known = sorted(table["margins"])
        named = [name for name in known if gate in (name, name.removeprefix("truth_"))]
        if not named:
            raise typer.BadParameter(f"{gate!r} is none of {', '.join(known)}", param_hint="--gate")
        found = [lever.text() for lever in levers.levers(table, named)]
        options.show(found or [f"no knob that was turned adds {levers.GAIN:.0%} to its margin"])
    else:
        options.show([*lines(table), *used(settings)])


@app.command()
def truth(
    *,
    file: Annotated[Path, typer.Argument(help="Outlets as CSV, Parquet or GeoParquet.")],
    reference: Annotated[
        Path | None,
        typer.Option(help="Reference snapshot.", show_default="resources/reference"),
    ] = None,
    merchant: Annotated[str | None, typer.Option(metavar="NAME", help=_COLUMN)] = None,
    country: Annotated[str | None, typer.Option(metavar="NAME", help=_COLUMN)] = None,
    lon: Annotated[str | None, typer.Option(metavar="NAME", help=_COLUMN)] = None,
    lat: Annotated[str | None, typer.Option(metavar="NAME", help=_COLUMN)] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON document with every country.")
    ] = False,
) -> None:
    """Hold a map of outlets against real ones by eleven tests.

    Any table of merchant, country (ISO 3166-1 alpha-2), longitude and latitude will do, made by
    this workflow or not. What it has too little of is not measured; ends with 1 when a test fails.

    Example: segment1b truth outlets.csv --merchant brand
    """
    from scripts import console
    from scripts.scorers.truth.grade import document_of, grade_file, table_of
    from scripts.scorers.truth.own_map import Columns
    from scripts.tables import to_json_bytes

    shipped = Path(__file__).resolve().parents[2] / "resources" / "reference"
    columns = Columns(merchant, country, lon, lat)
    grade = grade_file(file, reference or shipped, columns)
    if as_json:
        print(to_json_bytes(document_of(grade)).decode("ascii"), end="")
    else:
        options.show(table_of(grade, console.colours_wanted()))
    if not grade.holds:
        raise typer.Exit(1)


@app.command()
def bench(
    *,
    scales: Annotated[
        str, typer.Option(help="Sizes in sites, such as 35k,350k,3.5M; empty times --target.")
    ] = "",
    seeds: Annotated[str, typer.Option(help="Seeds of --target.")] = "42,7,101,202",
    target: Annotated[str, typer.Option(help="A target of Snakemake's.")] = "certify",
    pair_seconds: Annotated[
        float, typer.Option(help="Seconds granted to the pair-by-pair law of --scales.")
    ] = 60.0,
    out: Annotated[Path | None, typer.Option(help="JSON file; by default one below runs.")] = None,
) -> None:
    """Time every rule of a fresh run, or every state at several sizes, as whole processes.

    Runs in a folder of its own below runs, which goes afterwards.

    Example: segment1b bench --scales 35k,350k
    """
    options.check_folder()
    from scripts.benchmarks.scales import run_scales, table
    from scripts.benchmarks.target import time_target
    from scripts.overwriting import json_of, require_replaceable

    key, usual = ("runs", "bench-scales.json") if scales else ("rules", "bench.json")
    path = out or Path("runs", usual)
    require_replaceable(path, "--out", f"benchmark with {key}", lambda c: key in (json_of(c) or ()))
    Path("runs").mkdir(exist_ok=True)
    if scales:
        options.show([table(run_scales(scales.split(","), pair_seconds, path))])
    else:
        lines, status = time_target(target, seeds, path)
        options.show(lines)
        if status:
            raise typer.Exit(status)
