"""A small real world: the whole workflow over thirty small countries, in a folder of its own.

    python -m tests.small_world FOLDER

copies the repository's workflow to FOLDER, cuts the reference snapshot down to the countries,
adapts the policies to them and runs ``snakemake certify``. Everything is real but the size: real
borders, real places, the shipped laws and gates.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from scripts.geo.snapshot import DATA_FILES, OUTLET_FILES
from scripts.tables import file_digest, read_json, write_json
from tests import forks

REPOSITORY = Path(__file__).resolve().parents[1]
PARTS = (
    "Snakefile",
    "rules",
    "scripts",
    "config",
    "profiles",
    "envs",
    "report",
    "resources/vendor",
)
COUNTRIES = [
    *("AD", "BB", "BI", "BT", "CL", "CV", "CY", "DJ", "FJ", "GH", "GM", "IS", "JM", "KM", "KW"),
    *("LB", "LS", "LU", "MC", "MT", "MU", "NZ", "PT", "PY", "RW", "SG", "ST", "SV", "SZ", "TO"),
    *("UY", "WS"),
]
HOME_MARKETS = ["MC", "LU", "SG", "CY", "MT", "IS", "NZ", "KW", "AD", "PT", "UY", "BB"]
SEEDS = (7, 42)
MERCHANTS = 700


def _edit(path: Path, **changes: object) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    for dotted, value in changes.items():
        *trail, last = dotted.split("__")
        target = document
        for key in trail:
            target = target[key]
        target[last] = value
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def cut_reference(source: Path, target: Path, countries: Sequence[str] = COUNTRIES) -> None:
    """Copy of a reference snapshot with some of its countries."""
    target.mkdir(parents=True)
    wanted = pa.array(list(countries))
    for name in ("countries.parquet", "places.parquet"):
        table = pq.read_table(source / name)
        table = table.filter(pc.is_in(table["country_iso"], wanted))
        pq.write_table(table, target / name, compression="zstd")
    lines = (source / "country_facts.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [lines[0], *(line for line in lines[1:] if line.split(",", 1)[0] in set(countries))]
    (target / "country_facts.csv").write_text("".join(kept), encoding="utf-8")
    for name in ("land_cover.parquet", *OUTLET_FILES):
        shutil.copyfile(source / name, target / name)
    manifest = read_json(source / "manifest.json")
    for name in DATA_FILES:
        manifest["files"][name]["sha256"] = file_digest(target / name)
        manifest["files"][name]["bytes"] = (target / name).stat().st_size
    write_json(target / "manifest.json", manifest)


def copy_parts(folder: Path) -> None:
    """Copy the repository's workflow, without the reference snapshot, to ``folder``.

    Of what was compiled the loops alone: they are found by content.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = REPOSITORY / part
        if source.is_dir():
            of_python = shutil.ignore_patterns("*.pyc", "*.syntax.json")
            shutil.copytree(source, folder / part, ignore=of_python)
        else:
            shutil.copy2(source, folder / part)


def build(folder: Path, seeds: Sequence[int] = SEEDS) -> Path:
    """Lay out the small world below ``folder``, for some seeds, and return it."""
    copy_parts(folder)
    cut_reference(REPOSITORY / "resources/reference", folder / "resources/reference")
    layer = folder / "config/layer1"
    _edit(
        layer / "1A/policy/policy.1a.generator.authority.yaml",
        merchants__total=MERCHANTS,
        home_prior__markets=HOME_MARKETS,
        home_prior__country_cap_share=0.25,
        candidates__prior__markets=COUNTRIES[:16],
        candidates__prior__country_cap_share=0.5,
    )
    _edit(
        layer / "1A/policy/policy.1a.generator.reopened.yaml",
        merchants__total=MERCHANTS,
        home_prior__country_cap_share=0.042,
        home_prior__region_floor_share={},
        candidates__prior__country_cap_share=0.1,
    )
    _edit(
        layer / "1B/policy/policy.s2.tile_weights.yaml",
        country_mass__region_floor_share={"Africa": 0.1, "Oceania": 0.05},
        country_mass__country_cap_share_soft=0.04,
        country_mass__country_cap_share_hard=0.045,
        country_mass__topk_cap_targets={"top1": 0.05, "top5": 0.1, "top10": 0.2},
    )
    # Sites stand closer here than on the whole Earth: company is nearer, and towns wider.
    _edit(layer / "1B/policy/policy.s4.alloc_plan.yaml", outlets__company__km=6.0)
    _edit(
        layer / "1B/policy/policy.s6.jitter.yaml",
        towns__open_share=0.85,
        towns__spread_km=2.0,
        towns__spread_min_km=1.0,
    )
    _edit(
        folder / "config/config.yaml",
        seeds=list(seeds),
        certification__required_seeds=list(seeds),
        certification__release=False,
        certification__minimum_grade="B",
    )
    return folder


def without_package(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment that finds a world's own package, and lets Python keep what it compiled."""
    theirs = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    return {key: value for key, value in environment.items() if key not in theirs}


def snakemake(
    folder: Path,
    *arguments: str,
    cores: int = 2,
    environment: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in the small world, behind a command prefix if given."""
    arguments = (*arguments, "--cores", str(cores))
    if environment is None and not prefix:
        return forks.run("snakemake", list(arguments), folder, without_package(os.environ))
    command = [*prefix, sys.executable, "-m", "snakemake", *arguments]
    inherited = os.environ if environment is None else environment
    return forks.interpreter(command, folder, without_package(inherited))


def segment1b(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ``segment1b`` in the small world, with the world's own code."""
    return forks.run("scripts.cli", list(arguments), folder, without_package(os.environ))


def main() -> int:
    """Build the world and certify it."""
    folder = Path(sys.argv[1])
    if folder.exists():
        shutil.rmtree(folder)
    build(folder)
    result = snakemake(folder, "certify", "--quiet", "rules")
    print(result.stdout + result.stderr)
    return result.returncode


if __name__ == "__main__":
    raise SystemExit(main())
