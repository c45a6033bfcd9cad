"""One seed of the release at several sizes: what every state costs and how the cost grows."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.benchmarks.collect import collect, run_workflow
from scripts.benchmarks.floors import WORK, floor, pair_by_pair
from scripts.contracts import datasets
from scripts.errors import ConfigError
from scripts.markdown_table import markdown_table
from scripts.policies import parse_yaml
from scripts.records.identity import run_id
from scripts.settings import CONFIG_FILE, load_settings
from scripts.states import CHAIN
from scripts.tables import read_json, row_count, write_json

SEED = 42
RELEASE, UPSTREAM = run_id("1B", "reopened"), run_id("1A", "reopened")
# Sites for each merchant of the shipped world.
SITES_PER_MERCHANT = 14.0
TIMED = CHAIN[1:]
SITE_STATES = CHAIN[CHAIN.index("s3_requirements") :]
FROM_S4 = SITE_STATES[1:]
_UNITS = {"": 1, "k": 1_000, "M": 1_000_000}
_HEAD = ("job", "main s", "CPU s", "peak MB", "sites a second", "times the floor")


def parse_sites(text: str) -> int:
    """Sites of a size such as 35k, 3.5M or 100000.

    Raises
    ------
    ConfigError
        ``EC03`` when it is none, or not those of one merchant.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([kM]?)", text)
    sites = round(float(match[1]) * _UNITS[match[2]]) if match else 0
    if sites < SITES_PER_MERCHANT:
        least = f"at least {SITES_PER_MERCHANT:g}, like 35k, 3.5M or 100000"
        raise ConfigError("EC03", "sizes", f"{text!r} is no number of sites", least)
    return sites


def files_of(root: Path) -> dict[str, str]:
    """Files of the release and its upstream, of the one seed in one group, by dataset."""
    settings = load_settings(parse_yaml(Path(CONFIG_FILE)))
    tokens = {
        "{seed}": str(SEED),
        "{part}": "1-of-1",
        "{tiles_id}": settings.run_named("reopened").tiles_id,
    }
    files = {}
    for name, entry in datasets().items():
        path = f"{root}/{entry.path}"
        tokens["{run_id}"] = UPSTREAM if "segment_1A" in entry.path else RELEASE
        for token, value in tokens.items():
            path = path.replace(token, value)
        files[name] = path
    return files


def run_seed(target: str, root: Path, merchants: int, groups: int = 1) -> float:
    """Wall seconds of a run of one file for the one seed; exits with its status when it fails."""
    config = (
        *(f"seeds=[{SEED}]", f"groups={groups}", f"upstream={{merchants_total: {merchants}}}"),
        f"certification={{required_seeds: [{SEED}], release: false}}",
    )
    wall, status = run_workflow(target, root, *config)
    if status:
        raise SystemExit(status)
    return wall


def bytes_below(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measure(sites: int, pair_seconds: float) -> dict[str, Any]:
    """Costs of a run of about so many sites, with the floors of its rows."""
    root = Path(tempfile.mkdtemp(prefix="bench-", dir="runs"))
    try:
        files = files_of(root)
        merchants = round(sites / SITES_PER_MERCHANT)
        wall = run_seed(files["validation_bundle_index_1B"], root, merchants)
        made = row_count(files["site_locations"])
        pairs = row_count(files["s3_requirements"])
        release = {**collect(root, "1B/tiles"), **collect(root, RELEASE)}
        upstream = collect(root, UPSTREAM)
        floors = {state: floor(work, files) for state, work in WORK.items()}
        plain = pair_by_pair(files["s3_requirements"], files["tile_weights"], pair_seconds)
        summary = read_json(files["validation_summary_1B"])
        disk = {
            "seed": bytes_below(Path(files["run_receipt"]).parent),
            "shared": bytes_below(Path(files["tile_index"]).parents[1]),
            "upstream": bytes_below(Path(files["outlet_catalogue"]).parent),
        }
    finally:
        shutil.rmtree(root)
    return {
        "sites": made,
        "pairs": pairs,
        "workflow_wall_s": wall,
        "chain_cpu_s": sum(release[state]["cpu_s"] for state in TIMED),
        "s4_to_s9_cpu_s": sum(release[state]["cpu_s"] for state in FROM_S4),
        "largest_job_mb": max(release[state]["peak_mb"] for state in TIMED),
        "verdict_s9": summary["verdict"],
        "failed_checks": [row["check"] for row in summary["checks"] if row["status"] == "FAIL"],
        "states": {state: release[state] for state in TIMED},
        "upstream": upstream,
        "floors": floors,
        "disk_bytes": disk,
        "pair_by_pair": plain,
    }


def jobs_of(run: Mapping[str, Any]) -> dict[str, Any]:
    """Costs of 1A and of the states, by job."""
    return {**run["upstream"], **run["states"]}


def slopes(runs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Slope of log CPU seconds over log sites of every job that sites cost; empty for one run."""
    if len(runs) < 2:
        return {}
    sites = np.log([run["sites"] for run in runs])
    jobs = [jobs_of(run) for run in runs]
    return {
        job: float(np.polyfit(sites, np.log([costs[job]["cpu_s"] for costs in jobs]), 1)[0])
        for job in (*runs[0]["upstream"], *SITE_STATES)
        if all(job in costs for costs in jobs)
    }


def combine(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Runs in order of size, and the slopes over the three largest, which start-up bends least."""
    ranked = sorted(runs, key=lambda run: run["sites"])
    return {"seed": SEED, "runs": ranked, "slopes": slopes(ranked[-3:])}


def run_scales(sizes: Sequence[str], pair_seconds: float, out: str | Path) -> dict[str, Any]:
    """Measure every size and publish after each; runs of other sizes in the file are kept."""
    kept = read_json(out)["runs"] if Path(out).is_file() else []
    for size in sorted(sizes, key=parse_sites):
        made = {"size": size, **measure(parse_sites(size), pair_seconds)}
        kept = [run for run in kept if run["size"] != size] + [made]
        write_json(out, combine(kept))
    return combine(kept)


def table(result: Mapping[str, Any]) -> str:
    """Markdown: a table per run, then the slopes."""
    lines = []
    for run in result["runs"]:
        plain = run["pair_by_pair"]
        needed = plain["seconds"] * plain["pairs"] / plain["pairs_done"]
        how = (
            "measured"
            if plain["pairs_done"] == plain["pairs"]
            else (f"from {plain['pairs_done']:,} of them")
        )
        rows = []
        for state, cost in jobs_of(run).items():
            rate, times = "", ""
            if state in SITE_STATES:
                rate = f"{run['sites'] / cost['main_s']:,.0f}"
                times = f"{cost['cpu_s'] / sum(run['floors'][state].values()):.1f}"
            costs = f"{cost['main_s']:.2f}", f"{cost['cpu_s']:.2f}", f"{cost['peak_mb']:.0f}"
            rows.append([state, *costs, rate, times])
        chain = f"{run['chain_cpu_s']:.1f}", f"{run['largest_job_mb']:.0f}"
        rows.append(["chain", "", *chain, "", ""])
        lines += [
            f"### {run['sites']:,} sites, {run['pairs']:,} pairs",
            "",
            markdown_table(_HEAD, rows),
            "",
            f"S4 to S9 take {run['s4_to_s9_cpu_s']:.1f} CPU s; allocation pair by pair"
            f" {needed:,.0f} s ({how});"
            f" S9 says {run['verdict_s9']} {' '.join(run['failed_checks'])}".rstrip(),
            "",
        ]
    if result["slopes"]:
        found = [[state, f"{value:.2f}"] for state, value in result["slopes"].items()]
        lines.append(markdown_table(["job", "slope"], found))
    return "\n".join(lines)
